//! Training beyond one machine: the state machine of `infra/retrain.asl.yaml`, run
//! by an interpreter that others wrote, with the real binary as its worker.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::{Duration, Instant};

use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::EVENTS_PREFIX;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, ModelId, TrainingRunId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::evidence::items::{Row, Weighted};
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::model::manifest::{blob_key, manifest_key};
use crossfold_core::model::{Model, decode_manifest};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::sharding::plan::folder;
use crossfold_e2e::cloud::Cloud;
use crossfold_e2e::polling::until;
use crossfold_e2e::state_machine::StateMachine;
use crossfold_e2e::world;
use crossfold_registry::load::load_report;
use crossfold_storage::records;
use crossfold_testing::{catalogue_item, domain, event, event_id};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const DOMAINS: [&str; 2] = ["auto-finance", "knowledge"];
const PEOPLE: usize = 120;
const ITEMS: usize = 24;
/// Cuts either side of this world into several shards.
const SHARD_BYTES: u64 = 6_000;
/// How long one of the many small waits may take.
const LIMIT: Duration = Duration::from_secs(120);

fn options() -> AlsOptions {
    AlsOptions { factors: 8, iterations: 3, seed: 11, ..AlsOptions::default() }
}

/// Somebody's view of an item.
fn view(name: &str, number: usize, (user, item): (&str, &str), at: Timestamp) -> Event {
    Event {
        event_id: event_id(&format!("{name}-{number}")),
        user: crossfold_testing::user(&format!("user-{user}")),
        domain: domain(name),
        item_id: crossfold_testing::item(&format!("i{item}")),
        occurred_at: at,
        received_at: at,
        domain_life: 0,
        ..event()
    }
}

/// What everybody did over a month: people like one of three kinds of item.
fn events() -> Vec<Event> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let now = Timestamp::now();
    let mut events = Vec::new();
    for person in 0..PEOPLE {
        for name in DOMAINS {
            for number in 0..10 + 60 / (person + 3) {
                let typical = random.random_range(0..ITEMS / 3) * 3 + person % 3;
                let is_typical = random.random_bool(0.85);
                let item = if is_typical { typical } else { random.random_range(0..ITEMS) };
                let at = now - SignedDuration::from_secs(random.random_range(60..2_600_000));
                events.push(view(name, number, (&person.to_string(), &item.to_string()), at));
            }
        }
    }
    events
}

/// Puts what everybody did straight into the archive, and its items into the tables.
async fn fill(stores: &Stores, events: &[Event]) {
    for name in DOMAINS {
        // So long a half-life that it does not matter when exactly a run looks.
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": name, "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
            "half_life_days": 36_500.0,
            "consent_defaults": DOMAINS
                .map(|to| json!({"to": to, "purpose": "training", "granted": true})),
        }))
        .unwrap();
        records::put(&*stores.records, &domain(name), &definition).await.unwrap();
    }
    let items: BTreeSet<_> = events.iter().map(|e| (e.domain.clone(), e.item_id.clone())).collect();
    for key in items {
        stores.catalogue.put(&catalogue_item(key)).await.unwrap();
    }
    let file_events = if events.len() < 10_000 { 500 } else { 100_000 };
    for (file, events) in events.chunks(file_events).enumerate() {
        let key = format!("{EVENTS_PREFIX}domain=all/date=2026-01-01/{file}.parquet");
        let bytes = encode_events(events).unwrap();
        stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }
}

async fn start() -> (Cloud, StateMachine) {
    let cloud = Cloud::start().await.unwrap();
    fill(cloud.stores(), &events()).await;
    let machine = cloud.deploy_state_machine(SHARD_BYTES).await.unwrap();
    (cloud, machine)
}

/// Records a run, as the API would, and lets no stream wake the one-machine worker.
async fn order(stores: &Stores, options: AlsOptions) -> TrainingRunId {
    let id = TrainingRunId::parse(&uuid::Uuid::now_v7().to_string()).unwrap();
    let run = TrainingRun {
        id: id.clone(),
        requested_at: Timestamp::now(),
        options,
        tuning: None,
        accept_fewer_events: false,
        state: TrainingRunState::Queued,
    };
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    id
}

async fn state_of(stores: &Stores, run: &TrainingRunId) -> TrainingRunState {
    records::get::<TrainingRun>(&*stores.records, run).await.unwrap().unwrap().state
}

async fn load(stores: &Stores, id: &ModelId) -> Model {
    let manifest = stores.objects.get(&manifest_key(id)).await.unwrap().unwrap();
    let manifest = decode_manifest(id, &manifest.bytes).unwrap();
    let blob = stores.objects.get(&blob_key(&manifest.blob.sha256)).await.unwrap().unwrap();
    Model::decode(id.clone(), manifest, &blob.bytes).unwrap()
}

