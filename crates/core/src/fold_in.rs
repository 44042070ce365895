//! Fold-in: a person's factor vector solved at request time from their history
//! against the model's item factors, and its exact decomposition into the
//! contributions of past items (Hu, Koren, Volinsky 2008, section 5).

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::als::{AlsParams, NormalEquations};
use crate::dense::{NotPositiveDefinite, cholesky_solve, dot};

/// Which items without an interaction count as unobserved for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum UnobservedItems {
    /// All items of the model, as in training.
    All,
    /// Items of the domains where the person has interactions: having done
    /// nothing on a platform one does not use says nothing about taste.
    #[default]
    OfObservedDomains,
}

/// What a fold-in is solved against.
#[derive(Clone, Copy)]
pub struct FoldInBasis<'a> {
    /// Item factors, items x factors.
    pub items: ArrayView2<'a, f32>,
    /// Gram matrix of the items that count as unobserved.
    pub gram: &'a Array2<f32>,
    /// How many items that are.
    pub unobserved: usize,
    /// The hyper-parameters the items were fitted with.
    pub params: &'a AlsParams,
}

/// A folded-in person.
#[derive(Debug, Clone)]
pub struct FoldedPerson {
    vector: Vec<f32>,
    factor: Vec<f32>,
    columns: Vec<u32>,
    confidences: Vec<f32>,
}

impl FoldedPerson {
    /// Solves the person's vector from their interactions (item row, confidence).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when confidences are too extreme for single precision.
    pub fn solve(
        basis: FoldInBasis<'_>,
        interactions: &[(u32, f32)],
    ) -> Result<Self, NotPositiveDefinite> {
        let f = basis.items.ncols();
        let (columns, confidences): (Vec<u32>, Vec<f32>) = interactions.iter().copied().unzip();
        let mut person =
            Self { vector: vec![0.0; f], factor: vec![0.0; f * f], columns, confidences };
        let equations =
            NormalEquations::new(basis.items, basis.gram, basis.unobserved, basis.params);
        equations.solve(
            &person.columns,
            &person.confidences,
            &mut person.factor,
            &mut person.vector,
        )?;
        Ok(person)
    }

    /// The factor vector.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// How much each past item adds to the score of `item`: (item row, share of
    /// the score). They sum up to the score.
    #[must_use]
    pub fn contributions(&self, items: ArrayView2<'_, f32>, item: u32) -> Vec<(u32, f32)> {
        self.contributions_along(items, &items.row(item as usize).to_vec())
    }

    /// How much each past item adds to the product of the person's vector with
    /// `direction`, a vector of as many factors: (item row, share of the product).
    #[must_use]
    pub fn contributions_along(
        &self,
        items: ArrayView2<'_, f32>,
        direction: &[f32],
    ) -> Vec<(u32, f32)> {
        if self.columns.is_empty() {
            return Vec::new();
        }
        let mut weighted = direction.to_vec();
        cholesky_solve(&self.factor, weighted.len(), &mut weighted);
        let contribution = |(&column, &confidence): (&u32, &f32)| {
            let past = items.row(column as usize);
            let similarity = past.as_slice().map_or(0.0, |past| dot(&weighted, past));
            (column, confidence * similarity)
        };
        self.columns.iter().zip(&self.confidences).map(contribution).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::als::{AlsOptions, fit};
    use crate::dense::gram;
    use crate::sparse::SparseRows;

    fn matrix() -> SparseRows {
        let rows = (0..60u32)
            .map(|u| (0..9).map(|k| ((u * 5 + k * k * 3) % 40, 1.0 + (k % 3) as f32)).collect());
        SparseRows::from_rows(40, rows)
    }

    #[test]
    fn a_trained_person_folded_in_from_the_same_history_is_the_same() {
        let params = AlsOptions { factors: 8, ..AlsOptions::default() }.check().unwrap();
        let matrix = matrix();
        let factors = fit(&matrix, &params, &|_| ()).unwrap();
        let gram = gram(factors.items.view());
        let basis = FoldInBasis {
            items: factors.items.view(),
            gram: &gram,
            unobserved: 40,
            params: &params,
        };
        for person in 0..matrix.rows() {
            let (columns, confidences) = matrix.row(person);
            let interactions: Vec<_> =
                columns.iter().copied().zip(confidences.iter().copied()).collect();
            let folded = FoldedPerson::solve(basis, &interactions).unwrap();
            for (a, b) in folded.vector().iter().zip(factors.people.row(person)) {
                assert!((a - b).abs() < 1e-4);
            }
        }
    }

    proptest! {
        #[test]
        fn contributions_sum_up_to_the_score(
            history in proptest::collection::btree_map(0..40u32, 0.2f32..4.0, 1..12), item in 0..40u32,
        ) {
            let params = AlsOptions { factors: 8, iterations: 3, ..AlsOptions::default() }.check().unwrap();
            let factors = fit(&matrix(), &params, &|_| ()).unwrap();
            let gram = gram(factors.items.view());
            let basis = FoldInBasis { items: factors.items.view(), gram: &gram, unobserved: 40, params: &params };
            let history: Vec<_> = history.into_iter().collect();
            let person = FoldedPerson::solve(basis, &history).unwrap();
            let score = dot(person.vector(), factors.items.row(item as usize).as_slice().unwrap());
            let sum: f32 = person.contributions(factors.items.view(), item).iter().map(|(_, c)| c).sum();
            prop_assert!((score - sum).abs() < 1e-3, "{score} {sum}");
        }
    }
}
