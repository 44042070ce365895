use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::entities::definition::DomainDefinition;
use crossfold_testing::{
    at, definition, domain, event, event_at, event_id, event_type, item, user,
};

/// Cleans with one domain, one item, and one erased user.
fn cleaned(events: Vec<Event>) -> Cleaned {
    cleaned_by(definition(), events)
}

fn cleaned_by(definition: DomainDefinition, events: Vec<Event>) -> Cleaned {
    let definitions = Definitions::from([(event().domain, definition)]);
    let items = BTreeSet::from([(event().domain, event().item_id)]);
    let lives = HashMap::from([(user("erased"), 1)]);
    clean(events.into(), CleaningRules { definitions: &definitions, items: &items, lives: &lives })
}

#[test]
fn every_refusal_is_counted_by_its_reason() {
    let mut events = vec![event(), event()];
    let mut number = 0;
    let mut add = |change: &dyn Fn(&mut Event)| {
        let mut other = event();
        number += 1;
        other.event_id = event_id(&format!("e{number}"));
        change(&mut other);
        events.push(other);
    };
    add(&|e| e.domain = domain("travel"));
    add(&|e| e.event_type = event_type("gone"));
    add(&|e| e.item_id = item("gone"));
    add(&|e| e.user = user("erased"));
    add(&|e| e.occurred_at = "2030-01-01T00:00:00Z".parse().unwrap());
    let Cleaned { kept, refused, ledger } = cleaned(events);
    assert_eq!(kept.iter().collect::<Vec<_>>(), [event()]);
    assert_eq!((ledger.read, ledger.kept), (7, 1));
    assert_eq!(ledger.refused.len(), 6);
    assert!(ledger.refused.values().all(|count| *count == 1));
    assert_eq!(refused.len(), 5);
}

#[test]
fn an_erased_user_leaves_a_count_and_nothing_else() {
    let mut erased = event();
    erased.user = user("erased");
    // A copy of an erased event is no duplicate to be kept in quarantine.
    let Cleaned { kept, refused, ledger } = cleaned(vec![erased.clone(), erased]);
    assert_eq!((kept.len(), refused.len()), (0, 0));
    assert_eq!(ledger.refused, BTreeMap::from([(Refusal::ErasedUser, 2)]));
    assert!(ledger.samples.is_empty());
}

/// `count` events of a user, `apart` seconds from one to the next.
fn events_of(user: &str, count: usize, apart: i64) -> Vec<Event> {
    let number = |at: usize| Event {
        user: crossfold_testing::user(user),
        event_id: event_id(&format!("e{at}")),
        ..event_at(at as i64 * apart)
    };
    (0..count).map(number).collect()
}

#[test]
fn a_user_faster_than_people_is_refused_whole_and_a_busy_one_is_not() {
    let mut events: Vec<Event> =
        (0..60).flat_map(|user| events_of(&format!("u{user}"), 1 + user % 9, 60)).collect();
    events.extend(events_of("busy", 500, 60));
    let people = events.len() as u64;
    events.extend(events_of("robot", 400, 2));
    // Most of what the robot does is slow.
    events.push(Event { user: user("robot"), event_id: event_id("e0"), ..event_at(500_000) });
    let Cleaned { kept, refused, ledger } = cleaned(events);
    assert_eq!(ledger.refused, BTreeMap::from([(Refusal::Robot, 401)]));
    assert_eq!(ledger.kept, people);
    assert!(kept.iter().all(|event| event.user.as_str() != "robot"));
    assert!(refused.iter().all(|refused| refused.event.user.as_str() == "robot"));
    assert_eq!(ledger.samples[&Refusal::Robot].len(), MAX_SAMPLES);
    assert_eq!(ledger.most_events_an_hour[&event().domain], robots::NEVER_ROBOTS_UP_TO);
}

#[test]
fn where_times_tell_no_rate_nobody_is_a_robot() {
    const DAY: i64 = 86_400;
    // Everything at one instant, and one midnight a day: heavy users have hundreds of
    // events at one of them, among users with a few.
    for (apart, at_once) in [(0, 500), (DAY, 400)] {
        let mut events: Vec<Event> =
            (0..60).flat_map(|user| events_of(&format!("u{user}"), 1 + user % 9, apart)).collect();
        events.extend(events_of("heavy", 90, apart));
        events.extend(events_of("heavy", 90 + at_once, 0).split_off(90));
        let read = events.len() as u64;
        let Cleaned { ledger, .. } = cleaned(events);
        assert_eq!((ledger.kept, ledger.refused.len()), (read, 0), "{apart}");
    }
}

