//! What the definition of a platform says of a place holds of every slate that is shown there.

use axum::http::StatusCode;
use crossfold_core::entities::fatigue::day_of;
use crossfold_core::entities::history::MarkedBy;
use crossfold_core::entities::impressions::{Exposure, ImpressionDay, Impressions};
use crossfold_core::entities::item_set::ItemDigest;
use crossfold_edge::caller::Scope;
use crossfold_storage::definition_reader::announce_change;

use super::filters::{called, cars, served};
use super::replays::{assert_same, assert_told, replayed};
use super::*;

/// The cars, and a place on `knowledge` of which this is said.
async fn placed(rules: Value) -> Stores {
    let stores = cars().await;
    let mut knowledge = definition();
    knowledge.placements = serde_json::from_value(json!({ "checkout": rules })).unwrap();
    knowledge.check().unwrap();
    records::put(&*stores.records, &domain("knowledge"), &knowledge).await.unwrap();
    stores
}

/// Ann's slate there, asked for by who acts for `knowledge` alone.
async fn at_checkout(service: &Router, more: Value) -> (StatusCode, Value) {
    let mut body = json!({ "user_id": "ann", "domain": "knowledge", "placement": "checkout" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let caller = Caller::with([domain("knowledge")], [Scope::RecommendationsRead]);
    called(service, ("/v1/recommendations", &body), caller).await
}

#[tokio::test]
async fn a_place_says_whose_items_and_how_many_and_what_they_are_like() {
    let rules = json!({
        "target_domains": ["auto"], "limit": 2, "max_limit": 3,
        "filters": { "auto": "price < 10.005" },
        "promotions": [{ "domain": "auto", "filter": "brand = \"Geely\"", "slot": 1 }],
    });
    let stores = placed(rules).await;
    let service = service(&stores);
    let (status, slate) = at_checkout(&service, json!({})).await;
    assert_eq!((status, served(&slate)), (StatusCode::OK, vec!["b", "a"]));
    assert_eq!(
        (&slate["degraded"], &slate["items"][0]["promoted"]),
        (&json!(["no_model"]), &json!(true))
    );
    assert_same(&replayed(&service, &slate["recommendation_id"]).await);

    for (more, part) in [
        (json!({ "target_domains": ["knowledge"] }), "target_domains names knowledge"),
        (json!({ "limit": 4 }), "limit must be 1 to 3"),
    ] {
        let (status, problem) = at_checkout(&service, more).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_request"))
        );
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    // Elsewhere nothing of it holds.
    let elsewhere =
        answer(&service, json!({ "placement": "front", "target_domains": ["auto"] })).await;
    assert_eq!(served(&elsewhere).len(), 5);
}

#[tokio::test]
async fn what_a_request_adds_narrows_what_its_place_says() {
    let rules = json!({
        "filters": { "auto": "price <= 10.00" }, "exploration": 0.2,
        "boosts": [{ "domain": "auto", "filter": "true", "factor": 2 }],
    });
    let stores = placed(rules).await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let asked = json!({
        "placement": "checkout", "target_domains": ["auto"], "inspect": true, "exploration": 0.5,
        "filter": "brand = \"BYD\"", "boosts": [{ "filter": "price > 0", "factor": 3 }],
    });
    let slate = answer(&service, asked).await;
    assert_eq!(served(&slate), ["a"]);
    let basis = logged(&stores, &slate).await.basis.unwrap();
    let sources: Vec<&str> = basis.filters.iter().map(|own| own.source.as_str()).collect();
    assert_eq!(sources, ["brand = \"BYD\"", "price <= 10.00", "price > 0", "true"]);
    assert_same(&replayed(&service, &slate["recommendation_id"]).await);
    let all = json!({ "placement": "checkout", "target_domains": ["auto"], "limit": 1, "exploration": 0.5 });
    let slate = answer(&service, all).await;
    let explored = logged(&stores, &slate).await.basis.unwrap().exploration.unwrap();
    assert_eq!(explored.share.get(), 0.2, "no more than the place has");
}

#[tokio::test]
async fn by_what_a_place_multiplies_is_told_only_where_the_caller_acts() {
    let rules =
        json!({ "boosts": [{ "domain": "auto", "filter": "item_id = \"i\"", "factor": 2 }] });
    let stores = placed(rules).await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let multiplied = |slate: &Value| {
        let items = slate["items"].as_array().unwrap().iter();
        items.filter(|item| !item["contributions"]["multiplier"].is_null()).count()
    };
    let more = || json!({ "target_domains": ["auto"], "inspect": true });
    let (_, slate) = at_checkout(&service, more()).await;
    assert_eq!((served(&slate).len(), multiplied(&slate)), (5, 0));
    let mut asked = more();
    asked["placement"] = "checkout".into();
    let known = answer(&service, asked).await;
    assert_eq!(served(&known), served(&slate), "it counts for both");
    assert_eq!(multiplied(&known), 1);
}

#[tokio::test]
async fn a_target_whose_rules_cannot_be_read_any_more_is_not_served_there() {
    let rules = json!({
        "target_domains": ["auto", "knowledge"], "filters": { "auto": "brand = \"BYD\"" },
    });
    let stores = placed(rules).await;
    let service = service(&stores);
    let slate = at_checkout(&service, json!({})).await.1;
    assert_eq!(served(&slate).len(), 3);
    records::put(&*stores.records, &domain("auto"), &definition()).await.unwrap();
    announce_change(&*stores.records, UniqueId::from_u128(9)).await.unwrap();
    let later = at_checkout(&service, json!({})).await.1;
    assert_eq!(later["degraded"], json!(["placement_outdated", "no_model"]));
    assert!(later["items"].as_array().unwrap().iter().all(|item| item["domain"] == "knowledge"));
    // What a client says of it, who cannot know, is passed over.
    for more in [
        json!({ "filter": { "auto": "brand = \"BYD\"" } }),
        json!({ "boosts": [{ "domain": "auto", "filter": "brand = \"BYD\"", "factor": 2 }] }),
        json!({ "promotions": [{ "domain": "auto", "filter": "true", "slot": 1 }] }),
    ] {
        let mut body = json!({ "user_id": "ann", "domain": "knowledge", "placement": "checkout" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let asked = ("/v1/recommendations", &body);
        let (status, slate) = called(&service, asked, Caller::development()).await;
        assert_eq!((status, served(&slate).len()), (StatusCode::OK, 1), "{more}");
    }
    let (status, only) = at_checkout(&service, json!({ "target_domains": ["auto"] })).await;
    assert_eq!((status, served(&only)), (StatusCode::OK, vec![]));
    let gone = json!([{ "code": "filter_gone", "domains": ["auto"] }]);
    assert_told(&replayed(&service, &slate["recommendation_id"]).await, gone);
}

#[tokio::test]
async fn a_list_is_put_in_order_within_what_its_place_says() {
    let service =
        service(&placed(json!({ "max_limit": 1, "filters": { "auto": "price > 10" } })).await);
    let items = json!([{ "item_id": "a", "domain": "auto" }, { "item_id": "c", "domain": "auto" }]);
    let body =
        json!({ "user_id": "ann", "domain": "knowledge", "placement": "checkout", "items": items });
    let (status, slate) = called(&service, ("/v1/rankings", &body), Caller::development()).await;
    assert_eq!((status, served(&slate)), (StatusCode::OK, vec!["c"]));
}

#[tokio::test]
async fn what_a_user_was_shown_there_often_sinks_and_the_slate_is_made_again() {
    let stores = placed(json!({ "fatigue": { "after": 1 } })).await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let (_, slate) = at_checkout(&service, json!({})).await;
    let (first, logged) = (served(&slate)[0], logged(&stores, &slate).await);
    let by =
        MarkedBy { user: logged.user, by_domain: domain("knowledge"), domain: domain("knowledge") };
    let day = day_of(logged.decided_at).yesterday().unwrap();
    let mut shown = Impressions::default();
    shown.add(
        ImpressionDay { by, day, exposure: Exposure::Shown },
        [ItemDigest::of(&ItemId::parse(first).unwrap())],
    );
    stores.events.note_impressions(&shown).await.unwrap();
    let (_, later) = at_checkout(&service, json!({})).await;
    assert_eq!(served(&later).last(), Some(&first), "{later}");
    assert_eq!(served(&later).len(), served(&slate).len());
    assert_same(&replayed(&service, &later["recommendation_id"]).await);
    // Elsewhere it is as good as ever.
    let elsewhere = answer(&service, json!({ "placement": "front" })).await;
    assert_eq!(served(&elsewhere), served(&slate));
}
