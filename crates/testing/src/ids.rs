//! Identifiers and instants from plain text and numbers.

use crossfold_entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym, TrainingRunId};
use jiff::Timestamp;

/// A domain, such as `knowledge`.
///
/// # Panics
/// When the text is not a valid domain.
#[must_use]
pub fn domain(text: &str) -> DomainId {
    DomainId::parse(text).expect("a domain")
}

/// An item's identifier within its domain.
///
/// # Panics
/// When the text is not a valid item id.
#[must_use]
pub fn item(text: &str) -> ItemId {
    ItemId::parse(text).expect("an item id")
}

/// An item with its domain.
///
/// # Panics
/// When either text is not valid.
#[must_use]
pub fn item_key(of_domain: &str, text: &str) -> (DomainId, ItemId) {
    (domain(of_domain), item(text))
}

/// A user, by the text of their pseudonym.
///
/// # Panics
/// When the text is not a valid pseudonym.
#[must_use]
pub fn user(text: &str) -> Pseudonym {
    Pseudonym::parse(text).expect("a pseudonym")
}

/// An event's identifier, unique within its user.
///
/// # Panics
/// When the text is not a valid event id.
#[must_use]
pub fn event_id(text: &str) -> EventId {
    EventId::parse(text).expect("an event id")
}

/// A kind of event, such as `view`.
///
/// # Panics
/// When the text is not a valid event type.
#[must_use]
pub fn event_type(text: &str) -> EventType {
    EventType::parse(text).expect("an event type")
}

/// A training run's identifier.
///
/// # Panics
/// When the text is not a valid training run id.
#[must_use]
pub fn run(text: &str) -> TrainingRunId {
    TrainingRunId::parse(text).expect("a training run id")
}

/// The instant so many seconds after the start of 1970.
///
/// # Panics
/// When the instant lies outside years -9999 to 9999.
#[must_use]
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("an instant")
}
