//! `POST /v1/feedback`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::decision::{Decision, Outcome, OutcomeKind};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::event::{check_occurred_at, to_millisecond};
use crossfold_core::entities::fatigue::{self, day_of};
use crossfold_core::entities::history::MarkedBy;
use crossfold_core::entities::ids::{
    DomainId, EventId, ItemId, Pseudonym, RecommendationId, UserId,
};
use crossfold_core::entities::impressions::{Exposure, ImpressionDay, Impressions};
use crossfold_core::entities::item_set::ItemDigest;
use crossfold_core::entities::json;
use crossfold_edge::batch::{self, BatchAnswer, Rejection};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::life;
use jiff::{Timestamp, ToSpan};
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
    let decision = find_decision(&state, &body, &user, &definitions).await?;
    let now = state.machine.clock.now();
    let (mut outcomes, mut rejected) = (Vec::with_capacity(body.feedback.len()), Vec::new());
    for (index, raw) in body.feedback.into_iter().enumerate() {
        match parse_outcome(raw, (&decision, &definitions), now) {
            Ok(outcome) => outcomes.push(outcome),
            Err(rejection) => rejected.push(rejection.at(index)),
        }
    }
    let evidence =
        OutcomeEvidence { stores: &state.stores, definitions: &definitions, decision: &decision };
    let writes = outcomes.into_iter().map(|outcome| evidence.record(outcome));
    let recorded = batch::write_all(writes, CONCURRENT_WRITES).await?;
    let (appended, logged): (Vec<_>, Vec<_>) = recorded.into_iter().unzip();
    let logged: Vec<Outcome> = logged.into_iter().flatten().collect();
    let impressions = impressions_of(&logged, &decision, (&definitions, now));
    state.stores.events.note_impressions(&impressions).await?;
    let answer = BatchAnswer::counting(rejected, &appended);
    let activity = Activity { feedback: answer.intake(now), ..Activity::default() };
    state.activity.note(&body.domain, activity).await;
    Ok(JsonResponse(answer))
}

/// What of outcomes is noted for slates on which it then sinks, see
/// [`crossfold_core::entities::fatigue`]: nothing where the platform has no such slates, and nothing that
/// none of them would look at.
fn impressions_of(
    outcomes: &[Outcome],
    decision: &Decision,
    (definitions, now): (&Definitions, Timestamp),
) -> Impressions {
    let mut impressions = Impressions::default();
    let placements = definitions.get(&decision.domain).map(|definition| &definition.placements);
    let mut placements = placements.into_iter().flatten();
    if placements.all(|(_, placement)| placement.fatigue.is_none()) {
        return impressions;
    }
    let first = day_of(now).saturating_sub(i64::from(fatigue::MAX_DAYS).days());
    for outcome in outcomes {
        let exposure = match outcome.kind {
            OutcomeKind::Impression => Exposure::Shown,
            OutcomeKind::Click | OutcomeKind::Accept | OutcomeKind::Convert => Exposure::Taken,
            OutcomeKind::Dismiss => continue,
        };
        let by = MarkedBy {
            user: decision.user.clone(),
            by_domain: decision.domain.clone(),
            domain: outcome.domain.clone(),
        };
        let of = ImpressionDay { by, day: day_of(outcome.occurred_at), exposure };
        if of.day >= first {
            impressions.add(of, [ItemDigest::of(&outcome.item_id)]);
        }
    }
    impressions
}

/// The decision that the feedback is about. Another user's, and one of an earlier life of the
/// platform, is as unknown as one that never was, so that ids cannot be probed.
async fn find_decision(
    state: &FeedbackState,
    body: &FeedbackBody,
    user: &Pseudonym,
    definitions: &Definitions,
) -> Result<Decision, Problem> {
    let found = state.stores.decisions.get(&body.recommendation_id).await?;
    let is_meant = |decision: &Decision| {
        decision.user == *user
            && decision.domain == body.domain
            && decision.is_of_life(&body.domain, definitions)
    };
    found.filter(is_meant).ok_or_else(|| {
        let detail = "this user was served no such recommendation";
        Problem::new(StatusCode::NOT_FOUND, "unknown_recommendation", detail)
    })
}

