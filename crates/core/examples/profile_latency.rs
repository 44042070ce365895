//! How long a profile takes to compute, by the number of events it is made of:
//! `cargo run --release -p crossfold-core --example profile_latency`.
//!
//! A catalogue of 5,000 items, a model of 32 factors over them, and a person of whom everything
//! may be told. `lines` is the pure function without a model, `lines and model` adds the fold-in and
//! the scan of the catalogue, `all with consent` the door that the events go through before.

#![allow(clippy::expect_used)] // An example may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossfold_core::entities::catalogue::{Item, ItemDetails};
use crossfold_core::entities::consent::{
    ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, EconomicEvidence,
    RecommendationUse,
};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::Declared;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::serving::profile::{ProfileInputs, profile};
use crossfold_core::serving::reason::Locale;
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crossfold_testing::model::model_parts_of;
use crossfold_testing::{
    at, catalogue_item, consent, domain, event_at, event_id, event_type, item, item_key, user,
};
use jiff::Timestamp;
use ndarray::Array2;
use serde_json::json;

const ITEMS: usize = 5_000;
const FACTORS: usize = 32;
const ROUNDS: usize = 500;
const NOW: i64 = 400 * 86_400;

fn main() {
    let model = model();
    println!("{:>7}  {:<17} {:>11} {:>11}", "events", "what", "median", "p99");
    for events in [3, 200, 1_000, 10_000] {
        let person = Person::of(events, &model);
        let admitted = person.admitted();
        let told = person.tell(&admitted, None);
        let lines = told.domains.first().map_or(0, |of| of.categories.len() + of.items.len());
        assert!(events < 200 || lines > 0, "there is something to tell");
        print(events, "lines", || person.tell(&admitted, None));
        print(events, "lines and model", || person.tell(&admitted, Some(&model)));
        print(events, "all with consent", || person.tell(&person.admitted(), Some(&model)));
    }
}

fn print<T>(events: usize, what: &str, work: impl Fn() -> T) {
    let timed = |_| {
        let began = Instant::now();
        black_box(work());
        began.elapsed()
    };
    let mut took: Vec<Duration> = (0..ROUNDS).map(timed).collect();
    took.sort_unstable();
    let (median, p99) = (took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
    println!("{events:>7}  {what:<17} {median:>11.1?} {p99:>11.1?}");
}

fn model() -> Model {
    let items = (0..ITEMS).map(|number| item_key("knowledge", &format!("i{number}")));
    let value = |(row, column): (usize, usize)| ((row * 7 + column * 13) % 17) as f32 / 17.0 - 0.5;
    let factors = Array2::from_shape_fn((ITEMS, FACTORS), value);
    let parts = model_parts_of(items.collect(), factors);
    let artefact = Artefact::encode(&parts, bytes::Bytes::from_static(b"{}")).expect("a model");
    artefact.verify().expect("a model")
}

/// Somebody with so many events, and everything that a profile of them is made of.
struct Person {
    display: DomainId,
    visible: BTreeSet<DomainId>,
    user: Pseudonym,
    ledger: ConsentLedger,
    declared: Declared,
    definitions: Definitions,
    catalogues: Catalogues,
    history: History,
    now: Timestamp,
}

impl Person {
    fn of(events: usize, model: &Model) -> Self {
        let display = domain("knowledge");
        let definition = json!({
            "name": "Knowledge", "currency": "CNY",
            "event_types": {
                "view": {"weight": 1.0, "steps": ["looked"]},
                "enrol": {"weight": 3.0, "steps": ["acquired", "started"]},
                "finish": {"weight": 1.0, "steps": ["completed"]},
            },
        });
        let definition = serde_json::from_value(definition).expect("a definition");
        let snapshot = CatalogueSnapshot::new((0..ITEMS).map(entry).collect(), Some(model));
        let consents = vec![consent(&display, &display, Purpose::FinancialProfiling)];
        Self {
            visible: BTreeSet::from([display.clone()]),
            user: user("u"),
            ledger: consents.into(),
            declared: [("income_band".into(), "B".into())].into(),
            definitions: Definitions::from([(display.clone(), definition)]),
            catalogues: BTreeMap::from([(display.clone(), Arc::new(snapshot))]),
            history: History::new((0..events).map(event).collect(), []),
            now: at(NOW),
            display,
        }
    }

    fn context(&self) -> ConsentContext<'_> {
        ConsentContext { ledger: &self.ledger, definitions: &self.definitions, now: self.now }
    }

    fn admitted(&self) -> ConsentedHistory {
        let use_of_it = RecommendationUse {
            user: &self.user,
            display: &self.display,
            target: &self.display,
            cross_domain: CrossDomain::ByConsent,
        };
        ConsentedHistory::for_recommendation(&self.history, self.context(), &use_of_it)
    }

    fn tell(
        &self,
        history: &ConsentedHistory,
        model: Option<&Model>,
    ) -> crossfold_core::serving::profile::Profile {
        let to = (&self.display, CrossDomain::ByConsent);
        let economic = EconomicEvidence::of(history, &self.declared, self.context(), to);
        profile(&ProfileInputs {
            display: &self.display,
            visible: &self.visible,
            history,
            economic: economic.as_ref(),
            declared: &self.declared,
            definitions: &self.definitions,
            catalogues: &self.catalogues,
            model,
            now: self.now,
            locale: Locale::Chinese,
        })
    }
}

fn entry(number: usize) -> Item {
    let details = json!({
        "title": format!("Course {number}"), "price": (number % 500 + 9).to_string(),
        "categories": [format!("c{}", number % 40), format!("d{}", number % 7)],
        "attributes": {"format": (["video", "text", "live"][number % 3]), "list_price": "300"},
    });
    let details = Some(ItemDetails::parse(details).expect("details"));
    Item { details, ..catalogue_item(item_key("knowledge", &format!("i{number}"))) }
}

/// An evening of ten events after another, on items of a few categories above all.
fn event(number: usize) -> Event {
    let (session, place) = (number / 10, number % 10);
    let liked = (session * 40 + place % 3 * 40 * 11 + place / 3) % ITEMS;
    let what = ["view", "view", "view", "enrol", "view", "finish"][number % 6];
    let when = (session as i64 * 9 % 390) * 86_400 + 68_000 + place as i64 * 120;
    Event {
        event_id: event_id(&format!("e{number}")),
        domain: domain("knowledge"),
        event_type: event_type(what),
        item_id: item(&format!("i{liked}")),
        ..event_at(when)
    }
}
