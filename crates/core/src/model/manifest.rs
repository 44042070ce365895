//! The manifest: what a model is made of and where it came from, in JSON. It names
//! the blob and the report by their content, so a reader that starts from the model's
//! id (the SHA-256 of the manifest) verifies everything it loads.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bridges::{ServedBridge, ServedPrior};
use super::content::DescribedDomain;
use super::items::DomainTable;
use super::mixtures::ServedMixture;
use super::{ModelError, malformed, sha256_hex};
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, ModelId, TrainingRunId};
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::inputs::InputDistribution;
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsOptions;
use crate::maths::fold_in::UnobservedItems;

/// Version of the artefact's layout. Since 3 the report is an object of its own; since 4
/// a domain's items may be ranked by a mixture of rankers, which earlier programs would
/// leave out, and so serve what nobody measured; since 5 a ranker of it may go by the
/// order of what a person did; since 6 it may be a sequence model, a bridge may go by texts, and
/// segments may be told apart by tastes; since 7 items may be young, and those
/// that stand in for new ones have weights that are 1 in all. A model of 3 to 6 is read as
/// one of 7 without any.
pub const FORMAT: u32 = 7;
/// The layout of a model without these two.
pub const FORMAT_WITHOUT_YOUNG: u32 = 6;
/// The layout of a model without any of these: programs that know none read it as well.
pub const FORMAT_WITHOUT_ANY: u32 = 5;
/// The oldest layout that is read.
pub const OLDEST_FORMAT: u32 = 2;

/// An object that is named by its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentReference {
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

impl ContentReference {
    /// What names these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: sha256_hex(bytes), bytes: bytes.len() as u64 }
    }

    /// Whether it names these bytes.
    #[must_use]
    pub fn names(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.bytes && sha256_hex(bytes) == self.sha256
    }
}

/// Where the blob of a model is stored.
#[must_use]
pub fn blob_key(sha256: &str) -> String {
    format!("models/{sha256}/model.safetensors")
}

/// Where the report of a run is stored.
#[must_use]
pub fn report_key(sha256: &str) -> String {
    format!("models/{sha256}/report.json")
}

/// Where a manifest is stored.
#[must_use]
pub fn manifest_key(id: &ModelId) -> String {
    format!("models/{id}/manifest.json")
}

/// What a model is made of and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`], [`FORMAT_WITHOUT_YOUNG`], [`FORMAT_WITHOUT_ANY`], or that of an older model.
    pub format: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The run that made it.
    pub training_run: TrainingRunId,
    /// Events it was made from, after cleaning.
    pub events: u64,
    /// How many erasures were under way or complete when the run that made it looked who
    /// there is, by the number that the store counts: it knows nobody of those. 0 in models
    /// from before they were counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erasures: u64,
    /// The number of the last deletion of each domain that had been deleted, or was being, when
    /// the run read: of lives up to there it knows nothing. Absent in models from before
    /// deletions were numbered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deletions: BTreeMap<DomainId, u64>,
    /// Hyper-parameters of the fit.
    pub options: AlsOptions,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How evidence was weighed, other than the domains' definitions say.
    #[serde(default, skip_serializing_if = "EvidenceScaling::is_neutral")]
    pub evidence: EvidenceScaling,
    /// Domains in row order.
    pub domains: Vec<DomainTable>,
    /// The bridges between domains, in order of direction. Evidence crosses in no
    /// other direction.
    pub bridges: Vec<ServedBridge>,
    /// What is tried in directions where nothing could be measured, in order of direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priors: Vec<ServedPrior>,
    /// Whether there are factors by domain beside those of a joint fit.
    pub domain_factors: bool,
    /// Pairs of items that look alike.
    pub look_alikes: usize,
    /// How the items of domains are ranked by own evidence, in order of domains; those
    /// that are not named by their factors alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixtures: Vec<ServedMixture>,
    /// Domains whose people with evidence there are all served alike, by popularity.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by_popularity: BTreeSet<DomainId>,
    /// Whether there are segments.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub segments: bool,
    /// Words of all items together, if there are topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<usize>,
    /// What maps the texts of new items to factors, in order of domains; none in models before
    /// format 6, in which all domains shared an encoder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<DescribedDomain>,
    /// The tables; stored under [`blob_key`].
    pub blob: ContentReference,
    /// What it was made from, to tell drift by; empty in models from before it was kept.
    #[serde(default)]
    pub inputs: InputDistribution,
    /// The newest evidence of each domain: the age of evidence is counted back from
    /// there. Empty in models from before it was, whose evidence was weighed as of
    /// [`Manifest::created_at`].
    #[serde(default, skip_serializing_if = "NewestEvidence::is_empty")]
    pub newest_evidence: NewestEvidence,
    /// What the run saw and measured; stored under [`report_key`]. None in a model of
    /// format 2, which held it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ContentReference>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Manifest {
    /// From where the age of a person's events is counted back when they are folded in:
    /// from the newest evidence that the model was made from, so that time passing
    /// changes no score, or from the person's own where that is newer, as if the model
    /// had been made with it. Their newest event counts most in any case.
    #[must_use]
    pub fn newest_with(&self, events: &[Event]) -> NewestEvidence {
        let known = &self.newest_evidence;
        let of_model = |domain: &DomainId| match known.is_empty() {
            true => Some(self.created_at),
            false => known.in_domain(domain),
        };
        NewestEvidence::of(events).raised(of_model)
    }
}

