//! Models over the memory stores: the gate, promotion, rollback, what is kept,
//! and drift.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::EVENTS_PREFIX;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::domain_deletion::{DeletionStage, DomainDeletion};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, ModelId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::maths::als::{AlsOptions, Solver};
use crossfold_core::model::decode_manifest;
use crossfold_core::model::manifest::{blob_key as blob_key_of, manifest_key, report_key};
use crossfold_core::release::champion::{POINTER_KEY, Pointer, Promoter, Retiring};
use crossfold_core::release::gate::{CheckFinding, CheckOutcome, VerdictSummary};
use crossfold_core::release::record::{ModelState, RECORDS_PREFIX};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::drift::DriftStatus;
use crossfold_edge::caller::Caller;
use crossfold_edge::router::complete;
use crossfold_registry::listing::list_models;
use crossfold_registry::load::{load, load_report};
use crossfold_registry::promotion::{PromotionError, PromotionOrder, promote};
use crossfold_registry::retention::clear_old_models;
use crossfold_storage::erasure;
use crossfold_storage::memory;
use crossfold_storage::records;
use crossfold_testing::{catalogue_item, event_at, event_id, item_key, user};
use crossfold_train::{TrainingState, TuningOrder, Worker, new_run, routes};
use data_encoding::HEXLOWER;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

/// Too few to choose rankers by, so that factors alone rank: a bad fit shows.
const PEOPLE: usize = 72;
const TASTES: usize = 5;
const ITEMS_PER_TASTE: usize = 12;
/// Items that each person takes, one after another.
const TAKEN: usize = 10;
const DAY: i64 = 86_400;

/// A fit that finds the tastes.
const GOOD: AlsOptions = AlsOptions {
    factors: 8,
    iterations: 20,
    unobserved_weight: 0.1,
    regularisation: 0.01,
    frequency_exponent: 1.0,
    seed: 1,
    solver: Solver::Mixed,
};
/// A fit with too few factors to tell them apart.
const BAD: AlsOptions = AlsOptions { factors: 1, ..GOOD };

/// A fit about as good that gives another model. (Another seed gives one that is
/// worse beyond doubt on so little data, as the gate finds.)
fn variant(number: usize) -> AlsOptions {
    AlsOptions { iterations: GOOD.iterations + number, ..GOOD }
}

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

/// What a person of a taste takes at a step; everyone's steps are of the same times.
fn event(person: usize, step: usize, event_type: &str, from: i64) -> Event {
    let item = (person * 5 + step) % ITEMS_PER_TASTE * TASTES + person % TASTES;
    Event {
        event_id: event_id(&format!("e{from}-{step}")),
        user: user(&format!("p{person}")),
        event_type: crossfold_testing::event_type(event_type),
        item_id: crossfold_testing::item(&format!("i{item:02}")),
        ..event_at(from + (step * PEOPLE + person) as i64 * 60)
    }
}

async fn archive(stores: &Stores, name: &str, events: &[Event]) {
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=1970-01-01/{name}.parquet");
    let bytes = encode_events(events).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
}

fn taken(people: std::ops::Range<usize>) -> Vec<Event> {
    people.flat_map(|person| (0..TAKEN).map(move |step| event(person, step, "view", 0))).collect()
}

/// Stores with a domain, its items, and the events of people of five tastes.
async fn archived() -> Stores {
    let stores = memory::stores();
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY", "half_life_days": 3650.0,
        "event_types": {"view": {"weight": 1.0}, "enrol": {"weight": 1.0}},
    }))
    .unwrap();
    records::put(&*stores.records, &knowledge(), &definition).await.unwrap();
    for number in 0..TASTES * ITEMS_PER_TASTE {
        let key = item_key("knowledge", &format!("i{number:02}"));
        stores.catalogue.put(&catalogue_item(key)).await.unwrap();
    }
    archive(&stores, "a", &taken(0..30)).await;
    archive(&stores, "b", &taken(30..PEOPLE)).await;
    stores
}

