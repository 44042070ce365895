//! A decision can be made again, and its record says what was served.

use proptest::prelude::*;

use super::*;
use crate::entities::decision::Decision;

/// What is stored of a decision.
fn logged(decision: &Decision) -> Decision {
    serde_json::from_str(&serde_json::to_string(decision).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn the_same_inputs_and_seed_give_the_same_decision_and_its_record_says_what_was_served(
        liked in proptest::collection::btree_set(0..ITEMS, 0..5),
        excluded in proptest::collection::btree_set(0..ITEMS, 0..=ITEMS),
        seed in any::<u64>(), limit in 1..6usize, to_auto in any::<bool>(), has_model in any::<bool>(),
        personalised in any::<bool>(),
    ) {
        let model = has_model.then(bridged_model);
        let liked: Vec<usize> = liked.into_iter().collect();
        let history = History::new(did(knowledge(), &liked), []);
        let target = if to_auto { auto() } else { knowledge() };
        let request = SlateRequest {
            seed,
            limit,
            personalised,
            excluded: excluded.iter().map(|&number| (target.clone(), item_id(number))).collect(),
            ..asking(knowledge(), target)
        };
        let person = (&both_granted(), &history);
        let first = slate_for(model.as_ref(), both(), person, &request);
        let again = slate_for(model.as_ref(), both().into_iter().rev().collect(), person, &request);
        prop_assert_eq!(&first, &again);

        let record = logged(&first.decision);
        prop_assert_eq!(&record, &first.decision);
        prop_assert_eq!(record.seed, seed);
        prop_assert_eq!(record.decided_at, request.now);
        prop_assert_eq!(record.policy, "als-fold-in/5");
        prop_assert_eq!(record.model, model.as_ref().map(|model| model.id().clone()));
        prop_assert_eq!(record.degraded, ["no_profile"]);
        let served: Vec<_> = first.items.iter().map(|item| item.entry.clone()).collect();
        prop_assert_eq!(record.slate, served);
    }
}

#[test]
fn an_empty_slate_has_a_record_too() {
    let all = (0..ITEMS).map(|number| (auto(), item_id(number))).collect();
    let request = SlateRequest { excluded: all, ..asking(knowledge(), auto()) };
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let decided = slate_for(Some(&bridged_model()), both(), (&both_granted(), &history), &request);
    let record = logged(&decided.decision);
    assert_eq!((record.slate.len(), decided.items.len()), (0, 0));
    assert!(!record.personalised, "nothing was served that evidence could have shaped");
    assert_eq!(record.degraded, ["no_profile"]);
    assert_eq!(record.recommendation_id, request.recommendation_id);
    assert!(record.model.is_some());
}

#[test]
fn what_names_a_decision_does_not_change_its_slate() {
    let history = History::new(did(knowledge(), &[5, 6]), []);
    let first = asking(knowledge(), auto());
    let other = SlateRequest {
        recommendation_id: RecommendationId::parse("another").unwrap(),
        seed: 8,
        ..first.clone()
    };
    let model = bridged_model();
    let [first, other] = [first, other].map(|request| {
        slate_for(Some(&model), both(), (&both_granted(), &history), &request).decision
    });
    assert_eq!(first.slate, other.slate);
    assert_eq!((first.seed, other.seed), (7, 8));
    assert!(first.slate.iter().all(|entry| entry.propensity == 1.0));
}
