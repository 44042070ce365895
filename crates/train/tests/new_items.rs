//! What a run learns of new items from the texts of those that it knows.

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
use crossfold_core::model::Model;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::report::TrainingReport;
use crossfold_registry::encoders;
use crossfold_registry::load::{load, load_report};
use crossfold_storage::{memory, records};
use crossfold_testing::{catalogue_item, domain, event_at, event_id, item, item_key, user};
use crossfold_text::lexical::{LexicalOptions, fit};
use crossfold_train::{Worker, new_run};
use jiff::Timestamp;
use serde_json::json;

const ITEMS: usize = 60;
const OPTIONS: AlsOptions = AlsOptions {
    factors: 4,
    iterations: 5,
    unobserved_weight: 0.1,
    regularisation: 0.01,
    frequency_exponent: 1.0,
    seed: 1,
    solver: crossfold_core::maths::als::Solver::Mixed,
};

/// Even items are loans for cars, odd ones lessons for the piano, each with a word of its own.
fn title(number: usize) -> String {
    let kind = ["car loan", "piano lessons"][number % 2];
    format!("{kind} number{number}")
}

/// People of two tastes, who take two in three of the items of theirs.
async fn world() -> Stores {
    let stores = memory::stores();
    add_platform(&stores, "knowledge", title).await;
    stores
}

