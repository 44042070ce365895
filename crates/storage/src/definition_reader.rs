//! Domain definitions as the handlers see them: read once, then again when they changed.
//!
//! What a definition says holds from the next request: a consent default that was withdrawn
//! must not live on in a process that read it before. So every change of a definition writes
//! a fresh mark beside them ([`announce_change`]) before it is acknowledged, and every
//! request reads that mark, one read unit, and the definitions only when it is another one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::experiment::of_domain::DomainExperiments;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{NoDefinition, RecordStore, StoreError, StoreResult};
use crossfold_core::entities::records::{Record, RecordKind};
use crossfold_core::entities::unique_id::UniqueId;
use tokio::time::{Instant, timeout};

use crate::records;

/// How long definitions are used before they are read again, whatever the mark says: who
/// changed one may have died before it wrote the mark, and so before it was acknowledged.
pub const MAX_AGE: Duration = Duration::from_secs(30);

/// The mark's key. It is no record of a type: nobody reads what it says.
const MARK: (RecordKind, &str) = ("definitions", "mark");
/// How long who knows definitions already waits for newer ones, where time is short: enough
/// for a second try.
const PATIENCE: Duration = Duration::from_secs(1);

/// Every domain's definition, as of now, each with the life that it defines and its experiments.
///
/// # Errors
/// When the store fails, or holds something that cannot be read.
pub async fn definitions(store: &dyn RecordStore) -> StoreResult<Definitions> {
    let mut definitions: Definitions =
        records::list::<DomainDefinition>(store).await?.into_iter().collect();
    for (domain, deletion) in records::list::<DomainDeletion>(store).await? {
        if let Some(definition) = definitions.get_mut(&domain) {
            definition.life = u32::try_from(deletion.number).unwrap_or(u32::MAX);
        }
    }
    for (domain, json) in store.list(DomainExperiments::KIND).await? {
        // What cannot be read keeps nobody from being served: a newer program may have written it.
        match (serde_json::from_str::<DomainExperiments>(&json), DomainId::parse(&domain)) {
            (Ok(experiments), Ok(domain)) => {
                let definition = definitions.get_mut(&domain);
                // Those of an earlier life are nobody's.
                if let Some(definition) = definition.filter(|known| known.life == experiments.life)
                {
                    definition.experiments = experiments.experiments;
                }
            }
            (Err(error), _) => tracing::error!(domain, %error, "experiments cannot be read"),
            (_, Err(error)) => tracing::error!(%error, "experiments of no domain"),
        }
    }
    Ok(definitions)
}

/// Makes every reader read definitions again: to be called after a definition was written or
/// deleted, with an id that was never used, and before the change is acknowledged.
///
/// # Errors
/// When the store fails. The change is then known within [`MAX_AGE`] only.
pub async fn announce_change(store: &dyn RecordStore, fresh: UniqueId) -> StoreResult<()> {
    store.put(MARK.0, MARK.1, fresh.to_string()).await
}

/// What was read.
#[derive(Clone)]
struct Read {
    at: Instant,
    /// The mark from before the definitions were read; `None` while there never was one.
    mark: Option<String>,
    definitions: Arc<Definitions>,
}

/// Definitions as far as they are known.
#[derive(Debug, Clone)]
pub struct KnownDefinitions {
    /// They.
    pub definitions: Arc<Definitions>,
    /// Whether they could not be read in time, and are those that were read last, without
    /// the defaults that let evidence out of a domain.
    pub is_stale: bool,
}

/// Reads definitions through a cache that a change of them voids.
#[derive(Clone)]
pub struct DefinitionReader {
    store: Arc<dyn RecordStore>,
    /// Held for a look alone, and never while the store is read.
    cached: Arc<Mutex<Option<Read>>>,
}

impl DefinitionReader {
    /// Reads from `store`.
    #[must_use]
    pub fn new(store: Arc<dyn RecordStore>) -> Self {
        Self { store, cached: Arc::default() }
    }

