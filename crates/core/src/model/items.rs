//! The items of a model: which item each row is, and how popular it was.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, finite, tensor};
use super::{ModelError, malformed};
use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::items::{ItemIndex, ItemKey};
use crate::evidence::popularity::PeopleOfDomain;

/// A domain's rows in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainTable {
    /// The domain.
    pub domain: DomainId,
    /// How many items it has in the model.
    pub items: usize,
    /// How many people have an interaction in it.
    pub people: u64,
    /// As [`PeopleOfDomain::weight`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// What the manifest says of the items, and their tensors.
pub(crate) fn write(
    index: &ItemIndex,
    people: &BTreeMap<DomainId, PeopleOfDomain>,
) -> (Vec<DomainTable>, [Tensor; 2]) {
    let domains = index.ranges().iter().map(|(domain, rows)| {
        let PeopleOfDomain { count, weight } = people.get(domain).copied().unwrap_or_default();
        DomainTable { domain: domain.clone(), items: rows.len(), people: count, weight }
    });
    let ids: String = index.items().iter().map(|(_, item)| item.as_str()).collect();
    let mut end = 0u32;
    let ends: Vec<u32> = index
        .items()
        .iter()
        .map(|(_, item)| {
            end += item.as_str().len() as u32;
            end
        })
        .collect();
    let ids = Tensor {
        name: "item_ids".to_owned(),
        dtype: Dtype::U8,
        shape: vec![ids.len()],
        bytes: ids.into_bytes(),
    };
    (domains.collect(), [ids, Tensor::numbers("item_id_ends", vec![index.len()], &ends)])
}

/// Reads the items of these domains.
pub(crate) fn read(
    domains: &[DomainTable],
    tensors: &SafeTensors<'_>,
) -> Result<ItemIndex, ModelError> {
    if !domains.is_sorted_by(|a, b| a.domain < b.domain) {
        return Err(malformed("domains are not in order, or stand twice"));
    }
    decode_index(tensors, domains, total_items(domains)?)
}

/// The people with an interaction in each of these domains.
pub(crate) fn people_of(domains: &[DomainTable]) -> BTreeMap<DomainId, PeopleOfDomain> {
    let of = |table: &DomainTable| PeopleOfDomain { count: table.people, weight: table.weight };
    domains.iter().map(|table| (table.domain.clone(), of(table))).collect()
}

/// The tensor of popularities.
pub(crate) fn write_popularity(popularity: &[f32]) -> Tensor {
    Tensor::floats("item_popularity", vec![popularity.len()], popularity)
}

/// Reads the popularities of so many items.
pub(crate) fn read_popularity(
    tensors: &SafeTensors<'_>,
    items: usize,
) -> Result<Vec<f32>, ModelError> {
    let popularity = finite(tensors, "item_popularity", &[items])?;
    if popularity.iter().any(|share| !(0.0..=1.0).contains(share)) {
        return Err(malformed("item_popularity holds a value that is no share"));
    }
    Ok(popularity)
}

/// Items of all domains; a manifest may claim any number of them.
fn total_items(domains: &[DomainTable]) -> Result<usize, ModelError> {
    let add = |sum: usize, domain: &DomainTable| sum.checked_add(domain.items);
    domains.iter().try_fold(0, add).ok_or_else(|| malformed("the domains have too many items"))
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
