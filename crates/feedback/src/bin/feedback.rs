//! The Lambda function `feedback`.

use crossfold_edge::{lambda, system, telemetry};
use crossfold_feedback::{FeedbackState, routes};
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::{aws, key_versions, pseudonym_key};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let stores = aws::stores(&sdk, &aws::StorageConfig::from_env()?);
    let pseudonymiser = pseudonym_key::from_secret(&sdk).await?;
    key_versions::verify(&*stores.records, &pseudonymiser).await?;
    let stores = rekeyed(stores, &pseudonymiser);
    lambda::run(routes().with_state(FeedbackState::new(stores, pseudonymiser, system::machine())))
        .await
}