/// What every version's manifest says.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// What is read of the report that a manifest of format 2 holds.
#[derive(Deserialize)]
struct InlineReport {
    cleaning: InlineCleaning,
}

#[derive(Deserialize)]
struct InlineCleaning {
    kept: u64,
}

/// Reads a manifest and checks that it is the one that `id` names.
///
/// # Errors
/// [`ModelError`] when it is not, or cannot be read.
pub fn decode_manifest(id: &ModelId, bytes: &[u8]) -> Result<Manifest, ModelError> {
    if sha256_hex(bytes) != id.as_str() {
        return Err(ModelError::Checksum("the manifest"));
    }
    let Version { format } = serde_json::from_slice(bytes).map_err(malformed)?;
    match format {
        3..=FORMAT => serde_json::from_slice(bytes).map_err(malformed),
        OLDEST_FORMAT => decode_inline(bytes),
        other => Err(ModelError::Format(other)),
    }
}

/// Reads a manifest of format 2: the number of events stands in the report that it holds.
fn decode_inline(bytes: &[u8]) -> Result<Manifest, ModelError> {
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes).map_err(malformed)?;
    let report = fields.remove("report").unwrap_or_default();
    let report: InlineReport = serde_json::from_value(report).map_err(malformed)?;
    fields.insert("events".to_owned(), report.cleaning.kept.into());
    serde_json::from_value(fields.into()).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::model::tests::{bridged_parts, encode};

    #[test]
    fn every_format_since_the_report_stands_apart_is_read() {
        let artefact = encode(&bridged_parts());
        let written: serde_json::Value = serde_json::from_slice(&artefact.manifest).unwrap();
        let read = |format: u32| {
            let mut manifest = written.clone();
            manifest["format"] = format.into();
            let bytes = serde_json::to_vec(&manifest).unwrap();
            decode_manifest(&ModelId::parse(&sha256_hex(&bytes)).unwrap(), &bytes)
        };
        for format in OLDEST_FORMAT + 1..=FORMAT {
            assert_eq!(read(format).unwrap().format, format);
        }
        for format in [0, OLDEST_FORMAT - 1, FORMAT + 1] {
            assert_eq!(read(format), Err(ModelError::Format(format)));
        }
    }

    /// What the versions before 3 wrote: the report within the manifest.
    fn of_format_2() -> (ModelId, Vec<u8>, Vec<u8>) {
        let artefact = encode(&bridged_parts());
        let mut fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&artefact.manifest).unwrap();
        fields.remove("events");
        fields.insert("format".into(), 2.into());
        let report = serde_json::json!({
            "cleaning": { "read": 12, "kept": 9, "refused": { "duplicate": 3 } },
            "without_consent": 0, "people": 4, "evaluation": {},
        });
        fields.insert("report".into(), report);
        let bytes = serde_json::to_vec_pretty(&fields).unwrap();
        (ModelId::parse(&sha256_hex(&bytes)).unwrap(), bytes, artefact.blob.to_vec())
    }

    #[test]
    fn a_model_of_the_format_before_is_read() {
        let (id, bytes, blob) = of_format_2();
        let manifest = decode_manifest(&id, &bytes).unwrap();
        assert_eq!((manifest.format, manifest.events, &manifest.report), (2, 9, &None));
        let model = Model::decode(id, manifest, &blob).unwrap();
        assert_eq!(model.bridges(), bridged_parts().sections.tables.bridges());
    }

    #[test]
    fn age_is_counted_back_from_the_models_newest_evidence_or_the_persons_own() {
        use crossfold_testing::{at, domain, event_at};
        let artefact = encode(&bridged_parts());
        let manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        let older = Manifest { created_at: at(50), ..manifest.clone() };
        let knowledge = domain("knowledge");
        let newest = |manifest: &Manifest, second| {
            manifest.newest_with(&[event_at(0), event_at(second)]).in_domain(&knowledge)
        };
        assert_eq!((newest(&older, 9), newest(&older, 90)), (Some(at(50)), Some(at(90))));
        let mut manifest = Manifest { created_at: at(500), ..manifest };
        manifest.newest_evidence.note(&knowledge, at(30));
        assert_eq!((newest(&manifest, 9), newest(&manifest, 90)), (Some(at(30)), Some(at(90))));
    }

    #[test]
    fn an_unknown_format_is_refused_with_what_to_do() {
        let (_, bytes, _) = of_format_2();
        for format in [1u32, FORMAT + 1] {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let text = text.replace("\"format\": 2", &format!("\"format\": {format}"));
            let id = ModelId::parse(&sha256_hex(text.as_bytes())).unwrap();
            let error = decode_manifest(&id, text.as_bytes()).unwrap_err();
            assert_eq!(error, ModelError::Format(format));
            assert!(error.to_string().contains("train a new model"), "{error}");
        }
    }
}
