//! Builders for tests: short ways to the words of the business, with plain
//! defaults. What a test is about it names itself, by struct update.

#![allow(clippy::expect_used, clippy::unwrap_used)] // A fixture that is wrong is to stop its test.

use crossfold_entities::definition::DomainDefinition;

/// A definition with the event types `view` (weight 1) and `enrol` (weight 3, values
/// count by hundreds), a half-life of 180 days and the usual consent defaults.
///
/// # Panics
/// Never: the definition is fixed.
#[must_use]
pub fn definition() -> DomainDefinition {
    serde_json::from_value(serde_json::json!({
        "name": "Knowledge", "currency": "CNY",
        "event_types": {"view": {"weight": 1.0}, "enrol": {"weight": 3.0, "value_scale": "100"}},
    }))
    .expect("the definition is valid")
}