/// The time, which moves on by a second at every look and can be set.
#[derive(Clone)]
struct Time(Arc<AtomicI64>);

impl Time {
    fn start() -> Self {
        Self(Arc::new(AtomicI64::new(2 * DAY)))
    }

    fn clock(&self) -> Clock {
        let seconds = self.0.clone();
        Clock::from_fn(move || {
            Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap()
        })
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

async fn train(worker: &Worker, options: AlsOptions) -> TrainingRunState {
    run(worker, new_run(options, Timestamp::UNIX_EPOCH).unwrap()).await
}

async fn run(worker: &Worker, run: TrainingRun) -> TrainingRunState {
    worker.carry_out(run).await.unwrap().state
}

fn model_of(state: &TrainingRunState) -> ModelId {
    match state {
        TrainingRunState::Succeeded { model, .. } => model.clone(),
        TrainingRunState::Refused { model: Some(model), .. } => model.clone(),
        other => panic!("no model: {other:?}"),
    }
}

#[track_caller]
fn published(state: &TrainingRunState) -> ModelId {
    assert!(matches!(state, TrainingRunState::Succeeded { .. }), "{state:?}");
    model_of(state)
}

async fn pointer(stores: &Stores) -> Pointer {
    let object = stores.objects.get(POINTER_KEY).await.unwrap().unwrap();
    serde_json::from_slice(&object.bytes).unwrap()
}

fn order(model: &ModelId, at: Timestamp) -> PromotionOrder {
    let by = Promoter::Caller { caller: "token".into(), scope: "training:write".into() };
    PromotionOrder { model: model.clone(), by, expected: None, at }
}

async fn blob_key(stores: &Stores, id: &ModelId) -> String {
    let manifest = stores.objects.get(&manifest_key(id)).await.unwrap().unwrap();
    blob_key_of(&decode_manifest(id, &manifest.bytes).unwrap().blob.sha256)
}

async fn tear(stores: &Stores, id: &ModelId) {
    let key = blob_key(stores, id).await;
    let blob = stores.objects.get(&key).await.unwrap().unwrap().bytes;
    let half = blob.slice(..blob.len() / 2);
    stores.objects.put(&key, half, PutCondition::None).await.unwrap();
}

/// Calls the API as the development caller.
async fn call(stores: &Stores, time: &Time, method: Method, path: &str) -> (StatusCode, Value) {
    let state = TrainingState {
        activity: stores.activity.clone(),
        records: stores.records.clone(),
        objects: stores.objects.clone(),
        clock: time.clock(),
        tuning: TuningOrder::ByDefault,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    request.extensions_mut().insert(Caller::development());
    let response = complete(routes().with_state(state)).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_model_worse_than_the_champion_is_kept_but_not_served_until_a_person_says_so() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let champion = published(&train(&worker, GOOD).await);
    let refused = train(&worker, BAD).await;
    let TrainingRunState::Refused { model: Some(bad), reasons, verdict, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert!(reasons.iter().any(|reason| reason.contains("the champion")), "{reasons:?}");
    assert_eq!(verdict.champion.as_ref(), Some(&champion));
    assert_eq!(pointer(&stores).await.model, Some(champion.clone()));
    let page = list_models(&*stores.objects, None, 10).await.unwrap().unwrap();
    let listed: Vec<_> = page.models.iter().map(|m| (m.state, &m.record.id)).collect();
    assert_eq!(listed, [(ModelState::Refused, bad), (ModelState::Champion, &champion)]);
    let recorded = page.models[0].record.verdict.as_ref().unwrap();
    assert_eq!(&VerdictSummary::from(recorded), verdict);

    let path = format!("/v1/models/{bad}/promote");
    let (status, answer) = call(&stores, &time, Method::POST, &path).await;
    assert_eq!((status, &answer["state"]), (StatusCode::OK, &json!("champion")), "{answer}");
    let pointer = pointer(&stores).await;
    assert_eq!((pointer.model.as_ref(), pointer.previous.as_ref()), (Some(bad), Some(&champion)));
    let by = Promoter::Caller { caller: "development".into(), scope: "training:write".into() };
    assert_eq!(pointer.history[0].by, by);
    // Held against the bad champion, a good model passes again.
    published(&train(&worker, variant(2)).await);
}

#[tokio::test]
async fn the_same_events_trained_again_pass_and_roll_back_is_one_promotion() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let first = published(&train(&worker, GOOD).await);
    let second = published(&train(&worker, GOOD).await);
    assert_ne!(first, second);
    let started = std::time::Instant::now();
    let back = promote(&*stores.objects, order(&first, time.now())).await.unwrap();
    eprintln!("rolled back in {:?}", started.elapsed());
    assert_eq!((back.model.as_ref(), back.previous.as_ref()), (Some(&first), Some(&second)));
    // Once more changes nothing, not even the history.
    let again = promote(&*stores.objects, order(&first, time.now())).await.unwrap();
    assert_eq!((again, pointer(&stores).await), (back.clone(), back));
}

#[tokio::test]
async fn far_fewer_events_are_refused_unless_the_run_accepts_them() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    published(&train(&worker, GOOD).await);
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        stores.objects.delete(&key).await.unwrap();
    }
    archive(&stores, "a", &taken(0..30)).await;
    let refused = train(&worker, GOOD).await;
    let TrainingRunState::Refused { reasons, .. } = &refused else { panic!("{refused:?}") };
    assert!(reasons.iter().any(|reason| reason.contains("made from 300 events")), "{reasons:?}");
    let mut forced = new_run(GOOD, Timestamp::UNIX_EPOCH).unwrap();
    forced.accept_fewer_events = true;
    let state = run(&worker, forced).await;
    let id = model_of(&state);
    let page = list_models(&*stores.objects, None, 10).await.unwrap().unwrap();
    let listed = page.models.into_iter().find(|model| model.record.id == id).unwrap();
    let verdict = listed.record.verdict.unwrap();
    let events = verdict
        .checks
        .iter()
        .find(|check| matches!(check.finding, CheckFinding::Events { accepted: true, .. }));
    assert_eq!(events.unwrap().outcome, CheckOutcome::Passed);
}

#[tokio::test]
async fn a_torn_or_vanished_model_is_refused_by_promotion_and_the_champion_serves_on() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let torn = published(&train(&worker, GOOD).await);
    let champion = published(&train(&worker, variant(2)).await);
    tear(&stores, &torn).await;
    let before = pointer(&stores).await;
    let path = format!("/v1/models/{torn}/promote");
    let (status, problem) = call(&stores, &time, Method::POST, &path).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("model_unusable")));
    stores.objects.delete(&blob_key(&stores, &torn).await).await.unwrap();
    let (status, problem) = call(&stores, &time, Method::POST, &path).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("model_unusable")));
    stores.objects.put(&manifest_key(&torn), "{}".into(), PutCondition::None).await.unwrap();
    let (status, problem) = call(&stores, &time, Method::POST, &path).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("model_unusable")));
    let (status, shown) = call(&stores, &time, Method::GET, &format!("/v1/models/{torn}")).await;
    assert_eq!((status, &shown["manifest"]), (StatusCode::OK, &Value::Null));
    assert_eq!(pointer(&stores).await, before);
    assert_eq!(load(&*stores.objects, &champion).await.unwrap().id(), &champion);
}

