//! What other systems' events mean in a domain: which event name is which event
//! type, and where in the event the item, the value and the rest stand.
//!
//! Names that are well known need no entry: see `crossfold_ingest`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::EventType;
use crate::plain_text::is_one_line;
use crate::text_length::exceeds;

/// Most event names that one source may map.
pub const MAX_EVENT_NAMES: usize = 256;
/// Longest event name, in characters.
pub const MAX_EVENT_NAME_LENGTH: usize = 200;
/// Most consent categories of one source.
pub const MAX_CONSENT_CATEGORIES: usize = 32;
/// Most traits that are kept of a user.
pub const MAX_TRAITS: usize = 64;

/// The sources that a domain maps, by wire format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Segment and RudderStack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Source>,
    /// Amazon Personalize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personalize: Option<Source>,
    /// CloudEvents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudevents: Option<Source>,
}

/// What one source's events mean.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// By event name, as the source writes it; before what is well known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, EventMapping>,
    /// The consent categories without which an event of this source is not
    /// stored. When none is named, any category that is refused refuses it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent_categories: Vec<String>,
    /// The traits (Segment) or properties (Personalize) of a user that are kept
    /// as declared attributes; by default none, for most are personal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traits: Vec<String>,
}

/// What one kind of event means. Without a path, the usual places are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventMapping {
    /// The domain's event type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The list of items in the event, each of which makes an event of its own;
    /// `item_id` and `value` then stand within an element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<FieldPath>,
    /// Where the item's id stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<FieldPath>,
    /// Where the user's id stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<FieldPath>,
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<FieldPath>,
    /// Where the time stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<FieldPath>,
}

/// Where something stands in a JSON document: names of members, joined by dots
/// (`properties.product_id`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldPath(String);

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path must be 1 to 8 names joined by dots, of at most 200 characters altogether")]
pub struct InvalidPath;

impl FieldPath {
    /// Parses a path.
    ///
    /// # Errors
    /// [`InvalidPath`].
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let names = text.split('.');
        if exceeds(text, 200)
            || !is_one_line(text)
            || names.clone().count() > 8
            || names.clone().any(str::is_empty)
        {
            return Err(InvalidPath);
        }
        Ok(Self(text.to_owned()))
    }

    /// What stands there in a document; null counts as nothing.
    #[must_use]
    pub fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        let found = self.0.split('.').try_fold(document, |value, name| value.get(name));
        found.filter(|value| !value.is_null())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Sources {
    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with them, in words fit for a caller: sizes, and event types
    /// that the domain does not have.
    #[must_use]
    pub fn problem(&self, has_type: &dyn Fn(&EventType) -> bool) -> Option<String> {
        let named = [
            ("segment", &self.segment),
            ("personalize", &self.personalize),
            ("cloudevents", &self.cloudevents),
        ];
        named.into_iter().find_map(|(name, source)| {
            let problem = source.as_ref()?.problem(has_type)?;
            Some(format!("sources.{name}: {problem}"))
        })
    }
}

impl Source {
    fn problem(&self, has_type: &dyn Fn(&EventType) -> bool) -> Option<String> {
        if self.events.len() > MAX_EVENT_NAMES {
            return Some(format!("events must have at most {MAX_EVENT_NAMES} entries"));
        }
        for (name, mapping) in &self.events {
            if name.is_empty() || exceeds(name, MAX_EVENT_NAME_LENGTH) || !is_one_line(name) {
                return Some(format!(
                    "an event name must be 1 to {MAX_EVENT_NAME_LENGTH} characters, \
                     none of them a control character"
                ));
            }
            if !has_type(&mapping.event_type) {
                return Some(format!("the domain has no event type {}", mapping.event_type));
            }
        }
        for (what, names, most) in [
            ("consent_categories", &self.consent_categories, MAX_CONSENT_CATEGORIES),
            ("traits", &self.traits, MAX_TRAITS),
        ] {
            let is_wrong =
                |name: &String| name.is_empty() || exceeds(name, 100) || !is_one_line(name);
            if names.len() > most || names.iter().any(is_wrong) {
                return Some(format!(
                    "{what} must be at most {most} names of 1 to 100 characters, \
                     none of them a control character"
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_members_and_null_is_nothing() {
        let document = json!({"a": {"b": {"c": 7}, "n": null}, "x.y": 1});
        let find = |path: &str| FieldPath::parse(path).unwrap().find(&document).cloned();
        assert_eq!(find("a.b.c"), Some(json!(7)));
        assert_eq!(find("a.n"), None);
        assert_eq!(find("a.b.c.d"), None);
        for wrong in ["", ".", "a..b", "a.", "a\u{0}b", &"a".repeat(201), "a.b.c.d.e.f.g.h.i"] {
            assert_eq!(FieldPath::parse(wrong), Err(InvalidPath), "{wrong}");
        }
    }

    #[test]
    fn a_mapping_to_an_unknown_type_or_beyond_bounds_is_named() {
        let sources = |value: Value| serde_json::from_value::<Sources>(value).unwrap();
        let known = |event_type: &EventType| event_type.as_str() == "view";
        let good = sources(json!({"segment": {"events": {"Course Seen": {"type": "view"}}}}));
        assert_eq!(good.problem(&known), None);
        let unknown = sources(json!({"cloudevents": {"events": {"x": {"type": "buy"}}}}));
        assert_eq!(
            unknown.problem(&known).unwrap(),
            "sources.cloudevents: the domain has no event type buy"
        );
        for invisible in [
            json!({"segment": {"events": {"a\nb": {"type": "view"}}}}),
            json!({"segment": {"traits": ["a\u{7}"]}}),
        ] {
            let problem = sources(invisible).problem(&known).unwrap();
            assert!(problem.contains("control character"), "{problem}");
        }
        let long = sources(json!({"segment": {"traits": ["x".repeat(101)]}}));
        assert!(long.problem(&known).unwrap().contains("traits"));
        assert!(Sources::default().is_empty() && !good.is_empty());
    }
}
