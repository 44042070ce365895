//! The Lambda function `training-api`.

use crossfold_edge::{lambda, system, telemetry};
use crossfold_storage::aws;
use crossfold_train::{TrainingState, routes};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let stores = aws::stores(&sdk, &aws::StorageConfig::from_env()?);
    let (records, objects, activity) = (stores.records, stores.objects, stores.activity);
    let state = TrainingState { records, objects, activity, clock: system::clock() };
    lambda::run(routes().with_state(state)).await
}
