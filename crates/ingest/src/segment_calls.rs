//! `/v1/batch`, `/v1/track`, `/v1/identify`, `/v1/page`, `/v1/screen`, `/v1/group`,
//! `/v1/alias`: what the SDKs of Segment and RudderStack send, answered as they expect.

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::ids::DomainId;
use crossfold_edge::batch::{BatchAnswer, Rejected, Rejection, check_size};
use crossfold_edge::caller::Scope;
use crossfold_edge::extract::{read_json, unreadable};
use crossfold_edge::problem::Problem;
use lambda_http::http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::events::{MAX_EVENTS, accept, all_stored};
use crate::inflate;
use crate::keys::holder::{Holder, by_write_key};
use crate::shapes::Posted;
use crate::shapes::segment::{Arrival, Batch, Message, read};
use crate::state::IngestState;
use crate::users;

/// What a sender is told. Its SDK looks at the status and `success`; the rest is
/// for whoever looks closer.
#[derive(Serialize)]
struct Taken {
    success: bool,
    /// Events stored now, and before.
    accepted: usize,
    duplicates: usize,
    /// Users of whom traits were kept.
    identified: usize,
    /// Messages that say nothing that is used here, or that consent keeps out.
    ignored: Vec<Rejected>,
    /// Messages with something wrong.
    rejected: Vec<Rejected>,
}

/// Why nothing was taken, as Segment's SDKs read it.
#[derive(Serialize)]
struct Refused {
    success: bool,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Rejected>,
}

/// Codes of events that are well formed and not meant for this domain.
const IGNORED: [&str; 2] = ["unmapped_event", "consent_refused"];

/// A call as it came, with the type that its path names.
struct Call {
    kind: Option<&'static str>,
    headers: HeaderMap,
    body: Bytes,
}

macro_rules! call {
    ($($name:ident: $kind:expr),+ $(,)?) => {$(
        pub(crate) async fn $name(
            State(state): State<IngestState>,
            headers: HeaderMap,
            body: Result<Bytes, BytesRejection>,
        ) -> Response {
            answer(&state, $kind, headers, body).await
        }
    )+};
}

call! {
    post_batch: None,
    post_track: Some("track"),
    post_identify: Some("identify"),
    post_page: Some("page"),
    post_screen: Some("screen"),
    post_group: Some("group"),
    post_alias: Some("alias"),
}

async fn answer(
    state: &IngestState,
    kind: Option<&'static str>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return refusal(unreadable(&error), Vec::new()),
    };
    match take(state, &Call { kind, headers, body }).await {
        Ok(taken) => taken.into_response(),
        Err(problem) => refusal(problem, Vec::new()),
    }
}

fn refusal(problem: Problem, rejected: Vec<Rejected>) -> Response {
    let Problem { status, code, detail: message, .. } = problem;
    let refused = Refused { success: false, code, message, rejected };
    let mut response = (status, JsonResponse(refused)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

impl IntoResponse for Taken {
    /// Success, unless everything was wrong: then the SDK tells its owner, and
    /// does not send it again.
    fn into_response(self) -> Response {
        let taken = self.accepted + self.duplicates + self.identified + self.ignored.len();
        match self.rejected.first() {
            Some(first) if taken == 0 => {
                let detail = first.detail.clone();
                refusal(Problem::new(StatusCode::BAD_REQUEST, first.code, detail), self.rejected)
            }
            _ => JsonResponse(self).into_response(),
        }
    }
}

async fn take(state: &IngestState, call: &Call) -> Result<Taken, Problem> {
    let body = inflate::body(&call.headers, call.body.clone())?;
    let body: Value = read_json(&body)?;
    let key = body["writeKey"].as_str();
    let Holder { domain, caller } = by_write_key(state, &call.headers, key).await?;
    let (messages, sent_at) = match call.kind {
        Some(_) => (vec![body], None),
        None => {
            let batch: Batch = serde_json::from_value(body)
                .map_err(|error| Problem::invalid(format!("not a batch: {error}")))?;
            (batch.batch, batch.sent_at)
        }
    };
    check_size(messages.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&domain).await?;
    let received_at = state.machine.clock.now();
    let arrival = Arrival { received_at, sent_at: sent_at.as_deref(), kind: call.kind };
    let sorted = Sorted::of(&messages, arrival, &definition);
    if !sorted.events.is_empty() {
        caller.require(Scope::EventsWrite, &domain)?;
    }
    if !sorted.traits.is_empty() {
        caller.require(Scope::UsersWrite, &domain)?;
    }
    store(state, &domain, &definition, sorted).await
}

/// Messages by what they ask for.
#[derive(Default)]
struct Sorted {
    events: Vec<Posted>,
    traits: Vec<(usize, users::Declaration)>,
    ignored: Vec<Rejected>,
}

impl Sorted {
    fn of(messages: &[Value], arrival: Arrival<'_>, definition: &DomainDefinition) -> Self {
        let mut sorted = Self::default();
        for (index, message) in messages.iter().enumerate() {
            match read(message, arrival, definition) {
                Message::Events(events) => {
                    sorted.events.extend(events.into_iter().map(|event| Posted { index, event }));
                }
                Message::Traits(declaration) => sorted.traits.push((index, declaration)),
                Message::NotUsed(detail) => {
                    sorted.ignored.push(Rejection::new("not_used", detail).at(index));
                }
            }
        }
        sorted
    }
}

async fn store(
    state: &IngestState,
    domain: &DomainId,
    definition: &DomainDefinition,
    Sorted { events, traits, mut ignored }: Sorted,
) -> Result<Taken, Problem> {
    let BatchAnswer { accepted, duplicates, rejected } =
        all_stored(accept(state, domain, definition, events).await?)?;
    let (of_others, mut rejected): (Vec<Rejected>, Vec<Rejected>) =
        rejected.into_iter().partition(|rejection| IGNORED.contains(&rejection.code));
    ignored.extend(of_others);
    let mut identified = 0;
    for (index, declaration) in traits {
        match users::declare(state, domain, declaration).await {
            Ok(()) => identified += 1,
            Err(problem) if problem.status.is_server_error() => return Err(problem),
            Err(problem) => rejected.push(Rejection::from(problem).at(index)),
        }
    }
    ignored.sort_by_key(|ignored| ignored.index);
    Ok(Taken { success: true, accepted, duplicates, identified, ignored, rejected })
}

#[cfg(test)]
mod tests {
    use crossfold_storage::faults::{Fault, FaultPlan};

    use crate::test_world::World;

    #[tokio::test]
    async fn a_body_that_is_too_large_is_told_by_the_code_of_every_other_route() {
        let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
        let body = "x".repeat(crossfold_edge::router::MAX_BODY_BYTES + 1).into();
        for path in ["/v1/track", "/v1/events"] {
            let (status, answer) = world.call("POST", path, &body).await;
            assert_eq!((status, &answer["code"]), (413, &"payload_too_large".into()), "{path}");
        }
    }
}
