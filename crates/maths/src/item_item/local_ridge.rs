//! A sparse item-item ridge for catalogues whose dense matrix does not fit.
//!
//! Each item is predicted from its best candidates alone, those of the greatest cosine
//! of co-occurrence: with `S` the candidates of item `j`,
//!
//! `b = (G_SS + L_SS)^-1 G_Sj`, `B_Sj = b`,
//!
//! the ridge of [`super::ease`] over fewer columns. It is SLIM (Ning and Karypis 2011)
//! with the choice of neighbours before the fit and a ridge in place of its elastic net;
//! Steck, "Markov Random Fields for Collaborative Filtering" (2019), section 3.2, chooses
//! by a threshold and approximates on such sets likewise. With as many candidates as there are
//! items it is EASE. On sparse data few candidates are better, not only cheaper: an item
//! without a place among them cannot take a weight by chance.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ease::person_weights;
use super::pair_sums::{PairSums, bounded};
use super::strongest::{strongest, strongest_by};
use super::{ConfidenceUse, FitError, KEPT, kept_rule};
use crate::dense::{NotPositiveDefinite, cholesky_despite_rounding, cholesky_solve};
use crate::options::{Rule, checked, is_within};
use crate::sparse::SparseRows;

/// Most co-occurrences that are held, of 8 bytes each. Every item has an equal part of
/// them: those of the greatest cosine.
const MOST_PAIRS: usize = 40_000_000;

/// Options of [`fit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalRidgeOptions {
    /// How confidences enter.
    pub values: ConfidenceUse,
    /// The ridge, in units of people who like an item; 1e-3 to 1e9.
    pub ridge: f32,
    /// The dropout that the ridge of popular items stands for, 0 to 0.99.
    pub dropout: f32,
    /// A person's errors weigh by their number of values to the power of minus this, 0
    /// to 1: with 1, all people count alike, however much they did.
    pub activity_exponent: f32,
    /// Candidates of an item, 1 to 1024: time grows with their cube.
    pub candidates: usize,
    /// Weights of a past item that are kept, 1 to 2^20.
    pub kept: usize,
}

impl Default for LocalRidgeOptions {
    fn default() -> Self {
        Self {
            values: ConfidenceUse::default(),
            ridge: 100.0,
            dropout: 0.0,
            activity_exponent: 0.0,
            candidates: 256,
            kept: KEPT,
        }
    }
}

/// Checked options; made by [`LocalRidgeOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LocalRidgeOptions", into = "LocalRidgeOptions")]
pub struct LocalRidgeParams(LocalRidgeOptions);

impl LocalRidgeOptions {
    fn rules(&self) -> [Rule; 5] {
        [
            (is_within(self.ridge, 1e-3, 1e9), "ridge", "1e-3 to 1e9"),
            (is_within(self.dropout, 0.0, 0.99), "dropout", "0 to 0.99"),
            (is_within(self.activity_exponent, 0.0, 1.0), "activity_exponent", "0 to 1"),
            ((1..=1024).contains(&self.candidates), "candidates", "1 to 1024"),
            kept_rule(self.kept),
        ]
    }
}

checked!(LocalRidgeOptions, LocalRidgeParams);

/// Fits the weights (items x items) to a person x item matrix.
///
/// Memory: the input four times, at most 320 MB of co-occurrences (up to three times
/// that while they are gathered), 8 bytes for each
/// candidate of each item, and for each thread candidates^2 values of 8 bytes. Time:
/// that of [`super::walks::fit`], and for each item the cube of its candidates.
///
/// # Errors
/// [`FitError::NotFinite`].
pub fn fit(people: &SparseRows, params: &LocalRidgeParams) -> Result<SparseRows, FitError> {
    let options = params.options();
    let people = bounded(options.values.apply(people)?);
    let items = people.columns();
    let weights = person_weights(&people, options.activity_exponent);
    let pairs = Pairs::of(&people, &weights, MOST_PAIRS / items.max(1));
    let columns = (0..items)
        .into_par_iter()
        .map_init(|| vec![ABSENT; items], |places, item| pairs.solve(item, options, places))
        .collect::<Result<Vec<_>, _>>()?;
    let by_past = SparseRows::from_rows(items, columns).transposed();
    let row = |past: usize| {
        let (scored, weights) = by_past.row(past);
        let row = scored.iter().copied().zip(weights.iter().copied()).collect();
        strongest(row, options.kept)
    };
    Ok(SparseRows::from_rows(items, (0..items).map(row)))
}

