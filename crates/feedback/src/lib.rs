//! Feedback: what people did with what they were shown.

mod outcomes;

use axum::Router;
use axum::routing::post;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_storage::definition_reader::DefinitionReader;

/// What the handlers work with.
#[derive(Clone)]
pub struct FeedbackState {
    stores: Stores,
    definitions: DefinitionReader,
    pseudonymiser: Pseudonymiser,
    clock: Clock,
}

impl FeedbackState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, clock: Clock) -> Self {
        let definitions = DefinitionReader::new(stores.records.clone());
        Self { stores, definitions, pseudonymiser, clock }
    }
}

/// The routes.
pub fn routes(state: FeedbackState) -> Router {
    Router::new().route("/v1/feedback", post(outcomes::post_feedback)).with_state(state)
}
