//! New training runs.

use crossfold_core::als::{AlsOptions, InvalidOptions};
use crossfold_core::ids::TrainingRunId;
use crossfold_core::training_run::{TrainingRun, TrainingRunState};
use jiff::Timestamp;

/// A queued run, not yet recorded. Its id is a UUID of version 7, so that runs
/// sort by time.
///
/// # Errors
/// [`InvalidOptions`] when a hyper-parameter is out of its range.
pub fn new_run(options: AlsOptions, now: Timestamp) -> Result<TrainingRun, InvalidOptions> {
    options.check()?;
    let Ok(id) = TrainingRunId::parse(&uuid::Uuid::now_v7().to_string()) else {
        unreachable!("a UUID is a valid identifier");
    };
    Ok(TrainingRun {
        id,
        requested_at: now,
        options,
        accept_fewer_events: false,
        state: TrainingRunState::Queued,
    })
}
