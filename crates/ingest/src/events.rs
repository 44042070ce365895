//! `POST /v1/events`, and how events of any wire format are accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json as JsonResponse;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::{Event, EventRejection, ParsedEvent, RawEvent};
use crossfold_core::entities::ids::{DomainId, EventId, Pseudonym, UserId};
use crossfold_core::entities::people::UserLife;
use crossfold_edge::batch::{self, BatchAnswer, Rejected, Rejection};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Query, unreadable};
use crossfold_edge::problem::Problem;
use crossfold_storage::event_writer::store_events;
use crossfold_storage::person_lookup::lives;
use lambda_http::http::StatusCode;
use serde::Deserialize;

use crate::shapes::cloudevents::{self, Mode};
use crate::shapes::{Posted, crossfold};
use crate::state::IngestState;
use crate::triggered::{Ordered, StoredEvent, Triggered};

/// Most events in one call.
pub const MAX_EVENTS: usize = 500;
/// How long the events of a call may take to be stored: with what comes before it, less than
/// the function has.
const WAIT: Duration = Duration::from_secs(6);
/// The code of an event that was not stored, and may be when it is sent again.
pub(crate) const STORE_UNAVAILABLE: &str = "store_unavailable";
/// Most events that those of one call may stand for: an order has many items.
const MAX_MEANINGS: usize = 2_000;

#[derive(Deserialize)]
pub(crate) struct EventsQuery {
    /// The platform whose CloudEvents these are: they do not say so themselves.
    domain: Option<DomainId>,
}

/// Takes Crossfold's own batches, and CloudEvents by their content type.
pub(crate) async fn post_events(
    State(state): State<IngestState>,
    caller: Caller,
    Query(of): Query<EventsQuery>,
    request: Request,
) -> Result<Response, Problem> {
    if let Some(mode) = cloudevents::mode(request.headers()) {
        return post_cloudevents(&state, &caller, of.domain, mode, request).await;
    }
    let Json(body) = Json::<crossfold::Body>::from_request(request, &state).await?;
    let domain = body.domain.clone();
    caller.require(Scope::EventsWrite, &domain)?;
    let refuse_erased = users_of(&state, &domain, &body.refuse_erased)?;
    let events = body.events();
    batch::check_size(events.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&domain).await?;
    let judged = judge(&state, (&domain, &definition), events, &refuse_erased).await?;
    let answer = some_stored(append(&state, &domain, &definition, judged).await?)?;
    Ok(JsonResponse(answer).into_response())
}

/// A call of which every event is to be sent again is one that failed, also for a sender
/// that looks at its status alone.
fn some_stored(answer: BatchAnswer) -> Result<BatchAnswer, Problem> {
    let rejected = &answer.rejected;
    let none = !rejected.is_empty() && answer.accepted + answer.duplicates == 0;
    let is_away = none && rejected.iter().all(|rejected| rejected.code == STORE_UNAVAILABLE);
    if is_away { all_stored(answer) } else { Ok(answer) }
}

fn users_of(
    state: &IngestState,
    domain: &DomainId,
    users: &[String],
) -> Result<RefuseErased, Problem> {
    if !users.is_empty() {
        batch::check_size(users.len(), MAX_EVENTS)?;
    }
    users.iter().map(|user| state.pseudonym(domain, user)).collect()
}

/// A batch is answered event by event; a single event that is refused is a
/// refused call, for its sender looks at the status alone.
async fn post_cloudevents(
    state: &IngestState,
    caller: &Caller,
    domain: Option<DomainId>,
    mode: Mode,
    request: Request,
) -> Result<Response, Problem> {
    let domain = domain.or_else(|| caller.only_domain().cloned()).ok_or_else(|| {
        Problem::invalid("CloudEvents do not name their domain: add ?domain= to the address")
    })?;
    caller.require(Scope::EventsWrite, &domain)?;
    let headers = request.headers().clone();
    let body =
        Bytes::from_request(request, state).await.map_err(|rejection| unreadable(&rejection))?;
    let body = crate::inflate::body(&headers, body)?;
    let documents = cloudevents::documents(mode, &headers, &body)?;
    batch::check_size(documents.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&domain).await?;
    let now = state.machine.clock.now();
    let events = documents.iter().enumerate().flat_map(|(index, event)| {
        let meanings = cloudevents::read(event, now, &definition);
        meanings.into_iter().map(move |event| Posted { index, event })
    });
    let answer = accept(state, &domain, &definition, events.collect()).await?;
    let answer = if mode == Mode::Batch { some_stored(answer)? } else { all_stored(answer)? };
    match answer.rejected.first() {
        Some(rejected) if mode != Mode::Batch => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::new(status, rejected.code, rejected.detail.clone()))
        }
        _ => Ok(JsonResponse(answer).into_response()),
    }
}

