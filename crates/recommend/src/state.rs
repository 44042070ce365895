//! What the handlers work with.

use std::sync::Arc;

use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_storage::activity_log::ActivityLog;
use crossfold_storage::definition_reader::DefinitionReader;
use crossfold_storage::write_count::WriteCount;
use tokio::sync::Mutex;

use crate::catalogue_cache::CatalogueCache;
use crate::deadline::{Deadlines, Limits};
use crate::descriptions::DescriptionCache;
use crate::model_cache::ModelCache;
use crate::search_cache::SearchCache;
use crate::stored_catalogues::StoredCatalogues;

/// What the handlers work with.
#[derive(Clone)]
pub struct RecommendState {
    pub(crate) stores: Stores,
    pub(crate) definitions: DefinitionReader,
    pub(crate) pseudonymiser: Pseudonymiser,
    pub(crate) models: ModelCache,
    pub(crate) catalogues: CatalogueCache,
    pub(crate) descriptions: DescriptionCache,
    pub(crate) searches: SearchCache,
    pub(crate) deadlines: Deadlines,
    pub(crate) machine: Machine,
    pub(crate) activity: ActivityLog,
    /// Held while a model that is not the champion is loaded for a replay.
    pub(crate) replayed_models: Arc<Mutex<()>>,
}

impl RecommendState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, machine: Machine) -> Self {
        let stopwatch = machine.stopwatch.clone();
        Self {
            definitions: DefinitionReader::new(stores.records.clone()),
            models: ModelCache::new(stores.objects.clone(), stopwatch.clone(), &machine.dice),
            catalogues: CatalogueCache::new(stores.catalogue.clone(), stopwatch.clone()),
            descriptions: DescriptionCache::new(stores.objects.clone(), stopwatch.clone()),
            searches: SearchCache::new(),
            deadlines: Deadlines::new(stopwatch, Limits::default()),
            activity: ActivityLog::new(stores.activity.clone(), machine.clock.clone()),
            replayed_models: Arc::default(),
            pseudonymiser,
            machine,
            stores,
        }
    }

    /// The same state with other limits for how long a request may take.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { deadlines: self.deadlines.with(limits), ..self }
    }

    /// The same state, beginning with the catalogues of a table as they are stored in the bucket, and
    /// storing them there: for processes that come and go over tables that are far away.
    #[must_use]
    pub fn with_stored_catalogues(self, table: &str) -> Self {
        let objects = self.stores.objects.clone();
        let stored = StoredCatalogues::new(objects, table.to_owned(), &self.machine);
        Self { catalogues: self.catalogues.with_stored(stored), ..self }
    }

    /// The same state, counting in a log that others count in as well.
    #[must_use]
    pub fn with_activity(self, activity: ActivityLog) -> Self {
        Self { activity, ..self }
    }

    /// The same state, seeing new models and items at once instead of within
    /// half a minute: for one process with storage of its own.
    #[must_use]
    pub fn without_delay(self) -> Self {
        Self {
            models: self.models.without_delay(),
            catalogues: self.catalogues.without_delay(),
            descriptions: self.descriptions.without_delay(),
            searches: self.searches.without_delay(),
            ..self
        }
    }

    /// The same state, asking for changes only of catalogues that were written to.
    #[must_use]
    pub fn counting_writes(self, writes: WriteCount) -> Self {
        Self { catalogues: self.catalogues.counting(writes), ..self }
    }
}
