//! Any data that the API accepts can be trained on and served: over generated worlds of
//! 1 to 60 people, 1 to 60 items and 1 to 4 domains, with ages from none to ten years,
//! with and without times, with any weights, half-lives, values and consents.
//!
//! `CROSSFOLD_WORLDS` says how many worlds are tried (64 if it says nothing) and
//! `CROSSFOLD_FIRST_WORLD` the number of the first; each is made from its number.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossfold_core::entities::catalogue::Item;
use crossfold_core::entities::consent::ConsentDecision;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, Pseudonym, RecommendationId};
use crossfold_core::entities::people::Person;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::evidence::items::ItemKey;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, DescribedItem, Serving, decide};
use crossfold_core::serving::policy::ALS_FOLD_IN;
use crossfold_core::serving::reason::ReasonCode;
use crossfold_core::serving::request::{Occasion, Recipient, SlateRequest};
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::served_by::ServedBy;
use crossfold_core::training::{TrainingError, TrainingInput, train};
use crossfold_testing::{
    at, catalogue_item, consent, domain, event_id, event_type, item_key, person, run, stored, user,
};
use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

const DAY: i64 = 86_400;
/// The day on which worlds are trained on, from the start of 1970.
const TODAY: i64 = 20_000;
/// Items of a slate.
const LIMIT: usize = 10;

/// What is known of when events happened.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Times {
    Exact,
    OneMidnightADay,
    None,
}

/// A world, with the last item that each person took of each domain kept from it.
#[derive(Debug)]
struct World {
    definitions: Definitions,
    catalogue: BTreeSet<ItemKey>,
    people: Vec<(Person, Vec<Event>)>,
    kept_back: Vec<(usize, ItemKey)>,
}

/// Everything that is drawn for a world before its people are.
struct Shape {
    domains: Vec<DomainId>,
    items: usize,
    oldest_days: f64,
    times: Times,
    taste: f64,
    has_orphans: bool,
}

fn power_of_ten(rng: &mut ChaCha8Rng, exponents: std::ops::Range<f64>) -> f64 {
    10f64.powf(rng.random_range(exponents))
}

impl World {
    fn of(number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let domains = (0..rng.random_range(1..=4)).map(|at| domain(&format!("d{at}"))).collect();
        let shape = Shape {
            domains,
            items: rng.random_range(1..=60),
            oldest_days: [0.0, 1.0, 30.0, 400.0, 3_650.0][rng.random_range(0..5)],
            times: [Times::Exact, Times::Exact, Times::OneMidnightADay, Times::None]
                [rng.random_range(0..4)],
            taste: rng.random_range(0.0..1.0),
            has_orphans: rng.random_bool(0.2),
        };
        let definitions = shape.domains.iter().map(|id| (id.clone(), definition(&mut rng)));
        let mut world = Self {
            definitions: definitions.collect(),
            catalogue: BTreeSet::new(),
            people: Vec::new(),
            kept_back: Vec::new(),
        };
        for id in &shape.domains {
            let known = |_: &usize| !(shape.has_orphans && rng.random_bool(0.3));
            let numbers: Vec<usize> = (0..shape.items).filter(known).collect();
            let items = numbers.into_iter().map(|n| item_key(id.as_str(), &format!("i{n}")));
            world.catalogue.extend(items);
        }
        for number in 0..rng.random_range(1..=60) {
            world.add_person(&shape, number, &mut rng);
        }
        world
    }

    fn add_person(&mut self, shape: &Shape, number: usize, rng: &mut ChaCha8Rng) {
        // Some are of today, some of long ago.
        let since = shape.oldest_days * rng.random_range(0.0f64..1.0).powi(2);
        let (mut members, mut events) = (Vec::new(), Vec::new());
        for id in &shape.domains {
            if !members.is_empty() && rng.random_bool(0.4) {
                continue;
            }
            let own = user(&format!("{id}-{number}"));
            let mut of_domain: Vec<Event> = (0..rng.random_range(0..9))
                .map(|at| self.event(shape, (number, at), (&own, id, since), rng))
                .collect();
            of_domain.sort_by_key(|event| event.occurred_at);
            let last = of_domain.last().map(|event| event.item_id.clone());
            if let Some(last) = last.filter(|_| rng.random_bool(0.5)) {
                of_domain.retain(|event| event.item_id != last);
                self.kept_back.push((self.people.len(), (id.clone(), last)));
            }
            members.push((own, id.clone()));
            events.extend(of_domain);
        }
        let consents = consents(&shape.domains, rng);
        let person = Person { consents: consents.into(), ..person(members) };
        self.people.push((person, events));
    }

