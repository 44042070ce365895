//! Events of the embedded database, many in one transaction.
//!
//! In the cloud each event is a conditional put of its own. Here each would be a request
//! and a commit of the database, which costs ten times what storing the event does: so a batch is put by one transaction inside this process, into the same
//! table and stream. That transaction knows no conditions. What is there is looked up
//! before it instead, and nobody else writes events meanwhile: this process alone has the
//! database, and every event of it comes this way. All else goes the adapter's way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, Pseudonym};
use crossfold_core::entities::impressions::Impressions;
use crossfold_core::entities::ports::{
    Appended, ErasedPage, EventStore, Past, PastRange, RekeyedPage, StoreError, StoreResult,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use dynoxide::actions::batch_get_item::{BatchGetItemRequest, KeysAndAttributes};
use dynoxide::types::AttributeValue;
use dynoxide::{Database, ImportOptions};
use jiff::SignedDuration;
use tokio::sync::Mutex;

use crate::aws::events::stored;

/// Most keys that are looked up at once, as DynamoDB has it.
const KEYS: usize = 100;

/// [`EventStore`] that puts batches by transactions.
pub(super) struct BulkEvents {
    pub(super) adapter: Arc<dyn EventStore>,
    pub(super) database: Database,
    pub(super) table: String,
    pub(super) retention: SignedDuration,
    /// Held by who appends.
    pub(super) appending: Arc<Mutex<()>>,
}

type Item = HashMap<String, AttributeValue>;

#[async_trait]
impl EventStore for BulkEvents {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        let _appending = self.appending.lock().await;
        self.adapter.append(event).await
    }

    async fn append_all(&self, events: &[Event]) -> StoreResult<Vec<Appended>> {
        if events.len() < 2 {
            let _appending = self.appending.lock().await;
            return self.adapter.append_all(events).await;
        }
        let items = events
            .iter()
            .map(|event| native(stored(event, self.retention)?))
            .collect::<StoreResult<Vec<Item>>>()?;
        let (database, table) = (self.database.clone(), self.table.clone());
        let appending = Arc::clone(&self.appending).lock_owned().await;
        let answers = tokio::task::spawn_blocking(move || {
            // Moved in, for the thread goes on when the call is dropped.
            let _appending = appending;
            put_all(&database, &table, items)
        });
        let answers = answers.await;
        answers.map_err(|error| StoreError::unavailable("a thread of the storage", error))?
    }

    fn appends_all_or_none(&self) -> bool {
        true
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        self.adapter.history(user, limit).await
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        self.adapter.past(user, range).await
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        self.adapter.dismiss(dismissal).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        self.adapter.mark_seen(seen).await
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        self.adapter.note_impressions(impressions).await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        self.adapter.holds(events).await
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        // Or else an event might be put beside one that is on its way there.
        let _appending = self.appending.lock().await;
        self.adapter.rekey(keys, after).await
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        self.adapter.keep_erased_ids(user).await
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        self.adapter.were_erased(events).await
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

fn put_all(database: &Database, table: &str, items: Vec<Item>) -> StoreResult<Vec<Appended>> {
    let mut known = present(database, table, &items)?;
    // Of equal ones in a batch, the first is new.
    let is_new: Vec<bool> = items.iter().map(|item| known.insert(key_of(item))).collect();
    let new = items.into_iter().zip(&is_new).filter(|(_, is_new)| **is_new);
    let new: Vec<Item> = new.map(|(item, _)| item).collect();
    if !new.is_empty() {
        let options = ImportOptions { record_streams: true, ..ImportOptions::default() };
        let put = database.import_items(table, new, options);
        put.map_err(|error| StoreError::unavailable("putting events", error))?;
    }
    let answer = |is_new| if is_new { Appended::New } else { Appended::Duplicate };
    Ok(is_new.into_iter().map(answer).collect())
}

/// The keys of those items that the table has.
fn present(database: &Database, table: &str, items: &[Item]) -> StoreResult<HashSet<Key>> {
    let mut asked = HashSet::new();
    let first = items.iter().filter(|item| asked.insert(key_of(item)));
    let keys: Vec<Item> = first
        .map(|item| {
            let of_key = item.iter().filter(|(name, _)| KEY.contains(&name.as_str()));
            of_key.map(|(name, value)| (name.clone(), value.clone())).collect()
        })
        .collect();
    let mut present = HashSet::new();
    for keys in keys.chunks(KEYS) {
        let wanted = KeysAndAttributes {
            keys: keys.to_vec(),
            projection_expression: Some(KEY.join(", ")),
            ..KeysAndAttributes::default()
        };
        let request = BatchGetItemRequest {
            request_items: HashMap::from([(table.to_owned(), wanted)]),
            ..BatchGetItemRequest::default()
        };
        let found = database.batch_get_item(request);
        let found = found.map_err(|error| StoreError::unavailable("looking up events", error))?;
        if !found.unprocessed_keys.is_empty() {
            return Err(StoreError::Refused("not every event could be looked up".into()));
        }
        present.extend(found.responses.values().flatten().map(key_of));
    }
    Ok(present)
}

/// The attributes of an event's key.
const KEY: [&str; 2] = ["pk", "sk"];
type Key = [String; 2];

fn key_of(item: &Item) -> Key {
    KEY.map(|name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    })
}
