//! Deleting many records at once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use crossfold_core::entities::ports::{StoreError, StoreResult};

use super::error::{malformed, service_error};

/// Most writes in one `BatchWriteItem`, a limit of DynamoDB.
const MAX_WRITES: usize = 25;

/// Most tries for writes that DynamoDB hands back unprocessed.
const MAX_ROUNDS: u32 = 8;

/// Longest wait before the second try; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// The key attributes of one record.
pub(super) type Key = HashMap<String, AttributeValue>;

/// Deletes records by key. One that is absent is no error.
pub(super) async fn delete(client: &Client, table: &str, keys: Vec<Key>) -> StoreResult<()> {
    let mut requests = keys.into_iter().map(delete_request).collect::<StoreResult<Vec<_>>>()?;
    while !requests.is_empty() {
        let rest = requests.split_off(requests.len().min(MAX_WRITES));
        write(client, table, requests).await?;
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
async fn write(client: &Client, table: &str, mut requests: Vec<WriteRequest>) -> StoreResult<()> {
    for round in 0..MAX_ROUNDS {
        let answer = client
            .batch_write_item()
            .request_items(table, requests)
            .send()
            .await
            .map_err(service_error)?;
        requests =
            answer.unprocessed_items.and_then(|mut left| left.remove(table)).unwrap_or_default();
        if requests.is_empty() {
            return Ok(());
        }
        let longest = FIRST_WAIT * 2_u32.pow(round);
        tokio::time::sleep(longest.mul_f64(rand::random::<f64>())).await;
    }
    Err(StoreError::Unavailable("DynamoDB keeps handing back unprocessed writes".into()))
}
