//! What a placement may say, and what it says of a target.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::definition::DomainDefinition;
use crate::definition::tests::definition;
use crate::filter::{AttributeType, Filter, Schema};
use crate::json::from_value;
use crate::quota::Quota;

fn domain(name: &str) -> DomainId {
    DomainId::parse(name).unwrap()
}

fn placement(placement: Value) -> PlacementDefinition {
    from_value(placement).unwrap()
}

fn schema() -> Schema {
    Schema::new([("brand".to_owned(), AttributeType::Text)].into())
}

fn refused(wrong: Value) -> String {
    let read = from_value::<PlacementDefinition>(wrong);
    read.map_err(|error| error.to_string()).and_then(|read| read.check()).unwrap_err()
}

#[test]
fn what_is_out_of_range_is_refused_with_the_field_named() {
    let boost = json!({"domain": "auto", "filter": "price > 1", "factor": 2});
    let promotion = json!({"domain": "auto", "filter": "price > 1", "slot": 1});
    let quota = json!({"domain": "auto", "most": 1});
    let with = |mut of: Value, field: &str, value: Value| {
        of[field] = value;
        json!([of])
    };
    let targets = |most: usize| (0..most).map(|n| format!("d{n}")).collect::<Vec<_>>();
    for (wrong, expected) in [
        (json!({"target_domains": targets(17)}), "target_domains must have at most 16"),
        (json!({"target_domains": ["A b!"]}), "a domain must be"),
        (json!({"limit": 0}), "must be 1 to 100"),
        (json!({"limit": 101}), "must be 1 to 100"),
        (json!({"max_limit": 0}), "must be 1 to 100"),
        (json!({"max_limit": 101}), "must be 1 to 100"),
        (json!({"limit": 6, "max_limit": 5}), "limit must be at most max_limit, which is 5"),
        (json!({"boosts": vec![&boost; 11]}), "boosts must have at most 10"),
        (json!({"promotions": vec![&promotion; 11]}), "promotions must have at most 10"),
        (json!({"boosts": with(boost.clone(), "factor", json!(0))}), "a factor must be 0.1 to 10"),
        (json!({"boosts": with(boost.clone(), "domain", json!(null))}), "string"),
        (json!({"boosts": [{"filter": "price > 1", "factor": 2}]}), "missing field `domain`"),
        (json!({"promotions": with(promotion.clone(), "slot", json!(0))}), "must be 1 to 100"),
        (json!({"promotions": with(promotion.clone(), "slot", json!(101))}), "must be 1 to 100"),
        (json!({"promotions": [["auto", "price > 1", 1]]}), "a promotion: an object"),
        (json!({"quotas": vec![&quota; 11]}), "quotas must have at most 10"),
        (json!({"quotas": with(quota.clone(), "most", json!(0))}), "must be 1 to 100"),
        (json!({"quotas": with(quota, "each", json!(true))}), "unknown field `each`"),
        (json!({"quotas": [["auto", 1]]}), "a quota: an object"),
        (json!({"diversity": 0}), "diversity must be above 0"),
        (json!({"calibration": 1.1}), "calibration must be above 0, up to 1"),
        (json!({"calibration": 1, "diversity": 1}), "diversity and calibration are two ways"),
        (json!({"fatigue": {"after": 0}}), "fatigue must begin after 1"),
        (json!({"exploration": 0.6}), "exploration must be above 0, up to 0.5"),
        (json!({"colour": 1}), "unknown field `colour`"),
        (json!([["auto"]]), "a placement: an object"),
    ] {
        let why = refused(wrong.clone());
        assert!(why.contains(expected), "{wrong}: {why}");
    }
    let all = placement(json!({
        "target_domains": targets(16), "limit": 5, "max_limit": 5, "diversity": 1,
        "exploration": 0.5,
    }));
    all.check().unwrap();
    let most = json!({"boosts": vec![boost; 10], "promotions": vec![promotion; 10]});
    placement(most).check().unwrap();
    placement(json!({})).check().unwrap();
}

