//! Domain definitions as the handlers see them: read once, then kept for a while.

use std::sync::{Arc, Mutex as BriefMutex, MutexGuard as BriefGuard, PoisonError};
use std::time::Duration;

use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{NoDefinition, RecordStore, StoreError, StoreResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::records;

/// How long definitions are used before they are read again.
pub const MAX_AGE: Duration = Duration::from_secs(30);

/// How long who knows definitions already waits for newer ones, where time is short: enough
/// for a second try.
const PATIENCE: Duration = Duration::from_secs(1);

/// Every domain's definition, as of now.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn definitions(store: &dyn RecordStore) -> StoreResult<Definitions> {
    Ok(records::list::<DomainDefinition>(store).await?.into_iter().collect())
}

/// What was read, and when.
type Read = (Instant, Arc<Definitions>);

/// Definitions as far as they are known.
#[derive(Debug, Clone)]
pub struct KnownDefinitions {
    /// They.
    pub definitions: Arc<Definitions>,
    /// Whether they could not be read in time, and are those that were read last.
    pub is_stale: bool,
}

/// Reads definitions through a cache of at most half a minute.
#[derive(Clone)]
pub struct DefinitionReader {
    store: Arc<dyn RecordStore>,
    /// Held by who reads, so that many requests read once.
    reading: Arc<Mutex<()>>,
    /// Held for a look alone.
    cached: Arc<BriefMutex<Option<Read>>>,
}

impl DefinitionReader {
    /// Reads from `store`.
    #[must_use]
    pub fn new(store: Arc<dyn RecordStore>) -> Self {
        Self { store, reading: Arc::default(), cached: Arc::default() }
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
        match (self.read(age).await, &*self.cached()) {
            (Ok(definitions), _) => Ok(definitions),
            (Err(error), Some((_, definitions))) => {
                tracing::warn!(%error, "definitions could not be read; the last ones are used on");
                Ok(definitions.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Definitions that are not older, whatever that takes.
    async fn read(&self, age: Duration) -> StoreResult<Arc<Definitions>> {
        let _reading = self.reading.lock().await;
        if let Some((read_at, definitions)) = &*self.cached()
            && read_at.elapsed() < age
        {
            return Ok(definitions.clone());
        }
        let definitions = Arc::new(definitions(&*self.store).await?);
        *self.cached() = Some((Instant::now(), definitions.clone()));
        Ok(definitions)
    }

    /// Every domain, `domain` among them, within a time. When the store does not answer
    /// in it, the last definitions are given and said to be stale.
    ///
    /// # Errors
    /// [`NoDefinition::Unknown`] when the domain is not defined; [`NoDefinition::Store`] when
    /// the store cannot be read in time, and `domain` is not among what was read before.
    pub async fn within(
        &self,
        wait: Duration,
        domain: &DomainId,
    ) -> Result<KnownDefinitions, NoDefinition> {
        let until = Instant::now() + wait;
        for age in [MAX_AGE, Duration::ZERO] {
            let last = self.cached().as_ref().map(|(_, definitions)| definitions.clone());
            let last = last.filter(|last| last.contains_key(domain));
            let left = until.saturating_duration_since(Instant::now());
            let wait = if last.is_some() { left.min(PATIENCE) } else { left };
            let too_late = |_| StoreError::Unavailable("definitions took too long".into());
            let read = timeout(wait, self.read(age)).await.map_err(too_late).flatten();
            match (read, last) {
                (Ok(definitions), _) if definitions.contains_key(domain) => {
                    return Ok(KnownDefinitions { definitions, is_stale: false });
                }
                (Ok(_), _) => {}
                (Err(error), Some(definitions)) => {
                    tracing::error!(%error, "definitions could not be read; the last ones serve");
                    return Ok(KnownDefinitions { definitions, is_stale: true });
                }
                (Err(error), None) => return Err(error.into()),
            }
        }
        Err(NoDefinition::Unknown(domain.clone()))
    }

    /// Nothing can panic while it is held.
    fn cached(&self) -> BriefGuard<'_, Option<Read>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.cached() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::faults::{Fault, FaultPlan, faulty};
    use crate::memory;

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn within_a_time_definitions_are_fresh_or_said_to_be_stale_or_cannot_be_told() {
        let (stores, hangs) = (memory::stores(), Arc::new(AtomicBool::new(true)));
        let definition: DomainDefinition = serde_json::from_value(serde_json::json!({
            "name": "Shop", "currency": "EUR", "event_types": {"view": {"weight": 1.0}},
        }))
        .unwrap();
        records::put(&*stores.records, &domain("shop"), &definition).await.unwrap();
        let hanging = hangs.clone();
        let plan = FaultPlan::from_fn(move |_| {
            if hanging.load(Ordering::Relaxed) { Fault::Hangs } else { Fault::None }
        });
        let reader = DefinitionReader::new(faulty(stores, &plan).records);
        let ask = async |name: &str| {
            let began = Instant::now();
            let known = reader.within(Duration::from_secs(2), &domain(name)).await;
            (known.map(|known| known.is_stale), began.elapsed())
        };
        let never_read = ask("shop").await;
        assert!(matches!(never_read.0, Err(NoDefinition::Store(_))), "{never_read:?}");
        assert_eq!(never_read.1, Duration::from_secs(2));
        hangs.store(false, Ordering::Relaxed);
        assert!(matches!(ask("shop").await.0, Ok(false)));
        assert!(matches!(ask("other").await.0, Err(NoDefinition::Unknown(_))));
        hangs.store(true, Ordering::Relaxed);
        // What was read a moment ago is as good as new; what was not may be there by now.
        assert!(matches!(ask("shop").await.0, Ok(false)));
        assert!(matches!(ask("other").await.0, Err(NoDefinition::Store(_))));
        tokio::time::sleep(MAX_AGE).await;
        let outdated = ask("shop").await;
        assert!(matches!(outdated.0, Ok(true)), "{outdated:?}");
        assert_eq!(outdated.1, PATIENCE);
    }
}
