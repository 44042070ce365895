//! Segment's and RudderStack's format: calls of six types, alone or in a batch.
//!
//! Identity is `messageId`. Times are corrected by the skew of the sender's
//! clock, `receivedAt - sentAt`, as Segment does. Consent is
//! `context.consent.categoryPreferences`.

use std::collections::BTreeMap;

use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::{EventRejection, RawEvent};
use crossfold_core::entities::sources::Source;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::users::Declaration;

use super::mapping::{Named, UsualPlaces, hashed_id, malformed, meanings, text_of};

const USUAL: UsualPlaces = UsualPlaces {
    item_id: &[
        "properties.product_id",
        "properties.productId",
        "properties.item_id",
        "properties.itemId",
        "properties.sku",
        "properties.content_id",
    ],
    value: &["properties.price", "properties.value", "properties.revenue", "properties.total"],
    quantity: "properties.quantity",
    list: &["properties.products", "properties.items"],
};

/// A batch. What else it has (a context, a library) says nothing of the events.
#[derive(Deserialize)]
pub(crate) struct Batch {
    pub(crate) batch: Vec<Value>,
    #[serde(default, rename = "sentAt")]
    pub(crate) sent_at: Option<String>,
}

/// What a message asks for.
#[derive(Debug)]
pub(crate) enum Message {
    /// Something happened.
    Events(Vec<Result<RawEvent, EventRejection>>),
    /// A user has these traits; only those that the definition keeps.
    Traits(Declaration),
    /// Nothing that is used here, and why.
    NotUsed(String),
}

/// When and how a message arrived.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    /// By our clock.
    pub(crate) received_at: Timestamp,
    /// By the sender's clock, for the whole batch.
    pub(crate) sent_at: Option<&'a str>,
    /// The type that the path names, for a message that has none.
    pub(crate) kind: Option<&'a str>,
}

/// Reads one message.
pub(crate) fn read(
    message: &Value,
    arrival: Arrival<'_>,
    definition: &DomainDefinition,
) -> Message {
    let source = definition.sources.segment.as_ref();
    if let Some(category) = refused_category(message, source) {
        return Message::Events(vec![Err(EventRejection::ConsentRefused(category))]);
    }
    let kind = message["type"].as_str().or(arrival.kind).unwrap_or_default();
    match kind {
        "track" => match message["event"].as_str() {
            Some(name) => events(message, name, arrival, definition),
            None => Message::Events(vec![Err(malformed("a track call needs an event's name"))]),
        },
        "page" | "screen" if source.is_some_and(|source| source.events.contains_key(kind)) => {
            events(message, kind, arrival, definition)
        }
        "page" | "screen" => Message::NotUsed(format!(
            "{kind} calls are no events here unless sources.segment.events says which"
        )),
        "identify" => match occurred_at(message, arrival) {
            Ok(declared_at) => traits(message, source, declared_at),
            Err(rejection) => Message::Events(vec![Err(rejection)]),
        },
        "group" | "alias" => Message::NotUsed(format!("{kind} calls are not used here")),
        other => Message::Events(vec![Err(malformed(format!("there is no call {other:?}")))]),
    }
}

fn events(
    message: &Value,
    name: &str,
    arrival: Arrival<'_>,
    definition: &DomainDefinition,
) -> Message {
    let occurred_at = match occurred_at(message, arrival) {
        Ok(occurred_at) => occurred_at,
        Err(rejection) => return Message::Events(vec![Err(rejection)]),
    };
    let named = Named {
        name,
        document: message,
        event_id: identity(message),
        user_id: user(message),
        occurred_at: occurred_at.to_string(),
    };
    let source = definition.sources.segment.as_ref();
    Message::Events(meanings(&named, source, definition, &USUAL))
}

fn user(message: &Value) -> Option<String> {
    text_of(&message["userId"]).or_else(|| text_of(&message["anonymousId"]))
}

/// The message's id, or what it says: the same again is the same event.
fn identity(message: &Value) -> String {
    text_of(&message["messageId"]).unwrap_or_else(|| {
        let mut said = message.clone();
        if let Value::Object(said) = &mut said {
            said.remove("sentAt");
        }
        hashed_id(&[&said.to_string()])
    })
}

/// When it happened, by our clock: the sender's clock is as wrong about the event
/// as it was about sending it.
fn occurred_at(message: &Value, arrival: Arrival<'_>) -> Result<Timestamp, EventRejection> {
    let original =
        text_of(&message["timestamp"]).or_else(|| text_of(&message["originalTimestamp"]));
    let Some(original) = original else { return Ok(arrival.received_at) };
    let original: Timestamp = original.parse().map_err(|_| EventRejection::InvalidTimestamp)?;
    let sent_at = message["sentAt"].as_str().or(arrival.sent_at);
    let Some(sent_at) = sent_at.and_then(|text| text.parse::<Timestamp>().ok()) else {
        return Ok(original);
    };
    let skew = arrival.received_at.duration_since(sent_at);
    original.checked_add(skew).map_err(|_| EventRejection::InvalidTimestamp)
}

