//! The Lambda function `training-api`.

use crossfold_core::entities::settings::Settings;
use crossfold_edge::{lambda, system, telemetry};
use crossfold_storage::aws;
use crossfold_train::{TrainingState, routes, tuning_by_default};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let settings = Settings::of_process();
    let stores = aws::stores(&sdk, &aws::StorageConfig::of(&settings)?);
    let state = TrainingState {
        records: stores.records,
        objects: stores.objects,
        activity: stores.activity,
        clock: system::clock(),
        tuning: tuning_by_default(&settings)?,
    };
    lambda::run(routes().with_state(state)).await
}
