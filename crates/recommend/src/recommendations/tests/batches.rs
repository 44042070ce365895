//! Many users' slates in one call are each what one call of their own gives.

use axum::http::StatusCode;
use crossfold_edge::caller::Scope;

use super::filters::{called, served};
use super::replays::{assert_same, replayed};
use super::*;

async fn batch(service: &Router, body: Value) -> (StatusCode, Value) {
    called(service, ("/v1/recommendations/batch", &body), Caller::development()).await
}

#[tokio::test]
async fn each_user_has_the_slate_that_a_call_of_their_own_gives() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let users = ["ann", "bob", "ann"];
    let asked = json!({ "user_ids": users, "domain": "knowledge", "target_domains": DOMAINS });
    let (status, answered) = batch(&service, asked).await;
    assert_eq!((status, &answered["rejected"]), (StatusCode::OK, &json!([])));
    let slates = answered["slates"].as_array().unwrap();
    let named: Vec<&str> = slates.iter().map(|slate| slate["user_id"].as_str().unwrap()).collect();
    assert_eq!(named, users);
    for slate in slates {
        let slate_of_batch = &slate["recommendation"];
        let own = json!({
            "user_id": slate["user_id"], "domain": "knowledge", "target_domains": DOMAINS,
        });
        let (_, own) = called(&service, ("/v1/recommendations", &own), Caller::development()).await;
        assert_eq!(slate_of_batch["items"], own["items"]);
        assert_ne!(slate_of_batch["recommendation_id"], own["recommendation_id"]);
        assert!(says(&logged(&stores, slate_of_batch).await, slate_of_batch));
        assert_same(&replayed(&service, &slate_of_batch["recommendation_id"]).await);
    }
    let ids: BTreeSet<&str> = slates
        .iter()
        .map(|slate| slate["recommendation"]["recommendation_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 3, "each has a decision of its own");
    assert_eq!(served(&slates[0]["recommendation"]), served(&slates[2]["recommendation"]));
}

#[tokio::test]
async fn who_is_no_user_is_named_and_the_others_are_served() {
    let service = service(&world().await);
    let asked = json!({ "user_ids": ["ann", "", "x".repeat(200), "bob"], "domain": "knowledge" });
    let (status, answered) = batch(&service, asked).await;
    let rejected = answered["rejected"].as_array().unwrap().iter();
    let rejected: Vec<(&Value, &Value)> =
        rejected.map(|one| (&one["index"], &one["code"])).collect();
    let invalid = json!("invalid_id");
    assert_eq!(
        (status, rejected),
        (StatusCode::OK, vec![(&json!(1), &invalid), (&json!(2), &invalid)])
    );
    assert_eq!(answered["slates"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_all_is_refused_at_once() {
    let stores = world().await;
    let service = service(&stores);
    let many = vec!["u"; 101];
    for (patch, part) in [
        (json!({ "user_ids": [] }), "1 to 100"),
        (json!({ "user_ids": many }), "1 to 100"),
        (json!({ "user_ids": vec!["u"; 21], "limit": 100 }), "at most 2000"),
        (json!({ "user_id": "ann" }), "unknown field `user_id`"),
        (json!({ "inspect": true }), "inspect"),
        (json!({ "limit": 0 }), "limit"),
        (json!({ "without_consents": [{ "from": "knowledge", "to": "auto" }] }), "dry_run"),
    ] {
        let mut body = json!({ "user_ids": ["ann"], "domain": "knowledge" });
        body.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let (status, problem) = batch(&service, body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_request"))
        );
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    for (body, part) in [
        (json!({ "domain": "knowledge", "user_ids": ["ann"] }), "unknown field `user_ids`"),
        (json!({ "domain": "knowledge" }), "missing field `user_id`"),
    ] {
        let (status, problem) =
            called(&service, ("/v1/recommendations", &body), Caller::development()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    let caller = Caller::with([domain("auto")], [Scope::RecommendationsRead]);
    let body = json!({ "user_ids": ["ann"], "domain": "knowledge" });
    let (status, _) = called(&service, ("/v1/recommendations/batch", &body), caller).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(stores.activity.since(jiff::civil::Date::MIN).await.unwrap(), []);
}

#[tokio::test]
async fn a_batch_may_be_a_dry_run_and_leaves_nothing() {
    let stores = world().await;
    let asked = json!({ "user_ids": ["ann", "bob"], "domain": "knowledge", "dry_run": true });
    let (_, answered) = batch(&service(&stores), asked).await;
    for slate in answered["slates"].as_array().unwrap() {
        assert_eq!(slate["recommendation"]["dry_run"], true);
        let id = slate["recommendation"]["recommendation_id"].as_str().unwrap();
        let id = RecommendationId::parse(id).unwrap();
        assert_eq!(stores.decisions.get(&id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn who_cannot_be_served_in_time_is_named() {
    let stores = world().await;
    let late = AtomicU64::new(0);
    // Every look at the stopwatch takes half a second.
    let stopwatch = Stopwatch::from_fn(move || {
        Duration::from_millis(500 * late.fetch_add(1, Ordering::Relaxed))
    });
    let machine = Machine { stopwatch, ..fixed_machine() };
    let state = RecommendState::new(stores.clone(), pseudonymiser(), machine);
    let service = complete(routes().with_state(state.without_delay()));
    let asked = json!({ "user_ids": vec!["ann"; 40], "domain": "knowledge" });
    let (status, answered) = batch(&service, asked).await;
    assert_eq!(status, StatusCode::OK);
    let rejected = answered["rejected"].as_array().unwrap();
    assert!(!rejected.is_empty());
    assert!(rejected.iter().all(|one| one["code"] == "store_unavailable"));
    assert_eq!(rejected.len() + answered["slates"].as_array().unwrap().len(), 40);
}
