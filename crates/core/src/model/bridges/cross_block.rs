//! A ridge regression of target items on source items, as it is served.

use safetensors::SafeTensors;

use super::{Carried, Crossing, TensorNames};
use crate::evidence::items::{LocalRow, Row, Weighted};
use crate::maths::sparse::SparseRows;
use crate::model::tensors::Tensor;
use crate::model::{ModelError, sparse_tables};

/// What each source item adds to the scores of target items: source items x
/// target items, both numbered within their domain.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossBlock {
    entries: SparseRows,
}

impl CrossBlock {
    /// A block of these entries, source items x target items.
    #[must_use]
    pub fn new(entries: SparseRows) -> Self {
        Self { entries }
    }

    /// Source items x target items.
    #[must_use]
    pub fn entries(&self) -> &SparseRows {
        &self.entries
    }

    /// The score of every target item for a person with these source items, in
    /// order of rows.
    ///
    /// # Panics
    /// When the source has no such item.
    #[must_use]
    pub fn scores(&self, source_items: impl IntoIterator<Item = LocalRow>) -> Vec<f32> {
        let mut scores = vec![0.0; self.entries.columns()];
        for item in source_items {
            let (targets, values) = self.entries.row(item.index());
            targets.iter().zip(values).for_each(|(&at, value)| scores[at as usize] += value);
        }
        scores
    }

    /// What it makes of the source items that a person likes; how much is known by
    /// each does not count.
    pub(super) fn carry<'a>(
        &'a self,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> ThroughBlock<'a> {
        let liked = evidence.iter().filter(|known| known.is_liked());
        let items = liked.filter_map(|known| crossing.source.local(known.row));
        ThroughBlock { block: self, crossing, items: items.collect() }
    }

    /// Whether it is between so many source items and so many target items.
    pub(super) fn fits(&self, source_items: usize, target_items: usize) -> bool {
        (self.entries.rows(), self.entries.columns()) == (source_items, target_items)
    }

    pub(super) fn write(&self, names: TensorNames) -> Vec<Tensor> {
        sparse_tables::write(&self.entries, &|name| names.of(name))
    }

    /// Reads a block of so many entries between so many source and target items.
    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        entries: usize,
        shape: (usize, usize),
    ) -> Result<Self, ModelError> {
        sparse_tables::read(tensors, &|name| names.of(name), entries, shape).map(Self::new)
    }
}

/// A person's source items, with the block that they are carried by.
pub(super) struct ThroughBlock<'a> {
    block: &'a CrossBlock,
    crossing: Crossing<'a>,
    items: Vec<LocalRow>,
}

impl Carried for ThroughBlock<'_> {
    fn add_scores(&self, weight: f32, scores: &mut [f32]) {
        let carried = self.block.scores(self.items.iter().copied());
        debug_assert_eq!(scores.len(), carried.len());
        scores.iter_mut().zip(carried).for_each(|(score, carried)| *score += weight * carried);
    }

    fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        let Some(target) = self.crossing.target.local(row) else { return Vec::new() };
        let entry = |item: &LocalRow| {
            let (targets, values) = self.block.entries.row(item.index());
            let at = targets.binary_search(&target.0).ok()?;
            Some((self.crossing.source.row(*item), values[at]))
        };
        self.items.iter().filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_add_up_over_source_items() {
        let rows = [vec![(0, 0.5), (1, -1.0)], vec![(0, 0.25)]];
        let block = CrossBlock::new(SparseRows::from_rows(2, rows));
        assert_eq!(block.scores([LocalRow(0), LocalRow(1)]), [0.75, -1.0]);
        assert_eq!(block.scores([]), [0.0, 0.0]);
    }
}
