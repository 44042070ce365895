//! The manifest: what a model is made of and where it came from, in JSON. It names
//! the blob and the report by their content, so a reader that starts from the model's
//! id (the SHA-256 of the manifest) verifies everything it loads.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bridges::ServedBridge;
use super::items::DomainTable;
use super::{ModelError, malformed, sha256_hex};
use crate::entities::ids::{ModelId, TrainingRunId};
use crate::evidence::inputs::InputDistribution;
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsOptions;
use crate::maths::fold_in::UnobservedItems;

/// Version of the artefact's layout. Since 3 the report is an object of its own;
/// the tables are those of [`OLDEST_FORMAT`].
pub const FORMAT: u32 = 3;
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
    /// [`FORMAT`], or that of an older model.
    pub format: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The run that made it.
    pub training_run: TrainingRunId,
    /// Events it was made from, after cleaning.
    pub events: u64,
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
    /// Whether there are factors by domain beside those of a joint fit.
    pub domain_factors: bool,
    /// Pairs of items that look alike.
    pub look_alikes: usize,
    /// The tables; stored under [`blob_key`].
    pub blob: ContentReference,
    /// What it was made from, to tell drift by; empty in models from before it was kept.
    #[serde(default)]
    pub inputs: InputDistribution,
    /// What the run saw and measured; stored under [`report_key`]. None in a model of
    /// format 2, which held it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ContentReference>,
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
        FORMAT => serde_json::from_slice(bytes).map_err(malformed),
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
    fn an_unknown_format_is_refused_with_what_to_do() {
        let (_, bytes, _) = of_format_2();
        for format in [1u32, 4] {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let text = text.replace("\"format\": 2", &format!("\"format\": {format}"));
            let id = ModelId::parse(&sha256_hex(text.as_bytes())).unwrap();
            let error = decode_manifest(&id, text.as_bytes()).unwrap_err();
            assert_eq!(error, ModelError::Format(format));
            assert!(error.to_string().contains("train a new model"), "{error}");
        }
    }
}
