//! Crossfold's own format: `{"domain": ..., "events": [...]}`.

use crossfold_core::entities::event::EventRejection;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::json;
use serde::Deserialize;

use super::Posted;

/// The body. Its events are read one by one, so that a bad one is refused alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    pub(crate) domain: DomainId,
    events: Vec<serde_json::Value>,
    /// Users whose events are refused if the user was erased: who posts a past, as an
    /// import does, names each once, and nothing of an earlier life comes back.
    #[serde(default)]
    pub(crate) refuse_erased: Vec<String>,
}

impl Body {
    /// The events in the order of the body.
    pub(crate) fn events(self) -> Vec<Posted> {
        let read = |(index, raw)| {
            let event =
                json::from_value(raw).map_err(|error| EventRejection::Malformed(error.to_string()));
            Posted { index, event }
        };
        self.events.into_iter().enumerate().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Body, json::UnreadableText> {
        json::from_slice::<Body>(body.as_bytes())
    }

    const GOOD: &str = r#"{"event_id": "e1", "user_id": "u1", "type": "view", "item_id": "i1",
        "occurred_at": "2026-06-01T08:00:00+08:00", "value": 12.5}"#;

    #[test]
    fn a_bad_event_is_refused_alone_and_in_its_place() {
        let bad = [
            r#"{"user_id": 7}"#.to_owned(),
            r#""text""#.to_owned(),
            r#"["e1", "u1", "view", "i1", "2026-06-01T08:00:00+08:00", null, null]"#.to_owned(),
            GOOD.replace("\"value\": 12.5", "\"extra\": 1"),
            GOOD.replace("\"value\": 12.5", "\"dwell_seconds\": -1"),
        ];
        for bad in bad {
            let body = format!(r#"{{"domain": "knowledge", "events": [{GOOD}, {bad}, {GOOD}]}}"#);
            let batch = read(&body).unwrap();
            assert_eq!(batch.domain.as_str(), "knowledge");
            let events: Vec<_> = batch.events().into_iter().map(|posted| posted.event).collect();
            let [first, second, third] = events.try_into().unwrap();
            assert_eq!(
                (first.unwrap().event_id, third.unwrap().event_id),
                ("e1".into(), "e1".into())
            );
            assert_eq!(second.unwrap_err().code(), "malformed_event", "{bad}");
        }
    }

    #[test]
    fn what_is_no_batch_is_refused_as_a_whole() {
        for body in [
            "",
            "[]",
            r#"["knowledge", []]"#,
            r#"{"domain": "No Slug", "events": []}"#,
            r#"{"domain": "a"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
