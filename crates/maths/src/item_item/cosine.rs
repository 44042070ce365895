//! Cosine of items weighted by BM25, with shrinkage.
//!
//! An item is a document and its people are the words: Robertson and Zaragoza, "The
//! Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.5. With `x` a
//! value, `l` the sum of an item's values, `m` its mean over items,
//!
//! `w_ui = idf_u x_ui (k + 1) / (x_ui + k (1 - b + b l_i / m))`,
//! `idf_u = ln(1 + (I + 1) / (1 + n_u))`
//!
//! where `n_u` of the `I` items are a person's: who took everything says little. Then
//!
//! `B_ij = w_i'w_j / ((|w_i| |w_j|)^e + s)`
//!
//! with exponent `e` (1 for a cosine, 0 for a plain product) and shrinkage `s`, which
//! distrusts what few people say.

use serde::{Deserialize, Serialize};

use super::pair_sums::{PairSums, bounded};
use super::strongest::strongest;
use super::{ConfidenceUse, FitError, KEPT, kept_rule};
use crate::options::{Rule, checked, is_within};
use crate::sparse::SparseRows;

/// Options of [`fit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosineOptions {
    /// How confidences enter.
    pub values: ConfidenceUse,
    /// How slowly values saturate (k of BM25), 0 to 1000.
    pub saturation: f32,
    /// How much an item's popularity takes from each of its values (b of BM25), 0 to 1.
    pub length_normalisation: f32,
    /// Exponent of the lengths in the denominator, 0 to 1.
    pub exponent: f32,
    /// What is added to the denominator, 0 to 1e9.
    pub shrinkage: f32,
    /// Weights of a past item that are kept, 1 to 2^20.
    pub kept: usize,
}

impl Default for CosineOptions {
    fn default() -> Self {
        Self {
            values: ConfidenceUse::default(),
            saturation: 1.2,
            length_normalisation: 0.75,
            exponent: 1.0,
            shrinkage: 10.0,
            kept: KEPT,
        }
    }
}

/// Checked options; made by [`CosineOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "CosineOptions", into = "CosineOptions")]
pub struct CosineParams(CosineOptions);

impl CosineOptions {
    fn rules(&self) -> [Rule; 5] {
        let normalisation = is_within(self.length_normalisation, 0.0, 1.0);
        [
            (is_within(self.saturation, 0.0, 1e3), "saturation", "0 to 1000"),
            (normalisation, "length_normalisation", "0 to 1"),
            (is_within(self.exponent, 0.0, 1.0), "exponent", "0 to 1"),
            (is_within(self.shrinkage, 0.0, 1e9), "shrinkage", "0 to 1e9"),
            kept_rule(self.kept),
        ]
    }
}

checked!(CosineOptions, CosineParams);

/// Fits the weights (items x items) to a person x item matrix. Memory, time and what is
/// cut are those of [`super::walks::fit`].
///
/// # Errors
/// [`FitError::NotFinite`].
pub fn fit(people: &SparseRows, params: &CosineParams) -> Result<SparseRows, FitError> {
    let options = params.options();
    let weighted = bm25(&bounded(options.values.apply(people)?), options);
    let mut lengths = vec![0.0f64; people.columns()];
    for person in 0..weighted.rows() {
        let (items, values) = weighted.row(person);
        let squares = values.iter().map(|value| f64::from(*value).powi(2));
        items.iter().zip(squares).for_each(|(item, square)| lengths[*item as usize] += square);
    }
    lengths.iter_mut().for_each(|length| *length = length.sqrt());
    let (exponent, shrinkage) = (f64::from(options.exponent), f64::from(options.shrinkage));
    let row = |past: usize, row: Vec<(u32, f64)>| {
        let others = row.into_iter().filter(|(other, _)| *other as usize != past);
        let weight = |(other, sum): (u32, f64)| {
            let both = (lengths[past] * lengths[other as usize]).powf(exponent);
            (other, (sum / (both + shrinkage)) as f32)
        };
        strongest(others.map(weight).collect(), options.kept)
    };
    let rows = PairSums::new(&weighted, &weighted).map_rows(row);
    Ok(SparseRows::from_rows(people.columns(), rows))
}

fn bm25(people: &SparseRows, options: &CosineOptions) -> SparseRows {
    let mut lengths = vec![0.0f64; people.columns()];
    for person in 0..people.rows() {
        let (items, values) = people.row(person);
        items.iter().zip(values).for_each(|(i, value)| lengths[*i as usize] += f64::from(*value));
    }
    let mean = lengths.iter().sum::<f64>() / people.columns().max(1) as f64;
    let (k, b) = (f64::from(options.saturation), f64::from(options.length_normalisation));
    let row = |person: usize| {
        let (items, values) = people.row(person);
        let others = (people.columns() + 1) as f64 / (1 + items.len()) as f64;
        let weight = |(&item, &value): (&u32, &f32)| {
            let value = f64::from(value);
            let slowed = value + k * (1.0 - b + b * lengths[item as usize] / mean);
            (item, (others.ln_1p() * value * (k + 1.0) / slowed).max(1e-30) as f32)
        };
        items.iter().zip(values).map(weight).collect()
    };
    SparseRows::from_rows(people.columns(), (0..people.rows()).map(row))
}