/// The consent category for want of which the message is not to be stored. One
/// that the definition names must be granted wherever consent is spoken of at
/// all, in whatever form; when it names none, no category may be refused. What is said of
/// consent and cannot be understood grants nothing.
fn refused_category(message: &Value, source: Option<&Source>) -> Option<String> {
    let consent = message.get("context")?.get("consent")?;
    let preferences = consent.get("categoryPreferences");
    let named = source.map_or(&[][..], |source| &source.consent_categories);
    let Some(preferences) = preferences.and_then(Value::as_object) else {
        let says_nothing =
            consent.is_null() || consent.is_object() && preferences.is_none_or(Value::is_null);
        return match named.first() {
            Some(category) => Some(category.clone()),
            None if says_nothing => None,
            None => Some("categoryPreferences".into()),
        };
    };
    if named.is_empty() {
        let refused = preferences.iter().find(|(_, granted)| **granted != true);
        return refused.map(|(category, _)| category.clone());
    }
    let is_granted = |category: &&String| preferences.get(*category) == Some(&Value::Bool(true));
    named.iter().find(|category| !is_granted(category)).cloned()
}

fn traits(message: &Value, source: Option<&Source>, declared_at: Timestamp) -> Message {
    let Some(user) = user(message) else {
        return Message::Events(vec![Err(malformed("it names no user"))]);
    };
    let kept = source.map_or(&[][..], |source| &source.traits);
    // RudderStack's Python SDK sends them in the context alone.
    let sent = match &message["traits"] {
        Value::Object(traits) if !traits.is_empty() => &message["traits"],
        _ => &message["context"]["traits"],
    };
    let traits: BTreeMap<String, String> =
        kept.iter().filter_map(|name| Some((name.clone(), plain(&sent[name])?))).collect();
    if traits.is_empty() {
        let why = "none of its traits is kept: sources.segment.traits names those that are";
        return Message::NotUsed(why.into());
    }
    Message::Traits(Declaration { user, declared: traits, declared_at: Some(declared_at) })
}

