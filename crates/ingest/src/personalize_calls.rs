//! `/events`, `/items` and `/users`: Amazon Personalize's `PutEvents`, `PutItems`
//! and `PutUsers`, as its SDKs send and expect them to be answered.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::ids::DomainId;
use crossfold_edge::batch::Rejected;
use crossfold_edge::caller::Scope;
use crossfold_edge::problem::Problem;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::events::{RefuseErased, all_stored, append, judge, note_refused};
use crate::inflate;
use crate::items;
use crate::keys::holder::{Holder, Signable, by_signature};
use crate::shapes::{personalize, personalize_items};
use crate::state::IngestState;
use crate::users;

/// In which AWS's SDKs look for the kind of an error.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

pub(crate) async fn put_events(state: State<IngestState>, request: Request) -> Response {
    answered(events(&state, request).await)
}

pub(crate) async fn put_items(state: State<IngestState>, request: Request) -> Response {
    answered(catalogue(&state, request).await)
}

pub(crate) async fn put_users(state: State<IngestState>, request: Request) -> Response {
    answered(people(&state, request).await)
}

/// A success has no body; an error a message, and its kind in a header.
fn answered(outcome: Result<(), Problem>) -> Response {
    let Err(problem) = outcome else { return StatusCode::OK.into_response() };
    let body = serde_json::json!({ "message": problem.detail }).to_string();
    let mut response = (status(&problem), body).into_response();
    let headers = response.headers_mut();
    headers.insert(ERROR_TYPE, HeaderValue::from_static(kind(&problem)));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Personalize refuses what is wrong with 400, whatever it is.
fn status(problem: &Problem) -> StatusCode {
    match problem.status {
        StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::CONFLICT => StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        status => status,
    }
}

fn kind(problem: &Problem) -> &'static str {
    match (problem.status, problem.code) {
        (_, "invalid_signature") => "InvalidSignatureException",
        (StatusCode::UNAUTHORIZED, _) => "UnrecognizedClientException",
        (StatusCode::FORBIDDEN, _) => "AccessDeniedException",
        (StatusCode::NOT_FOUND, _) => "ResourceNotFoundException",
        (StatusCode::CONFLICT, _) => "ResourceInUseException",
        (StatusCode::SERVICE_UNAVAILABLE, _) => "ServiceUnavailableException",
        (status, _) if status.is_server_error() => "InternalServerException",
        _ => "InvalidInputException",
    }
}

/// Who sent a request, for which domain, with its body.
async fn signed(
    state: &IngestState,
    request: Request,
    scope: Scope,
) -> Result<(DomainId, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let most = crossfold_edge::router::MAX_BODY_BYTES;
    let body = axum::body::to_bytes(body, most).await.map_err(|error| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", error.to_string())
    })?;
    let signable =
        Signable { method: &parts.method, uri: &parts.uri, headers: &parts.headers, body: &body };
    let Holder { domain, caller } = by_signature(state, &signable).await?;
    caller.require(scope, &domain)?;
    Ok((domain, inflate::body(&parts.headers, body)?))
}

async fn events(state: &IngestState, request: Request) -> Result<(), Problem> {
    let (domain, body) = signed(state, request, Scope::EventsWrite).await?;
    let definition = state.definitions.domain(&domain).await?;
    let posted = personalize::events(&body, &definition).map_err(Problem::invalid)?;
    let judged = judge(state, (&domain, &definition), posted, &RefuseErased::new()).await?;
    if let Some(Rejected { index, code, detail }) = judged.rejected.first() {
        note_refused(state, &domain, &judged.rejected).await;
        let detail = format!("eventList member {}: {detail} ({code})", index + 1);
        return Err(Problem::invalid(detail));
    }
    all_stored(append(state, &domain, &definition, judged).await?).map(drop)
}

async fn catalogue(state: &IngestState, request: Request) -> Result<(), Problem> {
    let (domain, body) = signed(state, request, Scope::CatalogWrite).await?;
    let definition = state.definitions.domain(&domain).await?;
    let posted = personalize_items::items(&body).map_err(Problem::invalid)?;
    for (item_id, details) in &posted {
        let in_item = |error| Problem::invalid(format!("item {item_id}: {error}"));
        definition.check_item(details).map_err(in_item)?;
    }
    let updated_at = to_millisecond(state.machine.clock.now());
    let entries = posted.into_iter().map(|(item_id, details)| Item {
        domain: domain.clone(),
        item_id,
        details: Some(details),
        updated_at,
        change: ChangeNumber::default(),
    });
    items::store(state, &domain, entries.collect(), items::Standing::Replaced).await.map(drop)
}

async fn people(state: &IngestState, request: Request) -> Result<(), Problem> {
    let (domain, body) = signed(state, request, Scope::UsersWrite).await?;
    let definition = state.definitions.domain(&domain).await?;
    let source = definition.sources.personalize.as_ref();
    let posted = personalize::users(&body, source).map_err(Problem::invalid)?;
    for user in posted {
        let personalize::DeclaredUser { user, declared } = user;
        let declaration = users::Declaration { user, declared, declared_at: None };
        users::declare(state, &domain, declaration).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_status_and_kind_that_the_sdks_know() {
        for (problem, expected, kind) in [
            (Problem::invalid("x"), 400, "InvalidInputException"),
            (Problem::unknown_domain("x"), 404, "ResourceNotFoundException"),
            (Problem::conflict("x"), 400, "ResourceInUseException"),
            (
                Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "x"),
                403,
                "UnrecognizedClientException",
            ),
            (
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "x"),
                503,
                "ServiceUnavailableException",
            ),
        ] {
            let response = answered(Err(problem));
            assert_eq!(response.status().as_u16(), expected);
            assert_eq!(response.headers()[ERROR_TYPE], kind);
        }
        assert_eq!(answered(Ok(())).status(), 200);
    }
}
