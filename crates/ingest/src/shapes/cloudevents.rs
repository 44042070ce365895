//! CloudEvents 1.0 over HTTP: one event in headers and body (*binary*), one in
//! the body (*structured*), or a list in the body (*batch*).
//!
//! Identity is (`source`, `id`), hashed, for a source is a URI of any length.

use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::{EventRejection, RawEvent};
use crossfold_edge::extract::read_json;
use crossfold_edge::problem::Problem;
use jiff::Timestamp;
use lambda_http::http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::mapping::{Named, UsualPlaces, at, hashed_id, malformed, meanings, text_of};

const USUAL: UsualPlaces = UsualPlaces {
    item_id: &[
        "data.item_id",
        "data.itemId",
        "data.product_id",
        "data.productId",
        "data.sku",
        "subject",
    ],
    value: &["data.value", "data.price", "data.total"],
    quantity: "data.quantity",
    list: &["data.items", "data.products"],
};

const USUAL_USER: [&str; 4] = ["data.user_id", "data.userId", "data.customer_id", "userid"];

/// How CloudEvents come in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Binary,
    Structured,
    Batch,
}

/// The mode of a request; `None` when it holds no CloudEvents.
pub(crate) fn mode(headers: &HeaderMap) -> Option<Mode> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    match media_type.trim().to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => Some(Mode::Structured),
        "application/cloudevents-batch+json" => Some(Mode::Batch),
        _ => headers.contains_key("ce-specversion").then_some(Mode::Binary),
    }
}

/// The events of a request in the JSON format, whatever their mode was.
///
/// # Errors
/// When the body is no JSON, or no list in batch mode.
pub(crate) fn documents(
    mode: Mode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Value>, Problem> {
    match mode {
        Mode::Structured => read_json(body).map(|event| vec![event]),
        Mode::Batch => read_json::<Value>(body).and_then(list),
        Mode::Binary if body.is_empty() => Ok(vec![Value::Object(attributes(headers))]),
        Mode::Binary => read_json(body).map(|data: Value| {
            let mut event = attributes(headers);
            event.insert("data".into(), data);
            vec![Value::Object(event)]
        }),
    }
}

fn list(body: Value) -> Result<Vec<Value>, Problem> {
    let Value::Array(events) = body else {
        let detail = "a batch of CloudEvents is a list";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail));
    };
    Ok(events)
}

/// The attributes in a request's headers, percent-decoded (HTTP binding, 3.1.3.2).
fn attributes(headers: &HeaderMap) -> Map<String, Value> {
    let attribute = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let name = name.as_str().strip_prefix("ce-")?;
        let text = percent_decode_str(value.to_str().ok()?).decode_utf8().ok()?;
        Some((name.to_owned(), Value::String(text.into_owned())))
    };
    headers.iter().filter_map(attribute).collect()
}

/// What an event means in a domain. One without a time happened when it arrived.
pub(crate) fn read(
    event: &Value,
    received_at: Timestamp,
    definition: &DomainDefinition,
) -> Vec<Result<RawEvent, EventRejection>> {
    let named = match named(event, received_at) {
        Ok(named) => named,
        Err(rejection) => return vec![Err(rejection)],
    };
    meanings(&named, definition.sources.cloudevents.as_ref(), definition, &USUAL)
}

fn named(event: &Value, received_at: Timestamp) -> Result<Named<'_>, EventRejection> {
    let attribute = |name: &str| {
        let text = event[name].as_str().filter(|text| !text.is_empty());
        text.ok_or_else(|| malformed(format!("a CloudEvent needs the attribute {name}")))
    };
    let version = attribute("specversion")?;
    if version.split('.').next() != Some("1") {
        return Err(malformed(format!("specversion {version:?} is not 1.0")));
    }
    let occurred_at = event["time"].as_str().map(str::to_owned);
    Ok(Named {
        name: attribute("type")?,
        document: event,
        event_id: hashed_id(&[attribute("source")?, attribute("id")?]),
        user_id: USUAL_USER.iter().find_map(|path| at(event, path).and_then(text_of)),
        occurred_at: occurred_at.unwrap_or_else(|| received_at.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> DomainDefinition {
        serde_json::from_value(json!({
            "name": "Shop", "currency": "EUR", "event_types": {"view": {"weight": 1.0}},
        }))
        .unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn events(pairs: &[(&'static str, &'static str)], body: &str) -> Vec<RawEvent> {
        let headers = headers(pairs);
        let mode = mode(&headers).unwrap();
        let documents = documents(mode, &headers, body.as_bytes()).unwrap();
        let now = "2026-06-01T00:10:00Z".parse().unwrap();
        let read = documents.iter().flat_map(|event| read(event, now, &definition()));
        read.map(Result::unwrap).collect()
    }

    #[test]
    fn the_three_modes_say_the_same() {
        let data = r#"{"item_id":"i","user_id":"u","value":1.5}"#;
        let event = format!(
            r#"{{"specversion":"1.0","id":"1","source":"/a","type":"com.example.view",
                "time":"2026-06-01T00:00:00Z","data":{data}}}"#
        );
        let structured =
            events(&[("content-type", "application/cloudevents+json; charset=utf-8")], &event);
        let list = format!("[{event},{event}]");
        let batch = events(&[("content-type", "application/cloudevents-batch+json")], &list);
        let binary = events(
            &[
                ("content-type", "application/json; charset=utf-8"),
                ("ce-specversion", "1.0"),
                ("ce-id", "1"),
                ("ce-source", "%2Fa"),
                ("ce-type", "com.example.view"),
                ("ce-time", "2026-06-01T00:00:00Z"),
            ],
            data,
        );
        for read in [&structured[0], &batch[0], &batch[1], &binary[0]] {
            assert_eq!((&*read.item_id, &*read.user_id, &*read.event_type), ("i", "u", "view"));
            assert_eq!(read.event_id, structured[0].event_id);
            assert_eq!(read.occurred_at, "2026-06-01T00:00:00Z");
        }
    }

    #[test]
    fn an_event_needs_its_attributes_and_is_known_by_source_and_id_together() {
        let now = "2026-06-01T00:10:00Z".parse().unwrap();
        let good = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "view",
            "subject": "i", "userid": "u"});
        let identity = |changes: (&str, Value)| {
            let mut event = good.clone();
            event[changes.0] = changes.1;
            read(&event, now, &definition()).remove(0).map(|event| event.event_id)
        };
        let first = identity(("id", json!("1"))).unwrap();
        assert_ne!(identity(("id", json!("2"))).unwrap(), first);
        assert_ne!(identity(("source", json!("/b"))).unwrap(), first);
        for wrong in [
            ("id", json!("")),
            ("source", json!(null)),
            ("type", json!(7)),
            ("specversion", json!("0.3")),
        ] {
            assert_eq!(identity(wrong.clone()).unwrap_err().code(), "malformed_event", "{wrong:?}");
        }
        assert_eq!(identity(("type", json!("x"))).unwrap_err().code(), "unmapped_event");
        let timeless = read(&good, now, &definition()).remove(0).unwrap();
        assert_eq!(timeless.occurred_at, "2026-06-01T00:10:00Z");
        assert_eq!(mode(&headers(&[("content-type", "application/json")])), None);
    }
}
