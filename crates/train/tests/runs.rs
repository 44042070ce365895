//! Training runs over the memory stores.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Once};

use crossfold_core::archive::events::{decode_events, encode_events};
use crossfold_core::archive::keys::{
    EVENTS_PREFIX, QUARANTINE_PREFIX, key_before_set_aside, refused_prefix,
};
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
use crossfold_storage::set_aside::{self, LyingAside, SetAsideRecord};
use crossfold_testing::{catalogue_item, event_at, event_id, item, item_key};
use crossfold_train::{RunOrder, Trigger, Worker, WorkerError, new_run};
use futures::FutureExt;
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
    defined(&stores).await;
    let events: Vec<Event> =
        ["stays", "goes"].into_iter().flat_map(|user| (0..5).map(|n| event(user, n))).collect();
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/1.parquet");
    let bytes = encode_events(&events).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    stores
}

/// Defines the domain and its six items.
async fn defined(stores: &Stores) {
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    }))
    .unwrap();
    records::put(&*stores.records, &knowledge(), &definition).await.unwrap();
    for number in 0..6 {
        let key = item_key("knowledge", &format!("i{number}"));
        stores.catalogue.put(&catalogue_item(key)).await.unwrap();
    }
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
    assert_eq!(published.model.as_ref(), Some(&model));
    worker.handle(trigger).await.unwrap();
    assert_eq!(pointer(&stores).await.unwrap(), published);
}

#[tokio::test]
async fn the_next_model_names_the_one_before_it() {
    let stores = archived().await;
    let worker = worker(&stores);
    for _ in 0..2 {
        let (_, trigger) = queue(&stores).await;
        let before = pointer(&stores).await.and_then(|pointer| pointer.model);
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
    let failed = worker.handle(trigger.clone()).await.unwrap_err();
    assert!(matches!(&failed, WorkerError::RunFailed { run: id, .. } if *id == run.id));
    let TrainingRunState::Failed { reason, .. } = state_of(&stores, &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("nothing to train on"), "{reason}");
    // Delivered again, it is not tried again, though there is something to train on by now.
    let events = encode_events(&[event("stays", 0)]).unwrap();
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/1.parquet");
    stores.objects.put(&key, events, PutCondition::None).await.unwrap();
    let before = state_of(&stores, &run).await;
    worker.handle(trigger).await.unwrap();
    assert_eq!(state_of(&stores, &run).await, before);
    assert_eq!(pointer(&stores).await, champion);
}

#[tokio::test]
async fn a_torn_file_is_set_aside_and_counted_and_neither_training_nor_erasure_stops() {
    let stores = archived().await;
    let torn = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/0-torn.parquet");
    let refused = format!("{QUARANTINE_PREFIX}run=r/robot-0000.parquet");
    for key in [&torn, &refused] {
        stores.objects.put(key, key.clone().into(), PutCondition::None).await.unwrap();
    }
    erase(&stores, "goes").await;
    for run in 0..2 {
        let (record, trigger) = queue(&stores).await;
        worker(&stores).handle(trigger).await.unwrap();
        let TrainingRunState::Succeeded { report, .. } = state_of(&stores, &record).await else {
            panic!("{:?}", state_of(&stores, &record).await);
        };
        let cleaning = &report.cleaning;
        assert_eq!((cleaning.read, cleaning.files_set_aside), (5, 2), "run {run}");
        let whole = stored_report(&stores, &report).await;
        assert_eq!(whole.cleaning.files_set_aside, 2);
    }
    assert_eq!(archived_users(&stores).await, ["stays"; 5]);
    let aside = set_aside::files(&*stores.objects).await.unwrap();
    for key in &aside {
        let before = key_before_set_aside(key).unwrap();
        assert!([&*torn, &*refused].contains(&before), "{before}");
        assert_eq!(stores.objects.get(key).await.unwrap().unwrap().bytes, before.as_bytes());
    }
    assert_eq!(aside.len(), 2);
}

#[tokio::test]
async fn a_bucket_that_fails_has_nothing_set_aside_and_the_run_delivered_again() {
    let stores = archived().await;
    let plan = FaultPlan::from_fn(|call| {
        let is_read = call.method == "objects.get" && call.key.starts_with(EVENTS_PREFIX);
        if is_read { Fault::Before } else { Fault::None }
    });
    let (run, trigger) = queue(&stores).await;
    let deadline = Timestamp::from_second(1_000_900).unwrap();
    let failing = worker(&faulty(stores.clone(), &plan)).until(Some(deadline));
    assert!(matches!(failing.handle(trigger.clone()).await, Err(WorkerError::Gather(_))));
    assert_eq!(set_aside::count(&*stores.objects).await.unwrap(), LyingAside::default());
    let state = state_of(&stores, &run).await;
    let expected = Some(deadline);
    assert!(matches!(state, TrainingRunState::Running { deadline, .. } if deadline == expected));
    worker(&stores).handle(trigger).await.unwrap();
    assert!(matches!(state_of(&stores, &run).await, TrainingRunState::Succeeded { .. }));
}

#[tokio::test]
async fn the_next_run_records_that_one_whose_worker_died_has_failed() {
    let stores = archived().await;
    let (mut died, trigger) = queue(&stores).await;
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let running = |deadline: i64| TrainingRunState::Running {
        started_at: at(deadline - 900),
        deadline: Some(at(deadline)),
        waits_until: None,
    };
    let (mut lives, _) = queue(&stores).await;
    (died.state, lives.state) = (running(999_000), running(1_000_000));
    for run in [&died, &lives] {
        records::put(&*stores.records, &run.id, run).await.unwrap();
    }
    let (_, next) = queue(&stores).await;
    worker(&stores).handle(next).await.unwrap();
    let state = state_of(&stores, &died).await;
    assert!(
        matches!(state, TrainingRunState::Failed { finished_at, .. } if finished_at == at(999_000))
    );
    assert_eq!(state_of(&stores, &lives).await, lives.state);
    // Delivered after that, its trigger trains no more.
    worker(&stores).handle(trigger).await.unwrap();
    assert_eq!(state_of(&stores, &died).await, state);
}

#[tokio::test]
async fn a_tick_of_the_schedule_that_is_told_twice_orders_one_run() {
    let stores = archived().await;
    let tick = |id: &str| -> Trigger {
        serde_json::from_value(json!({
            "version": "0", "id": id, "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": "eu-west-1",
            "resources": ["arn:aws:events:eu-west-1:123456789012:rule/r"], "detail": {},
        }))
        .unwrap()
    };
    for id in ["a", "a", "b"] {
        worker(&stores).handle(tick(id)).await.unwrap();
    }
    let runs = records::list::<TrainingRun>(&*stores.records).await.unwrap();
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|(_, run)| run.state == TrainingRunState::Queued));
}

