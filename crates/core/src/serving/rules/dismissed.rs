//! What a person asked not to see again is not recommended, personalised or not.

use crate::entities::consent::ConsentedHistory;
use crate::entities::ids::DomainId;
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items that the person dismissed.
pub(super) struct Dismissed<'a> {
    target: &'a DomainId,
    history: &'a ConsentedHistory,
}

impl<'a> Dismissed<'a> {
    /// The dismissals that hold for a slate.
    pub(super) fn in_history(target: &'a DomainId, history: &'a ConsentedHistory) -> Self {
        Self { target, history }
    }
}

impl Rule for Dismissed<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let of_target = self.history.dismissed().filter(|(domain, _)| *domain == self.target);
        for position in of_target.flat_map(|(_, item)| catalogue.with_digest(item)) {
            refusals.refuse(position, Ineligible::Dismissed);
        }
    }
}
