//! What a domain is before an import. Items say nothing of event types: a domain that was
//! defined for items alone takes its types from the first events that come.

use anyhow::Result;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::ids::{DomainId, EventType};
use serde_json::{Value, json};

use super::posting::Poster;
use super::proposal::proposal;

/// What a domain is.
pub(crate) enum Standing {
    /// It is not defined.
    Absent,
    /// It was defined for items alone, and nothing was done in it yet.
    ItemsAlone(Value),
    /// It is defined.
    Defined(Value),
}

impl Standing {
    /// Asks for it.
    ///
    /// # Errors
    /// When the API cannot be reached.
    pub(crate) async fn of(poster: &Poster, of_items: &EventType) -> Result<Self> {
        let Some(definition) = poster.definition().await? else { return Ok(Self::Absent) };
        let is_of_items = is_of_items_alone(&definition, of_items);
        // Who may not ask how everything stands finds the types as they are defined.
        let status = if is_of_items { poster.status().await.ok() } else { None };
        let is_untouched = status.is_some_and(|status| is_untouched(&status, poster.domain()));
        Ok(if is_untouched { Self::ItemsAlone(definition) } else { Self::Defined(definition) })
    }

    /// The definition, if there is one.
    pub(crate) fn definition(&self) -> Option<&Value> {
        match self {
            Self::Absent => None,
            Self::ItemsAlone(definition) | Self::Defined(definition) => Some(definition),
        }
    }

    /// The definition by which events are named, if it says that.
    pub(crate) fn of_events(&self) -> Option<&Value> {
        match self {
            Self::Absent | Self::ItemsAlone(_) => None,
            Self::Defined(definition) => Some(definition),
        }
    }
}

/// Whether a definition says of events what an import of items alone says of them: one type,
/// for what names none.
fn is_of_items_alone(definition: &Value, of_items: &EventType) -> bool {
    let parsed = |json: &Value| serde_json::from_value::<DomainDefinition>(json.clone()).ok();
    let Some(standing) = parsed(definition) else { return false };
    let proposed = DomainId::parse("d")
        .ok()
        .and_then(|domain| proposal(&domain, "EUR", [of_items].into_iter()).ok())
        .and_then(|proposed| parsed(&proposed));
    proposed.is_some_and(|proposed| {
        standing.event_types == proposed.event_types && standing.outcomes.is_empty()
    })
}

/// Whether nothing was done in a domain, as far as is told: no event was taken of late, and
/// the model has nobody of it.
fn is_untouched(status: &Value, domain: &DomainId) -> bool {
    let of_domain = |name: &str| -> Vec<&Value> {
        let all = status[name].as_array().into_iter().flatten();
        all.filter(|entry| entry["domain"] == domain.as_str()).collect()
    };
    let is_zero = |value: &Value| value.is_null() || value.as_u64() == Some(0);
    let days = of_domain("activity");
    let is_known = status["activity"].is_array() && status["domains"].is_array();
    is_known
        && days.iter().all(|day| is_zero(&day["events"]["accepted"]))
        && of_domain("domains").iter().all(|domain| is_zero(&domain["people"]))
}

/// The change by which a domain of items alone gets the types of a proposal.
pub(crate) fn types_of_first_events(of_items: &EventType, proposed: &Value) -> Value {
    let mut types = proposed["event_types"].clone();
    if types.get(of_items.as_str()).is_none() {
        // What events name holds; a merge patch takes away by null.
        types[of_items.as_str()] = Value::Null;
    }
    json!({ "event_types": types })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use super::*;

    fn event_type(name: &str) -> EventType {
        EventType::parse(name).unwrap()
    }

    fn definition(types: &[&str]) -> Value {
        let types: Vec<EventType> = types.iter().map(|name| event_type(name)).collect();
        proposal(&DomainId::parse("shop").unwrap(), "CNY", types.iter()).unwrap()
    }

    #[test]
    fn a_definition_that_someone_gave_types_to_is_not_of_items_alone() {
        let of_items = event_type("interaction");
        assert!(is_of_items_alone(&definition(&["interaction"]), &of_items));
        let mut weighed = definition(&["interaction"]);
        weighed["event_types"]["interaction"]["weight"] = json!(2.0);
        let mut used = definition(&["interaction"]);
        used["outcomes"] = json!({"click": "interaction"});
        for other in [definition(&["interaction", "view"]), definition(&["view"]), weighed, used] {
            assert!(!is_of_items_alone(&other, &of_items), "{other}");
        }
    }

    #[test]
    fn a_domain_in_which_something_was_done_is_not_untouched() {
        let domain = DomainId::parse("shop").unwrap();
        let status = |accepted: u64, people: Option<u64>| {
            json!({
                "domains": [{"domain": "shop", "people": people}, {"domain": "x", "people": 9}],
                "activity": [
                    {"domain": "x", "events": {"accepted": 5}},
                    {"domain": "shop", "events": {"accepted": accepted}},
                ],
            })
        };
        assert!(is_untouched(&status(0, None), &domain));
        assert!(is_untouched(&status(0, Some(0)), &domain));
        assert!(!is_untouched(&status(1, None), &domain));
        assert!(!is_untouched(&status(0, Some(1)), &domain));
        assert!(!is_untouched(&json!({}), &domain), "nothing is known");
    }

    #[test]
    fn the_first_events_types_take_the_place_of_what_items_alone_define() {
        let of_items = event_type("interaction");
        let patch = types_of_first_events(&of_items, &definition(&["view", "buy"]));
        assert_eq!(patch["event_types"]["interaction"], Value::Null);
        assert_eq!(patch["event_types"]["buy"]["weight"], 5.0);
        let kept = types_of_first_events(&of_items, &definition(&["interaction", "view"]));
        assert_eq!(kept["event_types"]["interaction"]["weight"], 1.0);
    }
}
