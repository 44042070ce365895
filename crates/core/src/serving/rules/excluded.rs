//! What the caller names as unwanted is not recommended.

use std::collections::BTreeSet;

use crate::entities::catalogue::Item;
use crate::entities::ids::{DomainId, ItemId};
use crate::serving::rules::{Ineligible, ItemRefs, Rule, is_among};

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
    fn refuses(&self, item: &Item) -> Option<Ineligible> {
        is_among(&self.items, item).then_some(Ineligible::Excluded)
    }
}
