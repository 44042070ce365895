//! Items of two domains that look like one thing sold on both.
//!
//! If the same people took both, the Jaccard index of the two items' people is
//! near 1. To recommend the other one is no transfer of taste, yet it would make
//! any bridge look good: public data sets that hold the same product in both
//! domains do so. Pairs whose index reaches a bound are therefore reported, left
//! out where bridges are measured, and are no evidence for each other.
//!
//! What is disliked does not count. Only people who have both domains count, and only pairs of domains with enough
//! of them are looked at. The search is linear in the sum over these people of
//! source items x target items.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::evidence::items::{DomainRanges, DomainRows, ItemIndex, ItemKey, Row};
use crate::maths::sparse::SparseRows;
use crate::training::bridging::shared_people::SharedPeople;

/// What makes a pair of items look alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LookAlikeRule {
    /// Least Jaccard index of the two items' people, above 0.
    pub jaccard: f64,
    /// Least number of people who took both: among few, chance makes items look alike.
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
    pub first: Row,
    /// The item of the other domain, by row.
    pub second: Row,
    /// The Jaccard index of their people.
    pub jaccard: f64,
    /// People who took both.
    pub shared_people: u32,
}

/// Finds the pairs, those with the highest index first.
#[must_use]
pub fn find(matrix: &SparseRows, ranges: &DomainRanges, rule: LookAlikeRule) -> Vec<LookAlike> {
    let matrix = &*matrix.liked();
    let by_item = matrix.transposed();
    let shared = SharedPeople::of(matrix, ranges);
    let domains: Vec<&DomainRows> = ranges.values().collect();
    let mut found = Vec::new();
    let mut has_both = vec![false; matrix.rows()];
    for (first, second) in shared.pairs(rule.shared_people.max(1) as usize) {
        let both = shared.both(first, second);
        both.iter().for_each(|&person| has_both[person as usize] = true);
        let (first, second) = (domains[first], domains[second]);
        let search = Search { matrix, by_item: &by_item, has_both: &has_both, rule };
        let items: Vec<Row> = first.rows().collect();
        found.par_extend(items.into_par_iter().flat_map_iter(|item| search.of(item, second)));
        both.iter().for_each(|&person| has_both[person as usize] = false);
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
    /// For each person, whether they have both domains.
    has_both: &'a [bool],
    rule: LookAlikeRule,
}

impl Search<'_> {
    fn people(&self, item: Row) -> impl Iterator<Item = usize> {
        let people = self.by_item.row(item.index()).0.iter().map(|&person| person as usize);
        people.filter(|&person| self.has_both[person])
    }

    /// The items of another domain that look like an item.
    fn of(&self, item: Row, others: &DomainRows) -> Vec<LookAlike> {
        let own = self.people(item).count() as u32;
        if own < self.rule.shared_people {
            return Vec::new();
        }
        let mut shared: BTreeMap<Row, u32> = BTreeMap::new();
        for person in self.people(item) {
            for &other in others.entries_of(self.matrix, person).0 {
                *shared.entry(Row(other)).or_default() += 1;
            }
        }
        let look_alike = |(other, shared): (Row, u32)| {
            if shared < self.rule.shared_people {
                return None;
            }
            let union = own + self.people(other).count() as u32 - shared;
            let jaccard = f64::from(shared) / f64::from(union);
            let is_alike = jaccard >= self.rule.jaccard;
            is_alike.then_some(LookAlike {
                first: item,
                second: other,
                jaccard,
                shared_people: shared,
            })
        };
        shared.into_iter().filter_map(look_alike).collect()
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
    use crate::model::look_alikes::LookAlikes;

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
    fn planted_look_alikes_are_found_and_nothing_else() {
        let found = find(&matrix(), &ranges(), LookAlikeRule::default());
        let pairs: Vec<(Row, Row)> = found.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(pairs, [(Row(1), Row(6))]);
        // 16 took both by plan, 2 by chance; 8 more took either.
        assert_eq!(found[0].shared_people, 18);
        let look_alikes = LookAlikes::new(pairs.clone());
        assert!(look_alikes.are(Row(6), Row(1)) && look_alikes.are(Row(1), Row(6)));
        assert!(!look_alikes.are(Row(1), Row(5)));
        assert_eq!(look_alikes.pairs().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn among_few_people_nothing_looks_alike() {
        let few = LookAlikeRule { shared_people: 19, ..LookAlikeRule::default() };
        assert_eq!(find(&matrix(), &ranges(), few), []);
    }
}
