//! `POST /v1/events`.

use std::collections::BTreeMap;

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::event::{Event, EventRejection, ParsedEvent, RawEvent};
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_edge::batch::{self, BatchAnswer, Rejected};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_storage::event_writer::store_events;
use crossfold_storage::person_lookup::{Found, find};
use jiff::Timestamp;

use crate::shapes::{EventBatch, crossfold};
use crate::state::IngestState;

/// Most events in one call.
pub const MAX_EVENTS: usize = 500;
/// Users of one call that are looked up at the same time.
const CONCURRENT_READS: usize = 64;

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
    let EventBatch { domain, events: raw_events, refuse_erased } = posted;
    caller.require(Scope::EventsWrite, &domain)?;
    batch::check_size(raw_events.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&domain).await?;
    let erased = erased_users(state, &domain, &refuse_erased).await?;
    let now = state.clock.now();
    let parse = |raw: Result<RawEvent, EventRejection>| {
        let parsed = ParsedEvent::parse(raw?, &definition, now)?;
        let user = state.pseudonymiser.pseudonym(&domain, parsed.user());
        Ok(parsed.into_event(user, domain.clone(), now))
    };
    let (mut events, mut rejected) = (Vec::<Event>::with_capacity(raw_events.len()), Vec::new());
    for (index, raw) in raw_events.into_iter().enumerate() {
        match parse(raw) {
            Ok(event) if is_of_earlier_life(&event, &erased) => rejected.push(Rejected {
                index,
                code: "erased_user",
                detail: "the user was erased".into(),
            }),
            Ok(event) => events.push(event),
            Err(rejection) => rejected.push(rejection_of(index, &rejection)),
        }
    }
    let appended = store_events(&*state.stores.events, &definition, &events).await?;
    let answer = BatchAnswer::counting(rejected, &appended);
    let activity = Activity { events: answer.intake(now), ..Activity::default() };
    state.activity.note(&domain, activity).await;
    Ok(answer)
}

/// When the earlier life of a user was erased. One that was not registered again has no
/// other: nothing of it is taken.
enum Erased {
    Before(Timestamp),
    Wholly,
}

/// Those of some users that were erased.
async fn erased_users(
    state: &IngestState,
    domain: &DomainId,
    users: &[String],
) -> Result<BTreeMap<Pseudonym, Erased>, Problem> {
    if users.is_empty() {
        return Ok(BTreeMap::new());
    }
    batch::check_size(users.len(), MAX_EVENTS)?;
    let users: Vec<Pseudonym> =
        users.iter().map(|user| state.pseudonym(domain, user)).collect::<Result<_, _>>()?;
    let finds = users.into_iter().map(|user| {
        let store = state.stores.people.clone();
        async move {
            let erased = match find(&*store, &user).await? {
                Found::Nobody => None,
                Found::Erased { .. } => Some(Erased::Wholly),
                Found::Person(mut stored) => stored
                    .person
                    .member_mut(&user)
                    .and_then(|member| member.erased_at)
                    .map(Erased::Before),
            };
            Ok(erased.map(|erased| (user, erased)))
        }
    });
    let found = batch::write_all(finds, CONCURRENT_READS).await?;
    Ok(found.into_iter().flatten().collect())
}

fn is_of_earlier_life(event: &Event, erased: &BTreeMap<Pseudonym, Erased>) -> bool {
    match erased.get(&event.user) {
        None => false,
        Some(Erased::Wholly) => true,
        Some(Erased::Before(at)) => event.occurred_at <= *at,
    }
}

fn rejection_of(index: usize, rejection: &EventRejection) -> Rejected {
    Rejected { index, code: rejection.code(), detail: rejection.to_string() }
}
