//! The Lambda function `campaign`.

use std::sync::Arc;
use std::time::Duration;

use crossfold_edge::{system, telemetry};
use crossfold_recommend::{CampaignCall, Campaigns, Limits, RecommendState};
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::{aws, key_versions, pseudonym_key};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let sdk = aws::sdk_config().await;
    let keys = pseudonym_key::from_secret(&sdk).await?;
    let config = aws::StorageConfig::from_env()?;
    let stores = rekeyed(aws::stores(&sdk, &config), &keys);
    key_versions::verify(&*stores.records, &keys).await?;
    // Nobody waits for a slate that is pushed: it is rather made well than soon.
    let state = RecommendState::new(stores, keys, system::machine())
        .with_limits(Limits::of_request(Duration::from_secs(10)))
        .with_stored_catalogues(config.catalog_table.name()?);
    let campaigns = &Campaigns::new(state, Arc::new(aws::EventBus::new(&sdk, &config)));
    let handle = async |event: LambdaEvent<CampaignCall>| {
        campaigns.handle(event.payload).await.map_err(Error::from)
    };
    lambda_runtime::run(service_fn(handle)).await
}
