//! Events: what a user did, raw and immutable.

use jiff::{SignedDuration, Timestamp, Unit};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::decimal;
use crate::definition::DomainDefinition;
use crate::ids::{DomainId, EventId, EventType, InvalidId, ItemId, Pseudonym, UserId};

/// How far ahead of our clock a caller's may run.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A caller's event, as it is posted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEvent {
    /// The caller's identifier: an event resent with the same one is a duplicate.
    pub event_id: String,
    /// The platform's own user id.
    pub user_id: String,
    /// One of the domain's event types.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it was done to.
    pub item_id: String,
    /// When, in RFC 3339 with an offset.
    pub occurred_at: String,
    /// Money involved, in the domain's currency: a decimal text or number.
    #[serde(default)]
    pub value: Option<serde_json::Value>,
    /// Seconds spent.
    #[serde(default)]
    pub dwell_seconds: Option<u32>,
}

/// One accepted event. Identity is (`user`, `event_id`), whatever time it claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The caller's identifier of the event.
    pub event_id: EventId,
    /// The pseudonym of the user who did it.
    pub user: Pseudonym,
    /// The platform it happened on.
    pub domain: DomainId,
    /// What was done.
    pub event_type: EventType,
    /// What it was done to.
    pub item_id: ItemId,
    /// When, to the millisecond.
    pub occurred_at: Timestamp,
    /// When it was accepted, to the millisecond.
    pub received_at: Timestamp,
    /// Which life of the platform it was accepted in: [`DomainDefinition::life`].
    #[serde(default, skip_serializing_if = "is_first")]
    pub domain_life: u32,
    /// Money involved, in the domain's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Seconds spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell_seconds: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref)] // As serde hands it.
fn is_first(life: &u32) -> bool {
    *life == 0
}

/// Why one event of a batch was refused. [`EventRejection::code`] is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventRejection {
    /// It is not an object of the right shape.
    #[error("{0}")]
    Malformed(String),
    /// One of its identifiers breaks its rule.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// Nothing says what an event of another system means in the domain.
    #[error("no event type of the domain is known for {0:?}: name one in the definition's sources")]
    UnmappedEvent(String),
    /// The person refused a category of consent that the event needs.
    #[error("consent to the category {0:?} was not given")]
    ConsentRefused(String),
    /// The domain does not know the event type.
    #[error("the domain has no event type {0:?}")]
    UnknownEventType(String),
    /// The time cannot be read or is before 1970.
    #[error("occurred_at must be an RFC 3339 time with an offset, from 1970 on")]
    InvalidTimestamp,
    /// The time lies ahead of our clock by more than [`MAX_CLOCK_SKEW`].
    #[error("occurred_at lies in the future")]
    FutureTimestamp,
    /// The value is no decimal that can be taken exactly, or negative.
    #[error("value must be a decimal of at least 0, as text or as a number of at most 15 digits")]
    InvalidValue,
}

impl EventRejection {
    /// The stable code of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_event",
            Self::InvalidId(_) => "invalid_id",
            Self::UnmappedEvent(_) => "unmapped_event",
            Self::ConsentRefused(_) => "consent_refused",
            Self::UnknownEventType(_) => "unknown_event_type",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::FutureTimestamp => "future_timestamp",
            Self::InvalidValue => "invalid_value",
        }
    }
}

/// A raw event whose parts have been checked against its domain, before the
/// user's pseudonym is known.
#[derive(Debug, Clone)]
pub struct ParsedEvent {
    user: UserId,
    event_id: EventId,
    event_type: EventType,
    item_id: ItemId,
    occurred_at: Timestamp,
    value: Option<Decimal>,
    dwell_seconds: Option<u32>,
}

impl ParsedEvent {
    /// Checks one event of a batch against its domain, and its time against ours.
    ///
    /// # Errors
    /// [`EventRejection`] with the first rule that was broken.
    pub fn parse(
        raw: RawEvent,
        definition: &DomainDefinition,
        now: Timestamp,
    ) -> Result<Self, EventRejection> {
        let user = UserId::parse(&raw.user_id)?;
        let event_id = EventId::parse(&raw.event_id)?;
        let item_id = ItemId::parse(&raw.item_id)?;
        let event_type = EventType::parse(&raw.event_type)
            .ok()
            .filter(|event_type| definition.event_types.contains_key(event_type))
            .ok_or(EventRejection::UnknownEventType(raw.event_type))?;
        Ok(Self {
            user,
            event_id,
            event_type,
            item_id,
            occurred_at: parse_occurred_at(&raw.occurred_at, now)?,
            value: raw.value.as_ref().map(parse_value).transpose()?,
            dwell_seconds: raw.dwell_seconds,
        })
    }

