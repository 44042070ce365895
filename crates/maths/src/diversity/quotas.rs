//! At most so many of a kind.

use std::num::NonZeroUsize;

use super::Candidates;
use crate::rank::top_k;

/// Candidates with the groups they belong to, and how many of each group a list may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouped<'a> {
    candidates: Candidates<'a>,
    /// Of each candidate, ascending and distinct; none that may have any number.
    groups: Vec<Vec<u32>>,
    most: &'a [Option<u32>],
}

/// Why groups cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownGroup {
    /// Not every candidate has its groups.
    #[error("there are groups of {found} candidates, and {candidates} candidates")]
    Shape {
        /// Candidates there are.
        candidates: usize,
        /// Candidates there are groups of.
        found: usize,
    },
    /// A candidate belongs to a group of which it is not said how many there may be.
    #[error("candidate {candidate} belongs to group {group}, which there is not")]
    Group {
        /// The candidate.
        candidate: usize,
        /// Its group.
        group: u32,
    },
}

impl<'a> Grouped<'a> {
    /// Candidates, the groups of each (none, one, or several), and for each group the most that a
    /// list may have of it; `None` for any number.
    ///
    /// # Errors
    /// [`UnknownGroup`] for the first thing that is not as said.
    pub fn new<Groups: AsRef<[u32]>>(
        candidates: Candidates<'a>,
        groups: &[Groups],
        most: &'a [Option<u32>],
    ) -> Result<Self, UnknownGroup> {
        let (count, found) = (candidates.len(), groups.len());
        if count != found {
            return Err(UnknownGroup::Shape { candidates: count, found });
        }
        let limited = |(candidate, groups): (usize, &Groups)| {
            let groups = groups.as_ref();
            if let Some(&group) = groups.iter().find(|group| **group as usize >= most.len()) {
                return Err(UnknownGroup::Group { candidate, group });
            }
            let is_limited = |group: &u32| most[*group as usize].is_some();
            let mut limited: Vec<u32> = groups.iter().copied().filter(is_limited).collect();
            limited.sort_unstable();
            limited.dedup();
            Ok(limited)
        };
        let groups = groups.iter().enumerate().map(limited).collect::<Result<_, _>>()?;
        Ok(Self { candidates, groups, most })
    }
}

/// The most relevant `k` of which no group has more than its quota: in the order of relevance,
/// each is taken unless one of its groups is full. With a `window` a quota is for every so many
/// in a row, not for the whole list; what is passed over is then taken as soon as there is room.
///
/// A place that nothing fits goes to the most relevant that is left: a list is as long as it can
/// be, and quotas give way. Without a window that is the end of the list.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::diversity::{Candidates, Grouped, within_quotas};
///
/// let candidates = Candidates::of_relevance(&[0.9, 0.8, 0.7, 0.6])?;
/// let grouped = Grouped::new(candidates, &[[0], [0], [0], [1]], &[Some(1), None])?;
/// assert_eq!(within_quotas(&grouped, None, 3), [0, 3, 1]);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn within_quotas(grouped: &Grouped<'_>, window: Option<NonZeroUsize>, k: usize) -> Vec<u32> {
    let length = k.min(grouped.candidates.len());
    let mut left = top_k(grouped.candidates.relevance(), grouped.candidates.len());
    let mut counts = vec![0u32; grouped.most.len()];
    let mut order: Vec<u32> = Vec::with_capacity(length);
    while order.len() < length {
        let fits = |at: &u32| {
            let has_room = |group: &u32| {
                let group = *group as usize;
                grouped.most[group].is_none_or(|most| counts[group] < most)
            };
            grouped.groups[*at as usize].iter().all(has_room)
        };
        let place = left.iter().position(fits).unwrap_or(0);
        let chosen = left.remove(place);
        order.push(chosen);
        count(&mut counts, &grouped.groups[chosen as usize], |count| count + 1);
        // The next is in a row with one fewer than the window before it.
        let leaving = window.and_then(|window| order.len().checked_sub(window.get()));
        if let Some(leaving) = leaving {
            let groups = &grouped.groups[order[leaving] as usize];
            count(&mut counts, groups, |count| count - 1);
        }
    }
    order
}

/// How many more of each group a list may have that is being chosen.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::diversity::Room;
///
/// // Three candidates, the first two of a group that there may be one of.
/// let mut room = Room::new(vec![vec![0], vec![0], vec![]], vec![1])?;
/// room.take(0);
/// assert_eq!((room.fits(1), room.fits(2)), (false, true));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Of each candidate, in order; a candidate beyond them has none.
    groups: Vec<Vec<u32>>,
    left: Vec<u32>,
}

impl Room {
    /// The groups of each candidate, each once, and how many more there may be of each group.
    ///
    /// # Errors
    /// [`UnknownGroup::Group`] for the first group of which that is not said.
    pub fn new(groups: Vec<Vec<u32>>, left: Vec<u32>) -> Result<Self, UnknownGroup> {
        for (candidate, of_candidate) in groups.iter().enumerate() {
            let unknown = of_candidate.iter().find(|group| **group as usize >= left.len());
            if let Some(&group) = unknown {
                return Err(UnknownGroup::Group { candidate, group });
            }
        }
        Ok(Self { groups, left })
    }

