//! How much each ranker is to share in a score: ensemble selection.
//!
//! Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models"
//! (2004): rankers are added to a bag one at a time, each time the one with which the
//! bag's mean ranks best for the people who choose, the same one as often as it helps. A
//! ranker's share is how often it was taken.
//!
//! Which rankers are taken last depends on a few people, and so does where the bag is best.
//! So this is done for several halves of the people, and shares are the mean of what comes
//! of each (section 2.3 there, *bagged* ensemble selection).
//!
//! Of each person only a pool of items is looked at: the first of each ranker and what
//! was held out. What none of them puts among its first is hardly among the first of
//! their mean.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::maths::measure::LIST_LENGTH;

/// How many rankers are taken into a bag.
pub(super) const TAKEN: usize = 20;

/// Halves of the people for whom rankers are taken.
const HALVES: usize = 8;
/// A share that is less in the mean is none: its ranker would be fitted and kept for next to
/// nothing.
const LEAST_SHARE: f32 = 0.02;

/// What rankers say of one person's pool of items.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Each ranker's scores of the pool's items, in units of their spread over all items:
    /// rankers x items, one ranker after another.
    pub scores: Vec<f32>,
    /// Items of the pool.
    pub items: usize,
    /// Which of them were held out, ascending.
    pub relevant: Vec<u32>,
}

impl Pool {
    /// NDCG@20 when items are ordered by the sum of the rankers' scores, each times its
    /// weight. Of equals, the first of the pool comes first.
    #[must_use]
    pub fn ndcg(&self, weights: &[f32]) -> f64 {
        let mut mixed = vec![0.0f32; self.items];
        for (weight, scores) in weights.iter().zip(self.scores.chunks_exact(self.items.max(1))) {
            if *weight != 0.0 {
                mixed.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight * score);
            }
        }
        let gain = |item: &u32| {
            let (at, own) = (*item as usize, mixed[*item as usize]);
            let before = mixed[..at].iter().filter(|score| **score >= own).count();
            let after = mixed[at + 1..].iter().filter(|score| **score > own).count();
            let position = before + after;
            if position < LIST_LENGTH { discount(position) } else { 0.0 }
        };
        let ideal: f64 = (0..self.relevant.len().min(LIST_LENGTH)).map(discount).sum();
        let gained: f64 = self.relevant.iter().map(gain).sum();
        if ideal > 0.0 { gained / ideal } else { 0.0 }
    }
}

fn discount(position: usize) -> f64 {
    1.0 / (position as f64 + 2.0).log2()
}

/// The shares of so many rankers in the mean over what ranks best for halves of these people,
/// drawn by a seed; their sum is 1. The first ranker is in every bag `begins_with` times before
/// any is taken.
#[must_use]
pub fn shares(pools: &[&Pool], rankers: usize, (begins_with, seed): (usize, u64)) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut people = pools.to_vec();
    let mut sums = vec![0.0f32; rankers];
    for _ in 0..HALVES {
        people.shuffle(&mut random);
        let half = &people[..people.len().div_ceil(2)];
        let (of_half, _) = select(half, rankers, begins_with);
        sums.iter_mut().zip(of_half).for_each(|(sum, share)| *sum += share);
    }
    let kept = |sum: f32| if sum >= LEAST_SHARE * HALVES as f32 { sum } else { 0.0 };
    let total: f32 = sums.iter().map(|sum| kept(*sum)).sum();
    sums.into_iter().map(|sum| kept(sum) / total).collect()
}

