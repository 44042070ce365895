//! What the handlers work with.

use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::machine::Machine;
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
    /// Derives pseudonyms, and the secrets of write keys.
    pub pseudonymiser: Pseudonymiser,
    /// The time, and fresh ids.
    pub machine: Machine,
    /// Whether a domain's name stands for a write key of it.
    pub(crate) takes_names_for_keys: bool,
    /// Whether no other process knows the domains.
    pub(crate) is_alone: bool,
    /// Where what came in is counted.
    pub activity: ActivityLog,
}

impl IngestState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, machine: Machine) -> Self {
        let definitions = DefinitionReader::new(stores.records.clone());
        let activity = ActivityLog::new(stores.activity.clone(), machine.clock.clone());
        Self {
            stores,
            definitions,
            pseudonymiser,
            machine,
            takes_names_for_keys: false,
            is_alone: false,
            activity,
        }
    }

    /// The same state, counting in a log that others count in as well.
    #[must_use]
    pub fn with_activity(self, activity: ActivityLog) -> Self {
        Self { activity, ..self }
    }

    /// The same for a development server, one process where whoever connects may
    /// do anything: a domain's name is as good as a write key of it.
    #[must_use]
    pub fn for_development(self) -> Self {
        Self { takes_names_for_keys: true, is_alone: true, ..self }
    }

    pub(crate) fn pseudonym(&self, domain: &DomainId, user: &str) -> Result<Pseudonym, Problem> {
        Ok(self.pseudonymiser.pseudonym(domain, &UserId::parse(user)?))
    }
}
