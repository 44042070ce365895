//! Catalogues in memory: read whole once, then kept up to date by their changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossfold_core::entities::catalogue::Item;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId};
use crossfold_core::entities::ports::{CatalogueStore, StoreError};
use crossfold_core::model::Model;
use crossfold_core::serving::slate::CatalogueSnapshot;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

/// How often changes are asked for: well below the minute within which a new
/// item must be known.
const REFRESH: Duration = Duration::from_secs(20);
/// How far back changes are asked for, for writers' clocks differ and an index lags.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

struct Cached {
    refreshed_at: Instant,
    newest: Timestamp,
    items: HashMap<ItemId, Item>,
    /// The snapshot that was made last, and for which model.
    snapshot: Option<(Option<ModelId>, Arc<CatalogueSnapshot>)>,
}

/// Keeps catalogues in memory.
#[derive(Clone)]
pub(crate) struct CatalogueCache {
    store: Arc<dyn CatalogueStore>,
    domains: Arc<Mutex<BTreeMap<DomainId, Cached>>>,
    refresh: Duration,
}

impl CatalogueCache {
    pub(crate) fn new(store: Arc<dyn CatalogueStore>) -> Self {
        Self { store, domains: Arc::default(), refresh: REFRESH }
    }

    /// Asks for changes at every request: for a process with its own store.
    pub(crate) fn without_delay(self) -> Self {
        Self { refresh: Duration::ZERO, ..self }
    }

    /// A domain's catalogue, matched with a model's rows. When changes cannot
    /// be read, the last known catalogue is served and `true` comes with it.
    pub(crate) async fn snapshot(
        &self,
        domain: &DomainId,
        model: Option<&Model>,
    ) -> Result<(Arc<CatalogueSnapshot>, bool), StoreError> {
        let mut domains = self.domains.lock().await;
        let mut is_stale = false;
        if let Some(cached) = domains.get_mut(domain) {
            if cached.refreshed_at.elapsed() >= self.refresh {
                is_stale = self.update(domain, cached).await.is_err();
            }
        } else {
            let cached = self.load(domain).await?;
            domains.insert(domain.clone(), cached);
        }
        let Some(cached) = domains.get_mut(domain) else {
            return Ok((Arc::default(), is_stale));
        };
        let model_id = model.map(|model| model.id().clone());
        if let Some((of_model, snapshot)) = &cached.snapshot
            && *of_model == model_id
        {
            return Ok((snapshot.clone(), is_stale));
        }
        let snapshot =
            Arc::new(CatalogueSnapshot::new(cached.items.values().cloned().collect(), model));
        cached.snapshot = Some((model_id, snapshot.clone()));
        Ok((snapshot, is_stale))
    }

    async fn load(&self, domain: &DomainId) -> Result<Cached, StoreError> {
        let refreshed_at = Instant::now();
        let items = self.store.list(domain).await?;
        let newest = items.iter().map(|item| item.updated_at).max();
        Ok(Cached {
            refreshed_at,
            newest: newest.unwrap_or(Timestamp::UNIX_EPOCH),
            items: items.into_iter().map(|item| (item.item_id.clone(), item)).collect(),
            snapshot: None,
        })
    }

    async fn update(&self, domain: &DomainId, cached: &mut Cached) -> Result<(), StoreError> {
        let since = cached.newest.saturating_sub(OVERLAP).unwrap_or(cached.newest);
        let changes = self.store.changes(domain, since).await.inspect_err(|error| {
            tracing::error!(%error, "a catalogue's changes could not be read");
        })?;
        cached.refreshed_at = Instant::now();
        for item in changes {
            let known = cached.items.get(&item.item_id);
            if known.is_some_and(|known| known.updated_at >= item.updated_at) {
                continue;
            }
            cached.newest = cached.newest.max(item.updated_at);
            cached.items.insert(item.item_id.clone(), item);
            cached.snapshot = None;
        }
        Ok(())
    }
}
