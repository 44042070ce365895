//! What the caller names as unwanted is not recommended.

use std::collections::BTreeSet;

use crate::entities::ids::{DomainId, ItemId};
use crate::serving::rules::{Ineligible, ItemRefs, Rule, is_among};
use crate::serving::snapshot::CatalogueEntry;

/// Refuses items that the request excludes.
pub(super) struct Excluded<'a> {
    items: ItemRefs<'a>,
}

impl<'a> Excluded<'a> {
    /// What a request excludes.
    pub(super) fn by_caller(excluded: &'a BTreeSet<(DomainId, ItemId)>) -> Self {
        Self { items: excluded.iter().map(|(domain, item)| (domain, item)).collect() }
    }
}

impl Rule for Excluded<'_> {
    fn refuses(&self, entry: &CatalogueEntry<'_>) -> Option<Ineligible> {
        is_among(&self.items, entry.item).then_some(Ineligible::Excluded)
    }
}
