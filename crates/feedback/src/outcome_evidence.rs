//! What outcomes are evidence of.
//!
//! | outcome | what becomes of it, beside its record in the log |
//! | --- | --- |
//! | dismissed | an instruction: the item stays away from the person's slates |
//! | converted | the item counts as seen for ever |
//! | any but dismissed, of a kind that the domain's definition names | an event of the type that it names, as if it had been posted |
//!
//! What a user does on one platform with an item of another is evidence that arose on
//! the one and is about the other; no consent is for that, so it makes no event. Seen
//! it counts all the same, as evidence of the platform where it was served.

use crossfold_core::entities::decision::{Decision, Outcome, OutcomeKind};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::history::{Dismissal, SeenItem};
use crossfold_core::entities::ports::{Appended, StoreError, Stores};
use crossfold_storage::event_writer::store_event;

/// What is known where outcomes of one decision are recorded.
#[derive(Clone, Copy)]
pub(crate) struct OutcomeEvidence<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) definitions: &'a Definitions,
    pub(crate) decision: &'a Decision,
}

impl OutcomeEvidence<'_> {
    /// Logs an outcome, then keeps what it is evidence of, from the outcome as it was logged
    /// first: sent again after a failure anywhere between, whatever it then says, all of
    /// that one is complete, nothing is there twice, and nothing else comes of it. Tells how it was
    /// logged, unless it was erased meanwhile: then it is evidence of nothing any more.
    pub(crate) async fn record(
        self,
        outcome: Outcome,
    ) -> Result<(Appended, Option<Outcome>), StoreError> {
        let appended = self.stores.decisions.append_outcome(&outcome).await?;
        let logged = match appended {
            Appended::New => Some(outcome),
            Appended::Duplicate => {
                let (id, feedback) = (&outcome.recommendation_id, &outcome.feedback_id);
                self.stores.decisions.outcome(id, feedback).await?
            }
        };
        if let Some(logged) = &logged {
            self.keep(logged).await?;
        }
        Ok((appended, logged))
    }

    /// Keeps what a logged outcome is evidence of. Repeated, it changes nothing.
    async fn keep(self, outcome: &Outcome) -> Result<(), StoreError> {
        match outcome.kind {
            OutcomeKind::Dismiss => self.stores.events.dismiss(&self.dismissal(outcome)).await?,
            OutcomeKind::Convert => self.stores.events.mark_seen(&self.seen(outcome)).await?,
            OutcomeKind::Impression | OutcomeKind::Click | OutcomeKind::Accept => {}
        }
        self.store_event(outcome).await
    }

    /// Stores the event that the definition of the item's domain makes of an outcome.
    async fn store_event(self, outcome: &Outcome) -> Result<(), StoreError> {
        if outcome.domain != self.decision.domain {
            return Ok(());
        }
        let Some(definition) = self.definitions.get(&outcome.domain) else { return Ok(()) };
        let Some(event_type) = definition.outcomes.get(&outcome.kind) else { return Ok(()) };
        let event = outcome.as_event(event_type.clone(), definition.life);
        store_event(&*self.stores.events, definition, &event).await.map(drop)
    }

    fn dismissal(self, outcome: &Outcome) -> Dismissal {
        Dismissal {
            user: outcome.user.clone(),
            by_domain: self.decision.domain.clone(),
            domain: outcome.domain.clone(),
            item_id: outcome.item_id.clone(),
        }
    }

    fn seen(self, outcome: &Outcome) -> SeenItem {
        SeenItem {
            user: outcome.user.clone(),
            by_domain: self.decision.domain.clone(),
            domain: outcome.domain.clone(),
            item_id: outcome.item_id.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crossfold_core::entities::consent::{
        ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
    };
    use crossfold_core::entities::decision::SlateEntry;
    use crossfold_core::entities::definition::DomainDefinition;
    use crossfold_core::entities::ids::{DomainId, EventId, ItemId, Pseudonym, RecommendationId};
    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    use crossfold_storage::memory;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    /// Clicks and conversions are events; what was opened may be shown again.
    fn definitions() -> Definitions {
        let definition = json!({
            "name": "Shop", "currency": "EUR",
            "event_types": {"open": {"weight": 1, "seen_days": 0}, "buy": {"weight": 5, "seen_days": 7}},
            "outcomes": {"click": "open", "convert": "buy"},
        });
        let definition: DomainDefinition = serde_json::from_value(definition).unwrap();
        definition.check().unwrap();
        ["shop", "cinema"].map(|name| (domain(name), definition.clone())).into()
    }

    /// A slate of `shop` for `v1_u`, with an item of its own and one of `cinema`.
    pub(crate) fn decision() -> Decision {
        let entry = |name: &str| SlateEntry {
            domain: domain(name),
            item_id: ItemId::parse("i").unwrap(),
            score: 1.0,
            propensity: 1.0,
            promoted: false,
        };
        Decision {
            recommendation_id: RecommendationId::parse("r").unwrap(),
            user: Pseudonym::parse("v1_u").unwrap(),
            domain: domain("shop"),
            placement: None,
            decided_at: Timestamp::UNIX_EPOCH,
            model: None,
            policy: "p".into(),
            variant: None,
            seed: 1,
            personalised: false,
            degraded: vec![],
            slate: vec![entry("shop"), entry("cinema")],
            lives: std::collections::BTreeMap::new(),
            basis: None,
        }
    }

    fn outcome(kind: OutcomeKind, of: &str, second: i64) -> Outcome {
        Outcome {
            feedback_id: EventId::parse("f").unwrap(),
            recommendation_id: RecommendationId::parse("r").unwrap(),
            user: Pseudonym::parse("v1_u").unwrap(),
            kind,
            domain: domain(of),
            item_id: ItemId::parse("i").unwrap(),
            occurred_at: Timestamp::from_second(second).unwrap(),
            received_at: Some(Timestamp::from_second(second).unwrap()),
        }
    }

    async fn record(stores: &Stores, outcome: &Outcome) -> Result<Appended, StoreError> {
        let (definitions, decision) = (definitions(), decision());
        OutcomeEvidence { stores, definitions: &definitions, decision: &decision }
            .record(outcome.clone())
            .await
            .map(|(appended, _)| appended)
    }

    /// What a slate of the shop may be made from, of its own and of the cinema's items.
    async fn known(stores: &Stores, target: &str) -> ConsentedHistory {
        let user = Pseudonym::parse("v1_u").unwrap();
        let history = stores.events.history(&user, 100).await.unwrap();
        let (ledger, definitions) = (ConsentLedger::default(), definitions());
        let context =
            ConsentContext { ledger: &ledger, definitions: &definitions, now: Timestamp::MAX };
        let request = RecommendationUse {
            user: &user,
            display: &domain("shop"),
            target: &domain(target),
            cross_domain: CrossDomain::ByConsent,
        };
        ConsentedHistory::for_recommendation(&history, context, &request)
    }

    #[tokio::test]
    async fn an_outcome_is_an_event_of_the_type_that_the_definition_names_once() {
        let stores = memory::stores();
        let click = |second| outcome(OutcomeKind::Click, "shop", second);
        assert_eq!(record(&stores, &click(10)).await.unwrap(), Appended::New);
        // Sent again it names another time, and changes nothing.
        assert_eq!(record(&stores, &click(20)).await.unwrap(), Appended::Duplicate);
        let known = known(&stores, "shop").await;
        let [event] = known.events() else { panic!("{:?}", known.events()) };
        assert_eq!((event.event_type.as_str(), event.item_id.as_str()), ("open", "i"));
        assert_eq!(event.occurred_at, Timestamp::from_second(10).unwrap());
        assert_eq!(known.seen().count(), 0);
    }

    #[tokio::test]
    async fn a_converted_item_counts_as_seen_and_other_kinds_say_nothing() {
        let stores = memory::stores();
        record(&stores, &outcome(OutcomeKind::Accept, "shop", 10)).await.unwrap();
        record(&stores, &outcome(OutcomeKind::Impression, "shop", 10)).await.unwrap();
        let before = known(&stores, "shop").await;
        assert_eq!((before.events().len(), before.seen().count()), (0, 0));
        let bought = Outcome {
            feedback_id: EventId::parse("g").unwrap(),
            ..outcome(OutcomeKind::Convert, "shop", 10)
        };
        record(&stores, &bought).await.unwrap();
        let after = known(&stores, "shop").await;
        assert_eq!((after.events()[0].event_type.as_str(), after.seen().count()), ("buy", 1));
        let erased = stores.events.erase(&bought.user).await.unwrap();
        assert_eq!(erased, 2, "the event and the mark");
        assert_eq!(known(&stores, "shop").await.seen().count(), 0);
    }

    #[tokio::test]
    async fn an_outcome_under_a_logged_id_takes_no_effect_of_its_own() {
        let stores = memory::stores();
        record(&stores, &outcome(OutcomeKind::Click, "shop", 10)).await.unwrap();
        for (kind, of) in [(OutcomeKind::Dismiss, "cinema"), (OutcomeKind::Convert, "shop")] {
            let answer = record(&stores, &outcome(kind, of, 10)).await.unwrap();
            assert_eq!(answer, Appended::Duplicate);
            for target in ["shop", "cinema"] {
                let known = known(&stores, target).await;
                assert_eq!((known.dismissed().count(), known.seen().count()), (0, 0), "{kind:?}");
            }
        }
        assert_eq!(known(&stores, "shop").await.events().len(), 1);
    }

    #[tokio::test]
    async fn what_happened_to_another_platforms_item_is_no_event_and_needs_consent_to_count() {
        let stores = memory::stores();
        record(&stores, &outcome(OutcomeKind::Convert, "cinema", 10)).await.unwrap();
        let user = Pseudonym::parse("v1_u").unwrap();
        assert!(stores.events.history(&user, 100).await.unwrap().is_empty());
        assert_eq!(known(&stores, "cinema").await.seen().count(), 0);
        assert_eq!(stores.events.erase(&user).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn feedback_sent_until_it_is_acknowledged_is_complete_whatever_failed_between() {
        for failing in 0..4 {
            for fault in [Fault::Before, Fault::AnswerLost] {
                let (memory, calls) = (memory::stores(), Arc::new(AtomicUsize::new(0)));
                let plan = FaultPlan::from_fn(move |_| {
                    let is_it = calls.fetch_add(1, Ordering::Relaxed) == failing;
                    if is_it { fault } else { Fault::None }
                });
                let stores = faulty(memory.clone(), &plan);
                let mut second = 10;
                while record(&stores, &outcome(OutcomeKind::Convert, "shop", second)).await.is_err()
                {
                    second += 1;
                }
                let known = known(&memory, "shop").await;
                assert_eq!((known.events().len(), known.seen().count()), (1, 1), "{failing}");
            }
        }
    }
}
