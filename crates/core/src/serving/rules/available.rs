//! What the platform does not offer now is not recommended.

use jiff::Timestamp;

use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

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
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        for position in catalogue.not_shown(self.now) {
            refusals.refuse(position, Ineligible::Unavailable);
        }
    }
}
