//! Items that came lately and that few people took yet.
//!
//! What few people did says little of an item, and an item that came late was not there for most
//! of what people did: that they did not take it says nothing. So its scores lie between its own
//! and those of the known items that stand in for it, by its text, as they did when it was new
//! ([`super::content`]):
//!
//! ```text
//! own   = e + (1 - e) n / (n + k)                 k = 10
//! score = own * (its own score) + (1 - own) * (the weighted sum of the stand-ins' scores)
//! ```
//!
//! where `n` people took it, each counted by recency, and `e` is its lifetime, the share of all
//! that was done since it came (`evidence::arrivals`): as in empirical Bayes, its text is worth `k`
//! people as long as it was hardly there, and nothing once it has been there all along. An item
//! that nobody wants is no young one. The sum is the same for all that a score is made of, so an
//! explanation stays exact.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::SafeTensors;

use super::content::StandIns;
use super::tensors::{Tensor, finite, numbers};
use super::{ModelError, malformed};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, ItemIndex, Row};

/// How many people who took an item its text is worth.
pub const TEXT_IS_WORTH: f32 = 10.0;
/// Most items of a domain that are young: of more, those of whom their own evidence says least.
pub const MOST_YOUNG: usize = 500;
/// From so much own evidence on an item is no longer young.
pub(crate) const GROWN_UP: f32 = 0.9;

/// How much an item's own evidence counts, 0 to 1, that so many people took, counted by recency,
/// with this lifetime.
pub(crate) fn own_share(people: f32, lifetime: f32) -> f32 {
    lifetime + (1.0 - lifetime) * people / (people + TEXT_IS_WORTH)
}

/// A young item.
#[derive(Debug, Clone, PartialEq)]
pub struct YoungItem {
    /// How much its own evidence counts, 0 to 1; what stands in for it makes up the rest.
    pub own: f32,
    /// The known items that stand in for it.
    pub stand_ins: StandIns,
}

/// The young items of a model, by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct YoungItems(BTreeMap<Row, YoungItem>);

