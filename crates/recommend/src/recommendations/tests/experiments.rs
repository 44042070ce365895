//! Users of an experiment are served their variant, everyone else what is usual, and the log tells
//! which it was.

use axum::http::StatusCode;
use crossfold_core::entities::experiment::exposure::Exposure;
use crossfold_core::entities::experiment::lifecycle::{Experiment, ExperimentStep};
use crossfold_core::entities::experiment::of_domain::DomainExperiments;
use crossfold_core::entities::ids::{ExperimentId, UserId};
use crossfold_edge::caller::Scope;
use crossfold_storage::definition_reader::announce_change;

use super::filters::{called, cars, served};
use super::replays::{assert_same, replayed};
use super::*;

/// A running experiment of `knowledge` at its checkout, of which one variant serves a single item.
fn short_slates(changed: Value) -> Experiment {
    let mut json = json!({
        "placements": ["checkout"], "traffic": 1, "primary": "clickers",
        "variants": [{"variant": "control", "share": 0.5},
            {"variant": "short", "share": 0.5, "settings": {"placement": {"limit": 1}}}],
        "metrics": [{"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}}],
    });
    json.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    let definition = serde_json::from_value(json).unwrap();
    let name = ExperimentId::parse("short-slates").unwrap();
    Experiment::draft((domain("knowledge"), 0), name, definition, noon())
}

/// The experiment is in a state that steps lead to.
async fn stepped(stores: &Stores, experiment: Experiment, steps: &[ExperimentStep]) {
    let name = experiment.experiment.clone();
    let mut all = DomainExperiments::default();
    all.add(experiment).unwrap();
    steps.iter().for_each(|step| all.step(&name, *step, noon()).unwrap());
    records::put(&*stores.records, &domain("knowledge"), &all).await.unwrap();
    announce_change(&*stores.records, UniqueId::from_u128(steps.len() as u128 + 70)).await.unwrap();
}

/// The cars, with a checkout on `knowledge`, and an experiment there that runs.
async fn experimenting(experiment: Experiment) -> Stores {
    let stores = cars().await;
    let mut knowledge = definition();
    let placements = json!({ "checkout": {"target_domains": ["auto"], "limit": 3} });
    knowledge.placements = serde_json::from_value(placements).unwrap();
    records::put(&*stores.records, &domain("knowledge"), &knowledge).await.unwrap();
    stepped(&stores, experiment, &[ExperimentStep::Start]).await;
    stores
}

async fn slate_of(service: &Router, user: &str, more: Value) -> Value {
    let mut body = json!({ "user_id": user, "placement": "checkout" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(service, body).await
}

/// Which variant a user is assigned, by the published rule alone.
fn variant_of(user: &str) -> String {
    let mut running = DomainExperiments::default();
    let experiment = short_slates(json!({}));
    let name = experiment.experiment.clone();
    running.add(experiment).unwrap();
    running.step(&name, ExperimentStep::Start, noon()).unwrap();
    let user = UserId::parse(user).unwrap();
    let (variant, _) = running.find(&name).unwrap().variant_of(&user).unwrap();
    variant.variant.to_string()
}

#[tokio::test]
async fn each_user_is_served_their_variant_and_the_log_says_which() {
    let stores = experimenting(short_slates(json!({}))).await;
    let service = service(&stores);
    let mut lengths = BTreeSet::new();
    for user in ["ann", "bob", "cat", "dan", "eve", "fay"] {
        let slate = slate_of(&service, user, json!({})).await;
        let variant = variant_of(user);
        let expected = if variant == "short" { 1 } else { 3 };
        assert_eq!(served(&slate).len(), expected, "{user}");
        assert_eq!(slate["variant"], format!("short-slates:{variant}"));
        let record = logged(&stores, &slate).await;
        assert_eq!(record.variant.unwrap().to_string(), slate["variant"]);
        assert_same(&replayed(&service, &slate["recommendation_id"]).await);
        lengths.insert(expected);
        // Elsewhere it has no part.
        let elsewhere = slate_of(&service, user, json!({ "placement": "front" })).await;
        assert_eq!(elsewhere["variant"], Value::Null);
    }
    assert_eq!(lengths.len(), 2, "both variants were tried");
}

#[tokio::test]
async fn an_experiment_that_does_not_run_has_no_part_and_who_returns_keeps_their_variant() {
    let stores = experimenting(short_slates(json!({}))).await;
    let service = service(&stores);
    let before = slate_of(&service, "ann", json!({})).await["variant"].clone();
    use ExperimentStep::{Pause, Start, Stop};
    for steps in [vec![], vec![Start, Pause], vec![Start, Stop, Stop]] {
        stepped(&stores, short_slates(json!({})), &steps).await;
        let slate = slate_of(&service, "ann", json!({})).await;
        assert_eq!((&slate["variant"], served(&slate).len()), (&Value::Null, 3), "{steps:?}");
    }
    stepped(&stores, short_slates(json!({})), &[Start, Pause, Start, Start]).await;
    assert_eq!(slate_of(&service, "ann", json!({})).await["variant"], before);
}

#[tokio::test]
async fn who_may_tries_a_variant_by_name_and_that_is_no_exposure() {
    let stores = experimenting(short_slates(json!({}))).await;
    stepped(&stores, short_slates(json!({})), &[]).await;
    let service = service(&stores);
    let tried = json!({ "variants": { "short-slates": "short" } });
    let slate = slate_of(&service, "ann", tried.clone()).await;
    assert_eq!((&slate["variant"], served(&slate).len()), (&json!("short-slates:short!"), 1));
    let exposure = logged(&stores, &slate).await.variant.unwrap();
    assert!(exposure.of(&ExperimentId::parse("short-slates").unwrap()).is_none());
    let mut body = json!({ "user_id": "ann", "domain": "knowledge", "placement": "checkout" });
    body["variants"] = tried["variants"].clone();
    let caller = Caller::with([domain("knowledge")], [Scope::RecommendationsRead]);
    let (status, problem) = called(&service, ("/v1/recommendations", &body), caller).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("scope_missing")));
    body["variants"] = json!({ "short-slates": "long" });
    let asked = ("/v1/recommendations", &body);
    let (status, problem) = called(&service, asked, Caller::development()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("long of short-slates"), "{problem}");
}

#[tokio::test]
async fn a_batch_serves_each_user_their_own_variant() {
    let stores = experimenting(short_slates(json!({}))).await;
    let service = service(&stores);
    let users = ["ann", "bob", "cat", "dan", "eve", "fay"];
    let asked = json!({ "user_ids": users, "domain": "knowledge", "placement": "checkout" });
    let path = "/v1/recommendations/batch";
    let (status, batch) = called(&service, (path, &asked), Caller::development()).await;
    assert_eq!(status, StatusCode::OK);
    for slate in batch["slates"].as_array().unwrap() {
        let own = slate_of(&service, slate["user_id"].as_str().unwrap(), json!({})).await;
        assert_eq!(slate["recommendation"]["variant"], own["variant"]);
        assert_eq!(slate["recommendation"]["items"], own["items"]);
    }
}

#[tokio::test]
async fn who_is_held_out_is_served_what_is_usual_and_the_log_says_so() {
    let stores = experimenting(short_slates(json!({}))).await;
    let mut knowledge = definition();
    let placements = json!({ "checkout": {"target_domains": ["auto"], "limit": 3} });
    knowledge.placements = serde_json::from_value(placements).unwrap();
    knowledge.experiment_holdout = Some(serde_json::from_value(json!(1)).unwrap());
    records::put(&*stores.records, &domain("knowledge"), &knowledge).await.unwrap();
    announce_change(&*stores.records, UniqueId::from_u128(99)).await.unwrap();
    let slate = slate_of(&service(&stores), "ann", json!({})).await;
    assert_eq!((&slate["variant"], served(&slate).len()), (&json!("holdout"), 3));
    assert_eq!(logged(&stores, &slate).await.variant, Some(Exposure::HeldOut));
}

#[tokio::test]
async fn a_variant_ranked_by_popularity_uses_nothing_of_the_user_and_is_made_again() {
    let by_popularity = json!({"variants": [
        {"variant": "control", "share": 0.0001},
        {"variant": "popular", "share": 0.9999, "settings": {"ranking": "popularity"}}]});
    let stores = experimenting(short_slates(by_popularity)).await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let slate = slate_of(&service, "ann", json!({ "target_domains": ["auto"] })).await;
    assert_eq!(
        (&slate["variant"], &slate["personalised"]),
        (&json!("short-slates:popular"), &json!(false))
    );
    assert_eq!(logged(&stores, &slate).await.policy, "popularity/1");
    assert_same(&replayed(&service, &slate["recommendation_id"]).await);
}

#[tokio::test]
async fn a_variant_that_cannot_be_served_with_what_its_place_says_by_now_is_no_exposure() {
    let stores = experimenting(short_slates(json!({"variants": [
        {"variant": "control", "share": 0.0001},
        {"variant": "long", "share": 0.9999, "settings": {"placement": {"limit": 9}}}]})))
    .await;
    let mut knowledge = definition();
    let placements = json!({ "checkout": {"target_domains": ["auto"], "max_limit": 3} });
    knowledge.placements = serde_json::from_value(placements).unwrap();
    records::put(&*stores.records, &domain("knowledge"), &knowledge).await.unwrap();
    announce_change(&*stores.records, UniqueId::from_u128(98)).await.unwrap();
    let slate = slate_of(&service(&stores), "ann", json!({ "limit": 2 })).await;
    assert_eq!((&slate["variant"], served(&slate).len()), (&Value::Null, 2));
}

#[tokio::test]
async fn an_experiment_has_no_part_in_a_request_that_one_of_its_variants_could_not_serve() {
    let narrow = json!({"variants": [
        {"variant": "control", "share": 0.5},
        {"variant": "narrow", "share": 0.5, "settings": {"placement": {"max_limit": 2, "limit": 2}}}]});
    let stores = experimenting(short_slates(narrow)).await;
    let service = service(&stores);
    for user in ["ann", "bob", "cat", "dan", "eve", "fay"] {
        let slate = slate_of(&service, user, json!({ "limit": 3 })).await;
        assert_eq!((&slate["variant"], served(&slate).len()), (&Value::Null, 3), "{user}");
        let within = slate_of(&service, user, json!({ "limit": 2 })).await;
        assert_eq!((within["variant"].is_string(), served(&within).len()), (true, 2), "{user}");
    }
    let asked = json!({"user_id": "ann", "domain": "knowledge", "placement": "checkout", "limit": 3,
        "variants": {"short-slates": "narrow"}});
    let asked = ("/v1/recommendations", &asked);
    let (status, _) = called(&service, asked, Caller::development()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "who tries it is told");
}
