//! A slate that was served is made again, or it is said what is gone; and nobody learns
//! anything else by asking.

use std::sync::Mutex;

use axum::http::StatusCode;
use crossfold_core::entities::catalogue::ItemStatus;
use crossfold_core::entities::domain_deletion::{DeletionStage, DomainDeletion};
use crossfold_core::entities::history::Dismissal;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::model::manifest::manifest_key;
use crossfold_edge::caller::Scope;
use crossfold_storage::definition_reader::announce_change;
use crossfold_storage::erasure;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};

use super::long_histories::{seen_for_thirty_days, views_of_others};
use super::presence::{link_ann, users_of_auto};
use super::*;

mod rotations;

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

pub(super) async fn replayed(service: &Router, id: &Value) -> Value {
    let (status, body) = replay(service, Caller::development(), id.as_str().unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["recommendation_id"], *id);
    body
}

#[track_caller]
pub(super) fn assert_same(replayed: &Value) {
    assert_eq!(replayed["same"], true, "{replayed}");
    assert_eq!(replayed["findings"], json!([]));
    assert!(replayed.get("items").is_none(), "no slate but the one that was served");
}

#[track_caller]
pub(super) fn assert_told(replayed: &Value, findings: Value) {
    assert_eq!(replayed["same"], false, "{replayed}");
    assert_eq!(replayed["findings"], findings);
    assert!(replayed.get("items").is_none(), "no slate but the one that was served");
}

