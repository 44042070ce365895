//! What is told of how a slate was chosen.

use super::*;
use crate::serving::inspect::{InspectedTarget, MAX_SAMPLES};
use crate::serving::rules::Ineligible;

fn inspecting(display: DomainId, target: DomainId) -> SlateRequest {
    SlateRequest { inspect: true, ..asking(display, target) }
}

fn inspected(decided: &Decided) -> &[InspectedTarget] {
    decided.inspected.as_deref().unwrap()
}

#[test]
fn each_item_is_eligible_or_left_out_by_one_rule_and_some_are_named() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0]), []);
    let mut items = items(&knowledge());
    items[1].details = None;
    let excluded = (2..ITEMS).map(|number| (knowledge(), item_id(number)));
    let request =
        SlateRequest { excluded: excluded.collect(), ..inspecting(knowledge(), knowledge()) };
    let decided = slate_for(Some(&model), items, (&both_granted(), &history), &request);
    let [target] = inspected(&decided) else { panic!("{:?}", decided.inspected) };
    let counted: Vec<(Ineligible, usize, usize)> = target
        .left_out
        .iter()
        .map(|of_rule| (of_rule.rule, of_rule.items, of_rule.samples.len()))
        .collect();
    let expected = [
        (Ineligible::Unavailable, 1, 1),
        (Ineligible::Seen, 1, 1),
        (Ineligible::Excluded, ITEMS - 2, MAX_SAMPLES),
    ];
    assert_eq!(counted, expected);
    let all: usize = target.left_out.iter().map(|of_rule| of_rule.items).sum();
    assert_eq!(target.eligible + all, ITEMS);
    assert_eq!(target.left_out[0].samples[0].title, None, "it was deleted");
    assert_eq!(target.left_out[1].samples[0].title.as_deref(), Some("title 0"));
}

#[test]
fn what_is_left_out_of_a_platform_that_the_caller_does_not_act_for_is_not_told() {
    let model = bridged_model();
    let history = History::new(did(auto(), &[0, 1]), []);
    let narrow =
        SlateRequest { visible: BTreeSet::from([knowledge()]), ..inspecting(knowledge(), auto()) };
    let decided = slate_for(Some(&model), both(), (&both_granted(), &history), &narrow);
    assert_eq!(inspected(&decided), []);
    // And what counted there has no names.
    for item in &decided.items {
        let made_up = item.contributions.as_ref().unwrap();
        assert!(made_up.parts.len() == 1 && made_up.parts[0].item_id.is_none(), "{made_up:?}");
    }
}

#[test]
fn what_a_score_is_made_up_of_adds_up_to_it() {
    let model = bridged_model();
    for history in [did(knowledge(), &[0, 1, 2]), Vec::new()] {
        let history = History::new(history, []);
        let request = inspecting(auto(), auto());
        let decided = slate_for(Some(&model), both(), (&both_granted(), &history), &request);
        for item in &decided.items {
            let made_up = item.contributions.as_ref().unwrap();
            let sum: f32 = made_up.parts.iter().map(|part| part.amount).sum();
            assert!((sum + made_up.rest - item.entry.score).abs() < 1e-6);
            let largest_first = |parts: &[f32]| parts.is_sorted_by(|a, b| a.abs() >= b.abs());
            assert!(largest_first(&made_up.parts.iter().map(|p| p.amount).collect::<Vec<_>>()));
            assert_eq!(made_up.parts.is_empty(), history.is_empty());
        }
    }
}

#[test]
fn looking_into_a_slate_does_not_change_it() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let slate = |request: &SlateRequest| {
        slate_for(Some(&model), both(), (&both_granted(), &history), request)
    };
    let (plain, looked) = (slate(&asking(auto(), auto())), slate(&inspecting(auto(), auto())));
    assert_eq!(plain.decision, looked.decision);
    assert!(plain.inspected.is_none() && plain.items[0].contributions.is_none());
}