    /// The raw user id, to derive the pseudonym from.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What it is known by among its user's events.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// Completes the event, of a platform in one of its lives.
    #[must_use]
    pub fn into_event(
        self,
        user: Pseudonym,
        (domain, domain_life): (DomainId, u32),
        received_at: Timestamp,
    ) -> Event {
        Event {
            event_id: self.event_id,
            user,
            domain,
            event_type: self.event_type,
            item_id: self.item_id,
            occurred_at: self.occurred_at,
            received_at: to_millisecond(received_at),
            domain_life,
            value: self.value,
            dwell_seconds: self.dwell_seconds,
        }
    }
}

fn parse_occurred_at(text: &str, now: Timestamp) -> Result<Timestamp, EventRejection> {
    let time: Timestamp = text.parse().map_err(|_| EventRejection::InvalidTimestamp)?;
    check_occurred_at(time, now)
}

/// Checks when a caller says that something happened: from 1970 on, and not
/// ahead of our clock by more than [`MAX_CLOCK_SKEW`]. Gives it to the millisecond.
///
/// # Errors
/// [`EventRejection::InvalidTimestamp`] or [`EventRejection::FutureTimestamp`].
pub fn check_occurred_at(time: Timestamp, now: Timestamp) -> Result<Timestamp, EventRejection> {
    if time < Timestamp::UNIX_EPOCH {
        return Err(EventRejection::InvalidTimestamp);
    }
    if time.duration_since(now) > MAX_CLOCK_SKEW {
        return Err(EventRejection::FutureTimestamp);
    }
    Ok(to_millisecond(time))
}

/// Cuts a time to the millisecond, the precision that is stored.
#[must_use]
pub fn to_millisecond(time: Timestamp) -> Timestamp {
    let cut = jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Floor);
    time.round(cut).unwrap_or(time)
}

fn parse_value(value: &serde_json::Value) -> Result<Decimal, EventRejection> {
    let decimal = decimal::exact(value).map_err(|_| EventRejection::InvalidValue)?;
    if decimal.is_sign_negative() && !decimal.is_zero() {
        return Err(EventRejection::InvalidValue);
    }
    Ok(decimal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::tests::definition;

    fn parse(patch: serde_json::Value) -> Result<ParsedEvent, EventRejection> {
        let mut raw = json!({
            "event_id": "e1", "user_id": "u1", "type": "view", "item_id": "i1",
            "occurred_at": "2026-06-01T08:00:00.1239+08:00",
        });
        for (key, value) in patch.as_object().unwrap() {
            raw[key] = value.clone();
        }
        let now: Timestamp = "2026-06-01T00:01:00Z".parse().unwrap();
        let raw: RawEvent = serde_json::from_value(raw).unwrap();
        ParsedEvent::parse(raw, &definition(), now)
    }

    #[test]
    fn a_good_event_keeps_its_time_to_the_millisecond() {
        let event = parse(json!({"value": 12.5})).unwrap();
        assert_eq!(event.occurred_at.to_string(), "2026-06-01T00:00:00.123Z");
        assert_eq!(event.value.unwrap().to_string(), "12.5");
    }

    #[test]
    fn each_broken_rule_has_its_code() {
        let cases = [
            (json!({"user_id": ""}), "invalid_id"),
            (json!({"item_id": "a\u{0}b"}), "invalid_id"),
            (json!({"type": "buy"}), "unknown_event_type"),
            (json!({"type": "No Slug"}), "unknown_event_type"),
            (json!({"occurred_at": "yesterday"}), "invalid_timestamp"),
            (json!({"occurred_at": "2026-06-01T00:00:00"}), "invalid_timestamp"),
            (json!({"occurred_at": "1969-12-31T23:59:59Z"}), "invalid_timestamp"),
            (json!({"occurred_at": "2026-06-01T00:06:00.001Z"}), "future_timestamp"),
            (json!({"value": "NaN"}), "invalid_value"),
            (json!({"value": "-0.01"}), "invalid_value"),
            (json!({"value": {}}), "invalid_value"),
            (json!({"value": 1e300}), "invalid_value"),
        ];
        for (patch, code) in cases {
            assert_eq!(parse(patch.clone()).unwrap_err().code(), code, "{patch}");
        }
    }

    #[test]
    fn a_clock_a_little_ahead_is_tolerated() {
        assert!(parse(json!({"occurred_at": "2026-06-01T00:06:00Z"})).is_ok());
    }
}