async fn published(stores: &Stores, run: &TrainingRunId) -> (Model, TrainingReport) {
    let state = state_of(stores, run).await;
    let TrainingRunState::Succeeded { model, report, .. } = state else { panic!("{state:?}") };
    let report = load_report(&*stores.objects, &report.object.unwrap()).await.unwrap().unwrap();
    (load(stores, &model).await, report)
}

/// The largest difference of a score, for people who know one item.
fn largest_difference(a: &Model, b: &Model) -> f32 {
    assert_eq!(a.index(), b.index());
    let mut largest = 0.0f32;
    for domain in a.index().ranges().keys() {
        for item in 0..a.index().len() as u32 {
            let scores = |model: &Model| {
                model
                    .estimate(domain, &[Weighted::new(Row(item), 1.0)])
                    .map(|estimate| estimate.scores().to_vec())
            };
            let (a, b) = (scores(a), scores(b));
            assert_eq!(a.is_some(), b.is_some(), "{domain} {item}");
            let both = a.into_iter().flatten().zip(b.into_iter().flatten());
            largest = both.map(|(a, b)| (a - b).abs()).fold(largest, f32::max);
        }
    }
    largest
}

fn ndcg(report: &TrainingReport) -> BTreeMap<String, f64> {
    let of =
        |(domain, measured): (&DomainId, &crossfold_core::maths::measure::DomainEvaluation)| {
            (domain.to_string(), measured.metrics["ndcg@20"])
        };
    report.evaluation.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_machine_publishes_the_model_that_one_machine_would() {
    let (cloud, machine) = start().await;
    // The API, the stream, and the real `train` binary.
    let ordered = world::train(&cloud, &serde_json::to_value(options()).unwrap()).await.unwrap();
    assert_eq!(ordered["status"], "succeeded", "{ordered}");
    let one_run = TrainingRunId::parse(ordered["id"].as_str().unwrap()).unwrap();
    let (one, one_report) = published(cloud.stores(), &one_run).await;

    let run = order(cloud.stores(), options()).await;
    let execution = machine.start(&run).await.unwrap();
    let ended = machine.wait(&execution).await.unwrap();
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let (many, many_report) = published(cloud.stores(), &run).await;
    assert!(ended["output"].as_str().unwrap().contains(many.id().as_str()), "{ended}");

    let tasks = machine.tasks(&execution).await.unwrap();
    // Of each of the two domains, or of both together, three fits.
    let halves = 3 * 2 * options().iterations;
    assert!(tasks.computed >= 2 * halves, "one shard a fit is no test: {tasks:?}");
    assert_eq!((tasks.found, tasks.errors.len()), (0, 0), "{tasks:?}");
    assert_eq!(
        (many_report.rows, many_report.interactions),
        (one_report.rows, one_report.interactions)
    );
    let score = largest_difference(&many, &one);
    println!("largest difference of a score {score:e}");
    assert!(score < 1e-4, "{score}");
    let verdicts = |report: &TrainingReport| -> Vec<_> {
        report.bridges.iter().map(|report| (report.direction.clone(), report.verdict)).collect()
    };
    println!("{:?}", verdicts(&one_report));
    assert_eq!(verdicts(&many_report), verdicts(&one_report));
    assert!(many_report.bridges.iter().any(|report| report.verdict.served().is_some()));
    let (one_ndcg, many_ndcg) = (ndcg(&one_report), ndcg(&many_report));
    assert_eq!(one_ndcg.len(), DOMAINS.len());
    for (domain, value) in &one_ndcg {
        println!("{domain}: ndcg@20 {value} and {}", many_ndcg[domain]);
        assert!((value - many_ndcg[domain]).abs() < 1e-3, "{one_ndcg:?} {many_ndcg:?}");
    }
    let left = cloud.stores().objects.list(&folder(&run)).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// Kills workers until one died with a shard in its hands, then stops the execution.
async fn disturb(machine: &StateMachine, execution: &str) {
    until("a worker killed at work", LIMIT, async || {
        machine.kill_workers()?;
        let tasks = machine.tasks(execution).await?;
        Ok(tasks.errors.iter().any(|error| error == "Runtime.ExitError").then_some(()))
    })
    .await
    .unwrap();
    machine.stop(execution).await.unwrap();
    machine.wait(execution).await.unwrap();
}

/// Waits until nothing of a stopped execution's tasks is being written any more,
/// and gives the keys of what was.
async fn settled(stores: &Stores, run: &TrainingRunId) -> Vec<String> {
    let factors = format!("{}factors/", folder(run));
    let mut last = Vec::new();
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let found = stores.objects.list(&factors).await.unwrap();
        if found == last {
            return found;
        }
        last = found;
    }
    panic!("a stopped execution goes on writing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_killed_and_stopped_goes_on_without_solving_anything_twice() {
    let (cloud, machine) = start().await;
    let stores = cloud.stores();
    let undisturbed = order(stores, options()).await;
    let execution = machine.start(&undisturbed).await.unwrap();
    machine.wait(&execution).await.unwrap();
    let all = machine.tasks(&execution).await.unwrap().computed;

    let run = order(stores, options()).await;
    let execution = machine.start(&run).await.unwrap();
    until("some solved shards", LIMIT, async || {
        Ok((machine.tasks(&execution).await?.computed >= all / 4).then_some(()))
    })
    .await
    .unwrap();
    disturb(&machine, &execution).await;
    // The event that the execution was stopped has found its way into the run's record.
    let reason = until("the record of a failure", LIMIT, async || {
        Ok(match state_of(stores, &run).await {
            TrainingRunState::Failed { reason, .. } => Some(reason),
            _ => None,
        })
    })
    .await
    .unwrap();
    assert!(reason.contains("ABORTED") && reason.contains(&execution), "{reason}");
    let finished = settled(stores, &run).await;
    let solved = finished.iter().filter(|key| !key.contains("/0/items/")).count();
    assert!(solved >= all / 4 && solved < all, "{solved} of {all} were solved before");

    let execution = machine.start(&run).await.unwrap();
    let ended = machine.wait(&execution).await.unwrap();
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let tasks = machine.tasks(&execution).await.unwrap();
    assert_eq!((tasks.found, tasks.computed), (solved, all - solved), "{tasks:?}");
    let (resumed, resumed_report) = published(stores, &run).await;
    let (undisturbed, undisturbed_report) = published(stores, &undisturbed).await;
    let score = largest_difference(&resumed, &undisturbed);
    println!("{solved} of {all} shards were there; largest difference of a score {score:e}");
    assert!(score < 1e-4, "{score}");
    for (domain, value) in ndcg(&undisturbed_report) {
        assert!((value - ndcg(&resumed_report)[&domain]).abs() < 1e-3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_whose_task_fails_for_good_ends_at_once_and_says_why() {
    let (cloud, machine) = start().await;
    let objects = &cloud.stores().objects;
    for key in objects.list(EVENTS_PREFIX).await.unwrap() {
        objects.delete(&key).await.unwrap();
    }
    let run = order(cloud.stores(), options()).await;
    let ended = machine.wait(&machine.start(&run).await.unwrap()).await.unwrap();
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("TaskFailed")));
    let TrainingRunState::Failed { reason, .. } = state_of(cloud.stores(), &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("the archive holds no event"), "{reason}");
}

/// What is in a gzipped CSV of `user,item` pairs with a header, spread over a month.
fn events_of(path: &str) -> Vec<Event> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let now = Timestamp::now();
    let event = |(number, line): (usize, &str)| {
        let (user, item) = line.split_once(',').unwrap();
        let item = item.split(',').next().unwrap();
        let at = now - SignedDuration::from_secs(random.random_range(60..2_600_000));
        view(DOMAINS[1], number, (user, item), at)
    };
    text.lines().skip(1).enumerate().map(event).collect()
}

/// `CROSSFOLD_PAIRS` names the file.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs data that is not part of the project"]
async fn the_state_machine_gives_the_model_of_one_machine_on_real_data() {
    let events = events_of(&std::env::var("CROSSFOLD_PAIRS").unwrap());
    let options = AlsOptions { regularisation: 0.003, ..AlsOptions::default() };
    let cloud = Cloud::start().await.unwrap();
    fill(cloud.stores(), &events).await;
    let machine = cloud.deploy_state_machine(16 << 20).await.unwrap();
    let ordered = world::train(&cloud, &serde_json::to_value(options).unwrap()).await.unwrap();
    let one_run = TrainingRunId::parse(ordered["id"].as_str().unwrap()).unwrap();
    let (one, one_report) = published(cloud.stores(), &one_run).await;
    let run = order(cloud.stores(), options).await;
    let started = Instant::now();
    let execution = machine.start(&run).await.unwrap();
    let ended = machine.wait(&execution).await.unwrap();
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let tasks = machine.tasks(&execution).await.unwrap().computed;
    let (many, many_report) = published(cloud.stores(), &run).await;
    println!("{} events, {tasks} tasks, {:?}", events.len(), started.elapsed());
    let score = largest_difference(&many, &one);
    let (one, many) = (ndcg(&one_report), ndcg(&many_report));
    println!("largest difference of a score {score:e}; ndcg@20 {one:?} and {many:?}");
    assert!(score < 1e-2, "{score}");
    for (domain, value) in &one {
        assert!((value - many[domain]).abs() < 1e-3);
    }
}