    fn event(
        &self,
        shape: &Shape,
        (person, at_number): (usize, usize),
        (user, id, since): (&Pseudonym, &DomainId, f64),
        rng: &mut ChaCha8Rng,
    ) -> Event {
        // A few items are taken by most, the others by those to whose taste they are.
        let skewed = rng.random_range(0.0f64..1.0).powi(2) * shape.items as f64;
        let mut taken = (skewed as usize).min(shape.items - 1);
        if rng.random_bool(shape.taste) && shape.items > 1 {
            taken = (taken / 2 * 2 + person % 2).min(shape.items - 1);
        }
        let types = &self.definitions[id].event_types;
        let kind = types.keys().nth(rng.random_range(0..types.len())).unwrap().clone();
        let days = match shape.times {
            Times::None => 0.0,
            _ => since + rng.random_range(0.0..shape.oldest_days.max(1.0)) * 0.2,
        };
        let mut second = TODAY * DAY - (days * DAY as f64) as i64;
        if shape.times == Times::OneMidnightADay {
            second = second / DAY * DAY;
        }
        Event {
            event_id: event_id(&format!("e{at_number}")),
            user: user.clone(),
            domain: id.clone(),
            event_type: kind,
            item_id: item_key(id.as_str(), &format!("i{taken}")).1,
            occurred_at: at(second),
            received_at: at(TODAY * DAY),
            domain_life: 0,
            value: rng.random_bool(0.3).then(|| value(rng)),
            dwell_seconds: None,
        }
    }

    /// The same world, all of it so many days earlier.
    fn earlier(&self, days: i64) -> Vec<(Person, Vec<Event>)> {
        let earlier = |event: &Event| Event {
            occurred_at: event.occurred_at - SignedDuration::from_hours(24 * days),
            ..event.clone()
        };
        let people = self.people.iter();
        people.map(|(p, events)| (p.clone(), events.iter().map(earlier).collect())).collect()
    }

    fn input(&self, people: &[(Person, Vec<Event>)]) -> TrainingInput {
        let mut index = PeopleIndex::default();
        index.extend(people.iter().map(|(person, _)| stored(person.clone())));
        let events: Vec<Event> = people.iter().flat_map(|(_, events)| events.clone()).collect();
        TrainingInput {
            events: events.into(),
            people: index,
            definitions: self.definitions.clone(),
            items: self.catalogue.clone(),
            facts: Default::default(),
            params: AlsOptions::default().check().unwrap(),
            unobserved_items: UnobservedItems::default(),
            gate: GateOptions::default(),
            training_run: run("run"),
            champion: None,
            now: at(TODAY * DAY),
        }
    }

    /// Whether anything may be trained on.
    fn has_evidence(&self) -> bool {
        self.people.iter().any(|(person, events)| {
            events.iter().any(|event| {
                let item = (event.domain.clone(), event.item_id.clone());
                let permits = |to: &DomainId| {
                    let (purpose, now) = (Purpose::Training, at(TODAY * DAY));
                    person.consents.permits(&event.domain, to, purpose, &self.definitions, now)
                };
                self.catalogue.contains(&item) && permits(&event.domain)
            })
        })
    }

    fn catalogues(&self, model: &Model) -> Catalogues {
        let mut by_domain: BTreeMap<DomainId, Vec<Item>> = BTreeMap::new();
        for key in &self.catalogue {
            by_domain.entry(key.0.clone()).or_default().push(catalogue_item(key.clone()));
        }
        let snapshot = |items| Arc::new(CatalogueSnapshot::new(items, Some(model)));
        by_domain.into_iter().map(|(id, items)| (id, snapshot(items))).collect()
    }

    /// The items of a domain that a slate of it for this person leaves out as seen.
    fn seen(&self, person: &Person, events: &[Event], target: &DomainId) -> BTreeSet<ItemKey> {
        let permits = |to: &DomainId| {
            let (purpose, now) = (Purpose::Recommendation, at(TODAY * DAY));
            person.consents.permits(target, to, purpose, &self.definitions, now)
        };
        if !permits(target) || !permits(&person.members[0].domain) {
            return BTreeSet::new();
        }
        let of_target = events.iter().filter(|event| event.domain == *target);
        of_target.map(|event| (event.domain.clone(), event.item_id.clone())).collect()
    }

