//! The best of a target's items, of however many: chosen in one pass over their scores.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::serving::sources::Scores;

/// An item that may be served, with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredItem {
    /// Its target's position among the targets.
    pub target: usize,
    /// Its position in the target's snapshot.
    pub position: usize,
    /// Its score.
    pub score: f32,
    /// The position, among the target's sources, of the one that scored it; `None`
    /// when no source knows it.
    pub source: Option<usize>,
}

/// Candidates that are held for each that is wanted, so that cutting them down costs little for
/// each that is offered.
const HELD: usize = 4;

/// Scores that are passed over together.
const BLOCK: usize = 32;

/// The best `limit` items of one target, whose place among the targets is given: see [`best`].
#[must_use]
pub fn best_of_target((target, scores): (usize, &Scores<'_>), limit: usize) -> Vec<ScoredItem> {
    let item = |position| {
        let (score, source) = scores.of(position);
        ScoredItem { target, position, score, source }
    };
    let since = |item: &ScoredItem| scores.target().snapshot.since(item.position);
    let likely = likely(scores.values(), limit);
    if likely.len() >= limit {
        return best(likely.into_iter().map(item), since, limit);
    }
    best(scores.admitted().map(item), since, limit)
}

/// Positions among which the best `limit` are, where so many have a score above negative infinity;
/// fewer positions where not.
fn likely(values: &[f32], limit: usize) -> Vec<usize> {
    greatest(values, limit).into_iter().map(|(_, position)| position).collect()
}

/// The `k`th greatest of some values, each counted; negative infinity where fewer are above that.
#[must_use]
pub fn kth_greatest(values: &[f32], k: usize) -> f32 {
    let mut held = greatest(values, k);
    if k == 0 || held.len() < k {
        return f32::NEG_INFINITY;
    }
    held.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0)).1.0
}

/// The `k` greatest values above negative infinity with their positions, all that are equal to the
/// last of them, and some others.
fn greatest(values: &[f32], k: usize) -> Vec<(f32, usize)> {
    let mut held: Vec<(f32, usize)> = Vec::new();
    // The lowest of the greatest so far: of what is equal, others say which comes first.
    let mut least = f32::NEG_INFINITY;
    let mut full = k.saturating_mul(HELD).max(BLOCK);
    for (block, values) in values.chunks(BLOCK).enumerate() {
        // Most blocks have nothing, and are passed over without a look at each.
        if !values.iter().fold(false, |any, value| any | (*value >= least)) {
            continue;
        }
        let numbered = values.iter().enumerate();
        let better = numbered.filter(|(_, value)| **value >= least && **value > f32::NEG_INFINITY);
        held.extend(better.map(|(at, value)| (*value, block * BLOCK + at)));
        if k > 0 && held.len() >= full {
            held.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0));
            least = held[k - 1].0;
            held.retain(|(value, _)| *value >= least);
            // Of many that are equal all stay, so the next cut is only worth it when as many more
            // have come.
            full = full.max(held.len().saturating_mul(2));
        }
    }
    held
}

