//! Training runs over the memory stores.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crossfold_core::als::AlsOptions;
use crossfold_core::archive::{EVENTS_PREFIX, decode_events, encode_events};
use crossfold_core::catalogue::{Item, ItemDetails};
use crossfold_core::champion::{POINTER_KEY, Pointer};
use crossfold_core::domain::DomainDefinition;
use crossfold_core::event::Event;
use crossfold_core::ids::{DomainId, EventId, EventType, ItemId, ModelId, Pseudonym};
use crossfold_core::model::{Model, decode_manifest, manifest_key};
use crossfold_core::people::{PeopleEntry, PeopleWrite};
use crossfold_core::ports::{PutCondition, Stores};
use crossfold_core::training_run::{TrainingRun, TrainingRunState};
use crossfold_edge::clock::Clock;
use crossfold_storage::memory;
use crossfold_train::{Trigger, Worker, new_run};
use jiff::Timestamp;
use serde_json::json;

const OPTIONS: AlsOptions = AlsOptions {
    factors: 4,
    iterations: 3,
    unobserved_weight: 0.3,
    regularisation: 0.03,
    frequency_exponent: 1.0,
    seed: 1,
    solver: crossfold_core::als::Solver::Mixed,
};

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

fn event(user: &str, number: usize) -> Event {
    let at = Timestamp::from_second(number as i64 * 60).unwrap();
    Event {
        event_id: EventId::parse(&format!("e{number}")).unwrap(),
        user: Pseudonym::parse(user).unwrap(),
        domain: knowledge(),
        event_type: EventType::parse("view").unwrap(),
        item_id: ItemId::parse(&format!("i{}", number % 6)).unwrap(),
        occurred_at: at,
        received_at: at,
        value: None,
        dwell_seconds: None,
    }
}

/// Stores with a domain, six items, and two users' events in one archived file.
async fn archived() -> Stores {
    let stores = memory::stores();
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    }))
    .unwrap();
    stores.control.put_domain(&knowledge(), &definition).await.unwrap();
    for number in 0..6 {
        let item = Item {
            domain: knowledge(),
            item_id: ItemId::parse(&format!("i{number}")).unwrap(),
            details: Some(ItemDetails::parse(json!({"title": "t"})).unwrap()),
            updated_at: Timestamp::UNIX_EPOCH,
        };
        stores.catalogue.put(&item).await.unwrap();
    }
    let events: Vec<Event> =
        ["stays", "goes"].into_iter().flat_map(|user| (0..5).map(|n| event(user, n))).collect();
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/1.parquet");
    let bytes = encode_events(&events).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    stores
}

/// A worker whose clock moves on by a second at every look.
fn worker(stores: &Stores) -> Worker {
    let seconds = Arc::new(AtomicI64::new(1_000_000));
    let now = move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap();
    Worker::new(stores.clone(), Clock::from_fn(now))
}

async fn queue(stores: &Stores) -> (TrainingRun, Trigger) {
    let run = new_run(OPTIONS, Timestamp::UNIX_EPOCH).unwrap();
    stores.control.create_run(&run).await.unwrap();
    let record = json!({"eventName": "INSERT", "dynamodb": {"Keys": {
        "pk": {"S": "training-run"}, "sk": {"S": run.id},
    }}});
    (run, Trigger::Stream { records: vec![record] })
}

async fn state_of(stores: &Stores, run: &TrainingRun) -> TrainingRunState {
    stores.control.run(&run.id).await.unwrap().unwrap().state
}

async fn pointer(stores: &Stores) -> Option<Pointer> {
    let object = stores.objects.get(POINTER_KEY).await.unwrap()?;
    Some(serde_json::from_slice(&object.bytes).unwrap())
}

async fn load(stores: &Stores, id: &ModelId) -> Model {
    let manifest = stores.objects.get(&manifest_key(id)).await.unwrap().unwrap();
    let manifest = decode_manifest(id, &manifest.bytes).unwrap();
    let blob = stores.objects.get(&manifest.blob.key()).await.unwrap().unwrap();
    Model::decode(id.clone(), manifest, &blob.bytes).unwrap()
}

#[tokio::test]
async fn a_queued_run_publishes_a_model_once_however_often_it_is_delivered() {
    let stores = archived().await;
    let worker = worker(&stores);
    let (run, trigger) = queue(&stores).await;
    worker.handle(trigger.clone()).await.unwrap();
    let TrainingRunState::Succeeded { model, report, .. } = state_of(&stores, &run).await else {
        panic!("{:?}", state_of(&stores, &run).await);
    };
    assert_eq!(report.cleaning.kept, 10);
    assert_eq!(load(&stores, &model).await.index().len(), 5);
    let published = pointer(&stores).await.unwrap();
    assert_eq!(published.model, model);
    worker.handle(trigger).await.unwrap();
    assert_eq!(pointer(&stores).await.unwrap(), published);
}

#[tokio::test]
async fn the_next_model_names_the_one_before_it() {
    let stores = archived().await;
    let worker = worker(&stores);
    for _ in 0..2 {
        let (_, trigger) = queue(&stores).await;
        let before = pointer(&stores).await.map(|pointer| pointer.model);
        worker.handle(trigger).await.unwrap();
        assert_eq!(pointer(&stores).await.unwrap().previous, before);
    }
}

#[tokio::test]
async fn a_run_with_nothing_to_train_on_fails_with_its_reason_and_leaves_the_champion() {
    let stores = archived().await;
    let worker = worker(&stores);
    let (_, trigger) = queue(&stores).await;
    worker.handle(trigger).await.unwrap();
    let champion = pointer(&stores).await;
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        stores.objects.delete(&key).await.unwrap();
    }
    let (run, trigger) = queue(&stores).await;
    worker.handle(trigger).await.unwrap();
    let TrainingRunState::Failed { reason, .. } = state_of(&stores, &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("no consented interaction"), "{reason}");
    assert_eq!(pointer(&stores).await, champion);
}

#[tokio::test]
async fn a_torn_file_in_the_archive_fails_the_run_and_is_named() {
    let stores = archived().await;
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/torn.parquet");
    stores.objects.put(&key, vec![1, 2, 3].into(), PutCondition::None).await.unwrap();
    let (run, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    let TrainingRunState::Failed { reason, .. } = state_of(&stores, &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("torn.parquet"), "{reason}");
}

#[tokio::test]
async fn after_a_run_the_archive_is_free_of_who_was_erased() {
    let stores = archived().await;
    let tombstone = PeopleWrite {
        id: Pseudonym::parse("goes").unwrap(),
        entry: PeopleEntry::Erased { at: Timestamp::from_second(900_000).unwrap() },
        expected: None,
    };
    stores.people.commit(&[tombstone]).await.unwrap();
    let (_, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    let mut users = Vec::new();
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        let object = stores.objects.get(&key).await.unwrap().unwrap();
        users.extend(decode_events(object.bytes).unwrap().into_iter().map(|event| event.user));
    }
    assert_eq!(users.len(), 5);
    assert!(users.iter().all(|user| user.as_str() == "stays"));
}

#[tokio::test]
async fn the_schedule_only_records_a_run() {
    let stores = archived().await;
    let trigger: Trigger = serde_json::from_value(json!({"trigger": "schedule"})).unwrap();
    worker(&stores).handle(trigger).await.unwrap();
    assert_eq!(pointer(&stores).await, None);
}
