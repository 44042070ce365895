//! Training runs: asked for through the API or by the schedule, carried out by
//! a worker that reads the archive, trains, and publishes the model.

mod archive_reader;
mod new_run;
mod publish;
mod routes;
mod worker;

pub use archive_reader::ReadError;
pub use new_run::new_run;
pub use publish::{PublishError, publish};
pub use routes::{TrainingState, routes};
pub use worker::{Progress, Trigger, Worker, WorkerError};
