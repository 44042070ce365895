//! What the API answers, as far as the commands read it.
//!
//! A figure is read as wide as it is printed: a score is an `f32` in the model, and the
//! shortest text that means it is rounded from as an `f64`.

use anyhow::{Context, Result};
use crossfold_core::entities::ids::{DomainId, ModelId};
use crossfold_core::release::champion::Promotion;
use crossfold_core::release::record::{ModelRecord, ModelState};
use crossfold_core::training::drift::DriftReport;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Reads an answer.
///
/// # Errors
/// When it is none of this kind.
pub(crate) fn read<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).context("the API answered what this command cannot read")
}

/// `POST /v1/recommendations`.
#[derive(Debug, Deserialize)]
pub(crate) struct SlateAnswer {
    pub(crate) personalised: bool,
    pub(crate) degraded: Vec<String>,
    pub(crate) items: Vec<SlateItem>,
}

/// An item of a slate.
#[derive(Debug, Deserialize)]
pub(crate) struct SlateItem {
    pub(crate) rank: usize,
    pub(crate) domain: DomainId,
    pub(crate) item_id: String,
    pub(crate) title: String,
    pub(crate) score: f64,
    /// Absent when no reasons were asked for.
    pub(crate) reason: Option<SlateReason>,
}

/// Why an item is on a slate.
#[derive(Debug, Deserialize)]
pub(crate) struct SlateReason {
    pub(crate) text: String,
}

/// `GET /v1/models`: the models are left as they came, to be printed so.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelPageAnswer {
    pub(crate) models: Vec<Value>,
    /// The model to go on after; none at the end.
    pub(crate) next: Option<ModelId>,
}

/// `GET /v1/models/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelAnswer {
    pub(crate) state: ModelState,
    #[serde(flatten)]
    pub(crate) record: ModelRecord,
    /// Promotions of the model and away from it.
    pub(crate) promotions: Vec<Promotion>,
    /// Of the champion: what came in of late against what it was made from.
    pub(crate) drift: Option<DriftReport>,
}

/// `POST /v1/events`.
#[derive(Debug, Deserialize)]
pub(crate) struct EventsAnswer {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: Vec<Rejection>,
}

/// `POST /v1/domains/{domain}/items`.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemsAnswer {
    pub(crate) upserted: u64,
    pub(crate) rejected: Vec<Rejection>,
}

/// One element of a batch that was refused.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) index: usize,
}
