//! Pages of a slate: one decision, told in parts.

use crossfold_core::entities::history::SeenItem;
use crossfold_edge::caller::Scope;
use crossfold_storage::definition_reader::announce_change;

use super::filters::called;
use super::*;

/// As [`world`], with nine more items of `auto`.
async fn long_world() -> Stores {
    let stores = world().await;
    for number in 0..9 {
        stores.catalogue.put(&item(&domain("auto"), &format!("n{number}"))).await.unwrap();
    }
    stores
}

async fn page(service: &Router, id: &str, body: Value) -> (u16, Value) {
    let mut whole = json!({ "user_id": "ann", "domain": "knowledge" });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let request = Request::post(format!("/v1/recommendations/{id}/page"))
        .header("content-type", "application/json")
        .extension(Caller::development())
        .body(Body::from(whole.to_string()))
        .unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// The user of a slate buys the item of a rank, from 0.
async fn buy(stores: &Stores, record: &Decision, rank: usize) {
    let bought = SeenItem {
        user: record.user.clone(),
        by_domain: domain("knowledge"),
        domain: domain("auto"),
        item_id: record.slate[rank].item_id.clone(),
    };
    stores.events.mark_seen(&bought).await.unwrap();
}

fn ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["item_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_are_the_decision_that_was_logged_in_its_order_and_log_nothing() {
    let stores = long_world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let asked = json!({ "target_domains": ["auto"], "limit": 9, "page_size": 4 });
    let first = answer(&service, asked).await;
    let record = logged(&stores, &first).await;
    assert_eq!((ids(&first).len(), record.slate.len()), (4, 9));
    let id = first["recommendation_id"].as_str().unwrap();
    let (mut told, mut cursor) = (ids(&first), first["next"].clone());
    let mut ranks = 4;
    let mut sizes = Vec::new();
    while let Some(after) = cursor.as_str() {
        let (status, answer) = page(&service, id, json!({ "cursor": after })).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["recommendation_id"], id);
        for item in answer["items"].as_array().unwrap() {
            let entry = serde_json::to_value(&record.slate[ranks]).unwrap();
            ranks += 1;
            assert_eq!(item["rank"], ranks);
            // Through text, as both were written: a score is an f32.
            let entry: Value = serde_json::from_str(&entry.to_string()).unwrap();
            assert!(["item_id", "propensity"].iter().all(|key| entry[key] == item[key]));
            assert!(item["reason"]["text"].is_string(), "{item}");
        }
        sizes.push(ids(&answer).len());
        told.extend(ids(&answer));
        cursor = answer["next"].clone();
    }
    let logged: Vec<String> = record.slate.iter().map(|entry| entry.item_id.to_string()).collect();
    assert_eq!(told, logged);
    assert_eq!(sizes, [4, 1]);
    let everyone = BTreeSet::from([record.user.clone()]);
    assert_eq!(stores.decisions.logged_of(&everyone, None).await.unwrap().entries.len(), 1);
    // Beyond the end there is nothing, and no other page.
    let (status, beyond) = page(&service, id, json!({ "cursor": "after-9-4" })).await;
    assert_eq!((status, ids(&beyond).len(), &beyond["next"]), (200, 0, &Value::Null));
    // All at once, there is no other page.
    let whole = answer(&service, json!({ "target_domains": ["auto"], "page_size": 100 })).await;
    assert_eq!(whole["next"], Value::Null);
}

