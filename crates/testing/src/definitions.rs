//! Definitions of domains, and entries of their catalogues.

use crossfold_entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_entities::definition::DomainDefinition;
use crossfold_entities::ids::{DomainId, ItemId};
use jiff::Timestamp;
use serde_json::json;

/// A definition with the event types `view` (weight 1) and `enrol` (weight 3, values
/// count by hundreds), a half-life of 180 days and the usual consent defaults.
///
/// # Panics
/// Never: the definition is fixed.
#[must_use]
pub fn definition() -> DomainDefinition {
    serde_json::from_value(json!({
        "name": "Knowledge", "currency": "CNY",
        "event_types": {"view": {"weight": 1.0}, "enrol": {"weight": 3.0, "value_scale": "100"}},
    }))
    .expect("a definition")
}

/// A catalogue entry that may be shown at any time, entitled like its id.
///
/// # Panics
/// Never: an id is a title too.
#[must_use]
pub fn catalogue_item((domain, item_id): (DomainId, ItemId)) -> Item {
    let details = ItemDetails::parse(json!({ "title": item_id })).expect("details");
    let (updated_at, change) = (Timestamp::UNIX_EPOCH, ChangeNumber::default());
    Item { domain, item_id, details: Some(details), updated_at, change }
}
