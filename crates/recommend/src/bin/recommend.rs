//! The Lambda function `recommend`.

use crossfold_core::entities::settings::Settings;
use crossfold_edge::{lambda, system, telemetry};
use crossfold_recommend::{Limits, RecommendState, routes};
use crossfold_storage::{aws, pseudonym_key};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let limits = Limits::of(&Settings::of_process())?;
    let sdk = aws::sdk_config().await;
    let pseudonymiser = pseudonym_key::from_secret(&sdk).await?;
    let sdk = aws::answering_within(&sdk, limits.request());
    let stores = aws::stores(&sdk, &aws::StorageConfig::from_env()?);
    let state = RecommendState::new(stores, pseudonymiser, system::machine());
    lambda::run(routes().with_state(state.with_limits(limits))).await
}