/// Events that keep every rule, and those that do not.
pub(crate) struct Judged {
    events: Vec<JudgedEvent>,
    pub(crate) rejected: Vec<Rejected>,
}

/// An event that keeps every rule.
struct JudgedEvent {
    /// Its place in the posted list.
    index: usize,
    /// Whose it is, as the platform knows them: for what is done with it now, and kept nowhere.
    user_id: UserId,
    event: Event,
}

/// Users of whom nothing is taken at all unless they came back: see [`crossfold::Body`].
pub(crate) type RefuseErased = BTreeSet<Pseudonym>;

/// Holds events against their domain's rules. Each is of the life that its user leads: one
/// that happened in a life that was erased is refused, and one that is stored while its
/// user is erased belongs to what was erased.
///
/// # Errors
/// When they are more than one call may stand for, or lives cannot be read.
pub(crate) async fn judge(
    state: &IngestState,
    (domain, definition): (&DomainId, &DomainDefinition),
    posted: Vec<Posted>,
    refuse_erased: &RefuseErased,
) -> Result<Judged, Problem> {
    if posted.len() > MAX_MEANINGS {
        let detail = format!(
            "the batch stands for {} events; at most {MAX_MEANINGS} are taken at once",
            posted.len()
        );
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", detail));
    }
    let now = state.machine.clock.now();
    let parse = |raw: Result<RawEvent, EventRejection>| {
        let parsed = ParsedEvent::parse(raw?, definition, now)?;
        Ok::<_, EventRejection>((state.pseudonymiser.pseudonym(domain, parsed.user()), parsed))
    };
    let mut judged = Judged { events: Vec::with_capacity(posted.len()), rejected: Vec::new() };
    let mut parsed = Vec::with_capacity(posted.len());
    for Posted { index, event } in posted {
        match parse(event) {
            Ok((user, event)) => parsed.push((index, user, event)),
            Err(rejection) => judged.rejected.push(Rejection::from(rejection).at(index)),
        }
    }
    let users = parsed.iter().map(|(_, user, _)| user.clone());
    let lives = lives(&*state.stores.people, users).await?;
    let mut again = sent_again(state, &parsed, &lives).await?.into_iter();
    for (index, user, event) in parsed {
        let life = lives.get(&user).cloned().unwrap_or_else(|| UserLife::first(&user));
        let user_id = event.user().clone();
        let event = event.into_event(life.user.clone(), (domain.clone(), definition.life), now);
        let is_refused = life.is_erased && refuse_erased.contains(&user);
        let is_again = again.next().unwrap_or_default();
        if is_refused || is_again || life.is_before(event.occurred_at) {
            let detail =
                "the user was erased after this happened, or had an event of this id before";
            judged.rejected.push(Rejection::new("erased_user", detail).at(index));
        } else {
            judged.events.push(JudgedEvent { index, user_id, event });
        }
    }
    judged.rejected.sort_by_key(|rejected| rejected.index);
    Ok(judged)
}

/// Which of these events are of a life that was erased by their ids, each in its place, whatever
/// time they claim. Only who came back is looked for.
async fn sent_again(
    state: &IngestState,
    parsed: &[(usize, Pseudonym, ParsedEvent)],
    lives: &BTreeMap<Pseudonym, UserLife>,
) -> Result<Vec<bool>, Problem> {
    let has_earlier = |user: &Pseudonym| lives.get(user).is_some_and(|life| life.user.life() > 0);
    let mut again = vec![false; parsed.len()];
    let (places, asked): (Vec<usize>, Vec<(Pseudonym, EventId)>) = parsed
        .iter()
        .enumerate()
        .filter(|(_, (_, user, _))| has_earlier(user))
        .map(|(place, (_, user, event))| (place, (user.clone(), event.event_id().clone())))
        .unzip();
    if !asked.is_empty() {
        let told = state.stores.events.were_erased(&asked).await?;
        places.into_iter().zip(told).for_each(|(place, told)| again[place] = told);
    }
    Ok(again)
}

