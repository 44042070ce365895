//! Catalogues in memory: read whole once, then kept up to date by their changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::clock::{Reading, Stopwatch};
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId};
use crossfold_core::entities::ports::{CatalogueStore, StoreResult};
use crossfold_core::model::Model;
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_storage::shared_work::{Patience, SharedWork, Waited};
use crossfold_storage::write_count::WriteCount;

/// How often changes are asked for: well below the minute within which a new
/// item must be known.
const REFRESH: Duration = Duration::from_secs(20);
/// How long a change may be on its way when later ones are seen already: a call that writes
/// it lasts half a minute at most, and an index lags. Changes are asked for from the one
/// that was the last so long ago, by this process's stopwatch: no clock is asked, and a
/// catalogue that was written whole is soon not read again.
const ON_THE_WAY: Duration = Duration::from_secs(120);
/// How many calls may have begun to change a catalogue while one was on its way, for a
/// process that has not looked for so long yet. More than 1,000 a second cannot begin: the
/// record that counts them takes no more writes.
const CALLS_ON_THE_WAY: u64 = 2_000;

/// How long reading changes holds up requests: the catalogue in memory will do.
const PATIENCE: Duration = Duration::from_millis(500);

/// A catalogue as far as it is known.
pub(crate) struct KnownCatalogue {
    /// It, matched with a model's rows.
    pub(crate) snapshot: Arc<CatalogueSnapshot>,
    /// Whether its newest changes could not be read.
    pub(crate) is_stale: bool,
}

struct Cached {
    refreshed_at: Reading,
    /// The last change that was known when the catalogue was read whole, and then whenever
    /// changes were read within [`ON_THE_WAY`], oldest first.
    looks: VecDeque<(Reading, ChangeNumber)>,
    /// The last change that is known.
    last: ChangeNumber,
    /// Writes to the catalogue when it was read last, where they are counted.
    writes: Option<u64>,
    /// Whether the newest changes could not be read when they were last asked for.
    is_stale: bool,
    /// The catalogue as it was when it was last asked for, and the model that it is matched with.
    snapshot: Arc<CatalogueSnapshot>,
    of_model: Option<ModelId>,
    /// Changes that are not in it yet.
    changed: BTreeMap<ItemId, Item>,
}

/// One domain's place in the cache.
#[derive(Default)]
struct Place {
    /// Reading the domain, once for many requests, so that none waits longer than it may.
    reading: SharedWork,
    /// Empty until the catalogue was read. Held while nothing is waited for.
    cached: Mutex<Option<Cached>>,
}

impl Place {
    /// A panic while it is held leaves a catalogue of the time before it, or of it.
    fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps catalogues in memory.
#[derive(Clone)]
pub(crate) struct CatalogueCache {
    store: Arc<dyn CatalogueStore>,
    stopwatch: Stopwatch,
    /// A place for each domain, so that a slow one holds up no other. The lock around
    /// them all is held for a look-up alone.
    places: Arc<Mutex<BTreeMap<DomainId, Arc<Place>>>>,
    refresh: Duration,
    patience: Duration,
    /// Counts the writes of a process that has its store to itself.
    writes: Option<WriteCount>,
}

impl CatalogueCache {
    pub(crate) fn new(store: Arc<dyn CatalogueStore>, stopwatch: Stopwatch) -> Self {
        Self {
            store,
            stopwatch,
            places: Arc::default(),
            refresh: REFRESH,
            patience: PATIENCE,
            writes: None,
        }
    }

    /// Asks for changes at every request: for a process with its own store.
    pub(crate) fn without_delay(self) -> Self {
        Self { refresh: Duration::ZERO, patience: Duration::MAX, ..self }
    }

    /// Asks for changes only of a catalogue that was written to.
    pub(crate) fn counting(self, writes: WriteCount) -> Self {
        Self { writes: Some(writes), ..self }
    }

    /// Sees to it that a domain's catalogue and its changes are in memory, within a time.
    pub(crate) async fn refresh(&self, domain: &DomainId, wait: Duration) {
        let place = self.place(domain);
        let began = self.stopwatch.read();
        // What others began before this request may not have seen what it asks for; what
        // is begun after that has.
        for _ in 0..2 {
            let due = place.cached().as_ref().map(|cached| self.is_due(domain, cached));
            let from_its_start = match due {
                Some(false) => return,
                Some(true) => self.patience,
                None => Duration::MAX,
            };
            let left = wait.saturating_sub(self.stopwatch.since(began));
            let patience = Patience { from_now: left, from_its_start };
            let (cache, domain, read) = (self.clone(), domain.clone(), place.clone());
            let read = || async move { cache.read(&domain, &read).await };
            match place.reading.join(patience, read).await {
                Waited::ForOwn => return,
                Waited::ForOthers => {}
                Waited::TooLong => {
                    if let Some(cached) = &mut *place.cached() {
                        cached.is_stale = true;
                    }
                    return;
                }
            }
        }
    }

    /// A domain's catalogue as far as it is in memory, matched with a model's rows; `None`
    /// when it could not be read so far.
    pub(crate) fn known(&self, domain: &DomainId, model: Option<&Model>) -> Option<KnownCatalogue> {
        let place = self.place(domain);
        let mut cached = place.cached();
        let cached = cached.as_mut()?;
        Some(KnownCatalogue { snapshot: cached.snapshot(model), is_stale: cached.is_stale })
    }

