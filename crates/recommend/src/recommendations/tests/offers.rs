//! Offers are for who can have them, are shown whole, and who applied is kept nowhere.

use axum::http::StatusCode;
use crossfold_core::entities::definition::Currency;
use crossfold_edge::caller::Scope;

use super::filters::{called, served};
use super::replays::{assert_told, replayed};
use super::*;

/// The world, whose domain `auto` has rules and two cars that are financed.
async fn financed() -> Stores {
    let stores = world().await;
    let mut definition = definition();
    let rules = json!({
        "pack": "cn-auto", "disclosure": "cn", "rules": [
            { "rule": "debt_to_income", "max": "0.4" }, { "rule": "term", "max_months": 60 },
        ],
    });
    definition.eligibility = serde_json::from_value(rules).unwrap();
    records::put(&*stores.records, &domain("auto"), &definition).await.unwrap();
    for (name, price) in [("dear", "480000"), ("cheap", "60000")] {
        let mut car = item(&domain("auto"), name);
        let offer = json!({
            "kind": "loan", "annual_rate": "0.05", "terms_months": [12, 36, 60],
            "vehicle": { "kind": "passenger", "energy": "conventional", "condition": "new" },
        });
        let details = json!({ "title": name, "price": price, "offer": offer });
        car.details = Some(serde_json::from_value(details).unwrap());
        stores.catalogue.put(&car).await.unwrap();
    }
    stores
}

fn applying(applicant: &Value) -> Value {
    json!({
        "user_id": "ann", "domain": "knowledge", "target_domains": ["auto"], "inspect": true,
        "filter": "has(price) and price > 1000", "applicant": applicant,
    })
}

#[tokio::test]
async fn what_the_applicant_cannot_have_is_left_out_with_its_reason_and_nothing_of_them_is_kept() {
    let stores = financed().await;
    let service = service(&stores);
    let asked = applying(&json!({ "monthly_income": "7654.32", "monthly_debts": 0, "age": 30 }));
    let (status, answer) =
        called(&service, ("/v1/recommendations", &asked), Caller::development()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(served(&answer), ["cheap"]);
    let offer = &answer["items"][0]["offer"];
    assert_eq!((&offer["basis"], &offer["currency"]), (&json!("applicant"), &json!("CNY")));
    for shown in ["payment", "total_payable", "financed", "fees", "nominal_annual_rate_percent"] {
        assert!(offer[shown].is_string(), "{shown}: {offer}");
    }
    assert_eq!(offer["annual_rates"]["regime"], "cn");
    let left_out = answer["inspection"][0]["left_out"].as_array().unwrap();
    let of_rule = left_out.iter().find(|out| out["rule"] == "not_eligible").unwrap();
    assert_eq!(of_rule["reasons"]["debt_to_income"], 1, "{of_rule}");
    let logged = serde_json::to_string(&logged(&stores, &answer).await).unwrap();
    assert!(logged.contains("with_applicant") && !logged.contains("7654"), "{logged}");
    let told = json!([{ "code": "applicant_not_kept" }]);
    assert_told(&replayed(&service, &answer["recommendation_id"]).await, told);
}

#[tokio::test]
async fn what_is_protected_cannot_be_told_and_what_was_told_is_not_repeated() {
    let service = service(&financed().await);
    for (applicant, told) in [
        (json!({ "gender": "f-5512" }), "gender"),
        (json!({ "monthly_income": "5512 yuan" }), "monthly_income"),
        (json!({ "age": 5512 }), "age"),
        (json!({ "region": "上海5512" }), "region"),
        (json!("income 5512"), "object"),
        (json!([5512]), "object"),
    ] {
        let asked = applying(&applicant);
        let (status, body) =
            called(&service, ("/v1/recommendations", &asked), Caller::development()).await;
        assert!(status.is_client_error(), "{body}");
        let detail = body["detail"].as_str().unwrap();
        assert!(!detail.contains("5512"), "{detail}");
        assert!(detail.contains(told) || detail.contains("money"), "{detail}");
    }
}

#[tokio::test]
async fn who_does_not_act_for_a_domain_applies_for_none_of_its_offers() {
    let service = service(&financed().await);
    let knowledge = Caller::with([domain("knowledge")], [Scope::RecommendationsRead]);
    let mut asked = applying(&json!({ "term_months": 599 }));
    asked.as_object_mut().unwrap().remove("filter");
    let (status, body) = called(&service, ("/v1/recommendations", &asked), knowledge.clone()).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("domain_forbidden")));
    asked["applicant"] = json!({});
    let (status, _) = called(&service, ("/v1/recommendations", &asked), knowledge).await;
    assert_eq!(status, StatusCode::OK, "nobody applies");
}

#[tokio::test]
async fn amounts_are_of_one_currency_and_what_is_like_an_item_can_be_had() {
    let stores = financed().await;
    let mut definition = definition();
    definition.currency = Currency::parse("USD").unwrap();
    records::put(&*stores.records, &domain("knowledge"), &definition).await.unwrap();
    let mut car = item(&domain("auto"), "too-long");
    let offer = json!({
        "kind": "loan", "annual_rate": "0.05", "terms_months": [72],
        "vehicle": { "kind": "passenger", "energy": "conventional", "condition": "new" },
    });
    for name in ["too-long", "cheap"] {
        let mut details = json!({ "title": name, "price": "60000", "categories": ["car"] });
        if name == "too-long" {
            details["offer"] = offer.clone();
        }
        car.item_id = ItemId::parse(name).unwrap();
        car.details = Some(serde_json::from_value(details).unwrap());
        stores.catalogue.put(&car).await.unwrap();
    }
    let service = service(&stores);
    let mut asked = applying(&json!({ "monthly_income": 9000 }));
    asked["target_domains"] = json!(DOMAINS);
    asked["filter"] = json!({ "auto": "has(price)" });
    let (status, body) =
        called(&service, ("/v1/recommendations", &asked), Caller::development()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(body["detail"].as_str().unwrap().contains("one currency"), "{body}");
    let similar = Request::get("/v1/domains/auto/items/cheap/similar")
        .extension(Caller::development())
        .body(Body::empty())
        .unwrap();
    let response = service.oneshot(similar).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let similar: Value = serde_json::from_slice(&bytes).unwrap();
    assert!(!served(&similar).contains(&"too-long"), "{similar}");
}

#[tokio::test]
async fn without_an_applicant_costs_are_representative_and_the_slate_is_made_again() {
    let stores = financed().await;
    let service = service(&stores);
    let mut asked = applying(&Value::Null);
    asked["applicant"].take();
    let (_, answer) =
        called(&service, ("/v1/recommendations", &asked), Caller::development()).await;
    assert_eq!(served(&answer).len(), 2, "{answer}");
    let offer = &answer["items"][0]["offer"];
    assert_eq!(offer["basis"], "representative");
    assert_eq!(offer["unchecked"], json!(["age_at_start", "debt_to_income"]));
    super::replays::assert_same(&replayed(&service, &answer["recommendation_id"]).await);
}
