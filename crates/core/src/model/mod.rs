//! The model artefact: one immutable, checksummed set of tables.
//!
//! A model is a manifest (JSON) and one blob (safetensors) under content
//! addresses: the blob's key holds its SHA-256, which stands in the manifest,
//! whose own SHA-256 is the model's id. So a reader that starts from an id
//! verifies everything it loads.
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `item_factors` | f32, items x factors | rows in order of domain, then item id; of the joint fit if any bridge is joint, else fitted domain by domain |
//! | `domain_factors` | f32, items x factors | the same rows, fitted domain by domain; only where needed beside those of a joint fit |
//! | `item_popularity` | f32, items | share of the domain's people who interacted, 0 to 1 |
//! | `item_ids` | u8, bytes | item ids, one after another, UTF-8 |
//! | `item_id_ends` | u32, items | where each id ends in `item_ids` |
//! | `look_alikes` | u32, pairs x 2 | rows of items that look alike, the lower first, in order |
//! | `bridge_{n}_map` | f32, factors x factors | the map of the manifest's bridge `n`, from source to target |
//! | `bridge_{n}_ends` | u32, source items | where each source item's entries end in the next two |
//! | `bridge_{n}_items` | u32, entries | target items, numbered within their domain, ascending |
//! | `bridge_{n}_values` | f32, entries | what each source item adds to the target item's score |
//!
//! Size: 4 bytes x items x factors for each table of factors, at most
//! 8 x [`crate::training::bridging::cross_block_fit::KEPT`] bytes for each source item of a cross block.

pub mod bridges;
pub mod look_alikes;
pub mod scoring;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use ndarray::{Array2, ArrayView2};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entities::ids::{DomainId, ItemId, ModelId, TrainingRunId};
use crate::evidence::inputs::InputDistribution;
use crate::evidence::items::ItemIndex;
use crate::evidence::items::ItemKey;
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsOptions;
use crate::maths::fold_in::UnobservedItems;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::mapping::LinearMap;
use crate::model::bridges::{Bridge, Bridges, Carrier, Direction};
use crate::model::look_alikes::Twins;
use crate::model::scoring::{Estimate, ScoringTables, TableParts};
use crate::training::report::TrainingReport;

/// Version of the artefact's layout.
pub const FORMAT: u32 = 2;

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

/// A bridge that the model serves. Why it does, and why others are not served,
/// stands in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServedBridge {
    /// From which domain to which.
    #[serde(flatten)]
    pub direction: Direction,
    /// How much it adds to NDCG@20 of people who are new to the target.
    pub lift: f64,
    /// What carries the evidence.
    #[serde(flatten)]
    pub carrier: ServedCarrier,
}

/// What a served bridge carries evidence with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServedCarrier {
    /// The joint fit.
    Joint {
        /// What the source's confidences are multiplied with at fold-in.
        source_weight: f32,
    },
    /// A map, in the blob.
    Mapping,
    /// A cross block, in the blob.
    CrossBlock {
        /// How many entries it has.
        entries: usize,
    },
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
    /// The bridges between domains, in order of direction. Evidence crosses in no
    /// other direction.
    pub bridges: Vec<ServedBridge>,
    /// Whether there are factors by domain beside those of a joint fit.
    pub domain_factors: bool,
    /// Pairs of items that look alike.
    pub look_alikes: usize,
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
    /// items x factors, fitted domain by domain, where needed beside the above.
    pub domain_factors: Option<Array2<f32>>,
    /// The bridges that passed.
    pub bridges: Bridges,
    /// Items that look alike.
    pub twins: Twins,
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
    index: ItemIndex,
    tables: ScoringTables,
    popularity: Vec<f32>,
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
        bridges: parts.bridges.iter().map(served_bridge).collect(),
        domain_factors: parts.domain_factors.is_some(),
        look_alikes: parts.twins.pairs().count(),
        blob,
        inputs: parts.inputs.clone(),
        // Samples name users; a manifest outlives an erasure.
        report: TrainingReport {
            cleaning: parts.report.cleaning.clone().without_samples(),
            ..parts.report.clone()
        },
    }
}

fn served_bridge((direction, bridge): (&Direction, &Bridge)) -> ServedBridge {
    let carrier = match &bridge.carrier {
        Carrier::Joint { source_weight } => ServedCarrier::Joint { source_weight: *source_weight },
        Carrier::Mapping(_) => ServedCarrier::Mapping,
        Carrier::CrossBlock(block) => ServedCarrier::CrossBlock { entries: block.entries() },
    };
    ServedBridge { direction: direction.clone(), lift: bridge.lift, carrier }
}

