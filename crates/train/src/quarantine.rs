//! Keeping what cleaning refused, for someone to look at.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::keys::{refused_key, refused_prefix};
use crossfold_core::archive::quarantine::encode_refused;
use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::evidence::cleaning::{Refusal, RefusedEvent};

/// Most events of one file.
const EVENTS_PER_FILE: usize = 50_000;

/// Why refused events were not kept.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be encoded.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
}

impl Retryable for QuarantineError {
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_worth_another_try())
    }
}

/// Writes a run's refused events, by reason. Carried out again, the run's files
/// are replaced, and those that are no longer needed deleted.
pub(crate) async fn write(
    objects: &dyn ObjectStore,
    run: &TrainingRunId,
    refused: Vec<RefusedEvent>,
) -> Result<(), QuarantineError> {
    let mut by_reason: BTreeMap<Refusal, Vec<RefusedEvent>> = BTreeMap::new();
    for refused in refused {
        by_reason.entry(refused.reason).or_default().push(refused);
    }
    let mut stale: BTreeSet<String> =
        objects.list(&refused_prefix(run)).await?.into_iter().collect();
    for (reason, refused) in by_reason {
        for (number, part) in refused.chunks(EVENTS_PER_FILE).enumerate() {
            let key = refused_key(run, reason, number);
            objects.put(&key, encode_refused(part)?, PutCondition::None).await?;
            stale.remove(&key);
        }
    }
    for key in stale {
        objects.delete(&key).await?;
    }
    Ok(())
}
