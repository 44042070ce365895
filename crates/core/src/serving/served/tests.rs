use serde_json::{Value, json};

use super::*;
use crate::entities::catalogue::ChangeNumber;
use crate::entities::ids::RecommendationId;

const DAY: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn cars() -> DomainId {
    DomainId::parse("cars").unwrap()
}

fn definition() -> DomainDefinition {
    serde_json::from_value(json!({"name": "Cars", "currency": "EUR",
        "event_types": {"view": {"weight": 1}}, "attributes": {"brand": "text"}}))
    .unwrap()
}

/// Items by their ids, each with its details, changed on a day.
fn snapshot(items: &[(&str, Value, i64)]) -> CatalogueSnapshot {
    let item = |(id, details, day): &(&str, Value, i64)| Item {
        domain: cars(),
        item_id: ItemId::parse(id).unwrap(),
        details: serde_json::from_value(details.clone()).unwrap(),
        updated_at: at(day * DAY),
        change: ChangeNumber::default(),
    };
    CatalogueSnapshot::new(items.iter().map(item).collect(), None)
}

fn slate(number: i64, items: &[(&str, &str)]) -> Decision {
    let entry = |(domain, item): &(&str, &str)| json!({"domain": domain, "item_id": item, "score": 0.5, "propensity": 1.0});
    let slate: Vec<Value> = items.iter().map(entry).collect();
    let mut decision: Decision = serde_json::from_value(json!({
        "recommendation_id": "r", "user": "v1_u", "domain": "learn", "policy": "p", "seed": 1,
        "decided_at": at(number * DAY), "personalised": false, "slate": slate,
    }))
    .unwrap();
    decision.recommendation_id = RecommendationId::parse(&format!("r{number}")).unwrap();
    decision
}

fn brand(brand: &str) -> Value {
    json!({"title": brand, "attributes": {"brand": brand}})
}

#[test]
fn a_filter_is_tried_on_what_was_shown_by_what_it_is_like_now() {
    let snapshot = snapshot(&[
        ("a", brand("BYD"), 1),
        ("b", brand("Geely"), 1),
        ("c", json!({"title": "c"}), 1),
        ("deleted", Value::Null, 1),
        ("hidden", json!({"title": "h", "status": "hidden"}), 1),
    ]);
    let decisions = [
        slate(3, &[("cars", "a"), ("cars", "b"), ("learn", "x")]),
        slate(2, &[("cars", "c"), ("cars", "b")]),
        slate(4, &[("cars", "a"), ("cars", "gone"), ("cars", "deleted")]),
        slate(5, &[("learn", "x")]),
    ];
    let definition = definition();
    let filter = Filter::parse("brand = \"BYD\"", &definition.schema()).unwrap();
    let trial = try_filter(&decisions, (&cars(), &snapshot), (&filter, &definition), at(9 * DAY));
    let item = |id: &str, title: &str, times| ShownItem {
        item_id: ItemId::parse(id).unwrap(),
        title: Some(title.to_owned()),
        times,
    };
    let expected = FilterTrial {
        served: ServedSlates { slates: 4, since: Some(at(2 * DAY)), until: Some(at(5 * DAY)) },
        shown: 7,
        removed: 3,
        gone: 2,
        slates_changed: 2,
        slates_emptied: 1,
        most_removed: vec![item("b", "Geely", 2), item("c", "c", 1)],
        admitted: 1,
        available: 3,
    };
    assert_eq!(trial, expected);
    let none = try_filter(&[], (&cars(), &snapshot), (&filter, &definition), at(9 * DAY));
    assert_eq!((none.served, none.shown, none.available), (ServedSlates::default(), 0, 3));
}

#[test]
fn a_catalogue_is_told_with_what_was_shown_of_it_and_which_offers_nobody_can_have() {
    let loan = json!({"title": "l", "price": "20000",
        "offer": {"kind": "loan", "annual_rate": "0.05", "terms_months": [36]}});
    let mut definition = definition();
    let rules = json!({"pack": "generic", "disclosure": "eu",
        "rules": [{"rule": "term", "max_months": 24}]});
    definition.eligibility = Some(serde_json::from_value(rules).unwrap());
    let snapshot = snapshot(&[
        ("a", brand("BYD"), 1),
        ("b", brand("BYD"), 8),
        ("c", brand("BYD"), 9),
        ("deleted", Value::Null, 1),
        ("hidden", json!({"title": "h", "status": "hidden"}), 1),
        ("loan", loan, 1),
    ]);
    let decisions = [
        slate(9, &[("cars", "a"), ("cars", "c"), ("cars", "hidden"), ("cars", "gone")]),
        slate(8, &[("cars", "a"), ("cars", "a")]),
    ];
    let report = report(&decisions, (&cars(), &snapshot), &definition, at(10 * DAY));
    assert_eq!((report.items, report.available, report.not_in_model), (5, 4, 4));
    assert_eq!((report.new, report.new_shown), (2, 1));
    assert_eq!((report.shown, report.coverage), (2, Some(0.5)));
    let most: Vec<(&str, usize)> =
        report.most_shown.iter().map(|item| (item.item_id.as_str(), item.times)).collect();
    assert_eq!(most, [("a", 2), ("c", 1), ("hidden", 1)]);
    assert_eq!(report.offers, 1);
    let refused: Vec<(&str, usize)> =
        report.refused_offers.iter().map(|(reason, offers)| (reason.as_str(), *offers)).collect();
    assert_eq!(refused, [("term", 1)]);
}