    /// What a person would be shown of a domain.
    fn slate(
        &self,
        (model, catalogues): (&Model, &Catalogues),
        (person, events): &(Person, Vec<Event>),
        (target, personalised): (&DomainId, bool),
    ) -> Decided {
        let asker = &person.members[0];
        let occasion = Occasion {
            recommendation_id: RecommendationId::parse("r").unwrap(),
            seed: 1,
            now: at(TODAY * DAY),
            display: asker.domain.clone(),
        };
        let request = SlateRequest {
            targets: BTreeSet::from([target.clone()]),
            limit: LIMIT,
            // What was seen is left out of a slate that evidence may shape; here of both.
            excluded: if personalised {
                BTreeSet::new()
            } else {
                self.seen(person, events, target)
            },
            personalised,
            visible: BTreeSet::new(),
            ..SlateRequest::of(occasion)
        };
        let history = History::new(events.clone(), []);
        let recipient = Recipient {
            user: &asker.user,
            consents: &person.consents,
            history: &history,
            version: None,
        };
        let asked = AdmittedRequest::new(&request, recipient, &self.definitions);
        let policy = &ALS_FOLD_IN;
        decide(Serving { model: Some(model), catalogues, policy, degraded: &[] }, &asked)
    }
}

/// Any definition that is accepted.
fn definition(rng: &mut ChaCha8Rng) -> DomainDefinition {
    let mut weight = || power_of_ten(rng, -9.0..2.0).min(100.0);
    let types = json!({
        "view": {"weight": weight()},
        "buy": {"weight": weight(), "value_scale": "12.5"},
    });
    let half_life = [1.0, 30.0, 180.0, 36_500.0][rng.random_range(0..4)];
    let definition = json!({
        "name": "a domain", "currency": "CNY", "event_types": types, "half_life_days": half_life,
    });
    let definition: DomainDefinition = serde_json::from_value(definition).unwrap();
    definition.check().unwrap();
    assert!(definition.event_types.contains_key(&event_type("buy")));
    definition
}

/// Money from nothing to what hardly fits.
fn value(rng: &mut ChaCha8Rng) -> Decimal {
    match rng.random_range(0..4) {
        0 => Decimal::ZERO,
        1 => Decimal::MAX,
        _ => Decimal::new(rng.random_range(1..1_000_000), 2),
    }
}

fn consents(domains: &[DomainId], rng: &mut ChaCha8Rng) -> Vec<ConsentDecision> {
    let mut decisions = Vec::new();
    for (from, to) in domains.iter().flat_map(|from| domains.iter().map(move |to| (from, to))) {
        for purpose in [Purpose::Training, Purpose::Recommendation] {
            // Most agree across, few object to what is usual within a domain.
            let granted = rng.random_bool(if from == to { 0.95 } else { 0.7 });
            decisions.push(ConsentDecision { granted, ..consent(from, to, purpose) });
        }
    }
    decisions
}

/// Trains on a world; `None` when there is rightly nothing to train on.
fn trained(world: &World, number: u64) -> Option<(Model, TrainingReport)> {
    match train(world.input(&world.people), &|_, _| ()) {
        Ok(trained) => {
            let report = trained.report.encode().unwrap();
            let model = Artefact::encode(&trained.parts, report).unwrap().verify();
            Some((model.unwrap_or_else(|e| panic!("world {number}: {e}")), trained.report))
        }
        Err(TrainingError::NothingToTrainOn(_)) if !world.has_evidence() => None,
        Err(error) => panic!("world {number}: {error}"),
    }
}

fn assert_report(world: &World, report: &TrainingReport, model: &Model, number: u64) {
    for domain in model.index().ranges().keys() {
        assert!(world.definitions.contains_key(domain));
        let by_popularity = model.manifest().by_popularity.contains(domain);
        let served = matches!(report.served[domain], ServedBy::Popularity(_));
        assert_eq!(served, by_popularity, "world {number}, {domain}");
    }
    // Nothing that is served is worse than popularity beyond the interval it is judged by.
    for (domain, compared) in &report.shadow.domains {
        let difference = compared.popularity.difference;
        assert!(difference.high >= 0.0, "world {number}, {domain}: {difference:?}");
    }
}

