//! Pushes on a bus of EventBridge, for whoever has a rule there.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use crossfold_core::entities::ports::{PushChannel, StoreError, StoreResult};
use crossfold_core::entities::push::Push;

use super::config::{Resource, StorageConfig};
use super::error::{malformed, service_error};

/// What events on the bus name as their source.
pub const SOURCE: &str = "crossfold";
/// What events with a push name as their kind.
pub const PUSH: &str = "Crossfold Push";

/// [`PushChannel`] on EventBridge: an event for each push, with the push as its detail.
pub struct EventBus {
    client: Client,
    bus: Resource,
}

impl EventBus {
    /// The bus that a configuration names. Without one, every delivery is refused.
    #[must_use]
    pub fn new(sdk: &SdkConfig, config: &StorageConfig) -> Self {
        Self { client: Client::new(sdk), bus: config.event_bus.clone() }
    }
}

#[async_trait]
impl PushChannel for EventBus {
    async fn deliver(&self, push: &Push) -> StoreResult<()> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(self.bus.name()?)
            .source(SOURCE)
            .detail_type(PUSH)
            .detail(serde_json::to_string(push).map_err(malformed)?)
            .build();
        let put = self.client.put_events().entries(entry).send().await.map_err(service_error)?;
        // The call is answered well though an entry was not taken.
        match put.entries().iter().find_map(|entry| entry.error_code()) {
            None if put.failed_entry_count() == 0 => Ok(()),
            code => {
                let code = code.unwrap_or("no reason is given").to_owned();
                Err(StoreError::unavailable("the bus did not take a push", code))
            }
        }
    }
}
