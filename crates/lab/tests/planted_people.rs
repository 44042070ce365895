//! The kinds of people that the demonstration's world has are found as segments, and what they
//! like as topics.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::catalogue::ItemDetails;
use crossfold_core::entities::consent::{ConsentContext, ConsentedHistory};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, ItemId, TrainingRunId};
use crossfold_core::evidence::behaviours::Behaviour;
use crossfold_core::evidence::item_facts::{CatalogueFacts, ItemFacts, plain_words};
use crossfold_core::evidence::items::Weighted;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::measure::adjusted_rand_index;
use crossfold_core::model::topics::Word;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::serving::reason::Locale;
use crossfold_core::serving::segment_text::{segment_name, segment_sentences, topic_name};
use crossfold_core::training::{TrainingInput, train};
use crossfold_lab::synthetic_world::{AUTO_FINANCE, KNOWLEDGE, SyntheticWorld};
use jiff::Timestamp;
use serde_json::{Value, json};

const PEOPLE: usize = 600;
const SEED: u64 = 7;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn domain(name: &str) -> DomainId {
    DomainId::parse(name).unwrap()
}

/// An event as it was posted, of a user who is their own pseudonym.
fn event(of: &str, posted: &Value) -> Event {
    serde_json::from_value(json!({
        "event_id": posted["event_id"], "user": posted["user_id"], "domain": of,
        "event_type": posted["type"], "item_id": posted["item_id"],
        "occurred_at": posted["occurred_at"], "received_at": posted["occurred_at"],
    }))
    .unwrap()
}

fn facts() -> (CatalogueFacts, BTreeMap<ItemId, String>) {
    let (mut facts, mut titles) = (CatalogueFacts::new(), BTreeMap::new());
    for of in [KNOWLEDGE, AUTO_FINANCE] {
        for mut item in SyntheticWorld::items(of) {
            let id = item.as_object_mut().unwrap().remove("item_id").unwrap();
            let id = ItemId::parse(id.as_str().unwrap()).unwrap();
            let details = ItemDetails::parse(item).unwrap();
            titles.insert(id.clone(), details.title.clone());
            facts.insert((domain(of), id), ItemFacts::of(&details, plain_words));
        }
    }
    (facts, titles)
}

fn model(events: &[Event], facts: &CatalogueFacts) -> Model {
    let definitions = SyntheticWorld::domains()
        .map(|(name, definition)| (domain(name), serde_json::from_value(definition).unwrap()));
    let input = TrainingInput {
        events: events.to_vec().into(),
        people: Default::default(),
        definitions: definitions.into_iter().collect(),
        items: facts.keys().cloned().collect(),
        facts: facts.clone(),
        params: AlsOptions { factors: 8, iterations: 3, ..AlsOptions::default() }.check().unwrap(),
        unobserved_items: Default::default(),
        gate: Default::default(),
        training_run: TrainingRunId::parse("run").unwrap(),
        champion: None,
        now: now(),
    };
    let trained = train(input, &|_, _| ()).unwrap();
    Artefact::encode(&trained.parts, trained.report.encode().unwrap()).unwrap().verify().unwrap()
}

/// What each user did in a domain.
fn behaviours(events: &[Event], model: &Model, of: &str) -> BTreeMap<String, Behaviour> {
    let definitions = SyntheticWorld::domains()
        .map(|(name, definition)| (domain(name), serde_json::from_value(definition).unwrap()));
    let definitions = definitions.into_iter().collect();
    let rows = model.index().ranges().get(&domain(of)).unwrap();
    let mut by_user: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.domain == domain(of)) {
        by_user.entry(event.user.as_str().to_owned()).or_default().push(event.clone());
    }
    let behaviour = |(user, events): (String, Vec<Event>)| {
        let liked: Vec<Weighted> = events
            .iter()
            .filter_map(|event| model.index().row(&(event.domain.clone(), event.item_id.clone())))
            .map(|row| Weighted::new(row, 1.0))
            .collect();
        let ledger = Default::default();
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now: now() };
        let groups = ConsentedHistory::for_training(&History::new(events, []), context);
        Some((user, Behaviour::of(groups.first()?, &liked, rows)?))
    };
    by_user.into_iter().filter_map(behaviour).collect()
}

