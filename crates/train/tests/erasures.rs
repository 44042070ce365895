//! An erasure goes on with every run until nothing is left, whatever fails on the way.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfold_core::archive::decisions::encode_decisions;
use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::{DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX};
use crossfold_core::archive::outcomes::encode_outcomes;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::erasure::{Erasure, Place, Receipt, Revisit};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym, TrainingRunId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::release::champion::{POINTER_KEY, Pointer, Promoter};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_registry::promotion::{PromotionError, PromotionOrder, promote};
use crossfold_storage::erasure;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use crossfold_storage::find_person::{UNREADABLE, find_person};
use crossfold_storage::{memory, records};
use crossfold_testing::{catalogue_item, event_at, event_id, item, item_key};
use crossfold_train::{Pause, Worker, new_run};
use jiff::Timestamp;
use serde_json::json;

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

fn user(name: &str) -> Pseudonym {
    Pseudonym::parse(name).unwrap()
}

fn event(name: &str, number: usize) -> Event {
    Event {
        event_id: event_id(&format!("e{number}")),
        user: user(name),
        item_id: item(&format!("i{}", number % 6)),
        ..event_at(number as i64 * 60)
    }
}

fn decision(name: &str) -> Decision {
    serde_json::from_value(json!({
        "recommendation_id": format!("of-{name}"), "user": name, "domain": "knowledge",
        "decided_at": "2026-06-01T00:00:00Z", "policy": "p/1", "seed": 7, "personalised": true,
        "slate": [{"domain": "knowledge", "item_id": "i0", "score": 1.0, "propensity": 1.0}],
    }))
    .unwrap()
}

fn outcome(name: &str) -> Outcome {
    serde_json::from_value(json!({
        "feedback_id": "f", "recommendation_id": format!("of-{name}"), "user": name,
        "kind": "click", "domain": "knowledge", "item_id": "i0",
        "occurred_at": "2026-06-01T00:00:00Z",
    }))
    .unwrap()
}

const NAMES: [&str; 2] = ["stays", "goes"];

/// A domain in which two users did the same, everywhere where something is kept.
async fn world() -> Stores {
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
        NAMES.into_iter().flat_map(|name| (0..5).map(move |number| event(name, number))).collect();
    stores.events.append_all(&events).await.unwrap();
    for name in NAMES {
        stores.decisions.record(&decision(name)).await.unwrap();
        stores.decisions.append_outcome(&outcome(name)).await.unwrap();
    }
    let decisions: Vec<Decision> = NAMES.into_iter().map(decision).collect();
    let outcomes: Vec<Outcome> = NAMES.into_iter().map(outcome).collect();
    for (prefix, bytes) in [
        (EVENTS_PREFIX, encode_events(&events).unwrap()),
        (DECISIONS_PREFIX, encode_decisions(&decisions).unwrap()),
        (OUTCOMES_PREFIX, encode_outcomes(&outcomes).unwrap()),
    ] {
        let key = format!("{prefix}domain=knowledge/date=2026-06-01/1.parquet");
        stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }
    stores
}

/// A run that waits for nothing; whether it made a model.
async fn train(stores: &Stores, second: i64) -> bool {
    let run = carried_out(stores, second).await;
    run.is_some_and(|run| matches!(run.state, TrainingRunState::Succeeded { .. }))
}

/// The same, waiting in another way.
async fn train_pausing(stores: &Stores, second: i64, pause: Pause) -> bool {
    let run = carried_out_pausing(stores, second, pause).await;
    run.is_some_and(|run| matches!(run.state, TrainingRunState::Succeeded { .. }))
}

/// How many erasures a run completed.
async fn completed(stores: &Stores, second: i64) -> usize {
    ended(stores, second).await.erasures_completed()
}

/// How a run ended.
async fn ended(stores: &Stores, second: i64) -> TrainingRunState {
    carried_out(stores, second).await.unwrap().state
}

async fn carried_out(stores: &Stores, second: i64) -> Option<TrainingRun> {
    carried_out_pausing(stores, second, Pause::from_fn(|_| Box::pin(async {}))).await
}

