//! Slates of which a share is for others than the best.

use super::*;
use crate::entities::exploration::ExplorationShare;
use crate::serving::explore_share::{Explored, KNOWN, UNKNOWN};

fn exploring(share: f32, limit: usize) -> SlateRequest {
    let share = ExplorationShare::try_from(share).unwrap();
    SlateRequest {
        limit,
        exploration: Some(Explored { share, then: None }),
        ..asking(knowledge(), knowledge())
    }
}

/// Slates of so many seeds, the person having seen one item: seven others that the model knows, and some that it does not.
fn drawn(request: &SlateRequest, seeds: u64, unknown: usize) -> Vec<Decided> {
    let (model, consents) = (bridged_model(), both_granted());
    let history = History::new(did(knowledge(), &[0]), []);
    let mut items = items(&knowledge());
    let newer = (0..unknown).map(|number| Item {
        item_id: item_id(100 + number),
        updated_at: now() - jiff::SignedDuration::from_secs(number as i64),
        ..items[0].clone()
    });
    let newer: Vec<Item> = newer.collect();
    items.extend(newer);
    let (user, definitions) = (the_user(), both_defined());
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let catalogues = catalogues_of(items, Some(&model));
    let serving = Serving {
        model: Some(&model),
        catalogues: &catalogues,
        policy: &ALS_FOLD_IN,
        degraded: &[],
    };
    let decided = |seed| {
        let request = SlateRequest { seed, ..request.clone() };
        decide(serving, &AdmittedRequest::new(&request, recipient, &definitions))
    };
    (0..seeds).map(decided).collect()
}

fn best(limit: usize) -> Vec<usize> {
    let request = SlateRequest { exploration: None, ..exploring(0.1, limit) };
    numbers(&drawn(&request, 1, 9)[0])
}

/// Every item by its place, with how often it was there of all, and with what probability.
type Places = BTreeMap<(usize, usize), (u64, f64)>;

fn places(slates: &[Decided]) -> Places {
    let mut places = Places::new();
    for slate in slates {
        for (place, entry) in slate.decision.slate.iter().enumerate() {
            let number = entry.item_id.as_str()[1..].parse().unwrap();
            let (count, propensity) =
                places.entry((place, number)).or_insert((0, entry.propensity));
            *count += 1;
            assert!((*propensity - entry.propensity).abs() < 1e-12, "{place} {number}");
        }
    }
    places
}

#[test]
fn the_propensity_is_how_often_an_item_is_at_its_place() {
    const SEEDS: u64 = 8_000;
    // One place in two slates, one of every ten, and more than there are items for.
    for (share, limit, unknown) in [(0.1, 5, 9), (0.3, 7, 9), (0.5, 4, 30), (0.5, 9, 3)] {
        let places = places(&drawn(&exploring(share, limit), SEEDS, unknown));
        for ((place, number), (count, propensity)) in &places {
            let frequency = *count as f64 / SEEDS as f64;
            let error = (propensity * (1.0 - propensity) / SEEDS as f64).sqrt();
            assert!(
                (frequency - propensity).abs() <= 5.0 * error + 1e-9,
                "{share} {limit}: {number} at {place}: {frequency} {propensity}",
            );
        }
        for place in 0..limit {
            let of_place = places.iter().filter(|((other, _), _)| *other == place);
            let sum: f64 = of_place.map(|(_, (_, propensity))| propensity).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{share} {limit}: {sum} at {place}");
        }
    }
}

#[test]
fn no_more_places_than_the_share_are_for_others() {
    const SEEDS: u64 = 4_000;
    for (share, limit) in [(0.1, 5), (0.25, 6), (0.5, 5), (0.02, 3)] {
        let best = best(limit);
        let others =
            |slate: &Decided| numbers(slate).iter().filter(|number| !best.contains(number)).count();
        let others: Vec<usize> =
            drawn(&exploring(share, limit), SEEDS, 9).iter().map(others).collect();
        let wanted = f64::from(share) * limit as f64;
        assert!(others.iter().all(|others| *others as f64 <= wanted.ceil()), "{share} {limit}");
        let mean = others.iter().sum::<usize>() as f64 / SEEDS as f64;
        // Of what is drawn some is the best all the same.
        assert!(mean <= wanted + 0.03, "{share} {limit}: {mean}");
        assert!(mean >= wanted * 0.5, "{share} {limit}: {mean}");
    }
}

#[test]
fn what_nothing_is_known_of_gets_its_chance_the_newest_first() {
    let slates = drawn(&exploring(0.5, 2), 3_000, UNKNOWN + 10);
    let shown: BTreeSet<usize> =
        slates.iter().flat_map(numbers).filter(|number| *number >= 100).collect();
    assert_eq!(shown, (100..100 + UNKNOWN).collect());
    // All the known ones are in it too, but for the one that was seen.
    let shown: BTreeSet<usize> = slates.iter().flat_map(numbers).collect();
    assert!((1..ITEMS).all(|number| shown.contains(&number)));
    const { assert!(ITEMS < KNOWN) };
}

#[test]
fn items_that_came_at_once_have_their_chance_all_the_same() {
    let (consents, history) = (both_granted(), History::default());
    let same = (0..60)
        .map(|number| Item { item_id: item_id(100 + number), ..items(&knowledge())[0].clone() });
    let same: Vec<Item> = same.collect();
    let mut shown = BTreeSet::new();
    for seed in 0..400 {
        let request = SlateRequest { seed, ..exploring(0.5, 4) };
        // Nobody knows anything of any, and all are equally new.
        let slate = slate_for(None, same.clone(), (&consents, &history), &request);
        assert_eq!(
            slate.decision.basis.as_ref().unwrap().exploration.as_ref().unwrap().items,
            UNKNOWN
        );
        shown.extend(numbers(&slate));
    }
    // Two are there for certain, and the next 25 in order of their ids.
    assert_eq!(shown, (100..100 + 2 + UNKNOWN).collect());
}

#[test]
fn where_everything_is_shown_it_is_in_another_order_and_nothing_where_there_is_nothing() {
    let request = exploring(0.5, 20);
    for slate in drawn(&request, 50, 0) {
        let shown: BTreeSet<usize> = numbers(&slate).into_iter().collect();
        assert_eq!((shown, slate.items.len()), ((1..ITEMS).collect(), ITEMS - 1));
    }
    let none = SlateRequest {
        excluded: (0..ITEMS).map(|n| (knowledge(), item_id(n))).collect(),
        ..request
    };
    assert_eq!(drawn(&none, 1, 0)[0].decision.slate, []);
}

#[test]
fn that_something_was_drawn_makes_no_slate_personal() {
    let request = SlateRequest { personalised: false, ..exploring(0.5, 4) };
    assert!(drawn(&request, 50, 9).iter().all(|slate| !slate.decision.personalised));
}