#[test]
fn what_tells_items_apart_is_of_the_target_domains_where_there_are_any() {
    for (field, of_cars) in [
        ("filters", json!({"cars": "price > 1"})),
        ("boosts[0]", json!([{"domain": "cars", "filter": "price > 1", "factor": 2}])),
        ("promotions[0]", json!([{"domain": "cars", "filter": "price > 1", "slot": 1}])),
        ("quotas[0]", json!([{"domain": "cars", "most": 1}])),
    ] {
        let name = field.split('[').next().unwrap();
        let why = refused(json!({"target_domains": ["auto"], name: of_cars}));
        assert_eq!(why, format!("{field} names cars, which is none of target_domains"));
        for targets in [json!([]), json!(["auto", "cars"])] {
            placement(json!({"target_domains": targets, name: of_cars})).check().unwrap();
        }
    }
}

#[test]
fn the_filters_of_a_placement_are_together_as_long_as_one_may_be() {
    let source = |bytes: usize| format!("price > 1{}", " ".repeat(bytes - 9));
    let two = |bytes: usize| {
        json!({
            "filters": {"auto": source(2_048)},
            "boosts": [{"domain": "cars", "filter": source(bytes), "factor": 2}],
        })
    };
    placement(json!({"filters": {"auto": source(MAX_SOURCE_BYTES)}})).check().unwrap();
    let why = refused(json!({"filters": {"auto": source(MAX_SOURCE_BYTES + 1)}}));
    assert!(why.contains("at most 4096 bytes"), "{why}");
    placement(two(2_038)).check().unwrap();
    assert!(refused(two(2_039)).contains("at most 4096 bytes together"));
}

#[test]
fn a_definition_names_the_placement_that_is_wrong_and_has_only_so_many() {
    let mut wrong = definition();
    let name = |number: usize| Placement::parse(&format!("p{number}")).unwrap();
    wrong.placements = (0..MAX_PLACEMENTS).map(|n| (name(n), Default::default())).collect();
    wrong.check().unwrap();
    wrong.placements.insert(name(MAX_PLACEMENTS), PlacementDefinition::default());
    assert!(wrong.check().unwrap_err().0.contains("placements must have at most 32"));
    let inverted = placement(json!({"limit": 2, "max_limit": 1}));
    wrong.placements = [(name(7), inverted)].into();
    assert!(wrong.check().unwrap_err().0.starts_with("placements.p7.limit must be"));
}

#[test]
fn a_definition_without_placements_is_written_without_them() {
    let written = serde_json::to_value(definition()).unwrap();
    assert!(written.get("placements").is_none());
    let empty = serde_json::to_value(PlacementDefinition::default()).unwrap();
    assert_eq!(empty, json!({}));
}

