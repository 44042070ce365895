//! A slate that was served is made again, or it is said what is gone; and nobody learns
//! anything else by asking.

use std::sync::Mutex;

use axum::http::StatusCode;
use crossfold_core::entities::catalogue::ItemStatus;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::model::manifest::manifest_key;
use crossfold_edge::caller::Scope;
use crossfold_storage::erasure;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};

use super::presence::{link_ann, users_of_auto};
use super::*;

/// The status and body of a replay.
async fn replay(service: &Router, caller: Caller, id: &str) -> (StatusCode, Value) {
    let request = Request::post(format!("/v1/recommendations/{id}/replay"))
        .extension(caller)
        .body(Body::empty())
        .unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn replayed(service: &Router, id: &Value) -> Value {
    let (status, body) = replay(service, Caller::development(), id.as_str().unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["recommendation_id"], *id);
    body
}

#[track_caller]
fn assert_same(replayed: &Value) {
    assert_eq!(replayed["same"], true, "{replayed}");
    assert_eq!(replayed["findings"], json!([]));
    assert_eq!(replayed["items"], replayed["served"]);
}

#[track_caller]
fn assert_told(replayed: &Value, findings: Value) {
    assert_eq!(replayed["same"], false, "{replayed}");
    assert_eq!(replayed["findings"], findings);
    assert_eq!(replayed["items"], Value::Null);
}

/// A world with a model, its service, and what `knowledge` was served of `auto` for Ann.
async fn served() -> (Stores, Router, ModelId, Value) {
    let stores = world().await;
    let model = publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let service = service(&stores);
    let served = answer(&service, json!({ "target_domains": ["auto"] })).await;
    assert_eq!(served["personalised"], true);
    (stores, service, model, served["recommendation_id"].clone())
}

fn only(domains: &[&str]) -> Caller {
    Caller::with(domains.iter().copied().map(domain), [Scope::RecommendationsRead])
}

#[tokio::test]
async fn a_slate_is_made_again_also_by_a_model_that_is_no_longer_the_champion() {
    let (stores, service, model, id) = served().await;
    let first = replayed(&service, &id).await;
    assert_same(&first);
    assert_eq!(first["served"].as_array().unwrap().len(), 2);
    let previous = Some(model.clone());
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.25), previous).await;
    assert_same(&replayed(&service, &id).await);
    // Once it is deleted, as retired ones are.
    stores.objects.delete(&manifest_key(&model)).await.unwrap();
    assert_told(&replayed(&service, &id).await, json!([{ "code": "model_gone" }]));
}

#[tokio::test]
async fn what_changed_is_told() {
    let (stores, service, _, id) = served().await;
    let mut hidden = item(&domain("auto"), "new");
    hidden.details.as_mut().unwrap().status = ItemStatus::Hidden;
    stores.catalogue.put(&hidden).await.unwrap();
    let catalogue = json!({
        "code": "catalogue_changed", "domains": ["auto"],
        "items": [{ "domain": "auto", "item_id": "new" }],
    });
    assert_told(&replayed(&service, &id).await, json!([catalogue]));

    let user = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    let mut stored = stores.people.get(&user).await.unwrap().unwrap();
    let PeopleEntry::Person(person) = &mut stored.entry else { panic!("a person") };
    let refused = [(domain("knowledge"), domain("auto"))];
    person.consents = person.consents.without(&refused, Purpose::Recommendation);
    let expected = Some(stored.version);
    let write = PeopleWrite { id: user.clone(), entry: stored.entry, expected };
    stores.people.commit(&[write]).await.unwrap();
    let consents = json!({ "code": "consents_changed", "domains": ["knowledge"] });
    assert_told(&replayed(&service, &id).await, json!([consents, catalogue]));

    erasure::erase(&stores, (&user, &domain("knowledge")), noon()).await.unwrap();
    assert_told(&replayed(&service, &id).await, json!([{ "code": "erased" }]));
}

