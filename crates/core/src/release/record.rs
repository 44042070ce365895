//! The record of a model: what the list of models shows without reading each
//! model, with the gate's verdict.
//!
//! It is written before the model itself, so that whatever a run leaves behind
//! when it dies can be found and cleared away; and it is never changed. Where
//! the model stands ([`ModelState`]) follows from the pointer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, ModelId, TrainingRunId};
use crate::maths::als::AlsOptions;
use crate::maths::measure::Metrics;
use crate::model::Manifest;
use crate::model::items::DomainTable;
use crate::model::manifest::ContentReference;
use crate::release::champion::Pointer;
use crate::release::gate::Verdict;
use crate::training::drift::DriftReport;
use crate::training::report::TrainingReport;

/// Where records are.
pub const RECORDS_PREFIX: &str = "models/records/";

/// How well one domain's held-out interactions were ranked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DomainMetrics {
    /// People with something held out.
    pub people: usize,
    /// The model, fitted without what was held out.
    pub metrics: Metrics,
    /// Popularity, counted without what was held out.
    pub popularity: Metrics,
}

/// The record of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// The model.
    pub id: ModelId,
    /// When it was made.
    pub created_at: Timestamp,
    /// The run that made it.
    pub training_run: TrainingRunId,
    /// Its domains, with their items and people.
    pub domains: Vec<DomainTable>,
    /// Hyper-parameters of the fit.
    pub options: AlsOptions,
    /// Events it was made from; 0 where the reader may not know, like an empty blob.
    #[serde(default)]
    pub events: u64,
    /// As [`Manifest::erasures`].
    #[serde(default)]
    pub erasures: u64,
    /// Full-ranking evaluation by domain.
    pub metrics: BTreeMap<DomainId, DomainMetrics>,
    /// The gate's verdict; absent for a model from before there was a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The inputs of the run that made it against those of the champion then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
    /// Its blob.
    #[serde(default)]
    pub blob: ContentReference,
    /// The report of the run that made it; none in a model of format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ContentReference>,
}

impl ModelRecord {
    /// The record of a model with this manifest, and what the run that made it measured.
    #[must_use]
    pub fn new(
        id: ModelId,
        manifest: &Manifest,
        report: &TrainingReport,
        verdict: Option<Verdict>,
    ) -> Self {
        let metrics = report.evaluation.iter().map(|(domain, evaluation)| {
            let metrics = DomainMetrics {
                people: evaluation.people,
                metrics: evaluation.metrics.clone(),
                popularity: evaluation.popularity.clone(),
            };
            (domain.clone(), metrics)
        });
        Self {
            id,
            created_at: manifest.created_at,
            training_run: manifest.training_run.clone(),
            domains: manifest.domains.clone(),
            options: manifest.options,
            events: manifest.events,
            erasures: manifest.erasures,
            metrics: metrics.collect(),
            verdict,
            drift: report.drift.clone(),
            blob: manifest.blob.clone(),
            report: manifest.report.clone(),
        }
    }

    /// Where the record of a model of that time is stored. In the order of keys,
    /// the newest comes first, so a listing needs no reading.
    #[must_use]
    pub fn key_of(id: &ModelId, created_at: Timestamp) -> String {
        // Timestamps span less than 2^59 milliseconds to either side of 1970.
        let age = (1i64 << 60) - created_at.as_millisecond();
        format!("{RECORDS_PREFIX}{age:020}-{id}.json")
    }

    /// Where it is stored.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(&self.id, self.created_at)
    }

    /// Where the model stands.
    #[must_use]
    pub fn state(&self, pointer: Option<&Pointer>) -> ModelState {
        match pointer {
            Some(pointer) if pointer.model.as_ref() == Some(&self.id) => ModelState::Champion,
            Some(pointer) if pointer.previous.as_ref() == Some(&self.id) => ModelState::Previous,
            _ if self.verdict.as_ref().is_some_and(|verdict| !verdict.passed) => {
                ModelState::Refused
            }
            _ => ModelState::Candidate,
        }
    }
}

/// The model that a record's key names.
#[must_use]
pub fn model_of_key(key: &str) -> Option<ModelId> {
    let (_, id) = key.strip_prefix(RECORDS_PREFIX)?.strip_suffix(".json")?.split_once('-')?;
    ModelId::parse(id).ok()
}

/// Where a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// It is served.
    Champion,
    /// It was served before the champion, and is what to fall back on.
    Previous,
    /// It could be promoted.
    Candidate,
    /// The gate refused it; a person may promote it all the same.
    Refused,
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::decode_manifest;
    use crate::model::tests::{encode, parts};
    use crate::release::champion::Promoter;
    use crate::release::gate::{GateRules, judge};

    /// The record of a model of its own, made at that second.
    pub(crate) fn record(second: i64) -> ModelRecord {
        let mut parts = parts();
        parts.provenance.created_at = Timestamp::from_second(second).unwrap();
        let artefact = encode(&parts);
        let manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        let report = TrainingReport::default();
        let verdict = judge(Ok(&manifest), &report.shadow, None, &GateRules::default());
        ModelRecord::new(artefact.id, &manifest, &report, Some(verdict))
    }

    #[test]
    fn a_state_follows_from_the_pointer_and_the_verdict() {
        let (a, b, mut c) = (record(1), record(2), record(3));
        let by = Promoter::TrainingRun { id: a.training_run.clone() };
        let first = Pointer::after(None, a.id.clone(), by.clone(), a.created_at);
        let second = Pointer::after(Some(first), b.id.clone(), by, b.created_at);
        assert_eq!(a.state(Some(&second)), ModelState::Previous);
        assert_eq!(b.state(Some(&second)), ModelState::Champion);
        assert_eq!(c.state(Some(&second)), ModelState::Candidate);
        c.verdict.as_mut().unwrap().passed = false;
        assert_eq!(c.state(Some(&second)), ModelState::Refused);
        assert_eq!(b.state(None), ModelState::Candidate);
    }

    #[test]
    fn a_record_reads_back_and_its_key_tells_the_model() {
        let record = record(7);
        let json = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<ModelRecord>(&json).unwrap(), record);
        assert_eq!(model_of_key(&record.key()), Some(record.id));
        assert_eq!(model_of_key("models/records/x"), None);
    }

    proptest! {
        #[test]
        fn keys_are_in_order_newest_first(a in -377_705_023_201i64..253_402_207_200, b in -377_705_023_201i64..253_402_207_200) {
            let id = ModelId::parse(&"0".repeat(64)).unwrap();
            let key = |second| ModelRecord::key_of(&id, Timestamp::from_second(second).unwrap());
            prop_assert_eq!(a.cmp(&b), key(b).cmp(&key(a)));
        }
    }
}
