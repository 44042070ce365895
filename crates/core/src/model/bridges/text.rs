//! How alike the texts of source items and target items are, beside how popular target items
//! are: taste carried by meaning, where nobody need have both domains.
//!
//! `s_j = sum over liked i of w_ij / sqrt(n) + p_j`: `w_ij` is how alike the texts of the source
//! item `i` and the target item `j` are, in an encoder's space; `n` counts the liked items that
//! are like anything there, so that a long history spreads scores no further than a short one;
//! `p_j` is what the target's own popularity adds, the same for everyone. Every score is exactly
//! the sum of what past items add and of `p_j`.
//!
//! The weights are made from texts alone and tell of no person; how much popularity adds is
//! chosen on the people who have both domains, where there are enough
//! ([`crate::training::bridging::text_fit`]).

use safetensors::SafeTensors;

use super::{Carried, Crossing, TensorNames};
use crate::evidence::items::{DomainRows, LocalRow, Row, Weighted};
use crate::maths::sparse::SparseRows;
use crate::model::tensors::{Tensor, finite};
use crate::model::{ModelError, sparse_tables};

/// What texts and popularity add to the scores of target items.
#[derive(Debug, Clone, PartialEq)]
pub struct TextLikeness {
    weights: SparseRows,
    popularity: Vec<f32>,
}

impl TextLikeness {
    /// From weights (source items x target items, each numbered within its domain) and what
    /// popularity adds to each target item.
    #[must_use]
    pub fn new(weights: SparseRows, popularity: Vec<f32>) -> Self {
        Self { weights, popularity }
    }

    /// The source items that a person likes and that are like anything in the target.
    pub(crate) fn alike(
        &self,
        source: &DomainRows,
        evidence: &[Weighted],
    ) -> impl Iterator<Item = LocalRow> {
        let liked = evidence.iter().filter(|known| known.is_liked());
        let items = liked.filter_map(|known| source.local(known.row));
        items.filter(|item| !self.weights.row(item.index()).0.is_empty())
    }

    /// How many weights there are.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.weights.entries()
    }

    /// What becomes of the source items that a person likes; how much is known by each does not
    /// count. `None` when none of them is like anything in the target.
    pub(super) fn carry<'a>(
        &'a self,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> Option<LikeTexts<'a>> {
        let items: Vec<LocalRow> = self.alike(crossing.source, evidence).collect();
        let share = (!items.is_empty()).then(|| 1.0 / (items.len() as f32).sqrt())?;
        Some(LikeTexts { of: self, crossing, items, share })
    }

    /// Whether it is between so many source items and so many target items.
    pub(crate) fn fits(&self, (source, target): (usize, usize)) -> bool {
        (self.weights.rows(), self.weights.columns()) == (source, target)
            && self.popularity.len() == target
    }

    pub(super) fn write(&self, names: TensorNames) -> Vec<Tensor> {
        let mut tensors = sparse_tables::write(&self.weights, &|name| names.of(name));
        let shape = vec![self.popularity.len()];
        tensors.push(Tensor::floats(names.of("popularity"), shape, &self.popularity));
        tensors
    }

    /// Reads one of so many weights between so many source and target items.
    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        entries: usize,
        items: (usize, usize),
    ) -> Result<Self, ModelError> {
        let weights = sparse_tables::read(tensors, &|name| names.of(name), entries, items)?;
        let popularity = finite(tensors, &names.of("popularity"), &[items.1])?;
        Ok(Self { weights, popularity })
    }
}

/// A person's source items, with the texts that they are carried by.
pub(super) struct LikeTexts<'a> {
    of: &'a TextLikeness,
    crossing: Crossing<'a>,
    items: Vec<LocalRow>,
    /// What each item's weights are multiplied with.
    share: f32,
}

impl Carried for LikeTexts<'_> {
    fn add_scores(&self, weight: f32, scores: &mut [f32]) {
        debug_assert_eq!(scores.len(), self.of.popularity.len());
        for (score, popularity) in scores.iter_mut().zip(&self.of.popularity) {
            *score += weight * popularity;
        }
        for item in &self.items {
            let (targets, values) = self.of.weights.row(item.index());
            for (&at, value) in targets.iter().zip(values) {
                scores[at as usize] += weight * self.share * value;
            }
        }
    }

    fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        let Some(target) = self.crossing.target.local(row) else { return Vec::new() };
        let entry = |item: &LocalRow| {
            let (targets, values) = self.of.weights.row(item.index());
            let at = targets.binary_search(&target.0).ok()?;
            Some((self.crossing.source.row(*item), self.share * values[at]))
        };
        self.items.iter().filter_map(entry).collect()
    }

    fn base(&self, row: Row) -> f32 {
        let target = self.crossing.target.local(row);
        target.and_then(|local| self.of.popularity.get(local.index())).copied().unwrap_or(0.0)
    }
}
