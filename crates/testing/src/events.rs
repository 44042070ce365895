//! Events.

use crossfold_entities::event::Event;

use crate::ids::{at, domain, event_id, event_type, item, user};

/// The user `u` viewed the item `i` of `knowledge` at the start of 1970; the event is `e`.
///
/// # Panics
/// Never: the event is fixed.
#[must_use]
pub fn event() -> Event {
    event_at(0)
}

/// [`event`], done and received so many seconds after the start of 1970.
///
/// # Panics
/// When the instant lies outside years -9999 to 9999.
#[must_use]
pub fn event_at(second: i64) -> Event {
    Event {
        event_id: event_id("e"),
        user: user("u"),
        domain: domain("knowledge"),
        event_type: event_type("view"),
        item_id: item("i"),
        occurred_at: at(second),
        received_at: at(second),
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    }
}
