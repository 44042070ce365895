use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{ItemId, KeyId, Pseudonym};
use crossfold_storage::definition_reader::definitions;
use crossfold_storage::faults::{Fault, FaultPlan};
use lambda_http::http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::keys::WriteKey;
use crate::keys::holder::by_write_key;
use crate::test_world::World;

impl World {
    /// Two domains with items, keys, linked and unlinked users, and their events.
    async fn furnish(&self) {
        for domain in ["travel", "films"] {
            let definition = json!({
                "name": domain, "currency": "EUR", "event_types": {"view": {"weight": 1}},
            });
            self.ok("PUT", &format!("/v1/domains/{domain}"), definition).await;
            let items: Vec<Value> =
                (0..5).map(|n| json!({"item_id": format!("i{n}"), "title": "t"})).collect();
            self.ok("POST", &format!("/v1/domains/{domain}/items"), json!({"items": items})).await;
            self.ok("POST", &format!("/v1/domains/{domain}/keys"), json!({"name": "k"})).await;
            self.ok("PUT", &format!("/v1/users/u?domain={domain}"), json!({})).await;
            let event = |user: &str| {
                json!({"event_id": "e", "user_id": user, "type": "view", "item_id": "i1",
                    "occurred_at": "2026-06-01T00:00:00Z"})
            };
            let events = json!({"domain": domain, "events": [event("u"), event("stranger")]});
            assert_eq!(self.ok("POST", "/v1/events", events).await["accepted"], 2);
        }
        let link = json!({"domain": "films", "user_id": "u"});
        self.ok("PUT", "/v1/users/u/links?domain=travel", link).await;
        let consents = json!({"consents": [
            {"to": "films", "purpose": "training", "granted": true},
            {"from": "films", "to": "travel", "purpose": "training", "granted": true},
        ]});
        self.ok("PUT", "/v1/users/u/consents?domain=travel", consents).await;
        let of_films = json!({"consents": [
            {"to": "films", "purpose": "training", "granted": true},
        ]});
        self.ok("PUT", "/v1/users/u/consents?domain=films", of_films).await;
    }

    async fn delete(&self) -> (u16, Value) {
        self.call("DELETE", "/v1/domains/travel?confirm=travel", &Value::Null).await
    }

    /// Demands that nothing of the domain is left, and everything of the other.
    async fn assert_gone(&self) {
        let (travel, films) =
            (DomainId::parse("travel").unwrap(), DomainId::parse("films").unwrap());
        let listed = self.stores.catalogue.list(&travel).await.unwrap();
        assert!(listed.iter().all(|item| item.details.is_none()));
        let films_item = ItemId::parse("i1").unwrap();
        assert!(self.stores.catalogue.get(&films, &films_item).await.unwrap().is_some());
        let left = self.stores.events.erase_domain(&travel, None).await.unwrap();
        assert_eq!(left.records, 0, "events are left");
        let user = self.ok("GET", "/v1/users/u?domain=films", Value::Null).await;
        assert_eq!(user["linked_domains"], json!([]));
        assert_eq!(user["consents"].as_array().map(Vec::len), Some(1), "{user}");
        let keys = self.ok("GET", "/v1/domains/films/keys", Value::Null).await;
        assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
        let left = self.stores.events.erase_domain(&films, None).await.unwrap();
        assert_eq!(left.records, 2, "events of another domain were touched");
    }
}

fn without_faults() -> FaultPlan {
    FaultPlan::from_fn(|_| Fault::None)
}