fn parse_outcome(
    raw: serde_json::Value,
    (decision, definitions): (&Decision, &Definitions),
    now: Timestamp,
) -> Result<Outcome, Rejection> {
    let raw: RawOutcome = json::from_value(raw)
        .map_err(|error| Rejection::new("malformed_feedback", error.to_string()))?;
    let is_there_still = decision.is_of_life(&raw.domain, definitions);
    if !is_there_still || !decision.served(&raw.domain, &raw.item_id) {
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

#[cfg(test)]
mod tests {
    use crossfold_core::entities::consent::{
        ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
    };
    use crossfold_core::entities::definition::DomainDefinition;
    use crossfold_core::entities::domain_deletion::{DeletionStage, DomainDeletion};
    use crossfold_core::entities::pseudonym::Pseudonymiser;
    use crossfold_core::entities::unique_id::UniqueId;
    use crossfold_storage::definition_reader::announce_change;
    use crossfold_storage::{memory, records};
    use serde_json::json;

    use super::*;
    use crate::outcome_evidence::tests::decision;
    use crate::tests::machine_at;

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    /// A platform that shows items of its own and of another, and a slate of both.
    async fn served() -> (FeedbackState, Decision) {
        let keys = [(1, vec![7; 32].into_boxed_slice())].into();
        let keys = Pseudonymiser::new("t", 1, keys).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let state = FeedbackState::new(memory::stores(), keys, machine_at(now));
        for name in ["shop", "cinema"] {
            define(&state, name).await;
        }
        let user = state.pseudonymiser.pseudonym(&domain("shop"), &UserId::parse("u").unwrap());
        let decision = Decision { user, decided_at: now, ..decision() };
        state.stores.decisions.record(&decision).await.unwrap();
        (state, decision)
    }

    async fn define(state: &FeedbackState, name: &str) {
        let definition = json!({"name": name, "currency": "EUR",
            "event_types": {"view": {"weight": 1}}});
        let definition: DomainDefinition = serde_json::from_value(definition).unwrap();
        records::put(&*state.stores.records, &domain(name), &definition).await.unwrap();
    }

    /// What becomes of a dismissal of each item of the slate: the call's status if it fails, else
    /// how many are taken.
    async fn dismiss_all(state: &FeedbackState) -> Result<usize, StatusCode> {
        let dismissal = |name: &str| {
            json!({"feedback_id": format!("f-{name}"), "kind": "dismiss", "domain": name,
                "item_id": "i", "occurred_at": "2027-01-15T07:59:00Z"})
        };
        let body = json!({"recommendation_id": "r", "user_id": "u", "domain": "shop",
            "feedback": [dismissal("shop"), dismissal("cinema")]});
        let body = Json(serde_json::from_value(body).unwrap());
        let answer = post_feedback(State(state.clone()), Caller::development(), body).await;
        answer
            .map(|answer| answer.0.accepted + answer.0.duplicates)
            .map_err(|problem| problem.status)
    }

    #[tokio::test]
    async fn what_is_reported_of_a_slate_from_before_a_domain_was_deleted_is_nothing_of_its_next_life()
     {
        for (deleted, expected) in [("cinema", Ok(1)), ("shop", Err(StatusCode::NOT_FOUND))] {
            let (state, decision) = served().await;
            assert_eq!(dismiss_all(&state).await, Ok(2));
            let mut deletion =
                DomainDeletion { number: 1, ..DomainDeletion::begun(state.machine.clock.now()) };
            deletion.enter(DeletionStage::Done);
            deletion.finished_at = Some(state.machine.clock.now());
            records::put(&*state.stores.records, &domain(deleted), &deletion).await.unwrap();
            let changed = UniqueId::from_u128(2);
            announce_change(&*state.stores.records, changed).await.unwrap();
            // The sweep of the deletion.
            state.stores.events.erase(&decision.user).await.unwrap();
            assert_eq!(dismiss_all(&state).await, expected, "{deleted}");
            let kept = state.stores.events.history(&decision.user, 9).await.unwrap().records();
            assert_eq!(kept, usize::from(expected.is_ok()), "{deleted}");
            // A slate of the next life is its own.
            let lives = [(domain(deleted), 1)].into();
            let recommendation_id = RecommendationId::parse("r2").unwrap();
            let next = Decision { recommendation_id, lives, ..decision };
            let definitions = state.definitions.all().await.unwrap();
            assert!(
                [deleted, "shop"].iter().all(|name| next.is_of_life(&domain(name), &definitions))
            );
        }
    }

    /// Tells what became of the slate's items, and answers with what is noted then of each exposure.
    async fn noted(
        state: &FeedbackState,
        decision: &Decision,
        (id, at): (&str, &str),
    ) -> [usize; 2] {
        let outcome = |kind: &str, name: &str| {
            json!({"feedback_id": format!("{id}-{kind}-{name}"), "kind": kind, "domain": name,
                "item_id": "i", "occurred_at": at})
        };
        let feedback = [
            outcome("impression", "shop"),
            outcome("impression", "cinema"),
            outcome("click", "shop"),
        ];
        let body = json!({"recommendation_id": "r", "user_id": "u", "domain": "shop",
            "feedback": feedback});
        // Told twice, it is there once.
        for _ in 0..2 {
            let body = Json(serde_json::from_value(body.clone()).unwrap());
            let answer = post_feedback(State(state.clone()), Caller::development(), body).await;
            assert!(answer.unwrap().0.rejected.is_empty());
        }
        let history = state.stores.events.history(&decision.user, 9).await.unwrap();
        let definitions = state.definitions.with(&domain("shop")).await.unwrap();
        let (ledger, now) = (ConsentLedger::default(), state.machine.clock.now());
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
        let count = |exposure| {
            let of_target = |target: &str| {
                let (display, target) = (domain("shop"), domain(target));
                let use_of_it = RecommendationUse {
                    user: &decision.user,
                    display: &display,
                    target: &target,
                    cross_domain: CrossDomain::ByConsent,
                };
                let history = ConsentedHistory::for_recommendation(&history, context, &use_of_it);
                let of_it = history.impressions().sets().filter(|(of, _)| of.exposure == exposure);
                of_it.map(|(_, items)| items.len()).sum::<usize>()
            };
            of_target("shop") + of_target("cinema")
        };
        [count(Exposure::Shown), count(Exposure::Taken)]
    }

    #[tokio::test]
    async fn what_was_shown_and_taken_is_noted_where_slates_look_at_it() {
        let (state, decision) = served().await;
        assert_eq!(noted(&state, &decision, ("f", "2027-01-15T07:59:00Z")).await, [0, 0]);
        let tiring = json!({"name": "shop", "currency": "EUR",
            "event_types": {"view": {"weight": 1}},
            "placements": {"front": {"fatigue": {"after": 2}}}});
        let tiring: DomainDefinition = serde_json::from_value(tiring).unwrap();
        records::put(&*state.stores.records, &domain("shop"), &tiring).await.unwrap();
        announce_change(&*state.stores.records, UniqueId::from_u128(3)).await.unwrap();
        // So long ago that nothing looks at it.
        assert_eq!(noted(&state, &decision, ("g", "2026-12-24T07:59:00Z")).await, [0, 0]);
        // It was another day: sent again, it is what it was logged as.
        assert_eq!(noted(&state, &decision, ("g", "2027-01-15T07:59:00Z")).await, [0, 0]);
        // For the other platform's item it takes a consent that is not there.
        assert_eq!(noted(&state, &decision, ("h", "2027-01-15T07:59:00Z")).await, [1, 1]);
    }
}
