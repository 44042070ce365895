//! Promises of whole slates, on a small world of two platforms and two tastes.

mod admission;
mod diversity;
mod economic;
mod explanations;
mod exploration;
mod fatigue;
mod filters;
mod inspections;
mod large;
mod made_again;
mod new_items;
mod offers;
mod preferences;
mod quotas;
mod replay;
mod sequences;
mod slates;
mod tries;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::entities::catalogue::{ChangeNumber, Item, ItemDetails, ItemStatus};
use crate::entities::consent::{ConsentDecision, ConsentLedger, CrossDomain};
use crate::entities::definition::Definitions;
use crate::entities::event::Event;
use crate::entities::history::History;
use crate::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym, RecommendationId};
use crate::entities::purpose::Purpose;
use crate::evidence::items::ItemIndex;
use crate::maths::als::{AlsOptions, fit};
use crate::maths::sparse::SparseRows;
use crate::model::bridges::joint::JointFoldIn;
use crate::model::bridges::{Bridge, Bridges, Carrier, Direction};
use crate::model::{self, Model};
use crate::serving::admit::AdmittedRequest;
use crate::serving::decide::{Decided, Serving, decide};
use crate::serving::policy::ALS_FOLD_IN;
use crate::serving::request::{Occasion, Recipient, SlateRequest};
use crate::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crossfold_testing::definition;

/// Items of each domain; the first half belongs to one taste, the rest to another.
const ITEMS: usize = 8;

fn knowledge() -> DomainId {
    DomainId::parse("knowledge").unwrap()
}

fn auto() -> DomainId {
    DomainId::parse("auto-finance").unwrap()
}

fn item_id(number: usize) -> ItemId {
    ItemId::parse(&format!("i{number}")).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

/// A model of people with two tastes, which are the same on both platforms.
fn bridged_model() -> Model {
    let mut bridges = Bridges::none();
    for (from, to) in [(knowledge(), auto()), (auto(), knowledge())] {
        let carrier = Carrier::Joint(JointFoldIn { source_weight: 1.0 });
        bridges.insert(Direction { from, to }, Bridge { lift: 0.1, carrier });
    }
    model_with(bridges)
}

/// The same with other bridges.
fn model_with(bridges: Bridges) -> Model {
    let keys = [auto(), knowledge()]
        .into_iter()
        .flat_map(|domain| (0..ITEMS).map(move |item| (domain.clone(), item_id(item))));
    model_of(ItemIndex::new(keys.collect()), bridges)
}

/// A model of these items, the places of which in their domain decide who likes them.
fn model_of(index: ItemIndex, bridges: Bridges) -> Model {
    let items = index.len();
    let rows = (0..40usize).map(|person| {
        let liked = |item: &u32| (*item as usize % ITEMS < ITEMS / 2) == (person % 2 == 0);
        (0..items as u32)
            .filter(liked)
            .filter(|item| !(*item as usize + person / 2).is_multiple_of(3))
            .map(|i| (i, 1.0))
            .collect()
    });
    let matrix = SparseRows::from_rows(items, rows);
    let options = AlsOptions { factors: 4, ..AlsOptions::default() };
    let factors = fit(&matrix, &options.check().unwrap(), &|_| ()).unwrap();
    let popularity = (0..items).map(|row| 1.0 / (row % ITEMS + 1) as f32).collect();
    model::tests::model_of(index, options, factors.items, popularity, bridges)
}

fn items(domain: &DomainId) -> Vec<Item> {
    let details = |number| ItemDetails {
        title: format!("title {number}"),
        categories: vec![],
        price: None,
        status: ItemStatus::Active,
        available_from: None,
        available_until: None,
        attributes: BTreeMap::new(),
        offer: None,
    };
    let item = |number| Item {
        domain: domain.clone(),
        item_id: item_id(number),
        details: Some(details(number)),
        updated_at: now(),
        change: ChangeNumber::default(),
    };
    (0..ITEMS).map(item).collect()
}

fn the_user() -> Pseudonym {
    Pseudonym::parse("u").unwrap()
}

fn did(domain: DomainId, numbers: &[usize]) -> Vec<Event> {
    let event = |number: &usize| Event {
        event_id: EventId::parse(&format!("e{domain}{number}")).unwrap(),
        user: the_user(),
        domain: domain.clone(),
        event_type: EventType::parse("view").unwrap(),
        item_id: item_id(*number),
        occurred_at: now(),
        received_at: now(),
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    };
    numbers.iter().map(event).collect()
}

fn both_granted() -> ConsentLedger {
    let grant = |from: DomainId, to: DomainId| ConsentDecision {
        from,
        to,
        purpose: Purpose::Recommendation,
        granted: true,
        decided_at: now(),
        expires_at: None,
        evidence: None,
    };
    vec![grant(knowledge(), auto()), grant(auto(), knowledge())].into()
}

fn asking(display: DomainId, target: DomainId) -> SlateRequest {
    let recommendation_id = RecommendationId::parse("r").unwrap();
    let occasion = Occasion { recommendation_id, seed: 7, now: now(), display };
    SlateRequest {
        targets: BTreeSet::from([target]),
        limit: 4,
        visible: BTreeSet::from([knowledge(), auto()]),
        ..SlateRequest::of(occasion)
    }
}

fn both_defined() -> Definitions {
    Definitions::from([(knowledge(), definition()), (auto(), definition())])
}

/// Catalogues of these items.
fn catalogues_of(items: Vec<Item>, model: Option<&Model>) -> Catalogues {
    let mut by_domain: BTreeMap<DomainId, Vec<Item>> = BTreeMap::new();
    for item in items {
        by_domain.entry(item.domain.clone()).or_default().push(item);
    }
    let snapshot = |items| Arc::new(CatalogueSnapshot::new(items, model));
    by_domain.into_iter().map(|(domain, items)| (domain, snapshot(items))).collect()
}

/// A decision from these items, consents and events.
fn slate_for(
    model: Option<&Model>,
    items: Vec<Item>,
    (consents, history): (&ConsentLedger, &History),
    request: &SlateRequest,
) -> Decided {
    let (user, definitions) = (the_user(), both_defined());
    let recipient = Recipient { user: &user, consents, history, version: None };
    let asked = AdmittedRequest::new(request, recipient, &definitions);
    let catalogues = catalogues_of(items, model);
    let serving =
        Serving { model, catalogues: &catalogues, policy: &ALS_FOLD_IN, degraded: &["no_profile"] };
    decide(serving, &asked)
}

fn both() -> Vec<Item> {
    [items(&knowledge()), items(&auto())].concat()
}

/// The numbers of the items served.
fn numbers(decided: &Decided) -> Vec<usize> {
    let slate = decided.decision.slate.iter();
    slate.map(|entry| entry.item_id.as_str()[1..].parse().unwrap()).collect()
}