#[tokio::test]
async fn a_domain_goes_with_its_data_once_others_cannot_write_to_it_any_more() {
    let world = World::new(&without_faults());
    world.furnish().await;
    for path in ["/v1/domains/travel", "/v1/domains/travel?confirm=films"] {
        let (status, problem) = world.call("DELETE", path, &Value::Null).await;
        assert_eq!((status, &problem["code"]), (422, &json!("unconfirmed")));
    }
    let (status, begun) = world.delete().await;
    assert_eq!((status, &begun["done"]), (202, &json!(false)));
    assert_eq!((&begun["deleted"]["items"], &begun["deleted"]["keys"]), (&json!(5), &json!(1)));
    assert_eq!(world.call("GET", "/v1/domains/travel", &Value::Null).await.0, 404);
    let definition =
        json!({"name": "t", "currency": "EUR", "event_types": {"view": {"weight": 1}}});
    let (status, problem) = world.call("PUT", "/v1/domains/travel", &definition).await;
    assert_eq!((status, &problem["code"]), (409, &json!("domain_being_deleted")));

    world.pass(60);
    let (status, ended) = world.delete().await;
    assert_eq!((status, &ended["done"]), (200, &json!(true)), "{ended}");
    assert_eq!(ended["deleted"], json!({"keys": 1, "items": 5, "users": 1, "events": 2}));
    assert_eq!(world.delete().await, (200, ended), "the receipt is given again");
    world.assert_gone().await;
    world.ok("PUT", "/v1/domains/travel", definition).await;
    let (status, again) = world.delete().await;
    assert_eq!((status, &again["deleted"]["items"]), (202, &json!(0)), "{again}");
}

