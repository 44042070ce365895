//! What goes with what: for each item of a domain, the items that who took it takes.

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::evidence::items::LocalRow;
use crate::maths::item_item::cosine::CosineParams;
use crate::maths::item_item::ease::EaseParams;
use crate::maths::item_item::local_ridge::LocalRidgeParams;
use crate::maths::item_item::walks::WalkParams;
use crate::maths::item_item::{self, ConfidenceUse};
use crate::maths::sparse::SparseRows;
use crate::model::tensors::Tensor;
use crate::model::{ModelError, sparse_tables};

/// How weights between items are made: see [`crate::maths::item_item`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum ItemItemMethod {
    /// A ridge regression of each item on all others, in closed form.
    Ease(EaseParams),
    /// A ridge regression of each item on those that most go with it, for catalogues
    /// that are too large for one on all.
    LocalRidge(LocalRidgeParams),
    /// Three steps at random: from item to person to item.
    Walk(WalkParams),
    /// How many people two items share beside those that they do not.
    Cosine(CosineParams),
}

impl ItemItemMethod {
    /// How a person's confidence in a past item becomes its value.
    #[must_use]
    pub fn values(&self) -> ConfidenceUse {
        match self {
            Self::Ease(params) => params.options().values,
            Self::LocalRidge(params) => params.options().values,
            Self::Walk(params) => params.options().values,
            Self::Cosine(params) => params.options().values,
        }
    }
}

/// The weights between the items of one domain: past items x items, both numbered
/// within it. No item has a weight for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemItem {
    method: ItemItemMethod,
    weights: SparseRows,
}

impl ItemItem {
    /// Weights, past items x items, and how they were made.
    #[must_use]
    pub fn new(method: ItemItemMethod, weights: SparseRows) -> Self {
        Self { method, weights }
    }

    /// How they were made.
    #[must_use]
    pub fn method(&self) -> ItemItemMethod {
        self.method
    }

    /// Past items x items.
    #[must_use]
    pub fn weights(&self) -> &SparseRows {
        &self.weights
    }

    /// The score of every item for who likes these, in order of rows: the sum of the
    /// past items' weights for it, each times its value. Past items are (row, confidence).
    #[must_use]
    pub fn scores(&self, liked: &[(LocalRow, f32)]) -> Vec<f32> {
        let mut scores = vec![0.0; self.weights.columns()];
        item_item::scores(&self.weights, &self.values(liked), &mut scores);
        scores
    }

    /// What each past item adds to an item's score.
    #[must_use]
    pub fn contributions(&self, liked: &[(LocalRow, f32)], item: LocalRow) -> Vec<(LocalRow, f32)> {
        let added = item_item::contributions(&self.weights, &self.values(liked), item.0);
        added.into_iter().map(|(past, amount)| (LocalRow(past), amount)).collect()
    }

    fn values(&self, liked: &[(LocalRow, f32)]) -> Vec<(u32, f32)> {
        let values = self.method.values();
        liked.iter().map(|(item, confidence)| (item.0, values.value(*confidence))).collect()
    }

    pub(super) fn fits(&self, items: usize) -> bool {
        (self.weights.rows(), self.weights.columns()) == (items, items)
    }

    pub(super) fn write(&self, named: &dyn Fn(&str) -> String) -> Vec<Tensor> {
        sparse_tables::write(&self.weights, named)
    }

    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        named: &dyn Fn(&str) -> String,
        method: ItemItemMethod,
        (weights, items): (usize, usize),
    ) -> Result<Self, ModelError> {
        let table = sparse_tables::read(tensors, named, weights, (items, items))?;
        Ok(Self::new(method, table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::item_item::walks::WalkOptions;

    #[test]
    fn scores_are_the_sum_of_what_each_past_item_adds() {
        let rows = [vec![(1, 0.5), (2, -1.0)], vec![(0, 0.25), (2, 0.5)], vec![]];
        let method = ItemItemMethod::Walk(WalkOptions::default().check().unwrap());
        let table = ItemItem::new(method, SparseRows::from_rows(3, rows));
        // How much is known by an item does not count here.
        let liked = [(LocalRow(0), 4.0), (LocalRow(1), 0.5)];
        assert_eq!(table.scores(&liked), [0.25, 0.5, -0.5]);
        let added = table.contributions(&liked, LocalRow(2));
        assert_eq!(added, [(LocalRow(0), -1.0), (LocalRow(1), 0.5)]);
        assert_eq!(table.scores(&[]), [0.0; 3]);
    }
}
