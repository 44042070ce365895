//! People on DynamoDB: one record for each user, with a version that every
//! write names.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem,
};
use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, VersionedEntry};
use crossfold_core::entities::ports::{Committed, Page, PeopleStore, StoreError, StoreResult};
use serde::{Deserialize, Serialize};

use super::batch;
use super::config::Resource;
use super::error::{corrupt, malformed, service_error};
use crate::retry::Waiting;

#[derive(Serialize, Deserialize)]
struct PeopleRecord {
    pk: Pseudonym,
    /// JSON, so that nothing in it counts as an attribute of the table.
    entry: String,
    version: u64,
}

impl PeopleRecord {
    fn parse(item: HashMap<String, AttributeValue>) -> StoreResult<VersionedEntry> {
        let record: Self =
            serde_dynamo::from_item(item).map_err(|error| corrupt("a person", error))?;
        let entry: PeopleEntry = serde_json::from_str(&record.entry)
            .map_err(|error| corrupt("a person's entry", error))?;
        Ok(VersionedEntry { id: record.pk, entry, version: record.version })
    }
}

/// [`PeopleStore`] on DynamoDB.
pub(super) struct DynamoDbPeople {
    pub(super) client: Client,
    pub(super) table: Resource,
    pub(super) waiting: Waiting,
}

impl DynamoDbPeople {
    fn put_record(
        &self,
        id: &Pseudonym,
        entry: &PeopleEntry,
        version: u64,
    ) -> StoreResult<PutBuilder> {
        let entry = serde_json::to_string(entry).map_err(malformed)?;
        let record = PeopleRecord { pk: id.clone(), entry, version };
        let item = serde_dynamo::to_item(record).map_err(malformed)?;
        Ok(Put::builder().table_name(self.table.name()?).set_item(Some(item)))
    }

    fn absence_of(&self, user: &Pseudonym) -> StoreResult<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(user.to_string()))
            .condition_expression("attribute_not_exists(pk)");
        let check = check.build().map_err(malformed)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    async fn transact(&self, writes: Vec<TransactWriteItem>) -> StoreResult<Committed> {
        if writes.is_empty() {
            return Ok(Committed::Yes);
        }
        // The token makes a retry after a lost answer the same transaction.
        let token = uuid::Uuid::now_v7().to_string();
        let commit = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .client_request_token(token)
            .send()
            .await;
        match commit {
            Ok(_) => Ok(Committed::Yes),
            Err(error) => refused(error),
        }
    }

    fn put(&self, write: &PeopleWrite) -> StoreResult<TransactWriteItem> {
        let version = write.expected.unwrap_or(0) + 1;
        let put = self.put_record(&write.id, &write.entry, version)?;
        let put = match write.expected {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        let put = put.build().map_err(malformed)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

#[async_trait]
impl PeopleStore for DynamoDbPeople {
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>> {
        let answer = self
            .client
            .get_item()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(user.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(service_error)?;
        answer.item.map(PeopleRecord::parse).transpose()
    }

    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>> {
        let key = |user: &Pseudonym| {
            batch::Key::from([("pk".to_owned(), AttributeValue::S(user.to_string()))])
        };
        let keys = users.iter().map(key).collect();
        let found = batch::get(&self.client, &self.waiting, self.table.name()?, keys).await?;
        found.into_iter().map(PeopleRecord::parse).collect()
    }

    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed> {
        self.commit_unless(writes, &[]).await
    }

    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed> {
        let puts = writes.iter().map(|write| self.put(write));
        let checks = absent.iter().map(|user| self.absence_of(user));
        self.transact(puts.chain(checks).collect::<StoreResult<_>>()?).await
    }

    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed> {
        let put = self.put_record(to, &entry.entry, entry.version + 1)?;
        let put = put.condition_expression("attribute_not_exists(pk)");
        let delete = Delete::builder()
            .table_name(self.table.name()?)
            .key("pk", AttributeValue::S(entry.id.to_string()))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", AttributeValue::N(entry.version.to_string()));
        let write = TransactWriteItem::builder;
        self.transact(vec![
            write().put(put.build().map_err(malformed)?).build(),
            write().delete(delete.build().map_err(malformed)?).build(),
        ])
        .await
    }

    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>> {
        let start = after.map(|pk| HashMap::from([("pk".to_owned(), AttributeValue::S(pk))]));
        let answer = self
            .client
            .scan()
            .table_name(self.table.name()?)
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send()
            .await
            .map_err(service_error)?;
        let next = match answer.last_evaluated_key.as_ref().and_then(|key| key.get("pk")) {
            Some(AttributeValue::S(pk)) => Some(pk.clone()),
            _ => None,
        };
        let entries = answer.items.unwrap_or_default();
        let entries = entries.into_iter().map(PeopleRecord::parse).collect::<StoreResult<_>>()?;
        Ok(Page { entries, next })
    }
}

/// What a transaction that was not carried out means.
fn refused(
    error: SdkError<TransactWriteItemsError, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> StoreResult<Committed> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return Err(service_error(error));
    };
    let codes: Vec<&str> =
        cancelled.cancellation_reasons().iter().filter_map(CancellationReason::code).collect();
    // Another transaction being at the same records means that someone else
    // wrote first, just as a failed condition does.
    if codes.iter().any(|code| ["ConditionalCheckFailed", "TransactionConflict"].contains(code)) {
        return Ok(Committed::Conflict);
    }
    if codes.contains(&"ThrottlingError") || codes.contains(&"ProvisionedThroughputExceeded") {
        return Err(StoreError::unavailable(codes.join(", "), error));
    }
    Err(service_error(error))
}
