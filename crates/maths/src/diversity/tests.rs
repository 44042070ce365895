//! What holds for both ways of choosing by features.

use proptest::prelude::*;

use super::testing::{Drawn, WIDTH, drawn};
use super::{Candidates, Categorised, Room, TradeOff, calibrated_within, dpp, dpp_within, mmr};
use crate::measure::intra_list_distance;
use crate::rank::top_k;

type Way = fn(Candidates<'_>, TradeOff, usize) -> Vec<u32>;

const WAYS: [(&str, Way); 2] = [("mmr", mmr), ("dpp", dpp)];

fn share(share: f32) -> TradeOff {
    TradeOff::new(share).unwrap()
}

proptest! {
    #[test]
    fn exactly_as_many_as_are_wanted_are_chosen_and_each_once(
        drawn in drawn(30), relevance in 0.0f32..=1.0, k in 0usize..35,
    ) {
        for (way, choose) in WAYS {
            let mut list = choose(drawn.candidates(), share(relevance), k);
            prop_assert_eq!(list.len(), k.min(drawn.relevance.len()), "{}", way);
            list.sort_unstable();
            list.dedup();
            prop_assert_eq!(list.len(), k.min(drawn.relevance.len()), "{}", way);
            prop_assert!(list.iter().all(|at| (*at as usize) < drawn.relevance.len()), "{}", way);
        }
    }

    #[test]
    fn a_shorter_list_is_the_beginning_of_a_longer_one(drawn in drawn(20), relevance in 0.0f32..=1.0) {
        for (way, choose) in WAYS {
            let all = choose(drawn.candidates(), share(relevance), usize::MAX);
            for k in 0..all.len() {
                let list = choose(drawn.candidates(), share(relevance), k);
                prop_assert_eq!(&list[..], &all[..k], "{}", way);
            }
        }
    }

    #[test]
    fn relevance_alone_is_its_order(drawn in drawn(30), k in 0usize..35) {
        for (way, choose) in WAYS {
            let list = choose(drawn.candidates(), share(1.0), k);
            prop_assert_eq!(list, top_k(&drawn.relevance, k), "{}", way);
        }
    }

    #[test]
    fn another_order_of_candidates_gives_the_same_list(
        (drawn, order) in drawn(20).prop_flat_map(|drawn| {
            let order: Vec<usize> = (0..drawn.relevance.len()).collect();
            (Just(drawn), Just(order).prop_shuffle())
        }),
        of_relevance in 0.0f32..=1.0, k in 0usize..25,
    ) {
        // Distinct, in some order.
        let relevance = (0..drawn.relevance.len()).map(|at| (at * 11 % 23) as f32 / 23.0).collect();
        let drawn = Drawn { relevance, ..drawn };
        let permuted = drawn.permuted(&order);
        for (way, choose) in WAYS {
            let there = choose(permuted.candidates(), share(of_relevance), k);
            let there: Vec<u32> = there.into_iter().map(|at| order[at as usize] as u32).collect();
            prop_assert_eq!(there, choose(drawn.candidates(), share(of_relevance), k), "{}", way);
        }
    }

    #[test]
    fn the_same_is_not_listed_again_before_something_else_that_is_nearly_as_relevant(
        row in proptest::collection::vec(-1.0f32..1.0, WIDTH), relevance in 0.1f32..=1.0,
        less in 0.0f32..0.1, of_relevance in 0.0f32..0.9,
    ) {
        let length = row.iter().map(|one| one * one).sum::<f32>().sqrt();
        prop_assume!(length > 0.1);
        let row: Vec<f32> = row.iter().map(|one| one / length).collect();
        // Something like nothing.
        let features = [&row[..], &row[..], &[0.0; WIDTH]].concat();
        let drawn = Drawn { relevance: vec![relevance, relevance, relevance - less], features };
        for (way, choose) in WAYS {
            let list = choose(drawn.candidates(), share(of_relevance), 3);
            prop_assert_eq!(list, [0, 2, 1], "{}", way);
        }
    }
}

#[test]
fn less_weight_of_relevance_makes_lists_less_alike() {
    // Groups of near neighbours, the more relevant the nearer to the first.
    let (mut relevance, mut features) = (Vec::new(), Vec::new());
    for at in 0..40 {
        let angle = f32::from(at / 8u8) * 0.3 + f32::from(at % 8) * 0.02;
        relevance.push(1.0 - f32::from(at) / 40.0);
        features.extend([angle.cos(), angle.sin(), 0.0, 0.0, 0.0]);
    }
    let drawn = Drawn { relevance, features };
    let factors = ndarray::ArrayView2::from_shape((40, WIDTH), &drawn.features).unwrap();
    for (way, choose) in WAYS {
        let distance = |of_relevance: f32| {
            let list = choose(drawn.candidates(), share(of_relevance), 2);
            intra_list_distance(&list, factors).unwrap()
        };
        assert!(distance(0.2) > 10.0 * distance(1.0), "{way}");
    }
}

/// One of a group, two of another, and none of a third; and categories, by candidate.
const LEFT: [u32; 3] = [1, 2, 0];

/// Lists within quotas, as each way chooses them of these candidates.
fn within(drawn: &Drawn, groups: &[Vec<u32>], k: usize) -> [Vec<u32>; 2] {
    let candidates = drawn.candidates();
    let room = || Room::new(groups.to_vec(), LEFT.to_vec()).unwrap();
    let weight = |at: usize| [f32::from(groups[at].contains(&0)), f32::from(groups[at].is_empty())];
    let weights: Vec<f32> = (0..groups.len()).flat_map(weight).collect();
    let categorised = Categorised::new(candidates, &weights, &[2.0, 1.0]).unwrap();
    [
        dpp_within((candidates, room()), share(0.5), k),
        calibrated_within((&categorised, room()), share(0.5), k),
    ]
}

fn grouped() -> impl Strategy<Value = (Drawn, Vec<Vec<u32>>)> {
    drawn(14).prop_flat_map(|drawn| {
        let of_candidate = proptest::sample::subsequence(vec![0u32, 1, 2], 0..=2);
        let groups = proptest::collection::vec(of_candidate, drawn.relevance.len());
        (Just(drawn), groups)
    })
}

proptest! {
    #[test]
    fn a_quota_gives_way_only_when_nothing_fits((drawn, groups) in grouped(), k in 0usize..16) {
        for list in within(&drawn, &groups, k) {
            prop_assert_eq!(list.len(), k.min(groups.len()));
            let mut room = Room::new(groups.clone(), LEFT.to_vec()).unwrap();
            for (place, at) in list.iter().enumerate() {
                let mut left = (0..groups.len()).filter(|one| !list[..place].contains(&(*one as u32)));
                prop_assert!(room.fits(*at as usize) || !left.any(|one| room.fits(one)));
                room.take(*at as usize);
            }
        }
    }

    /// What a replay of a slate goes by.
    #[test]
    fn what_is_not_chosen_has_no_part_in_what_is(
        (drawn, groups) in grouped(), k in 0usize..10, gone in any::<prop::sample::Index>(),
    ) {
        for (way, list) in within(&drawn, &groups, k).into_iter().enumerate() {
            let others: Vec<usize> =
                (0..groups.len()).filter(|at| !list.contains(&(*at as u32))).collect();
            if others.is_empty() {
                continue;
            }
            let gone = others[gone.index(others.len())];
            let kept: Vec<usize> = (0..groups.len()).filter(|at| *at != gone).collect();
            let (fewer, their) = (drawn.permuted(&kept), kept.iter().map(|at| groups[*at].clone()));
            let again = &within(&fewer, &their.collect::<Vec<_>>(), k)[way];
            let named: Vec<u32> = again.iter().map(|at| kept[*at as usize] as u32).collect();
            prop_assert_eq!(named, list);
        }
    }
}
