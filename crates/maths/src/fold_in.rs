//! Fold-in: a person's factor vector solved at request time from their history
//! against the model's item factors, and its exact decomposition into the
//! contributions of past items (Hu, Koren, Volinsky 2008, section 5).
//!
//! What is disliked (a confidence `c` below zero: see [`crate::als`]) is part of the
//! equations' matrix alone. With `A` the matrix without it and `b` the right side,
//! `(A + sum |c| y y') x = b` gives `x = A^-1 (b - sum |c| (y'x) y)`: beside what
//! the person would score without the dislikes, each adds to a score its own part,
//! `-|c| (y'x)` times the similarity by `A`. So contributions stay exact, and a
//! dislike's tells what it takes away.

use ndarray::{Array2, ArrayView2, linalg::general_mat_mul};
use serde::{Deserialize, Serialize};

use crate::als::AlsParams;
use crate::dense::{
    NotPositiveDefinite, add_scaled, cholesky_despite_rounding, cholesky_solve, dot,
};

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
    /// What each past item's similarity to another is multiplied with.
    amounts: Vec<f32>,
}

impl FoldedPerson {
    /// Solves the person's vector from their interactions (item row, confidence; below
    /// zero for what they dislike). It is zero for who likes nothing.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when a number is not finite, or becomes so.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use crossfold_maths::als::AlsOptions;
    /// use crossfold_maths::dense::{dot, gram};
    /// use crossfold_maths::fold_in::{FoldInBasis, FoldedPerson};
    /// use ndarray::array;
    ///
    /// // Two items of one kind and one of another.
    /// let items = array![[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]];
    /// let params = AlsOptions { factors: 2, ..AlsOptions::default() }.check()?;
    /// let gram = gram(items.view());
    /// let basis =
    ///     FoldInBasis { items: items.view(), gram: &gram, unobserved: 3, params: &params };
    /// let person = FoldedPerson::solve(basis, &[(0, 1.0)])?;
    ///
    /// let score = |item: usize| dot(person.vector(), &items.row(item).to_vec());
    /// assert!(score(1) > score(2));
    /// let sum: f32 = person.contributions(items.view(), 1).iter().map(|(_, share)| share).sum();
    /// assert!((sum - score(1)).abs() < 1e-6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn solve(
        basis: FoldInBasis<'_>,
        interactions: &[(u32, f32)],
    ) -> Result<Self, NotPositiveDefinite> {
        let f = basis.items.ncols();
        let equations =
            NormalEquations::new(basis.items, basis.gram, basis.unobserved, basis.params);
        let (liked, disliked): (Vec<_>, Vec<_>) =
            interactions.iter().copied().partition(|(_, confidence)| *confidence > 0.0);
        let (liked, disliked) = (Entries::of(liked), Entries::of(disliked));
        let (mut vector, mut factor) = (vec![0.0; f], vec![0.0; f * f]);
        if liked.columns.is_empty() {
            return Ok(Self { vector, factor, columns: Vec::new(), amounts: Vec::new() });
        }
        equations.solve(&liked, &disliked, &mut factor, &mut vector)?;
        let taken = |(column, confidence): (&u32, &f32)| {
            -confidence * dot(&vector, equations.factors_of(*column))
        };
        let taken: Vec<f32> =
            disliked.columns.iter().zip(&disliked.confidences).map(taken).collect();
        let columns = [liked.columns, disliked.columns].concat();
        let amounts = [liked.confidences, taken].concat();
        Ok(Self { vector, factor, columns, amounts })
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
        let contribution = |(&column, &amount): (&u32, &f32)| {
            let past = items.row(column as usize);
            let similarity = past.as_slice().map_or(0.0, |past| dot(&weighted, past));
            (column, amount * similarity)
        };
        self.columns.iter().zip(&self.amounts).map(contribution).collect()
    }
}

/// The normal equations of one side's rows against the other side's factors:
/// `(a G + sum |c_i| y_i y_i' + r (C + a N)^n I) x = sum p_i |c_i| y_i`.
struct NormalEquations<'a> {
    fixed: ArrayView2<'a, f32>,
    shared: Array2<f32>,
    unobserved_mass: f32,
    regularisation: f32,
    frequency_exponent: f32,
}

