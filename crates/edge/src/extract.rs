//! Extractors whose refusals are problems.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use crossfold_entities::json::{self, UnreadableText};
use crossfold_entities::json_text::Unreadable;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;

/// A JSON body. Where an object is documented, a list is refused: see
/// [`crossfold_entities::json`].
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body must be sent as Content-Type: application/json",
            ));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| unreadable(&rejection))?;
        read_json(&body).map(Self)
    }
}

/// Reads a body that is JSON.
///
/// # Errors
/// A [`Problem`]: `duplicate_key` where an object has a key twice, and which of the two
/// is meant cannot be known; `payload_too_large` with too many values; `malformed_json`;
/// `invalid_request`.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    json::from_slice(body).map_err(|error| match error {
        UnreadableText::Text(error @ Unreadable::DuplicateKey { .. }) => {
            Problem::new(StatusCode::BAD_REQUEST, "duplicate_key", error.to_string())
        }
        UnreadableText::Text(error @ Unreadable::TooManyValues) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", error.to_string())
        }
        UnreadableText::Json(error) => json_problem(&error),
    })
}

/// Whether a body is said to be JSON, or of a type that is JSON (`application/...+json`).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let subtype = media_type.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

fn json_problem(error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => Problem::invalid(format!("the body is not as documented: {error}")),
        Category::Io | Category::Syntax | Category::Eof => Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            format!("the body is no JSON: {error}"),
        ),
    }
}

/// What is told of a body that did not arrive whole: `payload_too_large`, `unreadable_body`.
#[must_use]
pub fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = rejection.body_text();
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", rejection.body_text())
    }
}

/// Path parameters.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => {
                let why = rejection.body_text();
                let why = why.strip_prefix("Invalid URL: ").unwrap_or(&why);
                Err(Problem::invalid(format!("the path is not as documented: {why}")))
            }
        }
    }
}

/// Query parameters.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let why = rejection.source().map_or_else(|| rejection.body_text(), why);
                Err(Problem::invalid(query_detail(&why)))
            }
        }
    }
}

/// The innermost reason of an error: those around it say only where it arose.
fn why(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// What is wrong with a query string, in words of our own.
fn query_detail(why: &str) -> String {
    // Where the parameter itself is at fault, its name stands before.
    let text = why.split_once(": ").map_or(why, |(_, text)| text);
    let quoted = |before: &str| text.strip_prefix(before)?.strip_prefix('`')?.split_once('`');
    if let Some((name, _)) = quoted("missing field ") {
        return format!("the query parameter {name} is missing");
    }
    if let Some((name, _)) = quoted("duplicate field ") {
        return format!("the query parameter {name} stands twice");
    }
    if let Some((name, rest)) = quoted("unknown field ") {
        return format!("there is no query parameter {name} here{rest}");
    }
    format!("the query string is not as documented: {why}")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u8,
        y: u8,
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_query_string_is_told_in_our_own_words() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)] // Only that they can be read is looked at.
        struct Window {
            domain: String,
            limit: Option<u8>,
        }
        for (query, detail) in [
            ("limit=1", "the query parameter domain is missing"),
            ("domain=a&domain=b", "the query parameter domain stands twice"),
            (
                "domain=a&after=1",
                "there is no query parameter after here, expected `domain` or `limit`",
            ),
            (
                "domain=a&limit=many",
                "the query string is not as documented: limit: invalid digit found in string",
            ),
        ] {
            let request = Request::builder().uri(format!("/?{query}"));
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let refused = Query::<Window>::from_request_parts(&mut parts, &()).await;
            assert_eq!(refused.unwrap_err().detail, detail, "{query}");
        }
    }

    async fn read(media_type: &str, body: &str) -> Result<Point, Problem> {
        let request = Request::builder().header("content-type", media_type);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Json::from_request(request, &()).await.map(|Json(point)| point)
    }

    #[tokio::test]
    async fn a_body_is_an_object_of_a_type_that_is_json() {
        let good = r#"{"x": 1, "y": 2}"#;
        for media_type in
            ["application/json", "Application/JSON; charset=utf-8", "application/a+json"]
        {
            assert_eq!(read(media_type, good).await.unwrap(), Point { x: 1, y: 2 });
        }
        for (media_type, body, code) in [
            ("text/plain", good, "unsupported_media_type"),
            ("application/jsonp", good, "unsupported_media_type"),
            ("application/json", "{", "malformed_json"),
            ("application/json", "", "malformed_json"),
            ("application/json", "[1, 2]", "invalid_request"),
            ("application/json", r#"{"x": 1}"#, "invalid_request"),
            ("application/json", r#"{"x": 1, "y": 2, "x": 1}"#, "duplicate_key"),
            ("application/json", r#"{"x": 1, "y": {"z": 1, "\u007a": 2}}"#, "duplicate_key"),
            ("application/json", r#"{"x": 1, "y": 1e400}"#, "invalid_request"),
        ] {
            assert_eq!(read(media_type, body).await.unwrap_err().code, code, "{body}");
        }
    }
}
