use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

#[test]
fn a_rare_category_is_told_of_after_few_items_and_a_common_one_is_not() {
    let mut around = Around::new();
    // A quarter of the catalogue is of `few`.
    for number in 0..5 {
        around.did("enrol", number, number as i64 * DAY);
    }
    let [line] = &around.of_knowledge().unwrap().categories[..] else { panic!("one category") };
    assert_eq!((line.finding.category.as_str(), line.finding.items), ("few", 5));
    assert_eq!((line.finding.catalogue_share, line.evidence.events), (0.25, Some(5)));
    assert!(line.finding.share.low > 0.25 && line.finding.share.value < 0.8, "{line:?}");
    let mut common = Around::new();
    for number in 5..15 {
        common.did("enrol", number, number as i64 * DAY);
    }
    assert_eq!(common.of_knowledge().unwrap().categories, []);
}

#[test]
fn one_item_used_a_hundred_times_is_no_category() {
    let mut around = Around::new();
    (0..100).for_each(|at| {
        around.did("view", 0, at * HOUR);
    });
    for number in [1, 7, 9] {
        around.did("view", number, 0);
    }
    let of_knowledge = around.of_knowledge().unwrap();
    assert_eq!(of_knowledge.categories, []);
    assert_eq!(of_knowledge.items[0].text, "Turned to “title 0”: 100 events");
}

#[test]
fn who_chooses_at_random_is_told_of_no_category_and_no_format() {
    let mut told = 0;
    for seed in 0..300 {
        let (mut random, mut around) = (ChaCha8Rng::seed_from_u64(seed), Around::new());
        for at in 0..12 {
            around.did("enrol", random.random_range(0..20), at * DAY);
        }
        let of_knowledge = around.of_knowledge().unwrap();
        told += of_knowledge.categories.len() + usize::from(of_knowledge.habits.format.is_some());
    }
    assert!(told <= 15, "{told} of 300");
}

#[test]
fn of_items_that_weigh_the_same_all_are_told_or_none() {
    let mut around = Around::new();
    (0..5).for_each(|number| {
        around.did("view", number, number as i64);
    });
    assert_eq!(around.of_knowledge().unwrap().items.len(), 5);
    around.did("view", 6, 6);
    assert_eq!(around.of_knowledge().unwrap().items, []);
    around.did("enrol", 3, 7);
    let items = around.of_knowledge().unwrap().items;
    let told: Vec<&str> = items.iter().map(|line| line.finding.title.as_str()).collect();
    assert_eq!(told, ["title 3"]);
}

#[test]
fn items_whose_events_lie_minutes_apart_are_no_more_unlike_for_it() {
    let mut around = Around::new();
    (0..8).for_each(|number| {
        around.did("view", number, 300 * DAY + 60 * number as i64);
    });
    assert_eq!(around.of_knowledge().unwrap().items, []);
}

#[test]
fn an_item_that_was_turned_away_from_in_the_end_is_not_told_as_turned_to() {
    let mut around = Around::new();
    for definition in around.definitions.values_mut() {
        let dislike = serde_json::from_value(serde_json::json!({"weight": 1.0, "negative": true}));
        definition.event_types.insert(event_type("dislike"), dislike.unwrap());
    }
    for at in 0..3 {
        around.did("enrol", 1, DAY + at);
    }
    around.did("dislike", 1, 2 * DAY);
    around.did("enrol", 2, DAY);
    let told = |around: &Around| -> Vec<String> {
        let items = around.of_knowledge().unwrap().items;
        items.into_iter().map(|line| line.finding.title).collect()
    };
    assert_eq!(told(&around), ["title 2"]);
    around.did("enrol", 1, 3 * DAY);
    assert_eq!(told(&around), ["title 1", "title 2"]);
}

#[test]
fn a_format_beyond_the_catalogues_share_is_preferred() {
    let mut around = Around::new();
    for number in [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 1] {
        around.did("enrol", number, number as i64 * DAY);
    }
    let format = around.habits().format.unwrap();
    assert_eq!((format.finding.format.as_str(), format.finding.items), ("video", 11));
    assert_eq!(format.finding.catalogue_share, 0.5);
}

#[test]
fn what_is_hidden_is_named_in_no_line_and_another_platforms_history_in_none_at_all() {
    let mut around = Around::new();
    around.grant(AUTO, Purpose::Recommendation);
    for number in 0..4 {
        around.did("enrol", number, number as i64 * DAY);
        around.did_in(AUTO, "enrol", number, number as i64 * DAY);
    }
    let details = around.items[0].details.as_mut().unwrap();
    details.status = crate::entities::catalogue::ItemStatus::Hidden;
    let profile = around.profile();
    let of: Vec<&DomainProfile> = profile.domains.iter().collect();
    assert_eq!(of.len(), 2, "of both, where the caller acts for both");
    assert!(of[1].items.iter().all(|line| line.finding.title != "title 0"), "{:?}", of[1].items);
    around.visible = BTreeSet::from([domain(KNOWLEDGE)]);
    let alone = around.profile();
    assert!(!serde_json::to_string(&alone).unwrap().contains(AUTO));
    assert!(alone.is_personal());
    let recent = &alone.domains[0].history.as_ref().unwrap().recent;
    assert!(recent.iter().all(|event| event.title.as_deref() != Some("title 0")), "{recent:?}");
    around.events.retain(|event| event.domain == domain(KNOWLEDGE));
    assert_eq!(around.profile(), alone, "and nothing of it shows otherwise");
}

#[test]
fn that_somebody_did_something_elsewhere_is_not_told_unless_it_changes_what_is_told_here() {
    let mut around = Around::new();
    around.grant(AUTO, Purpose::Recommendation);
    around.visible = BTreeSet::from([domain(KNOWLEDGE)]);
    around.did_in(AUTO, "enrol", 1, DAY);
    assert!(!around.profile().is_personal());
    around.did("view", 1, DAY);
    assert!(around.profile().is_personal());
}
