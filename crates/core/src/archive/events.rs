//! Archived events.

use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::archive::columns::ColumnsError;
use crate::archive::table::{columns, decode, encode, one_row_each};
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};

columns! { Event {
    "event_id" event_id: EventId
        => "The caller's id of the event. With user it is the event's identity.";
    "user" user: Pseudonym => "The pseudonym of the user who did it.";
    "domain" domain: DomainId => "The platform it happened on.";
    "type" event_type: EventType => "What was done: one of the domain's event types.";
    "item_id" item_id: ItemId => "The item it was done to, of the same domain.";
    "occurred_at" occurred_at: Timestamp => "When it happened, by the caller's clock.";
    "received_at" received_at: Timestamp => "When it was accepted, by the service's clock.";
    "value" value: Option<Decimal>
        => "Money involved, in the domain's currency, as an exact decimal, at least 0.";
    "dwell_seconds" dwell_seconds: Option<u32> => "Time spent, in seconds.";
    "domain_life" domain_life: u32, since 3 or 0
        => "How many deletions of the platform there had been when it was accepted.";
} }

one_row_each! { Event }

/// Encodes events.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode_events(events: &[Event]) -> Result<Bytes, ColumnsError> {
    encode(events)
}

/// Decodes events.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode_events(bytes: Bytes) -> Result<Vec<Event>, ColumnsError> {
    decode(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn event() -> impl Strategy<Value = Event> {
        let money = proptest::option::of((0i64..1_000_000_000, 0u32..8));
        ("[a-z0-9]{1,9}", "[a-z]{1,5}", 0i64..2_000_000_000_000, money, any::<Option<u32>>())
            .prop_map(|(id, item, at, money, dwell_seconds)| Event {
                event_id: EventId::parse(&id).unwrap(),
                user: Pseudonym::parse("v1_u").unwrap(),
                domain: DomainId::parse("knowledge").unwrap(),
                event_type: EventType::parse("view").unwrap(),
                item_id: ItemId::parse(&item).unwrap(),
                occurred_at: Timestamp::from_millisecond(at).unwrap(),
                received_at: Timestamp::from_millisecond(at + 1).unwrap(),
                domain_life: at as u32 % 3,
                value: money.map(|(digits, scale)| Decimal::new(digits, scale)),
                dwell_seconds,
            })
    }

    proptest! {
        #[test]
        fn events_survive_the_archive(events in proptest::collection::vec(event(), 0..40)) {
            prop_assert_eq!(decode_events(encode_events(&events).unwrap()).unwrap(), events);
        }
    }
}
