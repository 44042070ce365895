//! Determinantal point processes: sets are the better the more their items span.

use super::choice::Choice;
use super::{Candidates, Room, TradeOff};

/// What is left of a unit vector that counts as nothing: as much is left of a repeated item by
/// rounding, and an item half a hundredth from what was chosen is that again.
const NOTHING: f64 = 1e-5;

/// The best `k` by greedy maximisation of a determinant (Chen, Zhang and Zhou, "Fast Greedy MAP
/// Inference for Determinantal Point Process to Improve Recommendation Diversity", NeurIPS
/// 2018): of the kernel `diag(q) S diag(q)` with `S` how alike the candidates are and
/// `q = exp(alpha relevance)`, `alpha = theta / (2 (1 - theta))`, their section 4.2. The
/// trade-off is `theta`, the weight of relevance: 1 is the order of relevance, and with 0
/// relevance decides between equals alone. The first is always the most relevant: each alone
/// spans as much as any other.
///
/// As soon as nothing that is left adds to what the chosen span, the most relevant follow.
///
/// Time: `k` products of all features with one row, and `candidates k^2`; memory: 8 bytes for
/// each candidate and choice.
#[must_use]
pub fn dpp(candidates: Candidates<'_>, of_relevance: TradeOff, k: usize) -> Vec<u32> {
    dpp_within((candidates, Room::default()), of_relevance, k)
}

/// The same of which there may be only so many of a group, as long as anything else is left: each
/// choice is the best of those that fit, and what does not has no part in any.
#[must_use]
pub fn dpp_within(
    (candidates, room): (Candidates<'_>, Room),
    of_relevance: TradeOff,
    k: usize,
) -> Vec<u32> {
    let (of_relevance, of_span) = of_relevance.parts();
    let relevance = candidates.relevance();
    let mut choice = Choice::within(candidates, room, k);
    if of_span == 0.0 {
        return choice.completed();
    }
    let mut residuals = Residuals::new(candidates);
    let mut is_first = true;
    // The log of the determinant grows by `2 alpha relevance + ln residual`: multiplied with
    // `1 - theta` nothing overflows, however near `theta` is to 1.
    while let Some(best) = choice.best(|at| {
        let (relevance, residual) = (f64::from(relevance[at]), residuals.squared[at]);
        let gain = match is_first {
            // Lengths that rounding makes unequal are no reason to choose one.
            true => relevance,
            false => of_relevance * relevance + of_span * residual.ln(),
        };
        (residual > NOTHING).then_some(gain)
    }) {
        choice.take(best);
        is_first = false;
        if !choice.is_complete() {
            residuals.remove(best);
        }
    }
    choice.completed()
}

/// What the chosen leave of each candidate: incremental Cholesky decomposition of `S` (the same
/// paper, section 3; factors of the rows and columns of a kernel are factors of its Cholesky
/// rows, so that `q` need not be in it).
struct Residuals<'a> {
    candidates: Candidates<'a>,
    /// Squared length of what is left; at or below zero by rounding where nothing is.
    squared: Vec<f64>,
    /// The Cholesky factor, choices x candidates.
    factor: Vec<f64>,
    likenesses: Vec<f32>,
}

impl<'a> Residuals<'a> {
    fn new(candidates: Candidates<'a>) -> Self {
        let squared = |at| f64::from(candidates.squared_length(at));
        Self {
            candidates,
            squared: (0..candidates.len()).map(squared).collect(),
            factor: Vec::new(),
            likenesses: vec![0.0; candidates.len()],
        }
    }

    /// Takes from each what lies in the direction of a candidate of which something is left.
    fn remove(&mut self, chosen: usize) {
        self.candidates.likenesses(chosen, &mut self.likenesses);
        let mut row: Vec<f64> = self.likenesses.iter().map(|one| f64::from(*one)).collect();
        for earlier in self.factor.chunks_exact(row.len()) {
            let of_chosen = earlier[chosen];
            row.iter_mut().zip(earlier).for_each(|(one, earlier)| *one -= of_chosen * earlier);
        }
        let length = self.squared[chosen].sqrt();
        for (one, squared) in row.iter_mut().zip(&mut self.squared) {
            *one /= length;
            *squared -= *one * *one;
        }
        self.factor.append(&mut row);
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;
    use proptest::prelude::*;

    use super::*;
    use crate::diversity::testing::{Drawn, drawn};

    fn determinant(drawn: &Drawn, set: &[u32]) -> f64 {
        let like = |i: usize, j: usize| drawn.kernel(set[i] as usize, set[j] as usize);
        DMatrix::from_fn(set.len(), set.len(), like).determinant()
    }

    proptest! {
        #[test]
        fn each_choice_is_that_of_determinants_computed_anew(
            drawn in drawn(9), theta in 0.0f32..0.95, k in 0usize..6,
        ) {
            let list = dpp(drawn.candidates(), TradeOff::new(theta).unwrap(), k);
            let theta = f64::from(theta);
            for at in 0..list.len() {
                let before = determinant(&drawn, &list[..at]);
                let gain = |one: u32| {
                    let set: Vec<u32> = list[..at].iter().copied().chain([one]).collect();
                    let residual = (determinant(&drawn, &set) / before).max(0.0);
                    let relevance = f64::from(drawn.relevance[one as usize]);
                    (theta * relevance + (1.0 - theta) * residual.ln(), residual)
                };
                let left = (0..drawn.relevance.len() as u32).filter(|one| !list[..at].contains(one));
                let best = left.map(gain).max_by(|a, b| a.0.total_cmp(&b.0));
                // Where next to nothing is left to span, single precision decides.
                let Some((best, _)) = best.filter(|(_, residual)| *residual > 1e-3) else { break };
                prop_assert!(gain(list[at]).0 >= best - 1e-3, "{:?} at {}", list, at);
            }
        }
    }

    #[test]
    fn the_most_relevant_follow_when_nothing_is_left_to_span() {
        let features = [1.0, 0.0, 0.0, 1.0, 0.6, 0.8, 1.0, 0.0, 0.0, 0.0];
        let candidates = Candidates::new(&[0.2, 0.3, 0.1, 0.9, 0.0], &features, 2).unwrap();
        assert_eq!(dpp(candidates, TradeOff::new(0.5).unwrap(), 9), [3, 1, 4, 0, 2]);
    }

    #[test]
    fn the_first_is_the_most_relevant_however_lengths_are_rounded() {
        let features = [1.0f32.next_up(), 0.0, 0.6, 0.8, 1.0f32.next_down(), 0.0];
        let candidates = Candidates::new(&[0.1, 0.2, 0.9], &features, 2).unwrap();
        assert_eq!(dpp(candidates, TradeOff::new(0.0).unwrap(), 2), [2, 1]);
    }

    #[test]
    fn a_trade_off_next_to_relevance_alone_does_not_overflow() {
        let features = [1.0, 0.0, 0.8, 0.6, 0.0, 1.0];
        let candidates = Candidates::new(&[0.8, 1.0, 0.9], &features, 2).unwrap();
        let nearly = TradeOff::new(1.0f32.next_down()).unwrap();
        assert_eq!(dpp(candidates, nearly, 2), [1, 2]);
    }
}
