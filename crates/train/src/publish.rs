//! Publishing a model atomically: blobs under their content address first, the
//! pointer to them last, and only if nobody moved it meanwhile.

use crossfold_core::ids::ModelId;
use crossfold_core::model::{
    Artefact, Model, ModelError, POINTER_KEY, Pointer, decode_manifest, manifest_key,
};
use crossfold_core::ports::{ObjectStore, PutCondition, StoreError};
use jiff::Timestamp;

/// Why a model was not published; the last champion keeps serving.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// What was written does not read back as a whole model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pointer kept moving.
    #[error("another run published at the same time")]
    Race,
}

/// Times the pointer may move under us.
const MAX_TRIES: usize = 5;

/// Stores an artefact and makes it the champion.
///
/// # Errors
/// [`PublishError`]; readers then still find the model they had.
pub async fn publish(
    objects: &dyn ObjectStore,
    artefact: Artefact,
    now: Timestamp,
) -> Result<ModelId, PublishError> {
    // Verified as a reader would, before anyone can read it.
    let manifest = decode_manifest(&artefact.id, &artefact.manifest)?;
    Model::decode(artefact.id.clone(), manifest, &artefact.blob)?;
    // An object that is there already has the same content: its key says so.
    objects.put(&artefact.blob_key, artefact.blob, PutCondition::Absent).await?;
    objects.put(&manifest_key(&artefact.id), artefact.manifest, PutCondition::Absent).await?;
    for _ in 0..MAX_TRIES {
        if point_to(objects, &artefact.id, now).await? {
            return Ok(artefact.id);
        }
    }
    Err(PublishError::Race)
}

async fn point_to(
    objects: &dyn ObjectStore,
    id: &ModelId,
    now: Timestamp,
) -> Result<bool, PublishError> {
    let current = objects.get(POINTER_KEY).await?;
    let (previous, condition) = match current {
        Some(object) => {
            // An unreadable pointer serves nobody: it is replaced, without a past.
            let pointer: Option<Pointer> = serde_json::from_slice(&object.bytes).ok();
            (pointer.map(|pointer| pointer.model), PutCondition::Matches(object.etag))
        }
        None => (None, PutCondition::Absent),
    };
    let previous = previous.filter(|previous| previous != id);
    let pointer = Pointer { model: id.clone(), previous, promoted_at: now };
    let bytes = serde_json::to_vec(&pointer).map_err(|e| ModelError::Malformed(e.to_string()))?;
    Ok(objects.put(POINTER_KEY, bytes.into(), condition).await?.is_some())
}
