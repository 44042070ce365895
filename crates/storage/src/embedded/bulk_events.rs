//! Events of the embedded database, many in one transaction.
//!
//! In the cloud each event is a conditional put of its own. Here each would be a request
//! over a socket and a commit of the database, which costs ten times what storing the
//! event does: so a batch is put by transactions inside this process, on the same
//! conditions and into the same table and stream. All else goes the adapter's way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, SeenItem};
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{Appended, ErasedPage, EventStore, StoreError, StoreResult};
use dynoxide::Database;
use dynoxide::actions::transact_write_items::{
    TransactPut, TransactWriteItem, TransactWriteItemsRequest,
};
use dynoxide::errors::DynoxideError;
use dynoxide::types::AttributeValue;
use jiff::SignedDuration;

use crate::aws::events::stored;

/// Most puts in a transaction, as DynamoDB has it.
const TRANSACTION: usize = 100;
/// The code of a put whose condition did not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// [`EventStore`] that puts batches by transactions.
pub(super) struct BulkEvents {
    pub(super) adapter: Arc<dyn EventStore>,
    pub(super) database: Database,
    pub(super) table: String,
    pub(super) retention: SignedDuration,
}

type Item = HashMap<String, AttributeValue>;

#[async_trait]
impl EventStore for BulkEvents {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        self.adapter.append(event).await
    }

    async fn append_all(&self, events: &[Event]) -> StoreResult<Vec<Appended>> {
        if events.len() < 2 {
            return self.adapter.append_all(events).await;
        }
        let items = events
            .iter()
            .map(|event| native(stored(event, self.retention)?))
            .collect::<StoreResult<Vec<Item>>>()?;
        let (database, table) = (self.database.clone(), self.table.clone());
        let answers = tokio::task::spawn_blocking(move || put_all(&database, &table, &items)).await;
        answers.map_err(|error| StoreError::unavailable("a thread of the storage", error))?
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        self.adapter.history(user, limit).await
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        self.adapter.dismiss(dismissal).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        self.adapter.mark_seen(seen).await
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        self.adapter.erase(user).await
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        self.adapter.erase_domain(domain, after).await
    }
}

/// An item in the types of the database.
fn native(item: serde_dynamo::Item) -> StoreResult<Item> {
    item.into_inner()
        .into_iter()
        .map(|(name, value)| match value {
            serde_dynamo::AttributeValue::S(text) => Ok((name, AttributeValue::S(text))),
            serde_dynamo::AttributeValue::N(number) => Ok((name, AttributeValue::N(number))),
            _ => Err(StoreError::Refused(format!("{name} is no text and no number").into())),
        })
        .collect()
}

fn put_all(database: &Database, table: &str, items: &[Item]) -> StoreResult<Vec<Appended>> {
    let mut answers = vec![Appended::Duplicate; items.len()];
    let mut keys = HashSet::new();
    // A transaction may not put one item twice; of equal ones, the first is new.
    let mut is_first = |item: &Item| {
        let key = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        keys.insert((key("pk"), key("sk")))
    };
    let places: Vec<usize> = (0..items.len()).filter(|at| is_first(&items[*at])).collect();
    for places in places.chunks(TRANSACTION) {
        let mut open = places.to_vec();
        while !open.is_empty() {
            let puts = open.iter().map(|at| put(table, &items[*at])).collect();
            let request = TransactWriteItemsRequest { transact_items: puts, ..Default::default() };
            match database.transact_write_items(request) {
                Ok(_) => {
                    open.iter().for_each(|at| answers[*at] = Appended::New);
                    open.clear();
                }
                // Nothing was put. The others are put again without those that are there.
                Err(DynoxideError::TransactionCanceledException(_, reasons))
                    if reasons.iter().any(|reason| reason.code == CONDITION_FAILED) =>
                {
                    let absent = open.iter().zip(&reasons);
                    open = absent
                        .filter(|(_, reason)| reason.code != CONDITION_FAILED)
                        .map(|(at, _)| *at)
                        .collect();
                }
                Err(error) => return Err(StoreError::unavailable("putting events", error)),
            }
        }
    }
    Ok(answers)
}

fn put(table: &str, item: &Item) -> TransactWriteItem {
    let put = TransactPut {
        table_name: table.to_owned(),
        item: item.clone(),
        condition_expression: Some("attribute_not_exists(pk)".to_owned()),
        ..Default::default()
    };
    TransactWriteItem { put: Some(put), ..Default::default() }
}