/// The shares of so many rankers that rank best for these people, and their mean NDCG@20.
/// The first ranker is in the bag `begins_with` times before any is taken. Of equals, the
/// earlier ranker is taken.
fn select(pools: &[&Pool], rankers: usize, begins_with: usize) -> (Vec<f32>, f64) {
    let mean = |counts: &[u32]| {
        let weights: Vec<f32> = counts.iter().map(|count| *count as f32).collect();
        let values: Vec<f64> = pools.par_iter().map(|pool| pool.ndcg(&weights)).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let mut bag = vec![0u32; rankers];
    bag.iter_mut().take(1).for_each(|first| *first = begins_with as u32);
    let known = if begins_with > 0 { mean(&bag) } else { f64::NEG_INFINITY };
    let mut best = (bag.clone(), known);
    for _ in 0..TAKEN {
        let with = |ranker: usize| {
            let mut counts = bag.clone();
            counts[ranker] += 1;
            let value = mean(&counts);
            (counts, value)
        };
        let tried: Vec<(Vec<u32>, f64)> = (0..rankers).map(with).collect();
        let first = tried.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a });
        let Some((counts, value)) = first else { break };
        if value > best.1 {
            best = (counts.clone(), value);
        }
        bag = counts;
    }
    let total = best.0.iter().sum::<u32>().max(1) as f32;
    (best.0.iter().map(|count| *count as f32 / total).collect(), best.1.max(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maths::measure::Measurements;
    use crate::maths::rank::top_k;

    proptest! {
        #[test]
        fn a_pool_is_measured_as_a_ranking_is(
            scores in proptest::collection::vec(-3i8..3, 1..60),
            relevant in proptest::collection::btree_set(0u32..60, 1..5),
        ) {
            let items = scores.len();
            let relevant: Vec<u32> =
                relevant.into_iter().filter(|item| (*item as usize) < items).collect();
            prop_assume!(!relevant.is_empty());
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut measured = Measurements::default();
            measured.add(&top_k(&scores, LIST_LENGTH), &relevant);
            let pool = Pool { scores, items, relevant };
            prop_assert!((pool.ndcg(&[1.0]) - measured.of("ndcg@20")[0]).abs() < 1e-9);
        }

        #[test]
        fn the_mixture_is_no_worse_than_any_ranker_alone(
            people in proptest::collection::vec(
                (proptest::collection::vec(-3i8..3, 90), 0u32..30), 1..12),
        ) {
            let pool = |(scores, relevant): &(Vec<i8>, u32)| Pool {
                scores: scores.iter().map(|score| f32::from(*score)).collect(),
                items: 30,
                relevant: vec![*relevant],
            };
            let pools: Vec<Pool> = people.iter().map(pool).collect();
            let all: Vec<&Pool> = pools.iter().collect();
            let (shares, value) = select(&all, 3, 0);
            prop_assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let mean = |weights: &[f32]| {
                all.iter().map(|pool| pool.ndcg(weights)).sum::<f64>() / all.len() as f64
            };
            for alone in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] {
                prop_assert!(value >= mean(&alone) - 1e-12);
            }
        }
    }

    #[test]
    fn two_rankers_that_each_know_one_half_share_and_noise_does_not() {
        // The first ranker finds what even people took, the second what odd people took.
        let pool = |person: usize| {
            let mut scores = vec![0.0; 3 * 40];
            let relevant = (person * 7 % 40) as u32;
            scores[(person % 2) * 40 + relevant as usize] = 2.0;
            scores[80 + (person * 11 + 3) % 40] = 2.0;
            Pool { scores, items: 40, relevant: vec![relevant] }
        };
        let pools: Vec<Pool> = (0..40).map(pool).collect();
        let (of_all, value) = select(&pools.iter().collect::<Vec<_>>(), 3, 0);
        assert!(of_all[0] > 0.3 && of_all[1] > 0.3 && of_all[2] < 0.2, "{of_all:?}");
        assert!(value > 0.9);
        assert_eq!(select(&[], 2, 0).1, 0.0);
        let (kept, _) = select(&pools.iter().collect::<Vec<_>>(), 3, TAKEN);
        assert!(kept[0] >= 0.5, "{kept:?}");
        let all: Vec<&Pool> = pools.iter().collect();
        let of_halves = shares(&all, 3, (0, 7));
        assert!(of_halves[0] > 0.3 && of_halves[1] > 0.3 && of_halves[2] < 0.1, "{of_halves:?}");
        assert!((of_halves.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(of_halves, shares(&all, 3, (0, 7)), "the same for the same seed");
        assert!(shares(&all, 3, (TAKEN, 7))[0] >= 0.5, "the first keeps what it has");
        assert_eq!(shares(&[], 2, (0, 7)), [1.0, 0.0]);
    }
}
