//! What is looked for in words is what has them, of every target.

use axum::http::StatusCode;
use crossfold_edge::caller::Scope;

use super::filters::{called, served};
use super::replays::{assert_told, replayed};
use super::*;

/// The world, with courses and loans whose texts have something in common.
async fn library() -> Stores {
    let stores = world().await;
    let entries = [
        ("knowledge", "buying", "如何买一辆新能源汽车", json!([]), json!({})),
        ("knowledge", "piano", "Piano for beginners", json!(["music"]), json!({})),
        (
            "auto",
            "loan",
            "新能源汽车贷款 36期",
            json!(["贷款"]),
            json!({ "brand": "BYD", "hours": "3" }),
        ),
        ("auto", "lease", "Lease", json!([]), json!({ "description": "for a piano transport" })),
    ];
    for (of, id, title, categories, attributes) in entries {
        let mut entry = item(&domain(of), id);
        let details = json!({ "title": title, "categories": categories, "attributes": attributes });
        entry.details = Some(serde_json::from_value(details).unwrap());
        stores.catalogue.put(&entry).await.unwrap();
    }
    stores
}

#[tokio::test]
async fn what_has_the_words_is_served_of_all_targets_and_nothing_else() {
    let stores = library().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    for (query, found) in [
        ("新能源汽车怎么贷款？", vec!["buying", "loan"]),
        ("PIANO", vec!["lease", "piano"]),
        ("byd", vec!["loan"]),
        ("beginers", vec!["piano"]),
        ("贷", vec!["loan"]),
        ("3 hours", vec![]),
        ("bicycle", vec![]),
    ] {
        let asked = json!({ "target_domains": DOMAINS, "query": query, "inspect": true });
        let answer = answer(&service, asked).await;
        let mut items = served(&answer);
        items.sort_unstable();
        assert_eq!(items, found, "{query}");
        assert_eq!(answer["degraded"], json!([]));
        for item in answer["items"].as_array().unwrap() {
            assert_eq!(item["reason"]["code"], "query");
            assert_eq!(item["reason"]["text"], format!("Found for “{query}”"));
            assert!(item["contributions"]["words"].as_f64().unwrap() > 0.0);
        }
    }
}

#[tokio::test]
async fn a_question_without_words_or_in_a_context_alone_keeps_nothing_back() {
    let service = service(&library().await);
    let all = served(&answer(&service, json!({ "target_domains": DOMAINS })).await).len();
    let unasked = json!({ "target_domains": DOMAINS, "query": " ?", "context": "" });
    assert_eq!(served(&answer(&service, unasked).await).len(), all);
    let context =
        json!({ "target_domains": ["auto"], "context": "we talked about 贷款", "locale": "zh" });
    let answer = answer(&service, context).await;
    assert_eq!((served(&answer)[0], served(&answer).len()), ("loan", 4));
    assert_eq!(answer["items"][0]["reason"]["code"], "context");
    assert_eq!(answer["items"][0]["reason"]["text"], "与当前内容相关");
}

#[tokio::test]
async fn what_comes_and_goes_is_found_and_is_not_any_more() {
    let stores = library().await;
    let service = service(&stores);
    let asked = || json!({ "target_domains": ["auto"], "query": "scooter" });
    assert_eq!(served(&answer(&service, asked()).await), [""; 0]);
    let mut scooter = item(&domain("auto"), "a-scooter");
    scooter.details.as_mut().unwrap().title = "Electric scooter".to_owned();
    stores.catalogue.put(&scooter).await.unwrap();
    assert_eq!(served(&answer(&service, asked()).await), ["a-scooter"]);
    scooter.details.as_mut().unwrap().title = "Electric bicycle".to_owned();
    stores.catalogue.put(&scooter).await.unwrap();
    assert_eq!(served(&answer(&service, asked()).await), [""; 0]);
    let bicycle = json!({ "target_domains": ["auto"], "query": "bicycle" });
    assert_eq!(served(&answer(&service, bicycle.clone()).await), ["a-scooter"]);
    scooter.details = None;
    stores.catalogue.put(&scooter).await.unwrap();
    assert_eq!(served(&answer(&service, bicycle).await), [""; 0]);
}

#[tokio::test]
async fn nothing_is_kept_of_the_words_and_a_replay_says_so() {
    let stores = library().await;
    let service = service(&stores);
    let asked = json!({
        "target_domains": ["auto"], "query": "BYD 36期", "context": "geheim", "exploration": 0.5,
        "diversity": 0.5, "filter": "has(title)",
    });
    let answer = answer(&service, asked).await;
    assert_eq!(served(&answer), ["loan"]);
    let decision = logged(&stores, &answer).await;
    let basis = decision.basis.as_ref().unwrap();
    // What was drawn from would tell how much was found.
    assert_eq!((&basis.exploration, &basis.diversity, &basis.filters), (&None, &None, &vec![]));
    let record = serde_json::to_string(&decision).unwrap();
    assert!(!record.contains("BYD") && !record.contains("geheim"), "{record}");
    let told = json!([{ "code": "words_not_kept" }]);
    assert_told(&replayed(&service, &answer["recommendation_id"]).await, told);
}

#[tokio::test]
async fn words_are_looked_for_only_where_the_caller_acts() {
    let service = service(&library().await);
    let caller = || Caller::with([domain("knowledge")], [Scope::RecommendationsRead]);
    for (field, text) in [("query", "loan"), ("context", "loan")] {
        let body = json!({
            "user_id": "ann", "domain": "knowledge", "target_domains": ["auto"], field: text,
        });
        let (status, problem) = called(&service, ("/v1/recommendations", &body), caller()).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("domain_forbidden")));
    }
    let long = json!({ "user_id": "ann", "domain": "knowledge", "query": "车".repeat(257) });
    let (status, problem) = called(&service, ("/v1/recommendations", &long), caller()).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_request"))
    );
}

#[tokio::test]
async fn a_list_is_put_in_order_by_words_too() {
    let service = service(&library().await);
    let body = json!({
        "user_id": "ann", "domain": "auto", "query": "piano",
        "items": [{ "item_id": "loan" }, { "item_id": "lease" }],
    });
    let (status, answer) = called(&service, ("/v1/rankings", &body), Caller::development()).await;
    assert_eq!((status, served(&answer)), (StatusCode::OK, vec!["lease"]));
}

#[tokio::test]
async fn a_share_of_the_slate_is_explored_and_made_again() {
    let stores = library().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let asked = json!({ "target_domains": DOMAINS, "exploration": 0.5, "limit": 2 });
    let answer = answer(&service, asked).await;
    let propensities = answer["items"].as_array().unwrap().iter().map(|item| &item["propensity"]);
    assert!(propensities.clone().all(|p| p.as_f64().is_some_and(|p| p > 0.0 && p < 1.0)));
    super::replays::assert_same(&replayed(&service, &answer["recommendation_id"]).await);
    for wrong in [0.51, -0.1] {
        let body = json!({ "user_id": "ann", "domain": "knowledge", "exploration": wrong });
        let called = called(&service, ("/v1/recommendations", &body), Caller::development()).await;
        assert_eq!(
            (called.0, &called.1["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_request"))
        );
    }
}
