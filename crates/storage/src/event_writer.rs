//! Storing an event with what it leaves beside itself.

use crossfold_core::entities::definition::{DomainDefinition, SeenFor};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::SeenItem;
use crossfold_core::entities::ports::{Appended, EventStore, StoreResult};

/// Stores an event of a domain and, where its type says that its item counts as seen
/// for ever, that it does. What is left beside the event is stored first: sent again
/// after a failure between the two, both are there.
///
/// # Errors
/// When the store fails.
pub async fn store_event(
    store: &dyn EventStore,
    definition: &DomainDefinition,
    event: &Event,
) -> StoreResult<Appended> {
    let event_type = definition.event_types.get(&event.event_type);
    if event_type.is_some_and(|event_type| event_type.seen_days == Some(SeenFor::Ever)) {
        store.mark_seen(&SeenItem::of(event)).await?;
    }
    store.append(event).await
}
