//! Random walks of three steps, RP3beta: from an item to someone who took it, and on to
//! what they took.
//!
//! Paudel, Christoffel, Newell, Bernstein, "Updatable, Accurate, Diverse, and Scalable
//! Recommendations for Interactive Applications" (2017), after P3alpha of Cooper, Lee,
//! Radinsky, Siam (2014). With `p_iu = x_ui / sum_v x_vi` and `p_uj = x_uj / sum_k x_uk`,
//!
//! `B_ij = sum_u p_iu^alpha p_uj^alpha / c_j^beta`
//!
//! with `c_j` the number of people who like `j`: `beta` takes from popular items.

use serde::{Deserialize, Serialize};

use super::pair_sums::{PairSums, bounded};
use super::strongest::strongest;
use super::{ConfidenceUse, FitError, KEPT, kept_rule};
use crate::options::{Rule, checked, is_within};
use crate::sparse::SparseRows;

/// Options of [`fit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalkOptions {
    /// How confidences enter.
    pub values: ConfidenceUse,
    /// Exponent of the probability of a step, 0 to 3.
    pub alpha: f32,
    /// Exponent of an item's popularity, 0 to 2.
    pub beta: f32,
    /// Weights of a past item that are kept, 1 to 2^20.
    pub kept: usize,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { values: ConfidenceUse::default(), alpha: 1.0, beta: 0.5, kept: KEPT }
    }
}

/// Checked options; made by [`WalkOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WalkOptions", into = "WalkOptions")]
pub struct WalkParams(WalkOptions);

impl WalkOptions {
    fn rules(&self) -> [Rule; 3] {
        [
            (is_within(self.alpha, 0.0, 3.0), "alpha", "0 to 3"),
            (is_within(self.beta, 0.0, 2.0), "beta", "0 to 2"),
            kept_rule(self.kept),
        ]
    }
}

checked!(WalkOptions, WalkParams);

/// Fits the weights (items x items) to a person x item matrix.
///
/// Memory: the input three times, 8 bytes a weight that is kept, 8 bytes an item for each
/// thread. Time: for each person the square of what they like, of which 4,096 items
/// count; of an item, at most 65,536 people, evenly chosen, are walked to.
///
/// # Errors
/// [`FitError::NotFinite`].
pub fn fit(people: &SparseRows, params: &WalkParams) -> Result<SparseRows, FitError> {
    let options = params.options();
    let people = bounded(options.values.apply(people)?);
    let by_item = sums_of_columns(&people);
    let to_person = steps(&people, |_, item| by_item[item], options.alpha);
    let by_person: Vec<f64> = (0..people.rows())
        .map(|person| people.row(person).1.iter().map(|value| f64::from(*value)).sum())
        .collect();
    let to_item = steps(&people, |person, _| by_person[person], options.alpha);
    let counts = people.column_counts();
    let beta = f64::from(options.beta);
    let row = |past: usize, row: Vec<(u32, f64)>| {
        let others = row.into_iter().filter(|(other, _)| *other as usize != past);
        let weight = |(other, sum): (u32, f64)| {
            (other, (sum / f64::from(counts[other as usize].max(1)).powf(beta)) as f32)
        };
        strongest(others.map(weight).collect(), options.kept)
    };
    let rows = PairSums::new(&to_person, &to_item).map_rows(row);
    Ok(SparseRows::from_rows(people.columns(), rows))
}

fn sums_of_columns(people: &SparseRows) -> Vec<f64> {
    let mut sums = vec![0.0; people.columns()];
    for person in 0..people.rows() {
        let (items, values) = people.row(person);
        items
            .iter()
            .zip(values)
            .for_each(|(item, value)| sums[*item as usize] += f64::from(*value));
    }
    sums
}

/// Each value by the mass of where the step begins, to the power of `alpha`.
fn steps(people: &SparseRows, mass: impl Fn(usize, usize) -> f64, alpha: f32) -> SparseRows {
    let row = |person: usize| {
        let (items, values) = people.row(person);
        let step = |(&item, &value): (&u32, &f32)| {
            let probability = f64::from(value) / mass(person, item as usize);
            // A step that is possible stays so, however improbable.
            (item, (probability.powf(f64::from(alpha)) as f32).max(f32::MIN_POSITIVE))
        };
        items.iter().zip(values).map(step).collect()
    };
    SparseRows::from_rows(people.columns(), (0..people.rows()).map(row))
}
