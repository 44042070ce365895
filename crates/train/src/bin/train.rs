//! The Lambda function `train`: the worker.

use crossfold_edge::{system, telemetry};
use crossfold_storage::aws;
use crossfold_train::{FunctionMemory, Trigger, Worker, function_price, keep_models};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let price = function_price(|variable| std::env::var(variable).ok())?;
    let stores = aws::stores(&sdk, &aws::StorageConfig::from_env()?);
    let worker = Worker::new(stores, system::clock()).with_price(price);
    let worker = worker.with_limit(FunctionMemory::from_env()?.event_limit());
    let worker = &worker.keeping_models(keep_models()?);
    let handle =
        async |event: LambdaEvent<Trigger>| worker.handle(event.payload).await.map_err(Error::from);
    lambda_runtime::run(service_fn(handle)).await
}