/// Interactions of one sign, with the magnitudes of their confidences.
struct Entries {
    columns: Vec<u32>,
    confidences: Vec<f32>,
}

impl Entries {
    fn of(interactions: Vec<(u32, f32)>) -> Self {
        let (columns, confidences) =
            interactions.into_iter().map(|(column, confidence)| (column, confidence.abs())).unzip();
        Self { columns, confidences }
    }

    fn mass(&self) -> f32 {
        self.confidences.iter().sum()
    }
}

/// Interactions from which on a matrix product beats single outer products.
const PRODUCT_FROM: usize = 8;
/// Interactions gathered at a time, so that the copy stays in cache.
const GATHER: usize = 256;

impl<'a> NormalEquations<'a> {
    /// `gram` covers the `unobserved` rows of `fixed` that count as unobserved.
    fn new(
        fixed: ArrayView2<'a, f32>,
        gram: &Array2<f32>,
        unobserved: usize,
        params: &AlsParams,
    ) -> Self {
        let options = params.options();
        Self {
            fixed,
            shared: gram * options.unobserved_weight,
            unobserved_mass: options.unobserved_weight * unobserved as f32,
            regularisation: options.regularisation,
            frequency_exponent: options.frequency_exponent,
        }
    }

    /// Solves one row into `vector`, which is zero. `factor` (f x f) receives the
    /// Cholesky factor of the matrix without what is disliked.
    fn solve(
        &self,
        liked: &Entries,
        disliked: &Entries,
        factor: &mut [f32],
        vector: &mut [f32],
    ) -> Result<(), NotPositiveDefinite> {
        let f = vector.len();
        self.assemble(liked, disliked.mass(), factor, vector);
        if disliked.columns.is_empty() {
            cholesky_despite_rounding(factor, f)?;
            cholesky_solve(factor, f, vector);
            return Ok(());
        }
        let mut whole = factor.to_vec();
        self.add_interactions(disliked, &mut whole, f);
        cholesky_despite_rounding(factor, f)?;
        cholesky_despite_rounding(&mut whole, f)?;
        cholesky_solve(&whole, f, vector);
        Ok(())
    }

    /// The matrix and the right side of what is liked; `disliked_mass` counts in the
    /// frequency alone.
    fn assemble(&self, liked: &Entries, disliked_mass: f32, a: &mut [f32], b: &mut [f32]) {
        let f = b.len();
        for (row, shared) in a.chunks_exact_mut(f).zip(self.shared.rows()) {
            shared.iter().zip(row).for_each(|(from, to)| *to = *from);
        }
        let frequency = liked.mass() + disliked_mass + self.unobserved_mass;
        let ridge = self.regularisation * frequency.powf(self.frequency_exponent);
        (0..f).for_each(|k| a[k * f + k] += ridge);
        for (&column, &confidence) in liked.columns.iter().zip(&liked.confidences) {
            add_scaled(b, confidence, self.factors_of(column));
        }
        self.add_interactions(liked, a, f);
    }

    fn add_interactions(&self, entries: &Entries, a: &mut [f32], f: usize) {
        if entries.columns.len() < PRODUCT_FROM {
            self.add_outer_products(&entries.columns, &entries.confidences, a, f);
        } else {
            self.add_product(&entries.columns, &entries.confidences, a, f);
        }
    }

    fn factors_of(&self, column: u32) -> &[f32] {
        let f = self.fixed.ncols();
        let start = column as usize * f;
        match self.fixed.to_slice_memory_order() {
            Some(slice) => &slice[start..start + f],
            None => unreachable!("factors are kept in standard layout"),
        }
    }

    fn add_outer_products(&self, columns: &[u32], confidences: &[f32], a: &mut [f32], f: usize) {
        for (&column, &confidence) in columns.iter().zip(confidences) {
            let y = self.factors_of(column);
            for k in 0..f {
                add_scaled(&mut a[k * f + k..(k + 1) * f], confidence * y[k], &y[k..]);
            }
        }
    }

