//! Training runs: asked for through the API or by the schedule, carried out by
//! a worker that reads the archive, trains, and publishes the model if the gate
//! lets it; or, beyond one machine, by a state machine whose tasks the shard
//! worker carries out. Models are listed, promoted and rolled back here.

mod archive_reader;
mod drift_log;
mod function_memory;
mod function_price;
mod half_iteration;
mod model_listing;
mod model_routes;
mod new_run;
mod promotion;
mod publish;
mod quarantine;
mod retention;
mod routes;
mod settings;
mod shard_fits;
mod shard_worker;
mod stored_tuner;
mod training_input;
mod worker;
mod working_files;

pub use archive_reader::{EventLimit, ReadError};
pub use function_memory::{FunctionMemory, InvalidMemory};
pub use function_price::{InvalidPrice, function_price};
pub use model_listing::{ListedModel, ModelPage, list_models};
pub use model_routes::{DEFAULT_PAGE, MAX_PAGE};
pub use new_run::{InvalidOrder, RunOrder, new_run};
pub use promotion::{PromotionError, PromotionOrder, promote};
pub use publish::{PublishError, Published, publish};
pub use quarantine::QuarantineError;
pub use retention::clear_old_models;
pub use routes::{TrainingState, routes};
pub use settings::keep_models;
pub use shard_worker::{
    ExecutionEnded, ShardOutcome, ShardTask, ShardTrigger, ShardWorker, ShardWorkerError,
};
pub use training_input::GatherError;
pub use worker::{Progress, Trigger, Worker, WorkerError};
pub use working_files::WorkingFileError;
