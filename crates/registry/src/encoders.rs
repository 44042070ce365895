//! The text encoder in the bucket: one artefact under its content's name, and a pointer to it.
//! Artefacts are written once and kept, since vectors in models name the encoder that made them.

use bytes::Bytes;
use crossfold_core::archive::keys::{ENCODER_POINTER_KEY, encoder_key};
use crossfold_core::entities::ports::{ETag, ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_text::Identity;
use crossfold_text::artefact::{ArtefactError, describe, sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which encoder is installed: `encoders/current.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderPointer {
    /// The encoder; its SHA-256 names the artefact.
    pub identity: Identity,
    /// How its artefact is read, such as `universal/1`.
    pub format: String,
    /// Where its weights are from.
    pub source: String,
    /// The licence of its weights, whose text the artefact holds.
    pub licence: String,
    /// Bytes of the artefact.
    pub size: u64,
    /// When it was installed.
    pub installed_at: Timestamp,
}

/// Why there is no encoder, or another one than was meant.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is to be installed is no encoder's artefact.
    #[error("this is no text encoder: {0}")]
    Artefact(#[from] ArtefactError),
    /// The pointer cannot be read.
    #[error("the pointer to the text encoder cannot be read: {0}")]
    Pointer(serde_json::Error),
    /// The pointer is there, the artefact is not.
    #[error("the artefact of the text encoder is missing")]
    Missing,
    /// The artefact is not the one that the pointer names.
    #[error("the artefact of the text encoder is not what its name says")]
    Checksum,
    /// Someone else installed one meanwhile.
    #[error("another text encoder was installed at the same time")]
    Race,
}

impl Retryable for EncoderError {
    /// A race is not: whoever installs is to look at the other encoder first.
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_worth_another_try())
    }
}

/// What installing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// It is the encoder from now on.
    Now(EncoderPointer),
    /// It was the encoder already, and nothing was written.
    Already(EncoderPointer),
}

impl Installed {
    /// The pointer to the encoder.
    #[must_use]
    pub fn pointer(&self) -> &EncoderPointer {
        match self {
            Self::Now(pointer) | Self::Already(pointer) => pointer,
        }
    }
}

/// Makes an artefact the text encoder: its bytes first, then one conditional swap of the pointer.
/// Whether it encodes is for the caller to try before.
///
/// # Errors
/// When it is no artefact, the bucket fails, or someone else installs one at the same time;
/// readers then still find the encoder they had.
pub async fn install(
    objects: &dyn ObjectStore,
    artefact: Bytes,
    at: Timestamp,
) -> Result<Installed, EncoderError> {
    let description = describe(&artefact)?;
    let sha256 = sha256(&artefact);
    let condition = match read(objects).await {
        Ok(Some((pointer, _))) if pointer.identity.sha256 == sha256 => {
            // The artefact may be gone though its pointer is there.
            put(objects, artefact, &sha256).await?;
            return Ok(Installed::Already(pointer));
        }
        Ok(Some((_, etag))) => PutCondition::Matches(etag),
        Ok(None) => PutCondition::Absent,
        // An unreadable pointer names no encoder: it is replaced.
        Err(EncoderError::Pointer(_)) => PutCondition::None,
        Err(error) => return Err(error),
    };
    let pointer = EncoderPointer {
        size: artefact.len() as u64,
        identity: Identity {
            name: description.name,
            version: description.version,
            sha256: sha256.clone(),
        },
        format: description.format,
        source: description.source,
        licence: description.licence,
        installed_at: at,
    };
    put(objects, artefact, &sha256).await?;
    let bytes = serde_json::to_vec(&pointer).map_err(EncoderError::Pointer)?;
    match objects.put(ENCODER_POINTER_KEY, bytes.into(), condition).await? {
        Some(_) => Ok(Installed::Now(pointer)),
        None => Err(EncoderError::Race),
    }
}

/// Writes an artefact under its content's name, unless what is there is whole.
async fn put(objects: &dyn ObjectStore, artefact: Bytes, hash: &str) -> Result<(), EncoderError> {
    let key = encoder_key(hash);
    let condition = match objects.get(&key).await? {
        Some(object) if sha256(&object.bytes) == hash => return Ok(()),
        // Its name says what belongs there: whoever else writes it writes the same.
        Some(_) => PutCondition::None,
        None => PutCondition::Absent,
    };
    objects.put(&key, artefact, condition).await?;
    Ok(())
}

async fn read(objects: &dyn ObjectStore) -> Result<Option<(EncoderPointer, ETag)>, EncoderError> {
    let Some(object) = objects.get(ENCODER_POINTER_KEY).await? else { return Ok(None) };
    let pointer = serde_json::from_slice(&object.bytes).map_err(EncoderError::Pointer)?;
    Ok(Some((pointer, object.etag)))
}

/// Which encoder is installed; `None` when none is.
///
/// # Errors
/// When the bucket fails, or the pointer cannot be read.
pub async fn installed(objects: &dyn ObjectStore) -> Result<Option<EncoderPointer>, EncoderError> {
    Ok(read(objects).await?.map(|(pointer, _)| pointer))
}

/// The artefact of an encoder, verified against its pointer; `crossfold_text::open` makes the
/// encoder of it.
///
/// # Errors
/// When the bucket fails, or the artefact is missing or another.
pub async fn load(
    objects: &dyn ObjectStore,
    pointer: &EncoderPointer,
) -> Result<Bytes, EncoderError> {
    load_named(objects, &pointer.identity.sha256).await
}

/// The artefact of an encoder that a model names, verified; another may be installed by now.
///
/// # Errors
/// When the bucket fails, or the artefact is missing or another.
pub async fn load_named(objects: &dyn ObjectStore, name: &str) -> Result<Bytes, EncoderError> {
    let object = objects.get(&encoder_key(name)).await?.ok_or(EncoderError::Missing)?;
    if sha256(&object.bytes) != name {
        return Err(EncoderError::Checksum);
    }
    Ok(object.bytes)
}
