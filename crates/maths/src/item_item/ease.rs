//! EASE: the exact item-item ridge with a zero diagonal.
//!
//! Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019), equation 8: with
//! `G = X'X` and `P = (G + L)^-1`, the weights that minimise
//! `|X - X B|^2 + sum_i L_ii |B_i|^2` with a zero diagonal are `B_ij = -P_ij / P_jj`.
//!
//! `L` is the ridge, `r + G_ii d / (1 - d)`: popularity-aware with a dropout `d` above
//! zero, which is EDLAE of full rank (Steck, "Autoencoders that don't overfit towards the
//! Identity", 2020, equation 8).

use serde::{Deserialize, Serialize};

use super::inverse::Symmetric;
use super::strongest::strongest;
use super::{ConfidenceUse, FitError, KEPT, kept_rule};
use crate::dense::{JITTERS, NotPositiveDefinite};
use crate::options::{Rule, checked, is_within};
use crate::sparse::SparseRows;

/// Most items: their matrix takes 1.02 GB. Beyond, take [`super::local_ridge`].
pub const MOST_ITEMS: usize = 16_000;

/// Options of [`fit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EaseOptions {
    /// How confidences enter.
    pub values: ConfidenceUse,
    /// The ridge, in units of people who like an item; 1e-3 to 1e9.
    pub ridge: f32,
    /// The dropout that the ridge of popular items stands for, 0 to 0.99.
    pub dropout: f32,
    /// A person's errors weigh by their number of values to the power of minus this, 0
    /// to 1: with 1, all people count alike, however much they did.
    pub activity_exponent: f32,
    /// Weights of a past item that are kept, 1 to 2^20.
    pub kept: usize,
}

impl Default for EaseOptions {
    fn default() -> Self {
        Self {
            values: ConfidenceUse::default(),
            ridge: 500.0,
            dropout: 0.0,
            activity_exponent: 0.0,
            kept: KEPT,
        }
    }
}

/// Checked options; made by [`EaseOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EaseOptions", into = "EaseOptions")]
pub struct EaseParams(EaseOptions);

impl EaseOptions {
    fn rules(&self) -> [Rule; 4] {
        [
            (is_within(self.ridge, 1e-3, 1e9), "ridge", "1e-3 to 1e9"),
            (is_within(self.dropout, 0.0, 0.99), "dropout", "0 to 0.99"),
            (is_within(self.activity_exponent, 0.0, 1.0), "activity_exponent", "0 to 1"),
            kept_rule(self.kept),
        ]
    }
}

checked!(EaseOptions, EaseParams);

/// Fits the weights (items x items) to a person x item matrix.
///
/// Memory beside the input: items^2 values of 4 bytes (400 MB for 10,000 items), the
/// input twice, and 8 bytes a weight that is kept. Time: items^3 operations and, for each
/// person, the square of what they like.
///
/// # Errors
/// [`FitError::NotFinite`], [`FitError::TooManyItems`] above [`MOST_ITEMS`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::item_item::ease::{EaseOptions, fit};
/// use crossfold_maths::item_item::scores;
/// use crossfold_maths::sparse::SparseRows;
///
/// // Even people took two of the items 0 to 2, odd people two of the items 3 to 5.
/// let rows = (0..12u32).map(|person| {
///     let first = person % 2 * 3;
///     vec![(first + person % 3, 1.0), (first + (person + 1) % 3, 1.0)]
/// });
/// let people = SparseRows::from_rows(6, rows);
/// let weights = fit(&people, &EaseOptions { ridge: 1.0, ..EaseOptions::default() }.check()?)?;
///
/// let mut all = [0.0; 6];
/// scores(&weights, &[(0, 1.0), (1, 1.0)], &mut all);
/// assert!(all[2] > all[3] + 0.1);
/// # Ok(())
/// # }
/// ```
pub fn fit(people: &SparseRows, params: &EaseParams) -> Result<SparseRows, FitError> {
    let options = params.options();
    let items = people.columns();
    if items > MOST_ITEMS {
        return Err(FitError::TooManyItems { items, limit: MOST_ITEMS });
    }
    let people = options.values.apply(people)?;
    let weights = person_weights(&people, options.activity_exponent);
    let matrix = inverse_despite_rounding(|jitter| {
        let mut matrix = gram(&people, &weights);
        let diagonal = matrix.diagonal();
        let mean = diagonal.iter().sum::<f32>() / items.max(1) as f32;
        let by_count = options.dropout / (1.0 - options.dropout);
        matrix.add_to_diagonal(|i| options.ridge + by_count * diagonal[i] + jitter * mean);
        matrix
    })?;
    let diagonal = matrix.diagonal();
    let row = |past: usize, row: &[f32]| {
        let weight = |(scored, value): (usize, &f32)| {
            (scored as u32, if scored == past { 0.0 } else { -value / diagonal[scored] })
        };
        strongest(row.iter().enumerate().map(weight).collect(), options.kept)
    };
    Ok(SparseRows::from_rows(items, matrix.map_rows(row)))
}

/// The negative inverse of what `make` makes, with as little of [`JITTERS`] as it takes:
/// a ridge that is small beside the counts may drown in the rounding of their products.
pub(super) fn inverse_despite_rounding(
    make: impl Fn(f32) -> Symmetric,
) -> Result<Symmetric, NotPositiveDefinite> {
    for jitter in JITTERS {
        let mut matrix = make(jitter);
        if matrix.invert_negatively().is_ok() {
            return Ok(matrix);
        }
    }
    Err(NotPositiveDefinite)
}

/// What each person's errors weigh.
pub(super) fn person_weights(people: &SparseRows, activity_exponent: f32) -> Vec<f64> {
    let weight =
        |person| (people.row(person).0.len().max(1) as f64).powf(-f64::from(activity_exponent));
    (0..people.rows()).map(weight).collect()
}

/// `X'WX`, summed in double precision person after person.
pub(super) fn gram(people: &SparseRows, weights: &[f64]) -> Symmetric {
    use rayon::prelude::*;
    let by_item = people.transposed();
    let mut matrix = Symmetric::zeros(people.columns());
    let rows = matrix.rows_mut().enumerate();
    rows.for_each_init(
        || vec![0.0f64; people.columns()],
        |sums, (item, row)| {
            sums[..=item].fill(0.0);
            let (of, values) = by_item.row(item);
            for (&person, &value) in of.iter().zip(values) {
                let own = weights[person as usize] * f64::from(value);
                let (others, values) = people.row(person as usize);
                let up_to = others.partition_point(|other| *other as usize <= item);
                for (&other, &value) in others[..up_to].iter().zip(values) {
                    sums[other as usize] += own * f64::from(value);
                }
            }
            row.iter_mut().zip(&sums[..=item]).for_each(|(to, from)| *to = *from as f32);
        },
    );
    matrix
}