/// A trait as text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        other => text_of(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(segment: Value) -> DomainDefinition {
        serde_json::from_value(json!({
            "name": "Shop", "currency": "EUR", "event_types": {"view": {"weight": 1.0}},
            "sources": {"segment": segment},
        }))
        .unwrap()
    }

    fn track(changes: Value) -> Value {
        let mut message = json!({
            "type": "track", "event": "Product Viewed", "userId": "u", "anonymousId": null,
            "messageId": "m", "timestamp": "2026-06-01T00:00:00.169+00:00",
            "properties": {"product_id": "i"},
        });
        for (name, value) in changes.as_object().unwrap() {
            message[name] = value.clone();
        }
        message
    }

    fn arrival(sent_at: Option<&str>) -> Arrival<'_> {
        let received_at = "2026-06-01T00:10:00Z".parse().unwrap();
        Arrival { received_at, sent_at, kind: None }
    }

    fn only(message: Message) -> Result<RawEvent, EventRejection> {
        let Message::Events(events) = message else { panic!("{message:?}") };
        let [event] = events.try_into().unwrap();
        event
    }

    fn event(changes: Value, sent_at: Option<&str>) -> RawEvent {
        only(read(&track(changes), arrival(sent_at), &definition(json!({})))).unwrap()
    }

    #[test]
    fn the_senders_clock_is_corrected_by_when_it_says_it_sent() {
        let slow = Some("2026-06-01T00:00:01.169Z");
        assert_eq!(event(json!({}), slow).occurred_at, "2026-06-01T00:09:59Z");
        assert_eq!(event(json!({}), None).occurred_at, "2026-06-01T00:00:00.169Z");
        // RudderStack's Node library names the time otherwise, and sends one with each.
        let rudder = json!({
            "timestamp": null, "originalTimestamp": "2026-06-01T01:00:00Z",
            "sentAt": "2026-06-01T01:10:00Z",
        });
        assert_eq!(event(rudder, slow).occurred_at, "2026-06-01T00:00:00Z");
        assert_eq!(event(json!({"timestamp": null}), slow).occurred_at, "2026-06-01T00:10:00Z");
        let odd = track(json!({"timestamp": "yesterday"}));
        let odd = only(read(&odd, arrival(None), &definition(json!({}))));
        assert_eq!(odd.unwrap_err().code(), "invalid_timestamp");
    }

    #[test]
    fn a_message_is_its_id_or_what_it_says() {
        assert_eq!(event(json!({}), None).event_id, "m");
        let without = |sent_at: &str| event(json!({"messageId": null, "sentAt": sent_at}), None);
        let (first, again) = (without("2026-06-01T00:00:01Z"), without("2026-06-01T00:00:09Z"));
        assert_eq!(first.event_id, again.event_id);
        let other = event(json!({"messageId": null, "userId": "v"}), None);
        assert_ne!(first.event_id, other.event_id);
        assert_eq!(event(json!({"userId": null, "anonymousId": "a"}), None).user_id, "a");
        assert_eq!(event(json!({"userId": 7}), None).user_id, "7");
    }

    #[test]
    fn an_event_of_a_refused_category_is_not_stored() {
        let strict = json!({});
        let named = json!({"consent_categories": ["Personalisation"]});
        for (segment, preferences, refused) in [
            (&strict, json!({"Advertising": true, "Analytics": true}), None),
            (&strict, json!({"Advertising": true, "Analytics": false}), Some("Analytics")),
            (&strict, json!({"Analytics": "no"}), Some("Analytics")),
            (&named, json!({"Personalisation": true, "Analytics": false}), None),
            (&named, json!({"Personalisation": false}), Some("Personalisation")),
            (&named, json!({"Analytics": true}), Some("Personalisation")),
            (&named, json!(null), Some("Personalisation")),
            (&named, json!(["Personalisation"]), Some("Personalisation")),
            (&named, json!("Personalisation"), Some("Personalisation")),
            (&strict, json!(null), None),
            (&strict, json!(["Analytics"]), Some("categoryPreferences")),
            (&strict, json!("none"), Some("categoryPreferences")),
        ] {
            let message = track(json!({"context": {"consent": {
                "categoryPreferences": preferences,
            }}}));
            let read = only(read(&message, arrival(None), &definition(segment.clone())));
            let expected = refused.map(|category| EventRejection::ConsentRefused(category.into()));
            assert_eq!(read.err(), expected, "{message}");
        }
    }

    #[test]
    fn a_consent_that_is_spoken_of_and_cannot_be_understood_grants_nothing() {
        let named = json!({"consent_categories": ["Personalisation"]});
        for (consent, by_default) in [
            (json!("denied"), Some("categoryPreferences")),
            (json!(["Personalisation"]), Some("categoryPreferences")),
            (json!({}), None),
            (json!(null), None),
        ] {
            let message = track(json!({"context": {"consent": consent}}));
            let refusal = |segment: &Value| {
                let read = read(&message, arrival(None), &definition(segment.clone()));
                only(read).err().map(|error| error.to_string())
            };
            let of = |category: &str| EventRejection::ConsentRefused(category.into()).to_string();
            assert_eq!(refusal(&named), Some(of("Personalisation")), "{message}");
            assert_eq!(refusal(&json!({})), by_default.map(of), "{message}");
        }
        let unspoken = track(json!({"context": {}}));
        assert!(only(read(&unspoken, arrival(None), &definition(named))).is_ok());
    }

    #[test]
    fn other_calls_are_understood_and_used_only_where_the_definition_says_so() {
        let call = |kind: &str, segment: Value| {
            let traits = json!({"plan": "pro", "age": 30, "email": "a@example.com"});
            let message = track(json!({"type": kind, "event": null, "traits": traits}));
            read(&message, arrival(None), &definition(segment))
        };
        for kind in ["identify", "page", "screen", "group", "alias"] {
            assert!(matches!(call(kind, json!({})), Message::NotUsed(_)), "{kind}");
        }
        let page = call("page", json!({"events": {"page": {"type": "view"}}}));
        assert_eq!(only(page).unwrap().item_id, "i");
        let message =
            json!({"type": "identify", "userId": "u", "context": {"traits": {"plan": "pro"}}});
        let kept = definition(json!({"traits": ["plan"]}));
        assert!(matches!(read(&message, arrival(None), &kept), Message::Traits(_)));
        let Message::Traits(told) = call("identify", json!({"traits": ["plan", "age", "city"]}))
        else {
            panic!("no traits");
        };
        assert_eq!(told.declared_at, Some("2026-06-01T00:00:00.169Z".parse().unwrap()));
        let expected = BTreeMap::from([("age".into(), "30".into()), ("plan".into(), "pro".into())]);
        assert_eq!((told.user, told.declared), ("u".into(), expected));
        assert_eq!(only(call("track", json!({}))).unwrap_err().code(), "malformed_event");
        assert_eq!(only(call("dance", json!({}))).unwrap_err().code(), "malformed_event");
    }
}
