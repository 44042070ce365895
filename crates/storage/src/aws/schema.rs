//! The tables as data, and their creation on servers that stand in for AWS.
//! In AWS itself the template of the application creates them.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TableStatus, TimeToLiveSpecification,
};
use crossfold_core::entities::ports::{StoreError, StoreResult};

use super::config::{Resource, StorageConfig, s3_client};
use super::error::{malformed, service_error};

/// Partition key of every table.
pub const PARTITION_KEY: &str = "pk";
/// Sort key of every table that has one.
pub const SORT_KEY: &str = "sk";
/// The attribute by which DynamoDB deletes expired records.
pub const TTL_ATTRIBUTE: &str = "ttl";
/// The catalogue's index by number of change.
pub const CHANGES_INDEX: &str = "by-change";
/// Sort key of [`CHANGES_INDEX`]; its partition key is the table's.
pub const CHANGES_SORT_KEY: &str = "change_number";

/// The local index of events by time.
pub const TIME_INDEX: &str = "by-time";
/// Sort key of [`TIME_INDEX`]; its partition key is the table's.
pub const TIME_SORT_KEY: &str = "by_time";

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSchema {
    /// Which table.
    pub kind: TableKind,
    /// Whether it has a [`SORT_KEY`].
    pub has_sort_key: bool,
    /// Whether records expire by [`TTL_ATTRIBUTE`].
    pub expires: bool,
    /// Whether it has a stream of new images, which a function reads.
    pub has_stream: bool,
    /// Whether it has the index [`CHANGES_INDEX`].
    pub has_changes_index: bool,
    /// Whether it has the local index [`TIME_INDEX`].
    pub has_time_index: bool,
}

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// People and links.
    People,
    /// Events and dismissals.
    Events,
    /// Catalogue entries.
    Catalog,
    /// Decisions and outcomes.
    Decisions,
    /// Domain definitions and training runs.
    Control,
}

impl TableKind {
    /// Its name in a configuration.
    #[must_use]
    pub fn resource(self, config: &StorageConfig) -> &Resource {
        match self {
            Self::People => &config.people_table,
            Self::Events => &config.events_table,
            Self::Catalog => &config.catalog_table,
            Self::Decisions => &config.decisions_table,
            Self::Control => &config.control_table,
        }
    }
}

const PLAIN: TableSchema = TableSchema {
    kind: TableKind::Control,
    has_sort_key: true,
    expires: false,
    has_stream: false,
    has_changes_index: false,
    has_time_index: false,
};

/// Every table.
pub const TABLES: [TableSchema; 5] = [
    TableSchema { kind: TableKind::People, has_sort_key: false, ..PLAIN },
    TableSchema {
        kind: TableKind::Events,
        expires: true,
        has_stream: true,
        has_time_index: true,
        ..PLAIN
    },
    TableSchema { kind: TableKind::Catalog, expires: true, has_changes_index: true, ..PLAIN },
    TableSchema { kind: TableKind::Decisions, expires: true, has_stream: true, ..PLAIN },
    TableSchema { has_stream: true, ..PLAIN },
];

/// Creates what is missing of the tables and the bucket, and waits until all
/// can be used. Meant for servers that stand in for AWS.
///
/// # Errors
/// [`StoreError`] as the servers give it.
pub async fn provision(sdk: &SdkConfig, config: &StorageConfig) -> StoreResult<()> {
    provision_tables(sdk, config).await?;
    provision_bucket(sdk, config).await
}

/// The tables' part of [`provision`].
///
/// # Errors
/// As for [`provision`].
pub async fn provision_tables(sdk: &SdkConfig, config: &StorageConfig) -> StoreResult<()> {
    let client = Client::new(sdk);
    for schema in TABLES {
        provision_table(&client, schema, schema.kind.resource(config).name()?).await?;
    }
    Ok(())
}

