//! What a person had to do with is not recommended again, for as long as the
//! domain's definition says.

use jiff::Timestamp;

use crate::entities::catalogue::Item;
use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::Definitions;
use crate::entities::event::Event;
use crate::serving::rules::{Ineligible, ItemRefs, Rule, is_among};

/// Refuses items that an event of the person is about or that are recorded as seen
/// for ever, as far as evidence may be used: a slate that is not personalised may hold them.
pub(super) struct Seen<'a> {
    items: ItemRefs<'a>,
}

impl<'a> Seen<'a> {
    /// What the person had to do with, and still counts as seen at `now`. An event of
    /// a type that is no longer defined counts for as long as it is read.
    pub(super) fn in_history(
        history: &'a ConsentedHistory,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Self {
        let is_seen = |event: &&Event| {
            let definition = definitions.get(&event.domain);
            let event_type = definition.and_then(|d| d.event_types.get(&event.event_type));
            event_type.is_none_or(|event_type| event_type.is_seen(event.occurred_at, now))
        };
        let events = history.events().iter().filter(is_seen);
        let items = events.map(|event| (&event.domain, &event.item_id));
        Self { items: items.chain(history.seen()).collect() }
    }
}

impl Rule for Seen<'_> {
    fn refuses(&self, item: &Item) -> Option<Ineligible> {
        is_among(&self.items, item).then_some(Ineligible::Seen)
    }
}
