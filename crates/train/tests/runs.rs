//! Training runs over the memory stores.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crossfold_core::archive::events::{decode_events, encode_events};
use crossfold_core::archive::keys::{EVENTS_PREFIX, QUARANTINE_PREFIX, refused_prefix};
use crossfold_core::archive::quarantine::decode_refused;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::domain_deletion::{DeletionStage, DomainDeletion};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId, Pseudonym};
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::evidence::cleaning::Refusal;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::model::manifest::{blob_key, manifest_key};
use crossfold_core::model::{Model, decode_manifest};
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_core::release::run::{RunReport, TrainingRun, TrainingRunState};
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::tuning::{Ending, FunctionPrice, Search, TuningRequest};
use crossfold_registry::load::load_report;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use crossfold_storage::memory;
use crossfold_storage::records;
use crossfold_testing::{catalogue_item, event_at, event_id, item, item_key};
use crossfold_train::{RunOrder, Trigger, Worker, new_run};
use jiff::Timestamp;
use serde_json::json;

const OPTIONS: AlsOptions = AlsOptions {
    factors: 4,
    iterations: 3,
    unobserved_weight: 0.3,
    regularisation: 0.03,
    frequency_exponent: 1.0,
    seed: 1,
    solver: crossfold_core::maths::als::Solver::Mixed,
};

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

fn event(user: &str, number: usize) -> Event {
    Event {
        event_id: event_id(&format!("e{number}")),
        user: crossfold_testing::user(user),
        item_id: item(&format!("i{}", number % 6)),
        ..event_at(number as i64 * 60)
    }
}

/// Stores with a domain, six items, and two users' events in one archived file.
async fn archived() -> Stores {
    let stores = memory::stores();
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    }))
    .unwrap();
    records::put(&*stores.records, &knowledge(), &definition).await.unwrap();
    for number in 0..6 {
        let key = item_key("knowledge", &format!("i{number}"));
        stores.catalogue.put(&catalogue_item(key)).await.unwrap();
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
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    let trigger = json!({"Records": [{"eventName": "INSERT", "dynamodb": {"Keys": {
        "pk": {"S": "training-run"}, "sk": {"S": run.id},
    }}}]});
    (run, serde_json::from_value(trigger).unwrap())
}

async fn state_of(stores: &Stores, run: &TrainingRun) -> TrainingRunState {
    records::get::<TrainingRun>(&*stores.records, &run.id).await.unwrap().unwrap().state
}

async fn stored_report(stores: &Stores, report: &RunReport) -> TrainingReport {
    let object = report.object.as_ref().unwrap();
    load_report(&*stores.objects, object).await.unwrap().unwrap()
}

async fn pointer(stores: &Stores) -> Option<Pointer> {
    let object = stores.objects.get(POINTER_KEY).await.unwrap()?;
    Some(serde_json::from_slice(&object.bytes).unwrap())
}

async fn load(stores: &Stores, id: &ModelId) -> Model {
    let manifest = stores.objects.get(&manifest_key(id)).await.unwrap().unwrap();
    let manifest = decode_manifest(id, &manifest.bytes).unwrap();
    let blob = stores.objects.get(&blob_key(&manifest.blob.sha256)).await.unwrap().unwrap();
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
    assert!(reason.contains("nothing to train on"), "{reason}");
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
    erase(&stores, "goes").await;
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

/// Archives an event of each user on an item that is in no catalogue.
async fn archive_orphans(stores: &Stores) {
    let orphan = |user| Event { item_id: ItemId::parse("gone").unwrap(), ..event(user, 7) };
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/2.parquet");
    let bytes = encode_events(&[orphan("stays"), orphan("goes")]).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
}

/// What is in quarantine: file and user.
async fn quarantined(stores: &Stores) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for key in stores.objects.list(QUARANTINE_PREFIX).await.unwrap() {
        let object = stores.objects.get(&key).await.unwrap().unwrap();
        for refused in decode_refused(object.bytes).unwrap() {
            assert_eq!(refused.reason, Refusal::OrphanItem);
            found.push((key.clone(), refused.event.user.to_string()));
        }
    }
    found
}

