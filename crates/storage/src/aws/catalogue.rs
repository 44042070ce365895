//! Catalogue entries on DynamoDB.
//!
//! A domain's entries are spread over [`BUCKETS`] partitions by a hash of the
//! item id. A partition takes 1,000 writes and 3,000 reads a second: in one
//! partition, loading a catalogue of a million items would take 17 minutes, and
//! every cold start would read it through the same bottleneck. Eight partitions
//! are written and read at once, and still few enough to query one by one.
//! The number is part of the stored keys and can never change.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::catalogue::{Item, ItemDetails};
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::ports::{Appended, CatalogueStore, StoreResult};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use super::requests;
use super::schema::CHANGES_INDEX;
use super::time::sortable;

/// Partitions for each domain.
const BUCKETS: u64 = 8;

/// How long a deleted entry stays, so that every reader of changes learns of it.
const DELETED_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Serialize, Deserialize)]
struct CatalogueRecord {
    pk: String,
    sk: ItemId,
    updated_at: String,
    /// JSON; absent once the item is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
}

impl CatalogueRecord {
    fn new(item: &Item) -> StoreResult<Self> {
        let details = item.details.as_ref().map(serde_json::to_string).transpose();
        let expiry = item.updated_at.as_second().saturating_add(DELETED_RETENTION.as_secs());
        Ok(Self {
            pk: partition(&item.domain, bucket(&item.item_id)),
            sk: item.item_id.clone(),
            updated_at: sortable(item.updated_at),
            details: details.map_err(malformed)?,
            ttl: item.details.is_none().then_some(expiry),
        })
    }

    fn into_item(self, domain: &DomainId) -> StoreResult<Item> {
        let parse = |text: String| {
            serde_json::from_str::<ItemDetails>(&text)
                .map_err(|error| corrupt("an item's details", error))
        };
        Ok(Item {
            domain: domain.clone(),
            item_id: self.sk,
            details: self.details.map(parse).transpose()?,
            updated_at: self
                .updated_at
                .parse()
                .map_err(|error| corrupt("an item's time", error))?,
        })
    }
}

/// The bucket of an item: FNV-1a (64 bits) of its id, which gives the same on
/// every machine and version, unlike the standard library's hasher.
fn bucket(item: &ItemId) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    item.as_str().bytes().fold(OFFSET_BASIS, step) % BUCKETS
}

fn partition(domain: &DomainId, bucket: u64) -> String {
    format!("{domain}#{bucket}")
}

/// [`CatalogueStore`] on DynamoDB.
pub(super) struct DynamoDbCatalogue {
    pub(super) client: Client,
    pub(super) table: Resource,
}

impl DynamoDbCatalogue {
    /// Runs one query in every bucket of a domain at once.
    async fn query_buckets(
        &self,
        domain: &DomainId,
        refine: impl Fn(QueryFluentBuilder) -> QueryFluentBuilder,
    ) -> StoreResult<Vec<Item>> {
        let table = self.table.name()?;
        let queries = (0..BUCKETS).map(|bucket| {
            let partition = AttributeValue::S(partition(domain, bucket));
            let query =
                self.client.query().table_name(table).expression_attribute_values(":pk", partition);
            read_all(refine(query), domain)
        });
        Ok(try_join_all(queries).await?.into_iter().flatten().collect())
    }
}

async fn read_all(query: QueryFluentBuilder, domain: &DomainId) -> StoreResult<Vec<Item>> {
    let mut items = Vec::new();
    let mut pages = query.into_paginator().send();
    while let Some(page) = pages.next().await {
        for item in page.map_err(service_error)?.items.unwrap_or_default() {
            items.push(parse(item, domain)?);
        }
    }
    Ok(items)
}

fn parse(
    item: std::collections::HashMap<String, AttributeValue>,
    domain: &DomainId,
) -> StoreResult<Item> {
    let record: CatalogueRecord =
        serde_dynamo::from_item(item).map_err(|error| corrupt("an item", error))?;
    record.into_item(domain)
}

#[async_trait]
impl CatalogueStore for DynamoDbCatalogue {
    async fn put(&self, item: &Item) -> StoreResult<()> {
        let record = CatalogueRecord::new(item)?;
        let updated_at = AttributeValue::S(record.updated_at.clone());
        let put = self
            .client
            .put_item()
            .table_name(self.table.name()?)
            .set_item(Some(serde_dynamo::to_item(record).map_err(malformed)?))
            .condition_expression("attribute_not_exists(pk) OR updated_at <= :updated_at")
            .expression_attribute_values(":updated_at", updated_at);
        // When the entry there is newer, this one came late and has no say.
        requests::put_if(put).await.map(drop)
    }

    async fn create(&self, item: &Item) -> StoreResult<Appended> {
        let record = serde_dynamo::to_item(CatalogueRecord::new(item)?).map_err(malformed)?;
        let put = self.client.put_item().table_name(self.table.name()?).set_item(Some(record));
        requests::append(put).await
    }

    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>> {
        let answer = self
            .client
            .get_item()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(partition(domain, bucket(item))))
            .key("sk", AttributeValue::S(item.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(service_error)?;
        answer.item.map(|found| parse(found, domain)).transpose()
    }

    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>> {
        let refine = |query: QueryFluentBuilder| query.key_condition_expression("pk = :pk");
        self.query_buckets(domain, refine).await
    }

    async fn changes(&self, domain: &DomainId, since: Timestamp) -> StoreResult<Vec<Item>> {
        let since = AttributeValue::S(sortable(since));
        let refine = |query: QueryFluentBuilder| {
            query
                .index_name(CHANGES_INDEX)
                .key_condition_expression("pk = :pk AND updated_at >= :since")
                .expression_attribute_values(":since", since.clone())
        };
        self.query_buckets(domain, refine).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_of_an_item_never_changes() {
        let buckets = ["i1", "course-42", "课程#1/a"].map(|id| bucket(&ItemId::parse(id).unwrap()));
        assert_eq!(buckets, [7, 1, 6]);
    }

    #[test]
    fn items_spread_over_all_buckets() {
        let mut counts = [0_usize; BUCKETS as usize];
        for index in 0..8_000 {
            counts[bucket(&ItemId::parse(&format!("item-{index}")).unwrap()) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
