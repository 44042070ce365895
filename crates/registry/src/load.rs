//! Reading models from the bucket, verified, and the pointer to the champion.

use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ETag, ObjectStore, StoreError, StoreResult};
use crossfold_core::model::{Manifest, Model, ModelError, decode_manifest, manifest_key};
use crossfold_core::release::champion::{POINTER_KEY, Pointer};

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
    let blob = objects.get(&manifest.blob.key()).await?.ok_or(LoadError::BlobMissing)?;
    Ok(Model::decode(id.clone(), manifest, &blob.bytes)?)
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
