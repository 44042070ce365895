//! Keeping what cleaning refused, for someone to look at.

use std::collections::BTreeSet;

use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::keys::{refused_key, refused_prefix};
use crossfold_core::archive::quarantine::encode_refused;
use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::evidence::cleaning::{Refusal, RefusedEvent, RefusedEvents};

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
    refused: RefusedEvents,
) -> Result<(), QuarantineError> {
    let mut stale: BTreeSet<String> =
        objects.list(&refused_prefix(run)).await?.into_iter().collect();
    for reason in Refusal::ALL {
        let mut events = refused.of(reason);
        for number in 0.. {
            let part: Vec<RefusedEvent> = events.by_ref().take(EVENTS_PER_FILE).collect();
            if part.is_empty() {
                break;
            }
            let key = refused_key(run, reason, number);
            objects.put(&key, encode_refused(&part)?, PutCondition::None).await?;
            stale.remove(&key);
        }
    }
    for key in stale {
        objects.delete(&key).await?;
    }
    Ok(())
}
