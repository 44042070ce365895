//! Items of different domains that look like one thing sold on both.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, numbers};
use super::{ModelError, malformed};
use crate::evidence::items::ItemIndex;

/// The twins of each item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u32, u32)>", into = "Vec<(u32, u32)>")]
pub struct Twins {
    of: BTreeMap<u32, Vec<u32>>,
}

impl Twins {
    /// From pairs of rows.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (first, second) in pairs {
            of.entry(first).or_default().push(second);
            of.entry(second).or_default().push(first);
        }
        for twins in of.values_mut() {
            twins.sort_unstable();
            twins.dedup();
        }
        Self { of }
    }

    /// The items that look like this one.
    #[must_use]
    pub fn of(&self, row: u32) -> &[u32] {
        self.of.get(&row).map_or(&[], Vec::as_slice)
    }

    /// Whether two items look alike.
    #[must_use]
    pub fn are(&self, a: u32, b: u32) -> bool {
        self.of(a).binary_search(&b).is_ok()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Each pair once, the lower row first, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let all = self.of.iter().flat_map(|(&a, twins)| twins.iter().map(move |&b| (a, b)));
        all.filter(|(a, b)| a < b)
    }
}

impl From<Vec<(u32, u32)>> for Twins {
    fn from(pairs: Vec<(u32, u32)>) -> Self {
        Self::new(pairs)
    }
}

impl From<Twins> for Vec<(u32, u32)> {
    fn from(twins: Twins) -> Self {
        twins.pairs().collect()
    }
}

/// How many pairs the manifest is to name, and their tensor, if there are any.
pub(crate) fn write(twins: &Twins) -> (usize, Option<Tensor>) {
    let pairs: Vec<u32> = twins.pairs().flat_map(|(a, b)| [a, b]).collect();
    let count = pairs.len() / 2;
    let tensor = (count > 0).then(|| Tensor::numbers("look_alikes", vec![count, 2], &pairs));
    (count, tensor)
}

/// Reads so many pairs.
pub(crate) fn read(
    count: usize,
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
) -> Result<Twins, ModelError> {
    if count == 0 {
        return Ok(Twins::default());
    }
    let values = numbers(tensors, "look_alikes", &[count, 2])?;
    let pairs: Vec<(u32, u32)> = values.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let is_known = |(a, b): &(u32, u32)| a < b && (*b as usize) < index.len();
    if !pairs.iter().all(is_known) || !pairs.is_sorted_by(|a, b| a < b) {
        return Err(malformed("look_alikes holds a pair that cannot be"));
    }
    Ok(Twins::new(pairs))
}
