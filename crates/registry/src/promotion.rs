//! Promoting a model: verified as a reader would, then one conditional swap of
//! the pointer. Rolling back is promoting the model before.

use crate::load::{LoadError, StoredPointer, load, load_manifest, read_pointer};
use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::model::Manifest;
use crossfold_core::release::champion::{POINTER_KEY, Pointer, Promoter};
use jiff::Timestamp;

/// Why a model was not promoted; the champion is what it was.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// It cannot be read whole.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was made from people whose erasure is complete.
    #[error("the model was made from people who were erased since")]
    KnowsErased,
    /// It is being deleted.
    #[error("the model is being deleted")]
    Retiring,
    /// The champion is not the one that the caller expected.
    #[error("the champion is not the expected one")]
    Unexpected,
    /// Someone else moved the pointer meanwhile.
    #[error("the champion changed at the same time")]
    Race,
    /// The pointer could not be written down.
    #[error("the pointer cannot be encoded: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl Retryable for PromotionError {
    /// A race is not: whoever asked is to look at the new champion first.
    fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Load(error) => error.is_worth_another_try(),
            Self::Store(error) => error.is_worth_another_try(),
            Self::KnowsErased
            | Self::Retiring
            | Self::Unexpected
            | Self::Race
            | Self::Encoding(_) => false,
        }
    }
}

/// A promotion that is asked for.
#[derive(Debug, Clone)]
pub struct PromotionOrder {
    /// The model to serve.
    pub model: ModelId,
    /// Who asks.
    pub by: Promoter,
    /// The champion that the one who asks has seen; any, when not given.
    pub expected: Option<ModelId>,
    /// When.
    pub at: Timestamp,
}

/// Makes a model the champion, after verifying it as a reader would. The one
/// that is champion already stays it, and nothing is written.
///
/// # Errors
/// [`PromotionError`]; readers then still find the champion they had.
pub async fn promote(
    objects: &dyn ObjectStore,
    order: PromotionOrder,
) -> Result<Pointer, PromotionError> {
    // The pointer is read first: if it moves while the model is verified, the swap fails.
    let stored = read_pointer(objects).await?;
    let (current, condition) = match stored {
        // An unreadable pointer serves nobody: it is replaced, without a past.
        Some(StoredPointer { pointer, etag }) => (pointer, PutCondition::Matches(etag)),
        None => (None, PutCondition::Absent),
    };
    let champion = current.as_ref().and_then(|pointer| pointer.model.as_ref());
    if order.expected.is_some() && order.expected.as_ref() != champion {
        return Err(PromotionError::Unexpected);
    }
    let model = load(objects, &order.model).await?;
    let Manifest { blob, report, erasures, .. } = model.manifest();
    let needed = current.as_ref().map_or(0, |pointer| pointer.erasures);
    if *erasures < needed {
        return Err(PromotionError::KnowsErased);
    }
    if let Some(current) = current.as_ref().filter(|_| champion == Some(&order.model)) {
        return Ok(current.clone());
    }
    let report = report.as_ref().map(|report| report.sha256.as_str());
    let is_retiring = |pointer: &Pointer| pointer.is_retiring(&order.model, &blob.sha256, report);
    if current.as_ref().is_some_and(is_retiring) {
        return Err(PromotionError::Retiring);
    }
    // A run completes the erasures that its model is free of, and only by this swap.
    let completes = match order.by {
        Promoter::TrainingRun { .. } => *erasures,
        Promoter::Caller { .. } => needed,
    };
    let mut pointer = Pointer::after(current, order.model, order.by, order.at);
    if completes > needed {
        pointer.erasures = completes;
        pointer.previous = without_erased(objects, pointer.previous, completes).await?;
    }
    let bytes = serde_json::to_vec(&pointer)?;
    match objects.put(POINTER_KEY, bytes.into(), condition).await? {
        Some(_) => Ok(pointer),
        None => Err(PromotionError::Race),
    }
}

/// A model to fall back on, unless it knows people of these erasures, or cannot tell.
async fn without_erased(
    objects: &dyn ObjectStore,
    previous: Option<ModelId>,
    erasures: u64,
) -> Result<Option<ModelId>, PromotionError> {
    let Some(previous) = previous else { return Ok(None) };
    match load_manifest(objects, &previous).await {
        Ok(manifest) => Ok((manifest.erasures >= erasures).then_some(previous)),
        Err(LoadError::Store(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// A withdrawal of the champion that is asked for.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// Who asks.
    pub by: Promoter,
    /// The champion that the one who asks has seen; none when there was none.
    pub expected: Option<ModelId>,
    /// Why.
    pub reason: String,
    /// How many erasures whatever is served from now on must be free of.
    pub erasures: u64,
    /// When.
    pub at: Timestamp,
}

/// Withdraws the champion: nothing is served until another model is promoted, and none that
/// knows people of the erasures may be.
///
/// # Errors
/// [`PromotionError`]; the champion is then what it was.
pub async fn withdraw(objects: &dyn ObjectStore, order: Withdrawal) -> Result<(), PromotionError> {
    let (current, condition) = match read_pointer(objects).await? {
        Some(StoredPointer { pointer, etag }) => (pointer, PutCondition::Matches(etag)),
        None => (None, PutCondition::Absent),
    };
    let (champion, needed) = match &current {
        Some(pointer) => (pointer.model.as_ref(), pointer.erasures),
        None => (None, 0),
    };
    if champion != order.expected.as_ref() {
        return Err(PromotionError::Unexpected);
    }
    if champion.is_none() && needed >= order.erasures {
        return Ok(());
    }
    let mut pointer = Pointer::withdrawn(current, order.by, order.reason, order.at);
    pointer.erasures = needed.max(order.erasures);
    let bytes = serde_json::to_vec(&pointer)?;
    match objects.put(POINTER_KEY, bytes.into(), condition).await? {
        Some(_) => Ok(()),
        None => Err(PromotionError::Race),
    }
}
