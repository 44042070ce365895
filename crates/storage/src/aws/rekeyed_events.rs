//! Taking records of the events table from one partition to another.
//!
//! A record moves by one transaction, whatever its sort key: it is put under the new key,
//! unless it is there, and deleted under the old one. What a record holds in sets is united
//! with what the other one has, provided that nothing was added since it was read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, TransactWriteItem, Update,
};
use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::ports::{RekeyedPage, StoreError, StoreResult};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use futures::{StreamExt, TryStreamExt, stream};

use super::batch;
use super::error::{corrupt, malformed, service_error};
use super::events::DynamoDbEvents;
use super::schema::{PARTITION_KEY, SORT_KEY};

/// Marks a record that was moved: what archives new records knows it already.
pub(super) const REKEYED: &str = "rekeyed";
/// The attribute that names the user once more, in records that do.
const USER: &str = "user";

/// Records of one page.
const PAGE_RECORDS: i32 = 2_000;
/// Records that are moved at the same time.
const CONCURRENT_MOVES: usize = 16;
/// How often a record that was changed meanwhile is tried again.
const MAX_TRIES: usize = 8;

type Item = HashMap<String, AttributeValue>;

impl DynamoDbEvents {
    pub(super) async fn rekey_page(
        &self,
        keys: &Pseudonymiser,
        after: Option<String>,
    ) -> StoreResult<RekeyedPage> {
        let scan = self
            .client
            .scan()
            .table_name(self.table.name()?)
            .consistent_read(true)
            .limit(PAGE_RECORDS)
            .set_exclusive_start_key(after.as_deref().map(batch::start_key).transpose()?)
            .filter_expression("NOT begins_with(pk, :newest)")
            .expression_attribute_values(
                ":newest",
                AttributeValue::S(format!("v{}_", keys.newest())),
            );
        let page = scan.send().await.map_err(service_error)?;
        let mut found = BTreeMap::new();
        let mut moves = Vec::new();
        for item in page.items.unwrap_or_default() {
            let user = user_of(&item)?;
            if let Some(version) = user.key_version().filter(|_| keys.is_earlier(&user)) {
                *found.entry(version).or_default() += 1;
                moves.push(self.take_forward(item, keys.forward(&user), version));
            }
        }
        let moves = stream::iter(moves).buffer_unordered(CONCURRENT_MOVES);
        moves.try_collect::<Vec<()>>().await?;
        let next = page.last_evaluated_key.map(|key| batch::after_key(&key)).transpose()?;
        Ok(RekeyedPage { found, next })
    }

    /// Moves one record.
    async fn take_forward(&self, item: Item, to: Pseudonym, version: u32) -> StoreResult<()> {
        let table = self.table.name()?;
        let mut item = item;
        for _ in 0..MAX_TRIES {
            let moving = Moving { table, item: &item, to: &to, version };
            let writes = [moving.put()?, moving.delete()?];
            let token = uuid::Uuid::now_v7().to_string();
            let moved = self
                .client
                .transact_write_items()
                .set_transact_items(Some(writes.into()))
                .client_request_token(token)
                .send()
                .await;
            let Err(error) = moved else { return Ok(()) };
            if refusals(error)?[0] == Refusal::Condition {
                // The new partition has it: that one stands.
                let delete = self.client.delete_item().table_name(table);
                let delete = delete.set_key(Some(key_of(&item)));
                return delete.send().await.map(drop).map_err(service_error);
            }
            // It was changed meanwhile, or is gone.
            let read = self.client.get_item().table_name(table).consistent_read(true);
            let read = read.set_key(Some(key_of(&item))).send().await.map_err(service_error)?;
            match read.item {
                Some(changed) => item = changed,
                None => return Ok(()),
            }
        }
        Err(StoreError::Unavailable("a record was changed by others at the same time".into()))
    }
}

/// A record on its way.
struct Moving<'a> {
    table: &'a str,
    item: &'a Item,
    to: &'a Pseudonym,
    version: u32,
}