#[tokio::test]
async fn a_definition_that_was_read_before_the_deletion_began_is_not_written_after_it() {
    let (armed, read) = (Arc::new(AtomicU64::new(0)), Mutex::new(BTreeSet::new()));
    let is_armed = armed.clone();
    // The first look at each record is one of before, as of a call that was slow.
    let plan = FaultPlan::from_fn(move |call| {
        let is_slow = is_armed.load(Ordering::Relaxed) == 1
            && call.method == "records.get"
            && read.lock().unwrap().insert(call.clone());
        if is_slow { Fault::Stale } else { Fault::None }
    });
    let world = World::new(&plan);
    world.furnish().await;
    let definition =
        json!({"name": "t", "currency": "EUR", "event_types": {"view": {"weight": 1}}});
    world.ok("PUT", "/v1/domains/travel", definition.clone()).await;
    assert_eq!(world.delete().await.0, 202);
    armed.store(1, Ordering::Relaxed);
    let (status, problem) = world.call("PUT", "/v1/domains/travel", &definition).await;
    assert_eq!((status, &problem["code"]), (409, &json!("domain_being_deleted")), "{problem}");
    armed.store(0, Ordering::Relaxed);
    assert_eq!(world.call("GET", "/v1/domains/travel", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_domain_that_never_was_is_not_deleted() {
    let world = World::new(&without_faults());
    assert_eq!(world.delete().await.0, 404);
}

#[tokio::test]
async fn a_deletion_that_is_interrupted_anywhere_goes_on_where_it_was() {
    // Every call of every store once fails before, or loses its answer after, its effect.
    for fault in [Fault::Before, Fault::AnswerLost] {
        for number in 0..60 {
            let (calls, armed) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
            let is_armed = armed.clone();
            let plan = FaultPlan::from_fn(move |_| {
                if is_armed.load(Ordering::Relaxed) == 0 {
                    return Fault::None;
                }
                let is_it = calls.fetch_add(1, Ordering::Relaxed) == number;
                if is_it { fault } else { Fault::None }
            });
            let world = World::new(&plan);
            world.furnish().await;
            armed.store(1, Ordering::Relaxed);
            let mut is_done = false;
            for _ in 0..5 {
                world.pass(60);
                let (status, answer) = world.delete().await;
                assert!([200, 202, 404, 409, 503].contains(&status), "{status} {answer}");
                is_done = answer["done"] == true;
                if is_done {
                    break;
                }
            }
            assert!(is_done, "{fault:?} at call {number}");
            armed.store(0, Ordering::Relaxed);
            world.assert_gone().await;
        }
    }
}

#[tokio::test]
async fn a_key_that_was_made_while_its_domain_was_deleted_is_none_of_the_next_life() {
    let world = World::new(&without_faults());
    world.furnish().await;
    let key = world.ok("POST", "/v1/domains/travel/keys", json!({"name": "late"})).await;
    let id = KeyId::parse(key["id"].as_str().unwrap()).unwrap();
    let late = records::get::<WriteKey>(&*world.stores.records, &id).await.unwrap().unwrap();
    assert_eq!(world.delete().await.0, 202);
    world.pass(60);
    assert_eq!(world.delete().await.0, 200);
    // It was on its way all the time, and arrives once the deletion is done.
    records::put(&*world.stores.records, &id, &late).await.unwrap();
    let definition =
        json!({"name": "t", "currency": "EUR", "event_types": {"view": {"weight": 1}}});
    world.ok("PUT", "/v1/domains/travel", definition).await;
    let listed = world.ok("GET", "/v1/domains/travel/keys", Value::Null).await;
    assert_eq!(listed["keys"], json!([]));
    let held = |key: &Value| {
        let bearer = format!("Bearer {}", key["write_key"].as_str().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("authorization", bearer.parse().unwrap());
        headers
    };
    let holder = by_write_key(&world.state, &held(&key), None).await;
    assert!(holder.is_err(), "a key of an earlier life opens this one");
    let own = world.ok("POST", "/v1/domains/travel/keys", json!({"name": "own"})).await;
    assert!(by_write_key(&world.state, &held(&own), None).await.is_ok());
}

#[tokio::test]
async fn an_item_that_was_on_its_way_when_the_catalogue_was_emptied_is_none_of_the_next_life() {
    let world = World::new(&without_faults());
    world.furnish().await;
    let travel = DomainId::parse("travel").unwrap();
    let late = world.stores.catalogue.list(&travel).await.unwrap().remove(0);
    assert_eq!(world.delete().await.0, 202);
    world.stores.catalogue.put(&late).await.unwrap();
    world.pass(60);
    let mut ended = world.delete().await;
    for _ in 0..3 {
        if ended.0 == 200 {
            break;
        }
        ended = world.delete().await;
    }
    assert_eq!((ended.0, &ended.1["deleted"]["items"]), (200, &json!(6)), "{ended:?}");
    world.assert_gone().await;
}

#[tokio::test]
async fn what_a_domain_takes_in_its_next_life_is_of_no_deletion_whatever_clocks_say() {
    for clock_meanwhile in [3_600, -3_600] {
        let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
        world.furnish().await;
        let travel = DomainId::parse("travel").unwrap();
        let user = Pseudonym::parse("v1_u").unwrap();
        let before: Event = serde_json::from_value(json!({"event_id": "before", "user": user,
            "domain": "travel", "event_type": "view", "item_id": "i1",
            "occurred_at": world.at(-60), "received_at": world.at(0)}))
        .unwrap();
        world.pass(clock_meanwhile);
        assert_eq!(world.delete().await.0, 202);
        world.pass(60);
        assert_eq!(world.delete().await.0, 200);
        world.pass(-clock_meanwhile);
        let definition = json!({
            "name": "travel", "currency": "EUR", "event_types": {"view": {"weight": 1}},
        });
        world.ok("PUT", "/v1/domains/travel", definition).await;
        let event = json!({"event_id": "e", "user_id": "newcomer", "type": "view", "item_id": "i1",
            "occurred_at": world.at(-60)});
        let events = json!({"domain": "travel", "events": [event]});
        assert_eq!(world.ok("POST", "/v1/events", events).await["accepted"], 1);
        let deletion = records::get::<DomainDeletion>(&*world.stores.records, &travel).await;
        let deletion = deletion.unwrap().unwrap();
        let definitions = definitions(&*world.stores.records).await.unwrap();
        assert_eq!(definitions[&travel].life, 1);
        let after = Event { domain_life: definitions[&travel].life, ..before.clone() };
        assert!(deletion.covers(&before) && !deletion.covers(&after));
    }
}
