//! The Lambda function `training-api`.

use crossfold_edge::{clock::Clock, lambda, telemetry};
use crossfold_storage::aws;
use crossfold_train::{TrainingState, routes};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let control = aws::stores(&sdk, &aws::StorageConfig::from_env()?).control;
    lambda::run(routes(TrainingState { control, clock: Clock::system() })).await
}
