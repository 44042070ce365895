//! Problem details: every error a caller sees (RFC 9457).

use axum::response::{IntoResponse, Response};
use crossfold_entities::ids::{DomainId, InvalidId};
use crossfold_entities::ports::{NoDefinition, StoreError};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// An error as the caller sees it. `code` is stable; `detail` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words: the status's usual phrase.
    pub title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    pub status: StatusCode,
    /// The stable code of the problem.
    pub code: &'static str,
    /// What was wrong this time.
    pub detail: String,
}

fn status_number<S: serde::Serializer>(
    status: &StatusCode,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with a stable code.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:crossfold:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            code,
            detail: detail.into(),
        }
    }

    /// The request was understood but one of its values is wrong.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
    }

    /// There is no such domain.
    #[must_use]
    pub fn unknown_domain(domain: &str) -> Self {
        let detail =
            format!("there is no domain {domain:?}: define it with PUT /v1/domains/{{domain}}");
        Self::new(StatusCode::NOT_FOUND, "unknown_domain", detail)
    }

    /// There is no such item.
    #[must_use]
    pub fn unknown_item(domain: &DomainId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_item", format!("{domain} has no such item"))
    }

    /// There is no such user. The id is not repeated: it is personal.
    #[must_use]
    pub fn unknown_user(domain: &DomainId) -> Self {
        let detail = format!(
            "{domain} has no such user: register it with PUT /v1/users/{{user}}?domain={domain}"
        );
        Self::new(StatusCode::NOT_FOUND, "unknown_user", detail)
    }

    /// Someone else changed the same thing at the same time, again and again.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_id", error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // What went wrong inside is for the log, not for the caller.
        tracing::error!(%error, "a store failed");
        match error {
            StoreError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "a store is unavailable: try again in a moment",
            ),
            StoreError::Corrupt(_) | StoreError::Refused(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the request could not be completed",
            ),
        }
    }
}

impl From<NoDefinition> for Problem {
    fn from(error: NoDefinition) -> Self {
        match error {
            NoDefinition::Unknown(domain) => Self::unknown_domain(domain.as_str()),
            NoDefinition::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_its_code() {
        let problem = Problem::unknown_domain("travel");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:crossfold:problem:unknown_domain");
        assert_eq!(json["status"], 404);
        assert_eq!(json["title"], "Not Found");
        assert_eq!(json["code"], "unknown_domain");
        let response = problem.into_response();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }

    #[test]
    fn a_store_error_does_not_tell_the_caller_about_the_inside() {
        let problem = Problem::from(StoreError::Corrupt("row secret-7".into()));
        assert!(!problem.detail.contains("secret"));
    }
}
