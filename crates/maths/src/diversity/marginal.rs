//! Maximal marginal relevance.

use super::choice::Choice;
use super::{Candidates, TradeOff};

/// The best `k` by maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR,
/// Diversity-Based Reranking for Reordering Documents and Producing Summaries", SIGIR 1998):
/// each time the candidate of the greatest `lambda relevance - (1 - lambda) max likeness`, the
/// likeness being to what was chosen before. The trade-off is `lambda`, the weight of relevance:
/// 1 is the order of relevance, and with 0 relevance decides between equals alone. The first is
/// always the most relevant.
///
/// Time: `k` products of all features with one row.
#[must_use]
pub fn mmr(candidates: Candidates<'_>, of_relevance: TradeOff, k: usize) -> Vec<u32> {
    let (of_relevance, of_likeness) = of_relevance.parts();
    let relevance = candidates.relevance();
    let mut nearest = vec![0.0f32; candidates.len()];
    let mut likenesses = vec![0.0f32; candidates.len()];
    let mut choice = Choice::new(candidates, k);
    let mut is_first = true;
    while let Some(best) = choice.best(|at| {
        let (relevance, nearest) = (f64::from(relevance[at]), f64::from(nearest[at]));
        Some(of_relevance * relevance - of_likeness * nearest)
    }) {
        choice.take(best);
        if choice.is_complete() {
            break;
        }
        candidates.likenesses(best, &mut likenesses);
        for (nearest, likeness) in nearest.iter_mut().zip(&likenesses) {
            // What is the opposite of all that was chosen is better than what is like nothing.
            *nearest = if is_first { *likeness } else { nearest.max(*likeness) };
        }
        is_first = false;
    }
    choice.completed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diversity::testing::{Drawn, drawn};

    #[test]
    fn an_opposite_is_taken_before_what_is_like_nothing() {
        let features = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0];
        let candidates = Candidates::new(&[0.9, 0.5, 0.5, 0.5], &features, 2).unwrap();
        assert_eq!(mmr(candidates, TradeOff::new(0.5).unwrap(), 4), [0, 2, 1, 3]);
    }

    proptest! {
        #[test]
        fn each_choice_is_the_best_of_a_search_through_all_pairs(
            drawn in drawn(12), share in 0.0f32..=1.0, k in 0usize..14,
        ) {
            let Drawn { relevance, .. } = &drawn;
            let list = mmr(drawn.candidates(), TradeOff::new(share).unwrap(), k);
            for (at, chosen) in list.iter().enumerate() {
                let gain = |one: usize| {
                    let likeness = |other: &u32| drawn.likeness(one, *other as usize);
                    let nearest = list[..at].iter().map(likeness).reduce(f64::max).unwrap_or(0.0);
                    f64::from(share) * f64::from(relevance[one]) - (1.0 - f64::from(share)) * nearest
                };
                let left = (0..relevance.len()).filter(|one| !list[..at].contains(&(*one as u32)));
                let best = left.map(gain).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(gain(*chosen as usize) >= best - 1e-6);
            }
        }
    }
}
