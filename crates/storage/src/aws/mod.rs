//! The production adapter: every port on DynamoDB and S3.
//!
//! [`sdk_config`] reads the environment as every AWS SDK does and sets time
//! limits and retries; [`StorageConfig`] names the tables and the bucket;
//! [`stores`] puts the two together.

mod activity;
mod batch;
mod catalogue;
pub mod changes;
mod config;
mod decisions;
mod erased_ids;
mod error;
#[cfg(feature = "cloud")]
mod event_bus;
pub(crate) mod events;
mod marked_items;
mod objects;
mod people;
mod records;
mod rekeyed_events;
mod requests;
pub mod schema;
mod time;

use std::sync::Arc;

use aws_config::SdkConfig;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ports::Stores;
use jiff::Timestamp;

#[cfg(feature = "embedded")]
pub(crate) use config::retry_config;
pub use config::{Resource, StorageConfig};
#[cfg(feature = "cloud")]
pub use config::{answering_within, sdk_config};

#[cfg(feature = "cloud")]
pub(crate) use error::service_error;
#[cfg(feature = "cloud")]
pub use event_bus::{EventBus, PUSH, SOURCE};

use crate::retry::Waiting;

/// Every port on DynamoDB and S3. A resource that `config` does not name makes
/// only the calls that need it fail.
#[must_use]
pub fn stores(sdk: &SdkConfig, config: &StorageConfig) -> Stores {
    let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
    let s3 = config::s3_client(sdk);
    let events = events::DynamoDbEvents {
        client: dynamodb.clone(),
        table: config.events_table.clone(),
        retention: config.event_retention,
        waiting: Waiting::system(),
        clock: Clock::from_fn(Timestamp::now),
    };
    let people = people::DynamoDbPeople {
        client: dynamodb.clone(),
        table: config.people_table.clone(),
        waiting: Waiting::system(),
    };
    let catalogue = catalogue::DynamoDbCatalogue {
        client: dynamodb.clone(),
        table: config.catalog_table.clone(),
    };
    let decisions = decisions::DynamoDbDecisions {
        client: dynamodb.clone(),
        table: config.decisions_table.clone(),
        retention: config.decision_table_retention,
        waiting: Waiting::system(),
    };
    let records =
        records::DynamoDbRecords { client: dynamodb.clone(), table: config.control_table.clone() };
    let activity =
        activity::DynamoDbActivity { client: dynamodb, table: config.control_table.clone() };
    let objects = objects::S3Objects {
        client: s3,
        bucket: config.bucket.clone(),
        waiting: Waiting::system(),
    };
    Stores {
        events: Arc::new(events),
        people: Arc::new(people),
        catalogue: Arc::new(catalogue),
        decisions: Arc::new(decisions),
        records: Arc::new(records),
        objects: Arc::new(objects),
        activity: Arc::new(activity),
    }
}
