//! What a person had to do with is not recommended again.

use crate::entities::catalogue::Item;
use crate::entities::consent::ConsentedHistory;
use crate::serving::rules::{Ineligible, ItemRefs, Rule, is_among};

/// Refuses items that an event of the person is about, as far as evidence may be
/// used: a slate that is not personalised may hold them.
pub(super) struct Seen<'a> {
    items: ItemRefs<'a>,
}

impl<'a> Seen<'a> {
    /// What the events of a history are about.
    pub(super) fn in_history(history: &'a ConsentedHistory) -> Self {
        let items = history.events().iter().map(|event| (&event.domain, &event.item_id));
        Self { items: items.collect() }
    }
}

impl Rule for Seen<'_> {
    fn refuses(&self, item: &Item) -> Option<Ineligible> {
        is_among(&self.items, item).then_some(Ineligible::Seen)
    }
}
