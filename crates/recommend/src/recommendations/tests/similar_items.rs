//! `GET /v1/domains/{domain}/items/{item}/similar`: what is told, to whom, and what it is done
//! without.

use axum::http::StatusCode;
use crossfold_core::entities::catalogue::ItemStatus;
use crossfold_edge::caller::Scope;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};

use super::new_items::{model, post_new_items, titled, world_with};
use super::*;

async fn told(service: &Router, caller: Caller, path: &str) -> (StatusCode, Value) {
    let request = Request::get(format!("/v1/domains/{path}")).extension(caller);
    let response = service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn similar_to(service: &Router, path: &str) -> Value {
    let (status, answer) =
        told(service, Caller::development(), &format!("knowledge/items/{path}")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn ids(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

/// What befalls reads of text encoders, and how many there were.
fn reading_encoders(fault: Fault) -> (FaultPlan, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let plan = FaultPlan::from_fn(move |call| {
        let is_encoder = call.method == "objects.get" && call.key.starts_with("encoders/");
        count.fetch_add(is_encoder.into(), Ordering::Relaxed);
        if is_encoder { fault } else { Fault::None }
    });
    (plan, asked)
}

#[tokio::test]
async fn known_and_new_items_are_like_what_is_known_and_new() {
    let stores = world_with(model(true)).await;
    let service = service(&stores);
    post_new_items(&stores).await;
    let of_known = similar_to(&service, "car2/similar?limit=4").await;
    let mut found = ids(&of_known);
    found.sort_unstable();
    assert_eq!(found, ["car3", "car4", "fresh-car", "i"], "{of_known}");
    assert_eq!(of_known["based_on"], "behaviour_and_text");
    let of_new = similar_to(&service, "fresh-piano/similar?limit=4").await;
    assert_eq!((&of_new["based_on"], &of_new["degraded"]), (&json!("text"), &json!([])));
    let mut found = ids(&of_new);
    found.sort_unstable();
    assert_eq!(found, ["piano1", "piano2", "piano3", "piano4"], "{of_new}");
    assert_eq!(of_new["items"][0]["rank"], 1);
    assert!(of_new["model"].is_string());
    assert_eq!(stores.activity.since(jiff::civil::Date::MIN).await.unwrap(), []);
}

#[tokio::test]
async fn without_a_model_categories_tell_and_the_answer_says_so() {
    let stores = world().await;
    for (id, categories) in [("a", ["x"]), ("b", ["x"]), ("c", ["y"])] {
        let details = serde_json::from_value(json!({ "title": id, "categories": categories }));
        let item = Item { details: Some(details.unwrap()), ..titled(id, id) };
        stores.catalogue.put(&item).await.unwrap();
    }
    let answer = similar_to(&service(&stores), "a/similar").await;
    assert_eq!((&answer["based_on"], &answer["model"]), (&json!("categories"), &Value::Null));
    assert_eq!((ids(&answer), &answer["degraded"]), (vec!["b"], &json!(["no_model"])));
}

#[tokio::test]
async fn hidden_and_unknown_items_foreign_domains_and_wrong_limits_are_refused() {
    let stores = world().await;
    let mut hidden = titled("hidden", "hidden");
    hidden.details.as_mut().unwrap().status = ItemStatus::Hidden;
    stores.catalogue.put(&hidden).await.unwrap();
    let service = service(&stores);
    let of_auto = Caller::with([domain("auto")], [Scope::RecommendationsRead]);
    let without_scope = Caller::with([domain("knowledge")], [Scope::CatalogRead]);
    for (caller, path, status, code) in [
        (Caller::development(), "knowledge/items/hidden/similar", 404, "unknown_item"),
        (Caller::development(), "knowledge/items/nothing/similar", 404, "unknown_item"),
        (Caller::development(), "nowhere/items/i/similar", 404, "unknown_domain"),
        (Caller::development(), "knowledge/items/i/similar?limit=0", 422, "invalid_request"),
        (Caller::development(), "knowledge/items/i/similar?limit=101", 422, "invalid_request"),
        (Caller::development(), "knowledge/items/i/similar?user=ann", 422, "invalid_request"),
        (of_auto, "knowledge/items/i/similar", 403, "domain_forbidden"),
        (without_scope, "knowledge/items/i/similar", 403, "scope_missing"),
    ] {
        let (answered, problem) = told(&service, caller, path).await;
        assert_eq!((answered.as_u16(), &problem["code"]), (status, &json!(code)), "{path}");
    }
}

#[tokio::test]
async fn without_an_encoder_behaviour_tells_and_without_a_catalogue_nothing_can() {
    // The model names an encoder that is installed nowhere, which is looked for once.
    let stores = world_with(model(false)).await;
    let (plan, asked) = reading_encoders(Fault::None);
    let service_without = service(&faulty(stores, &plan));
    for _ in 0..3 {
        let answer = similar_to(&service_without, "car2/similar").await;
        assert_eq!(answer["degraded"], json!(["no_encoder"]));
        assert_eq!(answer["based_on"], "behaviour");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let plan = FaultPlan::from_fn(|call| match call.method.starts_with("catalogue.") {
        true => Fault::Before,
        false => Fault::None,
    });
    let service = service(&faulty(world().await, &plan));
    let (status, problem) =
        told(&service, Caller::development(), "knowledge/items/i/similar").await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("store_unavailable")));
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_takes_long_is_read_once_for_all_and_keeps_nobody_waiting() {
    let stores = world_with(model(false)).await;
    let (plan, asked) = reading_encoders(Fault::Hangs);
    let started = tokio::time::Instant::now();
    let machine =
        Machine { stopwatch: Stopwatch::from_fn(move || started.elapsed()), ..fixed_machine() };
    let state = RecommendState::new(faulty(stores, &plan), pseudonymiser(), machine);
    let service = complete(routes().with_state(state));
    for _ in 0..4 {
        let began = tokio::time::Instant::now();
        let answer = similar_to(&service, "car2/similar").await;
        assert_eq!(answer["degraded"], json!(["no_encoder"]));
        assert!(began.elapsed() <= Duration::from_secs(6));
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_item_that_a_stale_catalogue_does_not_know_may_have_been_posted_since() {
    let (stores, fails) = (world().await, Arc::new(AtomicBool::new(false)));
    let failing = fails.clone();
    let plan = FaultPlan::from_fn(move |call| {
        let is_hit = call.method.starts_with("catalogue.") && failing.load(Ordering::Relaxed);
        if is_hit { Fault::Before } else { Fault::None }
    });
    let service = service(&faulty(stores, &plan));
    similar_to(&service, "i/similar").await;
    fails.store(true, Ordering::Relaxed);
    let unknown = "knowledge/items/posted-since/similar";
    let (status, problem) = told(&service, Caller::development(), unknown).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("store_unavailable")));
    let answer = similar_to(&service, "i/similar").await;
    assert_eq!(answer["degraded"], json!(["no_model", "stale_catalogue"]));
}
