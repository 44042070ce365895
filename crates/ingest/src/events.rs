//! `POST /v1/events`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::event::{Event, EventRejection, ParsedEvent, RawEvent};
use crossfold_edge::batch::{self, BatchAnswer, Rejected};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_storage::event_writer::store_event;

use crate::shapes::{EventBatch, crossfold};
use crate::state::IngestState;

/// Most events in one call.
pub const MAX_EVENTS: usize = 500;
/// Events of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 64;

pub(crate) async fn post_events(
    State(state): State<IngestState>,
    caller: Caller,
    Json(body): Json<crossfold::Body>,
) -> Result<JsonResponse<BatchAnswer>, Problem> {
    accept(&state, &caller, body.into()).await.map(JsonResponse)
}

/// Stores each good event of a batch and reports each bad one. When a store
/// fails midway the whole call fails; sent again, what was stored is a duplicate.
async fn accept(
    state: &IngestState,
    caller: &Caller,
    posted: EventBatch,
) -> Result<BatchAnswer, Problem> {
    let EventBatch { domain, events: raw_events } = posted;
    caller.require(Scope::EventsWrite, &domain)?;
    batch::check_size(raw_events.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&domain).await?;
    let now = state.clock.now();
    let parse = |raw: Result<RawEvent, EventRejection>| {
        let parsed = ParsedEvent::parse(raw?, &definition, now)?;
        let user = state.pseudonymiser.pseudonym(&domain, parsed.user());
        Ok(parsed.into_event(user, domain.clone(), now))
    };
    let (mut events, mut rejected) = (Vec::<Event>::with_capacity(raw_events.len()), Vec::new());
    for (index, raw) in raw_events.into_iter().enumerate() {
        match parse(raw) {
            Ok(event) => events.push(event),
            Err(rejection) => rejected.push(rejection_of(index, &rejection)),
        }
    }
    let (store, definition) = (&*state.stores.events, &definition);
    let appends =
        events.into_iter().map(|event| async move { store_event(store, definition, &event).await });
    let appended = batch::write_all(appends, CONCURRENT_WRITES).await?;
    let answer = BatchAnswer::counting(rejected, &appended);
    let activity = Activity { events: answer.intake(now), ..Activity::default() };
    state.activity.note(&domain, activity).await;
    Ok(answer)
}

fn rejection_of(index: usize, rejection: &EventRejection) -> Rejected {
    Rejected { index, code: rejection.code(), detail: rejection.to_string() }
}
