//! The model artefact: one immutable, checksummed set of tables.
//!
//! A model is a manifest (JSON) and one blob (safetensors) under content
//! addresses: the blob's key holds its SHA-256, which stands in the manifest,
//! whose own SHA-256 is the model's id. So a reader that starts from an id
//! verifies everything it loads.
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `item_factors` | f32, items x factors | rows in order of domain, then item id |
//! | `item_popularity` | f32, items | share of the domain's people who interacted, 0 to 1 |
//! | `item_ids` | u8, bytes | item ids, one after another, UTF-8 |
//! | `item_id_ends` | u32, items | where each id ends in `item_ids` |

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use ndarray::{Array2, ArrayView2, s};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::als::{AlsOptions, AlsParams};
use crate::dense::gram;
use crate::drift::InputDistribution;
use crate::evidence_scaling::EvidenceScaling;
use crate::fold_in::{FoldInBasis, UnobservedItems};
use crate::ids::{DomainId, ItemId, ModelId, TrainingRunId};
use crate::interactions::{ItemIndex, ItemKey};
use crate::training::TrainingReport;

/// Version of the artefact's layout.
pub const FORMAT: u32 = 1;

/// A domain's rows in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainTable {
    /// The domain.
    pub domain: DomainId,
    /// How many items it has in the model.
    pub items: usize,
    /// How many people have an interaction in it.
    pub people: u64,
}

/// The blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlobReference {
    /// Its SHA-256 in lower-case hex; its key is [`BlobReference::key`].
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

impl BlobReference {
    /// Where the blob is stored.
    #[must_use]
    pub fn key(&self) -> String {
        format!("models/{}/model.safetensors", self.sha256)
    }
}

/// What a model is made of and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The run that made it.
    pub training_run: TrainingRunId,
    /// Hyper-parameters of the fit.
    pub options: AlsOptions,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How evidence was weighed, other than the domains' definitions say.
    #[serde(default, skip_serializing_if = "EvidenceScaling::is_neutral")]
    pub evidence: EvidenceScaling,
    /// Domains in row order.
    pub domains: Vec<DomainTable>,
    /// The tables.
    pub blob: BlobReference,
    /// What it was made from, to tell drift by; empty in models from before it was kept.
    #[serde(default)]
    pub inputs: InputDistribution,
    /// What the run saw and measured.
    pub report: TrainingReport,
}

/// Where a manifest is stored.
#[must_use]
pub fn manifest_key(id: &ModelId) -> String {
    format!("models/{id}/manifest.json")
}

/// Why an artefact is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Content and address differ: torn, truncated or changed.
    #[error("{0} does not match its checksum")]
    Checksum(&'static str),
    /// It was made by another version of the layout.
    #[error("model format {0} is not supported")]
    Format(u32),
    /// It cannot be read.
    #[error("the model cannot be read: {0}")]
    Malformed(String),
}

fn malformed(why: impl ToString) -> ModelError {
    ModelError::Malformed(why.to_string())
}

/// What a training run hands over to become a model.
#[derive(Debug, Clone)]
pub struct ModelParts {
    /// The items, in row order.
    pub index: ItemIndex,
    /// items x factors.
    pub item_factors: Array2<f32>,
    /// Share of the domain's people who interacted with each item.
    pub popularity: Vec<f32>,
    /// People with an interaction, by domain.
    pub people: BTreeMap<DomainId, u64>,
    /// Hyper-parameters of the fit.
    pub options: AlsOptions,
    /// What counts as unobserved at fold-in.
    pub unobserved_items: UnobservedItems,
    /// How evidence was weighed, other than the domains' definitions say.
    pub evidence: EvidenceScaling,
    /// The run that made it.
    pub training_run: TrainingRunId,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it was made from, to tell drift by.
    pub inputs: InputDistribution,
    /// What the run saw and measured.
    pub report: TrainingReport,
}

/// A model as it is stored.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// Its id.
    pub id: ModelId,
    /// The manifest, stored under [`manifest_key`].
    pub manifest: Bytes,
    /// The blob, stored under [`BlobReference::key`].
    pub blob: Bytes,
    /// Where the blob is stored.
    pub blob_key: String,
}

/// A verified model, ready to serve.
#[derive(Debug, Clone)]
pub struct Model {
    id: ModelId,
    manifest: Manifest,
    params: AlsParams,
    index: ItemIndex,
    item_factors: Array2<f32>,
    popularity: Vec<f32>,
    grams: BTreeMap<DomainId, Array2<f32>>,
}

fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