#[test]
fn an_outlying_value_is_drawn_in_exactly_and_the_event_is_kept() {
    let mut events = events_of("u", 60, 4_000);
    for (at, event) in events.iter_mut().enumerate() {
        event.value = Some(Decimal::new(9_800 + (at % 5) as i64 * 100, 2));
        event.dwell_seconds = Some(10);
    }
    events[7].value = Some(Decimal::new(99_999_999, 2));
    events[9].dwell_seconds = Some(u32::MAX);
    let about = events[7].item_id.clone();
    let Cleaned { kept, ledger, .. } = cleaned(events);
    assert_eq!(ledger.kept, 60);
    assert_eq!(ledger.adjusted[&Adjustment::Value], 1);
    assert_eq!(ledger.adjusted_samples[&Adjustment::Value][0].item_id, Some(about));
    let most = kept.iter().filter_map(|event| event.value).max();
    assert_eq!(most, Some(Decimal::new(10_519, 2)));
    assert!(kept.iter().filter_map(|event| event.dwell_seconds).all(|seconds| seconds < u32::MAX));
}

#[test]
fn a_rating_is_never_drawn_in_to_say_the_opposite() {
    // Nearly everybody gives five of five.
    let mut events = events_of("u", 60, 4_000);
    events.iter_mut().for_each(|event| event.value = Some(Decimal::from(5)));
    events[7].value = Some(Decimal::ONE);
    let mut definition = definition();
    assert_eq!(cleaned(events.clone()).ledger.adjusted[&Adjustment::Value], 1);
    let rated = definition.event_types.get_mut(&event().event_type).unwrap();
    rated.neutral_value = Some(Decimal::from(3));
    let Cleaned { kept, ledger, .. } = cleaned_by(definition, events.clone());
    assert_eq!((kept, ledger.adjusted.len()), (EventTable::from(events), 0));
}

fn archives() -> impl Strategy<Value = Vec<Event>> {
    let texts = (0usize..6, "[a-c]", prop_oneof!["view", "gone"], prop_oneof!["i", "x"]);
    let numbers = (0i64..200, proptest::option::of(0i64..9), any::<bool>());
    let one = (texts, numbers).prop_map(|((who, id, kind, what), (second, value, extreme))| {
        let users = ["erased", "u1", "u2", "u3", "u4", "u5"];
        let factor = if extreme { 1_000_000 } else { 1 };
        Event {
            user: user(users[who]),
            event_id: event_id(&id),
            event_type: event_type(&kind),
            item_id: item(&what),
            occurred_at: at(second),
            value: value.map(|value| Decimal::new(value * factor, 2)),
            dwell_seconds: value.map(|value| (value * factor) as u32),
            ..event()
        }
    });
    // Enough users beside them, with values enough, for limits and bounds to exist.
    let mut others: Vec<Event> =
        (0..60).flat_map(|user| events_of(&format!("o{user}"), 1 + user % 4, 60)).collect();
    for (at, event) in others.iter_mut().enumerate() {
        event.value = Some(Decimal::new(1_000 + (at % 7) as i64 * 10, 2));
        event.dwell_seconds = Some(20 + (at % 5) as u32);
    }
    others.extend(events_of("robot", 300, 1));
    proptest::collection::vec(one, 0..60).prop_map(move |mut events| {
        events.extend(others.iter().cloned());
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_events_changes_nothing(
        (events, shuffled) in archives().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
    ) {
        prop_assert_eq!(cleaned(events), cleaned(shuffled));
    }

    #[test]
    fn what_is_read_is_kept_or_refused_and_nobody_kept_is_too_fast(events in archives()) {
        let read = events.len() as u64;
        let Cleaned { kept, refused, ledger } = cleaned(events);
        let erased = ledger.refused.get(&Refusal::ErasedUser).copied().unwrap_or(0);
        prop_assert_eq!(ledger.read, read);
        prop_assert_eq!(ledger.kept + ledger.refused.values().sum::<u64>(), read);
        prop_assert_eq!((kept.len() + refused.len()) as u64 + erased, read);
        prop_assert!(refused.iter().all(|refused| refused.event.user.as_str() != "erased"));
        prop_assert!(kept.iter().all(|event| event.user.as_str() != "robot"));
        for (domain, most) in &ledger.most_events_an_hour {
            let mut rates = PeakRates::default();
            kept.users().for_each(|(user, part)| rates.add(user, kept.part(part).iter()));
            prop_assert!(rates.of(domain).all(|rate| rate <= *most));
        }
        prop_assert_eq!(ledger.most_events_an_hour.len(), 1);
    }
}