    /// Whether a list may have a candidate beside those that were taken.
    #[must_use]
    pub fn fits(&self, candidate: usize) -> bool {
        self.groups_of(candidate).iter().all(|group| self.left[*group as usize] > 0)
    }

    /// Counts a candidate, which may have no room.
    pub fn take(&mut self, candidate: usize) {
        let Some(groups) = self.groups.get(candidate) else { return };
        for group in groups {
            let left = &mut self.left[*group as usize];
            *left = left.saturating_sub(1);
        }
    }

    fn groups_of(&self, candidate: usize) -> &[u32] {
        self.groups.get(candidate).map_or(&[], Vec::as_slice)
    }
}

fn count(counts: &mut [u32], groups: &[u32], changed: impl Fn(u32) -> u32) {
    for group in groups {
        let count = &mut counts[*group as usize];
        *count = changed(*count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: [Option<u32>; 4] = [Some(1), Some(2), Some(0), None];

    fn listed(relevance: &[f32], groups: &[Vec<u32>], window: usize, k: usize) -> Vec<u32> {
        let candidates = Candidates::of_relevance(relevance).unwrap();
        let grouped = Grouped::new(candidates, groups, &MOST).unwrap();
        within_quotas(&grouped, NonZeroUsize::new(window), k)
    }

    /// A pass that takes what fits, and then what it left.
    fn two_passes(relevance: &[f32], groups: &[Vec<u32>], k: usize) -> Vec<u32> {
        let (mut taken, mut passed) = (Vec::new(), Vec::new());
        let mut counts = [0; MOST.len()];
        for at in top_k(relevance, relevance.len()) {
            let mut own = groups[at as usize].clone();
            own.sort_unstable();
            own.dedup();
            let is_full = |group: &u32| {
                MOST[*group as usize].is_some_and(|most| counts[*group as usize] >= most)
            };
            if own.iter().any(is_full) {
                passed.push(at);
            } else {
                own.iter().for_each(|group| counts[*group as usize] += 1);
                taken.push(at);
            }
        }
        taken.into_iter().chain(passed).take(k).collect()
    }

    fn candidates() -> impl Strategy<Value = (Vec<f32>, Vec<Vec<u32>>)> {
        let groups = proptest::collection::vec(0u32..4, 0..4);
        let candidate = ((0u8..=10).prop_map(|step| f32::from(step) / 10.0), groups);
        proptest::collection::vec(candidate, 0..25).prop_map(|all| all.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn without_a_window_a_stable_pass_takes_what_fits_and_the_rest_follows(
            (relevance, groups) in candidates(), k in 0usize..30,
        ) {
            let list = listed(&relevance, &groups, 0, k);
            prop_assert_eq!(&list, &two_passes(&relevance, &groups, k));
            prop_assert_eq!(list, listed(&relevance, &groups, 30, k));
        }

        #[test]
        fn in_every_window_a_quota_gives_way_only_when_nothing_fits(
            (relevance, groups) in candidates(), k in 0usize..30, window in 1usize..6,
        ) {
            let list = listed(&relevance, &groups, window, k);
            prop_assert_eq!(list.len(), k.min(relevance.len()));
            for end in 0..list.len() {
                let before = &list[(end + 1).saturating_sub(window)..end];
                let fits = |one: &u32| groups[*one as usize].iter().all(|group| {
                    let of_group = before.iter().filter(|at| groups[**at as usize].contains(group));
                    MOST[*group as usize].is_none_or(|most| (of_group.count() as u32) < most)
                });
                let left = top_k(&relevance, relevance.len()).into_iter().filter(|at| !list[..end].contains(at));
                let left: Vec<u32> = left.collect();
                let expected = left.iter().find(|at| fits(at)).or(left.first());
                prop_assert_eq!(Some(&list[end]), expected);
            }
        }
    }

    #[test]
    fn there_is_no_room_of_a_group_that_is_not_there() {
        let refused = Room::new(vec![vec![], vec![1]], vec![1]).unwrap_err();
        assert_eq!(refused, UnknownGroup::Group { candidate: 1, group: 1 });
        let mut boundless = Room::default();
        boundless.take(7);
        assert!(boundless.fits(7));
    }

    #[test]
    fn what_belongs_to_an_unknown_group_is_refused() {
        let candidates = Candidates::of_relevance(&[0.5, 0.4]).unwrap();
        let refused = |groups: &[Vec<u32>]| Grouped::new(candidates, groups, &MOST).unwrap_err();
        assert_eq!(refused(&[vec![0]]), UnknownGroup::Shape { candidates: 2, found: 1 });
        assert_eq!(refused(&[vec![0], vec![4]]), UnknownGroup::Group { candidate: 1, group: 4 });
    }
}