impl Artefact {
    /// Encodes a model.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] when the parts do not fit together.
    pub fn encode(parts: ModelParts) -> Result<Self, ModelError> {
        let blob = encode_blob(&parts)?;
        let reference = BlobReference { sha256: sha256_hex(&blob), bytes: blob.len() as u64 };
        let blob_key = reference.key();
        let manifest = manifest_of(&parts, reference);
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(malformed)?;
        let id = ModelId::parse(&sha256_hex(&manifest)).map_err(malformed)?;
        Ok(Self { id, manifest: manifest.into(), blob: blob.into(), blob_key })
    }
}

fn manifest_of(parts: &ModelParts, blob: BlobReference) -> Manifest {
    let table = |(domain, rows): (&DomainId, &Range<usize>)| DomainTable {
        domain: domain.clone(),
        items: rows.len(),
        people: parts.people.get(domain).copied().unwrap_or(0),
    };
    Manifest {
        format: FORMAT,
        created_at: parts.created_at,
        training_run: parts.training_run.clone(),
        options: parts.options,
        unobserved_items: parts.unobserved_items,
        evidence: parts.evidence.clone(),
        domains: parts.index.ranges().iter().map(table).collect(),
        blob,
        inputs: parts.inputs.clone(),
        // Samples name users; a manifest outlives an erasure.
        report: TrainingReport {
            cleaning: parts.report.cleaning.clone().without_samples(),
            ..parts.report.clone()
        },
    }
}

