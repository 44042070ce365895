//! Amazon Personalize's `PutEvents` and `PutUsers`, as its SDKs send them.
//!
//! Its answers know no partial success: a call with one bad event is refused
//! whole, and nothing of it is stored. The limits are those of its API.

use std::collections::BTreeMap;

use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::EventRejection;
use crossfold_core::entities::json::{self, UnreadableText};
use crossfold_core::entities::sources::Source;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Posted;
use super::mapping::{Named, UsualPlaces, hashed_id, meanings, text_of};
use super::segment::plain;

/// Most elements of one call, of each kind.
const MAX_ELEMENTS: usize = 10;

const USUAL: UsualPlaces =
    UsualPlaces { item_id: &["itemId"], value: &["eventValue"], quantity: "quantity", list: &[] };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutEvents {
    tracking_id: String,
    session_id: String,
    #[serde(default)]
    user_id: Option<String>,
    event_list: Vec<Value>,
}

#[derive(Deserialize)]
struct PutUsers {
    users: Vec<PutUser>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutUser {
    user_id: String,
    #[serde(default)]
    properties: Option<Value>,
}

/// A user with what is kept of them.
pub(crate) struct DeclaredUser {
    pub(crate) user: String,
    pub(crate) declared: BTreeMap<String, String>,
}

/// The events of a call, each as what it means in a domain.
///
/// # Errors
/// Why the body is no such call.
pub(crate) fn events(body: &[u8], definition: &DomainDefinition) -> Result<Vec<Posted>, String> {
    let call: PutEvents = parse(body)?;
    check_count("eventList", call.event_list.len())?;
    let source = definition.sources.personalize.as_ref();
    let read = |(index, event): (usize, Value)| {
        let of_event = match named(&call, event) {
            Ok((document, name, event_id, occurred_at)) => {
                let named = Named {
                    name: &name,
                    document: &document,
                    event_id,
                    user_id: Some(user_of(&call)),
                    occurred_at,
                };
                meanings(&named, source, definition, &USUAL)
            }
            Err(rejection) => vec![Err(rejection)],
        };
        of_event.into_iter().map(move |event| Posted { index, event })
    };
    Ok(call.event_list.clone().into_iter().enumerate().flat_map(read).collect())
}

/// Who did it: the user, or the session while nobody has signed in.
fn user_of(call: &PutEvents) -> String {
    call.user_id.clone().filter(|user| !user.is_empty()).unwrap_or_else(|| call.session_id.clone())
}

/// An event with its properties as JSON, its name, identity and time.
fn named(
    call: &PutEvents,
    mut event: Value,
) -> Result<(Value, String, String, String), EventRejection> {
    let name = text_of(&event["eventType"])
        .ok_or_else(|| EventRejection::Malformed("an event needs an eventType".into()))?;
    let occurred_at = sent_at(&event["sentAt"]).ok_or(EventRejection::InvalidTimestamp)?;
    let event_id = text_of(&event["eventId"]).unwrap_or_else(|| {
        let said = event.to_string();
        hashed_id(&[&call.tracking_id, &call.session_id, &user_of(call), &said])
    });
    if let Some(properties) = event.get_mut("properties") {
        *properties = within(properties)
            .map_err(|error| EventRejection::Malformed(format!("properties: {error}")))?;
    }
    Ok((event, name, event_id, occurred_at))
}

/// A time in seconds since 1970 with a fraction, to the millisecond, or a text.
fn sent_at(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(seconds) => {
            let milliseconds = (seconds.as_f64()? * 1_000.0).round();
            // Beyond it, a number of 64 bits no longer holds every millisecond.
            let is_exact = milliseconds.abs() < 9_007_199_254_740_992.0;
            let time = is_exact.then(|| Timestamp::from_millisecond(milliseconds as i64))?;
            Some(time.ok()?.to_string())
        }
        _ => None,
    }
}

/// Properties, which are JSON in a text.
pub(super) fn within(properties: &Value) -> Result<Value, UnreadableText> {
    match properties {
        Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Value::String(text) => json::from_slice(text.as_bytes()),
        other => Ok(other.clone()),
    }
}

/// The users of a call, with the properties that the definition keeps.
///
/// # Errors
/// Why the body is no such call.
pub(crate) fn users(body: &[u8], source: Option<&Source>) -> Result<Vec<DeclaredUser>, String> {
    let call: PutUsers = parse(body)?;
    check_count("users", call.users.len())?;
    let kept = source.map_or(&[][..], |source| &source.traits);
    let read = |user: PutUser| {
        let properties = within(&user.properties.unwrap_or_default())
            .map_err(|error| format!("properties of a user: {error}"))?;
        let declared = kept
            .iter()
            .filter_map(|name| Some((name.clone(), plain(&properties[name])?)))
            .collect();
        Ok(DeclaredUser { user: user.user_id, declared })
    };
    call.users.into_iter().map(read).collect()
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    json::from_slice(body).map_err(|error| error.to_string())
}

