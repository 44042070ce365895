//! What a person had to do with is not recommended again, for as long as the
//! domain's definition says.

use jiff::Timestamp;

use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::Definitions;
use crate::entities::event::Event;
use crate::entities::event_type::EventTypeDefinition;
use crate::entities::history::PastEvent;
use crate::entities::ids::{DomainId, EventType, ItemId};
use crate::entities::item_set::ItemDigest;
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items that an event of the person is about or that are recorded as seen
/// for ever, as far as evidence may be used: a slate that is not personalised may hold them.
pub(super) struct Seen<'a> {
    items: Vec<&'a ItemId>,
    past: Vec<ItemDigest>,
}

impl<'a> Seen<'a> {
    /// What the person had to do with, and still counts as seen at `now`. An event of
    /// a type that is no longer defined, or whose definition names no time, counts for as
    /// long as it is evidence; an older one counts only as long as its definition says.
    pub(super) fn in_history(
        (target, history): (&'a DomainId, &'a ConsentedHistory),
        definitions: &Definitions,
        now: Timestamp,
    ) -> Self {
        let is_seen = |event: &&Event| {
            let event_type = defined(definitions, (&event.domain, &event.event_type));
            event_type.is_none_or(|event_type| event_type.is_seen(event.occurred_at, now))
        };
        let is_seen_still = |event: &&PastEvent| {
            let event_type = defined(definitions, (&event.domain, &event.event_type));
            let seen_for = event_type.and_then(|event_type| event_type.seen_days);
            seen_for.is_some_and(|seen_for| seen_for.holds(event.occurred_at, now))
        };
        let events = history.events().iter().filter(|event| event.domain == *target);
        let past = history.past().iter().filter(|event| event.domain == *target);
        let for_ever = history.seen().filter(|(domain, _)| *domain == target);
        let past = past.filter(is_seen_still).map(|event| event.item);
        Self {
            items: events.filter(is_seen).map(|event| &event.item_id).collect(),
            past: past.chain(for_ever.map(|(_, item)| item)).collect(),
        }
    }
}

fn defined<'d>(
    definitions: &'d Definitions,
    (domain, event_type): (&DomainId, &EventType),
) -> Option<&'d EventTypeDefinition> {
    definitions.get(domain)?.event_types.get(event_type)
}

impl Rule for Seen<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let items = self.items.iter().filter_map(|item| catalogue.position(item));
        let past = self.past.iter().flat_map(|item| catalogue.with_digest(*item));
        items.chain(past).for_each(|position| refusals.refuse(position, Ineligible::Seen));
    }
}
