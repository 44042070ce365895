//! Training beyond one machine, over the memory stores: the tasks that the state
//! machine would set, in its order, beside the one-machine worker on the same archive.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Instant;

use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::EVENTS_PREFIX;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, ModelId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::evidence::items::{Row, Weighted};
use crossfold_core::maths::als::{AlsOptions, Solver};
use crossfold_core::model::manifest::{blob_key, manifest_key};
use crossfold_core::model::{Model, decode_manifest};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::bridging::candidates::Candidate;
use crossfold_core::training::bridging::gate::DirectionReport;
use crossfold_core::training::bridging::mapping_fit::PeopleWeighting;
use crossfold_core::training::bridging::own_fits::FitSettings;
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::shadow::ShadowReport;
use crossfold_core::training::sharding::plan::{
    ShardBounds, folder, judged_key, plan_key, step_key,
};
use crossfold_core::training::tuning::TuningRequest;
use crossfold_registry::load::load_report;
use crossfold_storage::memory;
use crossfold_storage::records;
use crossfold_testing::{catalogue_item, event_at, event_id, event_type, item, user};
use crossfold_train::{
    EventLimit, RunOrder, ShardOutcome, ShardTask, ShardTrigger, ShardWorker, ShardWorkerError,
    TuningOrder, Worker, new_run,
};
use jiff::Timestamp;
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const OPTIONS: AlsOptions = AlsOptions {
    factors: 8,
    iterations: 3,
    unobserved_weight: 0.3,
    regularisation: 0.03,
    frequency_exponent: 1.0,
    seed: 1,
    solver: Solver::Mixed,
};
const PEOPLE: usize = 120;
const ITEMS: usize = 40;
/// Small enough for several shards of either side of the small world.
const SMALL: ShardBounds = ShardBounds { shard_bytes: 5_000, worker_bytes: 1 << 30 };

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

const DOMAINS: [&str; 2] = ["auto-finance", "knowledge"];

/// What somebody did, as often as they did it.
struct Deed {
    domain: DomainId,
    user: String,
    item: String,
    event_type: &'static str,
    second: i64,
}

/// A small world: tastes in four kinds of item, some people far busier than others. What
/// is not to their taste some of them dislike.
fn small_world() -> Vec<Deed> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut deeds = Vec::new();
    for person in 0..PEOPLE {
        let count = 4 + 200 / (person + 4);
        for _ in 0..count {
            let is_typical = random.random_bool(0.8);
            let item = random.random_range(0..ITEMS / 4) * 4 + person % 4;
            let item = if is_typical { item } else { random.random_range(0..ITEMS) };
            deeds.push(Deed {
                domain: knowledge(),
                user: format!("u{person}"),
                item: format!("i{item}"),
                event_type: if is_typical || person % 3 == 0 { "view" } else { "dislike" },
                second: random.random_range(0..90_000),
            });
        }
    }
    deeds
}

/// Two platforms and the same tastes on both. Most people are on both; the
/// others on one.
fn two_platforms() -> Vec<Deed> {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut deeds = Vec::new();
    for person in 0..3 * PEOPLE {
        for (number, name) in DOMAINS.iter().enumerate() {
            if person % 6 == number {
                continue;
            }
            for _ in 0..6 {
                let item = random.random_range(0..ITEMS / 4) * 4 + person % 4;
                deeds.push(Deed {
                    domain: DomainId::parse(name).unwrap(),
                    user: format!("u{person}"),
                    item: format!("i{item}"),
                    event_type: "view",
                    second: random.random_range(0..90_000),
                });
            }
        }
    }
    deeds
}

fn event(number: usize, deed: &Deed) -> Event {
    Event {
        event_id: event_id(&format!("e{number}")),
        user: user(&deed.user),
        domain: deed.domain.clone(),
        event_type: event_type(deed.event_type),
        item_id: item(&deed.item),
        ..event_at(deed.second)
    }
}