impl FromIterator<(Row, YoungItem)> for YoungItems {
    fn from_iter<I: IntoIterator<Item = (Row, YoungItem)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl YoungItems {
    /// What stands in for an item, and how much; `None` where it is not young.
    #[must_use]
    pub fn get(&self, row: Row) -> Option<&YoungItem> {
        self.0.get(&row)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of some rows.
    pub(crate) fn within(&self, rows: std::ops::Range<usize>) -> impl Iterator<Item = Row> {
        let (start, end) = (Row(rows.start as u32), Row(rows.end as u32));
        self.0.range(start..end).map(|(row, _)| *row)
    }

    /// What an item has of something, by what it and those that stand in for it have themselves.
    pub(crate) fn value(&self, row: Row, of: impl Fn(Row) -> f32) -> f32 {
        let Some(YoungItem { own, stand_ins }) = self.get(row) else { return of(row) };
        own * of(row) + (1.0 - own) * stand_ins.sum(of)
    }

    /// The same of what past items add to it, by past item.
    pub(crate) fn parts(&self, row: Row, of: impl Fn(Row) -> Vec<(Row, f32)>) -> Vec<(Row, f32)> {
        let Some(YoungItem { own, stand_ins }) = self.get(row) else { return of(row) };
        let mut sums: BTreeMap<Row, f32> = BTreeMap::new();
        let mut add = |parts: Vec<(Row, f32)>, share: f32| {
            parts
                .into_iter()
                .for_each(|(past, part)| *sums.entry(past).or_default() += share * part);
        };
        add(of(row), *own);
        add(stand_ins.sum_of_parts(of), 1.0 - own);
        sums.into_iter().collect()
    }

    /// Whether every item, and all that stand in for it, are of one domain.
    pub(crate) fn fit(&self, ranges: &DomainRanges) -> bool {
        self.0.iter().all(|(row, item)| {
            let of_item = ranges.values().find(|rows| rows.contains(*row));
            (0.0..=1.0).contains(&item.own)
                && of_item.is_some_and(|rows| item.stand_ins.rows().all(|row| rows.contains(row)))
        })
    }
}

const ITEMS: &str = "young_items";
const OWN: &str = "young_own";
const ENDS: &str = "young_ends";
const STAND_INS: &str = "young_stand_ins";
const WEIGHTS: &str = "young_weights";

/// The tensors; none without young items.
pub(crate) fn write(young: &YoungItems) -> Vec<Tensor> {
    if young.is_empty() {
        return Vec::new();
    }
    let (mut rows, mut own, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut stand_ins, mut weights) = (Vec::new(), Vec::new());
    for (row, item) in &young.0 {
        rows.push(row.0);
        own.push(item.own);
        for (row, weight) in item.stand_ins.weights() {
            stand_ins.push(row.0);
            weights.push(*weight);
        }
        ends.push(stand_ins.len() as u32);
    }
    vec![
        Tensor::numbers(ITEMS, vec![rows.len()], &rows),
        Tensor::floats(OWN, vec![own.len()], &own),
        Tensor::numbers(ENDS, vec![ends.len()], &ends),
        Tensor::numbers(STAND_INS, vec![stand_ins.len()], &stand_ins),
        Tensor::floats(WEIGHTS, vec![weights.len()], &weights),
    ]
}

/// Reads the section, in a model of these items of which some domains' texts tell popularity.
pub(crate) fn read(
    tensors: &SafeTensors<'_>,
    (index, by_popularity): (&ItemIndex, &BTreeSet<&DomainId>),
) -> Result<YoungItems, ModelError> {
    let length = |name: &str| tensors.tensor(name).map(|tensor| tensor.shape().to_vec());
    let Ok(shape) = length(ITEMS) else { return Ok(YoungItems::default()) };
    let rows = numbers(tensors, ITEMS, &shape)?;
    let (own, ends) = (finite(tensors, OWN, &shape)?, numbers(tensors, ENDS, &shape)?);
    let shape = length(STAND_INS).map_err(malformed)?;
    let stand_ins = numbers(tensors, STAND_INS, &shape)?;
    let weights = finite(tensors, WEIGHTS, &shape)?;
    if !rows.is_sorted_by(|a, b| a < b) {
        return Err(malformed("young items are not in order, or stand twice"));
    }
    let (mut young, mut start) = (BTreeMap::new(), 0);
    for ((row, own), end) in rows.into_iter().zip(own).zip(ends) {
        let (row, end) = (Row(row), end as usize);
        let parts = stand_ins.get(start..end).zip(weights.get(start..end));
        let (of_item, weights) =
            parts.ok_or_else(|| malformed("stand-ins of young items are cut wrongly"))?;
        let weights = of_item.iter().map(|row| Row(*row)).zip(weights.iter().copied()).collect();
        let (domain, _) = index.item(row).ok_or_else(|| malformed("a young item is not there"))?;
        let stand_ins = StandIns::new(weights, by_popularity.contains(domain));
        young.insert(row, YoungItem { own, stand_ins });
        start = end;
    }
    Ok(YoungItems(young))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn young(own: f32) -> YoungItems {
        let weights = vec![(Row(0), 0.75), (Row(1), 0.5)];
        let stand_ins = StandIns::new(weights, true);
        [(Row(2), YoungItem { own, stand_ins })].into_iter().collect()
    }

    #[test]
    fn own_evidence_counts_by_people_and_by_how_long_an_item_was_there() {
        assert_eq!(own_share(0.0, 0.0), 0.0);
        assert_eq!(own_share(10.0, 0.0), 0.5);
        assert_eq!(own_share(0.0, 1.0), 1.0);
        assert_eq!(own_share(10.0, 0.5), 0.75);
    }

    #[test]
    fn an_item_that_is_not_young_has_what_it_has() {
        let of = |row: Row| row.0 as f32 + 1.0;
        assert_eq!(young(0.25).value(Row(1), of), 2.0);
        assert_eq!(young(0.25).value(Row(2), of), 0.25 * 3.0 + 0.75 * (0.75 + 0.5 * 2.0));
        assert_eq!(young(1.0).value(Row(2), of), 3.0);
    }

    proptest! {
        #[test]
        fn parts_sum_up_to_the_value(own in 0.0f32..1.0, parts in prop::collection::vec(-1.0f32..1.0, 9)) {
            let parts_of = |row: Row| -> Vec<(Row, f32)> {
                (0..3).map(|past| (Row(past), parts[row.index() * 3 + past as usize])).collect()
            };
            let whole = |row: Row| -> f32 { parts_of(row).iter().map(|(_, part)| part).sum() };
            for row in (0..3).map(Row) {
                let sum: f32 = young(own).parts(row, parts_of).iter().map(|(_, part)| part).sum();
                prop_assert!((sum - young(own).value(row, whole)).abs() < 1e-5);
            }
        }
    }
}