async fn assert_unknown(service: &Router, id: &Value) {
    let (status, body) = replay(service, Caller::development(), id.as_str().unwrap()).await;
    assert_eq!(status, 404, "{body}");
    assert_eq!(body["code"], "unknown_recommendation");
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

fn user_of(of: &str, name: &str) -> Pseudonym {
    pseudonymiser().pseudonym(&domain(of), &UserId::parse(name).unwrap())
}

/// Changes the person of Ann of `knowledge`.
async fn change_person(stores: &Stores, change: impl FnOnce(&mut Person)) {
    let user = user_of("knowledge", "ann");
    let mut stored = stores.people.get(&user).await.unwrap().unwrap();
    let PeopleEntry::Person(person) = &mut stored.entry else { panic!("a person") };
    change(person);
    let write = PeopleWrite { id: user, entry: stored.entry, expected: Some(stored.version) };
    stores.people.commit(&[write]).await.unwrap();
}

/// Ann of `knowledge` lets `auto` know nothing any more.
async fn withdraw(stores: &Stores) {
    let refused = [(domain("knowledge"), domain("auto"))];
    change_person(stores, |person| {
        person.consents = person.consents.without(&refused, Purpose::Recommendation);
    })
    .await;
}

async fn dismiss(stores: &Stores, by: &Pseudonym, item: &str) {
    let dismissal = Dismissal {
        user: by.clone(),
        by_domain: domain("knowledge"),
        domain: domain("knowledge"),
        item_id: ItemId::parse(item).unwrap(),
    };
    stores.events.dismiss(&dismissal).await.unwrap();
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

    withdraw(&stores).await;
    let consents = json!({ "code": "consents_changed", "domains": ["knowledge"] });
    assert_told(&replayed(&service, &id).await, json!([consents, catalogue]));
}

#[tokio::test]
async fn a_slate_of_an_erased_user_is_unknown_as_soon_as_they_are_erased() {
    let (stores, service, _, id) = served().await;
    let user = user_of("knowledge", "ann");
    erasure::erase(&stores, (&user, &domain("knowledge")), noon()).await.unwrap();
    assert_unknown(&service, &id).await;
    // Who comes back is another, as far as anything of before is concerned.
    let mut stored = stores.people.get(&user).await.unwrap().unwrap();
    let again = Person::of_one(user.in_life(1), domain("knowledge"));
    stored.entry = PeopleEntry::Person(again);
    let expected = Some(stored.version);
    let write = PeopleWrite { id: user.clone(), entry: stored.entry, expected };
    stores.people.commit(&[write]).await.unwrap();
    assert_unknown(&service, &id).await;
}

#[tokio::test]
async fn a_slate_of_an_earlier_life_of_its_platform_is_unknown() {
    let (stores, service, _, id) = served().await;
    let knowledge = domain("knowledge");
    let mut deletion = DomainDeletion { number: 1, ..DomainDeletion::begun(noon()) };
    deletion.enter(DeletionStage::Done);
    deletion.finished_at = Some(noon());
    records::put(&*stores.records, &knowledge, &deletion).await.unwrap();
    announce_change(&*stores.records, UniqueId::from_u128(9)).await.unwrap();
    assert_unknown(&service, &id).await;
}

#[tokio::test]
async fn whose_evidence_changed_is_told_to_who_acts_for_them_alone() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    link_ann(&stores).await;
    let service = service(&stores);
    let body = json!({ "user_id": "ann", "domain": "auto" });
    let id = answer(&service, body).await["recommendation_id"].clone();
    let ann = user_of("knowledge", "ann");
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

#[tokio::test]
async fn nobody_learns_by_a_replay_what_a_linked_user_dismissed() {
    for personalised in [true, false] {
        let stores = world().await;
        publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
        stores.catalogue.put(&item(&domain("knowledge"), "shunned")).await.unwrap();
        link_ann(&stores).await;
        let of_knowledge = user_of("knowledge", "ann");
        dismiss(&stores, &of_knowledge, "shunned").await;
        let service = service(&stores);
        let body = json!({
            "domain": "auto", "target_domains": ["knowledge"], "personalised": personalised,
        });
        let served = answer(&service, body).await;
        assert!(!served.to_string().contains("shunned"), "{served}");
        let id = served["recommendation_id"].clone();
        let by_auto = async || replay(&service, only(&["auto"]), id.as_str().unwrap()).await.1;
        assert_same(&by_auto().await);
        // What is dismissed later was not.
        dismiss(&stores, &of_knowledge, "new").await;
        assert_same(&by_auto().await);
        withdraw(&stores).await;
        let withdrawn = by_auto().await;
        assert_told(&withdrawn, json!([{ "code": "consents_changed" }]));
        let of = (&of_knowledge, &domain("knowledge"));
        erasure::erase(&stores, of, noon()).await.unwrap();
        let erased = by_auto().await;
        assert_eq!(erased["same"], false);
        for told in [withdrawn, erased] {
            let shown = |slate: &Value| slate.as_array().unwrap().len();
            assert_eq!(shown(&told["served"]), shown(&served["items"]));
            assert!(!told.to_string().contains("shunned"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_dismissal_that_is_gone_is_told_as_evidence_of_its_platform() {
    let stores = world().await;
    let user = user_of("knowledge", "ann");
    dismiss(&stores, &user, "new").await;
    let service = service(&stores);
    let served = answer(&service, json!({ "personalised": false })).await;
    let id = &served["recommendation_id"];
    assert_same(&replayed(&service, id).await);
    stores.events.erase(&user).await.unwrap();
    let told = json!([{ "code": "evidence_changed", "domains": ["knowledge"] }]);
    assert_told(&replayed(&service, id).await, told);
}

#[tokio::test]
async fn a_slate_of_who_did_more_than_is_evidence_is_made_again_as_long_as_it_can_be_told() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    seen_for_thirty_days(&stores).await;
    let user = user_of("knowledge", "ann");
    let before = Event {
        event_id: EventId::parse("long ago").unwrap(),
        occurred_at: noon() - jiff::SignedDuration::from_hours(29 * 24),
        ..view_of(&user, "new")
    };
    stores.events.append(&before).await.unwrap();
    stores.catalogue.put(&item(&domain("knowledge"), "third")).await.unwrap();
    views_of_others(&stores, &user, 1_500, noon()).await;
    let service = service(&stores);
    let served = answer(&service, json!({})).await;
    let shown = served["items"].as_array().unwrap().iter();
    assert!(shown.map(|item| &item["item_id"]).eq(["third"]), "{served}");
    let id = &served["recommendation_id"];
    assert_same(&replayed(&service, id).await);

    let later = |number: usize| Event {
        event_id: EventId::parse(&format!("later {number}")).unwrap(),
        occurred_at: noon() + jiff::SignedDuration::from_millis(number as i64),
        received_at: noon() + jiff::SignedDuration::from_mins(1),
        ..view_of(&user, "other")
    };
    for number in 0..9_001 {
        if number == 9_000 {
            assert_same(&replayed(&service, id).await);
        }
        stores.events.append(&later(number)).await.unwrap();
    }
    let told = json!([{ "code": "too_many_since", "domains": ["knowledge"] }]);
    assert_told(&replayed(&service, id).await, told);
}

/// Gives a user of `knowledge` of long before a view, and makes them another user of Ann's.
async fn link_older(stores: &Stores, name: &str) {
    let user = user_of("knowledge", name);
    let viewed = Event { event_id: EventId::parse(name).unwrap(), ..view_of(&user, "i") };
    stores.events.append(&viewed).await.unwrap();
    change_person(stores, |person| {
        person.join(Person::of_one(user.clone(), domain("knowledge")), |_| false).unwrap();
    })
    .await;
    let person = user_of("knowledge", "ann");
    let entry = PeopleEntry::Link { person, life: 0, erased_until: None, declared: None };
    let write = PeopleWrite { id: user, entry, expected: None };
    stores.people.commit(&[write]).await.unwrap();
}

#[tokio::test]
async fn a_user_who_was_linked_since_does_not_count_as_far_as_that_can_be_told() {
    let (stores, service, _, id) = served().await;
    for number in 0..5 {
        link_older(&stores, &format!("bea {number}")).await;
        assert_same(&replayed(&service, &id).await);
    }
    link_older(&stores, "too many").await;
    let told = json!([{ "code": "links_changed", "domains": ["knowledge"] }]);
    assert_told(&replayed(&service, &id).await, told);
}

#[tokio::test]
async fn of_a_platform_that_another_acts_for_it_is_told_alone_that_evidence_changed() {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    link_ann(&stores).await;
    let service = service(&stores);
    let served = answer(&service, json!({ "domain": "auto" })).await;
    let id = served["recommendation_id"].as_str().unwrap();
    for number in 0..6 {
        link_older(&stores, &format!("bea {number}")).await;
    }
    let (_, by_auto) = replay(&service, only(&["auto"]), id).await;
    assert_told(&by_auto, json!([{ "code": "evidence_changed" }]));
    let (_, by_both) = replay(&service, only(&DOMAINS), id).await;
    assert_told(&by_both, json!([{ "code": "links_changed", "domains": ["knowledge"] }]));
}