#[tokio::test]
async fn with_a_torn_champion_the_next_model_is_held_against_the_one_that_serves() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let first = published(&train(&worker, GOOD).await);
    let second = published(&train(&worker, variant(2)).await);
    tear(&stores, &second).await;
    let third = train(&worker, variant(3)).await;
    published(&third);
    let TrainingRunState::Succeeded { verdict: Some(verdict), .. } = third else { panic!() };
    assert_eq!(verdict.champion, Some(first));
}

#[tokio::test]
async fn a_pointer_that_moved_since_it_was_seen_is_a_conflict() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let first = published(&train(&worker, GOOD).await);
    let second = published(&train(&worker, variant(2)).await);
    let expecting = |model: &ModelId, expected: &ModelId| PromotionOrder {
        expected: Some(expected.clone()),
        ..order(model, time.now())
    };
    let stale = promote(&*stores.objects, expecting(&first, &first)).await;
    assert!(matches!(stale, Err(PromotionError::Unexpected)), "{stale:?}");
    promote(&*stores.objects, expecting(&first, &second)).await.unwrap();
    let unknown = ModelId::parse(&"0".repeat(64)).unwrap();
    let path = format!("/v1/models/{unknown}/promote");
    let (status, problem) = call(&stores, &time, Method::POST, &path).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown_model")));
}

