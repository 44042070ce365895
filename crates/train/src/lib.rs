//! Training runs: asked for through the API or by the schedule, carried out by
//! a worker that reads the archive, trains, and publishes the model.

mod archive_reader;
mod function_price;
mod new_run;
mod publish;
mod quarantine;
mod routes;
mod stored_tuner;
mod worker;

pub use archive_reader::ReadError;
pub use function_price::{InvalidPrice, function_price};
pub use new_run::{InvalidOrder, RunOrder, new_run};
pub use publish::{PublishError, publish};
pub use quarantine::QuarantineError;
pub use routes::{TrainingState, routes};
pub use worker::{Progress, Trigger, Worker, WorkerError};
