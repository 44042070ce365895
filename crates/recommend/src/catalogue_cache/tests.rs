//! Catalogues are read once, kept up to date, and say when they are not.

mod stored;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use crossfold_core::entities::ports::{Appended, StoreError};
use crossfold_storage::{memory, write_count};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::*;

fn domain(name: &str) -> DomainId {
    DomainId::parse(name).unwrap()
}

fn item(domain: &DomainId, name: &str, second: i64) -> Item {
    let details = serde_json::from_value(serde_json::json!({ "title": name })).unwrap();
    Item {
        domain: domain.clone(),
        item_id: ItemId::parse(name).unwrap(),
        details: Some(details),
        updated_at: Timestamp::from_second(second).unwrap(),
        change: ChangeNumber::default(),
    }
}

/// A stopwatch that is set by hand, in seconds.
fn by_hand() -> (Arc<AtomicU64>, Stopwatch) {
    let seconds = Arc::new(AtomicU64::new(0));
    let shown = seconds.clone();
    let read = move || Duration::from_secs(shown.load(Ordering::Relaxed));
    (seconds, Stopwatch::from_fn(read))
}

/// Holds up reading the domain `slow` until it is let go, and fails changes
/// when told to.
struct Hindered {
    inner: Arc<dyn CatalogueStore>,
    let_go: Notify,
    fails: AtomicBool,
    changes_read: AtomicU64,
    /// Entries that were read as a part of their whole catalogue.
    listed: AtomicU64,
    /// Whether the first entry that was put has not come in yet.
    is_late: AtomicBool,
}

impl Hindered {
    fn new() -> Arc<Self> {
        let inner = memory::stores().catalogue;
        Arc::new(Self {
            inner,
            let_go: Notify::new(),
            fails: AtomicBool::new(false),
            changes_read: AtomicU64::new(0),
            listed: AtomicU64::new(0),
            is_late: AtomicBool::new(false),
        })
    }

    fn hides_late(&self, is_late: bool) {
        self.is_late.store(is_late, Ordering::Relaxed);
    }
}

#[async_trait]
impl CatalogueStore for Hindered {
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber> {
        self.inner.put_all(domain, items).await
    }

    async fn create_all(&self, of: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>> {
        self.inner.create_all(of, items).await
    }

    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>> {
        self.inner.get(domain, item).await
    }

    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>> {
        if domain.as_str() == "slow" {
            self.let_go.notified().await;
        }
        let mut listed = self.inner.list(domain).await?;
        if self.is_late.load(Ordering::Relaxed) {
            listed.retain(|item| item.change > ChangeNumber(1));
        }
        self.listed.fetch_add(listed.len() as u64, Ordering::Relaxed);
        Ok(listed)
    }

    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("throttled".into()));
        }
        let changes = self.inner.changes(domain, since).await?;
        self.changes_read.fetch_add(changes.len() as u64, Ordering::Relaxed);
        Ok(changes)
    }
}

async fn snapshot(cache: &CatalogueCache, domain: &DomainId) -> Option<KnownCatalogue> {
    cache.refresh(domain, Duration::from_secs(9)).await;
    cache.known(domain, None)
}

fn titles(known: &KnownCatalogue) -> Vec<&str> {
    known.snapshot.entries().filter_map(|(_, entry)| entry.title()).collect()
}

#[tokio::test]
async fn a_slow_domain_holds_up_no_other_and_is_read_once() {
    let store = Hindered::new();
    let cache = CatalogueCache::new(store.clone(), by_hand().1);
    let (slow, fast) = (domain("slow"), domain("fast"));
    store.put(&item(&slow, "s", 1)).await.unwrap();
    let waiting = async { tokio::join!(snapshot(&cache, &slow), snapshot(&cache, &slow)) };
    let meanwhile = async {
        assert!(titles(&snapshot(&cache, &fast).await.unwrap()).is_empty());
        // Lets go of one reading: a second one would wait for ever.
        store.let_go.notify_one();
    };
    let both = async { tokio::join!(waiting, meanwhile) };
    let ((first, second), ()) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert_eq!(titles(&first.unwrap()), ["s"]);
    assert_eq!(titles(&second.unwrap()), ["s"]);
}

