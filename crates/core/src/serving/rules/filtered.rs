//! What a filter of the caller or the placement does not admit is not recommended.

use jiff::Timestamp;

use crate::entities::filter::{Filter, Schema};
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items for which one of the filters is false, or unknown because something is missing.
pub(super) struct Filtered<'a> {
    /// With what the target's domain declares.
    filters: Option<(&'a [Filter], Schema)>,
    now: Timestamp,
}

impl<'a> Filtered<'a> {
    /// What filters, if there are any, say at an instant of items whose domain declares this.
    pub(super) fn by_caller(filters: Option<(&'a [Filter], Schema)>, now: Timestamp) -> Self {
        Self { filters, now }
    }
}

impl Rule for Filtered<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let Some((filters, schema)) = &self.filters else { return };
        for filter in *filters {
            let admitted = filter.admits(&catalogue.table(filter, schema), self.now);
            for position in (0..catalogue.len()).filter(|position| !admitted.get(*position)) {
                refusals.refuse(position, Ineligible::Filtered);
            }
        }
    }
}
