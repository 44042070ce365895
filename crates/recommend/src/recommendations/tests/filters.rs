//! What a request's filter does not admit is not served, and what cannot be read is told.

use axum::http::StatusCode;
use crossfold_edge::caller::Scope;
use crossfold_storage::definition_reader::announce_change;

use super::replays::{assert_same, assert_told, replayed};
use super::*;

/// The world, whose domain `auto` declares brands and has a few cars.
pub(super) async fn cars() -> Stores {
    let stores = world().await;
    let mut definition = definition();
    definition.attributes = serde_json::from_value(json!({"brand": "text"})).unwrap();
    records::put(&*stores.records, &domain("auto"), &definition).await.unwrap();
    for (name, brand, price) in [("a", "BYD", "9.99"), ("b", "Geely", "10"), ("c", "BYD", "10.01")]
    {
        let mut car = item(&domain("auto"), name);
        let details = json!({"title": name, "price": price, "attributes": {"brand": brand}});
        car.details = Some(serde_json::from_value(details).unwrap());
        stores.catalogue.put(&car).await.unwrap();
    }
    stores
}

async fn refused(service: &Router, filter: Value, caller: Caller) -> (StatusCode, Value) {
    let body = json!({
        "user_id": "ann", "domain": "knowledge", "target_domains": ["auto"], "filter": filter,
    });
    called(service, ("/v1/recommendations", &body), caller).await
}

/// What a call of a caller is answered with.
pub(super) async fn called(
    service: &Router,
    (path, body): (&str, &Value),
    caller: Caller,
) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .extension(caller)
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

pub(super) fn served(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| item["item_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn only_what_the_filter_admits_is_served_and_the_slate_can_be_made_again() {
    let stores = cars().await;
    let service = service(&stores);
    let filter = r#"brand = "BYD" and price < 10.000"#;
    let asked = json!({ "target_domains": ["auto"], "filter": filter, "inspect": true });
    let answer = answer(&service, asked).await;
    assert_eq!(served(&answer), ["a"]);
    let left_out = &answer["inspection"][0]["left_out"];
    assert_eq!((&left_out[0]["rule"], &left_out[0]["items"]), (&json!("filtered"), &json!(4)));
    let basis = logged(&stores, &answer).await.basis.unwrap();
    assert_eq!(basis.filters[0].source, filter);
    let id = &answer["recommendation_id"];
    assert_same(&replayed(&service, id).await);
    // Nobody declares brands any more.
    records::put(&*stores.records, &domain("auto"), &definition()).await.unwrap();
    announce_change(&*stores.records, UniqueId::from_u128(9)).await.unwrap();
    let gone = json!([{ "code": "filter_gone", "domains": ["auto"] }]);
    assert_told(&replayed(&service, id).await, gone);
}

#[tokio::test]
async fn each_target_may_have_its_own_filter() {
    let service = service(&cars().await);
    let filter = json!({ "auto": "price >= 10", "knowledge": "item_id = \"new\"" });
    let answer = answer(&service, json!({ "target_domains": DOMAINS, "filter": filter })).await;
    let mut served = served(&answer);
    served.sort_unstable();
    assert_eq!(served, ["b", "c", "new"]);
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_refused_with_its_place_and_nothing_is_logged() {
    let stores = cars().await;
    let service = service(&stores);
    for (filter, code, told) in [
        (json!("brend = \"BYD\""), "invalid_filter", "line 1, column 1"),
        (json!("price = \"BYD\""), "invalid_filter", "line 1, column "),
        (json!("price <"), "invalid_filter", "line 1, column 8"),
        (json!(""), "invalid_filter", "line 1, column 1"),
        (json!("(".repeat(4_000)), "invalid_filter", "column 33"),
        (json!("x".repeat(5_000)), "invalid_filter", "at most 4096 bytes"),
        (json!({"knowledge": "price < 3"}), "invalid_request", "no target"),
        (json!(["price < 3"]), "invalid_request", "filter must be a text"),
    ] {
        let (status, body) = refused(&service, filter, Caller::development()).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(code)),
            "{body}"
        );
        assert!(body["detail"].as_str().unwrap().contains(told), "{body}");
    }
}

#[tokio::test]
async fn who_does_not_act_for_a_domain_cannot_find_out_by_filters_what_its_items_are_like() {
    let service = service(&cars().await);
    let of_knowledge = || Caller::with([domain("knowledge")], [Scope::RecommendationsRead]);
    for filter in [json!("price < 3"), json!("nonsense"), json!({"auto": "item_id = \"a\""})] {
        let (status, body) = refused(&service, filter, of_knowledge()).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("domain_forbidden")));
        assert!(!body["detail"].as_str().unwrap().contains("brand"), "{body}");
    }
    // Without a filter its items are recommended as ever.
    let body = json!({ "user_id": "ann", "domain": "knowledge", "target_domains": ["auto"] });
    let (status, _) = called(&service, ("/v1/recommendations", &body), of_knowledge()).await;
    assert_eq!(status, StatusCode::OK);
}