#[tokio::test]
async fn the_newest_models_are_kept_and_what_the_pointer_names_and_the_young() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock()).keeping_models(2);
    let mut models = Vec::new();
    for number in 0..4 {
        models.push(published(&train(&worker, variant(number)).await));
    }
    let kept = async || -> Vec<ModelId> {
        let page = list_models(&*stores.objects, None, 100).await.unwrap().unwrap();
        page.models.into_iter().rev().map(|model| model.record.id).collect()
    };
    // All are younger than a day.
    assert_eq!(kept().await, models);
    // The oldest serves again: it and the one before it stay, with the newest two.
    promote(&*stores.objects, order(&models[0], time.now())).await.unwrap();
    time.advance(2 * DAY);
    let cleared = clear_old_models(&*stores.objects, 1, time.now()).await.unwrap();
    assert_eq!(cleared, [models[2].clone(), models[1].clone()]);
    assert_eq!(kept().await, [models[0].clone(), models[3].clone()]);
    for gone in &models[1..3] {
        assert!(stores.objects.get(&manifest_key(gone)).await.unwrap().is_none());
        let refused = promote(&*stores.objects, order(gone, time.now())).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    for left in [&models[0], &models[3]] {
        load(&*stores.objects, left).await.unwrap();
    }
    let blobs = stores.objects.list("models/").await.unwrap();
    assert_eq!(blobs.iter().filter(|key| key.ends_with(".safetensors")).count(), 2);
    assert!(pointer(&stores).await.retiring.is_empty());
    assert!(clear_old_models(&*stores.objects, 1, time.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_being_deleted_is_not_promoted_and_a_broken_off_clearing_is_finished() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let first = published(&train(&worker, GOOD).await);
    for number in 2..4 {
        published(&train(&worker, variant(number)).await);
    }
    let blob = blob_key(&stores, &first).await;
    let sha256 = blob.split('/').nth(1).unwrap().to_owned();
    let announced = Pointer {
        retiring: vec![Retiring { model: first.clone(), blob: Some(sha256), report: None }],
        ..pointer(&stores).await
    };
    let bytes = serde_json::to_vec(&announced).unwrap();
    stores.objects.put(POINTER_KEY, bytes.into(), PutCondition::None).await.unwrap();
    let refused = promote(&*stores.objects, order(&first, time.now())).await;
    assert!(matches!(refused, Err(PromotionError::Retiring)), "{refused:?}");
    let cleared = clear_old_models(&*stores.objects, 10, time.now()).await.unwrap();
    assert_eq!(cleared, std::slice::from_ref(&first));
    assert!(stores.objects.get(&blob).await.unwrap().is_none());
    assert!(pointer(&stores).await.retiring.is_empty());
    assert_eq!(stores.objects.list(RECORDS_PREFIX).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_champion_from_before_there_were_records_gets_one() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let champion = published(&train(&worker, GOOD).await);
    for key in stores.objects.list(RECORDS_PREFIX).await.unwrap() {
        stores.objects.delete(&key).await.unwrap();
    }
    let path = format!("/v1/models/{champion}");
    let (status, shown) = call(&stores, &time, Method::GET, &path).await;
    assert_eq!((status, &shown["state"]), (StatusCode::OK, &json!("champion")));
    clear_old_models(&*stores.objects, 10, time.now()).await.unwrap();
    let page = list_models(&*stores.objects, None, 10).await.unwrap().unwrap();
    assert_eq!((&page.models[0].record.id, page.models.len()), (&champion, 1));
}

/// Stores a model again as the format before did: its report within the manifest.
async fn store_in_format_2(stores: &Stores, id: &ModelId) -> ModelId {
    let manifest = stores.objects.get(&manifest_key(id)).await.unwrap().unwrap().bytes;
    let reference = decode_manifest(id, &manifest).unwrap().report.unwrap();
    let report = stores.objects.get(&report_key(&reference.sha256)).await.unwrap().unwrap().bytes;
    let mut fields: serde_json::Map<String, Value> = serde_json::from_slice(&manifest).unwrap();
    fields.remove("events");
    fields.insert("format".into(), json!(2));
    fields.insert("report".into(), serde_json::from_slice(&report).unwrap());
    let manifest = serde_json::to_vec(&fields).unwrap();
    let id = ModelId::parse(&HEXLOWER.encode(&Sha256::digest(&manifest))).unwrap();
    stores.objects.put(&manifest_key(&id), manifest.into(), PutCondition::Absent).await.unwrap();
    id
}

#[tokio::test]
async fn a_champion_of_the_format_before_keeps_what_was_measured_of_it() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let champion = published(&train(&worker, GOOD).await);
    let shown = async |id: &ModelId| {
        let path = format!("/v1/models/{id}");
        call(&stores, &time, Method::GET, &path).await.1["metrics"].take()
    };
    let measured = shown(&champion).await;
    assert!(measured["knowledge"]["people"].as_u64() > Some(0), "{measured}");
    let old = store_in_format_2(&stores, &champion).await;
    assert_eq!(shown(&old).await, measured);
    promote(&*stores.objects, order(&old, time.now())).await.unwrap();
    clear_old_models(&*stores.objects, 10, time.now()).await.unwrap();
    let page = list_models(&*stores.objects, None, 10).await.unwrap().unwrap();
    let record = page.models.iter().find(|model| model.record.id == old).unwrap();
    assert_eq!(serde_json::to_value(&record.record.metrics).unwrap(), measured);
}

#[tokio::test]
async fn drift_from_the_champions_inputs_is_reported_and_shown_with_it() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let champion = published(&train(&worker, GOOD).await);
    time.advance(7 * DAY);
    let enrolled: Vec<Event> = (0..PEOPLE)
        .flat_map(|person| (0..TAKEN).map(move |step| event(person, step, "enrol", 7 * DAY)))
        .collect();
    archive(&stores, "c", &enrolled).await;
    let state = train(&worker, GOOD).await;
    let object = state.report().unwrap().object.clone().unwrap();
    let report = load_report(&*stores.objects, &object).await.unwrap().unwrap();
    let drift = report.drift.as_ref().unwrap();
    assert_eq!((&drift.model, drift.days), (&champion, 7));
    let domain = &drift.domains[&knowledge()];
    assert_eq!(domain.status, DriftStatus::Drifted, "{domain:?}");
    assert!(domain.event_types.unwrap().psi > 1.0, "{domain:?}");
    promote(&*stores.objects, order(&champion, time.now())).await.unwrap();
    let (_, shown) = call(&stores, &time, Method::GET, &format!("/v1/models/{champion}")).await;
    assert_eq!(shown["drift"]["domains"]["knowledge"]["status"], "drifted", "{shown}");
    let since = time.now().duration_since(drift.until);
    assert!(since < SignedDuration::from_hours(48), "{since}");
}

#[tokio::test]
async fn whether_a_champion_knows_a_deleted_domain_is_told_by_numbers_whatever_the_clock_says() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    published(&train(&worker, GOOD).await);
    // The clock was an hour behind when the domain was deleted and defined again.
    let before = time.now() - SignedDuration::from_hours(1);
    let deletion = DomainDeletion {
        number: 1,
        stage: DeletionStage::Done,
        finished_at: Some(before),
        ..DomainDeletion::begun(before)
    };
    records::put(&*stores.records, &knowledge(), &deletion).await.unwrap();
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        stores.objects.delete(&key).await.unwrap();
    }
    archive(&stores, "c", &taken(0..30).into_iter().map(later).collect::<Vec<_>>()).await;
    // Less than before, for what the champion knows must be known no more.
    published(&train(&worker, GOOD).await);
    // That one knows of the deletion.
    for key in stores.objects.list(EVENTS_PREFIX).await.unwrap() {
        stores.objects.delete(&key).await.unwrap();
    }
    archive(&stores, "d", &taken(0..10).into_iter().map(later).collect::<Vec<_>>()).await;
    let refused = train(&worker, GOOD).await;
    assert!(matches!(refused, TrainingRunState::Refused { .. }), "{refused:?}");
}