/// Stores events, orders what they trigger, and says what became of each. One that the store did
/// not take is refused with [`STORE_UNAVAILABLE`], to be sent again; if it was stored all the same,
/// it is a duplicate then. So is one of which only what it triggers could not be ordered.
pub(crate) async fn append(
    state: &IngestState,
    domain: &DomainId,
    definition: &DomainDefinition,
    Judged { events, mut rejected }: Judged,
) -> Result<BatchAnswer, Problem> {
    let (places, events): (Vec<(usize, UserId)>, Vec<Event>) =
        events.into_iter().map(|judged| ((judged.index, judged.user_id), judged.event)).unzip();
    let answers = store_events(&*state.stores.events, definition, &events, WAIT).await;
    let stored: Vec<StoredEvent<'_>> = places
        .iter()
        .zip(&events)
        .zip(&answers)
        .filter_map(|(((index, user_id), event), answer)| {
            let appended = *answer.as_ref().ok()?;
            Some(StoredEvent { index: *index, user_id, event, appended })
        })
        .collect();
    // Also of an event that was stored before: what it triggers may not have been ordered then.
    let triggered = Triggered { state, domain, definition };
    // Apart, for nearly no call needs it and each would carry its size on its stack.
    let ordered = match definition.campaigns.is_empty() {
        true => Ordered::default(),
        false => Box::pin(triggered.order(stored)).await,
    };
    let (pushes, mut unordered) = (ordered.pushes(), ordered.failed);
    let mut appended = Vec::with_capacity(events.len());
    let mut unstored = BTreeSet::new();
    for ((index, _), answer) in places.into_iter().zip(answers) {
        match unordered.remove(&index).map_or(answer, Err) {
            Ok(answer) => appended.push(answer),
            Err(error) => {
                if unstored.is_empty() {
                    tracing::error!(%domain, %error, "an event, at least, could not be stored");
                }
                unstored.insert(index);
            }
        }
    }
    let unavailable =
        Rejection::new(STORE_UNAVAILABLE, "it could not be stored: send it again in a moment");
    rejected.extend(unstored.into_iter().map(|index| unavailable.clone().at(index)));
    rejected.sort_by_key(|rejected| rejected.index);
    tell_of(domain, &rejected);
    let answer = BatchAnswer::counting(rejected, &appended);
    let now = state.machine.clock.now();
    let activity = Activity { events: answer.intake(now), pushes, ..Activity::default() };
    state.activity.note(domain, activity).await;
    Ok(answer)
}

/// For senders that look at the status alone, and send all of it again when it says so:
/// a call of which an event was not stored has failed.
///
/// # Errors
/// A problem with which they send it again.
pub(crate) fn all_stored(answer: BatchAnswer) -> Result<BatchAnswer, Problem> {
    if answer.rejected.iter().any(|rejected| rejected.code == STORE_UNAVAILABLE) {
        let detail = "a store is unavailable: try again in a moment";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, STORE_UNAVAILABLE, detail));
    }
    Ok(answer)
}

/// Counts events of a call of which nothing is stored.
pub(crate) async fn note_refused(state: &IngestState, domain: &DomainId, rejected: &[Rejected]) {
    tell_of(domain, rejected);
    let events = batch::intake((0, 0), rejected, state.machine.clock.now());
    state.activity.note(domain, Activity { events, ..Activity::default() }).await;
}

/// Stores each good event and reports each bad one.
pub(crate) async fn accept(
    state: &IngestState,
    domain: &DomainId,
    definition: &DomainDefinition,
    posted: Vec<Posted>,
) -> Result<BatchAnswer, Problem> {
    let judged = judge(state, (domain, definition), posted, &RefuseErased::new()).await?;
    append(state, domain, definition, judged).await
}

/// Leaves a line for each reason in the log: many senders never look at an
/// answer. The details may hold what a user typed, and stay out of it.
fn tell_of(domain: &DomainId, rejected: &[Rejected]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for rejection in rejected {
        *counts.entry(rejection.code).or_default() += 1;
    }
    for (code, events) in counts {
        tracing::warn!(%domain, code, events, "events were refused");
    }
}

#[cfg(test)]
mod tests;
