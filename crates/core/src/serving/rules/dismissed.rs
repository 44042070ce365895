//! What a person asked not to see again is not recommended, personalised or not.

use crate::entities::consent::ConsentedHistory;
use crate::serving::rules::{Ineligible, Rule};
use crate::serving::snapshot::CatalogueEntry;

/// Refuses items that the person dismissed.
pub(super) struct Dismissed<'a> {
    history: &'a ConsentedHistory,
}

impl<'a> Dismissed<'a> {
    /// The dismissals that hold for a slate.
    pub(super) fn in_history(history: &'a ConsentedHistory) -> Self {
        Self { history }
    }
}

impl Rule for Dismissed<'_> {
    fn refuses(&self, entry: &CatalogueEntry<'_>) -> Option<Ineligible> {
        let is_dismissed = self.history.is_dismissed(&entry.item.domain, entry.digest);
        is_dismissed.then_some(Ineligible::Dismissed)
    }
}
