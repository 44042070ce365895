//! What the handlers work with.

use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_edge::problem::Problem;
use crossfold_storage::activity_log::ActivityLog;
use crossfold_storage::definition_reader::DefinitionReader;

/// What the handlers work with.
#[derive(Clone)]
pub struct IngestState {
    /// The stores.
    pub stores: Stores,
    /// Domain definitions, cached.
    pub definitions: DefinitionReader,
    /// Derives pseudonyms.
    pub pseudonymiser: Pseudonymiser,
    /// The time.
    pub clock: Clock,
    /// Where what came in is counted.
    pub activity: ActivityLog,
}

impl IngestState {
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

    pub(crate) fn pseudonym(&self, domain: &DomainId, user: &str) -> Result<Pseudonym, Problem> {
        Ok(self.pseudonymiser.pseudonym(domain, &UserId::parse(user)?))
    }
}
