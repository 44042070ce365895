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
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::ports::{Appended, CatalogueStore, StoreResult};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use super::requests;
use super::schema::CHANGES_INDEX;
use super::time::sortable;

/// Partitions for each domain.
const BUCKETS: u64 = 8;

/// The sort key and the attribute of the record that counts a domain's changes.
const COUNTER: &str = "last_change";

/// Entries of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 32;

/// How long a deleted entry stays, so that every reader of changes learns of it.
const DELETED_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Serialize, Deserialize)]
struct CatalogueRecord {
    pk: String,
    sk: ItemId,
    updated_at: String,
    /// The sort key of the index of changes. Records of before there was one lack it, and
    /// are older than any that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change_number: Option<String>,
    /// JSON; absent once the item is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
}

impl CatalogueRecord {
    fn new(item: &Item, change: ChangeNumber) -> StoreResult<Self> {
        let details = item.details.as_ref().map(serde_json::to_string).transpose();
        let expiry = item.updated_at.as_second().saturating_add(DELETED_RETENTION.as_secs());
        Ok(Self {
            pk: partition(&item.domain, bucket(&item.item_id)),
            sk: item.item_id.clone(),
            updated_at: sortable(item.updated_at),
            change_number: Some(in_order(change)),
            details: details.map_err(malformed)?,
            ttl: item.details.is_none().then_some(expiry),
        })
    }

    fn into_item(self, domain: &DomainId) -> StoreResult<Item> {
        let change = self.change_number.map(|number| number.parse().map(ChangeNumber)).transpose();
        let change = change.map_err(|error| corrupt("the number of a change", error))?;
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
            change: change.unwrap_or_default(),
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

/// A number as text whose order is that of numbers.
fn in_order(change: ChangeNumber) -> String {
    format!("{:020}", change.0)
}

/// The partition of the record that counts a domain's changes, beside its buckets. A
/// partition takes 1,000 writes a second, and so a catalogue 1,000 calls that change it.
fn counter_partition(domain: &DomainId) -> String {
    format!("{domain}#changes")
}

/// [`CatalogueStore`] on DynamoDB.
pub(super) struct DynamoDbCatalogue {
    pub(super) client: Client,
    pub(super) table: Resource,
}

impl DynamoDbCatalogue {
    /// The number of a change that begins now. One that is lost on the way is missing
    /// among the numbers, and nobody needs it.
    async fn begin_change(&self, domain: &DomainId) -> StoreResult<ChangeNumber> {
        let answer = self
            .client
            .update_item()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(counter_partition(domain)))
            .key("sk", AttributeValue::S(COUNTER.into()))
            .update_expression("ADD #last :one")
            .expression_attribute_names("#last", COUNTER)
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(service_error)?;
        match answer.attributes.as_ref().and_then(|changed| changed.get(COUNTER)) {
            Some(AttributeValue::N(last)) => last
                .parse()
                .map(ChangeNumber)
                .map_err(|error| corrupt("the count of a catalogue's changes", error)),
            other => Err(corrupt("the count of a catalogue's changes", format!("{other:?}"))),
        }
    }

    /// A put of a record as part of a change.
    fn put_of(&self, item: &Item, change: ChangeNumber) -> StoreResult<PutItemFluentBuilder> {
        let record = serde_dynamo::to_item(CatalogueRecord::new(item, change)?);
        let put = self.client.put_item().table_name(self.table.name()?);
        Ok(put.set_item(Some(record.map_err(malformed)?)))
    }

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
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber> {
        let change = self.begin_change(domain).await?;
        let number = AttributeValue::S(in_order(change));
        let put = |item: &Item| {
            let put = self
                .put_of(item, change)?
                .condition_expression("attribute_not_exists(pk) OR attribute_not_exists(change_number) OR change_number < :change")
                .expression_attribute_values(":change", number.clone());
            // When a later change was there first, this one is as if it had come before it.
            Ok(requests::put_if(put))
        };
        let puts = items.iter().map(put).collect::<StoreResult<Vec<_>>>()?;
        stream::iter(puts).buffer_unordered(CONCURRENT_WRITES).try_collect::<Vec<bool>>().await?;
        Ok(change)
    }

    async fn create_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>> {
        let change = self.begin_change(domain).await?;
        let create = |item: &Item| Ok(requests::append(self.put_of(item, change)?));
        let creates = items.iter().map(create).collect::<StoreResult<Vec<_>>>()?;
        stream::iter(creates).buffered(CONCURRENT_WRITES).try_collect().await
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

    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>> {
        let since = AttributeValue::S(in_order(since));
        let refine = |query: QueryFluentBuilder| {
            query
                .index_name(CHANGES_INDEX)
                .key_condition_expression("pk = :pk AND change_number >= :since")
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