#[tokio::test]
async fn what_may_not_be_shown_any_more_is_on_no_page() {
    let stores = long_world().await;
    let service = service(&stores);
    let asked = json!({ "target_domains": ["auto"], "limit": 6, "page_size": 2 });
    let first = answer(&service, asked).await;
    let record = logged(&stores, &first).await;
    let id = first["recommendation_id"].as_str().unwrap().to_owned();
    let hidden = record.slate[3].item_id.clone();
    let gone = Item { details: None, ..item(&domain("auto"), hidden.as_str()) };
    stores.catalogue.put(&gone).await.unwrap();
    let (_, rest) = page(&service, &id, json!({ "cursor": first["next"], "limit": 9 })).await;
    let items = rest["items"].as_array().unwrap();
    let ranks: Vec<u64> = items.iter().map(|item| item["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, [3, 5, 6]);
    assert!(!ids(&rest).contains(&hidden.to_string()));
}

#[tokio::test]
async fn what_the_place_or_the_person_lets_go_meanwhile_is_on_no_page() {
    let stores = long_world().await;
    let place = |rules: Value| {
        let mut knowledge = definition();
        knowledge.placements = serde_json::from_value(json!({ "front": rules })).unwrap();
        knowledge
    };
    let put = async |definition, change| {
        records::put(&*stores.records, &domain("knowledge"), &definition).await.unwrap();
        announce_change(&*stores.records, UniqueId::from_u128(change)).await.unwrap();
    };
    put(place(json!({})), 1).await;
    let service = service(&stores);
    let asked =
        json!({ "target_domains": ["auto"], "placement": "front", "limit": 6, "page_size": 2 });
    let first = answer(&service, asked).await;
    let record = logged(&stores, &first).await;
    let id = first["recommendation_id"].as_str().unwrap().to_owned();
    let rest = async || page(&service, &id, json!({ "cursor": first["next"], "limit": 9 })).await.1;
    let of_slate = |ranks: &[usize]| -> Vec<String> {
        ranks.iter().map(|rank| record.slate[*rank].item_id.to_string()).collect()
    };
    assert_eq!(ids(&rest().await), of_slate(&[2, 3, 4, 5]));
    buy(&stores, &record, 3).await;
    assert_eq!(ids(&rest().await), of_slate(&[2, 4, 5]));
    let but = format!("item_id != \"{}\"", record.slate[4].item_id);
    put(place(json!({ "filters": { "auto": but } })), 2).await;
    assert_eq!(ids(&rest().await), of_slate(&[2, 5]));
    put(place(json!({ "target_domains": ["knowledge"] })), 3).await;
    assert_eq!(ids(&rest().await), of_slate(&[]));
}

#[tokio::test]
async fn a_page_tells_nobody_what_was_seen_on_a_platform_that_they_do_not_act_for() {
    let stores = long_world().await;
    let service = service(&stores);
    let asked = json!({ "target_domains": ["auto"], "limit": 6, "page_size": 2 });
    let first = answer(&service, asked).await;
    let record = logged(&stores, &first).await;
    buy(&stores, &record, 3).await;
    let id = first["recommendation_id"].as_str().unwrap();
    let path = format!("/v1/recommendations/{id}/page");
    let body = json!({ "user_id": "ann", "domain": "knowledge", "cursor": "after-2", "limit": 9 });
    let of_knowledge = Caller::with([domain("knowledge")], [Scope::RecommendationsRead]);
    for (caller, told) in [(of_knowledge, 4), (Caller::development(), 3)] {
        let (status, rest) = called(&service, (&path, &body), caller).await;
        assert_eq!((status.as_u16(), ids(&rest).len()), (200, told), "{rest}");
    }
}

#[tokio::test]
async fn what_a_slate_was_not_to_be_made_of_its_pages_are_not_made_of_either() {
    let stores = long_world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    for (personalised, privacy, is_by_history) in
        [(true, "0", true), (false, "0", false), (true, "1", false)]
    {
        let body = json!({
            "user_id": "ann", "domain": "knowledge", "target_domains": ["auto"], "limit": 11,
            "page_size": 1, "personalised": personalised,
        });
        let request = Request::post("/v1/recommendations")
            .header("content-type", "application/json")
            .header("sec-gpc", privacy)
            .extension(Caller::development())
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let first: Value = serde_json::from_slice(&bytes).unwrap();
        let id = first["recommendation_id"].as_str().unwrap();
        let (_, rest) = page(&service, id, json!({ "cursor": first["next"], "limit": 20 })).await;
        let mut items = rest["items"].as_array().unwrap().iter();
        let found = items.any(|item| item["reason"]["code"] == "history");
        assert_eq!(found, is_by_history, "{personalised} {privacy} {rest}");
    }
}

#[tokio::test]
async fn a_page_is_for_whom_the_slate_was_and_a_cursor_is_none_of_ones_own() {
    let stores = long_world().await;
    let service = service(&stores);
    let first = answer(&service, json!({ "target_domains": ["auto"], "page_size": 2 })).await;
    let id = first["recommendation_id"].as_str().unwrap();
    for (id, body, status, code) in [
        (id, json!({ "cursor": "after-2-2", "user_id": "bob" }), 404, "unknown_recommendation"),
        (id, json!({ "cursor": "after-2-2", "domain": "auto" }), 404, "unknown_recommendation"),
        ("r", json!({ "cursor": "after-2-2" }), 404, "unknown_recommendation"),
        (id, json!({ "cursor": "after-2-0" }), 422, "invalid_request"),
        (id, json!({ "cursor": "2" }), 422, "invalid_request"),
        (id, json!({ "cursor": "after--1" }), 422, "invalid_request"),
        (id, json!({ "cursor": "after-2-2", "limit": 0 }), 422, "invalid_request"),
        (id, json!({}), 422, "invalid_request"),
    ] {
        let (told, problem) = page(&service, id, body.clone()).await;
        assert_eq!((told, problem["code"].as_str()), (status, Some(code)), "{body} {problem}");
    }
}
