//! Reading and deleting many records at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, WriteRequest};
use crossfold_core::entities::ports::{StoreError, StoreResult};

use super::error::{corrupt, malformed, service_error};
use crate::retry::{Attempt, RetryPolicy, Waiting, retry};

/// Most writes in one `BatchWriteItem`, a limit of DynamoDB.
const MAX_WRITES: usize = 25;

/// For writes that DynamoDB hands back unprocessed.
const RETRIES: RetryPolicy =
    RetryPolicy { tries: 8, first_wait: Duration::from_millis(25), budget: Duration::from_secs(3) };

/// The key attributes of one record.
pub(super) type Key = HashMap<String, AttributeValue>;

/// Where a scan goes on, as text.
pub(super) fn after_key(key: &Key) -> StoreResult<String> {
    let text = |name: &str| match key.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        other => Err(corrupt("a page's last key", format!("{name} is {other:?}"))),
    };
    serde_json::to_string(&(text("pk")?, text("sk")?)).map_err(malformed)
}

/// The key that a scan goes on after, from its text.
pub(super) fn start_key(after: &str) -> StoreResult<Key> {
    let (pk, sk): (String, String) = serde_json::from_str(after).map_err(malformed)?;
    Ok(Key::from([("pk".into(), AttributeValue::S(pk)), ("sk".into(), AttributeValue::S(sk))]))
}

/// Deletes records by key. One that is absent is no error.
pub(super) async fn delete(
    client: &Client,
    waiting: &Waiting,
    table: &str,
    keys: Vec<Key>,
) -> StoreResult<()> {
    let mut requests = keys.into_iter().map(delete_request).collect::<StoreResult<Vec<_>>>()?;
    while !requests.is_empty() {
        let rest = requests.split_off(requests.len().min(MAX_WRITES));
        write(client, waiting, table, requests).await?;
        requests = rest;
    }
    Ok(())
}

fn delete_request(key: Key) -> StoreResult<WriteRequest> {
    let request = DeleteRequest::builder().set_key(Some(key)).build().map_err(malformed)?;
    Ok(WriteRequest::builder().delete_request(request).build())
}

/// Most keys in one `BatchGetItem`, a limit of DynamoDB.
const MAX_READS: usize = 100;

/// The records with these keys, as of now, in no particular order.
pub(super) async fn get(
    client: &Client,
    waiting: &Waiting,
    table: &str,
    keys: Vec<Key>,
) -> StoreResult<Vec<Key>> {
    let batches = keys.chunks(MAX_READS).map(|keys| read(client, waiting, table, keys.to_vec()));
    Ok(futures::future::try_join_all(batches).await?.into_iter().flatten().collect())
}

/// One batch of reads, until nothing of it is left unprocessed.
async fn read(
    client: &Client,
    waiting: &Waiting,
    table: &str,
    keys: Vec<Key>,
) -> StoreResult<Vec<Key>> {
    let wanted = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys));
    let unprocessed = &Mutex::new(wanted.build().map_err(malformed)?);
    let found = &Mutex::new(Vec::new());
    retry(RETRIES, waiting, || async move {
        let wanted = lock(unprocessed).clone();
        let request = client.batch_get_item().request_items(table, wanted);
        let answer = request.send().await.map_err(service_error)?;
        let read = answer.responses.and_then(|mut read| read.remove(table));
        lock(found).extend(read.unwrap_or_default());
        let left = answer.unprocessed_keys.and_then(|mut left| left.remove(table));
        let Some(left) = left.filter(|left| !left.keys().is_empty()) else {
            return Ok(Attempt::Done(std::mem::take(&mut *lock(found))));
        };
        *lock(unprocessed) = left;
        let why = "DynamoDB keeps handing back unprocessed reads";
        Ok(Attempt::Again(StoreError::Unavailable(why.into())))
    })
    .await
}

/// One batch of writes, until nothing of it is left unprocessed. Unlike an error, an
/// unprocessed write is not retried by the SDK.
async fn write(
    client: &Client,
    waiting: &Waiting,
    table: &str,
    requests: Vec<WriteRequest>,
) -> StoreResult<()> {
    let unprocessed = &Mutex::new(requests);
    retry(RETRIES, waiting, || async move {
        let requests = std::mem::take(&mut *lock(unprocessed));
        let request = client.batch_write_item().request_items(table, requests);
        let answer = request.send().await.map_err(service_error)?;
        let left = answer.unprocessed_items.and_then(|mut left| left.remove(table));
        let Some(left) = left.filter(|left| !left.is_empty()) else {
            return Ok(Attempt::Done(()));
        };
        *lock(unprocessed) = left;
        let why = "DynamoDB keeps handing back unprocessed writes";
        Ok(Attempt::Again(StoreError::Unavailable(why.into())))
    })
    .await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