#[test]
fn a_target_is_told_what_is_said_of_it_and_nothing_else() {
    let checkout = placement(json!({
        "filters": {"auto": "brand = \"BYD\"", "learn": "?"},
        "boosts": [
            {"domain": "auto", "filter": "price > 2", "factor": 2},
            {"domain": "learn", "filter": "price > 3", "factor": 3},
            {"domain": "auto", "filter": "price > 1", "factor": 4},
        ],
        "promotions": [
            {"domain": "auto", "filter": "price > 4", "slot": 3},
            {"domain": "auto", "filter": "price > 5", "slot": 1},
        ],
        "quotas": [
            {"domain": "auto", "filter": "price > 6", "most": 2},
            {"domain": "books", "each_category": true, "most": 1},
            {"domain": "cars", "most": 3},
        ],
    }));
    let read = checkout.for_target(&domain("auto"), &schema()).unwrap();
    assert_eq!(read.filter.as_ref().map(Filter::source), Some("brand = \"BYD\""));
    let boosts = read.boosts.iter().map(|boost| (boost.filter.source(), boost.factor.get()));
    assert_eq!(boosts.collect::<Vec<_>>(), [("price > 1", 4.0), ("price > 2", 2.0)]);
    let promotions = read.promotions.iter().map(|one| (one.slot, one.filter.source()));
    assert_eq!(promotions.collect::<Vec<_>>(), [(1, "price > 5"), (3, "price > 4")]);
    assert_eq!(read.quotas[0].filter.as_ref().map(Filter::source), Some("price > 6"));
    assert_eq!(read.filters().count(), 6);
    let books = checkout.for_target(&domain("books"), &schema()).unwrap();
    let of_each = Quota { filter: None, each_category: true, most: 1 };
    assert_eq!(books, TargetPlacement { quotas: vec![of_each], ..TargetPlacement::default() });
    let nothing = checkout.for_target(&domain("films"), &schema()).unwrap();
    assert_eq!(nothing, TargetPlacement::default());
    // Whose items they are, and no more, a quota of a whole domain tells.
    let told_apart: Vec<&str> = checkout.told_apart().into_iter().map(DomainId::as_str).collect();
    assert_eq!(told_apart, ["auto", "books", "learn"]);
}

#[test]
fn a_filter_that_cannot_be_read_is_told_with_where_it_stands() {
    let (auto, bare) = (domain("auto"), Schema::default());
    let boost = |filter: &str| json!({"domain": "auto", "filter": filter, "factor": 2});
    let many = vec!["price = 1"; 40].join(" or ");
    for (said, expected) in [
        (
            json!({"filters": {"auto": "price < 1\n and brand = \"BYD\""}}),
            "filters of auto: line 2, column 6: unknown field `brand`",
        ),
        (
            json!({"boosts": [boost("price > 1"), boost("price >")]}),
            "boosts[1] of auto: line 1, column 8: ",
        ),
        (
            json!({"promotions": [{"domain": "auto", "filter": "price", "slot": 1}]}),
            "promotions[0] of auto: line 1, column 1: ",
        ),
        (
            json!({"filters": {"auto": "price > 1 \u{202e}"}}),
            "filters of auto: it must have no control characters",
        ),
        (
            json!({"filters": {"auto": many}, "boosts": [boost(&many)]}),
            "filters, boosts, promotions and quotas of auto: together, ",
        ),
    ] {
        let said = placement(said);
        said.check().unwrap();
        let why = said.for_target(&auto, &bare).unwrap_err().to_string();
        assert!(why.starts_with(expected), "{why}");
        said.for_target(&domain("learn"), &bare).unwrap();
    }
    let alone = placement(json!({"filters": {"auto": many}}));
    alone.for_target(&auto, &bare).unwrap();
}

#[test]
fn a_request_narrows_the_targets_of_a_placement_and_never_widens_them() {
    let set = |names: &[&str]| names.iter().map(|name| domain(name)).collect::<BTreeSet<_>>();
    let bounded = placement(json!({"target_domains": ["auto", "learn"]}));
    assert_eq!(bounded.targets(set(&[])), Ok(set(&["auto", "learn"])));
    assert_eq!(bounded.targets(set(&["learn"])), Ok(set(&["learn"])));
    let beyond = bounded.targets(set(&["books", "learn"])).unwrap_err();
    assert_eq!(beyond, BeyondPlacement::Target(domain("books")));
    let free = PlacementDefinition::default();
    assert_eq!(free.targets(set(&["books"])), Ok(set(&["books"])));
    assert_eq!(free.targets(set(&[])), Ok(set(&[])));
    assert!(free.serves(&domain("books")) && !bounded.serves(&domain("books")));
}

