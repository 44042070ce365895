//! What the platform does not offer now is not recommended.

use jiff::Timestamp;

use crate::serving::rules::{Ineligible, Rule};
use crate::serving::snapshot::CatalogueEntry;

/// Refuses items that are deleted, hidden, out of stock, not yet or no longer offered.
pub(super) struct Available {
    now: Timestamp,
}

impl Available {
    /// Availability at an instant.
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now }
    }
}

impl Rule for Available {
    fn refuses(&self, entry: &CatalogueEntry<'_>) -> Option<Ineligible> {
        (!entry.item.is_available(self.now)).then_some(Ineligible::Unavailable)
    }
}
