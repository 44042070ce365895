//! What is on a slate, and whether it is personal.

use proptest::prelude::*;

use super::*;
use crate::entities::decision::{Decision, SlateEntry};
use crate::entities::ids::MAX_ID_CHARS;
use crate::serving::reason::ReasonCode;
use crate::serving::request::MAX_LIMIT;

fn code(decided: &Decided) -> ReasonCode {
    decided.items[0].reason.as_ref().unwrap().code
}

#[test]
fn history_on_one_platform_ranks_the_other_by_the_same_taste() {
    let model = bridged_model();
    for (liked, first) in [([0, 1], 0..ITEMS / 2), ([5, 6], ITEMS / 2..ITEMS)] {
        let history = History::new(did(knowledge(), &liked), []);
        let request = asking(knowledge(), auto());
        let decided = slate_for(Some(&model), both(), (&both_granted(), &history), &request);
        assert!(decided.decision.personalised);
        assert!(numbers(&decided).iter().all(|item| first.contains(item)), "{decided:?}");
        assert_eq!(code(&decided), ReasonCode::History);
    }
}

#[test]
fn without_consent_or_by_request_the_slate_is_popular_and_says_so() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[5, 6]), []);
    let cross = asking(knowledge(), auto());
    let refused = slate_for(Some(&model), both(), (&ConsentLedger::default(), &history), &cross);
    let plain = SlateRequest { personalised: false, ..cross.clone() };
    let plain = slate_for(Some(&model), both(), (&both_granted(), &history), &plain);
    let private = SlateRequest { cross_domain: CrossDomain::Never, ..cross };
    let private = slate_for(Some(&model), both(), (&both_granted(), &history), &private);
    for decided in [refused, plain, private] {
        assert!(!decided.decision.personalised);
        assert_eq!(numbers(&decided), [0, 1, 2, 3]);
        assert_eq!(code(&decided), ReasonCode::Popular);
    }
}

#[test]
fn what_no_bridge_carries_does_not_shape_the_slate() {
    let model = model_with(Bridges::none());
    let history = History::new(did(knowledge(), &[5, 6]), []);
    let cross = asking(knowledge(), auto());
    let slate = slate_for(Some(&model), both(), (&both_granted(), &history), &cross);
    assert!(!slate.decision.personalised);
    assert_eq!(numbers(&slate), [0, 1, 2, 3]);
    assert_eq!(code(&slate), ReasonCode::Popular);
    let own = asking(knowledge(), knowledge());
    let own = slate_for(Some(&model), both(), (&both_granted(), &history), &own);
    assert!(own.decision.personalised);
}

#[test]
fn without_a_model_items_are_served_as_new() {
    let nobody = (&ConsentLedger::default(), &History::default());
    let decided = slate_for(None, both(), nobody, &asking(knowledge(), knowledge()));
    assert_eq!(decided.items.len(), 4);
    assert!(decided.items.iter().all(|i| i.reason.as_ref().unwrap().code == ReasonCode::New));
}

#[test]
fn what_nothing_is_known_of_is_served_newest_first_and_not_in_the_order_of_ids() {
    let mut catalogue = items(&knowledge());
    for (number, item) in catalogue.iter_mut().enumerate() {
        item.updated_at = now() - jiff::SignedDuration::from_hours((number as i64 - 5).abs());
    }
    let coming = Timestamp::from_second(1_000_000 - 60).unwrap();
    catalogue[2].details.as_mut().unwrap().available_from = Some(coming);
    let nobody = (&ConsentLedger::default(), &History::default());
    let decided = slate_for(None, catalogue, nobody, &asking(knowledge(), knowledge()));
    assert_eq!(numbers(&decided), [5, 2, 4, 6]);
    assert!(!decided.decision.personalised);
}

#[test]
fn a_slate_is_personal_only_where_evidence_moved_it() {
    let model = model_with(Bridges::none());
    let consents = both_granted();
    let history = History::new(did(knowledge(), &[5, 6]), []);
    let mut request = asking(knowledge(), knowledge());
    let moved = slate_for(Some(&model), both(), (&consents, &history), &request);
    assert!(moved.decision.personalised, "{moved:?}");
    // With one item left there is nothing to move, whatever is known of the person.
    let excluded = (0..ITEMS).filter(|number| *number != 1);
    request.excluded = excluded.map(|number| (knowledge(), item_id(number))).collect();
    let only_one = slate_for(Some(&model), both(), (&consents, &history), &request);
    assert_eq!(numbers(&only_one), [1]);
    assert!(!only_one.decision.personalised, "{only_one:?}");
}