fn encode_blob(parts: &ModelParts) -> Result<Vec<u8>, ModelError> {
    let items = parts.index.len();
    if parts.item_factors.nrows() != items || parts.popularity.len() != items {
        return Err(malformed("tables differ in length"));
    }
    let factors = parts
        .item_factors
        .as_slice()
        .ok_or_else(|| malformed("factors are not in standard layout"))?;
    let ids: String = parts.index.items().iter().map(|(_, item)| item.as_str()).collect();
    let mut end = 0u32;
    let ends: Vec<u32> = parts
        .index
        .items()
        .iter()
        .map(|(_, item)| {
            end += item.as_str().len() as u32;
            end
        })
        .collect();
    let factor_bytes = little_endian(factors, f32::to_le_bytes);
    let popularity_bytes = little_endian(&parts.popularity, f32::to_le_bytes);
    let end_bytes = little_endian(&ends, u32::to_le_bytes);
    let shape = vec![items, parts.item_factors.ncols()];
    let tensors = [
        ("item_factors", TensorView::new(Dtype::F32, shape, &factor_bytes)),
        ("item_popularity", TensorView::new(Dtype::F32, vec![items], &popularity_bytes)),
        ("item_ids", TensorView::new(Dtype::U8, vec![ids.len()], ids.as_bytes())),
        ("item_id_ends", TensorView::new(Dtype::U32, vec![items], &end_bytes)),
    ];
    let tensors = tensors
        .into_iter()
        .map(|(name, view)| view.map(|view| (name, view)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    safetensors::serialize(tensors, None).map_err(malformed)
}

/// Reads a manifest and checks that it is the one that `id` names.
///
/// # Errors
/// [`ModelError`] when it is not, or cannot be read.
pub fn decode_manifest(id: &ModelId, bytes: &[u8]) -> Result<Manifest, ModelError> {
    if sha256_hex(bytes) != id.as_str() {
        return Err(ModelError::Checksum("the manifest"));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(malformed)?;
    if manifest.format != FORMAT {
        return Err(ModelError::Format(manifest.format));
    }
    Ok(manifest)
}

impl Model {
    /// A model from its parts, to compare it before it is encoded. It has no id
    /// of its own yet and is not to be served.
    pub(crate) fn unpublished(parts: &ModelParts, id: ModelId) -> Result<Self, ModelError> {
        let manifest = manifest_of(parts, BlobReference { sha256: String::new(), bytes: 0 });
        Ok(Self {
            id,
            params: parts.options.check().map_err(malformed)?,
            index: parts.index.clone(),
            item_factors: parts.item_factors.clone(),
            popularity: parts.popularity.clone(),
            grams: grams(&parts.index, parts.item_factors.view()),
            manifest,
        })
    }

    /// Reads a model from its manifest and blob, and verifies both: checksums,
    /// shapes, order of items, finite numbers.
    ///
    /// # Errors
    /// [`ModelError`] naming what is wrong; nothing of it can be served then.
    pub fn decode(id: ModelId, manifest: Manifest, blob: &[u8]) -> Result<Self, ModelError> {
        if blob.len() as u64 != manifest.blob.bytes || sha256_hex(blob) != manifest.blob.sha256 {
            return Err(ModelError::Checksum("the blob"));
        }
        let params = manifest.options.check().map_err(malformed)?;
        let tensors = SafeTensors::deserialize(blob).map_err(malformed)?;
        let items = total_items(&manifest.domains)?;
        let factors = manifest.options.factors;
        let index = decode_index(&tensors, &manifest.domains, items)?;
        let item_factors = finite(&tensors, "item_factors", &[items, factors])?;
        let item_factors =
            Array2::from_shape_vec((items, factors), item_factors).map_err(malformed)?;
        let popularity = finite(&tensors, "item_popularity", &[items])?;
        if popularity.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(malformed("item_popularity holds a value that is no share"));
        }
        let grams = grams(&index, item_factors.view());
        check_magnitude(&grams)?;
        Ok(Self { id, manifest, params, index, item_factors, popularity, grams })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// What it is made of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its items, by row.
    #[must_use]
    pub fn index(&self) -> &ItemIndex {
        &self.index
    }

    /// Item factors, one row for each item.
    #[must_use]
    pub fn item_factors(&self) -> ArrayView2<'_, f32> {
        self.item_factors.view()
    }

    /// Share of the domain's people who interacted with the item of a row.
    #[must_use]
    pub fn popularity(&self, row: u32) -> f32 {
        self.popularity[row as usize]
    }

    /// The rows of a domain, if the model knows it.
    #[must_use]
    pub fn rows(&self, domain: &DomainId) -> Option<Range<usize>> {
        self.index.ranges().get(domain).cloned()
    }

    /// Runs `solve` on what a person with interactions in the `observed`
    /// domains is folded in against.
    pub fn with_basis<T>(
        &self,
        observed: &BTreeSet<&DomainId>,
        solve: impl FnOnce(FoldInBasis<'_>) -> T,
    ) -> T {
        let counts = |domain: &&DomainId| match self.manifest.unobserved_items {
            UnobservedItems::All => true,
            UnobservedItems::OfObservedDomains => observed.contains(*domain),
        };
        let factors = self.item_factors.ncols();
        let mut sum = Array2::zeros((factors, factors));
        let mut unobserved = 0;
        for (domain, gram) in self.grams.iter().filter(|(domain, _)| counts(domain)) {
            sum += gram;
            unobserved += self.index.ranges()[domain].len();
        }
        solve(FoldInBasis {
            items: self.item_factors.view(),
            gram: &sum,
            unobserved,
            params: &self.params,
        })
    }
}

fn tensor<'data>(
    tensors: &SafeTensors<'data>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'data [u8], ModelError> {
    let view = tensors.tensor(name).map_err(malformed)?;
    if view.dtype() != dtype || view.shape() != shape {
        return Err(malformed(format!("{name} has another type or shape")));
    }
    Ok(view.data())
}

fn finite(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let bytes = tensor(tensors, name, Dtype::F32, shape)?;
    let (words, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(malformed(format!("{name} holds a value that is not finite")));
    }
    Ok(values)
}

/// The Gram matrix of each domain's items.
fn grams(index: &ItemIndex, factors: ArrayView2<'_, f32>) -> BTreeMap<DomainId, Array2<f32>> {
    let of_rows = |rows: &Range<usize>| gram(factors.slice(s![rows.clone(), ..]));
    index.ranges().iter().map(|(domain, rows)| (domain.clone(), of_rows(rows))).collect()
}

/// Items of all domains; a manifest may claim any number of them.
fn total_items(domains: &[DomainTable]) -> Result<usize, ModelError> {
    let add = |sum: usize, domain: &DomainTable| sum.checked_add(domain.items);
    domains.iter().try_fold(0, add).ok_or_else(|| malformed("the domains have too many items"))
}

/// Refuses factors that are finite themselves but whose products are not: a
/// fold-in against them would be.
fn check_magnitude(grams: &BTreeMap<DomainId, Array2<f32>>) -> Result<(), ModelError> {
    let largest = grams.values().flatten().fold(0.0f64, |sum, value| sum + f64::from(value.abs()));
    if largest.is_finite() && largest < f64::from(f32::MAX) {
        return Ok(());
    }
    Err(malformed("item_factors are so large that their products are not finite"))
}

fn decode_index(
    tensors: &SafeTensors<'_>,
    domains: &[DomainTable],
    items: usize,
) -> Result<ItemIndex, ModelError> {
    let ends = tensor(tensors, "item_id_ends", Dtype::U32, &[items])?;
    let (ends, _) = ends.as_chunks::<4>();
    let last = ends.last().map_or(0, |end| u32::from_le_bytes(*end) as usize);
    let ids =
        std::str::from_utf8(tensor(tensors, "item_ids", Dtype::U8, &[last])?).map_err(malformed)?;
    let mut keys: Vec<ItemKey> = Vec::with_capacity(items);
    let mut start = 0;
    let of_row = domains.iter().flat_map(|d| std::iter::repeat_n(&d.domain, d.items));
    for (end, domain) in ends.iter().zip(of_row) {
        let end = u32::from_le_bytes(*end) as usize;
        let text = ids.get(start..end).ok_or_else(|| malformed("item ids are cut wrongly"))?;
        keys.push((domain.clone(), ItemId::parse(text).map_err(malformed)?));
        start = end;
    }
    if !keys.is_sorted_by(|a, b| a < b) {
        return Err(malformed("items are not in order, or stand twice"));
    }
    Ok(ItemIndex::new(keys.into_iter().collect()))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn parts() -> ModelParts {
        let key = |d: &str, i: &str| (DomainId::parse(d).unwrap(), ItemId::parse(i).unwrap());
        let index = ItemIndex::new(
            [key("knowledge", "k1"), key("knowledge", "课2"), key("auto", "a1")].into(),
        );
        ModelParts {
            item_factors: Array2::from_shape_fn((3, 4), |(i, j)| (i as f32 - j as f32) / 3.0),
            popularity: vec![0.5, 0.25, 1.0],
            people: BTreeMap::from([(DomainId::parse("knowledge").unwrap(), 4)]),
            options: AlsOptions { factors: 4, ..AlsOptions::default() },
            unobserved_items: UnobservedItems::default(),
            evidence: EvidenceScaling::default(),
            training_run: TrainingRunId::parse("run").unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            inputs: InputDistribution::default(),
            report: TrainingReport::default(),
            index,
        }
    }

    fn decode(artefact: &Artefact, blob: &[u8]) -> Result<Model, ModelError> {
        let manifest = decode_manifest(&artefact.id, &artefact.manifest)?;
        Model::decode(artefact.id.clone(), manifest, blob)
    }

    #[test]
    fn a_model_survives_its_encoding() {
        let parts = parts();
        let artefact = Artefact::encode(parts.clone()).unwrap();
        let model = decode(&artefact, &artefact.blob).unwrap();
        assert_eq!(model.index(), &parts.index);
        assert_eq!(model.item_factors(), parts.item_factors);
        assert_eq!(model.popularity(1), 0.25);
        let again = Artefact::encode(parts).unwrap();
        assert_eq!(again.id, artefact.id);
    }

    proptest! {
        #[test]
        fn a_changed_or_cut_byte_anywhere_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
            let artefact = Artefact::encode(parts()).unwrap();
            let mut blob = artefact.blob.to_vec();
            let at_byte = at.index(blob.len());
            blob[at_byte] ^= flip;
            prop_assert_eq!(decode(&artefact, &blob).unwrap_err(), ModelError::Checksum("the blob"));
            prop_assert_eq!(
                decode(&artefact, &artefact.blob[..at_byte]).unwrap_err(),
                ModelError::Checksum("the blob")
            );
            let mut manifest = artefact.manifest.to_vec();
            let at_byte = at.index(manifest.len());
            manifest[at_byte] ^= flip;
            prop_assert_eq!(
                decode_manifest(&artefact.id, &manifest).unwrap_err(),
                ModelError::Checksum("the manifest")
            );
        }

        #[test]
        fn no_blob_makes_the_decoder_panic_even_with_a_right_checksum(
            cut in any::<prop::sample::Index>(), noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let artefact = Artefact::encode(parts()).unwrap();
            let mut blob = artefact.blob.to_vec();
            for (at, value) in noise {
                let at = at.index(blob.len());
                blob[at] = value;
            }
            blob.truncate(cut.index(blob.len()) + 1);
            let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
            manifest.blob = BlobReference { sha256: sha256_hex(&blob), bytes: blob.len() as u64 };
            if let Ok(model) = Model::decode(artefact.id, manifest, &blob) {
                prop_assert!(model.item_factors().iter().all(|value| value.is_finite()));
            }
        }
    }

    #[test]
    fn a_factor_that_is_not_finite_is_refused() {
        let mut parts = parts();
        parts.item_factors[(1, 1)] = f32::NAN;
        let artefact = Artefact::encode(parts).unwrap();
        assert!(matches!(decode(&artefact, &artefact.blob), Err(ModelError::Malformed(_))));
    }
}