#[tokio::test]
async fn erasure_reaches_the_records_that_were_set_aside() {
    let stores = archived().await;
    let record = |user: &str, image: serde_json::Value, at: i64| {
        SetAsideRecord {
        reason: "unreadable".into(),
        record: serde_json::from_value(json!({
            "eventName": "INSERT",
            "dynamodb": {
                "ApproximateCreationDateTime": at, "SequenceNumber": format!("{}{at}", user.replace('~', "x")),
                "Keys": {"pk": {"S": user}, "sk": {"S": "event#e"}}, "NewImage": image,
            },
        }))
        .unwrap(),
    }
    };
    let outcome = json!({"user": "goes", "domain": "knowledge", "kind": "stare"}).to_string();
    let travel = json!({"domain": {"S": "travel"}});
    for aside in [
        record("goes", json!({}), 899_000),
        record("goes~1", json!({}), 901_000),
        record("stays", json!({}), 899_000),
        record("r1", json!({"record": {"S": outcome}}), 899_000),
        record("stranger", travel, 899_000),
    ] {
        set_aside::keep_record(&*stores.objects, &aside).await.unwrap();
    }
    erase(&stores, "goes").await;
    let deletion = DomainDeletion {
        finished_at: Some(Timestamp::from_second(900_000).unwrap()),
        stage: DeletionStage::Done,
        ..DomainDeletion::begun(Timestamp::UNIX_EPOCH)
    };
    let travel = DomainId::parse("travel").unwrap();
    records::put(&*stores.records, &travel, &deletion).await.unwrap();
    let (run, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    let left = set_aside::records(&*stores.objects).await.unwrap();
    let users: Vec<&str> =
        left.iter().map(|key| &key["set-aside/records/".len()..][..10]).collect();
    assert_eq!(users, ["goesx19010", "stays89900"], "a later life, and another user");
    let TrainingRunState::Succeeded { report, .. } = state_of(&stores, &run).await else {
        panic!("the run did not succeed");
    };
    assert_eq!(report.cleaning.records_set_aside, 2);
}

/// Whose events are in the archive.
async fn archived_users(stores: &Stores) -> Vec<String> {
    let mut users = Vec::new();
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        let object = stores.objects.get(&key).await.unwrap().unwrap();
        let events = decode_events(object.bytes).unwrap();
        users.extend(events.into_iter().map(|event| event.user.to_string()));
    }
    users
}