    fn add_product(&self, columns: &[u32], confidences: &[f32], a: &mut [f32], f: usize) {
        let mut gathered = Vec::with_capacity(columns.len().min(GATHER) * f);
        let Ok(mut target) = ndarray::ArrayViewMut2::from_shape((f, f), a) else {
            unreachable!("the scratch is f x f");
        };
        for (columns, confidences) in columns.chunks(GATHER).zip(confidences.chunks(GATHER)) {
            gathered.clear();
            for (&column, &confidence) in columns.iter().zip(confidences) {
                let root = confidence.sqrt();
                gathered.extend(self.factors_of(column).iter().map(|value| value * root));
            }
            let Ok(rows) = ArrayView2::from_shape((columns.len(), f), &gathered) else {
                unreachable!("one row was gathered for each column");
            };
            general_mat_mul(1.0, &rows.t(), &rows, 1.0, &mut target);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::als::{AlsOptions, fit};
    use crate::dense::gram;
    use crate::sparse::SparseRows;

    /// One of nine is disliked.
    fn matrix() -> SparseRows {
        let confidence = |k: u32| if k == 7 { -2.0 } else { 1.0 + (k % 3) as f32 };
        let rows =
            (0..60u32).map(|u| (0..9).map(|k| ((u * 5 + k * k * 3) % 40, confidence(k))).collect());
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

    #[test]
    fn long_rows_give_what_short_ones_would() {
        // One confidence of 3 for each of many items: by products and by outer products.
        let params = AlsOptions { factors: 9, ..AlsOptions::default() }.check().unwrap();
        let fixed = crate::als::initial_items(600, &params);
        let gram = crate::dense::gram(fixed.view());
        let equations = NormalEquations::new(fixed.view(), &gram, 600, &params);
        let columns: Vec<u32> = (0..600).collect();
        let confidences = vec![3.0; 600];
        let (mut by_product, mut by_outer) = (vec![0.0; 81], vec![0.0; 81]);
        equations.add_product(&columns, &confidences, &mut by_product, 9);
        equations.add_outer_products(&columns, &confidences, &mut by_outer, 9);
        for k in 0..9 {
            for j in k..9 {
                assert!((by_product[k * 9 + j] - by_outer[k * 9 + j]).abs() < 1e-3);
            }
        }
    }

    proptest! {
        #[test]
        fn contributions_sum_up_to_the_score(
            history in proptest::collection::btree_map(
                0..40u32, prop_oneof![2 => 0.2f32..4.0, 1 => -4.0f32..-0.2], 1..12), item in 0..40u32,
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

        #[test]
        fn a_dislike_lowers_what_was_liked_of_the_item_and_takes_it_from_similar_ones(
            history in proptest::collection::btree_set(0..40u32, 1..12), disliked in 0..40u32,
            confidence in 0.2f32..9.0,
        ) {
            prop_assume!(!history.contains(&disliked));
            let params = AlsOptions { factors: 8, frequency_exponent: 0.0, ..AlsOptions::default() };
            let params = params.check().unwrap();
            let items = fit(&matrix(), &params, &|_| ()).unwrap().items;
            let gram = gram(items.view());
            let basis = FoldInBasis { items: items.view(), gram: &gram, unobserved: 40, params: &params };
            let mut history: Vec<_> = history.into_iter().map(|item| (item, 1.0)).collect();
            let without = FoldedPerson::solve(basis, &history).unwrap();
            history.push((disliked, -confidence));
            let with = FoldedPerson::solve(basis, &history).unwrap();
            let score = |person: &FoldedPerson, item: u32| {
                dot(person.vector(), items.row(item as usize).as_slice().unwrap())
            };
            let before = score(&without, disliked);
            prop_assume!(before > 0.01);
            let after = score(&with, disliked);
            prop_assert!(after < before && after > 0.0, "{before} {after}");
            for item in 0..40 {
                let contributions = with.contributions(items.view(), item);
                let (_, taken) = contributions[contributions.len() - 1];
                let change = score(&with, item) - score(&without, item);
                prop_assert!((change - taken).abs() < 1e-4, "{item}: {change} {taken}");
            }
            let (_, taken) = *with.contributions(items.view(), disliked).last().unwrap();
            prop_assert!(taken < 0.0);
        }
    }
}
