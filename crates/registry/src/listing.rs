//! Listing models by their records.

use crate::load::{StoredPointer, read_pointer};
use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ObjectStore, StoreError, StoreResult};
use crossfold_core::release::champion::Pointer;
use crossfold_core::release::record::{ModelRecord, ModelState, RECORDS_PREFIX, model_of_key};
use crossfold_core::training::drift::DriftReport;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

/// Most bytes of records on a page: an answer of the API holds 6 MB, and a record grows with
/// the number of domains.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Records read at the same time.
const CONCURRENT_READS: usize = 16;

/// A model as it is listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedModel {
    /// Where it stands.
    pub state: ModelState,
    /// Its record.
    #[serde(flatten)]
    pub record: ModelRecord,
}

/// One page of the models, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelPage {
    /// The models.
    pub models: Vec<ListedModel>,
    /// What to name to get the next page: the last model of this one; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<ModelId>,
}

/// Lists up to `limit` models, newest first, from the one after `after` on; from
/// the newest on without it. `None` when there is no model `after`.
///
/// # Errors
/// When the bucket fails.
pub async fn list_models(
    objects: &dyn ObjectStore,
    after: Option<&ModelId>,
    limit: usize,
) -> StoreResult<Option<ModelPage>> {
    let pointer = champion_pointer(objects).await?;
    let keys = objects.list(RECORDS_PREFIX).await?;
    let start = match after {
        None => 0,
        Some(after) => {
            match keys.iter().position(|key| model_of_key(key).as_ref() == Some(after)) {
                Some(at) => at + 1,
                None => return Ok(None),
            }
        }
    };
    let wanted = &keys[start..keys.len().min(start + limit)];
    let mut reading = stream::iter(wanted.to_vec())
        .map(|key| async move { read_record(objects, &key).await })
        .buffered(CONCURRENT_READS);
    let (mut models, mut bytes, mut taken) = (Vec::new(), 0, 0);
    while let Some(record) = reading.try_next().await? {
        taken += 1;
        let Some((record, length)) = record else { continue };
        bytes += length;
        models.push(ListedModel { state: record.state(pointer.as_ref()), record });
        if bytes >= MAX_PAGE_BYTES {
            break;
        }
    }
    let is_last = start + taken == keys.len();
    let next = wanted[..taken].last().filter(|_| !is_last).and_then(|key| model_of_key(key));
    Ok(Some(ModelPage { models, next }))
}

/// The pointer; `None` when there is none that can be read.
///
/// # Errors
/// When the bucket fails.
pub async fn champion_pointer(objects: &dyn ObjectStore) -> StoreResult<Option<Pointer>> {
    let stored = read_pointer(objects).await?;
    Ok(stored.and_then(|StoredPointer { pointer, .. }| pointer))
}

/// Reads a record and its length in bytes; `None` when it was deleted meanwhile.
///
/// # Errors
/// When the bucket fails, or the record cannot be read.
pub async fn read_record(
    objects: &dyn ObjectStore,
    key: &str,
) -> StoreResult<Option<(ModelRecord, usize)>> {
    let Some(object) = objects.get(key).await? else { return Ok(None) };
    let corrupt = |error: serde_json::Error| StoreError::corrupt(key, error);
    let record = serde_json::from_slice(&object.bytes).map_err(corrupt)?;
    Ok(Some((record, object.bytes.len())))
}

/// Finds the record of a model.
///
/// # Errors
/// When the bucket fails.
pub async fn find_record(
    objects: &dyn ObjectStore,
    id: &ModelId,
) -> StoreResult<Option<ModelRecord>> {
    let keys = objects.list(RECORDS_PREFIX).await?;
    match keys.iter().find(|key| model_of_key(key).as_ref() == Some(id)) {
        Some(key) => Ok(read_record(objects, key).await?.map(|(record, _)| record)),
        None => Ok(None),
    }
}

/// Records looked through for drift: a run that fails before it made a model
/// leaves none, so the newest one that compared its inputs is near the top.
const DRIFT_RECORDS: usize = 10;

/// The newest comparison of what came in with what `champion` was made from.
///
/// # Errors
/// When the bucket fails.
pub async fn latest_drift(
    objects: &dyn ObjectStore,
    champion: &ModelId,
) -> StoreResult<Option<DriftReport>> {
    for key in objects.list(RECORDS_PREFIX).await?.iter().take(DRIFT_RECORDS) {
        let drift = read_record(objects, key).await?.and_then(|(record, _)| record.drift);
        if let Some(drift) = drift.filter(|drift| drift.model == *champion) {
            return Ok(Some(drift));
        }
    }
    Ok(None)
}
