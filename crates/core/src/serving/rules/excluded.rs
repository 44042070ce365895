//! What the caller names as unwanted is not recommended.

use std::collections::BTreeSet;

use crate::entities::ids::{DomainId, ItemId};
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items that the request excludes.
pub(super) struct Excluded<'a> {
    target: &'a DomainId,
    items: &'a BTreeSet<(DomainId, ItemId)>,
}

impl<'a> Excluded<'a> {
    /// What a request excludes.
    pub(super) fn by_caller(target: &'a DomainId, items: &'a BTreeSet<(DomainId, ItemId)>) -> Self {
        Self { target, items }
    }
}

impl Rule for Excluded<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let of_target = self.items.iter().filter(|(domain, _)| domain == self.target);
        for position in of_target.filter_map(|(_, item)| catalogue.position(item)) {
            refusals.refuse(position, Ineligible::Excluded);
        }
    }
}