/// Adds a platform with people of its own, and with items that are called so.
async fn add_platform(stores: &Stores, name: &str, title: impl Fn(usize) -> String) {
    let definition: DomainDefinition = serde_json::from_value(json!({
        "name": name, "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    }))
    .unwrap();
    records::put(&*stores.records, &domain(name), &definition).await.unwrap();
    for number in 0..ITEMS {
        let details = ItemDetails::parse(json!({ "title": title(number) })).unwrap();
        let entry = catalogue_item(item_key(name, &format!("i{number}")));
        stores.catalogue.put(&Item { details: Some(details), ..entry }).await.unwrap();
    }
    let mut events = Vec::new();
    for person in 0..80usize {
        let theirs = (0..ITEMS).filter(|item| item % 2 == person % 2);
        let taken = theirs.filter(|item| !(item / 2 + person / 2).is_multiple_of(3));
        for number in taken {
            events.push(Event {
                event_id: event_id(&format!("e{number}")),
                user: user(&format!("{name}-{person}")),
                domain: domain(name),
                item_id: item(&format!("i{number}")),
                ..event_at((number * 997 + person) as i64)
            });
        }
    }
    put_events(stores, name, (&events, 1)).await;
}

async fn put_events(stores: &Stores, name: &str, (events, number): (&[Event], u32)) {
    let key = format!("{EVENTS_PREFIX}domain={name}/date=1970-01-01/{number}.parquet");
    let bytes = encode_events(events).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
}

async fn trained(stores: &Stores) -> (Model, TrainingReport) {
    let now = || Timestamp::from_second(1_000_000).unwrap();
    let run = new_run(OPTIONS, now()).unwrap();
    records::create(&*stores.records, &run.id, &run).await.unwrap();
    let run: TrainingRun =
        Worker::new(stores.clone(), Clock::from_fn(now)).carry_out(run).await.unwrap();
    let TrainingRunState::Succeeded { model, report, .. } = run.state else {
        panic!("{:?}", run.state);
    };
    let report = load_report(&*stores.objects, report.object.as_ref().unwrap()).await.unwrap();
    (load(&*stores.objects, &model).await.unwrap(), report.unwrap())
}

/// How a person of the first taste is told to like two new items, one of each taste.
fn scores_of_new_items(model: &Model, encoder: &dyn crossfold_text::TextEncoder) -> [f32; 2] {
    let knowledge = domain("knowledge");
    let vectors = encoder.encode(&["new car loan", "new piano lessons"]);
    let stand_ins = model.sections().stand_ins(&knowledge, vectors.view());
    let row = model.index().row(&item_key("knowledge", "i0")).unwrap();
    let estimate = model.estimate(&knowledge, &[Weighted::new(row, 1.0)]).unwrap();
    [0, 1].map(|at| stand_ins[at].as_ref().unwrap().sum(|row| estimate.score(row)))
}

/// What a word of one platform makes of another's new items would tell whose catalogues have it.
#[tokio::test]
async fn no_text_of_another_platform_changes_what_is_learned_of_a_platforms_texts() {
    let knowledge = domain("knowledge");
    let (alone, of_alone) = trained(&world().await).await;
    for word in ["lease", "Projektblackfin car loan"] {
        let stores = world().await;
        add_platform(&stores, "auto-finance", |number| format!("{word} {number}")).await;
        let (model, report) = trained(&stores).await;
        assert_eq!(report.content[&knowledge], of_alone.content[&knowledge]);
        let (one, other) =
            (&model.sections().content[&knowledge], &alone.sections().content[&knowledge]);
        assert_eq!((&one.source, &one.artefact), (&other.source, &other.artefact));
    }
}

#[tokio::test]
async fn a_run_learns_to_rank_new_items_by_the_words_of_the_catalogue() {
    let (model, report) = trained(&world().await).await;
    let found = &report.content[&domain("knowledge")];
    assert!(found.served && found.by_text > found.by_chance, "{found:?}");
    let content = &model.sections().content[&domain("knowledge")];
    let encoder = crossfold_text::open(content.artefact.as_ref().unwrap()).unwrap();
    assert_eq!(encoder.identity().sha256, content.source.sha256);
    assert_eq!(found.encoder, format!("{} {}", content.source.name, content.source.version));
    let [theirs, other] = scores_of_new_items(&model, &*encoder);
    assert!(theirs > other, "{theirs} {other}");
}

/// Two more loans for cars, each taken by one lover of the piano: one long ago, one at the end.
#[tokio::test]
async fn an_item_that_one_person_took_of_late_is_ranked_by_its_text_and_one_of_long_ago_is_not() {
    let stores = world().await;
    let mut events = Vec::new();
    for (number, day) in [(ITEMS, 0), (ITEMS + 2, 9)] {
        let details = ItemDetails::parse(json!({ "title": title(number) })).unwrap();
        let entry = catalogue_item(item_key("knowledge", &format!("i{number}")));
        stores.catalogue.put(&Item { details: Some(details), ..entry }).await.unwrap();
        events.push(Event {
            event_id: event_id(&format!("e{number}")),
            user: user("knowledge-1"),
            domain: domain("knowledge"),
            item_id: item(&format!("i{number}")),
            ..event_at(day * 86_400 + 1)
        });
    }
    put_events(&stores, "knowledge", (&events, 2)).await;
    let (model, report) = trained(&stores).await;
    let knowledge = domain("knowledge");
    assert_eq!(report.content[&knowledge].young_items, 1);
    let row = |number| model.index().row(&item_key("knowledge", &format!("i{number}"))).unwrap();
    let (old, young) = (row(ITEMS), row(ITEMS + 2));
    let young_items = model.sections().tables.young_items();
    assert!(young_items.get(old).is_none() && young_items.get(young).is_some());
    let likes_cars = [Weighted::new(row(0), 1.0), Weighted::new(row(2), 1.0)];
    let estimate = model.estimate(&knowledge, &likes_cars).unwrap();
    let pianos = (0..ITEMS).filter(|number| number % 2 == 1).map(|item| estimate.score(row(item)));
    let best_piano = pianos.fold(f32::MIN, f32::max);
    let (old, young) = (estimate.score(old), estimate.score(young));
    assert!(young > best_piano && young > old, "{young} {old} {best_piano}");
}

#[tokio::test]
async fn an_installed_encoder_is_named_by_the_model_and_not_held() {
    let stores = world().await;
    let texts: Vec<String> = (0..ITEMS).map(title).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let params = LexicalOptions { dimensions: 8, ..LexicalOptions::default() }.check().unwrap();
    let artefact = fit(&texts, &params).unwrap();
    let encoder = crossfold_text::open(&artefact).unwrap();
    let at = Timestamp::UNIX_EPOCH;
    encoders::install(&*stores.objects, artefact.into(), at).await.unwrap();
    let (model, _) = trained(&stores).await;
    let content = &model.sections().content[&domain("knowledge")];
    assert_eq!((&content.source.sha256, &content.artefact), (&encoder.identity().sha256, &None));
    let [theirs, other] = scores_of_new_items(&model, &*encoder);
    assert!(theirs > other, "{theirs} {other}");
}
