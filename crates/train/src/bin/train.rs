//! The Lambda function `train`: the worker.

use crossfold_edge::{clock::Clock, telemetry};
use crossfold_storage::aws;
use crossfold_train::{Trigger, Worker};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let worker = &Worker::new(aws::stores(&sdk, &aws::StorageConfig::from_env()?), Clock::system());
    let handle =
        async |event: LambdaEvent<Trigger>| worker.handle(event.payload).await.map_err(Error::from);
    lambda_runtime::run(service_fn(handle)).await
}
