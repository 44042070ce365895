//! The production adapter keeps the ports' promises on servers that others wrote.

use crossfold_e2e::ministack::{Ministack, sdk_config};
use crossfold_storage::aws::{self, StorageConfig, schema};
use crossfold_storage::conformance;

/// Names the URL of AWS's own DynamoDB Local, where there is one.
const DYNAMODB_LOCAL_VARIABLE: &str = "CROSSFOLD_DYNAMODB_LOCAL";

#[tokio::test(flavor = "multi_thread")]
async fn ministack_keeps_every_promise() {
    let ministack = Ministack::start().await.unwrap();
    let (sdk, config) = (ministack.sdk_config(), StorageConfig::with_prefix("conformance"));
    schema::provision(&sdk, &config).await.unwrap();
    schema::provision(&sdk, &config).await.unwrap();
    let stores = aws::stores(&sdk, &config);
    conformance::run_all(&stores).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_keeps_every_promise_of_the_tables() {
    let Ok(endpoint) = std::env::var(DYNAMODB_LOCAL_VARIABLE) else {
        eprintln!("skipped: {DYNAMODB_LOCAL_VARIABLE} is not set");
        return;
    };
    let (sdk, config) = (sdk_config(&endpoint), StorageConfig::with_prefix("conformance"));
    schema::provision_tables(&sdk, &config).await.unwrap();
    let stores = aws::stores(&sdk, &config);
    conformance::run_tables(&stores).await.unwrap_or_else(|failures| panic!("{failures}"));
}
