//! Storing an event with what it leaves beside itself.

use std::time::Duration;

use crossfold_core::entities::definition::{DomainDefinition, SeenFor};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::SeenItem;
use crossfold_core::entities::ports::{Appended, EventStore, StoreError, StoreResult};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, timeout_at};

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

/// Events of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 64;

/// Stores the events of a batch as [`store_event`] does, within a time, and says of each in
/// its place what became of it: one that could not be stored holds up no other. Sent
/// again, what was stored all the same is a duplicate.
pub async fn store_events(
    store: &dyn EventStore,
    definition: &DomainDefinition,
    events: &[Event],
    wait: Duration,
) -> Vec<StoreResult<Appended>> {
    let until = Instant::now() + wait;
    if !store.appends_all_or_none() {
        let writes: Vec<_> = events
            .iter()
            .map(|event| in_time(until, store_event(store, definition, event)))
            .collect();
        return stream::iter(writes).buffered(CONCURRENT_WRITES).collect().await;
    }
    let marks: Vec<_> = events.iter().map(|event| mark_seen(store, definition, event)).collect();
    let marked = stream::iter(marks).buffer_unordered(CONCURRENT_WRITES).try_collect::<Vec<()>>();
    let stored = in_time(until, async {
        marked.await?;
        store.append_all(events).await
    });
    match stored.await {
        Ok(appended) => appended.into_iter().map(Ok).collect(),
        Err(error) => {
            let why = error.to_string();
            let none = |_| Err(StoreError::Unavailable(why.as_str().into()));
            events.iter().map(none).collect()
        }
    }
}

async fn in_time<T>(until: Instant, write: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
    let too_late = |_| StoreError::Unavailable("it took too long".into());
    timeout_at(until, write).await.map_err(too_late)?
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossfold_core::entities::ids::Pseudonym;
    use serde_json::json;

    use super::*;
    use crate::faults::{Fault, FaultPlan, faulty};
    use crate::memory;

    const WAIT: Duration = Duration::from_secs(6);

    /// Ten events, of which the odd ones count as seen for ever.
    fn events() -> Vec<Event> {
        let event = |number: usize| {
            json!({
                "event_id": format!("e{number}"), "user": "v1_u", "domain": "knowledge",
                "event_type": if number.is_multiple_of(2) { "view" } else { "enrol" },
                "item_id": format!("i{number}"), "occurred_at": "2026-06-01T08:00:00Z",
                "received_at": "2026-06-01T08:00:01Z",
            })
        };
        (0..10).map(|number| serde_json::from_value(event(number)).unwrap()).collect()
    }

    fn definition() -> DomainDefinition {
        let definition = json!({
            "name": "Knowledge", "currency": "EUR",
            "event_types": {"view": {"weight": 1}, "enrol": {"weight": 3, "seen_days": null}},
        });
        serde_json::from_value(definition).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_cannot_be_stored_holds_up_no_other_and_is_told_apart() {
        for fault in [Fault::Hangs, Fault::Before, Fault::AnswerLost, Fault::Denied, Fault::Gone] {
            let stores = memory::stores();
            let plan = FaultPlan::from_fn(move |call| {
                let is_meant = call.method == "events.append" && ["e3", "e4"].contains(&&*call.key);
                if is_meant { fault } else { Fault::None }
            });
            let failing = faulty(stores.clone(), &plan).events;
            let began = Instant::now();
            let answers = store_events(&*failing, &definition(), &events(), WAIT).await;
            assert!(began.elapsed() <= WAIT, "{fault:?}");
            let stored: Vec<bool> = answers.iter().map(Result::is_ok).collect();
            let expected: Vec<bool> = (0..10).map(|number| ![3, 4].contains(&number)).collect();
            assert_eq!(stored, expected, "{fault:?}");
            // Sent again to a store that is well, all of it is there, once.
            let again = store_events(&*stores.events, &definition(), &events(), WAIT).await;
            assert!(again.iter().all(Result::is_ok));
            let user = Pseudonym::parse("v1_u").unwrap();
            assert_eq!(stores.events.history(&user, 99).await.unwrap().len(), 10);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_store_that_hangs_however_many_events_are_answered_in_time() {
        let plan = FaultPlan::from_fn(|_| Fault::Hangs);
        let hanging = faulty(memory::stores(), &plan).events;
        let many = vec![events().remove(0); 500];
        let began = Instant::now();
        let answers = store_events(&*hanging, &definition(), &many, WAIT).await;
        assert!(began.elapsed() <= WAIT + Duration::from_millis(10), "{:?}", began.elapsed());
        assert!(answers.len() == 500 && answers.iter().all(Result::is_err));
    }

    /// A store that stores batches whole, and fails to.
    struct Whole(Arc<dyn EventStore>);

    #[async_trait::async_trait]
    impl EventStore for Whole {
        async fn append(&self, event: &Event) -> StoreResult<Appended> {
            self.0.append(event).await
        }
        async fn append_all(&self, _: &[Event]) -> StoreResult<Vec<Appended>> {
            Err(StoreError::Unavailable("full".into()))
        }
        fn appends_all_or_none(&self) -> bool {
            true
        }
        async fn history(
            &self,
            user: &Pseudonym,
            limit: usize,
        ) -> StoreResult<crossfold_core::entities::history::History> {
            self.0.history(user, limit).await
        }
        async fn past(
            &self,
            user: &Pseudonym,
            range: &crossfold_core::entities::ports::PastRange,
        ) -> StoreResult<crossfold_core::entities::ports::Past> {
            self.0.past(user, range).await
        }
        async fn dismiss(
            &self,
            dismissal: &crossfold_core::entities::history::Dismissal,
        ) -> StoreResult<()> {
            self.0.dismiss(dismissal).await
        }
        async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
            self.0.mark_seen(seen).await
        }
        async fn note_impressions(
            &self,
            impressions: &crossfold_core::entities::impressions::Impressions,
        ) -> StoreResult<()> {
            self.0.note_impressions(impressions).await
        }
        async fn holds(
            &self,
            events: &[(Pseudonym, crossfold_core::entities::ids::EventId)],
        ) -> StoreResult<Vec<bool>> {
            self.0.holds(events).await
        }
        async fn rekey(
            &self,
            keys: &crossfold_core::entities::pseudonym::Pseudonymiser,
            after: Option<String>,
        ) -> StoreResult<crossfold_core::entities::ports::RekeyedPage> {
            self.0.rekey(keys, after).await
        }
        async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
            self.0.keep_erased_ids(user).await
        }
        async fn were_erased(
            &self,
            events: &[(Pseudonym, crossfold_core::entities::ids::EventId)],
        ) -> StoreResult<Vec<bool>> {
            self.0.were_erased(events).await
        }
        async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
            self.0.erase(user).await
        }
        async fn erase_domain(
            &self,
            domain: &crossfold_core::entities::ids::DomainId,
            after: Option<String>,
        ) -> StoreResult<crossfold_core::entities::ports::ErasedPage> {
            self.0.erase_domain(domain, after).await
        }
    }

    #[tokio::test]
    async fn where_a_batch_is_stored_whole_none_is_said_to_be_when_it_fails() {
        let store = Whole(memory::stores().events);
        let answers = store_events(&store, &definition(), &events(), WAIT).await;
        assert!(answers.len() == 10 && answers.iter().all(Result::is_err));
    }
}