#[test]
fn the_kinds_of_the_demonstrations_people_are_found_on_both_platforms() {
    let mut world = SyntheticWorld::new(PEOPLE, SEED, now());
    let kind_of: BTreeMap<String, &str> =
        world.people.iter().map(|person| (person.user_id.clone(), person.kind())).collect();
    let mut kinds: Vec<&str> = kind_of.values().copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let events: Vec<Event> = [KNOWLEDGE, AUTO_FINANCE]
        .into_iter()
        .flat_map(|of| world.events(of).iter().map(|posted| event(of, posted)).collect::<Vec<_>>())
        .collect();
    let (facts, titles) = facts();
    let model = model(&events, &facts);
    let sections = model.sections();
    let title = |item: &ItemId| titles.get(item).cloned();
    for of in [KNOWLEDGE, AUTO_FINANCE] {
        let people = behaviours(&events, &model, of);
        let place =
            |person: &Behaviour| sections.segments.segment_of(&domain(of), person).unwrap().id;
        let found: Vec<u32> = people.values().map(place).collect();
        let planted: Vec<u32> = people
            .keys()
            .map(|user| kinds.iter().position(|kind| kind == &kind_of[user]).unwrap() as u32)
            .collect();
        let agreement = adjusted_rand_index(&found, &planted).unwrap();
        let segments = &sections.segments.domains[&domain(of)].segments;
        println!("{of}: {} segments, adjusted Rand index {agreement:.3}", segments.len());
        for segment in segments {
            for locale in [Locale::English, Locale::Chinese] {
                println!("  {} {}", segment.id, segment_name(segment, locale, &title));
                let sentences = segment_sentences(segment, locale, &title);
                sentences.iter().for_each(|sentence| println!("      {sentence}"));
                assert!(!sentences.is_empty());
            }
        }
        assert!(agreement > 0.85, "{of}: {agreement}");
        // A kind may be cut further by how much its people do, but none are mixed.
        assert!(
            (kinds.len()..kinds.len() + 3).contains(&segments.len()),
            "{of}: {}",
            segments.len()
        );
        let mut covered = BTreeSet::new();
        for segment in segments {
            let members = found.iter().zip(&planted).filter(|(id, _)| **id == segment.id);
            let members: Vec<u32> = members.map(|(_, kind)| *kind).collect();
            let of_kind = |kind: u32| members.iter().filter(|other| **other == kind).count();
            let most = (0..kinds.len() as u32).max_by_key(|kind| of_kind(*kind)).unwrap();
            assert!(of_kind(most) * 10 >= members.len() * 8, "{of}: {members:?}");
            covered.insert(most);
        }
        assert_eq!(covered.len(), kinds.len(), "{of}: every kind has a segment");

        let header = sections.topics.domains[&domain(of)].header();
        let mut matched = 0;
        for kind in &kinds {
            let planted = Word::Category((*kind).to_owned());
            matched += usize::from(header.topics.iter().any(|t| t.words.contains(&planted)));
        }
        for topic in &header.topics {
            println!("  topic {} {}", topic.id, topic_name(topic, Locale::Chinese, &title));
        }
        assert_eq!(matched, kinds.len(), "{of}: {header:#?}");
        let mut right = 0;
        for (user, person) in &people {
            let interests = sections.topics.topics_of(&domain(of), &person.items);
            let (row, _) = interests[0].evidence[0];
            let item = &model.index().item(row).unwrap().1;
            right +=
                usize::from(SyntheticWorld::kind_of_item(item.as_str()) == Some(kind_of[user]));
        }
        let share = right as f64 / people.len() as f64;
        println!("  of {share:.3} the first topic's first evidence is of their kind");
        assert!(share > 0.85, "{of}: {share}");
    }
}