#[tokio::test]
async fn whose_evidence_changed_is_told_to_who_acts_for_them_alone() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    link_ann(&stores).await;
    let service = service(&stores);
    let body = json!({ "user_id": "ann", "domain": "auto" });
    let id = answer(&service, body).await["recommendation_id"].clone();
    let ann = pseudonymiser().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    assert_same(&replayed(&service, &id).await);
    stores.events.erase(&ann).await.unwrap();
    let told = json!([{ "code": "evidence_changed", "domains": ["knowledge"] }]);
    assert_told(&replayed(&service, &id).await, told);
    let (_, by_auto) = replay(&service, only(&["auto"]), id.as_str().unwrap()).await;
    assert_told(&by_auto, json!([{ "code": "evidence_changed" }]));
    assert!(!by_auto.to_string().contains("knowledge"), "{by_auto}");
}

#[tokio::test]
async fn nothing_is_written_by_a_replay() {
    let (stores, _, _, id) = served().await;
    let calls = Arc::new(Mutex::new(BTreeSet::new()));
    let made = calls.clone();
    let plan = FaultPlan::from_fn(move |call| {
        made.lock().unwrap().insert(call.method);
        Fault::None
    });
    assert_same(&replayed(&service(&faulty(stores, &plan)), &id).await);
    let expected = [
        "catalogue.list",
        "decisions.get",
        "events.history",
        "objects.get",
        "people.get",
        "records.get",
        "records.list",
    ];
    let calls = calls.lock().unwrap().clone();
    let unexpected: Vec<_> = calls.iter().filter(|call| !expected.contains(call)).collect();
    assert!(unexpected.is_empty() && calls.contains("decisions.get"), "{unexpected:?}");
}

#[tokio::test]
async fn anothers_decision_is_as_unknown_as_one_that_never_was() {
    let (stores, _, _, id) = served().await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let made = calls.clone();
    let plan = FaultPlan::from_fn(move |call| {
        made.lock().unwrap().push(call.method);
        Fault::None
    });
    let service = service(&faulty(stores, &plan));
    let mut told = Vec::new();
    for id in [id.as_str().unwrap(), "00000000-0000-0000-0000-00000000ffff"] {
        calls.lock().unwrap().clear();
        let answer = replay(&service, only(&["auto"]), id).await;
        assert_eq!(
            (answer.0, &answer.1["code"]),
            (StatusCode::NOT_FOUND, &json!("unknown_recommendation"))
        );
        told.push((answer, calls.lock().unwrap().clone()));
    }
    assert_eq!(told[0], told[1], "the answer and the calls that were made for it");
    let (status, _) = replay(&service, only(&["knowledge"]), id.as_str().unwrap()).await;
    assert_eq!(status, 200);
    let nobody = Caller::with([domain("knowledge")], []);
    let (status, body) = replay(&service, nobody, id.as_str().unwrap()).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("scope_missing")));
    let (status, _) = replay(&service, only(&["knowledge"]), "no%20id%00").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_replay_tells_nothing_of_a_platform_that_may_not_be_known_of() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    let names = users_of_auto(&stores, &[0, 100]).await;
    let mut told = Vec::new();
    for name in &names {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let made = calls.clone();
        let plan = FaultPlan::from_fn(move |call| {
            made.lock().unwrap().push(call.method);
            Fault::None
        });
        let service = service(&faulty(stores.clone(), &plan));
        let body = json!({ "user_id": name, "domain": "auto", "target_domains": DOMAINS });
        let id = answer(&service, body).await["recommendation_id"].clone();
        // What is in memory is read by then.
        assert_same(&replayed(&service, &id).await);
        calls.lock().unwrap().clear();
        let (_, mut body) = replay(&service, only(&["auto"]), id.as_str().unwrap()).await;
        body["recommendation_id"].take();
        let mut calls = calls.lock().unwrap().clone();
        calls.sort_unstable();
        told.push((body, calls));
    }
    for other in &told[1..] {
        assert_eq!(told[0], *other, "a stranger and one who is linked");
    }
}
