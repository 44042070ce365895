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

use crate::serving::best::ScoredItem;

/// At most `limit` items of those that each target offers, its best first. `shares` has the share
/// of each target ([`crate::serving::sources::TargetSources::share`]); of equal claims to a place
/// the greater share's counts, then the earlier target's.
#[must_use]
pub fn arrange(best: Vec<Vec<ScoredItem>>, shares: &[u32], limit: usize) -> Vec<ScoredItem> {
    debug_assert_eq!(best.len(), shares.len());
    let offered = best.iter().map(Vec::len).sum();
    let mut queues: Vec<std::vec::IntoIter<ScoredItem>> =
        best.into_iter().map(Vec::into_iter).collect();
    let mut taken = vec![0u32; shares.len()];
    let mut arranged = Vec::with_capacity(limit.min(offered));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serving::sources::{PERSONAL_SHARE, POPULAR_SHARE};

    /// Items that come in order of their scores.
    fn offered(of_targets: &[usize]) -> Vec<Vec<ScoredItem>> {
        let of_target = |(target, items): (usize, &usize)| {
            let item = |position| ScoredItem { target, position, score: 0.5, source: Some(0) };
            (0..*items).map(item).collect()
        };
        of_targets.iter().enumerate().map(of_target).collect()
    }

    fn targets(arranged: &[ScoredItem]) -> Vec<usize> {
        arranged.iter().map(|item| item.target).collect()
    }

    #[test]
    fn popular_items_of_one_crowd_do_not_bury_personal_ones_of_another() {
        let arranged = arrange(offered(&[5, 4]), &[POPULAR_SHARE, PERSONAL_SHARE], 6);
        assert_eq!(targets(&arranged), [1, 1, 0, 1, 1, 0]);
        // A target that has no more leaves its places to the others.
        assert_eq!(targets(&arrange(offered(&[5, 4]), &[1, 2], 9))[6..], [0, 0, 0]);
        assert_eq!(targets(&arrange(offered(&[5, 4]), &[1, 1], 4)), [0, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn a_slate_holds_the_best_of_each_target_in_their_order(
            first in 0usize..12, second in 0usize..12,
            shares in (1u32..4, 1u32..4), limit in 0usize..30,
        ) {
            let arranged = arrange(offered(&[first, second]), &[shares.0, shares.1], limit);
            prop_assert_eq!(arranged.len(), limit.min(first + second));
            for target in 0..2 {
                let own = arranged.iter().filter(|item| item.target == target);
                let positions: Vec<usize> = own.map(|item| item.position).collect();
                prop_assert_eq!(&positions, &(0..positions.len()).collect::<Vec<_>>());
            }
        }
    }
}