/// Serves everyone every domain; gives what is gained over popularity where something
/// was kept back: the difference of the reciprocal of the logarithm of its rank.
fn serve(world: &World, model: &Model, number: u64) -> Vec<f64> {
    let catalogues = world.catalogues(model);
    let served = (model, &catalogues);
    for (at, person) in world.people.iter().enumerate() {
        for target in world.definitions.keys() {
            let context = format!("world {number}, person {at}, {target}");
            let slate = world.slate(served, person, (target, true));
            let plain = world.slate(served, person, (target, false));
            let mut scores = slate.decision.slate.iter().map(|entry| entry.score);
            assert!(scores.all(f32::is_finite), "{context}");
            // What no source knows comes last, after estimates below its zero.
            let is_known = |item: &&DescribedItem| {
                item.reason.as_ref().is_some_and(|reason| reason.code != ReasonCode::New)
            };
            let known = slate.items.iter().filter(is_known).map(|item| item.entry.score);
            assert!(known.is_sorted_by(|a, b| a >= b), "{context}");
            let ids = |decided: &Decided| -> Vec<String> {
                decided.decision.slate.iter().map(|e| e.item_id.as_str().to_owned()).collect()
            };
            assert!(!plain.decision.personalised, "{context}");
            if !slate.decision.personalised {
                assert_eq!(ids(&slate), ids(&plain), "{context}");
            }
        }
    }
    let gain = |(at, (target, item)): &(usize, ItemKey)| -> f64 {
        let value = |personalised| {
            let slate = world.slate(served, &world.people[*at], (target, personalised));
            let rank = slate.decision.slate.iter().position(|entry| entry.item_id == *item);
            rank.map_or(0.0, |rank| 1.0 / (rank as f64 + 2.0).log2())
        };
        value(true) - value(false)
    };
    world.kept_back.iter().filter(|(at, _)| !world.people[*at].1.is_empty()).map(gain).collect()
}

fn worlds() -> std::ops::Range<u64> {
    let number = |name: &str, usual: u64| {
        std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
    };
    let first = number("CROSSFOLD_FIRST_WORLD", 0);
    first..first + number("CROSSFOLD_WORLDS", 64)
}

#[test]
fn any_world_trains_and_nobody_is_served_worse_than_popularity() {
    let gains: Vec<Vec<f64>> = worlds()
        .into_par_iter()
        .map(|number| {
            let world = World::of(number);
            let Some((model, report)) = trained(&world, number) else { return Vec::new() };
            assert_report(&world, &report, &model, number);
            serve(&world, &model, number)
        })
        .collect();
    let gains: Vec<f64> = gains.into_iter().flatten().collect();
    let people = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / people;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / people;
    let error = (variance / people).sqrt();
    println!("{people} people: {mean:+.4} ± {:.4} over popularity", 1.96 * error);
    assert!(mean + 1.96 * error >= 0.0, "{mean} {error}");
}

#[test]
fn ageing_together_changes_neither_the_model_nor_any_slate() {
    for number in worlds().step_by(4) {
        let world = World::of(number);
        let Some((model, _)) = trained(&world, number) else { continue };
        let older = World { people: world.earlier(700), ..World::of(number) };
        let (aged, _) = trained(&older, number).unwrap();
        assert_eq!(aged.item_factors(), model.item_factors(), "world {number}");
        assert_eq!(aged.sections().popularity, model.sections().popularity, "world {number}");
        let (catalogues, of_aged) = (world.catalogues(&model), older.catalogues(&aged));
        for (person, aged_person) in world.people.iter().zip(&older.people).take(8) {
            for target in world.definitions.keys() {
                let slate = world.slate((&model, &catalogues), person, (target, true)).decision;
                let aged = older.slate((&aged, &of_aged), aged_person, (target, true)).decision;
                assert_eq!(slate.slate, aged.slate, "world {number}");
                assert_eq!(slate.personalised, aged.personalised, "world {number}");
            }
        }
    }
}

#[test]
fn a_world_is_made_from_its_number() {
    let (one, same): (World, World) = (World::of(3), World::of(3));
    assert_eq!(format!("{one:?}"), format!("{same:?}"));
}
