//! Catalogues in memory: begun with as they are stored in the bucket, or read whole once, then kept up
//! to date by their changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfold_core::archive::catalogue::StoredCatalogue;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::clock::{Reading, Stopwatch};
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId};
use crossfold_core::entities::ports::{CatalogueStore, StoreResult};
use crossfold_core::model::Model;
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_storage::shared_work::{Patience, SharedWork, Waited};
use crossfold_storage::write_count::WriteCount;

use crate::stored_catalogues::{KnownEntries, Stored, StoredCatalogues};

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
/// How many entries a look at what may be on its way returns for it to be costly: after a bulk
/// load it is most of the catalogue.
const COSTLY_LOOK: usize = 1_000;
/// How seldom a costly look is taken again, so that what was on its way is known within the
/// minute. Between two of them only later changes are asked for.
const BETWEEN_COSTLY_LOOKS: Duration = Duration::from_secs(45);

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
    /// When changes were last asked for from [`Cached::complete_until`] on.
    looked_back_at: Reading,
    /// Whether that returned more than [`COSTLY_LOOK`] entries.
    is_costly: bool,
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
    /// How it is stored in the bucket.
    stored: Stored,
}

/// One domain's place in the cache.
#[derive(Default)]
struct Place {
    /// Reading the domain, once for many requests, so that none waits longer than it may.
    reading: SharedWork,
    /// Storing it in the bucket, which nobody waits for.
    storing: SharedWork,
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
    /// What processes begin with.
    stored: Option<StoredCatalogues>,
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
            stored: None,
        }
    }

    /// Begins with what is stored, and stores what changed.
    pub(crate) fn with_stored(self, stored: StoredCatalogues) -> Self {
        Self { stored: Some(stored), ..self }
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
        let look = place.cached().as_mut().map(|cached| cached.next_look(now));
        let read = match look {
            Some(look) => self.update(domain, look, place).await,
            None => self.load(domain).await.map(|loaded| *place.cached() = Some(loaded)),
        };
        if let Err(error) = &read {
            tracing::error!(%error, "a catalogue could not be read");
        }
        if let Some(cached) = &mut *place.cached() {
            cached.is_stale = read.is_err();
        }
        if read.is_ok() {
            self.store_if_due(domain, place).await;
        }
    }

    /// Begins to store the catalogue, where it is worth it, and waits for nothing.
    async fn store_if_due(&self, domain: &DomainId, place: &Place) {
        let Some(catalogues) = self.stored.clone() else { return };
        let Some((known, stored)) = place.cached().as_mut().map(Cached::known_entries) else {
            return;
        };
        if !catalogues.is_due(&stored, &known) {
            return;
        }
        let (domain, cache) = (domain.clone(), self.clone());
        let work = move || async move {
            let stored = catalogues.store(&domain, known, stored).await;
            if let Some(cached) = &mut *cache.place(&domain).cached() {
                cached.stored = stored;
            }
        };
        let patience = Patience { from_now: Duration::ZERO, from_its_start: Duration::ZERO };
        place.storing.join(patience, work).await;
    }

    fn may_have_changed(&self, domain: &DomainId, cached: &Cached) -> bool {
        let writes = self.writes.as_ref().map(|writes| writes.of(domain));
        writes.is_none() || writes != cached.writes
    }

    async fn load(&self, domain: &DomainId) -> StoreResult<Cached> {
        let refreshed_at = self.stopwatch.read();
        let writes = self.writes.as_ref().map(|writes| writes.of(domain));
        let (begun, stored) = match &self.stored {
            Some(catalogues) => catalogues.load(domain).await,
            None => Default::default(),
        };
        let (items, surely_read, changes) = match begun {
            Some(StoredCatalogue { items, complete_until, .. }) => {
                (items, Some(complete_until), self.store.changes(domain, complete_until).await?)
            }
            None => (self.store.list(domain).await?, None, Vec::new()),
        };
        let last = items.iter().map(|item| item.change).max().unwrap_or_default();
        let surely_read =
            surely_read.unwrap_or(ChangeNumber(last.0.saturating_sub(CALLS_ON_THE_WAY)));
        let mut cached = Cached {
            refreshed_at,
            looked_back_at: refreshed_at,
            // Nothing was looked for yet; a catalogue as large as that is likely to be.
            is_costly: items.len() > COSTLY_LOOK,
            looks: VecDeque::from([(refreshed_at, surely_read)]),
            last,
            writes,
            is_stale: false,
            snapshot: Arc::new(CatalogueSnapshot::new(items, None)),
            of_model: None,
            changed: BTreeMap::new(),
            stored,
        };
        cached.take_over_all(changes, refreshed_at);
        Ok(cached)
    }

    async fn update(&self, domain: &DomainId, look: Look, place: &Place) -> StoreResult<()> {
        let (began_at, writes) = (self.stopwatch.read(), self.writes.as_ref());
        let writes = writes.map(|writes| writes.of(domain));
        let changes = self.store.changes(domain, look.since).await?;
        if let Some(cached) = &mut *place.cached() {
            if look.is_back {
                (cached.looked_back_at, cached.is_costly) = (began_at, changes.len() > COSTLY_LOOK);
            }
            cached.take_over_all(changes, began_at);
            cached.writes = writes;
        }
        Ok(())
    }
}

/// From which change on changes are asked for.
#[derive(Clone, Copy)]
struct Look {
    since: ChangeNumber,
    /// Whether it is from the last that is surely known, and not from the last that is known.
    is_back: bool,
}

impl Cached {
    /// The next look at the changes: back at all that may have been on its way, or at later ones
    /// alone where looking back was costly and is not due again.
    fn next_look(&mut self, now: Reading) -> Look {
        let is_back = !self.is_costly || now.since(self.looked_back_at) >= BETWEEN_COSTLY_LOOKS;
        Look { since: if is_back { self.complete_until() } else { self.last }, is_back }
    }

    /// The change up to which all have surely been read: the last that was known so long before
    /// the last look back that none before it could be on its way then. How long ago that
    /// is by now does not matter: what was on its way then was not looked for since.
    fn complete_until(&mut self) -> ChangeNumber {
        let read_at = self.looked_back_at;
        let is_old = |look: &(Reading, ChangeNumber)| read_at.since(look.0) >= ON_THE_WAY;
        while self.looks.get(1).is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.front().map(|(_, last)| *last).unwrap_or_default()
    }

    /// Takes over changes that were asked for at `began_at`.
    fn take_over_all(&mut self, changes: Vec<Item>, began_at: Reading) {
        changes.into_iter().for_each(|item| self.take_over(item));
        // Of a catalogue that was just read the first look is of what had surely been read.
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

    /// The catalogue as it is known, to be stored, and how it is stored.
    fn known_entries(&mut self) -> (KnownEntries, Stored) {
        let known = KnownEntries {
            complete_until: self.complete_until(),
            snapshot: self.snapshot.clone(),
            changed: self.changed.values().cloned().collect(),
        };
        (known, self.stored.clone())
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
mod tests;
