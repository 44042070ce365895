//! The Lambda function `shard`: the worker of training beyond one machine.

use crossfold_core::entities::settings::Settings;
use crossfold_edge::{system, telemetry};
use crossfold_storage::{aws, key_versions, pseudonym_key};
use crossfold_train::{ArchiveRetention, FunctionMemory, ShardTrigger, ShardWorker, keep_models};
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
    let memory = FunctionMemory::of(&settings)?;
    let worker =
        ShardWorker::new(stores, system::clock(), memory.shard_bounds(), memory.event_limit());
    let worker = worker.with_keys(&keys);
    let worker = &worker.retaining(retention).keeping_models(keep_models(&settings)?);
    let handle = async |event: LambdaEvent<ShardTrigger>| worker.handle(event.payload).await;
    lambda_runtime::run(service_fn(handle)).await
}