    fn place(&self, domain: &DomainId) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(domain.clone()).or_default().clone()
    }

    fn is_due(&self, domain: &DomainId, cached: &Cached) -> bool {
        let is_old = self.stopwatch.since(cached.refreshed_at) >= self.refresh;
        is_old && self.may_have_changed(domain, cached)
    }

    /// Reads the catalogue whole, or what has changed of it.
    async fn read(&self, domain: &DomainId, place: &Place) {
        let now = self.stopwatch.read();
        let since = place.cached().as_mut().map(|cached| cached.complete_until(now));
        let read = match since {
            Some(since) => self.update(domain, since, place).await,
            None => self.load(domain).await.map(|loaded| *place.cached() = Some(loaded)),
        };
        if let Err(error) = &read {
            tracing::error!(%error, "a catalogue could not be read");
        }
        if let Some(cached) = &mut *place.cached() {
            cached.is_stale = read.is_err();
        }
    }

    fn may_have_changed(&self, domain: &DomainId, cached: &Cached) -> bool {
        let writes = self.writes.as_ref().map(|writes| writes.of(domain));
        writes.is_none() || writes != cached.writes
    }

    async fn load(&self, domain: &DomainId) -> StoreResult<Cached> {
        let refreshed_at = self.stopwatch.read();
        let writes = self.writes.as_ref().map(|writes| writes.of(domain));
        let items = self.store.list(domain).await?;
        let last = items.iter().map(|item| item.change).max().unwrap_or_default();
        let surely_read = ChangeNumber(last.0.saturating_sub(CALLS_ON_THE_WAY));
        Ok(Cached {
            refreshed_at,
            looks: VecDeque::from([(refreshed_at, surely_read), (refreshed_at, last)]),
            last,
            writes,
            is_stale: false,
            snapshot: Arc::new(CatalogueSnapshot::new(items, None)),
            of_model: None,
            changed: BTreeMap::new(),
        })
    }

    async fn update(
        &self,
        domain: &DomainId,
        since: ChangeNumber,
        place: &Place,
    ) -> StoreResult<()> {
        let (began_at, writes) = (self.stopwatch.read(), self.writes.as_ref());
        let writes = writes.map(|writes| writes.of(domain));
        let changes = self.store.changes(domain, since).await?;
        if let Some(cached) = &mut *place.cached() {
            cached.update(changes, began_at);
            cached.writes = writes;
        }
        Ok(())
    }
}

impl Cached {
    /// The change up to which all have surely been read by now: the last that was known so
    /// long ago that none before it can be on its way any more.
    fn complete_until(&mut self, now: Reading) -> ChangeNumber {
        let is_old = |look: &(Reading, ChangeNumber)| now.since(look.0) >= ON_THE_WAY;
        while self.looks.get(1).is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.front().map(|(_, last)| *last).unwrap_or_default()
    }

    /// Takes over changes that were asked for at `began_at`.
    fn update(&mut self, changes: Vec<Item>, began_at: Reading) {
        changes.into_iter().for_each(|item| self.take_over(item));
        if self.looks.back().is_none_or(|(_, last)| *last != self.last) {
            self.looks.push_back((began_at, self.last));
        }
        self.refreshed_at = began_at;
    }

    /// The catalogue for a model: made anew when items or the model changed, of what is there and
    /// what changed.
    fn snapshot(&mut self, model: Option<&Model>) -> Arc<CatalogueSnapshot> {
        let is_of_model = self.of_model.as_ref() == model.map(Model::id);
        if !is_of_model || !self.changed.is_empty() {
            let changes = std::mem::take(&mut self.changed).into_values();
            self.snapshot = Arc::new(self.snapshot.changed(changes, model));
            self.of_model = model.map(|model| model.id().clone());
        }
        self.snapshot.clone()
    }

    /// Takes over a change, unless it is known already.
    fn take_over(&mut self, item: Item) {
        let known = self.changed.get(&item.item_id);
        let known = known.or_else(|| self.snapshot.find(&item.item_id).map(|entry| entry.item));
        if known.is_some_and(|known| known.change >= item.change) {
            return;
        }
        self.last = self.last.max(item.change);
        self.changed.insert(item.item_id.clone(), item);
    }
}

#[cfg(test)]
mod tests {
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
    }

    impl Hindered {
        fn new() -> Arc<Self> {
            let inner = memory::stores().catalogue;
            Arc::new(Self {
                inner,
                let_go: Notify::new(),
                fails: AtomicBool::new(false),
                changes_read: AtomicU64::new(0),
            })
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
            self.inner.list(domain).await
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
        let ((first, second), ()) =
            tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
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
        assert!(first <= 7, "read whole {first} times in three minutes");
        assert_eq!(later, 0, "read whole again when two minutes had passed");
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
        });
        hindered.put(&item(&knowledge, "a", 1)).await.unwrap();
        let cache =
            CatalogueCache::new(hindered.clone(), stopwatch).without_delay().counting(writes);
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
}
