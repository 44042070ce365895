//! `POST /v1/events`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::event::{Event, ParsedEvent};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{Appended, StoreError};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::routes::IngestState;

/// Most events in one call.
pub const MAX_EVENTS: usize = 500;
/// Events of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBatch {
    domain: DomainId,
    events: Vec<serde_json::Value>,
}

#[derive(Serialize, Default)]
pub(crate) struct EventsAccepted {
    accepted: usize,
    duplicates: usize,
    rejected: Vec<Rejected>,
}

/// One element of a batch that was refused.
#[derive(Serialize)]
pub(crate) struct Rejected {
    pub(crate) index: usize,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

/// Stores each good event of a batch and reports each bad one. When a store
/// fails midway the whole call fails; sent again, what was stored is a duplicate.
pub(crate) async fn post_events(
    State(state): State<IngestState>,
    caller: Caller,
    Json(batch): Json<EventBatch>,
) -> Result<JsonResponse<EventsAccepted>, Problem> {
    caller.require(Scope::EventsWrite, &batch.domain)?;
    check_batch_size(batch.events.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&batch.domain).await?;
    let now = state.clock.now();
    let mut answer = EventsAccepted::default();
    let mut events = Vec::with_capacity(batch.events.len());
    for (index, raw) in batch.events.into_iter().enumerate() {
        match ParsedEvent::parse(raw, &definition, now) {
            Ok(parsed) => {
                let user = state.pseudonymiser.pseudonym(&batch.domain, parsed.user());
                events.push(parsed.into_event(user, batch.domain.clone(), now));
            }
            Err(rejection) => answer.rejected.push(Rejected {
                index,
                code: rejection.code(),
                detail: rejection.to_string(),
            }),
        }
    }
    for appended in append_all(&state, events).await? {
        match appended {
            Appended::New => answer.accepted += 1,
            Appended::Duplicate => answer.duplicates += 1,
        }
    }
    Ok(JsonResponse(answer))
}

async fn append_all(state: &IngestState, events: Vec<Event>) -> Result<Vec<Appended>, StoreError> {
    stream::iter(events)
        .map(|event| {
            let store = state.stores.events.clone();
            async move { store.append(&event).await }
        })
        .buffer_unordered(CONCURRENT_WRITES)
        .try_collect()
        .await
}

/// Refuses an empty or oversize batch.
pub(crate) fn check_batch_size(size: usize, most: usize) -> Result<(), Problem> {
    if size == 0 {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "empty_batch",
            "the batch is empty",
        ));
    }
    if size > most {
        let detail = format!("the batch has {size} elements; at most {most} are taken at once");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", detail));
    }
    Ok(())
}
