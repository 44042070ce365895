//! Publishing a model: its record first, then its parts under their content
//! addresses, and the pointer to them last, if the gate lets it.

use bytes::Bytes;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::model::manifest::{
    ContentReference, Manifest, blob_key, manifest_key, report_key,
};
use crossfold_core::model::{Artefact, Model, ModelError, ModelParts};
use crossfold_core::release::champion::Promoter;
use crossfold_core::release::gate::{GateRules, Incumbent, Verdict, judge};
use crossfold_core::release::record::ModelRecord;
use crossfold_core::training::report::TrainingReport;
use jiff::Timestamp;

use crate::load::{LoadError, load_report};
use crate::promotion::{PromotionError, PromotionOrder, promote};

/// Why a model was not stored or not published; the last champion keeps serving.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The parts do not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What was stored could not be made the champion.
    #[error("the model could not be promoted: {0}")]
    Promotion(#[from] PromotionError),
    /// The record or the report could not be written down.
    #[error("the record or the report cannot be encoded: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl Retryable for PublishError {
    fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Store(error) => error.is_worth_another_try(),
            Self::Promotion(error) => error.is_worth_another_try(),
            Self::Model(_) | Self::Encoding(_) => false,
        }
    }
}

/// Times the pointer may move under us.
const MAX_TRIES: usize = 5;

/// What became of a new model.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The model; none when it does not verify, and was not stored.
    pub model: Option<ModelId>,
    /// The gate's verdict. When it passed, the model is the champion.
    pub verdict: Verdict,
    /// Where the report of its run lies, if the model was stored.
    pub report: Option<ContentReference>,
}

/// Encodes a model, judges it against the champion and stores it; if it passed, makes
/// it the champion. One that does not verify is not stored. `champion` is what its
/// training was told to compare it with.
///
/// # Errors
/// [`PublishError`]; readers then still find the model they had.
pub async fn publish(
    objects: &dyn ObjectStore,
    parts: &ModelParts,
    report: &TrainingReport,
    champion: Option<&Model>,
    rules: &GateRules,
    now: Timestamp,
) -> Result<Published, PublishError> {
    let artefact = Artefact::encode(parts, report.encode()?)?;
    // Verified as a reader would, before anyone can read it.
    let verified = artefact.verify().map(|model| model.manifest().clone());
    let measured = match champion.and_then(|model| model.manifest().report.as_ref()) {
        Some(reference) => match load_report(objects, reference).await {
            // A bucket that fails is no champion without figures.
            Err(LoadError::Store(error)) => return Err(error.into()),
            found => found.ok().flatten(),
        },
        None => None,
    };
    let champion = champion.map(|model| Incumbent {
        id: model.id(),
        manifest: model.manifest(),
        measured: measured.as_ref().map(|report| &report.shadow),
    });
    let verdict = judge(verified.as_ref(), &report.shadow, champion, rules);
    let Ok(manifest) = verified else {
        return Ok(Published { model: None, verdict, report: None });
    };
    let id = artefact.id.clone();
    let record = ModelRecord::new(id, &manifest, report, Some(verdict.clone()));
    store(objects, artefact, &manifest, &record).await?;
    if verdict.passed {
        promote_by_run(objects, &record, now).await?;
    }
    Ok(Published { model: Some(record.id), verdict, report: manifest.report })
}

/// Stores the record first, so that whatever a dying run leaves can be found
/// again, and the manifest last. An object that is there already has the same content.
async fn store(
    objects: &dyn ObjectStore,
    artefact: Artefact,
    manifest: &Manifest,
    record: &ModelRecord,
) -> Result<(), PublishError> {
    store_record(objects, record).await?;
    objects.put(&blob_key(&manifest.blob.sha256), artefact.blob, PutCondition::Absent).await?;
    if let Some(report) = &manifest.report {
        objects.put(&report_key(&report.sha256), artefact.report, PutCondition::Absent).await?;
    }
    objects.put(&manifest_key(&artefact.id), artefact.manifest, PutCondition::Absent).await?;
    Ok(())
}

/// Stores the record of a model, unless it is there.
///
/// # Errors
/// When the bucket fails.
pub async fn store_record(
    objects: &dyn ObjectStore,
    record: &ModelRecord,
) -> Result<(), PublishError> {
    let bytes = Bytes::from(serde_json::to_vec(record)?);
    objects.put(&record.key(), bytes, PutCondition::Absent).await?;
    Ok(())
}

async fn promote_by_run(
    objects: &dyn ObjectStore,
    record: &ModelRecord,
    at: Timestamp,
) -> Result<(), PublishError> {
    let by = Promoter::TrainingRun { id: record.training_run.clone() };
    let order = PromotionOrder { model: record.id.clone(), by, expected: None, at };
    for _ in 1..MAX_TRIES {
        match promote(objects, order.clone()).await {
            Err(PromotionError::Race) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
    promote(objects, order).await.map(drop).map_err(Into::into)
}
