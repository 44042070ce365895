//! Where what comes next depends on the order of what somebody took, a run makes a sequence
//! model and slates are made by it; where nothing tells an order it makes none.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::sync::Arc;

use crossfold_core::entities::consent::ConsentLedger;
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::RecommendationId;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::mixtures::Ranker;
use crossfold_core::model::{Artefact, Model, manifest};
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, Serving, decide};
use crossfold_core::serving::policy::ALS_FOLD_IN;
use crossfold_core::serving::request::{Occasion, Recipient, SlateRequest};
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::mixing::RankerChoice;
use crossfold_core::training::{Trained, TrainingInput, train};
use crossfold_testing::{
    KNOWLEDGE, at, catalogue_item, definition, domain, event_at, event_id, item, item_key, run,
    user,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DAY: i64 = 86_400;
const TODAY: i64 = 20_000 * DAY;
/// Items of ten kinds, ten of each.
const ITEMS: u32 = 100;

/// The kind that follows a kind.
fn next(kind: u32) -> u32 {
    (kind * 3 + 1) % 10
}

/// What somebody took: after an item mostly any of the kind that follows its own.
fn taken(rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut kind = rng.random_range(0..10);
    let items = (0..rng.random_range(5..10)).map(|_| {
        let item = kind * 10 + rng.random_range(0..10);
        kind = if rng.random_bool(0.8) { next(kind) } else { rng.random_range(0..10) };
        item
    });
    items.collect()
}

fn view(person: usize, number: u32, second: i64) -> Event {
    Event {
        event_id: event_id(&format!("i{number}-{second}")),
        user: user(&format!("{KNOWLEDGE}-{person}")),
        domain: domain(KNOWLEDGE),
        item_id: item(&format!("i{number}")),
        ..event_at(second)
    }
}

/// What people took in the last hundred days, an hour apart; or all of it at one instant.
fn trained(people: usize, is_ordered: bool) -> Trained {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let of_person = |person: usize| {
        let start = TODAY - rng.random_range(DAY..100 * DAY);
        let hour = if is_ordered { 3_600 } else { 0 };
        let taken = taken(&mut rng).into_iter().enumerate();
        taken.map(|(at, item)| view(person, item, start + at as i64 * hour)).collect::<Vec<_>>()
    };
    let events: Vec<Event> = (0..people).flat_map(of_person).collect();
    let input = TrainingInput {
        items: events.iter().map(|e| (e.domain.clone(), e.item_id.clone())).collect(),
        facts: Default::default(),
        events: events.into(),
        people: PeopleIndex::default(),
        definitions: definitions(),
        params: AlsOptions { factors: 8, ..AlsOptions::default() }.check().unwrap(),
        unobserved_items: UnobservedItems::default(),
        gate: GateOptions::default(),
        training_run: run("run"),
        champion: None,
        now: at(TODAY),
    };
    train(input, &|_, _| ()).unwrap()
}

fn definitions() -> Definitions {
    [(domain(KNOWLEDGE), definition())].into_iter().collect()
}

fn model(trained: &Trained) -> Model {
    Artefact::encode(&trained.parts, trained.report.encode().unwrap()).unwrap().verify().unwrap()
}

/// A slate for who took these, the newest last.
fn slate(model: &Model, taken: &[u32]) -> Decided {
    let keys = (0..ITEMS).map(|number| item_key(KNOWLEDGE, &format!("i{number}")));
    let snapshot = CatalogueSnapshot::new(keys.map(catalogue_item).collect(), Some(model));
    let catalogues = Catalogues::from([(domain(KNOWLEDGE), Arc::new(snapshot))]);
    let of_person = |(place, item): (usize, &u32)| view(0, *item, TODAY - 3_600 + place as i64);
    let history = History::new(taken.iter().enumerate().map(of_person).collect(), []);
    let recommendation_id = RecommendationId::parse("r").unwrap();
    let display = domain(KNOWLEDGE);
    let occasion = Occasion { recommendation_id, seed: 7, now: at(TODAY), display };
    let request = SlateRequest { limit: 4, inspect: true, ..SlateRequest::of(occasion) };
    let (person, consents) = (user(&format!("{KNOWLEDGE}-0")), ConsentLedger::default());
    let recipient =
        Recipient { user: &person, consents: &consents, history: &history, version: None };
    let definitions = definitions();
    let asked = AdmittedRequest::new(&request, recipient, &definitions);
    let serving = Serving {
        model: Some(model),
        catalogues: &catalogues,
        policy: &ALS_FOLD_IN,
        degraded: &[],
    };
    decide(serving, &asked)
}

fn is_sequence(ranker: &RankerChoice) -> bool {
    matches!(ranker, RankerChoice::Sequence(_))
}

#[test]
fn a_run_serves_a_sequence_model_where_the_order_tells_what_comes_next() {
    let trained = trained(600, true);
    let [found] = &trained.report.rankings[..] else { panic!("{:?}", trained.report) };
    assert!(found.served().unwrap().rankers.iter().any(is_sequence), "{found:?}");
    let model = model(&trained);
    assert_eq!(model.manifest().format, manifest::FORMAT_WITHOUT_YOUNG);
    let mixture = model.sections().tables.mixtures().get(&domain(KNOWLEDGE)).unwrap();
    assert!(mixture.rankers.iter().any(|ranker| matches!(ranker, Ranker::Sequence(_))));

    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let mut first_follows = 0;
    for _ in 0..60 {
        let taken = taken(&mut rng);
        let decided = slate(&model, &taken);
        let first: u32 = decided.decision.slate[0].item_id.as_str()[1..].parse().unwrap();
        first_follows += usize::from(first / 10 == next(taken[taken.len() - 1] / 10));
        for item in &decided.items {
            let made_up = item.contributions.as_ref().unwrap();
            let past: f32 = made_up.parts.iter().map(|part| part.amount).sum();
            let sum = past + made_up.sequence.unwrap() + made_up.rest;
            assert!((sum - item.entry.score).abs() < 1e-5, "{made_up:?}");
        }
        assert_eq!(decided.decision, slate(&model, &taken).decision, "the same again");
    }
    assert!(first_follows > 45, "{first_follows}");
}

#[test]
fn a_run_makes_no_sequence_model_where_nothing_tells_an_order() {
    let trained = trained(600, false);
    let mut tried = trained.report.rankings.iter().flat_map(|found| &found.tried);
    assert!(tried.clone().next().is_some());
    assert!(!tried.any(|tried| is_sequence(&tried.ranker)));
    assert!(!model(&trained).sections().tables.mixtures().have_sequences());
}
