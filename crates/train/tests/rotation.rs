//! A run after the key of pseudonyms was rotated: it trains on what was archived before as on
//! what is archived now, and erases from both.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crossfold_core::archive::columns::ColumnFile;
use crossfold_core::archive::decisions::encode_decisions;
use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::{DECISIONS_PREFIX, EVENTS_PREFIX};
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::decision::Decision;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::release::run::TrainingRun;
use crossfold_storage::find_person::find_person;
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::{erasure, key_versions, memory, records};
use crossfold_testing::{catalogue_item, event_at, event_id, item, item_key};
use crossfold_train::{Worker, new_run};
use jiff::Timestamp;
use serde_json::json;

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

fn keys() -> Pseudonymiser {
    let keys = [1, 2].map(|version| (version, vec![version as u8; 32].into_boxed_slice()));
    Pseudonymiser::new("t", 2, keys.into()).unwrap()
}

fn user(name: &str) -> Pseudonym {
    keys().pseudonym(&knowledge(), &UserId::parse(name).unwrap())
}

fn event(user: &Pseudonym, number: usize) -> Event {
    Event {
        event_id: event_id(&format!("e{number}")),
        user: user.clone(),
        item_id: item(&format!("i{}", number % 6)),
        ..event_at(number as i64 * 60)
    }
}

fn decision(user: &Pseudonym) -> Decision {
    serde_json::from_value(json!({
        "recommendation_id": format!("of-{user}"), "user": user, "domain": "knowledge",
        "decided_at": "2026-06-01T00:00:00Z", "policy": "p/1", "seed": 7, "personalised": true,
        "slate": [{"domain": "knowledge", "item_id": "i0", "score": 1.0, "propensity": 1.0}],
    }))
    .unwrap()
}

async fn archive(stores: &Stores, prefix: &str, name: &str, bytes: bytes::Bytes) {
    let key = format!("{prefix}domain=knowledge/date=2026-06-01/{name}.parquet");
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
}

/// Two users whose events were stored and archived before the rotation. One of them was stored
/// under either version, by two processes at the same time.
async fn world() -> Stores {
    let stores = memory::stores();
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    }))
    .unwrap();
    records::put(&*stores.records, &knowledge(), &definition).await.unwrap();
    key_versions::establish(&*stores.records, &keys(), Timestamp::UNIX_EPOCH).await.unwrap();
    for number in 0..6 {
        let key = item_key("knowledge", &format!("i{number}"));
        stores.catalogue.put(&catalogue_item(key)).await.unwrap();
    }
    let before = ["stays", "goes"].map(|name| user(name).oldest_form());
    let of_before = before.iter().flat_map(|user| (0..5).map(move |number| event(user, number)));
    let of_before: Vec<Event> = of_before.collect();
    let doubled = [event(&user("stays"), 0)];
    stores.events.append_all(&of_before).await.unwrap();
    stores.events.append_all(&doubled).await.unwrap();
    archive(&stores, EVENTS_PREFIX, "1", encode_events(&of_before).unwrap()).await;
    archive(&stores, EVENTS_PREFIX, "2", encode_events(&doubled).unwrap()).await;
    let decisions: Vec<Decision> = before.iter().map(decision).collect();
    archive(&stores, DECISIONS_PREFIX, "1", encode_decisions(&decisions).unwrap()).await;
    stores
}

async fn train(stores: &Stores, second: i64) -> TrainingRun {
    let seconds = Arc::new(AtomicI64::new(second));
    let now = move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap();
    let worker = Worker::new(stores.clone(), Clock::from_fn(now)).with_keys(&keys());
    let options = AlsOptions { factors: 4, iterations: 3, ..AlsOptions::default() };
    let run = new_run(options, Timestamp::from_second(second).unwrap()).unwrap();
    worker.carry_out(run).await.unwrap()
}

/// Whose rows there are under a prefix.
async fn archived_users(stores: &Stores, prefix: &str) -> BTreeSet<Pseudonym> {
    let mut users = BTreeSet::new();
    for key in stores.objects.list(prefix).await.unwrap() {
        let object = stores.objects.get(&key).await.unwrap().unwrap();
        let file = ColumnFile::open(object.bytes).unwrap();
        users.extend(file.column::<Pseudonym>("user").unwrap().unwrap());
    }
    users
}

#[tokio::test]
async fn a_run_counts_an_event_of_before_and_after_a_rotation_once() {
    // Files of a day that is over are merged first; those of a day that is not are read apart.
    for now in [1_800_000_000, 1_780_272_000 + 3_600] {
        let stores = world().await;
        let run = train(&stores, now).await;
        let report = run.state.report().unwrap();
        assert_eq!(report.cleaning.kept, 10, "{:?}", report.cleaning);
        assert_eq!(report.people, 2);
        let users = archived_users(&stores, EVENTS_PREFIX).await;
        assert_eq!(users, ["stays", "goes"].map(user).into(), "rows of before are written anew");
        for name in ["stays", "goes"] {
            assert_eq!(stores.events.history(&user(name), 9).await.unwrap().len(), 5);
            let old = stores.events.history(&user(name).oldest_form(), 9).await.unwrap();
            assert!(old.is_empty());
        }
    }
}

#[tokio::test]
async fn an_erasure_after_a_rotation_reaches_what_was_archived_before_it() {
    let stores = world().await;
    let found = rekeyed(stores.clone(), &keys());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let erased = erasure::erase(&found, (&user("goes"), &knowledge()), now).await.unwrap();
    assert_eq!(erased.user, user("goes").oldest_form());
    let run = train(&stores, 1_800_000_100).await;
    assert!(run.state.report().is_some(), "{:?}", run.state);
    assert_eq!(find_person(&found, &user("goes")).await.unwrap(), [].into());
    let receipt = erasure::of_life(&stores, &erased.user).await.unwrap().unwrap();
    assert!(receipt.finished_at.is_some(), "{receipt:?}");
    let deleted = |place: &str| {
        let visited = receipt.visited.iter().find(|(of, _)| of.as_str() == place);
        visited.map(|(_, deleted)| *deleted)
    };
    assert_eq!((deleted("archived_events"), deleted("archived_decisions")), (Some(5), Some(1)));
    assert_eq!(archived_users(&stores, EVENTS_PREFIX).await, [user("stays")].into());
    assert_eq!(archived_users(&stores, DECISIONS_PREFIX).await, [user("stays")].into());
}