/// The same, received after everything else, in the platform's next life.
fn later(event: Event) -> Event {
    Event { received_at: Timestamp::from_second(3 * DAY).unwrap(), domain_life: 1, ..event }
}

/// Erases people.
async fn erase(stores: &Stores, time: &Time, people: std::ops::Range<usize>) {
    for person in people {
        let user = user(&format!("p{person}"));
        erasure::erase(stores, (&user, &knowledge()), time.now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_model_without_the_many_who_were_erased_is_no_shrinkage_and_they_come_back_by_no_promotion()
 {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    let knew = published(&train(&worker, GOOD).await);
    let knew_as_well = published(&train(&worker, variant(1)).await);
    erase(&stores, &time, 0..50).await;
    published(&train(&worker, GOOD).await);
    assert_eq!(erasure::pending(&stores).await.unwrap(), BTreeMap::new());
    // Nor may they be fallen back on.
    assert_eq!(pointer(&stores).await.previous, None);
    for model in [knew, knew_as_well] {
        let path = format!("/v1/models/{model}/promote");
        let (status, answer) = call(&stores, &time, Method::POST, &path).await;
        let expected = (StatusCode::CONFLICT, &json!("model_knows_erased_people"));
        assert_eq!((status, &answer["code"]), expected, "{answer}");
    }
    // Nobody else's model is kept from coming back.
    let first = model_of(&train(&worker, variant(1)).await);
    published(&train(&worker, variant(2)).await);
    promote(&*stores.objects, order(&first, time.now())).await.unwrap();
}

#[tokio::test]
async fn an_erasure_waits_for_a_better_model_no_longer_than_a_week() {
    let (stores, time) = (archived().await, Time::start());
    let worker = Worker::new(stores.clone(), time.clock());
    published(&train(&worker, GOOD).await);
    erase(&stores, &time, 0..1).await;
    let refused = train(&worker, BAD).await;
    assert!(matches!(refused, TrainingRunState::Refused { .. }), "{refused:?}");
    assert_eq!(erasure::pending(&stores).await.unwrap().len(), 1);
    time.advance(7 * DAY);
    let mut run_later = new_run(BAD, Timestamp::UNIX_EPOCH).unwrap();
    run_later.requested_at = time.now();
    let state = run(&worker, run_later).await;
    let TrainingRunState::Succeeded { model, verdict: Some(verdict), .. } = &state else {
        panic!("{state:?}");
    };
    assert!(verdict.for_erasures && verdict.checks_failed > Some(0), "{verdict:?}");
    assert_eq!(pointer(&stores).await.model.as_ref(), Some(model));
    assert_eq!(erasure::pending(&stores).await.unwrap(), BTreeMap::new());
    let (_, status) = call(&stores, &time, Method::GET, "/v1/status").await;
    let codes: Vec<&Value> =
        status["attention"].as_array().unwrap().iter().map(|need| &need["code"]).collect();
    assert!(codes.contains(&&json!("promoted_for_erasures")), "{codes:?}");
    // The next one is held against it as ever.
    published(&train(&worker, GOOD).await);
}