#[tokio::test]
async fn changes_are_asked_for_every_20_seconds_and_a_failure_is_said_so() {
    let store = Hindered::new();
    let (seconds, stopwatch) = by_hand();
    let cache = CatalogueCache::new(store.clone(), stopwatch);
    let knowledge = domain("knowledge");
    store.put(&item(&knowledge, "a", 1)).await.unwrap();
    assert_eq!(titles(&snapshot(&cache, &knowledge).await.unwrap()), ["a"]);
    store.put(&item(&knowledge, "b", 2)).await.unwrap();
    for (second, fails, expected, is_stale) in [
        (19, false, vec!["a"], false),
        (20, true, vec!["a"], true),
        (21, false, vec!["a", "b"], false),
        (22, true, vec!["a", "b"], false),
    ] {
        seconds.store(second, Ordering::Relaxed);
        store.fails.store(fails, Ordering::Relaxed);
        let known = snapshot(&cache, &knowledge).await.unwrap();
        assert_eq!((titles(&known), known.is_stale), (expected, is_stale), "at {second} s");
    }
}
/// Puts a catalogue whole, reads it, and then the changes every 20 seconds:
/// how many entries that were after some minutes, and in the minutes after them.
async fn changes_read_after_a_whole_catalogue() -> (u64, u64) {
    const ITEMS: u64 = 3_000;
    let (store, knowledge) = (Hindered::new(), domain("knowledge"));
    let (seconds, stopwatch) = by_hand();
    for number in 0..ITEMS {
        store.put(&item(&knowledge, &format!("i{number}"), 1_000)).await.unwrap();
    }
    let cache = CatalogueCache::new(store.clone(), stopwatch);
    let mut read = Vec::new();
    for minutes in [0..3, 3..60] {
        store.changes_read.store(0, Ordering::Relaxed);
        for second in (minutes.start * 60..minutes.end * 60).step_by(20) {
            seconds.store(second, Ordering::Relaxed);
            let known = snapshot(&cache, &knowledge).await.unwrap();
            assert_eq!(titles(&known).len() as u64, ITEMS);
        }
        read.push(store.changes_read.load(Ordering::Relaxed) / ITEMS);
    }
    (read[0], read[1])
}

#[tokio::test]
async fn a_catalogue_that_was_written_whole_is_not_read_again_and_again() {
    let (first, later) = changes_read_after_a_whole_catalogue().await;
    assert!(first <= 2, "read whole {first} times in three minutes");
    assert_eq!(later, 0, "read whole again when two minutes had passed");
}

#[tokio::test]
async fn what_was_on_its_way_beside_a_bulk_load_is_known_within_a_minute() {
    let (store, knowledge) = (Hindered::new(), domain("knowledge"));
    let (seconds, stopwatch) = by_hand();
    for number in 0..1_500 {
        store.put(&item(&knowledge, &format!("i{number}"), 1_000)).await.unwrap();
    }
    store.hides_late(true);
    let cache = CatalogueCache::new(store.clone(), stopwatch);
    assert_eq!(titles(&snapshot(&cache, &knowledge).await.unwrap()).len(), 1_499);
    store.hides_late(false);
    let mut known_at = None;
    for second in (10..=60).step_by(10) {
        seconds.store(second, Ordering::Relaxed);
        let known = snapshot(&cache, &knowledge).await.unwrap();
        if titles(&known).len() == 1_500 {
            known_at = known_at.or(Some(second));
        }
    }
    assert!(known_at.is_some(), "not known after a minute");
}

#[tokio::test]
async fn where_writes_are_counted_a_catalogue_that_nobody_wrote_to_is_not_asked_for_changes() {
    let (store, writes) = write_count::counted(memory::stores().catalogue);
    let (stopwatch, knowledge) = (by_hand().1, domain("knowledge"));
    let hindered = Arc::new(Hindered {
        inner: store,
        let_go: Notify::new(),
        fails: AtomicBool::new(false),
        changes_read: AtomicU64::new(0),
        listed: AtomicU64::new(0),
        is_late: AtomicBool::new(false),
    });
    hindered.put(&item(&knowledge, "a", 1)).await.unwrap();
    let cache = CatalogueCache::new(hindered.clone(), stopwatch).without_delay().counting(writes);
    for _ in 0..3 {
        assert_eq!(titles(&snapshot(&cache, &knowledge).await.unwrap()), ["a"]);
    }
    assert_eq!(hindered.changes_read.load(Ordering::Relaxed), 0);
    hindered.put(&item(&knowledge, "b", 2)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(titles(&snapshot(&cache, &knowledge).await.unwrap()), ["a", "b"]);
    }
    assert_eq!(hindered.changes_read.load(Ordering::Relaxed), 2);
}
