//! What a request boosts, promotes, and wants put in order.

use axum::http::StatusCode;
use crossfold_edge::caller::Scope;

use super::filters::{called, cars, served};
use super::replays::{assert_same, replayed};
use super::*;

fn of_knowledge() -> Caller {
    Caller::with([domain("knowledge")], [Scope::RecommendationsRead])
}

/// A recommendation of cars with this beside.
fn wanting(more: &Value) -> Value {
    let mut body = json!({ "user_id": "ann", "domain": "knowledge", "target_domains": ["auto"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_is_promoted_has_its_place_says_so_and_is_made_again() {
    let stores = cars().await;
    let service = service(&stores);
    let asked = wanting(&json!({
        "boosts": [{ "filter": "price > 10", "factor": 3 }],
        "promotions": [
            { "filter": "brand = \"Geely\"", "slot": 1 },
            { "filter": "brand = \"Tesla\"", "slot": 2 },
        ],
        "locale": "zh",
    }));
    let (status, answer) =
        called(&service, ("/v1/recommendations", &asked), Caller::development()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let first = &answer["items"][0];
    assert_eq!((&first["item_id"], &first["promoted"]), (&json!("b"), &json!(true)));
    assert_eq!(first["reason"]["code"], "promoted");
    assert!(first["reason"]["text"].as_str().unwrap().ends_with("推广"), "{first}");
    assert!(answer["items"][1].get("promoted").is_none(), "{answer}");
    assert_same(&replayed(&service, &answer["recommendation_id"]).await);
}

#[tokio::test]
async fn there_are_no_more_of_a_kind_than_a_quota_says_and_the_slate_is_made_again() {
    let service = service(&cars().await);
    // Two of three are of the brand.
    for (limit, expected) in [(2, 1), (3, 2)] {
        let quotas = json!([{ "filter": "brand = \"BYD\"", "most": 1 }]);
        let asked = wanting(&json!({ "quotas": quotas, "limit": limit }));
        let call = ("/v1/recommendations", &asked);
        let (status, answer) = called(&service, call, Caller::development()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let shown = served(&answer);
        let of_brand = shown.iter().filter(|item| **item != "b").count();
        // What is too many comes last, and only where places are left.
        assert_eq!((shown.len(), of_brand), (limit, expected), "{answer}");
        assert_same(&replayed(&service, &answer["recommendation_id"]).await);
    }
}

#[tokio::test]
async fn preferences_out_of_range_are_refused_by_name() {
    let service = service(&cars().await);
    let boost = |filter: &str, factor: f64| json!({ "filter": filter, "factor": factor });
    let long = format!("price < {}", "1 + ".repeat(20) + "1");
    for (more, code, told) in [
        (json!({ "boosts": [boost("price > 1", 11.0)] }), "invalid_request", "0.1 to 10"),
        (json!({ "boosts": [boost("price > 1", 0.0)] }), "invalid_request", "0.1 to 10"),
        (json!({ "boosts": vec![boost("price > 1", 2.0); 11] }), "invalid_request", "at most 10"),
        (json!({ "boosts": [boost("prize > 1", 2.0)] }), "invalid_filter", "boosts of auto"),
        (
            json!({ "boosts": [{ "filter": "price > 1", "factor": 2, "domain": "knowledge" }] }),
            "invalid_request",
            "no target",
        ),
        (
            json!({ "promotions": [{ "filter": "price > 1", "slot": 0 }] }),
            "invalid_request",
            "1 to 100",
        ),
        (
            json!({ "promotions": [{ "filter": "price >", "slot": 1 }] }),
            "invalid_filter",
            "promotions of auto",
        ),
        (
            json!({ "promotions": [{ "filter": "price > 1", "slot": 1 }], "target_domains": DOMAINS }),
            "invalid_request",
            "a domain is needed",
        ),
        (json!({ "quotas": [{ "most": 0 }] }), "invalid_request", "1 to 100"),
        (json!({ "quotas": vec![json!({ "most": 1 }); 11] }), "invalid_request", "at most 10"),
        (
            json!({ "quotas": [{ "most": 1, "domain": "knowledge" }] }),
            "invalid_request",
            "no target",
        ),
        (
            json!({ "quotas": [{ "most": 1, "filter": "prize > 1" }] }),
            "invalid_filter",
            "quotas of",
        ),
        (json!({ "calibration": 1.5 }), "invalid_request", "calibration must be 0 to 1"),
        (json!({ "calibration": 0.5, "diversity": 0.5 }), "invalid_request", "two ways"),
        // Each time a filter stands there, it is evaluated.
        (json!({ "boosts": vec![boost(&long, 2.0); 2] }), "invalid_filter", "together"),
        // Each is within the limits, and both together are not.
        (
            json!({ "filter": long, "boosts": [boost(&format!("{long} + 2"), 2.0)] }),
            "invalid_filter",
            "together",
        ),
    ] {
        let asked = wanting(&more);
        let call = ("/v1/recommendations", &asked);
        let (status, body) = called(&service, call, Caller::development()).await;
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, &json!(code));
        assert_eq!((status, &body["code"]), expected, "{more} {body}");
        assert!(body["detail"].as_str().unwrap().contains(told), "{body}");
    }
}

#[tokio::test]
async fn who_does_not_act_for_a_domain_prefers_none_of_its_items() {
    let service = service(&cars().await);
    for more in [
        json!({ "boosts": [{ "filter": "price > 1", "factor": 2 }] }),
        json!({ "promotions": [{ "filter": "price > 1", "slot": 1 }] }),
        json!({ "quotas": [{ "filter": "price > 1", "most": 1 }] }),
        json!({ "quotas": [{ "each_category": true, "most": 1 }] }),
    ] {
        let (status, body) =
            called(&service, ("/v1/recommendations", &wanting(&more)), of_knowledge()).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("domain_forbidden")));
    }
    // How many of a whole domain there may be tells nothing of any item.
    let more = json!({ "quotas": [{ "domain": "auto", "most": 1 }] });
    let (status, body) =
        called(&service, ("/v1/recommendations", &wanting(&more)), of_knowledge()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    // What is left of a list would tell what somebody saw there.
    let list = json!({
        "user_id": "ann", "domain": "knowledge", "items": [{ "domain": "auto", "item_id": "a" }],
    });
    let (status, body) = called(&service, ("/v1/rankings", &list), of_knowledge()).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("domain_forbidden")));
}

#[tokio::test]
async fn a_list_is_put_in_order_logged_and_made_again() {
    let stores = cars().await;
    let service = service(&stores);
    let items: Vec<Value> =
        ["c", "nowhere", "a"].map(|id| json!({ "domain": "auto", "item_id": id })).into();
    let list = json!({ "user_id": "ann", "domain": "knowledge", "items": items });
    let (status, answer) = called(&service, ("/v1/rankings", &list), Caller::development()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let mut ranked = served(&answer);
    ranked.sort_unstable();
    assert_eq!(ranked, ["a", "c"]);
    let basis = logged(&stores, &answer).await.basis.unwrap();
    assert_eq!(basis.listed[&domain("auto")].len(), 3);
    assert_same(&replayed(&service, &answer["recommendation_id"]).await);
    for (items, told) in [(json!([]), "1 to 500"), (json!(vec![items[0].clone(); 501]), "1 to 500")]
    {
        let list = json!({ "user_id": "ann", "domain": "knowledge", "items": items });
        let (status, body) = called(&service, ("/v1/rankings", &list), Caller::development()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(body["detail"].as_str().unwrap().contains(told), "{body}");
    }
}