async fn carried_out_pausing(stores: &Stores, second: i64, pause: Pause) -> Option<TrainingRun> {
    let seconds = Arc::new(AtomicI64::new(second));
    let now = move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap();
    let worker = Worker::new(stores.clone(), Clock::from_fn(now)).pausing(pause);
    let options = AlsOptions { factors: 4, iterations: 3, ..AlsOptions::default() };
    let run = new_run(options, Timestamp::from_second(second).unwrap()).ok()?;
    worker.carry_out(run).await.ok()
}

async fn receipt(stores: &Stores) -> Option<Receipt> {
    let erasure: Option<Erasure> = erasure::of_life(stores, &user("goes")).await.unwrap();
    Receipt::of(user("goes"), &erasure?)
}

#[tokio::test]
async fn a_run_leaves_nothing_of_a_life_anywhere_and_everything_of_others() {
    let stores = world().await;
    let others = find_person(&stores, &user("stays")).await.unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    erasure::erase(&stores, (&user("goes"), &knowledge()), now).await.unwrap();
    // On its way when the erasure began.
    stores.events.append(&event("goes", 9)).await.unwrap();
    let left = find_person(&stores, &user("goes")).await.unwrap();
    assert_eq!(left.len(), 5, "{left:?}");
    assert_eq!(receipt(&stores).await, None);
    assert!(train(&stores, 1_800_000_100).await);
    assert_eq!(find_person(&stores, &user("goes")).await.unwrap(), [].into());
    assert_eq!(find_person(&stores, &user("stays")).await.unwrap(), others);
    let deleted = receipt(&stores).await.unwrap().deleted;
    let expected = [
        (Place::People, 0),
        (Place::Events, 6),
        (Place::Decisions, 2),
        (Place::ArchivedEvents, 5),
        (Place::ArchivedDecisions, 1),
        (Place::ArchivedOutcomes, 1),
        (Place::Quarantine, 0),
        (Place::Model, 1),
    ];
    assert_eq!(deleted, expected.into());
    assert!(erasure::pending(&stores).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_erasure_that_is_cut_short_at_any_call_is_completed_by_a_later_run() {
    let mut number = 0;
    loop {
        let memory = world().await;
        let (calls, is_met) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, met) = (calls.clone(), is_met.clone());
        // From the fault on everything fails: the process is gone.
        let plan = FaultPlan::from_fn(move |_| {
            if count.fetch_add(1, Ordering::Relaxed) < number {
                return Fault::None;
            }
            met.store(true, Ordering::Relaxed);
            Fault::Before
        });
        let dying = faulty(memory.clone(), &plan);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let goes = (&user("goes"), &knowledge());
        let is_begun = erasure::erase(&dying, goes, now).await.is_ok();
        if is_begun {
            train(&dying, 1_800_000_100).await;
        }
        if erasure::of_life(&memory, &user("goes")).await.unwrap().is_none() {
            assert!(!is_begun, "an erasure that was acknowledged has no record");
            erasure::erase(&memory, goes, now).await.unwrap();
        }
        for run in 1..3 {
            train(&memory, 1_800_000_100 + run * 100).await;
        }
        let left = find_person(&memory, &user("goes")).await.unwrap();
        assert_eq!(left, [].into(), "cut short at call {number}");
        assert!(receipt(&memory).await.is_some(), "cut short at call {number}");
        if !is_met.load(Ordering::Relaxed) {
            break;
        }
        number += 1;
    }
    assert!(number > 20, "only {number} calls were tried");
}

#[tokio::test]
async fn a_model_that_was_begun_before_the_erasure_does_not_complete_it() {
    let stores = world().await;
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let older = erasure::counted(&stores).await.unwrap();
    let run = TrainingRunId::parse("r").unwrap();
    erasure::erase(&stores, (&user("goes"), &knowledge()), now).await.unwrap();
    // One run has visited every place and is at its fit when another, older one publishes.
    let mut pending = erasure::pending(&stores).await.unwrap();
    let under_way = erasure::count_on(&stores).await.unwrap();
    for erasure in pending.values_mut() {
        Place::ALL.into_iter().filter(|place| *place != Place::Model).for_each(|place| {
            erasure.visit(place, 0);
        });
        erasure.number = Some(under_way);
    }
    erasure::save(&stores, &pending).await.unwrap();
    assert_eq!(erasure::finish(&stores, &run, older, now).await.unwrap(), 0);
    assert_eq!(receipt(&stores).await, None);
    assert_eq!(erasure::finish(&stores, &run, under_way, now).await.unwrap(), 1);
    assert!(receipt(&stores).await.is_some());
}

/// Something of the erased life that was on its way: an event, a slate and what came of it.
async fn arrive(stores: &Stores) {
    stores.events.append(&event("goes", 9)).await.unwrap();
    stores.decisions.record(&decision("goes")).await.unwrap();
    stores.decisions.append_outcome(&outcome("goes")).await.unwrap();
}

const ERASED_AT: i64 = 1_800_000_000;

/// Erases, then trains so many seconds later, while something of the life is on its way for as
/// long as the run waits. Gives how long that was.
async fn erase_and_train_after(stores: &Stores, seconds: i64) -> Vec<Duration> {
    let now = Timestamp::from_second(ERASED_AT).unwrap();
    erasure::erase(stores, (&user("goes"), &knowledge()), now).await.unwrap();
    let waited = Arc::new(Mutex::new(Vec::new()));
    let (spans, late) = (waited.clone(), stores.clone());
    let pause = Pause::from_fn(move |span| {
        spans.lock().unwrap().push(span);
        let late = late.clone();
        Box::pin(async move { arrive(&late).await })
    });
    assert!(train_pausing(stores, ERASED_AT + seconds, pause).await);
    waited.lock().unwrap().clone()
}

#[tokio::test]
async fn a_run_waits_for_what_is_on_its_way_before_it_visits_a_young_erasure() {
    for seconds in [5, -3_600] {
        let stores = world().await;
        let waited = erase_and_train_after(&stores, seconds).await;
        let [span] = waited[..] else { panic!("it waited for {waited:?}") };
        assert!(span <= erasure::SETTLING, "after {seconds} seconds: {span:?}");
        assert!(span >= erasure::SETTLING - Duration::from_secs(10), "{span:?}");
        assert!(receipt(&stores).await.is_some());
        assert_eq!(find_person(&stores, &user("goes")).await.unwrap(), [].into());
    }
    let stores = world().await;
    let waited = erase_and_train_after(&stores, 60).await;
    assert!(waited.is_empty(), "nothing is on its way any more, yet it waited for {waited:?}");
}

#[tokio::test]
async fn a_run_says_until_when_it_waits_and_how_many_erasures_it_completed() {
    let stores = world().await;
    let erased_at = Timestamp::from_second(ERASED_AT).unwrap();
    for name in NAMES {
        erasure::erase(&stores, (&user(name), &knowledge()), erased_at).await.unwrap();
    }
    let events: Vec<Event> = (0..5).map(|number| event("comes", number)).collect();
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=2026-06-01/2.parquet");
    let bytes = encode_events(&events).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    let told = Arc::new(Mutex::new(None));
    let (seen, looked_at) = (told.clone(), stores.clone());
    let pause = Pause::from_fn(move |_| {
        let (seen, looked_at) = (seen.clone(), looked_at.clone());
        Box::pin(async move {
            let runs = records::last::<TrainingRun>(&*looked_at.records, None, 1).await.unwrap();
            *seen.lock().unwrap() = Some(runs[0].state.clone());
        })
    });
    let run = carried_out_pausing(&stores, ERASED_AT + 5, pause).await.unwrap();
    let state = told.lock().unwrap().take();
    let Some(TrainingRunState::Running { waits_until: Some(until), .. }) = state else {
        panic!("{state:?}");
    };
    let latest = erased_at + erasure::SETTLING;
    assert!(until > erased_at && until <= latest, "{until}, not by {latest}");
    assert_eq!(run.state.erasures_completed(), 2, "{:?}", run.state);
    assert_eq!(completed(&stores, ERASED_AT + 100).await, 0, "once is enough");
}

#[tokio::test]
async fn what_came_in_after_the_receipt_is_gone_by_the_next_run_and_the_receipt_stands() {
    let stores = world().await;
    erase_and_train_after(&stores, 60).await;
    let signed = receipt(&stores).await.unwrap();
    arrive(&stores).await;
    let archived = encode_decisions(&[decision("goes"), decision("stays")]).unwrap();
    let key = format!("{DECISIONS_PREFIX}domain=knowledge/date=2026-06-01/late.parquet");
    stores.objects.put(&key, archived, PutCondition::None).await.unwrap();
    assert!(train(&stores, ERASED_AT + 7_200).await);
    assert_eq!(find_person(&stores, &user("goes")).await.unwrap(), [].into());
    assert_eq!(receipt(&stores).await.unwrap(), signed);
    let revisits = records::list::<Revisit>(&*stores.records).await.unwrap();
    assert_eq!(revisits, [], "once is enough");
}

#[tokio::test]
async fn a_torn_file_is_told_of_in_the_receipt() {
    let stores = world().await;
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=2026-06-01/2.parquet");
    let torn = encode_events(&[event("goes", 7)]).unwrap();
    let torn = torn.slice(..torn.len() / 2);
    stores.objects.put(&key, torn, PutCondition::None).await.unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    erasure::erase(&stores, (&user("goes"), &knowledge()), now).await.unwrap();
    assert!(train(&stores, 1_800_000_100).await);
    assert_eq!(receipt(&stores).await.unwrap().unreadable_files, 1);
    let left = find_person(&stores, &user("goes")).await.unwrap();
    assert_eq!(left, [(UNREADABLE.to_owned(), 1)].into());
}

async fn pointer(stores: &Stores) -> Pointer {
    let object = stores.objects.get(POINTER_KEY).await.unwrap().unwrap();
    serde_json::from_slice(&object.bytes).unwrap()
}

#[tokio::test]
async fn when_everybody_is_erased_the_model_made_from_them_serves_no_more() {
    let stores = world().await;
    assert!(train(&stores, 1_800_000_000).await);
    let made = pointer(&stores).await.model.unwrap();
    let now = Timestamp::from_second(1_800_000_100).unwrap();
    for name in NAMES {
        erasure::erase(&stores, (&user(name), &knowledge()), now).await.unwrap();
    }
    let state = ended(&stores, 1_800_000_200).await;
    let TrainingRunState::Withdrawn { withdrawn, reason, .. } = &state else {
        panic!("{state:?}");
    };
    assert_eq!(withdrawn.as_ref(), Some(&made));
    assert_eq!(state.erasures_completed(), 2);
    assert!(reason.contains("nothing to train on"), "{reason}");
    let after = pointer(&stores).await;
    assert_eq!((&after.model, &after.previous), (&None, &None));
    assert_eq!((&after.history[0].from, &after.history[0].to), (&Some(made.clone()), &None));
    assert!(receipt(&stores).await.is_some());
    let by = Promoter::Caller { caller: "token".into(), scope: "training:write".into() };
    let order = PromotionOrder { model: made, by, expected: None, at: now };
    let refused = promote(&*stores.objects, order).await;
    assert!(matches!(refused, Err(PromotionError::KnowsErased)), "{refused:?}");
    // Without an erasure under way, an empty archive is a failure as ever.
    let state = ended(&stores, 1_800_000_300).await;
    assert!(matches!(state, TrainingRunState::Failed { .. }), "{state:?}");
    // What comes in afterwards is learnt from.
    let events: Vec<Event> = (0..5).map(|number| event("comes", number)).collect();
    let key = format!("{EVENTS_PREFIX}domain=knowledge/date=2026-06-01/2.parquet");
    let bytes = encode_events(&events).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    assert!(train(&stores, 1_800_000_400).await);
    assert!(pointer(&stores).await.model.is_some());
}
