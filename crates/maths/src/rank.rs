//! Choosing the best of many scores.

use std::cmp::Reverse;

/// The indices of the `k` highest scores, best first; ties go to the lower
/// index, so the answer does not depend on anything but the scores. A NaN is
/// never chosen before a number.
///
/// ```
/// use crossfold_maths::rank::top_k;
///
/// assert_eq!(top_k(&[0.1, 0.9, f32::NAN, 0.9], 3), [1, 3, 0]);
/// ```
#[must_use]
pub fn top_k(scores: &[f32], k: usize) -> Vec<u32> {
    rank_unseen(scores, &[], k)
}

/// The indices of the `k` highest scores among those that are not in `seen`
/// (ascending; what lies beyond the scores is ignored), in the order of [`top_k`].
/// Fewer than `k` where fewer are unseen: what was seen is never listed.
#[must_use]
pub fn rank_unseen(scores: &[f32], seen: &[u32], k: usize) -> Vec<u32> {
    debug_assert!(seen.is_sorted(), "what was seen is in order");
    let mut best = Best {
        scores,
        k,
        kept: Vec::with_capacity(k.min(scores.len()) * 2),
        worst: None,
        least: f32::NEG_INFINITY,
    };
    let end = scores.len() as u32;
    let mut next = 0;
    for &seen in seen.iter().take_while(|seen| **seen < end) {
        best.offer(next..seen);
        next = seen + 1;
    }
    best.offer(next..end);
    best.into_ranked()
}

/// The best so far: at most twice as many as are wanted, so that cutting down to
/// `k` costs little for each that is offered.
struct Best<'a> {
    scores: &'a [f32],
    k: usize,
    kept: Vec<u32>,
    /// Once `k` were found: the last of them. What is not better is not kept.
    worst: Option<Rank>,
    /// Its score; before, and where it is no number, less than any.
    least: f32,
}

/// Best first when ascending: by score, then by index.
type Rank = (Reverse<OrderedScore>, u32);

impl Best<'_> {
    fn offer(&mut self, indices: std::ops::Range<u32>) {
        for index in indices {
            // Most are passed over by this alone; what is no number is not.
            if self.scores[index as usize] < self.least {
                continue;
            }
            if self.worst.is_some_and(|worst| rank(self.scores, index).cmp(&worst).is_gt()) {
                continue;
            }
            self.kept.push(index);
            if self.kept.len() >= self.k.saturating_mul(2) {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        let scores = self.scores;
        if self.k > 0 && self.k < self.kept.len() {
            self.kept.select_nth_unstable_by_key(self.k - 1, |index| rank(scores, *index));
        }
        self.kept.truncate(self.k);
        if let (Some(last), true) = (self.kept.last(), self.kept.len() == self.k) {
            self.worst = Some(rank(scores, *last));
            let score = scores[*last as usize];
            self.least = if score.is_nan() { f32::NEG_INFINITY } else { score };
        }
    }

    fn into_ranked(mut self) -> Vec<u32> {
        self.cut();
        let scores = self.scores;
        self.kept.sort_unstable_by_key(|index| rank(scores, *index));
        self.kept
    }
}

fn rank(scores: &[f32], index: u32) -> Rank {
    (Reverse(OrderedScore(scores[index as usize])), index)
}

/// A score with a total order in which NaN is the least.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OrderedScore(f32);

impl Eq for OrderedScore {}

impl PartialOrd for OrderedScore {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedScore {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |score: f32| if score.is_nan() { f32::NEG_INFINITY } else { score + 0.0 };
        key(self.0).total_cmp(&key(other.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_full_sort(scores in proptest::collection::vec(-3i8..3, 0..50), k in 0usize..60) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut all: Vec<u32> = (0..scores.len() as u32).collect();
            all.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
            all.truncate(k);
            prop_assert_eq!(top_k(&scores, k), all);
        }
    }

    proptest! {
        #[test]
        fn what_was_seen_is_never_listed_and_the_rest_keeps_its_order(
            scores in proptest::collection::vec(-3i8..3, 0..50), k in 0usize..60,
            seen in proptest::collection::btree_set(0u32..60, 0..50),
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let seen: Vec<u32> = seen.into_iter().collect();
            let mut unseen = top_k(&scores, scores.len());
            unseen.retain(|index| !seen.contains(index));
            unseen.truncate(k);
            prop_assert_eq!(rank_unseen(&scores, &seen, k), unseen);
        }
    }

    #[test]
    fn a_nan_comes_last() {
        assert_eq!(top_k(&[f32::NAN, -1.0, f32::INFINITY], 3), [2, 1, 0]);
    }
}