/// The place of what is no candidate.
const ABSENT: u32 = u32::MAX;

/// Co-occurrences of items, the greatest by cosine of each.
struct Pairs {
    diagonal: Vec<f64>,
    others: SparseRows,
}

impl Pairs {
    fn of(people: &SparseRows, weights: &[f64], most: usize) -> Self {
        let mut diagonal = vec![0.0f64; people.columns()];
        for (person, weight) in weights.iter().enumerate() {
            let (items, values) = people.row(person);
            let squares = values.iter().map(|value| weight * f64::from(*value).powi(2));
            items.iter().zip(squares).for_each(|(item, square)| diagonal[*item as usize] += square);
        }
        let weighted = |person: usize| {
            let (items, values) = people.row(person);
            let weighted = values.iter().map(|value| (weights[person] * f64::from(*value)) as f32);
            items.iter().copied().zip(weighted.map(|v| v.max(f32::MIN_POSITIVE))).collect()
        };
        let left = SparseRows::from_rows(people.columns(), (0..people.rows()).map(weighted));
        let row = |item: usize, row: Vec<(u32, f64)>| {
            let others = row.into_iter().filter(|(other, _)| *other as usize != item);
            let others = others.map(|(other, sum)| (other, sum as f32)).collect();
            strongest_by(others, most.max(1), |pair| cosine(&diagonal, pair))
        };
        let rows = PairSums::new(&left, people).map_rows(row);
        Self { others: SparseRows::from_rows(people.columns(), rows), diagonal }
    }

    /// The weights with which its candidates speak for an item: (candidate, weight).
    /// `places` is absent for all items, before and after.
    fn solve(
        &self,
        item: usize,
        options: &LocalRidgeOptions,
        places: &mut [u32],
    ) -> Result<Vec<(u32, f32)>, NotPositiveDefinite> {
        let (others, sums) = self.others.row(item);
        let others = others.iter().copied().zip(sums.iter().copied()).collect();
        let candidates =
            strongest_by(others, options.candidates, |pair| cosine(&self.diagonal, pair));
        let size = candidates.len();
        for (place, (candidate, _)) in candidates.iter().enumerate() {
            places[*candidate as usize] = place as u32;
        }
        let by_count = f64::from(options.dropout / (1.0 - options.dropout));
        let mut matrix = vec![0.0f32; size * size];
        for (place, (candidate, _)) in candidates.iter().enumerate() {
            let count = self.diagonal[*candidate as usize];
            matrix[place * (size + 1)] =
                (f64::from(options.ridge) + count * (1.0 + by_count)) as f32;
            let (others, sums) = self.others.row(*candidate as usize);
            for (other, sum) in others.iter().zip(sums) {
                let (low, high) = ordered(place, places[*other as usize] as usize);
                if high < size {
                    matrix[low * size + high] = *sum;
                }
            }
        }
        candidates.iter().for_each(|(candidate, _)| places[*candidate as usize] = ABSENT);
        let mut weights: Vec<f32> = candidates.iter().map(|(_, sum)| *sum).collect();
        cholesky_despite_rounding(&mut matrix, size)?;
        cholesky_solve(&matrix, size, &mut weights);
        let finite = weights.iter().all(|weight| weight.is_finite());
        let weighted = candidates.iter().zip(weights).map(|((candidate, _), w)| (*candidate, w));
        if finite { Ok(weighted.collect()) } else { Err(NotPositiveDefinite) }
    }
}

/// The co-occurrence of one item with the others relative to their own, which orders
/// them as the cosine does.
fn cosine(diagonal: &[f64], (other, sum): (u32, f32)) -> f32 {
    (f64::from(sum) / diagonal[other as usize].sqrt()) as f32
}

fn ordered(a: usize, b: usize) -> (usize, usize) {
    if a < b { (a, b) } else { (b, a) }
}