/// Stores with the deeds in the archive and their items in the catalogue.
async fn archived(deeds: &[Deed]) -> Stores {
    let stores = memory::stores();
    for name in DOMAINS {
        let granted = DOMAINS.map(|to| json!({"to": to, "purpose": "training", "granted": true}));
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": name, "currency": "CNY", "consent_defaults": granted,
            "event_types": {"view": {"weight": 1.0}, "dislike": {"weight": 2.0, "negative": true}},
        }))
        .unwrap();
        let domain = DomainId::parse(name).unwrap();
        records::put(&*stores.records, &domain, &definition).await.unwrap();
    }
    let items: BTreeSet<_> =
        deeds.iter().map(|deed| (deed.domain.clone(), item(&deed.item))).collect();
    for key in items {
        stores.catalogue.put(&catalogue_item(key)).await.unwrap();
    }
    for (file, deeds) in deeds.chunks(100_000).enumerate() {
        let events: Vec<Event> =
            deeds.iter().enumerate().map(|(at, deed)| event(file * 100_000 + at, deed)).collect();
        let key = format!("{EVENTS_PREFIX}domain=all/date=1970-01-01/{file}.parquet");
        let bytes = encode_events(&events).unwrap();
        stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }
    stores
}

fn clock() -> Clock {
    Clock::from_fn(|| Timestamp::from_second(100_000).unwrap())
}

fn worker(stores: &Stores, bounds: ShardBounds) -> ShardWorker {
    ShardWorker::new(stores.clone(), clock(), bounds, EventLimit::NONE)
}

async fn order(stores: &Stores, options: AlsOptions) -> TrainingRun {
    let run = new_run(options, Timestamp::UNIX_EPOCH).unwrap();
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    run
}

async fn state_of(stores: &Stores, run: &TrainingRun) -> TrainingRunState {
    records::get::<TrainingRun>(&*stores.records, &run.id).await.unwrap().unwrap().state
}

async fn published(stores: &Stores, run: &TrainingRun) -> (Model, TrainingReport) {
    let state = state_of(stores, run).await;
    let TrainingRunState::Succeeded { model, report, .. } = state else { panic!("{state:?}") };
    let report = load_report(&*stores.objects, &report.object.unwrap()).await.unwrap().unwrap();
    (load(stores, &model).await, report)
}

async fn load(stores: &Stores, id: &ModelId) -> Model {
    let manifest = stores.objects.get(&manifest_key(id)).await.unwrap().unwrap();
    let manifest = decode_manifest(id, &manifest.bytes).unwrap();
    let blob = stores.objects.get(&blob_key(&manifest.blob.sha256)).await.unwrap().unwrap();
    Model::decode(id.clone(), manifest, &blob.bytes).unwrap()
}

async fn set(worker: &ShardWorker, task: ShardTask) -> Result<ShardOutcome, ShardWorkerError> {
    // As JSON, which is how the state machine hands it over.
    let trigger: ShardTrigger =
        serde_json::from_value(serde_json::to_value(task).unwrap()).unwrap();
    worker.handle(trigger).await
}

async fn prepare(worker: &ShardWorker, run: &TrainingRun) -> usize {
    match set(worker, ShardTask::Prepare { run: run.id.clone() }).await.unwrap() {
        ShardOutcome::Prepared { steps, .. } => steps,
        other => panic!("{other:?}"),
    }
}

/// Sets the tasks of a step as its list has them, and says of each whether it was computed.
async fn carry_out_step(
    stores: &Stores,
    worker: &ShardWorker,
    run: &TrainingRun,
    step: usize,
) -> Vec<bool> {
    let list = stores.objects.get(&step_key(&run.id, step)).await.unwrap().unwrap();
    let tasks: Vec<ShardTask> = serde_json::from_slice(&list.bytes).unwrap();
    let mut computed = Vec::new();
    for task in tasks {
        match set(worker, task).await.unwrap() {
            ShardOutcome::Solved { computed: was } => computed.push(was),
            other => panic!("{other:?}"),
        }
    }
    computed
}

/// Does what the state machine does; gives what each step's tasks computed.
async fn drive(stores: &Stores, worker: &ShardWorker, run: &TrainingRun) -> Vec<Vec<bool>> {
    let mut computed = Vec::new();
    for step in 0..prepare(worker, run).await {
        computed.push(carry_out_step(stores, worker, run, step).await);
    }
    set(worker, ShardTask::Finish { run: run.id.clone() }).await.unwrap();
    computed
}

