//! Fourth stage: the best of all targets, in order. Diversity, quotas by domain and
//! other ways to arrange a slate have their place here.
//!
//! Scores of one target are in one measure; those of two are not: a share of one
//! platform's people says nothing beside an estimate for one person of another, and
//! estimates differ with the weights that their domains were fitted with. So targets are
//! not merged by score but take turns, each with its own best: what is personal has two
//! places for every one of what is merely popular, targets of a kind as many as each
//! other. The rule is D'Hondt's: the next place goes to the target with the greatest
//! share over its places so far and one more.

use std::cmp::Ordering;

use crate::serving::blend::ScoredItem;

/// The best `limit` items, each target's best first, and after them those that no source
/// knows: an estimate below zero tells more than none. Of a target's equal ones, as all
/// are of which nothing is known, the newest comes first, and of equally new ones the
/// one that comes first in the order of ids. `shares` has the share of each target
/// ([`crate::serving::sources::TargetSources::share`]); of equal claims to a place the
/// greater share's counts, then the earlier target's.
#[must_use]
pub fn arrange(scored: &[ScoredItem], shares: &[u32], limit: usize) -> Vec<ScoredItem> {
    let mut queues: Vec<std::vec::IntoIter<ScoredItem>> =
        (0..shares.len()).map(|target| best_of(scored, target, limit).into_iter()).collect();
    let mut taken = vec![0u32; shares.len()];
    let mut arranged = Vec::with_capacity(limit.min(scored.len()));
    while arranged.len() < limit {
        let open = (0..shares.len()).filter(|&target| !queues[target].as_slice().is_empty());
        // share / (taken + 1), compared without dividing; the first of equals.
        let next = open.reduce(|best, other| {
            let claim =
                |own: usize, rival: usize| u64::from(shares[own]) * u64::from(taken[rival] + 1);
            let (of_best, of_other) = (claim(best, other), claim(other, best));
            let is_next = (of_other, shares[other]) > (of_best, shares[best]);
            if is_next { other } else { best }
        });
        let Some(target) = next else { break };
        taken[target] += 1;
        arranged.extend(queues[target].next());
    }
    arranged
}

fn best_of(scored: &[ScoredItem], target: usize, limit: usize) -> Vec<ScoredItem> {
    let mut best: Vec<ScoredItem> =
        scored.iter().filter(|item| item.target == target).copied().collect();
    if limit > 0 && limit < best.len() {
        best.select_nth_unstable_by(limit - 1, in_order);
    }
    best.truncate(limit);
    best.sort_unstable_by(in_order);
    best
}

fn in_order(a: &ScoredItem, b: &ScoredItem) -> Ordering {
    // Zeros of either sign are equal, and what is no number comes last.
    let score = |item: &ScoredItem| {
        if item.score.is_nan() { f32::NEG_INFINITY } else { item.score + 0.0 }
    };
    let place = |item: &ScoredItem| (item.target, item.position);
    let is_unknown = |item: &ScoredItem| item.source.is_none();
    is_unknown(a)
        .cmp(&is_unknown(b))
        .then_with(|| score(b).total_cmp(&score(a)))
        .then_with(|| b.since.cmp(&a.since))
        .then_with(|| place(a).cmp(&place(b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serving::sources::{PERSONAL_SHARE, POPULAR_SHARE};
    use crossfold_testing::at;

    fn scored(of_targets: &[&[f32]]) -> Vec<ScoredItem> {
        let of_target = |(target, scores): (usize, &&[f32])| {
            let items = scores.iter().enumerate();
            items
                .map(|(position, &score)| ScoredItem {
                    target,
                    position,
                    score,
                    since: at(0),
                    source: None,
                })
                .collect::<Vec<_>>()
        };
        of_targets.iter().enumerate().flat_map(of_target).collect()
    }

    fn targets(arranged: &[ScoredItem]) -> Vec<usize> {
        arranged.iter().map(|item| item.target).collect()
    }

    #[test]
    fn popular_items_of_one_crowd_do_not_bury_personal_ones_of_another() {
        let items = scored(&[&[0.9, 0.8, 0.7, 0.6, 0.5], &[0.01, 0.03, 0.02, 0.0]]);
        let arranged = arrange(&items, &[POPULAR_SHARE, PERSONAL_SHARE], 6);
        assert_eq!(targets(&arranged), [1, 1, 0, 1, 1, 0]);
        let personal = arranged.iter().filter(|item| item.target == 1).map(|item| item.position);
        assert_eq!(personal.collect::<Vec<_>>(), [1, 2, 0, 3]);
        // A target that has no more leaves its places to the others.
        assert_eq!(targets(&arrange(&items, &[1, 2], 9))[6..], [0, 0, 0]);
        assert_eq!(targets(&arrange(&items, &[1, 1], 4)), [0, 1, 0, 1]);
    }

    #[test]
    fn the_best_come_first_and_of_equal_ones_the_newest() {
        let item = |position: usize, score: f32, second: i64| ScoredItem {
            target: 0,
            position,
            score,
            since: at(second),
            source: None,
        };
        let scored = [
            item(0, 0.0, 3),
            item(1, -0.0, 9),
            item(2, 0.5, 1),
            item(3, f32::NAN, 99),
            item(4, 0.0, 3),
            item(5, 0.5, 2),
        ];
        let order = |limit: usize| -> Vec<usize> {
            arrange(&scored, &[1], limit).iter().map(|item| item.position).collect()
        };
        assert_eq!(order(9), [5, 2, 1, 0, 4, 3]);
        assert_eq!(order(3), [5, 2, 1]);
        assert_eq!(order(0), [0usize; 0]);
    }

    #[test]
    fn what_no_source_knows_comes_after_all_that_one_knows() {
        let item = |position: usize, score: f32, source: Option<usize>| ScoredItem {
            target: 0,
            position,
            score,
            since: at(position as i64),
            source,
        };
        let scored = [item(0, 0.0, None), item(1, -0.5, Some(0)), item(2, 0.1, Some(1))];
        let order: Vec<usize> =
            arrange(&scored, &[1], 3).iter().map(|item| item.position).collect();
        assert_eq!(order, [2, 1, 0]);
    }

    proptest! {
        #[test]
        fn a_slate_holds_the_best_of_each_target_in_their_order(
            first in proptest::collection::vec(-1.0f32..1.0, 0..12),
            second in proptest::collection::vec(-1.0f32..1.0, 0..12),
            shares in (1u32..4, 1u32..4), limit in 0usize..30,
        ) {
            let items = scored(&[&first, &second]);
            let arranged = arrange(&items, &[shares.0, shares.1], limit);
            prop_assert_eq!(arranged.len(), limit.min(items.len()));
            for target in 0..2 {
                let own: Vec<f32> =
                    arranged.iter().filter(|i| i.target == target).map(|i| i.score).collect();
                let mut all = if target == 0 { first.clone() } else { second.clone() };
                all.sort_by(|a, b| b.total_cmp(a));
                prop_assert_eq!(&own[..], &all[..own.len()]);
            }
        }
    }
}
