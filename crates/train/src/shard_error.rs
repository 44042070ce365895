//! Why a task of the shard worker failed.

use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::StoreError;
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::maths::als::InvalidOptions;
use crossfold_core::maths::dense::NotPositiveDefinite;
use crossfold_core::training::TrainingError;
use crossfold_core::training::sharding::plan::TooLarge;
use crossfold_core::training::sharding::shard::ShardError;
use crossfold_registry::load::LoadError;
use lambda_runtime::Diagnostic;

use crate::training_input::GatherError;
use crate::worker::WorkerError;
use crate::working_files::WorkingFileError;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub enum ShardWorkerError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A working file cannot be used.
    #[error(transparent)]
    File(#[from] WorkingFileError),
    /// What to train on cannot be gathered.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// There is nothing to train on.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// A worker could not hold its part.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A shard could not be encoded.
    #[error("a shard cannot be written: {0}")]
    Shard(#[from] ShardError),
    /// Hyper-parameters are out of range.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The numbers were too extreme.
    #[error(transparent)]
    Numerical(#[from] NotPositiveDefinite),
    /// The champion of when the run was prepared cannot be read any more.
    #[error("the champion cannot be compared with: {0}")]
    Champion(#[from] LoadError),
    /// The model could not be made or published.
    #[error(transparent)]
    Publish(#[from] WorkerError),
    /// The run has no record.
    #[error("there is no training run {0}")]
    NoRun(TrainingRunId),
    /// The plan has no such step or shard.
    #[error("the plan has no step {step} with a shard {shard} of fit {fit}")]
    NoShard {
        /// The step asked for.
        step: usize,
        /// The fit asked for.
        fit: usize,
        /// The shard asked for.
        shard: usize,
    },
    /// The thread that computed died.
    #[error("the computation was interrupted")]
    Interrupted,
}

impl Retryable for ShardWorkerError {
    fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Store(error) => error.is_worth_another_try(),
            Self::File(error) => error.is_worth_another_try(),
            Self::Champion(error) => error.is_worth_another_try(),
            Self::Gather(error) => error.is_worth_another_try(),
            Self::Publish(error) => error.is_worth_another_try(),
            Self::Training(_)
            | Self::TooLarge(_)
            | Self::Shard(_)
            | Self::Options(_)
            | Self::Numerical(_)
            | Self::NoRun(_)
            | Self::NoShard { .. }
            | Self::Interrupted => false,
        }
    }
}

/// The names by which the state machine tells what is worth another try.
impl From<ShardWorkerError> for Diagnostic {
    fn from(error: ShardWorkerError) -> Self {
        let kind = if error.is_worth_another_try() { "Unavailable" } else { "TaskFailed" };
        Self { error_type: kind.into(), error_message: error.to_string() }
    }
}
