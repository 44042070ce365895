//! Items of two domains that look like one thing sold on both.
//!
//! If the same people took both, the Jaccard index of the two items' people is
//! near 1. To recommend such a twin is no transfer of taste, yet it would make
//! any bridge look good: public data sets that hold the same product in both
//! domains do so. Pairs whose index reaches a bound are therefore reported, left
//! out where bridges are measured, and are no evidence for each other.
//!
//! Only people who have both domains count. The search is linear in the sum over
//! these people of source items x target items.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::evidence::items::DomainRanges;
use crate::evidence::items::ItemIndex;
use crate::evidence::items::ItemKey;
use crate::maths::sparse::SparseRows;
use crate::maths::sparse::entries_within;

/// What makes a pair of items look alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LookAlikeRule {
    /// Least Jaccard index of the two items' people, above 0.
    pub jaccard: f64,
    /// Least number of people who took both: among few, chance makes twins.
    pub shared_people: u32,
}

impl Default for LookAlikeRule {
    fn default() -> Self {
        Self { jaccard: 0.5, shared_people: 10 }
    }
}

/// Most pairs kept: those with the highest index.
pub const MAX_PAIRS: usize = 100_000;
/// Pairs told in a report.
const SAMPLE: usize = 20;

/// A pair of items that look alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LookAlike {
    /// The item of the domain that comes first, by row.
    pub first: u32,
    /// The item of the other domain, by row.
    pub second: u32,
    /// The Jaccard index of their people.
    pub jaccard: f64,
    /// People who took both.
    pub shared_people: u32,
}

/// Finds the pairs, those with the highest index first.
#[must_use]
pub fn find(matrix: &SparseRows, ranges: &DomainRanges, rule: LookAlikeRule) -> Vec<LookAlike> {
    let by_item = matrix.transposed();
    let domains: Vec<_> = ranges.values().cloned().collect();
    let mut found = Vec::new();
    for (at, first) in domains.iter().enumerate() {
        for second in &domains[at + 1..] {
            let has = |row: usize, range| !entries_within(matrix, row, range).0.is_empty();
            let both: Vec<bool> =
                (0..matrix.rows()).map(|row| has(row, first) && has(row, second)).collect();
            let search = Search { matrix, by_item: &by_item, both: &both, rule };
            found.par_extend(
                first
                    .clone()
                    .into_par_iter()
                    .flat_map_iter(|item| search.twins_of(item as u32, second)),
            );
        }
    }
    found.sort_by(|a: &LookAlike, b| {
        b.jaccard.total_cmp(&a.jaccard).then((a.first, a.second).cmp(&(b.first, b.second)))
    });
    found.truncate(MAX_PAIRS);
    found
}

struct Search<'a> {
    matrix: &'a SparseRows,
    by_item: &'a SparseRows,
    both: &'a [bool],
    rule: LookAlikeRule,
}

impl Search<'_> {
    fn people(&self, item: u32) -> impl Iterator<Item = usize> {
        let people = self.by_item.row(item as usize).0.iter().map(|&person| person as usize);
        people.filter(|&person| self.both[person])
    }

    fn twins_of(&self, item: u32, others: &std::ops::Range<usize>) -> Vec<LookAlike> {
        let own = self.people(item).count() as u32;
        if own < self.rule.shared_people {
            return Vec::new();
        }
        let mut shared: BTreeMap<u32, u32> = BTreeMap::new();
        for person in self.people(item) {
            for &other in entries_within(self.matrix, person, others).0 {
                *shared.entry(other).or_default() += 1;
            }
        }
        let twin = |(other, shared): (u32, u32)| {
            if shared < self.rule.shared_people {
                return None;
            }
            let union = own + self.people(other).count() as u32 - shared;
            let jaccard = f64::from(shared) / f64::from(union);
            let is_twin = jaccard >= self.rule.jaccard;
            is_twin.then_some(LookAlike {
                first: item,
                second: other,
                jaccard,
                shared_people: shared,
            })
        };
        shared.into_iter().filter_map(twin).collect()
    }
}

/// A pair as it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookAlikePair {
    /// The two items.
    pub items: [ItemKey; 2],
    /// The Jaccard index of their people.
    pub jaccard: f64,
    /// People who took both.
    pub shared_people: u32,
}

/// What a run tells of look-alikes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LookAlikeReport {
    /// How many pairs were found.
    pub pairs: usize,
    /// The twenty with the highest index.
    pub sample: Vec<LookAlikePair>,
}

impl LookAlikeReport {
    /// Tells of pairs, given with the highest index first.
    #[must_use]
    pub fn new(found: &[LookAlike], index: &ItemIndex) -> Self {
        let tell = |pair: &LookAlike| {
            Some(LookAlikePair {
                items: [index.item(pair.first)?.clone(), index.item(pair.second)?.clone()],
                jaccard: pair.jaccard,
                shared_people: pair.shared_people,
            })
        };
        Self { pairs: found.len(), sample: found.iter().take(SAMPLE).filter_map(tell).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::ids::DomainId;
    use crate::model::look_alikes::Twins;

    fn ranges() -> DomainRanges {
        DomainRanges::from([
            (DomainId::parse("a").unwrap(), 0..4),
            (DomainId::parse("b").unwrap(), 4..8),
            (DomainId::parse("c").unwrap(), 8..9),
        ])
    }

    /// Items 1 and 6 are taken by the same people; the rest is spread evenly.
    fn matrix() -> SparseRows {
        let rows = (0..48u32).map(|person| {
            let mut row = vec![(person % 4, 1.0), (4 + person / 4 % 4, 1.0)];
            if person % 3 == 0 {
                row.extend([(1, 1.0), (6, 1.0)]);
            }
            row
        });
        // People of one domain alone say nothing.
        let apart = (0..40).map(|_| vec![(1, 1.0)]);
        SparseRows::from_rows(9, rows.chain(apart))
    }

    #[test]
    fn planted_twins_are_found_and_nothing_else() {
        let found = find(&matrix(), &ranges(), LookAlikeRule::default());
        let pairs: Vec<(u32, u32)> = found.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(pairs, [(1, 6)]);
        // 16 took both by plan, 2 by chance; 8 more took either.
        assert_eq!(found[0].shared_people, 18);
        let twins = Twins::new(pairs);
        assert!(twins.are(6, 1) && twins.are(1, 6) && !twins.are(1, 5));
        assert_eq!(twins.pairs().collect::<Vec<_>>(), [(1, 6)]);
    }

    #[test]
    fn among_few_people_nothing_is_taken_for_a_twin() {
        let few = LookAlikeRule { shared_people: 19, ..LookAlikeRule::default() };
        assert_eq!(find(&matrix(), &ranges(), few), []);
    }
}