impl Moving<'_> {
    /// The attributes of the record where it goes.
    fn moved(&self) -> Item {
        let mut moved = self.item.clone();
        let to = AttributeValue::S(self.to.to_string());
        let old = moved.insert(PARTITION_KEY.into(), to.clone());
        if moved.get(USER) == old.as_ref() {
            moved.insert(USER.into(), to);
        }
        moved.insert(REKEYED.into(), AttributeValue::N(self.version.to_string()));
        moved
    }

    /// The attributes that are sets.
    fn sets(&self) -> Vec<(&String, &AttributeValue)> {
        let is_set = |value: &AttributeValue| value.is_bs() || value.is_ss() || value.is_ns();
        let mut sets: Vec<_> = self.item.iter().filter(|(_, value)| is_set(value)).collect();
        sets.sort_by_key(|(name, _)| *name);
        sets
    }

    fn put(&self) -> StoreResult<TransactWriteItem> {
        if !self.sets().is_empty() {
            return self.unite();
        }
        let put = Put::builder()
            .table_name(self.table)
            .set_item(Some(self.moved()))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(put.build().map_err(malformed)?).build())
    }

    /// Adds the record's sets to those of the other one, and what else it lacks.
    fn unite(&self) -> StoreResult<TransactWriteItem> {
        let moved = self.moved();
        let mut update = Update::builder().table_name(self.table).set_key(Some(key_of(&moved)));
        let (mut set, mut add) = (Vec::new(), Vec::new());
        let values = moved.into_iter().filter(|(name, _)| name != PARTITION_KEY);
        for (at, (name, value)) in values.filter(|(name, _)| name != SORT_KEY).enumerate() {
            let (named, valued) = (format!("#a{at}"), format!(":a{at}"));
            match value.is_bs() || value.is_ss() || value.is_ns() {
                true => add.push(format!("{named} {valued}")),
                false => set.push(format!("{named} = if_not_exists({named}, {valued})")),
            }
            update = update
                .expression_attribute_names(named, name)
                .expression_attribute_values(valued, value);
        }
        let expression = format!("SET {} ADD {}", set.join(", "), add.join(", "));
        let update = update.update_expression(expression).build().map_err(malformed)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Deletes the record where it was, unless it is gone or its sets were added to.
    fn delete(&self) -> StoreResult<TransactWriteItem> {
        let mut delete = Delete::builder().table_name(self.table).set_key(Some(key_of(self.item)));
        let mut conditions = vec!["attribute_exists(pk)".to_owned()];
        for (at, (name, value)) in self.sets().into_iter().enumerate() {
            conditions.push(format!("#a{at} = :a{at}"));
            delete = delete
                .expression_attribute_names(format!("#a{at}"), name)
                .expression_attribute_values(format!(":a{at}"), value.clone());
        }
        let delete = delete.condition_expression(conditions.join(" AND "));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(malformed)?).build())
    }
}

fn key_of(item: &Item) -> Item {
    let of_key = |name: &str| Some((name.to_owned(), item.get(name)?.clone()));
    [PARTITION_KEY, SORT_KEY].into_iter().filter_map(of_key).collect()
}

fn user_of(item: &Item) -> StoreResult<Pseudonym> {
    match item.get(PARTITION_KEY) {
        Some(AttributeValue::S(text)) => {
            Pseudonym::parse(text).map_err(|error| corrupt("a user's partition", error))
        }
        other => Err(corrupt("a user's partition", format!("{other:?}"))),
    }
}

/// Why one write of a transaction was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It was not.
    None,
    /// Its condition did not hold.
    Condition,
    /// Someone else was at the record.
    Conflict,
}

/// Why the two writes of a move were refused.
fn refusals(
    error: SdkError<TransactWriteItemsError, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> StoreResult<[Refusal; 2]> {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let of_code = |reason: &CancellationReason| match reason.code() {
                Some("ConditionalCheckFailed") => Some(Refusal::Condition),
                Some("TransactionConflict") => Some(Refusal::Conflict),
                None | Some("None") => Some(Refusal::None),
                Some(_) => None,
            };
            cancelled.cancellation_reasons().iter().map(of_code).collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    match reasons.as_deref() {
        Some([put, delete]) => Ok([*put, *delete]),
        _ => Err(service_error(error)),
    }
}