#[test]
fn a_target_without_a_catalogue_does_not_lend_its_estimate_to_another() {
    let model = model_with(Bridges::none());
    // Evidence in the target whose catalogue is missing, none in the one that is served.
    let history = History::new(did(auto(), &[5, 6]), []);
    let request = SlateRequest {
        targets: BTreeSet::from([auto(), knowledge()]),
        ..asking(knowledge(), knowledge())
    };
    let of_one =
        slate_for(Some(&model), items(&knowledge()), (&both_granted(), &history), &request);
    assert!(of_one.decision.slate.iter().all(|entry| entry.domain == knowledge()));
    assert_eq!(numbers(&of_one), [0, 1, 2, 3]);
    assert!(!of_one.decision.personalised);
    let of_both = slate_for(Some(&model), both(), (&both_granted(), &history), &request);
    assert!(of_both.decision.slate.iter().any(|entry| entry.domain == auto()));
    assert!(of_both.decision.personalised);
}

#[test]
fn targets_that_are_alike_take_turns_in_order_of_domain_with_their_items_in_order() {
    let model = bridged_model();
    let request = SlateRequest {
        targets: BTreeSet::from([auto(), knowledge()]),
        limit: 5,
        ..asking(knowledge(), knowledge())
    };
    let nobody = (&ConsentLedger::default(), &History::default());
    let decided = slate_for(Some(&model), both(), nobody, &request);
    let slate: Vec<(&DomainId, &str)> = decided
        .decision
        .slate
        .iter()
        .map(|entry| (&entry.domain, entry.item_id.as_str()))
        .collect();
    let (auto, knowledge) = (auto(), knowledge());
    let expected =
        [(&auto, "i0"), (&knowledge, "i0"), (&auto, "i1"), (&knowledge, "i1"), (&auto, "i2")];
    assert_eq!(slate, expected);
}

#[test]
fn the_largest_slate_fits_into_a_record() {
    let history = History::default();
    let person = (&ConsentLedger::default(), &history);
    let decided = slate_for(None, both(), person, &asking(knowledge(), auto()));
    let largest = SlateEntry {
        domain: DomainId::parse(&"d".repeat(63)).unwrap(),
        item_id: ItemId::parse(&"😀".repeat(MAX_ID_CHARS)).unwrap(),
        score: -1.234_567_9e-30,
        propensity: 1.234_567_890_123_456_7e-30,
        promoted: true,
    };
    let decision = Decision { slate: vec![largest; MAX_LIMIT], ..decided.decision };
    let bytes = serde_json::to_vec(&decision).unwrap().len();
    assert!(bytes < 100_000, "{bytes} bytes, of the 400 KB of a table's item");
}

proptest! {
    #[test]
    fn a_changed_catalogue_is_the_one_that_is_made_of_all_its_entries(
        before in proptest::sample::subsequence((0..ITEMS).collect::<Vec<_>>(), 0..ITEMS),
        after in proptest::sample::subsequence((0..ITEMS).collect::<Vec<_>>(), 0..ITEMS),
    ) {
        let model = bridged_model();
        let of = |numbers: &[usize], title: &str| -> Vec<Item> {
            let item = |number: &usize| {
                let mut item = items(&auto()).swap_remove(*number);
                item.details.as_mut().unwrap().title = title.to_owned();
                item.change = ChangeNumber(title.len() as u64);
                item
            };
            numbers.iter().map(item).collect()
        };
        let changed = CatalogueSnapshot::new(of(&before, "old"), None)
            .changed(of(&after, "newer"), Some(&model));
        let left = before.iter().copied().filter(|number| !after.contains(number));
        let all = [of(&left.collect::<Vec<_>>(), "old"), of(&after, "newer")].concat();
        let whole = CatalogueSnapshot::new(all, Some(&model));
        let told = |snapshot: &CatalogueSnapshot| -> Vec<_> {
            let entries = snapshot.entries();
            entries.map(|(at, entry)| (entry.item.clone(), entry.row, snapshot.since(at))).collect()
        };
        prop_assert_eq!(told(&changed), told(&whole));
        prop_assert_eq!(changed.last_change(), whole.last_change());
    }
}
