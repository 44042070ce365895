//! Factors that a bridge has for itself: of the items of its two domains, fitted
//! with settings of its own.
//!
//! What is best for people of whom nothing but another domain is known is not what is
//! best within a domain: sparse catalogues want other weights of what is unobserved.
//! So a bridge may bring its own tables, and leave those that serve everyone else alone.
//!
//! Size: 4 bytes x factors for each item of both domains.

use ndarray::{Array2, ArrayView1, ArrayView2};
use safetensors::SafeTensors;

use super::{Carried, Crossing, TensorNames};
use crate::evidence::items::{DomainRows, LocalRow, Row, Weighted};
use crate::maths::als::AlsParams;
use crate::maths::dense::{dot, gram};
use crate::maths::fold_in::{FoldInBasis, FoldedPerson};
use crate::model::ModelError;
use crate::model::tensors::{Tensor, table};

/// Factors of the items of two domains, for a fold-in by the first alone.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnFactors {
    params: AlsParams,
    source: Array2<f32>,
    /// Of the source.
    gram: Array2<f32>,
    target: Array2<f32>,
}

impl OwnFactors {
    /// Factors of the source's items and of the target's, items x factors, fitted with
    /// these parameters.
    #[must_use]
    pub fn new(params: AlsParams, source: Array2<f32>, target: Array2<f32>) -> Self {
        let standard = |table: Array2<f32>| table.as_standard_layout().into_owned();
        let (source, target) = (standard(source), standard(target));
        Self { gram: gram(source.view()), params, source, target }
    }

    /// What they were fitted with.
    #[must_use]
    pub fn params(&self) -> &AlsParams {
        &self.params
    }

    /// Factors of the source's items.
    #[must_use]
    pub fn source(&self) -> ArrayView2<'_, f32> {
        self.source.view()
    }

    /// Factors of the target's items.
    #[must_use]
    pub fn target(&self) -> ArrayView2<'_, f32> {
        self.target.view()
    }

    /// The factors of one of the target's items.
    ///
    /// # Panics
    /// When there is no such item.
    #[must_use]
    pub fn of_target(&self, item: LocalRow) -> ArrayView1<'_, f32> {
        self.target.row(item.index())
    }

    /// Whether they are of so many items, and every fold-in and score stays finite.
    pub(super) fn fits(&self, (source, target): (usize, usize)) -> bool {
        let factors = self.params.options().factors;
        let is_bounded = |table: &Array2<f32>| {
            let squares: f64 = table.iter().map(|value| f64::from(*value).powi(2)).sum();
            // The sum of all products of two columns is at most so large.
            squares * factors as f64 <= f64::from(f32::MAX)
        };
        self.source.dim() == (source, factors)
            && self.target.dim() == (target, factors)
            && is_bounded(&self.source)
            && is_bounded(&self.target)
    }

    /// Solves a person's vector from what they did in the source: see [`FoldedPerson`].
    /// `None` without anything liked, or when the numbers are too extreme.
    #[must_use]
    pub fn fold_in(&self, entries: &[(u32, f32)]) -> Option<FoldedPerson> {
        if !entries.iter().any(|(_, confidence)| *confidence > 0.0) {
            return None;
        }
        let basis = FoldInBasis {
            items: self.source.view(),
            gram: &self.gram,
            unobserved: self.source.nrows(),
            params: &self.params,
        };
        FoldedPerson::solve(basis, entries).ok()
    }

    /// Adds to a score of each of the target's items `weight` times the product of its
    /// factors with `vector`.
    pub(super) fn add_products(&self, weight: f32, vector: &[f32], scores: &mut [f32]) {
        debug_assert_eq!(scores.len(), self.target.nrows());
        for (score, row) in scores.iter_mut().zip(self.target.rows()) {
            *score += weight * row.as_slice().map_or(0.0, |row| dot(vector, row));
        }
    }

    pub(super) fn write(&self, names: TensorNames) -> Result<Vec<Tensor>, ModelError> {
        Ok(vec![
            Tensor::table(names.of("source_factors"), self.source.view())?,
            Tensor::table(names.of("target_factors"), self.target.view())?,
        ])
    }

    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        params: AlsParams,
        (source, target): (usize, usize),
    ) -> Result<Self, ModelError> {
        let factors = params.options().factors;
        let source = table(tensors, &names.of("source_factors"), (source, factors))?;
        let target = table(tensors, &names.of("target_factors"), (target, factors))?;
        Ok(Self::new(params, source, target))
    }
}

/// Evidence of the source as entries of its own items.
pub(super) fn within_source(source: &DomainRows, evidence: &[Weighted]) -> Vec<(u32, f32)> {
    let local = |known: &Weighted| Some((source.local(known.row)?.0, known.confidence));
    evidence.iter().filter_map(local).collect()
}

/// Contributions by the source's own items, as contributions of items.
pub(super) fn of_source(
    source: &DomainRows,
    contributions: impl IntoIterator<Item = (u32, f32)>,
) -> Vec<(Row, f32)> {
    contributions.into_iter().map(|(item, amount)| (source.row(LocalRow(item)), amount)).collect()
}

/// A person folded in by the source's factors, whose vector scores the target's items.
pub(super) struct FoldedAcross<'a> {
    pub(super) own: &'a OwnFactors,
    pub(super) crossing: Crossing<'a>,
    pub(super) person: FoldedPerson,
}

impl Carried for FoldedAcross<'_> {
    fn add_scores(&self, weight: f32, scores: &mut [f32]) {
        self.own.add_products(weight, self.person.vector(), scores);
    }

    fn contributions(&self, row: Row) -> Vec<(Row, f32)> {
        let Some(item) = self.crossing.target.local(row) else { return Vec::new() };
        let direction = self.own.of_target(item).to_vec();
        let contributions = self.person.contributions_along(self.own.source(), &direction);
        of_source(self.crossing.source, contributions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::als::AlsOptions;

    #[test]
    fn tables_of_another_shape_or_beyond_single_precision_do_not_fit() {
        let params = AlsOptions { factors: 2, ..AlsOptions::default() }.check().unwrap();
        let own = |value| {
            let table = |items| Array2::from_elem((items, 2), value);
            OwnFactors::new(params, table(3), table(4))
        };
        assert!(own(1.0).fits((3, 4)));
        assert!(!own(1.0).fits((4, 3)));
        assert!(!own(1e19).fits((3, 4)));
        assert!(own(1.0).fold_in(&[(0, -1.0)]).is_none());
        assert_eq!(own(1.0).fold_in(&[(0, 1.0)]).unwrap().vector().len(), 2);
    }
}
