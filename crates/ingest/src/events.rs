//! `POST /v1/events`, and how events of any wire format are accepted.

use std::collections::BTreeMap;

use axum::Json as JsonResponse;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::{Event, EventRejection, ParsedEvent, RawEvent};
use crossfold_core::entities::ids::DomainId;
use crossfold_edge::batch::{self, BatchAnswer, Rejected};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Query};
use crossfold_edge::problem::Problem;
use crossfold_storage::event_writer::store_events;
use lambda_http::http::StatusCode;
use serde::Deserialize;

use crate::earlier_lives::EarlierLives;
use crate::shapes::cloudevents::{self, Mode};
use crate::shapes::{Posted, crossfold};
use crate::state::IngestState;

/// Most events in one call.
pub const MAX_EVENTS: usize = 500;
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
    let refuse_erased = body.refuse_erased.clone();
    let events = body.events();
    batch::check_size(events.len(), MAX_EVENTS)?;
    let definition = state.definitions.domain(&domain).await?;
    let erased = EarlierLives::of(&state, &domain, &refuse_erased).await?;
    let judged = judge(&state, &domain, &definition, events)?.without(&erased);
    let answer = append(&state, &domain, &definition, judged).await?;
    Ok(JsonResponse(answer).into_response())
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
    let body = Bytes::from_request(request, state)
        .await
        .map_err(|error| Problem::new(error.status(), "unreadable_body", error.body_text()))?;
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
    /// Each with its place in the posted list.
    events: Vec<(usize, Event)>,
    pub(crate) rejected: Vec<Rejected>,
}

impl Judged {
    /// The same without events of lives that were erased.
    fn without(mut self, erased: &EarlierLives) -> Self {
        let (of_erased, events) =
            self.events.into_iter().partition::<Vec<_>, _>(|(_, event)| erased.have(event));
        self.rejected.extend(of_erased.into_iter().map(|(index, _)| Rejected {
            index,
            code: "erased_user",
            detail: "the user was erased".into(),
        }));
        self.rejected.sort_by_key(|rejected| rejected.index);
        Self { events, ..self }
    }
}

/// Holds events against their domain's rules.
///
/// # Errors
/// When they are more than one call may stand for.
pub(crate) fn judge(
    state: &IngestState,
    domain: &DomainId,
    definition: &DomainDefinition,
    posted: Vec<Posted>,
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
        let user = state.pseudonymiser.pseudonym(domain, parsed.user());
        Ok::<Event, EventRejection>(parsed.into_event(user, domain.clone(), now))
    };
    let mut judged = Judged { events: Vec::with_capacity(posted.len()), rejected: Vec::new() };
    for Posted { index, event } in posted {
        match parse(event) {
            Ok(event) => judged.events.push((index, event)),
            Err(rejection) => judged.rejected.push(rejection_of(index, &rejection)),
        }
    }
    Ok(judged)
}

/// Stores events and says how many were new. When a store fails midway the whole
/// call fails; sent again, what was stored is a duplicate.
pub(crate) async fn append(
    state: &IngestState,
    domain: &DomainId,
    definition: &DomainDefinition,
    Judged { events, rejected }: Judged,
) -> Result<BatchAnswer, Problem> {
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    let appended = store_events(&*state.stores.events, definition, &events).await?;
    tell_of(domain, &rejected);
    let answer = BatchAnswer::counting(rejected, &appended);
    let now = state.machine.clock.now();
    let activity = Activity { events: answer.intake(now), ..Activity::default() };
    state.activity.note(domain, activity).await;
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
    append(state, domain, definition, judge(state, domain, definition, posted)?).await
}

fn rejection_of(index: usize, rejection: &EventRejection) -> Rejected {
    Rejected { index, code: rejection.code(), detail: rejection.to_string() }
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
