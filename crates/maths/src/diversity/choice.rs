//! What has been chosen so far.

use super::Candidates;
use crate::rank::top_k;

/// A list that is being chosen, one after another.
pub(super) struct Choice<'a> {
    candidates: Candidates<'a>,
    /// How long the list is to be, at most the number of candidates.
    length: usize,
    is_taken: Vec<bool>,
    order: Vec<u32>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(candidates: Candidates<'a>, k: usize) -> Self {
        let length = k.min(candidates.len());
        let is_taken = vec![false; candidates.len()];
        Self { candidates, length, is_taken, order: Vec::with_capacity(length) }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.order.len() == self.length
    }

    /// The candidate of the greatest gain among those that are left and have one; of equal gains
    /// the more relevant, then the lower index. `None` when the list is complete as well.
    pub(super) fn best(&self, gain: impl Fn(usize) -> Option<f64>) -> Option<usize> {
        if self.is_complete() {
            return None;
        }
        let mut best: Option<(usize, f64)> = None;
        let relevance = self.candidates.relevance();
        for at in (0..self.candidates.len()).filter(|at| !self.is_taken[*at]) {
            let Some(gain) = gain(at) else { continue };
            let is_better = best.is_none_or(|(than, least)| {
                gain > least || (gain == least && relevance[at] > relevance[than])
            });
            if is_better {
                best = Some((at, gain));
            }
        }
        best.map(|(at, _)| at)
    }

    pub(super) fn take(&mut self, candidate: usize) {
        self.is_taken[candidate] = true;
        self.order.push(candidate as u32);
    }

    /// The list, which the most relevant of those that are left complete.
    pub(super) fn completed(mut self) -> Vec<u32> {
        if !self.is_complete() {
            let by_relevance = top_k(self.candidates.relevance(), self.candidates.len());
            let left = by_relevance.into_iter().filter(|at| !self.is_taken[*at as usize]);
            self.order.extend(left.take(self.length - self.order.len()));
        }
        self.order
    }
}
