//! Items of different domains that look like one thing sold on both.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, numbers};
use super::{ModelError, malformed};
use crate::evidence::items::{ItemIndex, Row};

/// For each item, those that look like it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(Row, Row)>", into = "Vec<(Row, Row)>")]
pub struct LookAlikes {
    of: BTreeMap<Row, Vec<Row>>,
}

impl LookAlikes {
    /// From pairs of items.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (Row, Row)>) -> Self {
        let mut of: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
        for (first, second) in pairs {
            of.entry(first).or_default().push(second);
            of.entry(second).or_default().push(first);
        }
        for others in of.values_mut() {
            others.sort_unstable();
            others.dedup();
        }
        Self { of }
    }

    /// The items that look like this one.
    #[must_use]
    pub fn of(&self, row: Row) -> &[Row] {
        self.of.get(&row).map_or(&[], Vec::as_slice)
    }

    /// Whether two items look alike.
    #[must_use]
    pub fn are(&self, a: Row, b: Row) -> bool {
        self.of(a).binary_search(&b).is_ok()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Each pair once, the lower row first, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (Row, Row)> {
        let all = self.of.iter().flat_map(|(&a, others)| others.iter().map(move |&b| (a, b)));
        all.filter(|(a, b)| a < b)
    }
}

impl From<Vec<(Row, Row)>> for LookAlikes {
    fn from(pairs: Vec<(Row, Row)>) -> Self {
        Self::new(pairs)
    }
}

impl From<LookAlikes> for Vec<(Row, Row)> {
    fn from(look_alikes: LookAlikes) -> Self {
        look_alikes.pairs().collect()
    }
}

/// How many pairs the manifest is to name, and their tensor, if there are any.
pub(crate) fn write(look_alikes: &LookAlikes) -> (usize, Option<Tensor>) {
    let pairs: Vec<u32> = look_alikes.pairs().flat_map(|(a, b)| [a.0, b.0]).collect();
    let count = pairs.len() / 2;
    let tensor = (count > 0).then(|| Tensor::numbers("look_alikes", vec![count, 2], &pairs));
    (count, tensor)
}

/// Reads so many pairs.
pub(crate) fn read(
    count: usize,
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
) -> Result<LookAlikes, ModelError> {
    if count == 0 {
        return Ok(LookAlikes::default());
    }
    let values = numbers(tensors, "look_alikes", &[count, 2])?;
    let pairs = values.chunks_exact(2).map(|pair| (Row(pair[0]), Row(pair[1])));
    let pairs: Vec<(Row, Row)> = pairs.collect();
    let is_known = |(a, b): &(Row, Row)| a < b && b.index() < index.len();
    if !pairs.iter().all(is_known) || !pairs.is_sorted_by(|a, b| a < b) {
        return Err(malformed("look_alikes holds a pair that cannot be"));
    }
    Ok(LookAlikes::new(pairs))
}
