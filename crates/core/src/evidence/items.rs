//! Items by row: which item of which domain each row of a table is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, ItemId};

pub use super::item_rows::{DomainRanges, DomainRows, Liked, LocalRow, Row, Weighted};

/// An item together with its domain.
pub type ItemKey = (DomainId, ItemId);

/// The items of a model: ordered by domain, then by id, so that each domain's
/// rows lie together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeSet<ItemKey>", into = "Vec<ItemKey>")]
pub struct ItemIndex {
    items: Vec<ItemKey>,
    rows: HashMap<ItemKey, Row>,
    ranges: DomainRanges,
}

impl From<BTreeSet<ItemKey>> for ItemIndex {
    fn from(items: BTreeSet<ItemKey>) -> Self {
        Self::new(items)
    }
}

impl From<ItemIndex> for Vec<ItemKey> {
    fn from(index: ItemIndex) -> Self {
        index.items
    }
}

impl ItemIndex {
    /// Indexes a set of items.
    #[must_use]
    pub fn new(items: BTreeSet<ItemKey>) -> Self {
        let items: Vec<ItemKey> = items.into_iter().collect();
        let rows =
            items.iter().enumerate().map(|(row, key)| (key.clone(), Row(row as u32))).collect();
        let mut ranges: BTreeMap<DomainId, Range<usize>> = BTreeMap::new();
        for (row, (domain, _)) in items.iter().enumerate() {
            ranges.entry(domain.clone()).or_insert(row..row).end = row + 1;
        }
        Self { items, rows, ranges: ranges.into_iter().collect() }
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item of a row.
    #[must_use]
    pub fn item(&self, row: Row) -> Option<&ItemKey> {
        self.items.get(row.index())
    }

    /// The items in row order.
    #[must_use]
    pub fn items(&self) -> &[ItemKey] {
        &self.items
    }

    /// The row of an item.
    #[must_use]
    pub fn row(&self, key: &ItemKey) -> Option<Row> {
        self.rows.get(key).copied()
    }

    /// The rows of each domain.
    #[must_use]
    pub fn ranges(&self) -> &DomainRanges {
        &self.ranges
    }

    /// A person's interactions by row, ascending, nothing said of their order; items the
    /// index does not know are left out.
    #[must_use]
    pub fn rows_of(&self, confidences: &BTreeMap<ItemKey, f32>) -> Vec<Weighted> {
        let known = |(key, &c): (&ItemKey, &f32)| Some(Weighted::new(self.row(key)?, c));
        confidences.iter().filter_map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_domain_lie_together() {
        let key = |d: &str, i: &str| (DomainId::parse(d).unwrap(), ItemId::parse(i).unwrap());
        let index =
            ItemIndex::new([key("b", "1"), key("a", "2"), key("b", "0"), key("a", "9")].into());
        assert_eq!(index.ranges()[&DomainId::parse("a").unwrap()].range, 0..2);
        assert_eq!(index.ranges()[&DomainId::parse("b").unwrap()].range, 2..4);
        assert_eq!(index.row(&key("b", "0")), Some(Row(2)));
        assert_eq!(index.item(Row(2)), Some(&key("b", "0")));
        assert_eq!(index.row(&key("c", "0")), None);
    }
}
