//! The Lambda function `train`: the worker.

use crossfold_core::entities::settings::Settings;
use crossfold_edge::{system, telemetry};
use crossfold_storage::aws;
use crossfold_train::{
    FunctionMemory, Trigger, Worker, function_price, keep_models, tuning_by_default,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let settings = Settings::of_process();
    let stores = aws::stores(&aws::sdk_config().await, &aws::StorageConfig::of(&settings)?);
    let worker = Worker::new(stores, system::clock()).with_price(function_price(&settings)?);
    let worker = worker.with_limit(FunctionMemory::of(&settings)?.event_limit());
    let worker = worker.tuning_by_default(tuning_by_default(&settings)?);
    let worker = &worker.keeping_models(keep_models(&settings)?);
    let handle =
        async |event: LambdaEvent<Trigger>| worker.handle(event.payload).await.map_err(Error::from);
    lambda_runtime::run(service_fn(handle)).await
}