#[tokio::test]
async fn after_a_run_the_archive_is_free_of_who_was_erased() {
    let stores = archived().await;
    erase(&stores, "goes").await;
    let (_, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    assert_eq!(archived_users(&stores).await, ["stays"; 5]);
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
    let sample = &report.cleaning.samples[&Refusal::OrphanItem][0];
    assert!(sample.event_type.is_some() && sample.item_id.is_some(), "{sample:?}");
    assert!(!record.contains("event_id"), "{record}");
    assert!(stored_report(&stores, &report).await.cleaning.samples.is_empty());
    assert_eq!(load(&stores, &model).await.manifest().report, report.object);
    // Taken up again after a death, with less to refuse.
    records::put(&*stores.records, &run.id, &run).await.unwrap();
    let key = item_key("knowledge", "gone");
    stores.catalogue.put(&catalogue_item(key)).await.unwrap();
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
    worker(&stores).handle(trigger).await.unwrap_err();
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
    // By the clock the next life lies before the deletion: it does not matter.
    let received_at: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let of_travel = |number: usize, domain_life: u32| Event {
        domain: travel.clone(),
        received_at,
        domain_life,
        ..event("stranger", number)
    };
    let key = format!("{EVENTS_PREFIX}domain=travel/date=2026-06-01/1.parquet");
    let bytes = encode_events(&[of_travel(0, 0), of_travel(1, 1)]).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    let deletion = DomainDeletion {
        number: 1,
        finished_at: Some("2026-06-01T01:00:00Z".parse().unwrap()),
        stage: DeletionStage::Done,
        ..DomainDeletion::begun(Timestamp::UNIX_EPOCH)
    };
    records::put(&*stores.records, &travel, &deletion).await.unwrap();
    let (_, trigger) = queue(&stores).await;
    worker(&stores).handle(trigger).await.unwrap();
    let file = stores.objects.get(&key).await.unwrap().unwrap();
    assert_eq!(decode_events(file.bytes).unwrap(), [of_travel(1, 1)]);
}

#[tokio::test]
async fn a_file_that_another_run_merges_meanwhile_is_read_where_it_is_now() {
    let stores = archived().await;
    let merged = Once::new();
    let objects = stores.objects.clone();
    let plan = FaultPlan::from_fn(move |call| {
        if call.method == "objects.get" && call.key.ends_with("/1.parquet") {
            merged.call_once(|| {
                let merge = async {
                    let object = objects.get(&call.key).await.unwrap().unwrap();
                    let merged = call.key.replace("/1.parquet", "/compacted-a.parquet");
                    objects.put(&merged, object.bytes, PutCondition::None).await.unwrap();
                    objects.delete(&call.key).await.unwrap();
                };
                merge.now_or_never().unwrap();
            });
        }
        Fault::None
    });
    let (run, trigger) = queue(&stores).await;
    worker(&faulty(stores.clone(), &plan)).handle(trigger).await.unwrap();
    let TrainingRunState::Succeeded { report, .. } = state_of(&stores, &run).await else {
        panic!("{:?}", state_of(&stores, &run).await);
    };
    assert_eq!(report.cleaning.kept, 10);
}

#[tokio::test]
async fn a_run_merges_the_files_of_days_that_are_over_and_makes_the_same_model() {
    let stores = memory::stores();
    let mut models = Vec::new();
    for is_merged in [false, true] {
        let stores = if is_merged { &stores } else { &archived().await };
        if is_merged {
            let whole = archived().await;
            for key in whole.objects.list(EVENTS_PREFIX).await.unwrap() {
                let object = whole.objects.get(&key).await.unwrap().unwrap();
                for (number, event) in decode_events(object.bytes).unwrap().into_iter().enumerate()
                {
                    let key = key.replace("/1.parquet", &format!("/{number:03}.parquet"));
                    let bytes = encode_events(&[event]).unwrap();
                    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
                }
            }
            defined(stores).await;
        }
        let (run, trigger) = queue(stores).await;
        worker(stores).handle(trigger).await.unwrap();
        let TrainingRunState::Succeeded { model, .. } = state_of(stores, &run).await else {
            panic!("{:?}", state_of(stores, &run).await);
        };
        models.push(load(stores, &model).await.manifest().blob.sha256.clone());
        assert_eq!(stores.objects.list(EVENTS_PREFIX).await.unwrap().len(), 1);
    }
    assert_eq!(models[0], models[1]);
}
