//! Deleting many records at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use crossfold_core::entities::ports::{StoreError, StoreResult};

use super::error::{malformed, service_error};
use crate::retry::{Attempt, RetryPolicy, Waiting, retry};

/// Most writes in one `BatchWriteItem`, a limit of DynamoDB.
const MAX_WRITES: usize = 25;

/// For writes that DynamoDB hands back unprocessed.
const RETRIES: RetryPolicy =
    RetryPolicy { tries: 8, first_wait: Duration::from_millis(25), budget: Duration::from_secs(3) };

/// The key attributes of one record.
pub(super) type Key = HashMap<String, AttributeValue>;

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

/// One batch, until nothing of it is left unprocessed. Unlike an error, an
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
