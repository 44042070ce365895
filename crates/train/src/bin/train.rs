//! The Lambda function `train`: the worker.

use crossfold_core::entities::settings::Settings;
use crossfold_edge::{system, telemetry};
use crossfold_storage::{aws, key_versions, pseudonym_key};
use crossfold_train::{
    ArchiveRetention, FunctionMemory, Trigger, Worker, function_price, keep_models,
    tuning_by_default,
};
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let settings = Settings::of_process();
    let config = aws::StorageConfig::of(&settings)?;
    let retention =
        ArchiveRetention { events: config.event_retention, decisions: config.decision_retention };
    let sdk = aws::sdk_config().await;
    let stores = aws::stores(&sdk, &config);
    let keys = pseudonym_key::from_secret(&sdk).await?;
    key_versions::establish(&*stores.records, &keys, system::clock().now()).await?;
    let worker = Worker::new(stores, system::clock()).with_keys(&keys);
    let worker = worker.with_price(function_price(&settings)?);
    let worker = worker.with_limit(FunctionMemory::of(&settings)?.event_limit());
    let worker = worker.tuning_by_default(tuning_by_default(&settings)?);
    let worker = &worker.retaining(retention).keeping_models(keep_models(&settings)?);
    let handle = async |event: LambdaEvent<Trigger>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_millisecond);
        let worker = worker.clone().until(deadline.ok().and_then(Result::ok));
        worker.handle(event.payload).await.map_err(Error::from)
    };
    lambda_runtime::run(service_fn(handle)).await
}
