//! Segments and topics of a world in which they were planted.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossfold_core::entities::consent::{
    ConsentContext, ConsentedHistory, CrossDomain, RecommendationUse,
};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::evidence::behaviours::Behaviour;
use crossfold_core::evidence::item_facts::{CatalogueFacts, ItemFacts, plain_words};
use crossfold_core::evidence::items::{Row, Weighted};
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::measure::adjusted_rand_index;
use crossfold_core::model::segments::{FEWEST_PEOPLE, Fact};
use crossfold_core::model::topics::Word;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::serving::profile::{ProfileInputs, own_segment, profile};
use crossfold_core::serving::reason::Locale;
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::{Trained, TrainingInput, train};
use crossfold_testing::{at, definition, domain, event_at, event_id, item, run};

const DAY: i64 = 86_400;
/// Kinds of people: each likes the items of a category, and the last ones do much more.
const KINDS: usize = 4;
const ITEMS_OF_A_KIND: usize = 9;
const TITLES: [&str; KINDS] =
    ["电池技术 battery", "科学育儿 parenting", "职场写作 career", "露营 camping"];

struct World {
    events: Vec<Event>,
    kinds: Vec<u32>,
    facts: CatalogueFacts,
}

fn knowledge() -> DomainId {
    domain("knowledge")
}

/// So many people; the same for the same seed, and others for another.
fn world(people: usize, seed: usize) -> World {
    let mut events = Vec::new();
    let mut kinds = Vec::new();
    for person in 0..people {
        let kind = person % KINDS;
        kinds.push(kind as u32);
        let busy = if kind == KINDS - 1 { 16 } else { 5 };
        for step in 0..busy + person / KINDS % 3 {
            let draw = (person * 7 + step * 13 + seed * 31 + step * step) % 97;
            let of = if draw.is_multiple_of(10) { (kind + 1) % KINDS } else { kind };
            events.push(Event {
                event_id: event_id(&format!("e{person}-{step}")),
                user: Pseudonym::parse(&format!("person-{person:04}")).unwrap(),
                domain: knowledge(),
                item_id: item(&format!("{of}-{}", draw % ITEMS_OF_A_KIND)),
                ..event_at((draw as i64 % 90 + 1) * DAY + person as i64)
            });
        }
    }
    let facts = (0..KINDS * ITEMS_OF_A_KIND).map(|number| {
        let (kind, number) = (number / ITEMS_OF_A_KIND, number % ITEMS_OF_A_KIND);
        let facts = ItemFacts {
            title: format!("{} {number}", TITLES[kind]),
            categories: vec![format!("kind-{kind}")],
            words: plain_words(&format!("{} {number}", TITLES[kind])),
            available_from: None,
        };
        ((knowledge(), item(&format!("{kind}-{number}"))), facts)
    });
    World { events, kinds, facts: facts.collect() }
}

fn trained(world: &World, champion: Option<Arc<Model>>) -> Trained {
    let input = TrainingInput {
        items: world.facts.keys().cloned().collect(),
        facts: world.facts.clone(),
        events: world.events.clone().into(),
        people: PeopleIndex::default(),
        definitions: [(knowledge(), definition())].into_iter().collect(),
        params: AlsOptions { factors: 4, iterations: 3, ..AlsOptions::default() }.check().unwrap(),
        unobserved_items: Default::default(),
        gate: GateOptions::default(),
        training_run: run("run"),
        champion,
        now: at(100 * DAY),
    };
    train(input, &|_, _| ()).unwrap()
}

fn model(trained: &Trained) -> Model {
    Artefact::encode(&trained.parts, trained.report.encode().unwrap()).unwrap().verify().unwrap()
}

/// What each person did, in order of people, by the rows of a model.
fn behaviours(world: &World, model: &Model) -> Vec<Behaviour> {
    let definitions = [(knowledge(), definition())].into_iter().collect();
    let mut by_person: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in &world.events {
        by_person.entry(event.user.as_str().to_owned()).or_default().push(event.clone());
    }
    let rows = model.index().ranges().get(&knowledge()).unwrap();
    let behaviour = |events: Vec<Event>| {
        let liked: Vec<Weighted> = events
            .iter()
            .map(|event| model.index().row(&(knowledge(), event.item_id.clone())).unwrap())
            .map(|row| Weighted::new(row, 1.0))
            .collect();
        let ledger = Default::default();
        let context =
            ConsentContext { ledger: &ledger, definitions: &definitions, now: at(100 * DAY) };
        let history = History::new(events, []);
        let groups = ConsentedHistory::for_training(&history, context);
        Behaviour::of(&groups[0], &liked, rows).unwrap()
    };
    by_person.into_values().map(behaviour).collect()
}

