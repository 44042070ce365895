//! Reading the archived events, and erasing from them who was erased.

use std::sync::Arc;

use bytes::Bytes;
use crossfold_core::archive::{EVENTS_PREFIX, decode_events, encode_events};
use crossfold_core::columns::ColumnsError;
use crossfold_core::event::Event;
use crossfold_core::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::training::PeopleIndex;
use futures::{StreamExt, TryStreamExt, stream};

/// Files read at the same time.
const CONCURRENT_READS: usize = 16;

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bucket cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is torn or breaks its schema.
    #[error("{key}: {error}")]
    File {
        /// The file.
        key: String,
        /// What is wrong with it.
        error: ColumnsError,
    },
}

/// Reads every archived event, in order of files. A file that holds events of
/// an erased life is written anew without them: after a run, the archive is free of them.
pub(crate) async fn read_events(
    objects: &Arc<dyn ObjectStore>,
    people: &PeopleIndex,
) -> Result<Vec<Event>, ReadError> {
    let keys = objects.list(EVENTS_PREFIX).await?;
    let files: Vec<Vec<Event>> = stream::iter(keys)
        .map(|key| read_file(objects.clone(), key, people))
        .buffered(CONCURRENT_READS)
        .try_collect()
        .await?;
    Ok(files.into_iter().flatten().collect())
}

async fn read_file(
    objects: Arc<dyn ObjectStore>,
    key: String,
    people: &PeopleIndex,
) -> Result<Vec<Event>, ReadError> {
    let Some(object) = objects.get(&key).await? else {
        return Ok(Vec::new());
    };
    let in_file = |error| ReadError::File { key: key.clone(), error };
    let mut events = decode_events(object.bytes).map_err(in_file)?;
    let before = events.len();
    events.retain(|event| !people.is_erased(event));
    if events.is_empty() {
        objects.delete(&key).await?;
    } else if events.len() < before {
        let bytes: Bytes = encode_events(&events).map_err(in_file)?;
        objects.put(&key, bytes, PutCondition::Matches(object.etag)).await?;
    }
    Ok(events)
}