    /// Every domain, as of now. When the store cannot be read, the last definitions are used
    /// on, for a stop of the service helps nobody; but as nobody knows whether a default was
    /// withdrawn meanwhile, none of them lets evidence out of its domain.
    ///
    /// # Errors
    /// When the store cannot be read and never was.
    pub async fn all(&self) -> StoreResult<Arc<Definitions>> {
        let known = self.lock().clone();
        match (self.read(known.as_ref()).await, known) {
            (Ok(definitions), _) => Ok(definitions),
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "definitions could not be read; the last ones are used on");
                Ok(Arc::new(without_defaults(&known.definitions)))
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn read(&self, known: Option<&Read>) -> StoreResult<Arc<Definitions>> {
        let mark = self.store.get(MARK.0, MARK.1).await?;
        if let Some(known) = known
            && known.mark == mark
            && known.at.elapsed() < MAX_AGE
        {
            return Ok(known.definitions.clone());
        }
        let (at, read) = (Instant::now(), definitions(&*self.store).await?);
        let definitions = Arc::new(read);
        *self.lock() = Some(Read { at, mark, definitions: definitions.clone() });
        Ok(definitions)
    }

    /// Every domain, as of now; `None` when this one is not among them.
    async fn read_with(
        &self,
        known: Option<&Read>,
        id: &DomainId,
    ) -> StoreResult<Option<Arc<Definitions>>> {
        let read = self.read(known).await?;
        if read.contains_key(id) {
            return Ok(Some(read));
        }
        // Whatever became of the mark.
        let read = self.read(None).await?;
        Ok(read.contains_key(id).then_some(read))
    }

    /// Every domain, of which there is this one.
    ///
    /// # Errors
    /// As for [`DefinitionReader::domain`].
    pub async fn with(&self, id: &DomainId) -> Result<Arc<Definitions>, NoDefinition> {
        let known = self.all().await?;
        if known.contains_key(id) {
            return Ok(known);
        }
        let read = self.read(None).await?;
        if read.contains_key(id) { Ok(read) } else { Err(NoDefinition::Unknown(id.clone())) }
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
        let known = self.lock().clone();
        let last = known.as_ref().filter(|last| last.definitions.contains_key(domain));
        let wait = if last.is_some() { wait.min(PATIENCE) } else { wait };
        let too_late = |_| StoreError::Unavailable("definitions took too long".into());
        let read = timeout(wait, self.read_with(known.as_ref(), domain)).await;
        match (read.map_err(too_late).flatten(), last) {
            (Ok(Some(definitions)), _) => Ok(KnownDefinitions { definitions, is_stale: false }),
            (Ok(None), _) => Err(NoDefinition::Unknown(domain.clone())),
            (Err(error), Some(last)) => {
                tracing::error!(%error, "definitions could not be read; the last ones serve");
                let definitions = Arc::new(without_defaults(&last.definitions));
                Ok(KnownDefinitions { definitions, is_stale: true })
            }
            (Err(error), None) => Err(error.into()),
        }
    }

    /// One domain, as of now. One that is not known is looked for in the store, so
    /// that a domain defined a moment ago is known whatever became of the mark.
    ///
    /// # Errors
    /// [`NoDefinition`] when it is not defined, or the store cannot be read.
    pub async fn domain(&self, id: &DomainId) -> Result<DomainDefinition, NoDefinition> {
        let definitions = self.with(id).await?;
        definitions.get(id).cloned().ok_or_else(|| NoDefinition::Unknown(id.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Read>> {
        // Nothing can panic while it is held.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The definitions with no default for a direction out of a domain. A refusal of what is
/// usual within one stays.
fn without_defaults(definitions: &Definitions) -> Definitions {
    let mut narrowed = definitions.clone();
    for definition in narrowed.values_mut() {
        definition.consent_defaults.retain(|default| !default.granted);
    }
    narrowed
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use crossfold_core::entities::purpose::Purpose;
    use serde_json::json;

    use super::*;
    use crate::faults::{Fault, FaultPlan, faulty};
    use crate::memory;

    fn domain(name: &str) -> DomainId {
        DomainId::parse(name).unwrap()
    }

    /// A domain that lets its evidence go elsewhere unless people object, or does not.
    async fn define(store: &dyn RecordStore, name: &str, granted: bool) {
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": name, "currency": "EUR", "event_types": {"view": {"weight": 1}},
            "consent_defaults": [
                {"to": "elsewhere", "purpose": "training", "granted": granted},
                {"to": name, "purpose": "training", "granted": false},
            ],
        }))
        .unwrap();
        records::put(store, &domain(name), &definition).await.unwrap();
    }

    #[tokio::test]
    async fn experiments_that_cannot_be_read_keep_nobody_from_being_served() {
        use crossfold_core::entities::experiment::of_domain::DomainExperiments;
        let stores = memory::stores();
        define(&*stores.records, "knowledge", false).await;
        define(&*stores.records, "auto", false).await;
        let newer = r#"{"life": 0, "experiments": [{"of": "a newer program"}]}"#.to_owned();
        stores.records.put(DomainExperiments::KIND, "auto", newer).await.unwrap();
        let read = definitions(&*stores.records).await.unwrap();
        assert_eq!(read.len(), 2);
        assert!(read.values().all(|definition| definition.experiments.is_empty()));
    }

    async fn lets_out(reader: &DefinitionReader) -> bool {
        let own = domain("knowledge");
        let definition = reader.domain(&own).await.unwrap();
        assert!(!definition.consent_default(&own, &own, Purpose::Training));
        definition.consent_default(&own, &domain("elsewhere"), Purpose::Training)
    }

    #[tokio::test]
    async fn a_default_that_was_withdrawn_by_another_process_is_gone_at_the_next_request() {
        let store = memory::stores().records;
        define(&*store, "knowledge", true).await;
        announce_change(&*store, UniqueId::from_u128(1)).await.unwrap();
        let reader = DefinitionReader::new(store.clone());
        assert!(lets_out(&reader).await);
        define(&*store, "knowledge", false).await;
        assert!(lets_out(&reader).await, "nothing was acknowledged yet");
        announce_change(&*store, UniqueId::from_u128(2)).await.unwrap();
        assert!(!lets_out(&reader).await);
    }

    #[tokio::test]
    async fn a_domain_defined_a_moment_ago_is_known_and_an_unknown_one_is_not() {
        let store = memory::stores().records;
        let reader = DefinitionReader::new(store.clone());
        assert!(reader.all().await.unwrap().is_empty());
        define(&*store, "knowledge", true).await;
        assert!(reader.domain(&domain("knowledge")).await.is_ok());
        let unknown = reader.domain(&domain("travel")).await;
        assert!(matches!(unknown, Err(NoDefinition::Unknown(_))), "{unknown:?}");
    }

    #[tokio::test]
    async fn definitions_that_cannot_be_read_again_let_nothing_out_by_default() {
        let fails = Arc::new(AtomicBool::new(false));
        let failing = fails.clone();
        let plan = FaultPlan::from_fn(move |_| {
            if failing.load(Ordering::Relaxed) { Fault::Before } else { Fault::None }
        });
        let stores = memory::stores();
        define(&*stores.records, "knowledge", true).await;
        let store = faulty(stores, &plan).records;
        let reader = DefinitionReader::new(store.clone());
        assert!(lets_out(&reader).await);
        fails.store(true, Ordering::Relaxed);
        assert!(!lets_out(&reader).await);
        let new = DefinitionReader::new(store);
        assert!(matches!(new.domain(&domain("knowledge")).await, Err(NoDefinition::Store(_))));
        fails.store(false, Ordering::Relaxed);
        assert!(lets_out(&reader).await);
    }

    #[tokio::test(start_paused = true)]
    async fn within_a_time_definitions_are_fresh_or_said_to_be_stale_or_cannot_be_told() {
        let (stores, hangs) = (memory::stores(), Arc::new(AtomicBool::new(true)));
        define(&*stores.records, "knowledge", true).await;
        let hanging = hangs.clone();
        let plan = FaultPlan::from_fn(move |_| {
            if hanging.load(Ordering::Relaxed) { Fault::Hangs } else { Fault::None }
        });
        let reader = DefinitionReader::new(faulty(stores, &plan).records);
        let ask = async |name: &str| {
            let began = Instant::now();
            let known = reader.within(Duration::from_secs(2), &domain(name)).await;
            (known, began.elapsed())
        };
        let (never_read, elapsed) = ask("knowledge").await;
        assert!(matches!(never_read, Err(NoDefinition::Store(_))), "{never_read:?}");
        assert_eq!(elapsed, Duration::from_secs(2));
        hangs.store(false, Ordering::Relaxed);
        assert!(!ask("knowledge").await.0.unwrap().is_stale);
        assert!(matches!(ask("other").await.0, Err(NoDefinition::Unknown(_))));
        hangs.store(true, Ordering::Relaxed);
        assert!(matches!(ask("other").await.0, Err(NoDefinition::Store(_))));
        let (outdated, elapsed) = ask("knowledge").await;
        let outdated = outdated.unwrap();
        assert_eq!((outdated.is_stale, elapsed), (true, PATIENCE));
        let (own, to) = (domain("knowledge"), domain("elsewhere"));
        let definition = &outdated.definitions[&own];
        assert!(!definition.consent_default(&own, &to, Purpose::Training));
    }
}
