//! Slates of before a rotation of keys, and of while one goes on.

use crossfold_storage::key_versions::{self, Noted};
use crossfold_storage::rekeying::{rekey_people, rekeyed};

use super::*;

/// A second key, under which new records are written, beside the one of before.
fn rotated() -> Pseudonymiser {
    let keys = [7, 8].map(|key| (u32::from(key) - 6, vec![key; 32].into()));
    Pseudonymiser::new("t", 2, keys.into()).unwrap()
}

/// The service of a process that was given both keys.
fn rotated_service(stores: &Stores) -> Router {
    let stores = rekeyed(stores.clone(), &rotated());
    let state = RecommendState::new(stores, rotated(), fixed_machine());
    complete(routes().with_state(state.without_delay()))
}

/// Moves everything to the second key, as a run does.
async fn move_all(stores: &Stores) {
    let mut after = None;
    loop {
        after = stores.events.rekey(&rotated(), after).await.unwrap().next;
        if after.is_none() {
            break;
        }
    }
    rekey_people(&*stores.people, &rotated(), None).await.unwrap();
}

async fn note_moved(stores: &Stores) {
    let noted = Noted { left: Some(1), moved: Some(noon()), unused: None };
    key_versions::note(&*stores.records, 1, &noted).await.unwrap();
}

/// A world of before a rotation.
async fn world_of_before() -> Stores {
    let stores = world().await;
    publish(&*stores.objects, uniform_model(&DOMAINS, 0.5), None).await;
    key_versions::establish(&*stores.records, &pseudonymiser(), noon()).await.unwrap();
    stores
}

async fn assert_rotating(service: &Router, id: &Value) {
    let told = replayed(service, id).await;
    assert_told(&told, json!([{ "code": "keys_rotating" }]));
    assert_eq!(told["served"], Value::Null, "nobody can tell whether the user was erased");
}

#[tokio::test]
async fn a_slate_of_before_a_rotation_is_made_again_while_it_goes_on_and_after_it() {
    let stores = world_of_before().await;
    let body = json!({ "target_domains": ["auto"] });
    let served = answer(&service(&stores), body).await;
    let id = &served["recommendation_id"];
    key_versions::establish(&*stores.records, &rotated(), noon()).await.unwrap();
    assert_same(&replayed(&rotated_service(&stores), id).await);
    move_all(&stores).await;
    assert_same(&replayed(&rotated_service(&stores), id).await);
    note_moved(&stores).await;
    assert_same(&replayed(&rotated_service(&stores), id).await);
}

#[tokio::test]
async fn a_slate_of_while_keys_rotate_waits_until_everything_was_moved() {
    let stores = world_of_before().await;
    key_versions::establish(&*stores.records, &rotated(), noon()).await.unwrap();
    let service = rotated_service(&stores);
    let served = answer(&service, json!({ "target_domains": ["auto"] })).await;
    assert_eq!(served["personalised"], true);
    let id = &served["recommendation_id"];
    assert_rotating(&service, id).await;
    move_all(&stores).await;
    assert_rotating(&service, id).await;
    note_moved(&stores).await;
    assert_same(&replayed(&service, id).await);
}

#[tokio::test]
async fn while_keys_rotate_nothing_of_who_refused_or_was_erased_is_used_or_told() {
    let stores = world_of_before().await;
    key_versions::establish(&*stores.records, &rotated(), noon()).await.unwrap();
    let service = rotated_service(&stores);
    let served = answer(&service, json!({})).await;
    let id = &served["recommendation_id"];
    let refused = [(domain("knowledge"), domain("knowledge"))];
    change_person(&stores, |person| {
        person.consents = person.consents.without(&refused, Purpose::Recommendation);
    })
    .await;
    assert_rotating(&service, id).await;

    let both = rekeyed(stores.clone(), &rotated());
    let ann = rotated().pseudonym(&domain("knowledge"), &UserId::parse("ann").unwrap());
    erasure::erase(&both, (&ann, &domain("knowledge")), noon()).await.unwrap();
    assert_rotating(&service, id).await;
    move_all(&stores).await;
    note_moved(&stores).await;
    assert_unknown(&service, id).await;
}
