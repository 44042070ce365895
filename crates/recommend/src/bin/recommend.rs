//! The Lambda function `recommend`.

use crossfold_core::entities::settings::Settings;
use crossfold_edge::{lambda, system, telemetry};
use crossfold_recommend::{Limits, RecommendState, routes};
use crossfold_storage::pseudonym_key::KeyError;
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::{aws, key_versions, pseudonym_key};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let machine = system::machine();
    let began = machine.stopwatch.read();
    let limits = Limits::of(&Settings::of_process())?;
    let sdk = aws::sdk_config().await;
    let pseudonymiser = pseudonym_key::from_secret(&sdk).await?;
    let sdk = aws::answering_within(&sdk, limits.request());
    let config = aws::StorageConfig::from_env()?;
    let stores = aws::stores(&sdk, &config);
    match key_versions::verify(&*stores.records, &pseudonymiser).await {
        // What the keys are held against cannot be read: a slate is made all the same.
        Err(KeyError::Secret(error)) => tracing::error!(%error, "the keys could not be verified"),
        verified => verified?,
    }
    let stores = rekeyed(stores, &pseudonymiser);
    let state = RecommendState::new(stores, pseudonymiser, machine)
        .with_stored_catalogues(config.catalog_table.name()?)
        .with_limits(limits);
    lambda::run(routes().with_state(state.warmed_up(began).await)).await
}