#[test]
fn a_request_has_as_many_items_as_it_says_or_the_placement_and_never_more_than_may_be() {
    let both = placement(json!({"limit": 4, "max_limit": 8}));
    assert_eq!(both.limit(None, 20), Ok(4));
    assert_eq!(both.limit(Some(8), 20), Ok(8));
    let beyond = both.limit(Some(9), 20).unwrap_err();
    assert_eq!(beyond.to_string(), "limit must be 1 to 8 at the placement");
    let most = placement(json!({"max_limit": 8}));
    assert_eq!((most.limit(None, 20), most.limit(None, 5)), (Ok(8), Ok(5)));
    let free = PlacementDefinition::default();
    assert_eq!((free.limit(None, 20), free.limit(Some(100), 20)), (Ok(20), Ok(100)));
}

fn any_domain() -> impl Strategy<Value = DomainId> {
    "[a-z][a-z0-9_-]{0,3}".prop_map(|name| domain(&name))
}

/// What somebody may write for a filter; whether it is one is not asked here.
const ANY_SOURCE: &str = "[ -~课é\n]{0,40}";

fn any_place() -> impl Strategy<Value = SlatePlace> {
    (1..=SlatePlace::MOST).prop_map(|place| SlatePlace::try_from(place).unwrap())
}

prop_compose! {
    fn any_placement()(
        target_domains in btree_set(any_domain(), 0..4),
        limits in (option::of(any_place()), option::of(any_place())),
        filters in btree_map(any_domain(), ANY_SOURCE, 0..3),
        boosts in vec((any_domain(), ANY_SOURCE, 0.1_f32..=10.0), 0..3),
        promotions in vec((any_domain(), ANY_SOURCE, any_place()), 0..3),
        quotas in vec((any_domain(), option::of(ANY_SOURCE), any::<bool>(), any_place()), 0..3),
        diversity in option::of(f32::MIN_POSITIVE..=1.0),
        calibration in option::of(f32::MIN_POSITIVE..=1.0),
        exploration in option::of(f32::MIN_POSITIVE..=0.5),
        fatigue in option::of((1u8..=14).prop_flat_map(|days| (1..=days, 0.1f32..=0.95, Just(days)))),
    ) -> PlacementDefinition {
        let boost = |(domain, filter, factor): (_, _, f32)| {
            PlacementBoost { domain, filter, factor: factor.try_into().unwrap() }
        };
        let promotion = |(domain, filter, slot)| PlacementPromotion { domain, filter, slot };
        let quota = |(domain, filter, each_category, most)| {
            PlacementQuota { domain, filter, each_category, most }
        };
        PlacementDefinition {
            target_domains,
            limit: limits.0,
            max_limit: limits.1,
            filters,
            boosts: boosts.into_iter().map(boost).collect(),
            promotions: promotions.into_iter().map(promotion).collect(),
            quotas: quotas.into_iter().map(quota).collect(),
            calibration: calibration
                .filter(|_| diversity.is_none())
                .map(|share| share.try_into().unwrap()),
            diversity: diversity.map(|share| share.try_into().unwrap()),
            fatigue: fatigue.map(|(after, factor, days)| {
                from_value(json!({"after": after, "factor": factor, "days": days})).unwrap()
            }),
            exploration: exploration.map(|share| share.try_into().unwrap()),
        }
    }
}

proptest! {
    #[test]
    fn a_definition_with_placements_survives_json(
        placements in btree_map("[a-z]{1,4}", any_placement(), 0..3),
    ) {
        let named = |(name, of): (String, _)| (Placement::parse(&name).unwrap(), of);
        let placements = placements.into_iter().map(named).collect();
        let definition = DomainDefinition { placements, ..definition() };
        let text = serde_json::to_string(&definition).unwrap();
        let read: DomainDefinition = crate::json::from_slice(text.as_bytes()).unwrap();
        prop_assert_eq!(&read, &definition);
        // As a merge patch reads it.
        let read: DomainDefinition = from_value(serde_json::to_value(&definition).unwrap()).unwrap();
        prop_assert_eq!(&read, &definition);
    }
}
