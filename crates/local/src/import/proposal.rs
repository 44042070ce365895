//! The definition that a domain gets, or would get, by what its files say.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use crossfold_core::entities::definition::MAX_EVENT_TYPES;
use crossfold_core::entities::ids::{DomainId, EventType};
use serde_json::{Value, json};

/// Days after which an event of an imported past counts half: the longest that a definition
/// may have, so that none of it ages. How fast a business ages its file does not tell.
const HALF_LIFE_DAYS: f32 = 36_500.0;

/// What events of usual types weigh beside a view: the nearer to a purchase, the more.
const USUAL_WEIGHTS: [(&str, f32); 14] = [
    ("purchase", 5.0),
    ("transaction", 5.0),
    ("order", 5.0),
    ("buy", 5.0),
    ("enrol", 4.0),
    ("enroll", 4.0),
    ("complete", 4.0),
    ("cart", 2.0),
    ("favorite", 2.0),
    ("favourite", 2.0),
    ("wishlist", 2.0),
    ("like", 2.0),
    ("star", 2.0),
    ("share", 2.0),
];

/// Proposes a definition with these event types.
///
/// # Errors
/// When there are more types than a domain may have.
pub(crate) fn proposal<'a>(
    domain: &DomainId,
    currency: &str,
    types: impl Iterator<Item = &'a EventType>,
) -> Result<Value> {
    let types: BTreeMap<&str, Value> =
        types.map(|name| (name.as_str(), event_type(name.as_str()))).collect();
    if types.len() > MAX_EVENT_TYPES {
        bail!(
            "the files have {} event types; a domain has at most {MAX_EVENT_TYPES}. Is it the right column (--map type=COLUMN)? --type NAME takes one type for all",
            types.len()
        );
    }
    Ok(json!({
        "name": domain.as_str(), "currency": currency, "event_types": types,
        "half_life_days": HALF_LIFE_DAYS,
    }))
}

/// Usual names of what tells against an item.
const NEGATIVE: [&str; 4] = ["dislike", "thumbs-down", "thumbs_down", "not-interested"];

fn event_type(name: &str) -> Value {
    if NEGATIVE.contains(&name) {
        return json!({"weight": 1.0, "negative": true});
    }
    json!({"weight": weight(name)})
}

fn weight(name: &str) -> f32 {
    let usual = USUAL_WEIGHTS.into_iter().find(|(usual, _)| name.contains(usual));
    usual.map_or(1.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use crossfold_core::entities::definition::DomainDefinition;

    use super::*;

    #[test]
    fn the_proposal_is_a_definition_and_weighs_usual_types() {
        let domain = DomainId::parse("shop").unwrap();
        let types: Vec<EventType> = ["view", "add-to-cart", "purchase", "dislike"]
            .map(|name| EventType::parse(name).unwrap())
            .into();
        let json = proposal(&domain, "EUR", types.iter()).unwrap();
        let definition: DomainDefinition = serde_json::from_value(json).unwrap();
        definition.check().unwrap();
        let weights: Vec<f32> = definition.event_types.values().map(|t| t.weight).collect();
        assert_eq!(weights, [2.0, 1.0, 5.0, 1.0]);
        let negative: Vec<bool> = definition.event_types.values().map(|t| t.negative).collect();
        assert_eq!(negative, [false, true, false, false]);
    }

    #[test]
    fn more_types_than_a_domain_has_are_refused_with_the_options_that_help() {
        let domain = DomainId::parse("shop").unwrap();
        let types: Vec<EventType> =
            (0..65).map(|at| EventType::parse(&format!("t{at}")).unwrap()).collect();
        let error = proposal(&domain, "EUR", types.iter()).unwrap_err().to_string();
        assert!(error.contains("--map type=COLUMN"), "{error}");
    }
}