async fn erase(stores: &Stores, user: &str) {
    let tombstone = PeopleWrite {
        id: Pseudonym::parse(user).unwrap(),
        entry: PeopleEntry::Erased { life: 1, until: Timestamp::from_second(900_000).unwrap() },
        expected: None,
    };
    stores.people.commit(&[tombstone]).await.unwrap();
}

#[tokio::test]
async fn what_is_refused_is_kept_once_a_run_and_a_retry_replaces_it() {
    let stores = archived().await;
    archive_orphans(&stores).await;
    let (run, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger.clone()).await.unwrap();
    let kept = quarantined(&stores).await;
    let key = format!("{}orphan_item-0000.parquet", refused_prefix(&run.id));
    assert_eq!(kept, [(key.clone(), "goes".to_owned()), (key, "stays".to_owned())]);
    let TrainingRunState::Succeeded { report, model, .. } = state_of(&stores, &run).await else {
        panic!("the run did not succeed");
    };
    assert_eq!(report.cleaning.samples[&Refusal::OrphanItem].len(), 2);
    // The run's record and the manifest outlive an erasure: they name nobody.
    let record = serde_json::to_string(&report.cleaning).unwrap();
    assert!(!record.contains("goes") && !record.contains("stays"), "{record}");
    assert!(stored_report(&stores, &report).await.cleaning.samples.is_empty());
    assert_eq!(load(&stores, &model).await.manifest().report, report.object);
    // Taken up again after a death, with less to refuse.
    records::put(&*stores.records, &run.id, &run).await.unwrap();
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/2.parquet");
    stores.objects.delete(&key).await.unwrap();
    worker(&stores).handle(trigger).await.unwrap();
    assert_eq!(quarantined(&stores).await, []);
}

