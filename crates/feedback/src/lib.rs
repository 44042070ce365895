//! Feedback: what people did with what they were shown, and experiments on what they are.

mod experiments;
mod outcome_evidence;
mod outcomes;

use crossfold_core::entities::machine::Machine;
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
    machine: Machine,
    activity: ActivityLog,
}

impl FeedbackState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, machine: Machine) -> Self {
        let definitions = DefinitionReader::new(stores.records.clone());
        let activity = ActivityLog::new(stores.activity.clone(), machine.clock.clone());
        Self { stores, definitions, pseudonymiser, machine, activity }
    }

    /// The same state, counting in a log that others count in as well.
    #[must_use]
    pub fn with_activity(self, activity: ActivityLog) -> Self {
        Self { activity, ..self }
    }
}

/// The routes.
pub fn routes() -> Routes<FeedbackState> {
    Routes::new()
        .post("/v1/feedback", outcomes::post_feedback)
        .post("/v1/experiments", experiments::post_experiment)
        .get("/v1/experiments", experiments::get_experiments)
        .get("/v1/experiments/{experiment}", experiments::get_experiment)
        .put("/v1/experiments/{experiment}", experiments::put_experiment)
        .get("/v1/experiments/{experiment}/report", experiments::get_report)
        .post("/v1/experiments/{experiment}/review", experiments::post_review)
        .post("/v1/experiments/{experiment}/state", experiments::post_state)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use crossfold_core::entities::clock::{Clock, Stopwatch};
    use crossfold_core::entities::dice::Dice;
    use crossfold_core::entities::unique_id::{Ids, UniqueId};
    use jiff::Timestamp;

    use super::*;

    /// A machine at an instant.
    pub(crate) fn machine_at(now: Timestamp) -> Machine {
        let next = std::sync::atomic::AtomicU64::new(1);
        let fresh = move || next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Machine {
            clock: Clock::from_fn(move || now),
            stopwatch: Stopwatch::from_fn(|| Duration::ZERO),
            ids: Ids::from_fn(move || UniqueId::from_u128(u128::from(fresh()))),
            dice: Dice::from_fn(|| 7),
        }
    }
}
