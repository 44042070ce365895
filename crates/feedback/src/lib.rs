//! Feedback: what people did with what they were shown.

mod outcome_evidence;
mod outcomes;

use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_edge::router::Routes;
use crossfold_storage::activity_log::ActivityLog;
use crossfold_storage::definition_reader::DefinitionReader;

pub use outcomes::MAX_OUTCOMES;

/// What the handlers work with.
#[derive(Clone)]
pub struct FeedbackState {
    stores: Stores,
    definitions: DefinitionReader,
    pseudonymiser: Pseudonymiser,
    clock: Clock,
    activity: ActivityLog,
}

impl FeedbackState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, clock: Clock) -> Self {
        let definitions = DefinitionReader::new(stores.records.clone());
        let activity = ActivityLog::new(stores.activity.clone(), clock.clone());
        Self { stores, definitions, pseudonymiser, clock, activity }
    }

    /// The same state, counting in a log that others count in as well.
    #[must_use]
    pub fn with_activity(self, activity: ActivityLog) -> Self {
        Self { activity, ..self }
    }
}

/// The routes.
pub fn routes() -> Routes<FeedbackState> {
    Routes::new().post("/v1/feedback", outcomes::post_feedback)
}
