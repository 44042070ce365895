//! What the platform does not offer now is not recommended.

use jiff::Timestamp;

use crate::entities::catalogue::Item;
use crate::serving::rules::{Ineligible, Rule};

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
    fn refuses(&self, item: &Item) -> Option<Ineligible> {
        (!item.is_available(self.now)).then_some(Ineligible::Unavailable)
    }
}