fn segments_of(world: &World, model: &Model) -> Vec<u32> {
    let segments = &model.sections().segments;
    let place = |person: &Behaviour| segments.segment_of(&knowledge(), person).unwrap().id;
    behaviours(world, model).iter().map(place).collect()
}

#[test]
fn planted_segments_are_found_and_described_by_what_was_planted() {
    let world = world(400, 1);
    let trained = trained(&world, None);
    let model = model(&trained);
    let found = segments_of(&world, &model);
    let agreement = adjusted_rand_index(&found, &world.kinds).unwrap();
    assert!(agreement > 0.9, "{agreement} {:#?}", trained.report.segments);
    let segments = &model.sections().segments.domains[&knowledge()];
    assert_eq!(segments.segments.len(), KINDS);
    for segment in &segments.segments {
        let Fact::Category { category, share, lift } = &segment.facts[0] else {
            panic!("{:?}", segment.facts);
        };
        assert!(*share > 0.6 && *lift > 2.0, "{category} {share} {lift}");
        let members = found.iter().zip(&world.kinds).filter(|(id, _)| **id == segment.id);
        let kinds: Vec<u32> = members.map(|(_, kind)| *kind).collect();
        let of_kind = kinds.iter().filter(|kind| format!("kind-{kind}") == *category).count();
        assert!(of_kind * 10 > kinds.len() * 8, "{category}: {kinds:?}");
        let is_busy = segment.facts.iter().any(
            |fact| matches!(fact, Fact::Habit { here, overall, .. } if here > &(overall * 1.5)),
        );
        assert_eq!(is_busy, *category == format!("kind-{}", KINDS - 1), "{:?}", segment.facts);
    }
}

#[test]
fn people_are_told_apart_by_what_they_like_where_items_have_no_categories() {
    let mut world = world(400, 1);
    world.facts.values_mut().for_each(|facts| facts.categories.clear());
    let trained = trained(&world, None);
    let found = &trained.report.segments[&knowledge()].found;
    let lines: Vec<&String> = found.iter().flat_map(|one| &one.because.english).collect();
    let has_title = |line: &&&String| TITLES.iter().any(|title| line.contains(title));
    assert!(lines.iter().filter(has_title).count() >= KINDS, "by titles: {lines:?}");
    let is_id = |line: &&String| (0..KINDS).any(|kind| line.contains(&format!("“{kind}-")));
    assert!(!lines.iter().any(is_id), "not by ids: {lines:?}");
    let model = model(&trained);
    let found = segments_of(&world, &model);
    let agreement = adjusted_rand_index(&found, &world.kinds).unwrap();
    assert!(agreement > 0.85, "{agreement}");
    let segments = &model.sections().segments.domains[&knowledge()];
    for segment in &segments.segments {
        let tells = |fact: &Fact| matches!(fact, Fact::Item { .. });
        assert!(segment.facts.iter().any(tells), "{:?}", segment.facts);
    }
    // Whoever also likes what no model knows, or nobody else, stays among their kind.
    let people = behaviours(&world, &model);
    let mut traits = model.sections().segments.clone();
    let rare = model.index().len() - 1;
    traits.traits.tastes[rare] = Default::default();
    for person in people.iter().filter(|person| !person.items.contains(&Row(rare as u32))) {
        let mut with_rare = person.clone();
        with_rare.items.push(Row(rare as u32));
        let kind = |person| traits.segment_of(&knowledge(), person).unwrap().id;
        if with_rare.items.len() > 4 {
            assert_eq!(kind(&with_rare), kind(person), "{person:?}");
        }
    }
}

#[test]
fn segments_and_topics_keep_their_numbers_from_run_to_run() {
    let first = world(400, 1);
    let champion = Arc::new(model(&trained(&first, None)));
    let second = world(480, 5);
    let next = trained(&second, Some(champion.clone()));
    assert_eq!(next.report.segments[&knowledge()].kept, KINDS);
    let topics = &next.report.topics[&knowledge()];
    assert!(topics.kept * 10 >= topics.topics * 7, "{topics:?}");
    let next = model(&next);
    let known_by = |model: &Model| -> BTreeMap<u32, String> {
        let segments = &model.sections().segments.domains[&knowledge()].segments;
        let name = |fact: &Fact| match fact {
            Fact::Category { category, .. } => category.clone(),
            other => panic!("{other:?}"),
        };
        segments.iter().map(|segment| (segment.id, name(&segment.facts[0]))).collect()
    };
    assert_eq!(known_by(&champion), known_by(&next));
}