async fn train_on_one_machine(stores: &Stores, options: AlsOptions) -> (Model, TrainingReport) {
    let run = order(stores, options).await;
    let run = Worker::new(stores.clone(), clock()).carry_out(run).await.unwrap();
    published(stores, &run).await
}

/// Item factors with the columns, which are eigenvectors, in order of length and
/// pointing to the same side: both are left open by what an eigenbasis is.
fn in_order(model: &Model) -> Array2<f32> {
    let factors = model.item_factors();
    let mut columns: Vec<_> = factors.columns().into_iter().collect();
    columns.sort_by(|a, b| b.dot(b).total_cmp(&a.dot(a)));
    let mut ordered = Array2::zeros(factors.dim());
    for (mut to, from) in ordered.columns_mut().into_iter().zip(columns) {
        let farthest =
            from.iter().fold(0.0f32, |far, v| if v.abs() > far.abs() { *v } else { far });
        to.assign(&(&from * farthest.signum()));
    }
    ordered
}

/// The largest difference of a factor, and that of a score of one item for another.
fn largest_differences(a: &Model, b: &Model) -> (f32, f32) {
    let (a, b) = (in_order(a), in_order(b));
    assert_eq!(a.dim(), b.dim());
    let largest = |a: &Array2<f32>, b: &Array2<f32>| {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    (largest(&a, &b), largest(&a.dot(&a.t()), &b.dot(&b.t())))
}

fn metrics(report: &TrainingReport) -> BTreeMap<String, f64> {
    let of =
        |(domain, evaluation): (&DomainId, &crossfold_core::maths::measure::DomainEvaluation)| {
            let domain = domain.clone();
            let named = evaluation.metrics.clone().into_iter();
            named.map(move |(name, value)| (format!("{domain} {name}"), value)).collect::<Vec<_>>()
        };
    let last = report.evaluation.iter().filter_map(|(domain, evaluation)| {
        let last = evaluation.leave_last_out.as_ref()?;
        Some((format!("{domain} last ndcg@20"), last.metrics["ndcg@20"]))
    });
    report.evaluation.iter().flat_map(of).chain(last).collect()
}

/// What a report holds besides figures that rounding may move.
fn counts(report: &TrainingReport) -> TrainingReport {
    TrainingReport {
        evaluation: BTreeMap::new(),
        shadow: ShadowReport::default(),
        drift: None,
        bridges: Vec::new(),
        ..report.clone()
    }
}

/// The largest difference of a score, for people who know one item.
fn largest_score_difference(a: &Model, b: &Model) -> f32 {
    let mut largest = 0.0f32;
    for domain in a.index().ranges().keys() {
        for item in 0..a.index().len() as u32 {
            let estimate = |model: &Model| {
                let estimate = model.estimate(domain, &[Weighted::new(Row(item), 1.0)]);
                estimate.map(|estimate| estimate.scores().to_vec())
            };
            let (a, b) = (estimate(a), estimate(b));
            assert_eq!(a.is_some(), b.is_some(), "{domain} {item}");
            let scores = a.into_iter().flatten().zip(b.into_iter().flatten());
            largest = scores.map(|(a, b)| (a - b).abs()).fold(largest, f32::max);
        }
    }
    largest
}

/// The same is served, for the same reasons but for what JSON rounds.
fn assert_verdicts_same(many: &[DirectionReport], one: &[DirectionReport]) {
    assert_eq!(many.len(), one.len());
    for (many, one) in many.iter().zip(one) {
        assert_eq!((&many.direction, many.verdict), (&one.direction, one.verdict));
        assert_eq!((many.people, many.judging_people), (one.people, one.judging_people));
        assert!((many.lift() - one.lift()).abs() < 1e-9);
    }
}

fn assert_same(many: &(Model, TrainingReport), one: &(Model, TrainingReport)) {
    assert_eq!(many.0.index(), one.0.index());
    let score = largest_score_difference(&many.0, &one.0);
    println!("largest difference of a score {score:e}");
    assert!(score < 1e-4, "{score}");
    assert_verdicts_same(&many.1.bridges, &one.1.bridges);
    assert_eq!(counts(&many.1), counts(&one.1));
    assert_eq!(many.0.manifest().inputs, one.0.manifest().inputs);
    let (many_metrics, one_metrics) = (metrics(&many.1), metrics(&one.1));
    assert!(one_metrics.contains_key("knowledge last ndcg@20"), "{one_metrics:?}");
    for (name, value) in &one_metrics {
        assert!((value - many_metrics[name]).abs() < 1e-3, "{name}: {value} {many_metrics:?}");
    }
    let (many, one) = (&many.1.shadow.domains, &one.1.shadow.domains);
    assert_eq!(many.len(), one.len());
    for (domain, one) in one {
        let many = &many[domain];
        assert!((many.mean - one.mean).abs() < 1e-3, "{many:?} {one:?}");
        assert_eq!(many.champion.is_some(), one.champion.is_some());
        for (many, one) in many.champion.iter().zip(&one.champion) {
            assert_eq!((many.basis, many.people), (one.basis, one.people));
            assert!((many.difference.mean - one.difference.mean).abs() < 1e-3);
        }
    }
}

#[tokio::test]
async fn shards_give_the_model_and_the_report_that_one_machine_gives() {
    let (alone, stores) = (archived(&small_world()).await, archived(&small_world()).await);
    let one = train_on_one_machine(&alone, OPTIONS).await;
    let run = order(&stores, OPTIONS).await;
    let computed = drive(&stores, &worker(&stores, SMALL), &run).await;
    assert_eq!(computed.len(), 2 * OPTIONS.iterations);
    // Three fits, of which each side is cut.
    assert!(computed.iter().all(|step| step.len() > 3), "one shard is no test: {computed:?}");
    assert!(computed.iter().flatten().all(|was_computed| *was_computed));
    let many = published(&stores, &run).await;
    assert_same(&many, &one);
    let (factor, score) = largest_differences(&many.0, &one.0);
    println!("largest difference of a factor {factor:e}, of a product {score:e}");
    assert!(factor < 1e-3 && score < 1e-4, "{factor} {score}");
    assert_eq!(one.1.shadow.champion, None);

    // The next ones are held against those.
    let one = train_on_one_machine(&alone, OPTIONS).await;
    let champion = published(&stores, &run).await.0.id().clone();
    let run = order(&stores, OPTIONS).await;
    drive(&stores, &worker(&stores, SMALL), &run).await;
    let many = published(&stores, &run).await;
    assert_eq!(many.1.shadow.champion, Some(champion));
    assert!(many.1.shadow.domains[&knowledge()].champion.is_some());
    assert!(many.1.drift.is_some());
    assert_same(&many, &one);
}

#[tokio::test]
async fn shards_build_the_bridges_that_one_machine_builds() {
    let world = two_platforms();
    let (alone, stores) = (archived(&world).await, archived(&world).await);
    let one = train_on_one_machine(&alone, OPTIONS).await;
    for report in &one.1.bridges {
        println!("{:?}: {:?}", report.direction, report.verdict);
        assert!(report.verdict.served().is_some(), "{report:?}");
    }
    let run = order(&stores, OPTIONS).await;
    drive(&stores, &worker(&stores, SMALL), &run).await;
    let many = published(&stores, &run).await;
    assert_same(&many, &one);
    assert_eq!(many.0.manifest().bridges.len(), 2);
}

/// Writes verdicts where a worker that died would have left them: of each
/// direction, that this candidate passed.
async fn leave_verdicts(stores: &Stores, run: &TrainingRun, passed: [Candidate; 2]) {
    let key = judged_key(&run.id);
    let judged = stores.objects.get(&key).await.unwrap().unwrap().bytes;
    let mut record: serde_json::Value = serde_json::from_slice(&judged).unwrap();
    for (at, chosen) in passed.into_iter().enumerate() {
        record["report"]["bridges"][at]["verdict"] = json!("passed");
        record["report"]["bridges"][at]["chosen"] = serde_json::to_value(chosen).unwrap();
    }
    let record = serde_json::to_vec(&record).unwrap().into();
    // It died before there was a plan, or anything that follows from one.
    for written in stores.objects.list(&folder(&run.id)).await.unwrap() {
        stores.objects.delete(&written).await.unwrap();
    }
    stores.objects.put(&key, record, PutCondition::None).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_bridge_is_the_same_however_fits_are_cut() {
    let joint = Candidate::Joint { source_weight: 1.0 };
    let mapping = Candidate::Mapping { ridge: 1.0, weighting: PeopleWeighting::Logarithm };
    let block = Candidate::CrossBlock { ridge: 20.0 };
    let whole = ShardBounds { shard_bytes: 1 << 20, ..SMALL };
    let world = two_platforms();
    let fit = FitSettings { unobserved_weight: 0.05, regularisation: 0.01 };
    let two_block = Candidate::TwoBlock { fit, ridge: 2.0, factor_weight: 1.0 };
    let pair = Candidate::Pair { fit, source_weight: 1.0 };
    let several =
        [[joint, mapping], [block, joint], [joint, joint], [mapping, mapping], [two_block, pair]];
    for passed in several {
        let mut models = Vec::new();
        for bounds in [whole, SMALL] {
            let stores = archived(&world).await;
            let (worker, run) = (worker(&stores, bounds), order(&stores, OPTIONS).await);
            prepare(&worker, &run).await;
            leave_verdicts(&stores, &run, passed).await;
            let steps = drive(&stores, &worker, &run).await.len();
            let has_map = passed.contains(&mapping);
            assert_eq!(steps, 2 * OPTIONS.iterations + usize::from(has_map));
            let (model, report) = published(&stores, &run).await;
            let chosen: Vec<_> = report.bridges.iter().map(|b| b.verdict.served()).collect();
            assert_eq!(chosen, passed.map(Some));
            models.push(model);
        }
        let score = largest_score_difference(&models[0], &models[1]);
        assert!(score < 1e-4, "{passed:?}: {score}");
        assert_eq!(models[1].manifest().bridges.len(), 2);
        assert_eq!(
            models[1].manifest().domain_factors,
            passed == [joint, mapping] || passed == [block, joint]
        );
    }
}

#[tokio::test]
async fn a_plan_of_another_version_is_refused_by_its_version() {
    let stores = archived(&small_world()).await;
    let (worker, run) = (worker(&stores, SMALL), order(&stores, OPTIONS).await);
    stores
        .objects
        .put(&plan_key(&run.id), br#"{"format": 1}"#.to_vec().into(), PutCondition::None)
        .await
        .unwrap();
    let error = set(&worker, ShardTask::Prepare { run: run.id.clone() }).await.unwrap_err();
    assert!(error.to_string().contains("format 1"), "{error}");
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    let stores = archived(&small_world()).await;
    let (worker, run) = (worker(&stores, SMALL), order(&stores, OPTIONS).await);
    let steps = prepare(&worker, &run).await;
    for step in 0..steps / 2 {
        carry_out_step(&stores, &worker, &run, step).await;
    }
    // Killed in the middle of a step: one shard of it is there, the others are not.
    let list = stores.objects.get(&step_key(&run.id, steps / 2)).await.unwrap().unwrap();
    let tasks: Vec<ShardTask> = serde_json::from_slice(&list.bytes).unwrap();
    set(&worker, tasks[0].clone()).await.unwrap();
    let factors = format!("{}factors/", folder(&run.id));
    let mut finished = BTreeMap::new();
    for key in stores.objects.list(&factors).await.unwrap() {
        let object = stores.objects.get(&key).await.unwrap().unwrap();
        finished.insert(key, object.etag);
    }

    assert_eq!(prepare(&worker, &run).await, steps);
    for step in 0..steps {
        let computed = carry_out_step(&stores, &worker, &run, step).await;
        for (shard, was_computed) in computed.into_iter().enumerate() {
            let is_new = step > steps / 2 || (step == steps / 2 && shard > 0);
            assert_eq!(was_computed, is_new, "step {step}, shard {shard}");
        }
    }
    for (key, etag) in finished {
        assert_eq!(stores.objects.get(&key).await.unwrap().unwrap().etag, etag, "{key}");
    }
    set(&worker, ShardTask::Finish { run: run.id.clone() }).await.unwrap();
    let undisturbed = order(&stores, OPTIONS).await;
    drive(&stores, &worker, &undisturbed).await;
    let (resumed, _) = published(&stores, &run).await;
    let (undisturbed, _) = published(&stores, &undisturbed).await;
    assert_eq!(resumed.item_factors(), undisturbed.item_factors());
}

#[tokio::test]
async fn a_broken_shard_is_solved_again_when_its_step_is_repeated() {
    let stores = archived(&small_world()).await;
    let (worker, run) = (worker(&stores, SMALL), order(&stores, OPTIONS).await);
    prepare(&worker, &run).await;
    carry_out_step(&stores, &worker, &run, 0).await;
    let key = format!("{}factors/without_newest/domain=knowledge/1/people/1", folder(&run.id));
    let whole = stores.objects.get(&key).await.unwrap().unwrap().bytes;
    let torn = whole.slice(..whole.len() / 2);
    stores.objects.put(&key, torn, PutCondition::None).await.unwrap();
    // A step that needs it names it instead of going on with half of the people.
    let task = ShardTask::Solve { run: run.id.clone(), step: 1, fit: 0, shard: 0 };
    let error = set(&worker, task).await.unwrap_err().to_string();
    assert!(error.contains(&key) && error.contains("checksum"), "{error}");
    let computed = carry_out_step(&stores, &worker, &run, 0).await;
    assert_eq!(computed.iter().position(|was_computed| *was_computed), Some(1));
    assert_eq!(computed.iter().filter(|was_computed| **was_computed).count(), 1);
    assert_eq!(stores.objects.get(&key).await.unwrap().unwrap().bytes, whole);
}

#[tokio::test]
async fn what_is_prepared_first_counts_and_a_finished_run_is_left_alone() {
    let stores = archived(&small_world()).await;
    let (first, run) = (worker(&stores, SMALL), order(&stores, OPTIONS).await);
    let steps = prepare(&first, &run).await;
    let plan = stores.objects.get(&plan_key(&run.id)).await.unwrap().unwrap().bytes;
    // Delivered again, to a worker that would cut differently.
    let other = worker(&stores, ShardBounds { shard_bytes: 2_000, ..SMALL });
    assert_eq!(prepare(&other, &run).await, steps);
    assert_eq!(stores.objects.get(&plan_key(&run.id)).await.unwrap().unwrap().bytes, plan);
    drive(&stores, &other, &run).await;
    assert_eq!(stores.objects.list(&folder(&run.id)).await.unwrap(), Vec::<String>::new());
    let before = state_of(&stores, &run).await;
    assert_eq!(prepare(&first, &run).await, 0);
    set(&first, ShardTask::Finish { run: run.id.clone() }).await.unwrap();
    assert_eq!(state_of(&stores, &run).await, before);
    assert_eq!(stores.objects.list(&folder(&run.id)).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_that_no_retry_mends_is_the_runs() {
    let stores = archived(&small_world()).await;
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        stores.objects.delete(&key).await.unwrap();
    }
    let run = order(&stores, OPTIONS).await;
    let task = ShardTask::Prepare { run: run.id.clone() };
    let error = set(&worker(&stores, SMALL), task).await.unwrap_err();
    let diagnostic = lambda_runtime::Diagnostic::from(error);
    assert_eq!(diagnostic.error_type, "TaskFailed");
    let TrainingRunState::Failed { reason, .. } = state_of(&stores, &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("nothing to train on"), "{reason}");
}

#[tokio::test]
async fn an_execution_that_ends_without_success_fails_its_run_unless_that_ended_before() {
    let stores = archived(&small_world()).await;
    let (worker, run) = (worker(&stores, SMALL), order(&stores, OPTIONS).await);
    let ended = json!({"source": "aws.states", "detail": {
        "executionArn": "arn:aws:states:x:0:execution:retrain:1", "status": "TIMED_OUT",
        "input": json!([{"run": run.id}]).to_string(), "error": null, "cause": null,
    }});
    let ended: ShardTrigger = serde_json::from_value(ended).unwrap();
    assert_eq!(worker.handle(ended.clone()).await.unwrap(), ShardOutcome::Recorded);
    let TrainingRunState::Failed { reason, .. } = state_of(&stores, &run).await else {
        panic!("the run did not fail");
    };
    assert!(reason.contains("execution:retrain:1 ended TIMED_OUT"), "{reason}");
    // Started again, it succeeds, and stays so whatever news comes late.
    drive(&stores, &worker, &run).await;
    worker.handle(ended).await.unwrap();
    published(&stores, &run).await;
}

#[tokio::test]
async fn what_no_worker_could_hold_is_refused_with_a_way_out() {
    let stores = archived(&small_world()).await;
    let run = order(&stores, OPTIONS).await;
    let limited = Worker::new(stores.clone(), clock()).with_limit(EventLimit(100));
    let run = limited.carry_out(run).await.unwrap();
    let TrainingRunState::Failed { reason, .. } = run.state else { panic!("it did not fail") };
    assert!(reason.contains("100 events") && reason.contains("state machine"), "{reason}");
    let run = order(&stores, OPTIONS).await;
    let cramped = worker(&stores, ShardBounds { shard_bytes: 5_000, worker_bytes: 20_000 });
    let task = ShardTask::Prepare { run: run.id.clone() };
    let error = set(&cramped, task).await.unwrap_err();
    assert!(matches!(error, ShardWorkerError::TooLarge(_)), "{error}");
}

/// The most memory that this process has had, where Linux tells.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1_024
}

/// Figures on real data: `CROSSFOLD_PAIRS` names a gzipped CSV of `user,item`
/// pairs with a header. They are spread over a day, whoever's they are.
#[tokio::test]
#[ignore = "needs data that is not part of the project"]
async fn the_same_on_real_data() {
    let path = std::env::var("CROSSFOLD_PAIRS").unwrap();
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let deeds: Vec<Deed> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split(',');
            let (user, item) = (fields.next().unwrap(), fields.next().unwrap());
            // Not by position: a person's pairs stand together.
            let hash = line.bytes().fold(17u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
            });
            Deed {
                domain: knowledge(),
                user: format!("u{user}"),
                item: format!("i{item}"),
                event_type: "view",
                second: (hash % 90_000) as i64,
            }
        })
        .collect();
    let options = AlsOptions { regularisation: 0.003, ..AlsOptions::default() };
    let stores = archived(&deeds).await;
    println!("{} pairs", deeds.len());
    drop((text, deeds));
    let before = peak_megabytes();
    let started = Instant::now();
    let (one, one_report) = train_on_one_machine(&stores, options).await;
    println!(
        "one machine: {:?}, peak {before} MB before, {} after",
        started.elapsed(),
        peak_megabytes()
    );
    let bounds = ShardBounds { shard_bytes: 8 << 20, worker_bytes: 10_240 << 20 };
    let run = order(&stores, options).await;
    let started = Instant::now();
    let computed = drive(&stores, &worker(&stores, bounds), &run).await;
    println!("shards: {:?}, {} and {}", started.elapsed(), computed[0].len(), computed[1].len());
    let (many, many_report) = published(&stores, &run).await;
    let (rows, items) = (one_report.rows, one_report.items);
    println!("{rows} rows, {items} items, {} interactions", one_report.interactions);
    let largest = one.item_factors().iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let (factor, score) = largest_differences(&many, &one);
    println!("largest factor {largest}, largest difference {factor:e}, of a score {score:e}");
    let many_metrics = metrics(&many_report);
    for (name, value) in metrics(&one_report) {
        let difference = many_metrics[&name] - value;
        println!("{name}: {value:.6}, difference {difference:e}");
        assert!(difference.abs() < 1e-3);
    }
    assert!(score < 1e-2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_shards_is_fitted_with_what_its_search_chose() {
    let stores = archived(&small_world()).await;
    let tuning = TuningRequest { candidates: 3, ..TuningRequest::of_seconds(60.0) };
    let ordered = RunOrder { options: OPTIONS, tuning: TuningOrder::Within(tuning) };
    let run = new_run(ordered, Timestamp::UNIX_EPOCH).unwrap();
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    drive(&stores, &worker(&stores, SMALL), &run).await;
    let (model, report) = published(&stores, &run).await;
    let told = report.tuning.unwrap();
    assert!(told.candidates.len() > 3, "it climbed: {told:?}");
    assert_eq!(model.manifest().options, told.candidate.options);
    assert_eq!(model.manifest().evidence, told.candidate.evidence);
}
