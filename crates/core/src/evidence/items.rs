//! Items by row: which item of which domain each row of a table is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, ItemId};

pub use super::item_rows::{DomainRanges, DomainRows, Liked, LocalRow, Row, Weighted};

/// An item together with its domain.
pub type ItemKey = (DomainId, ItemId);

/// The same where it stands.
pub type ItemOf<'a> = (&'a DomainId, &'a ItemId);

/// The items of a model: ordered by domain, then by id, so that each domain's
/// rows lie together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "BTreeSet<ItemKey>", into = "Vec<ItemKey>")]
pub struct ItemIndex {
    items: Vec<ItemKey>,
    /// Made when it is first asked: training looks up every event, serving a few items.
    rows: OnceLock<HashMap<ItemKey, Row>>,
    ranges: DomainRanges,
}

impl PartialEq for ItemIndex {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
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
        let mut ranges: BTreeMap<DomainId, Range<usize>> = BTreeMap::new();
        for (row, (domain, _)) in items.iter().enumerate() {
            ranges.entry(domain.clone()).or_insert(row..row).end = row + 1;
        }
        Self { items, rows: OnceLock::new(), ranges: ranges.into_iter().collect() }
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
        let of_row = |(row, key): (usize, &ItemKey)| (key.clone(), Row(row as u32));
        let rows = self.rows.get_or_init(|| self.items.iter().enumerate().map(of_row).collect());
        rows.get(key).copied()
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

    /// The row of an item where it stands.
    #[must_use]
    pub fn row_of(&self, item: ItemOf<'_>) -> Option<Row> {
        let found = self.items.binary_search_by(|(domain, id)| (domain, id).cmp(&item));
        found.ok().map(|row| Row(row as u32))
    }

    /// The same of items where they stand, which ascend: found by steps that double from the
    /// one before, so that few items cost their logarithm, and many one look each.
    #[must_use]
    pub fn rows_where_they_stand<'a>(
        &self,
        ascending: impl IntoIterator<Item = (ItemOf<'a>, f32)>,
    ) -> Vec<Weighted> {
        let mut rows = Vec::new();
        let mut from = 0;
        for (item, confidence) in ascending {
            let is_before = |(domain, id): &ItemKey| (domain, id) < item;
            let mut step = 1;
            while self.items.get(from + step - 1).is_some_and(is_before) {
                from += step;
                step *= 2;
            }
            let until = (from + step - 1).min(self.items.len());
            let rest = self.items.get(from..until).unwrap_or_default();
            from += rest.partition_point(is_before);
            if self.items.get(from).is_some_and(|(domain, id)| (domain, id) == item) {
                rows.push(Weighted::new(Row(from as u32), confidence));
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn items_are_found_where_they_stand_as_by_their_keys(
            known in proptest::collection::btree_set((0u8..3, 0u8..40), 0..60),
            asked in proptest::collection::btree_set((0u8..4, 0u8..40), 0..60),
        ) {
            let key = |(domain, item): (u8, u8)| -> ItemKey {
                let domain = DomainId::parse(&format!("d{domain}")).unwrap();
                (domain, ItemId::parse(&item.to_string()).unwrap())
            };
            let index = ItemIndex::new(known.into_iter().map(key).collect());
            let asked: BTreeMap<ItemKey, f32> = asked.into_iter().map(key).zip((1..).map(|c| c as f32)).collect();
            let standing = asked.iter().map(|((domain, item), c)| ((domain, item), *c));
            proptest::prop_assert_eq!(index.rows_where_they_stand(standing), index.rows_of(&asked));
            for key @ (domain, item) in asked.keys() {
                proptest::prop_assert_eq!(index.row_of((domain, item)), index.row(key));
            }
        }
    }

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
