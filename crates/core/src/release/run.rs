//! Training runs: the record of one attempt to make a model.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::ids::{ModelId, TrainingRunId};
use crate::entities::records::{Record, RecordKind};
use crate::maths::als::AlsOptions;
use crate::release::gate::Verdict;
use crate::training::report::TrainingReport;
use crate::training::tuning::TuningRequest;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TrainingRunState {
    /// It was asked for and waits for a worker.
    Queued,
    /// A worker is at it.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// Its model was published.
    Succeeded {
        /// When.
        finished_at: Timestamp,
        /// The model, now the champion.
        model: ModelId,
        /// What the run saw and measured.
        report: Box<TrainingReport>,
        /// The gate's verdict; absent in runs from before there was a gate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Box<Verdict>>,
    },
    /// It made a model that the gate refused; the last champion keeps serving.
    Refused {
        /// When.
        finished_at: Timestamp,
        /// The model, kept so that a person may promote it; none when it does not verify.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<ModelId>,
        /// Why, in words.
        reasons: Vec<String>,
        /// What the run saw and measured.
        report: Box<TrainingReport>,
        /// The gate's verdict, with its figures.
        verdict: Box<Verdict>,
    },
    /// It ended without a model; the last champion keeps serving.
    Failed {
        /// When.
        finished_at: Timestamp,
        /// Why, in words.
        reason: String,
    },
}

/// One training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRun {
    /// Its identifier.
    pub id: TrainingRunId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Hyper-parameters; with tuning, where the search begins.
    pub options: AlsOptions,
    /// Bounds of a search for better ones, when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningRequest>,
    /// Whether a model made from far fewer events than the champion may be published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_fewer_events: bool,
    /// Where it stands.
    #[serde(flatten)]
    pub state: TrainingRunState,
}

impl Record for TrainingRun {
    const KIND: RecordKind = "training-run";
    type Id = TrainingRunId;
}
