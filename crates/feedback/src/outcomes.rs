//! `POST /v1/feedback`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::decision::{Decision, Outcome, OutcomeKind};
use crossfold_core::event::{MAX_CLOCK_SKEW, to_millisecond};
use crossfold_core::history::Dismissal;
use crossfold_core::ids::{DomainId, EventId, ItemId, Pseudonym, RecommendationId, UserId};
use crossfold_core::ports::{Appended, StoreError};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::FeedbackState;

/// Most outcomes in one call.
pub const MAX_OUTCOMES: usize = 100;

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

#[derive(Serialize, Default)]
pub(crate) struct FeedbackAccepted {
    accepted: usize,
    duplicates: usize,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct Rejected {
    index: usize,
    code: &'static str,
    detail: String,
}

/// Logs each outcome of a slate that this user was served, and makes each
/// dismissed item stay away.
pub(crate) async fn post_feedback(
    State(state): State<FeedbackState>,
    caller: Caller,
    Json(body): Json<FeedbackBody>,
) -> Result<JsonResponse<FeedbackAccepted>, Problem> {
    caller.require(Scope::FeedbackWrite, &body.domain)?;
    if body.feedback.is_empty() {
        let detail = "feedback is empty";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "empty_batch", detail));
    }
    if body.feedback.len() > MAX_OUTCOMES {
        let detail = format!("feedback must have at most {MAX_OUTCOMES} elements");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", detail));
    }
    state.definitions.domain(&body.domain).await?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &UserId::parse(&body.user_id)?);
    let decision = find_decision(&state, &body, &user).await?;
    let now = state.clock.now();
    let mut answer = FeedbackAccepted::default();
    for (index, raw) in body.feedback.into_iter().enumerate() {
        match parse_outcome(raw, &decision, now) {
            Ok(outcome) => match record(&state, &decision, &outcome).await? {
                Appended::New => answer.accepted += 1,
                Appended::Duplicate => answer.duplicates += 1,
            },
            Err((code, detail)) => answer.rejected.push(Rejected { index, code, detail }),
        }
    }
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
) -> Result<Outcome, (&'static str, String)> {
    let raw: RawOutcome =
        serde_json::from_value(raw).map_err(|error| ("malformed_feedback", error.to_string()))?;
    if !decision.served(&raw.domain, &raw.item_id) {
        return Err(("item_not_served", "the item was not on this slate".into()));
    }
    if raw.occurred_at.duration_since(now) > MAX_CLOCK_SKEW {
        return Err(("future_timestamp", "occurred_at lies in the future".into()));
    }
    Ok(Outcome {
        feedback_id: raw.feedback_id,
        recommendation_id: decision.recommendation_id.clone(),
        user: decision.user.clone(),
        kind: raw.kind,
        domain: raw.domain,
        item_id: raw.item_id,
        occurred_at: to_millisecond(raw.occurred_at),
    })
}

/// Logs an outcome. A dismissal takes effect before it is logged: sent again
/// after a failure between the two, it is complete.
async fn record(
    state: &FeedbackState,
    decision: &Decision,
    outcome: &Outcome,
) -> Result<Appended, StoreError> {
    if outcome.kind == OutcomeKind::Dismiss {
        let dismissal = Dismissal {
            user: outcome.user.clone(),
            by_domain: decision.domain.clone(),
            domain: outcome.domain.clone(),
            item_id: outcome.item_id.clone(),
        };
        state.stores.events.dismiss(&dismissal).await?;
    }
    state.stores.decisions.append_outcome(outcome).await
}