pub(super) fn check_count(what: &str, count: usize) -> Result<(), String> {
    if (1..=MAX_ELEMENTS).contains(&count) {
        return Ok(());
    }
    Err(format!("{what} must have 1 to {MAX_ELEMENTS} members, not {count}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> DomainDefinition {
        serde_json::from_value(json!({
            "name": "Films", "currency": "EUR", "event_types": {"watch": {"weight": 1.0}},
            "sources": {"personalize": {
                "events": {"Rated": {"type": "watch", "value": "properties.stars"}},
                "traits": ["AGE"],
            }},
        }))
        .unwrap()
    }

    fn read(event: Value, user: Option<&str>) -> Result<Vec<Posted>, String> {
        let call =
            json!({"trackingId": "t", "sessionId": "s", "userId": user, "eventList": [event]});
        events(call.to_string().as_bytes(), &definition())
    }

    fn event(changes: Value) -> Value {
        let mut event = json!({
            "eventId": "e", "eventType": "watch", "itemId": "i", "sentAt": 1_795_568_523.456_f64,
            "eventValue": 3.5, "properties": "{\"stars\":4}", "impression": ["i", "j"],
            "recommendationId": "r", "metricAttribution": {"eventAttributionSource": "home"},
        });
        for (name, value) in changes.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    #[test]
    fn an_event_keeps_its_time_to_the_millisecond_and_its_value() {
        let [posted] = read(event(json!({})), Some("u")).unwrap().try_into().ok().unwrap();
        let read_event = posted.event.unwrap();
        assert_eq!(read_event.occurred_at, "2026-11-25T01:02:03.456Z");
        assert_eq!((&*read_event.event_id, &*read_event.user_id), ("e", "u"));
        assert_eq!(read_event.value, Some(json!(3.5)));
        let mapped = read(event(json!({"eventType": "Rated", "sentAt": 0})), None).unwrap();
        let mapped = mapped.into_iter().next().unwrap().event.unwrap();
        assert_eq!((mapped.value, &*mapped.user_id), (Some(json!(4)), "s"));
        assert_eq!(mapped.occurred_at, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn an_event_without_an_id_is_what_it_says_in_its_session() {
        let identity = |changes: Value, user| {
            let posted = read(event(changes), user).unwrap().remove(0);
            posted.event.unwrap().event_id
        };
        let first = identity(json!({"eventId": null}), Some("u"));
        assert_eq!(identity(json!({"eventId": null}), Some("u")), first);
        assert_ne!(identity(json!({"eventId": null}), Some("v")), first);
        assert_ne!(identity(json!({"eventId": null, "itemId": "j"}), Some("u")), first);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (changes, code) in [
            (json!({"eventType": null}), "malformed_event"),
            (json!({"eventType": "Skipped"}), "unmapped_event"),
            (json!({"itemId": null}), "malformed_event"),
            (json!({"properties": "{"}), "malformed_event"),
            (json!({"sentAt": null}), "invalid_timestamp"),
            (json!({"sentAt": 1e300}), "invalid_timestamp"),
        ] {
            let posted = read(event(changes.clone()), Some("u")).unwrap().remove(0);
            assert_eq!(posted.event.unwrap_err().code(), code, "{changes}");
        }
        assert!(events(b"{}", &definition()).err().unwrap().contains("trackingId"));
        let many = json!({"trackingId": "t", "sessionId": "s", "eventList": vec![json!({}); 11]});
        assert!(
            events(many.to_string().as_bytes(), &definition()).err().unwrap().contains("1 to 10")
        );
    }

    #[test]
    fn of_a_user_the_properties_that_the_definition_names_are_kept() {
        let call = json!({"datasetArn": "arn:aws:personalize:us-east-1:1:dataset/d/USERS", "users": [
            {"userId": "u", "properties": "{\"AGE\":30,\"EMAIL\":\"a@example.com\"}"},
            {"userId": "v"},
        ]});
        let definition = definition();
        let source = definition.sources.personalize.as_ref();
        let read = users(call.to_string().as_bytes(), source).unwrap();
        assert_eq!(read[0].declared, BTreeMap::from([("AGE".into(), "30".into())]));
        assert!(read[1].declared.is_empty());
    }
}
