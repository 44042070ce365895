//! Clearing away old models: see `core::release::retention` for which, and
//! `core::release::champion` for why what a pointer names is never deleted.

use crate::load::{LoadError, StoredPointer, load_manifest, read_pointer, report_of};
use bytes::Bytes;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ETag, ObjectStore, PutCondition, StoreError};
use crossfold_core::model::manifest::{blob_key, manifest_key, report_key};
use crossfold_core::release::champion::{POINTER_KEY, Pointer, Retiring};
use crossfold_core::release::record::{ModelRecord, RECORDS_PREFIX, model_of_key};
use crossfold_core::release::retention::to_retire;
use jiff::Timestamp;

use crate::listing::read_record;
use crate::publish::{PublishError, store_record};

/// Deletes the models that need not be kept, and says which. What an earlier
/// clearing began is finished first. When someone moves the pointer at the same
/// time, nothing is deleted: the next run clears.
///
/// # Errors
/// When the bucket fails; what was begun is finished another time.
pub async fn clear_old_models(
    objects: &dyn ObjectStore,
    keep: usize,
    now: Timestamp,
) -> Result<Vec<ModelId>, PublishError> {
    let Some(StoredPointer { pointer: Some(pointer), etag }) = read_pointer(objects).await? else {
        return Ok(Vec::new());
    };
    adopt(objects, &pointer).await?;
    let mut records = Vec::new();
    for key in objects.list(RECORDS_PREFIX).await? {
        records.extend(read_record(objects, &key).await?.map(|(record, _)| record));
    }
    let mut retiring = to_retire(&records, &pointer, keep, now);
    retiring.extend(left_over(&pointer, &retiring, &records));
    if retiring.is_empty() {
        return Ok(Vec::new());
    }
    let announced = Pointer { retiring, ..pointer };
    let Some(etag) = replace(objects, &announced, etag).await? else {
        return Ok(Vec::new());
    };
    for entry in &announced.retiring {
        delete(objects, entry).await?;
    }
    // If someone promotes meanwhile, the list stays and is gone through again.
    let retired = announced.retiring.iter().map(|entry| entry.model.clone()).collect();
    replace(objects, &Pointer { retiring: Vec::new(), ..announced }, etag).await?;
    Ok(retired)
}

/// What an earlier clearing announced and did not finish, without what a model has
/// come to share since.
fn left_over(pointer: &Pointer, new: &[Retiring], records: &[ModelRecord]) -> Vec<Retiring> {
    let is_new = |model: &ModelId| new.iter().any(|entry| entry.model == *model);
    let is_shared = |sha256: &String, of: &ModelId| {
        let others = records.iter().filter(|record| record.id != *of);
        others
            .flat_map(|record| std::iter::once(&record.blob).chain(&record.report))
            .any(|object| object.sha256 == *sha256)
    };
    let left = pointer.retiring.iter().filter(|entry| !is_new(&entry.model)).cloned();
    left.map(|entry| Retiring {
        blob: entry.blob.filter(|blob| !is_shared(blob, &entry.model)),
        report: entry.report.filter(|report| !is_shared(report, &entry.model)),
        model: entry.model,
    })
    .collect()
}

async fn replace(
    objects: &dyn ObjectStore,
    pointer: &Pointer,
    etag: ETag,
) -> Result<Option<ETag>, PublishError> {
    let bytes = Bytes::from(serde_json::to_vec(pointer)?);
    Ok(objects.put(POINTER_KEY, bytes, PutCondition::Matches(etag)).await?)
}

/// Deletes a model, its record last: while there is one, the rest can be found.
async fn delete(objects: &dyn ObjectStore, entry: &Retiring) -> Result<(), StoreError> {
    objects.delete(&manifest_key(&entry.model)).await?;
    if let Some(sha256) = &entry.blob {
        objects.delete(&blob_key(sha256)).await?;
    }
    if let Some(sha256) = &entry.report {
        objects.delete(&report_key(sha256)).await?;
    }
    let records = objects.list(RECORDS_PREFIX).await?;
    for key in records.iter().filter(|key| model_of_key(key).as_ref() == Some(&entry.model)) {
        objects.delete(key).await?;
    }
    Ok(())
}

/// The record of a model that has none.
///
/// # Errors
/// [`LoadError`] when its manifest or its report cannot be read.
pub async fn record_of(objects: &dyn ObjectStore, id: &ModelId) -> Result<ModelRecord, LoadError> {
    let manifest = load_manifest(objects, id).await?;
    let report = report_of(objects, id, &manifest).await?;
    Ok(ModelRecord::new(id.clone(), &manifest, &report, None))
}

/// Gives a record to models in the pointer that have none: those from before
/// there were records.
async fn adopt(objects: &dyn ObjectStore, pointer: &Pointer) -> Result<(), PublishError> {
    let known = objects.list(RECORDS_PREFIX).await?;
    for id in [pointer.model.as_ref(), pointer.previous.as_ref()].into_iter().flatten() {
        if known.iter().any(|key| model_of_key(key).as_ref() == Some(id)) {
            continue;
        }
        match record_of(objects, id).await {
            Ok(record) => store_record(objects, &record).await?,
            Err(LoadError::Store(error)) => return Err(error.into()),
            Err(error) => tracing::error!(model = %id, %error, "a model of the pointer is broken"),
        }
    }
    Ok(())
}
