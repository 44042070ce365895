//! Catalogues in the bucket, each in one object as it was up to one of its changes: see
//! [`StoredCatalogue`].

use bytes::Bytes;
use crossfold_core::archive::catalogue::{StoredCatalogue, StoredCatalogueError};
use crossfold_core::archive::keys::{CATALOGUES_PREFIX, catalogue_key};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ETag, ObjectStore, PutCondition, StoreError, StoreResult};
use jiff::{SignedDuration, Timestamp};

/// How long a stored catalogue is begun with. What is deleted since stays in the table for 30 days,
/// so that a reader of changes learns of it; with ten to spare none ever comes back.
const FRESH: SignedDuration = SignedDuration::from_hours(20 * 24);
/// How far a clock may be ahead of that of who wrote one.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Why a catalogue cannot be begun with as it is stored.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored cannot be read.
    #[error("a stored catalogue cannot be read: {0}")]
    Unreadable(#[from] StoredCatalogueError),
    /// It is of another table, as before that was restored.
    #[error("a stored catalogue is of the table {0:?}, and is not used")]
    Elsewhere(String),
    /// It is too old to be told what was deleted since, or from a time to come.
    #[error("a stored catalogue is of {0}, and is not used")]
    Stale(Timestamp),
    /// Reading was interrupted.
    #[error("reading a stored catalogue was interrupted")]
    Interrupted,
}

/// Reads a domain's catalogue as it is stored of a table, if it is, and its version.
///
/// # Errors
/// [`CatalogueError`]: there is the table to read instead.
pub async fn load(
    objects: &dyn ObjectStore,
    (domain, table): (&DomainId, &str),
    now: Timestamp,
) -> Result<Option<(StoredCatalogue, ETag)>, CatalogueError> {
    let Some(object) = objects.get(&catalogue_key(domain)).await? else { return Ok(None) };
    let domain = domain.clone();
    let decode = move || StoredCatalogue::decode(&domain, object.bytes);
    let stored = tokio::task::spawn_blocking(decode).await;
    let stored = stored.map_err(|_| CatalogueError::Interrupted)??;
    if stored.table != table {
        return Err(CatalogueError::Elsewhere(stored.table));
    }
    let age = now.duration_since(stored.written_at);
    if age > FRESH || age < -AHEAD {
        return Err(CatalogueError::Stale(stored.written_at));
    }
    Ok(Some((stored, object.etag)))
}

/// Stores a domain's catalogue in the place of what was there; its own version, or `None` where another
/// was stored meanwhile.
///
/// # Errors
/// When the bucket fails.
pub async fn store(
    objects: &dyn ObjectStore,
    domain: &DomainId,
    (bytes, condition): (Bytes, PutCondition),
) -> StoreResult<Option<ETag>> {
    objects.put(&catalogue_key(domain), bytes, condition).await
}

/// Deletes the catalogues of domains that are not defined any more; how many they were.
///
/// # Errors
/// When the bucket fails.
pub async fn forget_undefined(
    objects: &dyn ObjectStore,
    definitions: &Definitions,
) -> StoreResult<usize> {
    let kept: Vec<String> = definitions.keys().map(catalogue_key).collect();
    let mut forgotten = 0;
    for key in objects.list(CATALOGUES_PREFIX).await? {
        if !kept.contains(&key) {
            objects.delete(&key).await?;
            forgotten += 1;
        }
    }
    Ok(forgotten)
}
