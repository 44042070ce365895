//! Storing an event with what it leaves beside itself.

use crossfold_core::entities::definition::{DomainDefinition, SeenFor};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::SeenItem;
use crossfold_core::entities::ports::{Appended, EventStore, StoreResult};
use futures::{StreamExt, TryStreamExt, stream};

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
    mark_seen(store, definition, event).await?;
    store.append(event).await
}

/// Items of one call that are marked as seen at the same time.
const CONCURRENT_MARKS: usize = 64;

/// Stores the events of a batch as [`store_event`] does, and answers for each in its place.
///
/// # Errors
/// When the store fails; some of the events may be stored then.
pub async fn store_events(
    store: &dyn EventStore,
    definition: &DomainDefinition,
    events: &[Event],
) -> StoreResult<Vec<Appended>> {
    let marks: Vec<_> = events.iter().map(|event| mark_seen(store, definition, event)).collect();
    stream::iter(marks).buffer_unordered(CONCURRENT_MARKS).try_collect::<Vec<()>>().await?;
    store.append_all(events).await
}

async fn mark_seen(
    store: &dyn EventStore,
    definition: &DomainDefinition,
    event: &Event,
) -> StoreResult<()> {
    let event_type = definition.event_types.get(&event.event_type);
    if event_type.is_some_and(|event_type| event_type.seen_days == Some(SeenFor::Ever)) {
        store.mark_seen(&SeenItem::of(event)).await?;
    }
    Ok(())
}
