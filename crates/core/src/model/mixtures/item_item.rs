//! What goes with what: for each item of a domain, the items that who took it takes.

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::evidence::items::{Liked, LocalRow};
use crate::maths::item_item::cosine::CosineParams;
use crate::maths::item_item::ease::EaseParams;
use crate::maths::item_item::local_ridge::LocalRidgeParams;
use crate::maths::item_item::next_item::{NextItemParams, Ordered, past_values};
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
    /// A ridge regression of what people did later on what they did before, in closed
    /// form; the only one that goes by the order of what a person did.
    NextItem(NextItemParams),
}

impl ItemItemMethod {
    /// Whether it goes by the order of what people did.
    #[must_use]
    pub fn goes_by_order(&self) -> bool {
        matches!(self, Self::NextItem(_))
    }

    /// Most weights that are kept for each past item.
    #[must_use]
    pub fn kept(&self) -> usize {
        match self {
            Self::Ease(params) => params.options().kept,
            Self::LocalRidge(params) => params.options().kept,
            Self::Walk(params) => params.options().kept,
            Self::Cosine(params) => params.options().kept,
            Self::NextItem(params) => params.options().kept,
        }
    }

    /// The value of each past item: by its confidence, or by where it stands in the order
    /// of what the person likes in the domain, and by nothing else that they did.
    fn values(&self, liked: &[Liked]) -> Vec<(u32, f32)> {
        let by_confidence = |values: ConfidenceUse| {
            let value = |known: &Liked| (known.item.0, values.value(known.confidence));
            liked.iter().map(value).collect()
        };
        match self {
            Self::Ease(params) => by_confidence(params.options().values),
            Self::LocalRidge(params) => by_confidence(params.options().values),
            Self::Walk(params) => by_confidence(params.options().values),
            Self::Cosine(params) => by_confidence(params.options().values),
            Self::NextItem(params) => {
                let places = liked.iter().map(|known| (known.item.0, known.place));
                past_values(&Ordered::by_places(places), params)
            }
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
    /// past items' weights for it, each times its value.
    #[must_use]
    pub fn scores(&self, liked: &[Liked]) -> Vec<f32> {
        let mut scores = vec![0.0; self.weights.columns()];
        item_item::scores(&self.weights, &self.method.values(liked), &mut scores);
        scores
    }

    /// What each past item adds to an item's score.
    #[must_use]
    pub fn contributions(&self, liked: &[Liked], item: LocalRow) -> Vec<(LocalRow, f32)> {
        let added = item_item::contributions(&self.weights, &self.method.values(liked), item.0);
        added.into_iter().map(|(past, amount)| (LocalRow(past), amount)).collect()
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::maths::item_item::next_item::NextItemOptions;
    use crate::maths::item_item::walks::WalkOptions;

    fn liked(item: u32, confidence: f32, place: u16) -> Liked {
        Liked { item: LocalRow(item), confidence, place }
    }

    #[test]
    fn scores_are_the_sum_of_what_each_past_item_adds() {
        let rows = [vec![(1, 0.5), (2, -1.0)], vec![(0, 0.25), (2, 0.5)], vec![]];
        let method = ItemItemMethod::Walk(WalkOptions::default().check().unwrap());
        let table = ItemItem::new(method, SparseRows::from_rows(3, rows));
        // How much is known by an item does not count here.
        let liked = [liked(0, 4.0, 0), liked(1, 0.5, 0)];
        assert_eq!(table.scores(&liked), [0.25, 0.5, -0.5]);
        let added = table.contributions(&liked, LocalRow(2));
        assert_eq!(added, [(LocalRow(0), -1.0), (LocalRow(1), 0.5)]);
        assert_eq!(table.scores(&[]), [0.0; 3]);
    }

    #[test]
    fn what_goes_by_the_order_counts_what_is_newer_for_more() {
        let rows = [vec![(2, 1.0)], vec![(2, 1.0)], vec![]];
        let options = NextItemOptions { past_decay: 2.0, ..NextItemOptions::default() };
        let method = ItemItemMethod::NextItem(options.check().unwrap());
        let table = ItemItem::new(method, SparseRows::from_rows(3, rows));
        let past = [liked(0, 9.0, 40), liked(1, 0.5, 3)];
        let (older, newest) = ((-0.5f32).exp(), 1.0);
        // How many places lie between is what the person likes here, not what else they did.
        let added = BTreeMap::from_iter(table.contributions(&past, LocalRow(2)));
        assert_eq!(added, BTreeMap::from([(LocalRow(0), older), (LocalRow(1), newest)]));
        assert!((table.scores(&past)[2] - older - newest).abs() < 1e-6);
        // Of one instant: neither is newer.
        let together = [liked(0, 9.0, 3), liked(1, 0.5, 3)];
        assert_eq!(table.scores(&together)[2], 2.0);
        let turned: Vec<Liked> = past.into_iter().rev().collect();
        assert_eq!(table.scores(&past), table.scores(&turned));
    }
}
