//! Two platforms that share nobody: what is tried by the texts of their catalogues.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may stop at the first surprise.

use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::EVENTS_PREFIX;
use crossfold_core::entities::catalogue::{Item, ItemDetails};
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::evidence::items::Weighted;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_registry::load::{load, load_report};
use crossfold_storage::{memory, records};
use crossfold_testing::{catalogue_item, domain, event_at, event_id, item, item_key, user};
use crossfold_train::{Worker, new_run};
use jiff::Timestamp;
use serde_json::json;

/// Titles on both platforms, by subject.
const TITLES: [(&str, [&str; 4]); 2] = [
    (
        "knowledge",
        [
            "How to buy an electric car",
            "Understanding a car loan",
            "House renovation step by step",
            "Kitchen renovation for beginners",
        ],
    ),
    (
        "auto-finance",
        [
            "Car loan for an electric car",
            "Used car loan",
            "Renovation loan for the house",
            "Kitchen renovation instalments",
        ],
    ),
];

/// Forty people on each platform, none on both; each takes three of the four items.
async fn world() -> Stores {
    let stores = memory::stores();
    for (name, titles) in TITLES {
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": name, "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
        }))
        .unwrap();
        records::put(&*stores.records, &domain(name), &definition).await.unwrap();
        for (number, title) in titles.iter().enumerate() {
            let details = ItemDetails::parse(json!({ "title": title })).unwrap();
            let entry = catalogue_item(item_key(name, &format!("i{number}")));
            stores.catalogue.put(&Item { details: Some(details), ..entry }).await.unwrap();
        }
        let mut events = Vec::new();
        for person in 0..40usize {
            for number in (0..4).filter(|number| *number != person % 4) {
                events.push(Event {
                    event_id: event_id(&format!("e{number}")),
                    user: user(&format!("{name}-{person}")),
                    domain: domain(name),
                    item_id: item(&format!("i{number}")),
                    ..event_at((number * 997 + person) as i64)
                });
            }
        }
        let key = format!("{EVENTS_PREFIX}domain={name}/date=1970-01-01/1.parquet");
        let bytes = encode_events(&events).unwrap();
        stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }
    stores
}

#[tokio::test]
async fn platforms_that_share_nobody_get_a_prior_by_their_texts_and_no_bridge() {
    let stores = world().await;
    let now = || Timestamp::from_second(1_000_000).unwrap();
    let options = AlsOptions { factors: 4, iterations: 5, ..AlsOptions::default() };
    let run = new_run(options, now()).unwrap();
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    let run: TrainingRun =
        Worker::new(stores.clone(), Clock::from_fn(now)).carry_out(run).await.unwrap();
    let TrainingRunState::Succeeded { model, report, .. } = run.state else {
        panic!("{:?}", run.state);
    };
    let report = load_report(&*stores.objects, report.object.as_ref().unwrap()).await;
    let report = report.unwrap().unwrap();
    let ends: Vec<(&str, &str)> =
        report.priors.iter().map(|of| (of.from.as_str(), of.to.as_str())).collect();
    assert_eq!(ends, [("auto-finance", "knowledge"), ("knowledge", "auto-finance")]);
    assert!(report.bridges.is_empty());

    let model = load(&*stores.objects, &model).await.unwrap();
    assert_eq!(model.manifest().priors.len(), 2);
    assert_eq!(model.bridges().iter().count(), 0);
    let row = |name: &str, number: usize| {
        model.index().row(&item_key(name, &format!("i{number}"))).unwrap()
    };
    for (course, like_it) in [(0, 0), (3, 3)] {
        let evidence = [Weighted::new(row("knowledge", course), 1.0)];
        let loans = domain("auto-finance");
        assert!(model.estimate(&loans, &evidence).is_none(), "nothing was shown to help");
        let tried = model.prior(&loans, &evidence).unwrap();
        let score = |number: usize| tried.score(row("auto-finance", number));
        for other in (0..4).filter(|other| *other != like_it) {
            assert!(score(like_it) > score(other), "{course}: {like_it} {other}");
        }
    }
}
