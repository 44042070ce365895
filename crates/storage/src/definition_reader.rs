//! Domain definitions as the handlers see them: read once, then kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{NoDefinition, RecordStore, StoreResult};
use tokio::sync::Mutex;

use crate::records;

/// How long definitions are used before they are read again.
pub const MAX_AGE: Duration = Duration::from_secs(30);

/// Every domain's definition, as of now.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn definitions(store: &dyn RecordStore) -> StoreResult<Definitions> {
    Ok(records::list::<DomainDefinition>(store).await?.into_iter().collect())
}

/// What was read, and when.
type Read = (Instant, Arc<Definitions>);

/// Reads definitions through a cache of at most half a minute.
#[derive(Clone)]
pub struct DefinitionReader {
    store: Arc<dyn RecordStore>,
    cached: Arc<Mutex<Option<Read>>>,
}

impl DefinitionReader {
    /// Reads from `store`.
    #[must_use]
    pub fn new(store: Arc<dyn RecordStore>) -> Self {
        Self { store, cached: Arc::default() }
    }

    /// Every domain. When the store cannot be read, the last definitions are
    /// used on: they change seldom, and a stop of the service helps nobody.
    ///
    /// # Errors
    /// When the store cannot be read and never was.
    pub async fn all(&self) -> StoreResult<Arc<Definitions>> {
        self.not_older_than(MAX_AGE).await
    }

    async fn not_older_than(&self, age: Duration) -> StoreResult<Arc<Definitions>> {
        let mut cached = self.cached.lock().await;
        if let Some((read_at, definitions)) = &*cached
            && read_at.elapsed() < age
        {
            return Ok(definitions.clone());
        }
        match (definitions(&*self.store).await, &*cached) {
            (Ok(read), _) => {
                let definitions = Arc::new(read);
                *cached = Some((Instant::now(), definitions.clone()));
                Ok(definitions)
            }
            (Err(error), Some((_, definitions))) => {
                tracing::warn!(%error, "definitions could not be read; the last ones are used on");
                Ok(definitions.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    /// One domain. One that is not in the cache is looked for in the store, so
    /// that a domain defined a moment ago is known.
    ///
    /// # Errors
    /// [`NoDefinition`] when it is not defined, or the store cannot be read.
    pub async fn domain(&self, id: &DomainId) -> Result<DomainDefinition, NoDefinition> {
        for age in [MAX_AGE, Duration::ZERO] {
            if let Some(definition) = self.not_older_than(age).await?.get(id) {
                return Ok(definition.clone());
            }
        }
        Err(NoDefinition::Unknown(id.clone()))
    }

    /// Forgets what was read, after a change through this process.
    pub async fn forget(&self) {
        *self.cached.lock().await = None;
    }
}
