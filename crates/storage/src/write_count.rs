//! Knowing whether a catalogue was written to, without asking for its changes:
//! for a process that has its store to itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::ports::{Appended, CatalogueStore, StoreResult};

/// How often each domain's catalogue was written to since the process started.
#[derive(Debug, Clone, Default)]
pub struct WriteCount(Arc<Mutex<BTreeMap<DomainId, u64>>>);

impl WriteCount {
    /// Writes to a domain's catalogue that have ended, whether or not they succeeded.
    #[must_use]
    pub fn of(&self, domain: &DomainId) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(domain).copied().unwrap_or_default()
    }

    fn count(&self, domain: &DomainId) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(domain.clone()).or_default() += 1;
    }
}

/// A catalogue whose writes are counted.
struct Counted {
    store: Arc<dyn CatalogueStore>,
    count: WriteCount,
}

/// The same catalogue with its writes counted.
#[must_use]
pub fn counted(store: Arc<dyn CatalogueStore>) -> (Arc<dyn CatalogueStore>, WriteCount) {
    let count = WriteCount::default();
    (Arc::new(Counted { store, count: count.clone() }), count)
}

#[async_trait]
impl CatalogueStore for Counted {
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber> {
        let outcome = self.store.put_all(domain, items).await;
        // Only now: who reads the count and then the catalogue finds the write.
        self.count.count(domain);
        outcome
    }

    async fn create_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>> {
        let outcome = self.store.create_all(domain, items).await;
        self.count.count(domain);
        outcome
    }

    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>> {
        self.store.get(domain, item).await
    }

    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>> {
        self.store.list(domain).await
    }

    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>> {
        self.store.changes(domain, since).await
    }
}
