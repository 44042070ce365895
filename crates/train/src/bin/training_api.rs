//! The Lambda function `training-api`.

use crossfold_edge::{clock::Clock, lambda, telemetry};
use crossfold_storage::aws;
use crossfold_train::{TrainingState, routes};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let stores = aws::stores(&sdk, &aws::StorageConfig::from_env()?);
    let (control, objects) = (stores.control, stores.objects);
    let state = TrainingState { control, objects, clock: Clock::system() };
    lambda::run(routes().with_state(state)).await
}
