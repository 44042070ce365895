//! The Lambda function `archive`.

use crossfold_edge::telemetry;
use crossfold_ingest::archive::Archiver;
use crossfold_storage::aws;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let archiver = &Archiver::new(aws::stores(&sdk, &aws::StorageConfig::from_env()?).objects);
    let handle =
        async |event: LambdaEvent<_>| archiver.handle(event.payload).await.map_err(Error::from);
    lambda_runtime::run(service_fn(handle)).await
}
