//! The routes of `recommend` and what they share.

use crossfold_core::ports::Stores;
use crossfold_core::pseudonym::Pseudonymiser;
use crossfold_edge::clock::Clock;
use crossfold_edge::definitions::DefinitionReader;
use crossfold_edge::router::Routes;

use crate::catalogue_cache::CatalogueCache;
use crate::model_cache::ModelCache;
use crate::recommendations::post_recommendations;

/// What the handlers work with.
#[derive(Clone)]
pub struct RecommendState {
    pub(crate) stores: Stores,
    pub(crate) definitions: DefinitionReader,
    pub(crate) pseudonymiser: Pseudonymiser,
    pub(crate) models: ModelCache,
    pub(crate) catalogues: CatalogueCache,
    pub(crate) clock: Clock,
}

impl RecommendState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, clock: Clock) -> Self {
        Self {
            definitions: DefinitionReader::new(stores.control.clone()),
            models: ModelCache::new(stores.objects.clone()),
            catalogues: CatalogueCache::new(stores.catalogue.clone()),
            pseudonymiser,
            clock,
            stores,
        }
    }

    /// The same state, seeing new models and items at once instead of within
    /// half a minute: for one process with storage of its own.
    #[must_use]
    pub fn without_delay(self) -> Self {
        Self {
            models: self.models.without_delay(),
            catalogues: self.catalogues.without_delay(),
            ..self
        }
    }
}

/// The routes.
pub fn routes() -> Routes<RecommendState> {
    Routes::new().post("/v1/recommendations", post_recommendations)
}
