//! What was seen stays away however much was done since, and only as long as it shall.

use crossfold_core::entities::definition::DomainDefinition;
use jiff::SignedDuration;

use super::*;

/// The test's domains, where what was viewed counts as seen for thirty days, and `open`
/// says no time.
pub(super) async fn seen_for_thirty_days(stores: &Stores) {
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY",
        "event_types": {"view": {"weight": 1.0, "seen_days": 30}, "open": {"weight": 1.0}},
    }))
    .unwrap();
    for name in DOMAINS.map(domain) {
        records::put(&*stores.records, &name, &definition).await.unwrap();
    }
}

/// Gives a user of `knowledge` so many more views, of what nobody recommends, a second each
/// back from `since` on.
pub(super) async fn views_of_others(
    stores: &Stores,
    user: &Pseudonym,
    count: usize,
    since: Timestamp,
) {
    for index in 0..count {
        let mut event = view_of(user, "other");
        event.event_id = EventId::parse(&format!("other {index}")).unwrap();
        event.occurred_at = since - SignedDuration::from_secs(index as i64);
        stores.events.append(&event).await.unwrap();
    }
}

/// A world in which Ann did this with `i` so many hours ago, and so much with others since.
async fn world_after(event_type: &str, hours: i64, since: usize) -> Stores {
    let stores = memory::stores();
    seen_for_thirty_days(&stores).await;
    for id in ["i", "new"] {
        stores.catalogue.put(&item(&domain("knowledge"), id)).await.unwrap();
    }
    let user = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    let seen = Event {
        event_type: EventType::parse(event_type).unwrap(),
        occurred_at: noon() - SignedDuration::from_hours(hours),
        ..view_of(&user, "i")
    };
    stores.events.append(&seen).await.unwrap();
    views_of_others(&stores, &user, since, noon()).await;
    stores
}

async fn served(stores: &Stores, more: Value) -> (Vec<String>, Value) {
    let answer = answer(&service(stores), more).await;
    let items = answer["items"].as_array().unwrap().iter();
    let served = items.map(|item| item["item_id"].as_str().unwrap().to_owned()).collect();
    let degraded = answer["degraded"].as_array().unwrap().iter();
    (served, degraded.filter(|code| *code != "no_model").cloned().collect())
}

#[tokio::test]
async fn an_item_seen_within_its_time_is_not_served_again_however_much_was_done_since() {
    for since in [0, 999, 1_000, 4_000, 9_999] {
        let stores = world_after("view", 29 * 24, since).await;
        let told = served(&stores, json!({})).await;
        assert_eq!(told, (vec!["new".to_owned()], json!([])), "after {since} events");
    }
}

#[tokio::test]
async fn an_item_is_served_again_once_its_time_is_over_or_where_no_time_is_said() {
    let again = (vec!["i".to_owned(), "new".to_owned()], json!([]));
    for (event_type, hours) in [("view", 31 * 24), ("open", 24)] {
        let stores = world_after(event_type, hours, 1_500).await;
        let (mut items, degraded) = served(&stores, json!({})).await;
        items.sort_unstable();
        assert_eq!((items, degraded), again, "{event_type}");
    }
    let stores = world_after("view", 24, 1_500).await;
    let (items, _) = served(&stores, json!({ "personalised": false })).await;
    assert_eq!(items.len(), 2, "a slate for nobody in particular");
}

#[tokio::test]
async fn who_did_more_than_is_read_is_told_that_the_slate_rests_on_a_part() {
    let stores = world_after("view", 24, 10_000).await;
    let (_, degraded) = served(&stores, json!({})).await;
    assert_eq!(degraded, json!(["partial_history"]));
}
