//! What the caller's filter does not admit is not recommended.

use jiff::Timestamp;

use crate::entities::filter::{Filter, Schema};
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items for which a filter is false, or unknown because something is missing.
pub(super) struct Filtered<'a> {
    /// With what the target's domain declares.
    filter: Option<(&'a Filter, Schema)>,
    now: Timestamp,
}

impl<'a> Filtered<'a> {
    /// What a filter, if there is one, says at an instant of items whose domain declares this.
    pub(super) fn by_caller(filter: Option<(&'a Filter, Schema)>, now: Timestamp) -> Self {
        Self { filter, now }
    }
}

impl Rule for Filtered<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let Some((filter, schema)) = &self.filter else { return };
        let admitted = filter.admits(&catalogue.table(filter, schema), self.now);
        for position in (0..catalogue.len()).filter(|position| !admitted.get(*position)) {
            refusals.refuse(position, Ineligible::Filtered);
        }
    }
}
