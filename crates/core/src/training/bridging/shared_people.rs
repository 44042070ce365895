//! Who has which domains: how many people each pair of domains shares.
//!
//! One pass over the people; a pair of domains that nobody shares costs nothing
//! afterwards, however many people there are.

use crate::evidence::items::DomainRanges;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::Direction;

/// The people of each domain, and how many each two domains share. Domains go by
/// their place in the order of all.
pub(crate) struct SharedPeople<'a> {
    ranges: &'a DomainRanges,
    people: Vec<Vec<u32>>,
    /// People with both, domains x domains.
    counts: Vec<u32>,
}

impl<'a> SharedPeople<'a> {
    pub(crate) fn of(matrix: &SparseRows, ranges: &'a DomainRanges) -> Self {
        let mut people = vec![Vec::new(); ranges.len()];
        let mut counts = vec![0; ranges.len() * ranges.len()];
        for person in 0..matrix.rows() {
            let domains = ranges.domains_of(matrix, person);
            for &from in &domains {
                people[from].push(person as u32);
                domains.iter().for_each(|to| counts[from * ranges.len() + to] += 1);
            }
        }
        Self { ranges, people, counts }
    }

    /// How many people have both domains.
    pub(crate) fn count(&self, from: usize, to: usize) -> usize {
        self.counts[from * self.ranges.len() + to] as usize
    }

    /// How many people have both domains of a direction.
    pub(crate) fn count_of(&self, direction: &Direction) -> usize {
        let places = self.ranges.place(&direction.from).zip(self.ranges.place(&direction.to));
        places.map_or(0, |(from, to)| self.count(from, to))
    }

    /// The people who have both domains, ascending.
    pub(crate) fn both(&self, from: usize, to: usize) -> Vec<u32> {
        in_both(&self.people[from], &self.people[to])
    }

    /// Pairs of domains that so many people share, or more; the first comes first.
    pub(crate) fn pairs(&self, least: usize) -> impl Iterator<Item = (usize, usize)> {
        let domains = self.ranges.len();
        let all = (0..domains).flat_map(move |a| (a + 1..domains).map(move |b| (a, b)));
        all.filter(move |(a, b)| self.count(*a, *b) >= least)
    }

    /// The directions between domains that somebody has both of, in order.
    pub(crate) fn directions(&self) -> Vec<Direction> {
        let domains = || self.ranges.keys().enumerate();
        let pairs = domains().flat_map(|from| domains().map(move |to| (from, to)));
        pairs
            .filter(|((from, _), (to, _))| from != to && self.count(*from, *to) > 0)
            .map(|((_, from), (_, to))| Direction { from: from.clone(), to: to.clone() })
            .collect()
    }
}

/// What stands in two ascending lists.
pub(crate) fn in_both(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut rest = b;
    let is_in_b = |person: &&u32| {
        rest = &rest[rest.partition_point(|other| other < person)..];
        rest.first() == Some(person)
    };
    a.iter().filter(is_in_b).copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entities::ids::DomainId;

    proptest! {
        #[test]
        fn counts_and_people_are_those_of_the_matrix(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..9, 0..6), 0..12),
        ) {
            let domain = |name: &str| DomainId::parse(name).unwrap();
            let ranges =
                DomainRanges::from([(domain("a"), 0..3), (domain("b"), 3..7), (domain("c"), 7..9)]);
            let entries = rows.iter().map(|row| row.iter().map(|&item| (item, 1.0)).collect());
            let matrix = SparseRows::from_rows(9, entries);
            let shared = SharedPeople::of(&matrix, &ranges);
            for (from, source) in ranges.values().enumerate() {
                for (to, target) in ranges.values().enumerate() {
                    let both: Vec<u32> = (0..rows.len())
                        .filter(|&row| {
                            source.is_used_by(&matrix, row) && target.is_used_by(&matrix, row)
                        })
                        .map(|row| row as u32)
                        .collect();
                    prop_assert_eq!(shared.count(from, to), both.len());
                    prop_assert_eq!(shared.both(from, to), both);
                }
            }
            for direction in shared.directions() {
                prop_assert!(shared.count_of(&direction) > 0);
            }
        }
    }
}
