//! The Lambda function `ingest`.

use crossfold_edge::{lambda, system, telemetry};
use crossfold_ingest::{IngestState, routes};
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::{aws, key_versions, pseudonym_key};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let stores = aws::stores(&sdk, &aws::StorageConfig::from_env()?);
    let pseudonymiser = pseudonym_key::from_secret(&sdk).await?;
    let now = system::clock().now();
    key_versions::establish(&*stores.records, &pseudonymiser, now).await?;
    let stores = rekeyed(stores, &pseudonymiser);
    lambda::run(routes().with_state(IngestState::new(stores, pseudonymiser, system::machine())))
        .await
}
