//! A run of very many domains ends, and ends once: what it records is small
//! whatever the number of domains, and is not repeated. And each platform is told of
//! its own domain.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::EVENTS_PREFIX;
use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::entities::records::Record;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::model::manifest::manifest_key;
use crossfold_core::release::record::RECORDS_PREFIX;
use crossfold_core::release::run::{MAX_RECORD_BYTES, TrainingRun, TrainingRunState};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::router::complete;
use crossfold_storage::{memory, records};
use crossfold_testing::{event_at, event_id, item as item_id, user};
use crossfold_train::{TrainingState, Trigger, TuningOrder, Worker, new_run, routes};
use http_body_util::BodyExt;
use jiff::Timestamp;
use lambda_http::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

const PEOPLE: usize = 12;
const ITEMS: usize = 16;
/// Events of a person in a domain.
const TAKEN: usize = 6;

fn domain(number: usize) -> DomainId {
    crossfold_testing::domain(&format!("domain-{number:03}"))
}

/// People of two tastes.
fn events(number: usize) -> Vec<Event> {
    let event = |person: usize, step: usize| {
        let item = (step * 3 + person) % (ITEMS / 2) * 2 + person % 2;
        Event {
            event_id: event_id(&format!("e{step}")),
            user: user(&format!("{number}-{person}")),
            domain: domain(number),
            item_id: item_id(&format!("i{item}")),
            ..event_at((number + person * 31 + step * 977) as i64)
        }
    };
    (0..PEOPLE).flat_map(|person| (0..TAKEN).map(move |step| event(person, step))).collect()
}

async fn archived(domains: usize) -> Stores {
    let stores = memory::stores();
    for number in 0..domains {
        let definition = serde_json::from_value(json!({
            "name": "A domain", "currency": "CNY", "event_types": { "view": { "weight": 1.0 } },
        }))
        .unwrap();
        records::put::<crossfold_core::entities::definition::DomainDefinition>(
            &*stores.records,
            &domain(number),
            &definition,
        )
        .await
        .unwrap();
        for item in 0..ITEMS {
            let item = Item {
                domain: domain(number),
                item_id: item_id(&format!("i{item}")),
                details: Some(ItemDetails::parse(json!({ "title": "t" })).unwrap()),
                updated_at: Timestamp::UNIX_EPOCH,
                change: ChangeNumber::default(),
            };
            stores.catalogue.put(&item).await.unwrap();
        }
        let key = format!("{EVENTS_PREFIX}domain={}/date=1970-01-01/1.parquet", domain(number));
        let bytes = encode_events(&events(number)).unwrap();
        stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }
    stores
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_very_many_domains_ends_once_and_its_record_stays_small() {
    for domains in [28, 100, 200] {
        let stores = archived(domains).await;
        let options = AlsOptions { factors: 8, iterations: 5, ..AlsOptions::default() };
        let run = new_run(options, Timestamp::UNIX_EPOCH).unwrap();
        records::create(&*stores.records, &run.id, &run).await.unwrap();
        let looks = Arc::new(AtomicUsize::new(0));
        let clock = Clock::from_fn({
            let looks = looks.clone();
            move || {
                let second = looks.fetch_add(1, Ordering::Relaxed) as i64;
                Timestamp::from_second(20_000 + second).unwrap()
            }
        });
        let worker = Worker::new(stores.clone(), clock);
        let record = json!({
            "eventName": "INSERT",
            "dynamodb": { "Keys": {
                "pk": { "S": TrainingRun::KIND }, "sk": { "S": run.id.to_string() },
            } },
        });
        let trigger =
            || Trigger::Stream { records: vec![serde_json::from_value(record.clone()).unwrap()] };
        worker.handle(trigger()).await.unwrap();
        let ended = records::get::<TrainingRun>(&*stores.records, &run.id).await.unwrap().unwrap();
        let (model, report) = match &ended.state {
            TrainingRunState::Succeeded { model, report, .. }
            | TrainingRunState::Refused { model: Some(model), report, .. } => (model, report),
            other => panic!("{domains} domains: {other:?}"),
        };
        // Delivered again, it is not carried out again.
        let before = looks.load(Ordering::Relaxed);
        worker.handle(trigger()).await.unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), before);
        assert_eq!(stores.objects.list(RECORDS_PREFIX).await.unwrap().len(), 1);

        let recorded = serde_json::to_vec(&ended).unwrap().len();
        let manifest = stores.objects.get(&manifest_key(model)).await.unwrap().unwrap();
        println!(
            "{domains} domains: the run's record {recorded} bytes, the manifest {}, the report {}",
            manifest.bytes.len(),
            report.object.as_ref().unwrap().bytes,
        );
        assert!(recorded < MAX_RECORD_BYTES, "{recorded}");
        assert_eq!(report.domains_evaluated, Some(domains));
    }
}

/// What a caller of these domains is answered.
async fn answer(stores: &Stores, domains: &[usize], path: &str) -> Value {
    let state = TrainingState {
        activity: stores.activity.clone(),
        records: stores.records.clone(),
        objects: stores.objects.clone(),
        clock: Clock::from_fn(|| Timestamp::from_second(90_000).unwrap()),
        tuning: TuningOrder::ByDefault,
    };
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    let domains = domains.iter().map(|number| domain(*number));
    request.extensions_mut().insert(Caller::with(domains, [Scope::TrainingRead]));
    let response = complete(routes().with_state(state)).oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_is_told_of_its_own_domain_by_every_call_and_who_acts_for_all_of_all() {
    let stores = archived(3).await;
    let options = AlsOptions { factors: 2, iterations: 2, ..AlsOptions::default() };
    let run = new_run(options, Timestamp::UNIX_EPOCH).unwrap();
    let clock = Clock::from_fn(|| Timestamp::from_second(20_000).unwrap());
    let run = Worker::new(stores.clone(), clock).carry_out(run).await.unwrap();
    let model = run.state.model().unwrap();
    let (of_run, of_model) =
        (format!("/v1/training-runs/{}", run.id), format!("/v1/models/{model}"));
    let report = format!("{of_run}/report");
    // Each call, with what of its answer is over all domains.
    let calls = [
        ("/v1/training-runs", "/runs/0/report"),
        (&of_run, "/report"),
        (&report, "/people"),
        ("/v1/models", "/models/0/events"),
        (&of_model, "/manifest/inputs/newest"),
        ("/v1/status", "/champion/events"),
    ];
    for (path, over_all) in calls {
        let (own, all) =
            (answer(&stores, &[0], path).await, answer(&stores, &[0, 1, 2], path).await);
        for number in [1, 2] {
            let name = domain(number).to_string();
            assert!(!own.to_string().contains(&name), "{path} tells of {name}: {own}");
        }
        assert!(own.pointer(over_all).is_none_or(Value::is_null), "{path}: {over_all} of {own}");
        assert!(
            all.pointer(over_all).is_some_and(|told| !told.is_null()),
            "{path}: {over_all} of {all}"
        );
    }
    let own = answer(&stores, &[0], &of_model).await;
    assert_eq!(own["domains"].as_array().unwrap().len(), 1);
    assert_eq!(own["metrics"].as_object().unwrap().len(), 1, "{own}");
}
