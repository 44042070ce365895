//! Which items may leave `recommend`, decided in this one place, before ranking.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::entities::catalogue::Item;
use crate::entities::consent::ConsentedHistory;
use crate::entities::ids::{DomainId, ItemId};

/// The rules of one request for one target domain.
#[derive(Debug)]
pub struct Eligibility<'a> {
    now: Timestamp,
    history: &'a ConsentedHistory,
    seen: BTreeSet<(&'a DomainId, &'a ItemId)>,
    excluded: &'a BTreeSet<(DomainId, ItemId)>,
}

impl<'a> Eligibility<'a> {
    /// Rules from what the person did and dismissed, and what the caller excludes.
    #[must_use]
    pub fn new(
        now: Timestamp,
        history: &'a ConsentedHistory,
        excluded: &'a BTreeSet<(DomainId, ItemId)>,
    ) -> Self {
        let seen = history.events().iter().map(|event| (&event.domain, &event.item_id)).collect();
        Self { now, history, seen, excluded }
    }

    /// Whether an item may be recommended: available, not seen, not dismissed, not excluded.
    #[must_use]
    pub fn allows(&self, item: &Item) -> bool {
        item.is_available(self.now)
            && !self.seen.contains(&(&item.domain, &item.item_id))
            && !self.history.is_dismissed(&item.domain, &item.item_id)
            && !self.excluded.contains(&(item.domain.clone(), item.item_id.clone()))
    }
}
