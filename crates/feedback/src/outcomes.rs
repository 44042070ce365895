//! `POST /v1/feedback`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::decision::{Decision, Outcome, OutcomeKind};
use crossfold_core::entities::event::{check_occurred_at, to_millisecond};
use crossfold_core::entities::ids::{
    DomainId, EventId, ItemId, Pseudonym, RecommendationId, UserId,
};
use crossfold_core::entities::json;
use crossfold_edge::batch::{self, BatchAnswer, Rejection};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::life;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde::Deserialize;

use crate::FeedbackState;
use crate::outcome_evidence::OutcomeEvidence;

/// Most outcomes in one call.
pub const MAX_OUTCOMES: usize = 100;
/// Outcomes of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedbackBody {
    recommendation_id: RecommendationId,
    user_id: String,
    domain: DomainId,
    feedback: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutcome {
    feedback_id: EventId,
    kind: OutcomeKind,
    domain: DomainId,
    item_id: ItemId,
    occurred_at: Timestamp,
}

/// Logs each outcome of a slate that this user was served, and takes from it what it
/// is evidence of: see [`OutcomeEvidence`].
pub(crate) async fn post_feedback(
    State(state): State<FeedbackState>,
    caller: Caller,
    Json(body): Json<FeedbackBody>,
) -> Result<JsonResponse<BatchAnswer>, Problem> {
    caller.require(Scope::FeedbackWrite, &body.domain)?;
    batch::check_size(body.feedback.len(), MAX_OUTCOMES)?;
    let definitions = state.definitions.with(&body.domain).await?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &UserId::parse(&body.user_id)?);
    // A slate of a life that was erased is another user's: nothing comes of it any more.
    let user = life(&*state.stores.people, &user).await?.user;
    let decision = find_decision(&state, &body, &user).await?;
    let now = state.clock.now();
    let (mut outcomes, mut rejected) = (Vec::with_capacity(body.feedback.len()), Vec::new());
    for (index, raw) in body.feedback.into_iter().enumerate() {
        match parse_outcome(raw, &decision, now) {
            Ok(outcome) => outcomes.push(outcome),
            Err(rejection) => rejected.push(rejection.at(index)),
        }
    }
    let evidence =
        OutcomeEvidence { stores: &state.stores, definitions: &definitions, decision: &decision };
    let writes = outcomes.into_iter().map(|outcome| async move { evidence.record(&outcome).await });
    let appended = batch::write_all(writes, CONCURRENT_WRITES).await?;
    let answer = BatchAnswer::counting(rejected, &appended);
    let activity = Activity { feedback: answer.intake(now), ..Activity::default() };
    state.activity.note(&body.domain, activity).await;
    Ok(JsonResponse(answer))
}

/// The decision that the feedback is about. Another user's is as unknown as one
/// that never was, so that ids cannot be probed.
async fn find_decision(
    state: &FeedbackState,
    body: &FeedbackBody,
    user: &Pseudonym,
) -> Result<Decision, Problem> {
    let found = state.stores.decisions.get(&body.recommendation_id).await?;
    found.filter(|decision| decision.user == *user && decision.domain == body.domain).ok_or_else(
        || {
            let detail = "this user was served no such recommendation";
            Problem::new(StatusCode::NOT_FOUND, "unknown_recommendation", detail)
        },
    )
}

fn parse_outcome(
    raw: serde_json::Value,
    decision: &Decision,
    now: Timestamp,
) -> Result<Outcome, Rejection> {
    let raw: RawOutcome = json::from_value(raw)
        .map_err(|error| Rejection::new("malformed_feedback", error.to_string()))?;
    if !decision.served(&raw.domain, &raw.item_id) {
        return Err(Rejection::new("item_not_served", "the item was not on this slate"));
    }
    let occurred_at = check_occurred_at(raw.occurred_at, now)?;
    Ok(Outcome {
        feedback_id: raw.feedback_id,
        recommendation_id: decision.recommendation_id.clone(),
        user: decision.user.clone(),
        kind: raw.kind,
        domain: raw.domain,
        item_id: raw.item_id,
        occurred_at,
        received_at: Some(to_millisecond(now)),
    })
}