/// A tensor before it is written.
struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn floats(name: impl Into<String>, shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = little_endian(values, f32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::F32, shape, bytes }
    }

    fn numbers(name: impl Into<String>, shape: Vec<usize>, values: &[u32]) -> Self {
        let bytes = little_endian(values, u32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::U32, shape, bytes }
    }

    fn table(name: impl Into<String>, table: &Array2<f32>) -> Result<Self, ModelError> {
        let values =
            table.as_slice().ok_or_else(|| malformed("factors are not in standard layout"))?;
        Ok(Self::floats(name, table.shape().to_vec(), values))
    }
}

fn encode_blob(parts: &ModelParts) -> Result<Vec<u8>, ModelError> {
    let items = parts.index.len();
    if parts.item_factors.nrows() != items || parts.popularity.len() != items {
        return Err(malformed("tables differ in length"));
    }
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
    let mut tensors = vec![
        Tensor::table("item_factors", &parts.item_factors)?,
        Tensor::floats("item_popularity", vec![items], &parts.popularity),
        Tensor {
            name: "item_ids".to_owned(),
            dtype: Dtype::U8,
            shape: vec![ids.len()],
            bytes: ids.into_bytes(),
        },
        Tensor::numbers("item_id_ends", vec![items], &ends),
    ];
    if let Some(factors) = &parts.domain_factors {
        tensors.push(Tensor::table("domain_factors", factors)?);
    }
    let pairs: Vec<u32> = parts.twins.pairs().flat_map(|(a, b)| [a, b]).collect();
    if !pairs.is_empty() {
        tensors.push(Tensor::numbers("look_alikes", vec![pairs.len() / 2, 2], &pairs));
    }
    for (number, (_, bridge)) in parts.bridges.iter().enumerate() {
        tensors.extend(bridge_tensors(number, &bridge.carrier)?);
    }
    let views = tensors
        .iter()
        .map(|tensor| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
            view.map(|view| (tensor.name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    safetensors::serialize(views, None).map_err(malformed)
}

fn bridge_tensors(number: usize, carrier: &Carrier) -> Result<Vec<Tensor>, ModelError> {
    let name = |what: &str| format!("bridge_{number}_{what}");
    match carrier {
        Carrier::Joint { .. } => Ok(Vec::new()),
        Carrier::Mapping(map) => Ok(vec![Tensor::table(name("map"), map.matrix())?]),
        Carrier::CrossBlock(block) => {
            let mut ends = Vec::with_capacity(block.rows());
            let (mut items, mut values) = (Vec::new(), Vec::new());
            for row in 0..block.rows() {
                let (columns, entries) = block.row(row);
                items.extend_from_slice(columns);
                values.extend_from_slice(entries);
                ends.push(items.len() as u32);
            }
            Ok(vec![
                Tensor::numbers(name("ends"), vec![ends.len()], &ends),
                Tensor::numbers(name("items"), vec![items.len()], &items),
                Tensor::floats(name("values"), vec![values.len()], &values),
            ])
        }
    }
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
        let tables = ScoringTables::new(TableParts {
            ranges: parts.index.ranges().clone(),
            params: parts.options.check().map_err(malformed)?,
            unobserved: parts.unobserved_items,
            item_factors: parts.item_factors.clone(),
            domain_factors: parts.domain_factors.clone(),
            bridges: parts.bridges.clone(),
            twins: parts.twins.clone(),
        })
        .map_err(malformed)?;
        Ok(Self {
            id,
            index: parts.index.clone(),
            popularity: parts.popularity.clone(),
            tables,
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
        if !manifest.domains.is_sorted_by(|a, b| a.domain < b.domain) {
            return Err(malformed("domains are not in order, or stand twice"));
        }
        let tensors = SafeTensors::deserialize(blob).map_err(malformed)?;
        let items = total_items(&manifest.domains)?;
        let factors = manifest.options.factors;
        let index = decode_index(&tensors, &manifest.domains, items)?;
        let popularity = finite(&tensors, "item_popularity", &[items])?;
        if popularity.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(malformed("item_popularity holds a value that is no share"));
        }
        let domain_factors = manifest
            .domain_factors
            .then(|| table(&tensors, "domain_factors", (items, factors)))
            .transpose()?;
        let tables = ScoringTables::new(TableParts {
            ranges: index.ranges().clone(),
            params,
            unobserved: manifest.unobserved_items,
            item_factors: table(&tensors, "item_factors", (items, factors))?,
            domain_factors,
            bridges: decode_bridges(&tensors, &manifest, &index)?,
            twins: decode_twins(&tensors, &manifest, &index)?,
        })
        .map_err(malformed)?;
        Ok(Self { id, manifest, index, tables, popularity })
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
        self.tables.item_factors()
    }

    /// The bridges between domains.
    #[must_use]
    pub fn bridges(&self) -> &Bridges {
        self.tables.bridges()
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

    /// Scores the items of `target` for a person with these interactions (item
    /// row, confidence), from what may be used for it: their own history in it,
    /// and that of the domains with a bridge to it. `None` when there is none, or
    /// the model does not know the target.
    #[must_use]
    pub fn estimate(&self, target: &DomainId, interactions: &[(u32, f32)]) -> Option<Estimate<'_>> {
        self.tables.estimate(target, interactions)
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

/// Items of all domains; a manifest may claim any number of them.
fn total_items(domains: &[DomainTable]) -> Result<usize, ModelError> {
    let add = |sum: usize, domain: &DomainTable| sum.checked_add(domain.items);
    domains.iter().try_fold(0, add).ok_or_else(|| malformed("the domains have too many items"))
}

fn numbers(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<u32>, ModelError> {
    let (words, _) = tensor(tensors, name, Dtype::U32, shape)?.as_chunks::<4>();
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

fn table(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: (usize, usize),
) -> Result<Array2<f32>, ModelError> {
    let values = finite(tensors, name, &[shape.0, shape.1])?;
    Array2::from_shape_vec(shape, values).map_err(malformed)
}

fn decode_twins(
    tensors: &SafeTensors<'_>,
    manifest: &Manifest,
    index: &ItemIndex,
) -> Result<Twins, ModelError> {
    if manifest.look_alikes == 0 {
        return Ok(Twins::default());
    }
    let values = numbers(tensors, "look_alikes", &[manifest.look_alikes, 2])?;
    let pairs: Vec<(u32, u32)> = values.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let is_known = |(a, b): &(u32, u32)| a < b && (*b as usize) < index.len();
    if !pairs.iter().all(is_known) || !pairs.is_sorted_by(|a, b| a < b) {
        return Err(malformed("look_alikes holds a pair that cannot be"));
    }
    Ok(Twins::new(pairs))
}

fn decode_bridges(
    tensors: &SafeTensors<'_>,
    manifest: &Manifest,
    index: &ItemIndex,
) -> Result<Bridges, ModelError> {
    if !manifest.bridges.is_sorted_by(|a, b| a.direction < b.direction) {
        return Err(malformed("bridges are not in order, or stand twice"));
    }
    let factors = manifest.options.factors;
    let mut bridges = Bridges::none();
    for (number, served) in manifest.bridges.iter().enumerate() {
        let name = |what: &str| format!("bridge_{number}_{what}");
        let items = |domain: &DomainId| index.ranges().get(domain).map_or(0, Range::len);
        let direction = &served.direction;
        let carrier = match served.carrier {
            ServedCarrier::Joint { source_weight } => Carrier::Joint { source_weight },
            ServedCarrier::Mapping => {
                Carrier::Mapping(LinearMap::new(table(tensors, &name("map"), (factors, factors))?))
            }
            ServedCarrier::CrossBlock { entries } => {
                let ends = numbers(tensors, &name("ends"), &[items(&direction.from)])?;
                let targets = numbers(tensors, &name("items"), &[entries])?;
                let values = finite(tensors, &name("values"), &[entries])?;
                let block = decode_block(&ends, &targets, &values, items(&direction.to))?;
                Carrier::CrossBlock(block)
            }
        };
        bridges.insert(direction.clone(), Bridge { lift: served.lift, carrier });
    }
    Ok(bridges)
}

fn decode_block(
    ends: &[u32],
    targets: &[u32],
    values: &[f32],
    target_items: usize,
) -> Result<SparseRows, ModelError> {
    let wrong = || malformed("a cross block is cut wrongly");
    let mut rows = Vec::with_capacity(ends.len());
    let mut start = 0;
    for &end in ends {
        let row = targets.get(start..end as usize).ok_or_else(wrong)?;
        let is_known = |target: &u32| (*target as usize) < target_items;
        if !row.is_sorted_by(|a, b| a < b) || !row.iter().all(is_known) {
            return Err(wrong());
        }
        rows.push(row.iter().copied().zip(values[start..end as usize].iter().copied()).collect());
        start = end as usize;
    }
    if start != targets.len() {
        return Err(wrong());
    }
    Ok(SparseRows::from_rows(target_items, rows))
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
            domain_factors: None,
            bridges: Bridges::none(),
            twins: Twins::default(),
        }
    }

    /// The same with a bridge of every kind and items that look alike.
    pub(crate) fn bridged_parts() -> ModelParts {
        let direction = |from: &str, to: &str| Direction {
            from: DomainId::parse(from).unwrap(),
            to: DomainId::parse(to).unwrap(),
        };
        let key = |d: &str, i: &str| (DomainId::parse(d).unwrap(), ItemId::parse(i).unwrap());
        let index = ItemIndex::new(
            [
                key("auto", "a1"),
                key("knowledge", "k1"),
                key("knowledge", "k2"),
                key("travel", "t1"),
            ]
            .into(),
        );
        let mut bridges = Bridges::none();
        let mut add = |from, to, carrier| {
            bridges.insert(direction(from, to), Bridge { lift: 0.25, carrier });
        };
        add("auto", "knowledge", Carrier::Joint { source_weight: 0.5 });
        let map = Array2::from_shape_fn((4, 4), |(i, j)| (i * 4 + j) as f32 / 16.0);
        add("knowledge", "auto", Carrier::Mapping(LinearMap::new(map)));
        let block = SparseRows::from_rows(1, [vec![(0, 0.5)], vec![]]);
        add("knowledge", "travel", Carrier::CrossBlock(block));
        ModelParts {
            item_factors: Array2::from_shape_fn((4, 4), |(i, j)| (i as f32 - j as f32) / 3.0),
            domain_factors: Some(Array2::from_shape_fn((4, 4), |(i, j)| (i + j) as f32 / 7.0)),
            popularity: vec![0.5; 4],
            bridges,
            twins: Twins::new([(0, 1), (2, 3)]),
            index,
            ..parts()
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

    #[test]
    fn bridges_and_look_alikes_survive_the_encoding() {
        let parts = bridged_parts();
        let artefact = Artefact::encode(parts.clone()).unwrap();
        let model = decode(&artefact, &artefact.blob).unwrap();
        assert_eq!(model.bridges(), &parts.bridges);
        assert_eq!(model.manifest().look_alikes, 2);
        assert_eq!(model.item_factors(), parts.item_factors);
        let again = Artefact::encode(parts).unwrap();
        assert_eq!(again.id, artefact.id);
    }

    /// Decodes a bridged model whose manifest was changed, with a right checksum.
    fn decode_changed(change: impl Fn(&mut Manifest)) -> Result<Model, ModelError> {
        let artefact = Artefact::encode(bridged_parts()).unwrap();
        let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        change(&mut manifest);
        Model::decode(artefact.id, manifest, &artefact.blob)
    }

    #[test]
    fn a_bridge_that_does_not_fit_is_refused() {
        decode_changed(|_| ()).unwrap();
        let changes: [fn(&mut Manifest); 8] = [
            |m| m.domain_factors = false,
            |m| m.look_alikes = 1,
            |m| m.bridges.reverse(),
            |m| m.bridges[0].carrier = ServedCarrier::Joint { source_weight: -1.0 },
            |m| m.bridges[0].carrier = ServedCarrier::Mapping,
            |m| m.bridges[2].carrier = ServedCarrier::CrossBlock { entries: 2 },
            |m| m.bridges[0].direction.from = DomainId::parse("elsewhere").unwrap(),
            |m| m.bridges[1].lift = f64::NAN,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let refused = decode_changed(change);
            assert!(matches!(refused, Err(ModelError::Malformed(_))), "change {number}");
        }
    }

    #[test]
    fn a_block_that_is_cut_wrongly_is_refused() {
        let values = [1.0; 3];
        assert!(decode_block(&[2, 3], &[0, 1, 1], &values, 2).is_ok());
        for (ends, targets) in [
            ([2, 2], [0, 1, 1]), // Entries are left over.
            ([3, 2], [0, 1, 2]), // Ends fall.
            ([2, 4], [0, 1, 1]), // Beyond the entries.
            ([2, 3], [1, 0, 1]), // Not ascending.
            ([2, 3], [0, 2, 1]), // Not an item.
        ] {
            assert!(decode_block(&ends, &targets, &values, 2).is_err(), "{ends:?} {targets:?}");
        }
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
            let artefact = Artefact::encode(bridged_parts()).unwrap();
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
