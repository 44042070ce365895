//! What is too thin, too old, or misleading for people's own evidence is served by
//! popularity, domain by domain, and a run on it ends in a model.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::evidence::items::{Row, Weighted};
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::served_by::{LEAST_PEOPLE, ServedBy, Why};
use crossfold_core::training::shadow::FEWEST_PEOPLE;
use crossfold_core::training::{Trained, TrainingError, TrainingInput, train};
use crossfold_testing::{
    AUTO_FINANCE, KNOWLEDGE, at, definition, domain, event_at, event_id, item, run, user, world,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DAY: i64 = 86_400;
const TODAY: i64 = 20_000 * DAY;

/// Somebody viewed an item so many seconds ago.
fn view(person: usize, of_domain: &str, item_id: &str, seconds_ago: i64) -> Event {
    Event {
        event_id: event_id(&format!("{item_id}-{seconds_ago}")),
        user: user(&format!("{of_domain}-{person}")),
        domain: domain(of_domain),
        item_id: item(item_id),
        ..event_at(TODAY - seconds_ago)
    }
}

fn input(events: Vec<Event>) -> TrainingInput {
    let names = [KNOWLEDGE, AUTO_FINANCE].map(domain);
    TrainingInput {
        items: events.iter().map(|e| (e.domain.clone(), e.item_id.clone())).collect(),
        facts: Default::default(),
        events: events.into(),
        people: PeopleIndex::default(),
        definitions: names.map(|name| (name, definition())).into_iter().collect::<Definitions>(),
        params: AlsOptions::default().check().unwrap(),
        unobserved_items: UnobservedItems::default(),
        gate: GateOptions::default(),
        training_run: run("run"),
        champion: None,
        now: at(TODAY),
    }
}

fn trained(input: TrainingInput) -> Trained {
    train(input, &|_, _| ()).unwrap()
}

fn model(trained: &Trained) -> Model {
    Artefact::encode(&trained.parts, trained.report.encode().unwrap()).unwrap().verify().unwrap()
}

fn row(model: &Model, of_domain: &DomainId, id: &str) -> Row {
    model.index().row(&(of_domain.clone(), item(id))).unwrap()
}

#[test]
fn a_few_people_with_a_few_events_end_in_a_model_served_by_popularity_at_any_second() {
    for (people, each) in [(1, 1), (1, 50), (3, 1), (3, 2), (5, 3), (9, 3)] {
        for days in [0, 3, 600, 3_650] {
            for second in 0..5 {
                let taken = |person: usize| {
                    (0..each).map(move |step| {
                        let id = format!("i{}", (person + step * step) % 100);
                        view(person, KNOWLEDGE, &id, days * DAY + step as i64 * 977)
                    })
                };
                let events = (0..people).flat_map(taken).collect();
                let now = at(TODAY + second);
                let made = trained(TrainingInput { now, ..input(events) });
                let served = made.report.served[&domain(KNOWLEDGE)];
                assert!(matches!(served, ServedBy::Popularity(_)), "{people} {each} {served:?}");
                assert!(model(&made).index().ranges().values().all(|rows| !rows.is_empty()));
            }
        }
    }
}

#[test]
fn there_are_never_more_factors_than_the_smaller_side_supports() {
    let taken = |person: usize| (0..5).map(move |n| view(person, KNOWLEDGE, &format!("i{n}"), 9));
    let made = trained(input((0..30).flat_map(taken).collect()));
    assert_eq!(model(&made).item_factors().dim(), (5, 5));
}

#[test]
fn one_thin_domain_does_not_take_anothers_model_away() {
    let of_auto = |e: &Event| e.domain == domain(AUTO_FINANCE);
    let mut events: Vec<Event> = world(40, 1).events.into_iter().filter(of_auto).collect();
    events.push(view(1, KNOWLEDGE, "alone", 0));
    let made = trained(input(events));
    let served = &made.report.served;
    assert_eq!(served[&domain(AUTO_FINANCE)], ServedBy::Evidence, "{served:?}");
    let why = Why::FewItems { items: 1, needed: 3 };
    assert_eq!(served[&domain(KNOWLEDGE)], ServedBy::Popularity(why));
    let (model, knowledge) = (model(&made), domain(KNOWLEDGE));
    let alone = row(&model, &knowledge, "alone");
    assert!(model.estimate(&knowledge, &[Weighted::new(alone, 1.0)]).is_none());
    assert_eq!(model.popularity(alone), 1.0);
}

#[test]
fn a_new_hit_stands_before_what_more_people_took_long_ago() {
    let mut events: Vec<Event> = Vec::new();
    for person in 0..160 {
        let (hit, days) = if person < 100 { ("old-hit", 600) } else { ("new-hit", 3) };
        events.push(view(person, KNOWLEDGE, hit, days * DAY + person as i64 * 60));
        let other = format!("f{}", person % 7);
        events.push(view(person, KNOWLEDGE, &other, days * DAY + person as i64 * 61));
    }
    let made = trained(input(events));
    let (model, knowledge) = (model(&made), domain(KNOWLEDGE));
    let popularity = |id| model.popularity(row(&model, &knowledge, id));
    assert!(popularity("new-hit") > popularity("old-hit"));
    assert!(popularity("old-hit") > 0.0);
}

#[test]
fn among_many_of_long_ago_fresh_people_keep_their_taste() {
    let mut events = Vec::new();
    for person in 0..160usize {
        let days = if person < 100 { 1_800 } else { 20 };
        for step in 0..10 {
            let liked = (step + person) % 12 * 2 + person % 2;
            let ago = days * DAY - (step * 90 + person) as i64 * 600;
            events.push(view(person, KNOWLEDGE, &format!("i{liked}"), ago));
        }
    }
    let options = AlsOptions { factors: 4, ..AlsOptions::default() };
    let made = trained(TrainingInput { params: options.check().unwrap(), ..input(events) });
    let knowledge = domain(KNOWLEDGE);
    assert_eq!(made.report.served[&knowledge], ServedBy::Evidence, "{:?}", made.report.served);
    let model = model(&made);
    for parity in 0..2 {
        let known = [0, 4, 8].map(|n| row(&model, &knowledge, &format!("i{}", n + parity)));
        let evidence = known.map(|row| Weighted::new(row, 1.0));
        let estimate = model.estimate(&knowledge, &evidence).unwrap();
        let mean = |parity: usize| -> f32 {
            (0..12)
                .map(|n| estimate.score(row(&model, &knowledge, &format!("i{}", 2 * n + parity))))
                .sum()
        };
        assert!(mean(parity) > mean(1 - parity), "{} {}", mean(parity), mean(1 - parity));
    }
}

#[test]
fn what_is_no_better_than_popularity_is_not_served_as_personal() {
    // Everyone takes what is popular, whatever they took before; the fit believes
    // every accident.
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut events = Vec::new();
    for person in 0..400 {
        for step in 0..7 {
            let taken = (random.random_range(0.0f64..1.0).powi(3) * 60.0) as usize;
            let ago = random.random_range(0..40 * DAY);
            events.push(view(person, KNOWLEDGE, &format!("i{taken}"), ago + step));
        }
    }
    let options = AlsOptions {
        unobserved_weight: 1e-4,
        regularisation: 1e-6,
        frequency_exponent: 0.0,
        ..AlsOptions::default()
    };
    let made = trained(TrainingInput { params: options.check().unwrap(), ..input(events) });
    let (report, knowledge) = (&made.report, domain(KNOWLEDGE));
    let ServedBy::Popularity(Why::Worse { people, difference }) = report.served[&knowledge] else {
        panic!("{:?} {:?}", report.served, report.evaluation[&knowledge].lift);
    };
    // A mixture comes near to popularity here; the factors are far below.
    assert!(people >= FEWEST_PEOPLE && difference.low < 0.0);
    // What is told is what is served: popularity.
    let evaluation = &report.evaluation[&knowledge];
    assert_eq!(evaluation.metrics, evaluation.popularity);
    assert_eq!(report.shadow.domains[&knowledge].popularity.difference.high, 0.0);
    let last = evaluation.leave_last_out.as_ref().unwrap();
    assert_eq!(last.metrics, last.popularity);
    let model = model(&made);
    assert_eq!(model.manifest().by_popularity, [knowledge.clone()].into());
    let known = Weighted::new(row(&model, &knowledge, "i0"), 1.0);
    assert!(model.estimate(&knowledge, &[known]).is_none());
}

#[test]
fn where_nothing_is_left_the_error_says_what_took_most() {
    let mut all = input((0..7).map(|n| view(n, KNOWLEDGE, "i", n as i64)).collect());
    all.items.clear();
    let error = train(all, &|_, _| ()).unwrap_err();
    assert!(matches!(error, TrainingError::NothingToTrainOn(_)));
    let expected = "of 7 events, 7 are about items that are not in the catalogue";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn ten_people_with_two_items_are_enough_to_try() {
    let taken = |person: usize| {
        let ids = [person % 3, 3 + person % 2].map(|number| format!("i{number}"));
        ids.into_iter().map(move |id| view(person, KNOWLEDGE, &id, person as i64))
    };
    let made = trained(input((0..LEAST_PEOPLE - 1).flat_map(taken).collect()));
    let why = Why::FewPeople { people: LEAST_PEOPLE - 1, needed: LEAST_PEOPLE };
    assert_eq!(made.report.served[&domain(KNOWLEDGE)], ServedBy::Popularity(why));
    let made = trained(input((0..LEAST_PEOPLE).flat_map(taken).collect()));
    let served = made.report.served[&domain(KNOWLEDGE)];
    assert!(!matches!(served, ServedBy::Popularity(Why::FewPeople { .. })), "{served:?}");
}
