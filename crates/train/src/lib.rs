//! Training runs: asked for through the API or by the schedule, carried out by
//! a worker that reads the archive, trains, and publishes the model if the gate
//! lets it; or, beyond one machine, by a state machine whose tasks the shard
//! worker carries out. Models are listed, promoted and rolled back here.

mod archive_reader;
mod drift_log;
mod erasures;
mod function_memory;
mod function_price;
mod half_iteration;
mod item_vectors;
mod model_routes;
mod new_run;
mod old_samples;
mod pause;
mod quarantine;
mod rekeying;
mod routes;
mod seen;
mod set_aside_eraser;
mod settings;
mod shard_error;
mod shard_fits;
mod shard_worker;
mod status;
mod stored_tuner;
mod training_input;
mod upkeep;
mod worker;
mod working_files;

pub use archive_reader::{EventLimit, ReadError};
pub use function_memory::FunctionMemory;
pub use function_price::function_price;
pub use model_routes::{DEFAULT_PAGE, MAX_PAGE};
pub use new_run::{InvalidOrder, RunOrder, TuningOrder, new_run};
pub use pause::Pause;
pub use quarantine::QuarantineError;
pub use routes::{DEFAULT_RUNS, MAX_RUNS, TrainingState, routes};
pub use settings::{keep_models, tuning_by_default};
pub use shard_error::ShardWorkerError;
pub use shard_worker::{ExecutionEnded, ShardOutcome, ShardTask, ShardTrigger, ShardWorker};
pub use training_input::GatherError;
pub use upkeep::ArchiveRetention;
pub use worker::{Progress, ScheduledEvent, Trigger, Worker, WorkerError};
pub use working_files::WorkingFileError;
