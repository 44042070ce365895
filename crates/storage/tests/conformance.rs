//! The adapters at hand keep the ports' promises, and the suite that says so
//! can fail.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, Pseudonym};
use crossfold_core::entities::impressions::Impressions;
use crossfold_core::entities::ports::{
    Appended, ETag, ErasedPage, EventStore, Object, ObjectStore, Past, PastRange, PutCondition,
    RekeyedPage, StoreResult, Stores,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_storage::conformance::{Failures, run_all};
use crossfold_storage::embedded::Embedded;
use crossfold_storage::faults::{Fault, FaultPlan, faulty};
use crossfold_storage::memory;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise() {
    run_all(&memory::stores()).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_servers_keep_every_promise_twice_on_one_directory() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(directory.path()).await.unwrap();
    for _ in 0..2 {
        run_all(&embedded.stores()).await.unwrap_or_else(|failures| panic!("{failures}"));
    }
}

/// Forgets that an append of a known event is a duplicate.
struct CountsTwice(Arc<dyn EventStore>);

#[async_trait]
impl EventStore for CountsTwice {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        self.0.append(event).await.map(|_| Appended::New)
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        self.0.history(user, limit).await
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        self.0.past(user, range).await
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        self.0.dismiss(dismissal).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        self.0.mark_seen(seen).await
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        self.0.note_impressions(impressions).await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        self.0.holds(events).await
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        self.0.rekey(keys, after).await
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        self.0.keep_erased_ids(user).await
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        self.0.were_erased(events).await
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        self.0.erase(user).await
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        self.0.erase_domain(domain, after).await
    }
}

/// Looks, and then writes: between the two, another may have written.
struct LooksThenWrites(Arc<dyn ObjectStore>);

#[async_trait]
impl ObjectStore for LooksThenWrites {
    async fn get(&self, key: &str) -> StoreResult<Option<Object>> {
        self.0.get(key).await
    }

    async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>> {
        self.0.get_if_changed(key, known).await
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> StoreResult<Option<ETag>> {
        let current = self.0.get(key).await?.map(|object| object.etag);
        let holds = match condition {
            PutCondition::None => true,
            PutCondition::Absent => current.is_none(),
            PutCondition::Matches(etag) => current == Some(etag),
        };
        tokio::task::yield_now().await;
        if holds { self.0.put(key, bytes, PutCondition::None).await } else { Ok(None) }
    }

    async fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
        let mut keys = self.0.list(prefix).await?;
        keys.truncate(1_000);
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> StoreResult<()> {
        self.0.delete(key).await
    }
}

/// Memory, with one fault in every call of one method.
fn memory_with(method: &'static str, fault: Fault) -> Stores {
    let plan =
        FaultPlan::from_fn(move |call| if call.method == method { fault } else { Fault::None });
    faulty(memory::stores(), &plan)
}

async fn failed_checks(stores: Stores) -> Vec<String> {
    let Err(Failures(failures)) = run_all(&stores).await else { return Vec::new() };
    failures.iter().map(|failure| failure.check.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_counts_an_event_twice_fails_the_checks_on_duplicates_alone() {
    let mut stores = memory::stores();
    stores.events = Arc::new(CountsTwice(stores.events));
    let expected = [
        "events: an_event_is_stored_once",
        "events: a_batch_is_stored_as_its_events_one_by_one_are",
        "events: of_racing_appends_of_one_event_exactly_one_is_new",
        "events: an_event_is_its_id_whatever_time_it_claims",
    ];
    assert_eq!(failed_checks(stores).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_looks_before_it_writes_fails_the_races_and_its_cut_listing_is_found() {
    let mut stores = memory::stores();
    stores.objects = Arc::new(LooksThenWrites(stores.objects));
    let expected = [
        "objects: of_racing_puts_that_want_absence_exactly_one_wins",
        "objects: of_racing_puts_that_name_a_version_exactly_one_wins",
        "objects: a_long_listing_is_whole",
    ];
    assert_eq!(failed_checks(stores).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_reads_what_was_before_fails_the_checks_on_that_port_alone() {
    for (method, port) in
        [("objects.get", "objects: "), ("people.get", "people: "), ("records.get", "records: ")]
    {
        let failed = failed_checks(memory_with(method, Fault::Stale)).await;
        assert!(!failed.is_empty(), "stale {method} passed");
        assert!(failed.iter().all(|check| check.starts_with(port)), "{method}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_loses_its_answers_fails_the_checks_on_that_port() {
    let failed = failed_checks(memory_with("records.put", Fault::AnswerLost)).await;
    assert!(failed.iter().any(|check| check.starts_with("records: ")), "{failed:?}");
}
