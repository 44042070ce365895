//! Records on DynamoDB, as JSON: they are few, and always read whole.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::ports::{Appended, Committed, RecordStore, StoreResult};
use crossfold_core::entities::records::RecordKind;
use serde::{Deserialize, Serialize};

use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use super::requests;

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    pk: String,
    sk: String,
    record: String,
}

fn key(kind: RecordKind, id: &str) -> HashMap<String, AttributeValue> {
    let text = |value: &str| AttributeValue::S(value.into());
    HashMap::from([("pk".into(), text(kind)), ("sk".into(), text(id))])
}

/// [`RecordStore`] on DynamoDB: the partition is the kind, the sort key the id.
pub(super) struct DynamoDbRecords {
    pub(super) client: Client,
    pub(super) table: Resource,
}

impl DynamoDbRecords {
    fn put_item(
        &self,
        kind: RecordKind,
        id: &str,
        record: String,
    ) -> StoreResult<PutItemFluentBuilder> {
        let record = StoredRecord { pk: kind.into(), sk: id.into(), record };
        let item = serde_dynamo::to_item(record).map_err(malformed)?;
        Ok(self.client.put_item().table_name(self.table.name()?).set_item(Some(item)))
    }

    /// The first records of a kind, or the last ones backwards, on one side of a bound where there
    /// is one: the condition that says so, and the bound.
    async fn of_an_end(
        &self,
        kind: RecordKind,
        bound: Option<(&str, &str)>,
        limit: usize,
        is_forward: bool,
    ) -> StoreResult<Vec<(String, String)>> {
        let query = self
            .client
            .query()
            .table_name(self.table.name()?)
            .key_condition_expression(bound.map_or("pk = :kind", |(condition, _)| condition))
            .expression_attribute_values(":kind", AttributeValue::S(kind.into()))
            .scan_index_forward(is_forward)
            .consistent_read(true);
        let query = match bound {
            None => query,
            Some((_, bound)) => {
                query.expression_attribute_values(":bound", AttributeValue::S(bound.into()))
            }
        };
        requests::first(query, limit).await?.into_iter().map(read).collect()
    }
}

#[async_trait]
impl RecordStore for DynamoDbRecords {
    async fn create(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<Appended> {
        requests::append(self.put_item(kind, id, json)?).await
    }

    async fn put(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<()> {
        let put = self.put_item(kind, id, json)?;
        put.send().await.map(drop).map_err(service_error)
    }

    async fn replace(
        &self,
        kind: RecordKind,
        id: &str,
        expected: &str,
        json: String,
    ) -> StoreResult<Committed> {
        let put = self
            .put_item(kind, id, json)?
            .condition_expression("#record = :expected")
            // The name is a reserved word.
            .expression_attribute_names("#record", "record")
            .expression_attribute_values(":expected", AttributeValue::S(expected.into()));
        let is_replaced = requests::put_if(put).await?;
        Ok(if is_replaced { Committed::Yes } else { Committed::Conflict })
    }

    async fn delete(&self, kind: RecordKind, id: &str) -> StoreResult<()> {
        let delete = self.client.delete_item().table_name(self.table.name()?);
        let delete = delete.set_key(Some(key(kind, id)));
        delete.send().await.map(drop).map_err(service_error)
    }

    async fn remove(&self, kind: RecordKind, id: &str, expected: &str) -> StoreResult<Committed> {
        let delete = self.client.delete_item().table_name(self.table.name()?);
        let delete = delete
            .set_key(Some(key(kind, id)))
            .condition_expression("#record = :expected")
            // The name is a reserved word.
            .expression_attribute_names("#record", "record")
            .expression_attribute_values(":expected", AttributeValue::S(expected.into()));
        match delete.send().await {
            Ok(_) => Ok(Committed::Yes),
            Err(error) if is_condition(error.as_service_error()) => Ok(Committed::Conflict),
            Err(error) => Err(service_error(error)),
        }
    }

    async fn get(&self, kind: RecordKind, id: &str) -> StoreResult<Option<String>> {
        let answer = self
            .client
            .get_item()
            .table_name(self.table.name()?)
            .set_key(Some(key(kind, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(service_error)?;
        let Some(item) = answer.item else { return Ok(None) };
        let stored: StoredRecord =
            serde_dynamo::from_item(item).map_err(|error| corrupt("a record", error))?;
        Ok(Some(stored.record))
    }

    async fn list(&self, kind: RecordKind) -> StoreResult<Vec<(String, String)>> {
        let query = self
            .client
            .query()
            .table_name(self.table.name()?)
            .key_condition_expression("pk = :kind")
            .expression_attribute_values(":kind", AttributeValue::S(kind.into()))
            .consistent_read(true);
        requests::all(query).await?.into_iter().map(read).collect()
    }

    async fn first(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        self.of_an_end(kind, after.map(|after| ("pk = :kind AND sk > :bound", after)), limit, true)
            .await
    }

    async fn last(
        &self,
        kind: RecordKind,
        before: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        let before = before.map(|before| ("pk = :kind AND sk < :bound", before));
        self.of_an_end(kind, before, limit, false).await
    }
}

/// Whether a call was refused because its condition did not hold.
fn is_condition(refusal: Option<&DeleteItemError>) -> bool {
    refusal.is_some_and(DeleteItemError::is_conditional_check_failed_exception)
}

/// A record with its id.
fn read(item: HashMap<String, AttributeValue>) -> StoreResult<(String, String)> {
    let stored: StoredRecord =
        serde_dynamo::from_item(item).map_err(|error| corrupt("a record", error))?;
    Ok((stored.sk, stored.record))
}