#[tokio::test]
async fn erasure_reaches_quarantine_and_an_erased_user_never_enters_it() {
    let stores = archived().await;
    archive_orphans(&stores).await;
    let (_, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    assert_eq!(quarantined(&stores).await.len(), 2);
    erase(&stores, "goes").await;
    let (_, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    let users: Vec<String> = quarantined(&stores).await.into_iter().map(|(_, user)| user).collect();
    assert_eq!(users, ["stays", "stays"]);
}

/// The same stores, whose writes under `tuning/` stop after so many.
fn cut_short(stores: &Stores, writes: i64) -> Stores {
    let writes_left = AtomicI64::new(writes);
    let plan = FaultPlan::from_fn(move |call| {
        let is_search = call.method == "objects.put" && call.key.starts_with("tuning/");
        let is_cut = is_search && writes_left.fetch_sub(1, Ordering::Relaxed) <= 0;
        if is_cut { Fault::Before } else { Fault::None }
    });
    faulty(stores.clone(), &plan)
}

async fn queue_tuned(stores: &Stores, tuning: TuningRequest) -> (TrainingRun, Trigger) {
    let order = RunOrder { options: OPTIONS, tuning: Some(tuning).into() };
    let run = new_run(order, Timestamp::UNIX_EPOCH).unwrap();
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    let trigger = json!({"Records": [{"eventName": "INSERT", "dynamodb": {"Keys": {
        "pk": {"S": "training-run"}, "sk": {"S": run.id},
    }}}]});
    (run, serde_json::from_value(trigger).unwrap())
}

async fn search_of(stores: &Stores, run: &TrainingRun) -> Search {
    let object = stores.objects.get(&format!("tuning/{}.json", run.id)).await.unwrap().unwrap();
    serde_json::from_slice(&object.bytes).unwrap()
}

#[tokio::test]
async fn a_search_goes_on_where_a_dead_worker_left_it() {
    let stores = archived().await;
    let tuning = TuningRequest { candidates: 5, ..TuningRequest::of_seconds(100.0) };
    let (run, trigger) = queue_tuned(&stores, tuning).await;
    let died = worker(&cut_short(&stores, 4)).handle(trigger.clone()).await;
    assert!(died.is_err(), "the trigger must be delivered again");
    assert_eq!(pointer(&stores).await, None);
    let left = search_of(&stores, &run).await;
    assert_eq!((left.rungs[0].trials.len(), left.ended), (3, None));
    worker(&stores).handle(trigger).await.unwrap();
    let TrainingRunState::Succeeded { report, model, .. } = state_of(&stores, &run).await else {
        panic!("{:?}", state_of(&stores, &run).await);
    };
    let whole = search_of(&stores, &run).await;
    assert_eq!(whole.rungs[0].trials[..3], left.rungs[0].trials[..]);
    assert_eq!(whole.ended, Some(Ending::Complete));
    let told = stored_report(&stores, &report).await.tuning.unwrap();
    assert_eq!(told.seconds, whole.seconds);
    let manifest = load(&stores, &model).await.manifest().clone();
    // But for more factors than these few people and items support.
    let supported = AlsOptions { factors: manifest.options.factors, ..told.candidate.options };
    assert_eq!(manifest.options, supported);
    assert!(supported.factors <= told.candidate.options.factors);
    assert_eq!(manifest.evidence, told.candidate.evidence);
    assert_eq!(manifest.report, report.object);
}

#[tokio::test]
async fn a_budget_in_dollars_needs_a_price_and_is_kept_with_one() {
    let stores = archived().await;
    let tuning = TuningRequest {
        budget_usd: Some(0.005),
        candidates: 9,
        ..TuningRequest::of_seconds(1_000.0)
    };
    let (run, trigger) = queue_tuned(&stores, tuning).await;
    worker(&stores).handle(trigger).await.unwrap();
    let TrainingRunState::Failed { reason, .. } = state_of(&stores, &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("price"), "{reason}");
    let price = FunctionPrice { memory_gb: 1.0, usd_per_gb_second: 0.001 };
    let (run, trigger) = queue_tuned(&stores, tuning).await;
    worker(&stores).with_price(Some(price)).handle(trigger).await.unwrap();
    let search = search_of(&stores, &run).await;
    assert_eq!(search.ended, Some(Ending::CostBudget));
    assert!(search.usd().unwrap() <= 0.005);
}

#[tokio::test]
async fn the_schedule_only_records_a_run() {
    let stores = archived().await;
    let trigger: Trigger = serde_json::from_value(json!({"trigger": "schedule"})).unwrap();
    worker(&stores).handle(trigger).await.unwrap();
    assert_eq!(pointer(&stores).await, None);
}

#[tokio::test]
async fn after_a_run_the_archive_is_free_of_a_deleted_domain_but_not_of_its_next_life() {
    let stores = archived().await;
    let travel = DomainId::parse("travel").unwrap();
    let of_travel = |number: usize, received_at: &str| Event {
        domain: travel.clone(),
        received_at: received_at.parse().unwrap(),
        ..event("stranger", number)
    };
    let (before, after) = ("2026-06-01T00:00:00Z", "2026-06-01T00:00:01Z");
    let key = format!("{EVENTS_PREFIX}domain=travel/date=2026-06-01/1.parquet");
    let bytes = encode_events(&[of_travel(0, before), of_travel(1, after)]).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    let deletion = DomainDeletion {
        finished_at: Some(before.parse().unwrap()),
        stage: DeletionStage::Done,
        ..DomainDeletion::begun(Timestamp::UNIX_EPOCH)
    };
    records::put(&*stores.records, &travel, &deletion).await.unwrap();
    let (_, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    let file = stores.objects.get(&key).await.unwrap().unwrap();
    assert_eq!(decode_events(file.bytes).unwrap(), [of_travel(1, after)]);
}
