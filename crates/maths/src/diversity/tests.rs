//! What holds for both ways of choosing by features.

use proptest::prelude::*;

use super::testing::{Drawn, WIDTH, drawn};
use super::{Candidates, TradeOff, dpp, mmr};
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
