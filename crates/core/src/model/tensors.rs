//! The tensors of a blob: writing them, and reading them on no trust.

use ndarray::{Array2, ArrayView2};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::{ModelError, malformed};

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

/// A tensor before it is written.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    pub(crate) fn floats(name: impl Into<String>, shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = little_endian(values, f32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::F32, shape, bytes }
    }

    pub(crate) fn numbers(name: impl Into<String>, shape: Vec<usize>, values: &[u32]) -> Self {
        let bytes = little_endian(values, u32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::U32, shape, bytes }
    }

    pub(crate) fn table(name: impl Into<String>, table: ArrayView2<'_, f32>) -> Result<Self, ModelError> {
        let values =
            table.to_slice().ok_or_else(|| malformed("factors are not in standard layout"))?;
        Ok(Self::floats(name, table.shape().to_vec(), values))
    }
}

/// The blob of these tensors.
pub(crate) fn serialise(tensors: &[Tensor]) -> Result<Vec<u8>, ModelError> {
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

pub(crate) fn tensor<'data>(
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

pub(crate) fn finite(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let bytes = tensor(tensors, name, Dtype::F32, shape)?;
    let (words, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(malformed(format!("{name} holds a value that is not finite")));
    }
    Ok(values)
}

pub(crate) fn numbers(name: impl Into<String>, shape: Vec<usize>, values: &[u32]) -> Self {
        let bytes = little_endian(values, u32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::U32, shape, bytes }
    }

    fn table(name: impl Into<String>, table: &Array2<f32>) -> Result<Self, ModelError> {
        let values =
            table.to_slice().ok_or_else(|| malformed("factors are not in standard layout"))?;
        Ok(Self::floats(name, table.shape().to_vec(), values))
    }
}

pub(crate) fn encode_blob(parts: &ModelParts) -> Result<Vec<u8>, ModelError> {
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

pub(crate) fn bridge_tensors(number: usize, carrier: &Carrier) -> Result<Vec<Tensor>, ModelError> {
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

pub(crate) fn tensor<'data>(
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

pub(crate) fn finite(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let bytes = tensor(tensors, name, Dtype::F32, shape)?;
    let (words, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(malformed(format!("{name} holds a value that is not finite")));
    }
    Ok(values)
}

/// Items of all domains; a manifest may claim any number of them.
pub(crate) fn total_items(domains: &[DomainTable]) -> Result<usize, ModelError> {
    let add = |sum: usize, domain: &DomainTable| sum.checked_add(domain.items);
    domains.iter().try_fold(0, add).ok_or_else(|| malformed("the domains have too many items"))
}

pub(crate) fn numbers(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<u32>, ModelError> {
    let (words, _) = tensor(tensors, name, Dtype::U32, shape)?.as_chunks::<4>();
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

pub(crate) fn table(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: (usize, usize),
) -> Result<Array2<f32>, ModelError> {
    let values = finite(tensors, name, &[shape.0, shape.1])?;
    Array2::from_shape_vec(shape, values).map_err(malformed)
}