/// The newest `limit` items of a target that the model does not know, whatever their texts say.
#[must_use]
pub fn newest_of_target((target, scores): (usize, &Scores<'_>), limit: usize) -> Vec<ScoredItem> {
    let item = |position| {
        let (score, source) = scores.of(position);
        ScoredItem { target, position, score, source }
    };
    let snapshot = scores.target().snapshot;
    // By when they came alone.
    let alike = |item: ScoredItem| ScoredItem { score: 0.0, source: None, ..item };
    let rows = snapshot.rows().zip(scores.target().refusals.reasons()).enumerate();
    let new = rows.filter(|(_, (row, refusal))| row.is_none() && refusal.is_none());
    let new = new.map(|(position, _)| alike(item(position)));
    let newest = best(new, |item| snapshot.since(item.position), limit);
    newest.into_iter().map(|new| item(new.position)).collect()
}

/// The best `limit` of some items of one target: the highest score first, and after all those that
/// no source knows: an estimate below zero tells more than none. Of equal ones, as all are of which
/// nothing is known, the newest comes first, and of equally new ones the one that comes first in
/// the order of ids. What is no number comes after what is one.
pub fn best(
    items: impl Iterator<Item = ScoredItem>,
    since: impl Fn(&ScoredItem) -> Timestamp,
    limit: usize,
) -> Vec<ScoredItem> {
    let in_order = |a: &ScoredItem, b: &ScoredItem| {
        let newer = || since(b).cmp(&since(a));
        rank(a).cmp(&rank(b)).reverse().then_with(newer).then_with(|| a.position.cmp(&b.position))
    };
    let mut held: Vec<ScoredItem> = Vec::new();
    // Of the last that would be taken, once there are enough: what ranks below is passed over.
    let mut least: Option<Rank> = None;
    for item in items {
        if least.is_some_and(|least| rank(&item) < least) {
            continue;
        }
        held.push(item);
        if held.len() >= limit.saturating_mul(HELD).max(1) {
            least = cut(&mut held, limit, in_order);
        }
    }
    cut(&mut held, limit, in_order);
    held.sort_unstable_by(in_order);
    held
}

/// Keeps the best `limit`, and tells how high the last of them ranks.
fn cut(
    held: &mut Vec<ScoredItem>,
    limit: usize,
    in_order: impl Fn(&ScoredItem, &ScoredItem) -> Ordering,
) -> Option<Rank> {
    if limit == 0 {
        held.clear();
        return None;
    }
    if limit <= held.len() {
        held.select_nth_unstable_by(limit - 1, in_order);
        held.truncate(limit);
    }
    held.get(limit - 1).map(rank)
}

/// How high an item ranks, the greater the better: items that a source knows above others, then by
/// score.
type Rank = (bool, Score);

fn rank(item: &ScoredItem) -> Rank {
    (item.source.is_some(), Score(item.score))
}

/// A score with a total order: zeros of either sign are equal, and what is no number is least.
#[derive(Debug, Clone, Copy)]
struct Score(f32);

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |score: f32| if score.is_nan() { f32::NEG_INFINITY } else { score + 0.0 };
        key(self.0).total_cmp(&key(other.0))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Score {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crossfold_testing::at;

    fn item(position: usize, score: f32, source: Option<usize>) -> ScoredItem {
        ScoredItem { target: 0, position, score, source }
    }

    fn positions(best: &[ScoredItem]) -> Vec<usize> {
        best.iter().map(|item| item.position).collect()
    }

    #[test]
    fn the_best_come_first_and_of_equal_ones_the_newest() {
        let scores = [0.0, -0.0, 0.5, f32::NAN, 0.0, 0.5];
        let seconds = [3, 9, 1, 99, 3, 2];
        let order = |limit: usize| {
            let items = scores.iter().enumerate().map(|(at, score)| item(at, *score, None));
            positions(&best(items, |item| at(seconds[item.position]), limit))
        };
        assert_eq!(order(9), [5, 2, 1, 0, 4, 3]);
        assert_eq!(order(3), [5, 2, 1]);
        assert_eq!(order(0), [0usize; 0]);
    }

    #[test]
    fn what_no_source_knows_comes_after_all_that_one_knows() {
        let items = [item(0, 0.0, None), item(1, -0.5, Some(0)), item(2, 0.1, Some(1))];
        let best = best(items.into_iter(), |item| at(item.position as i64), 3);
        assert_eq!(positions(&best), [2, 1, 0]);
    }

    proptest! {
        #[test]
        fn what_is_likely_has_the_best_in_it(
            drawn in proptest::collection::vec((-3i8..3, 0u8..8), 0..400), limit in 0usize..40,
        ) {
            let value = |(score, kind): &(i8, u8)| match kind {
                0 => f32::NEG_INFINITY,
                1 => f32::NAN,
                _ => f32::from(*score),
            };
            let values: Vec<f32> = drawn.iter().map(value).collect();
            let likely = likely(&values, limit);
            let known = values.iter().filter(|value| **value > f32::NEG_INFINITY).count();
            prop_assert!(likely.len() >= limit.min(known));
            let mut sorted: Vec<f32> = values.iter().copied().filter(|v| !v.is_nan()).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            if let Some(least) = limit.checked_sub(1).and_then(|last| sorted.get(last)) {
                let better = |at: &usize| values[*at] >= *least && values[*at] > f32::NEG_INFINITY;
                let all: Vec<usize> = (0..values.len()).filter(better).collect();
                prop_assert!(all.iter().all(|at| likely.contains(at)));
                prop_assert_eq!(kth_greatest(&values, limit), *least);
            } else {
                prop_assert_eq!(kth_greatest(&values, limit), f32::NEG_INFINITY);
            }
        }

        #[test]
        fn many_equal_ones_are_held_without_being_gone_through_again_and_again(
            few in proptest::collection::vec(0u32..20_000, 0..12), limit in 1usize..30,
        ) {
            let mut values = vec![0.5f32; 20_000];
            few.iter().for_each(|at| values[*at as usize] = 0.75);
            let few: std::collections::BTreeSet<usize> = few.iter().map(|at| *at as usize).collect();
            let held = likely(&values, limit);
            prop_assert!(few.iter().all(|at| held.contains(at)) || few.len() >= limit);
            let least = if few.len() >= limit { 0.75 } else { 0.5 };
            prop_assert_eq!(kth_greatest(&values, limit), least);
        }

        #[test]
        fn it_agrees_with_sorting_them_all(
            drawn in proptest::collection::vec((-3i8..3, 0i64..3, any::<bool>()), 0..200),
            limit in 0usize..40,
        ) {
            let items: Vec<ScoredItem> = drawn
                .iter()
                .enumerate()
                .map(|(at, (score, _, known))| item(at, f32::from(*score), known.then_some(0)))
                .collect();
            let since = |item: &ScoredItem| at(drawn[item.position].1);
            let mut all = items.clone();
            all.sort_by(|a, b| {
                (b.source.is_some(), b.score as i8, since(b))
                    .cmp(&(a.source.is_some(), a.score as i8, since(a)))
                    .then(a.position.cmp(&b.position))
            });
            all.truncate(limit);
            prop_assert_eq!(best(items.into_iter(), since, limit), all);
        }
    }
}