#[test]
fn planted_topics_are_found_and_a_persons_are_those_of_their_kind() {
    let world = world(400, 1);
    let trained = trained(&world, None);
    let model = model(&trained);
    let topics = &model.sections().topics;
    let header = topics.domains[&knowledge()].header();
    let categories: Vec<&Word> = header
        .topics
        .iter()
        .filter_map(|topic| topic.words.iter().find(|word| matches!(word, Word::Category(_))))
        .collect();
    for kind in 0..KINDS {
        let planted = Word::Category(format!("kind-{kind}"));
        assert!(categories.contains(&&planted), "{kind}: {header:#?}");
    }
    let mut right = 0;
    for (person, kind) in behaviours(&world, &model).iter().zip(&world.kinds) {
        let interests = topics.topics_of(&knowledge(), &person.items);
        let sum: f32 = interests.iter().map(|interest| interest.share).sum();
        assert!((sum - 1.0).abs() < 1e-3);
        let (row, _) = interests[0].evidence[0];
        let of_kind = model.index().item(row).unwrap().1.as_str().starts_with(&kind.to_string());
        right += usize::from(of_kind);
    }
    assert!(right > 360, "{right} of 400");
}

#[test]
fn a_profile_tells_of_segment_and_topics_where_enough_is_liked_and_of_no_price() {
    let world = world(400, 1);
    let model = model(&trained(&world, None));
    let definitions = [(knowledge(), definition())].into_iter().collect();
    let own = BTreeSet::from([knowledge()]);
    let told = |person: usize, most: usize, locale| {
        let name = format!("person-{person:04}");
        let events = world.events.iter().filter(|event| event.user.as_str() == name);
        let ledger = Default::default();
        let context =
            ConsentContext { ledger: &ledger, definitions: &definitions, now: at(100 * DAY) };
        let history = History::new(events.take(most).cloned().collect(), []);
        let display = knowledge();
        let user = Pseudonym::parse(&name).unwrap();
        let of = RecommendationUse {
            user: &user,
            display: &display,
            target: &display,
            cross_domain: CrossDomain::ByConsent,
        };
        let history = ConsentedHistory::for_recommendation(&history, context, &of);
        let inputs = ProfileInputs {
            display: &display,
            visible: &own,
            history: &history,
            economic: None,
            declared: &Default::default(),
            definitions: &definitions,
            catalogues: &Default::default(),
            model: Some(&model),
            now: at(100 * DAY),
            locale,
        };
        let told = profile(&inputs).domains.remove(0);
        let in_words = told.segment.as_ref().map(|line| line.finding.segment);
        assert_eq!(own_segment(&inputs).map(|segment| segment.id), in_words);
        told
    };
    for (person, kind) in world.kinds.iter().enumerate().take(40) {
        let domain = told(person, usize::MAX, Locale::English);
        let segment = domain.segment.unwrap();
        assert!(segment.text.contains(&segment.finding.name), "{segment:?}");
        assert!(!domain.topics.is_empty() && domain.topics.len() <= 3);
        assert!(domain.topics.is_sorted_by(|a, b| a.finding.share >= b.finding.share));
        if *kind == 3 {
            assert!(segment.finding.name.contains("kind-3"), "{segment:?}");
        }
    }
    assert!(told(0, usize::MAX, Locale::Chinese).segment.unwrap().text.starts_with("与本平台"));
    let few = told(0, 1, Locale::English);
    assert_eq!((few.segment, few.topics), (None, Vec::new()));
}

#[test]
fn of_fewer_than_twenty_people_nothing_is_said() {
    let world = world(400, 1);
    let model = model(&trained(&world, None));
    let counts: BTreeMap<String, u64> = behaviours(&world, &model)
        .iter()
        .flat_map(|person| person.items.clone())
        .map(|row: Row| model.index().item(row).unwrap().1.as_str().to_owned())
        .fold(BTreeMap::new(), |mut counts, item| {
            *counts.entry(item).or_default() += 1;
            counts
        });
    let sections = model.sections();
    for segment in &sections.segments.domains[&knowledge()].segments {
        for fact in &segment.facts {
            if let Fact::Item { item, .. } = fact {
                assert!(counts[item.as_str()] >= FEWEST_PEOPLE, "{item}");
            }
        }
    }
    for word in &sections.topics.domains[&knowledge()].header().words {
        if let Word::Item(item) = word {
            assert!(counts[item.as_str()] >= FEWEST_PEOPLE, "{item}");
        }
    }
    let few = self::world(19, 1);
    let few = trained(&few, None);
    assert!(few.parts.sections.segments.is_empty() && few.parts.sections.topics.is_empty());
}