async fn provision_bucket(sdk: &SdkConfig, config: &StorageConfig) -> StoreResult<()> {
    let (client, bucket) = (s3_client(sdk), config.bucket.name()?);
    if client.head_bucket().bucket(bucket).send().await.is_ok() {
        return Ok(());
    }
    client.create_bucket().bucket(bucket).send().await.map(drop).map_err(service_error)
}

async fn provision_table(client: &Client, schema: TableSchema, table: &str) -> StoreResult<()> {
    match describe_create(client, schema, table)?.send().await {
        Ok(_) => {}
        Err(error)
            if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) =>
        {
            wait_until_active(client, table).await?;
            return check_time_index(client, schema, table).await;
        }
        Err(error) => return Err(service_error(error)),
    }
    wait_until_active(client, table).await?;
    if schema.expires {
        expire_records(client, table).await?;
    }
    Ok(())
}

fn describe_create(
    client: &Client,
    schema: TableSchema,
    table: &str,
) -> StoreResult<CreateTableFluentBuilder> {
    let mut create = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text_attribute(PARTITION_KEY)?)
        .key_schema(key(PARTITION_KEY, KeyType::Hash)?);
    if schema.has_sort_key {
        create = create
            .attribute_definitions(text_attribute(SORT_KEY)?)
            .key_schema(key(SORT_KEY, KeyType::Range)?);
    }
    if schema.has_changes_index {
        create = create
            .attribute_definitions(text_attribute(CHANGES_SORT_KEY)?)
            .global_secondary_indexes(changes_index()?);
    }
    if schema.has_time_index {
        create = create
            .attribute_definitions(text_attribute(TIME_SORT_KEY)?)
            .local_secondary_indexes(time_index()?);
    }
    if schema.has_stream {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewImage)
            .build()
            .map_err(malformed)?;
        create = create.stream_specification(stream);
    }
    Ok(create)
}

fn changes_index() -> StoreResult<GlobalSecondaryIndex> {
    GlobalSecondaryIndex::builder()
        .index_name(CHANGES_INDEX)
        .key_schema(key(PARTITION_KEY, KeyType::Hash)?)
        .key_schema(key(CHANGES_SORT_KEY, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .map_err(malformed)
}

fn time_index() -> StoreResult<LocalSecondaryIndex> {
    LocalSecondaryIndex::builder()
        .index_name(TIME_INDEX)
        .key_schema(key(PARTITION_KEY, KeyType::Hash)?)
        .key_schema(key(TIME_SORT_KEY, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .map_err(malformed)
}

/// Refuses a table that an earlier version made: a local index cannot be added.
async fn check_time_index(client: &Client, schema: TableSchema, table: &str) -> StoreResult<()> {
    if !schema.has_time_index {
        return Ok(());
    }
    let answer = client.describe_table().table_name(table).send().await.map_err(service_error)?;
    let indexes = answer.table.and_then(|described| described.local_secondary_indexes);
    let has_index =
        indexes.unwrap_or_default().iter().any(|index| index.index_name() == Some(TIME_INDEX));
    if has_index {
        return Ok(());
    }
    let why = format!(
        "the table {table} was made by an earlier version, which told events apart by their time \
         as well: begin with a new data directory and import again"
    );
    Err(StoreError::Refused(why.into()))
}

fn text_attribute(name: &str) -> StoreResult<AttributeDefinition> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(malformed)
}

fn key(name: &str, key_type: KeyType) -> StoreResult<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(key_type).build().map_err(malformed)
}

async fn wait_until_active(client: &Client, table: &str) -> StoreResult<()> {
    const POLLS: u32 = 300;
    for _ in 0..POLLS {
        let answer =
            client.describe_table().table_name(table).send().await.map_err(service_error)?;
        let status = answer.table.and_then(|described| described.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(StoreError::Unavailable(format!("table {table} does not become active").into()))
}

async fn expire_records(client: &Client, table: &str) -> StoreResult<()> {
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(TTL_ATTRIBUTE)
        .build()
        .map_err(malformed)?;
    let update = client.update_time_to_live().table_name(table);
    update.time_to_live_specification(specification).send().await.map(drop).map_err(service_error)
}
