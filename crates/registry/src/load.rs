//! Reading models from the bucket, verified, and the pointer to the champion.

use bytes::Bytes;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ETag, ObjectStore, StoreError, StoreResult};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::model::manifest::{ContentReference, blob_key, manifest_key, report_key};
use crossfold_core::model::{Manifest, Model, ModelError, decode_manifest};
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_core::training::report::TrainingReport;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a model cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is not a whole model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The manifest is not there: there is no such model.
    #[error("there is no such model")]
    Unknown,
    /// The manifest is there, the blob is not.
    #[error("the model's blob is missing")]
    BlobMissing,
}

impl Retryable for LoadError {
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_worth_another_try())
    }
}

/// Reads a model's manifest, verified against the id.
///
/// # Errors
/// [`LoadError`] when it is not there or not whole.
pub async fn load_manifest(objects: &dyn ObjectStore, id: &ModelId) -> Result<Manifest, LoadError> {
    let object = objects.get(&manifest_key(id)).await?.ok_or(LoadError::Unknown)?;
    Ok(decode_manifest(id, &object.bytes)?)
}

/// Reads a model, verified from its id on.
///
/// # Errors
/// [`LoadError`] when any part of it is not there or not whole.
pub async fn load(objects: &dyn ObjectStore, id: &ModelId) -> Result<Model, LoadError> {
    let manifest = load_manifest(objects, id).await?;
    let blob =
        objects.get(&blob_key(&manifest.blob.sha256)).await?.ok_or(LoadError::BlobMissing)?;
    Ok(Model::decode(id.clone(), manifest, &blob.bytes)?)
}

/// Reads the report that a manifest, a record or a run names, as it is stored; `None`
/// when it was cleared away with its model.
///
/// # Errors
/// [`LoadError`] when it is not the one that is named.
pub async fn load_report_bytes(
    objects: &dyn ObjectStore,
    reference: &ContentReference,
) -> Result<Option<Bytes>, LoadError> {
    let Some(object) = objects.get(&report_key(&reference.sha256)).await? else {
        return Ok(None);
    };
    if !reference.names(&object.bytes) {
        return Err(ModelError::Checksum("the report").into());
    }
    Ok(Some(object.bytes))
}

/// [`load_report_bytes`], read.
///
/// # Errors
/// [`LoadError`] when it is not the one that is named, or cannot be read.
pub async fn load_report(
    objects: &dyn ObjectStore,
    reference: &ContentReference,
) -> Result<Option<TrainingReport>, LoadError> {
    let bytes = load_report_bytes(objects, reference).await?;
    Ok(bytes.map(|bytes| parse(&bytes)).transpose()?)
}

/// What a manifest of format 2 holds beside what [`Manifest`] reads of it.
#[derive(Deserialize)]
struct InlineReport {
    report: TrainingReport,
}

/// What the run that made a model measured; nothing when its report was cleared away.
///
/// # Errors
/// As [`load_report`]; [`LoadError::Unknown`] when the manifest is gone.
pub async fn report_of(
    objects: &dyn ObjectStore,
    id: &ModelId,
    manifest: &Manifest,
) -> Result<TrainingReport, LoadError> {
    if let Some(reference) = &manifest.report {
        return Ok(load_report(objects, reference).await?.unwrap_or_default());
    }
    let object = objects.get(&manifest_key(id)).await?.ok_or(LoadError::Unknown)?;
    Ok(parse::<InlineReport>(&object.bytes)?.report)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|error| ModelError::Malformed(error.to_string()))
}

/// The pointer as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPointer {
    /// The pointer; `None` when what is stored cannot be read, and so serves nobody.
    pub pointer: Option<Pointer>,
    /// Its version, to name when replacing it.
    pub etag: ETag,
}

/// Reads the pointer; `None` before the first model.
///
/// # Errors
/// When the bucket fails.
pub async fn read_pointer(objects: &dyn ObjectStore) -> StoreResult<Option<StoredPointer>> {
    let Some(object) = objects.get(POINTER_KEY).await? else { return Ok(None) };
    let pointer = serde_json::from_slice(&object.bytes).ok();
    Ok(Some(StoredPointer { pointer, etag: object.etag }))
}
