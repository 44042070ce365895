//! What has been chosen so far.

use super::{Candidates, Room};
use crate::rank::top_k;

/// A list that is being chosen, one after another.
pub(super) struct Choice<'a> {
    candidates: Candidates<'a>,
    /// How long the list is to be, at most the number of candidates.
    length: usize,
    is_taken: Vec<bool>,
    order: Vec<u32>,
    room: Room,
}

impl<'a> Choice<'a> {
    pub(super) fn new(candidates: Candidates<'a>, k: usize) -> Self {
        Self::within(candidates, Room::default(), k)
    }

    /// One of which there may be only so many of a group, as long as anything else is left.
    pub(super) fn within(candidates: Candidates<'a>, room: Room, k: usize) -> Self {
        let length = k.min(candidates.len());
        let is_taken = vec![false; candidates.len()];
        Self { candidates, length, is_taken, order: Vec::with_capacity(length), room }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.order.len() == self.length
    }

    /// The candidate of the greatest gain among those that are left, fit and have one; of equal
    /// gains the more relevant, then the lower index. `None` when the list is complete as well.
    pub(super) fn best(&self, gain: impl Fn(usize) -> Option<f64>) -> Option<usize> {
        if self.is_complete() {
            return None;
        }
        let mut best: Option<(usize, f64)> = None;
        let relevance = self.candidates.relevance();
        let is_open = |at: &usize| !self.is_taken[*at] && self.room.fits(*at);
        for at in (0..self.candidates.len()).filter(is_open) {
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
        self.room.take(candidate);
    }

    /// The list, which the most relevant of those that are left complete: those that fit, then the
    /// others.
    pub(super) fn completed(mut self) -> Vec<u32> {
        if self.is_complete() {
            return self.order;
        }
        for is_bounded in [true, false] {
            for at in top_k(self.candidates.relevance(), self.candidates.len()) {
                let at = at as usize;
                let is_open = !self.is_taken[at] && (!is_bounded || self.room.fits(at));
                if is_open && !self.is_complete() {
                    self.take(at);
                }
            }
        }
        self.order
    }
}
