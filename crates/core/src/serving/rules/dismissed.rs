//! What a person asked not to see again is not recommended, personalised or not.

use crate::entities::catalogue::Item;
use crate::entities::consent::ConsentedHistory;
use crate::serving::rules::{Ineligible, ItemRefs, Rule, is_among};

/// Refuses items that the person dismissed.
pub(super) struct Dismissed<'a> {
    items: ItemRefs<'a>,
}

impl<'a> Dismissed<'a> {
    /// The dismissals that hold for a slate.
    pub(super) fn in_history(history: &'a ConsentedHistory) -> Self {
        Self { items: history.dismissed().collect() }
    }
}

impl Rule for Dismissed<'_> {
    fn refuses(&self, item: &Item) -> Option<Ineligible> {
        is_among(&self.items, item).then_some(Ineligible::Dismissed)
    }
}
