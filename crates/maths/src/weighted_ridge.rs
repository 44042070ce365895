//! Ridge regression of many targets at once, each row counting as much as its weight: what maps
//! an item's text onto the factors that its evidence gave it. Hastie, Tibshirani and Friedman,
//! The Elements of Statistical Learning (2009), section 3.4.1, with weights as in section 4.4.
//!
//! Minimises the sum over rows of `w |y - c - (x - m)' B|^2` plus `l W |B|^2`, with `W` the sum
//! of weights, `m` and `c` the weighted means, so that the intercept is not shrunk and `l` means
//! the same whatever the number of rows and the unit of weights.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::dense::{NotPositiveDefinite, cholesky_despite_rounding, cholesky_solve};

/// Rows and what they should become.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// A row an example (n x d).
    pub inputs: ArrayView2<'a, f32>,
    /// What each row should become (n x f).
    pub targets: ArrayView2<'a, f32>,
    /// How much each row counts (n): 0 or more. Evidence of an item: the factors of one that
    /// many people took are known better.
    pub weights: ArrayView1<'a, f32>,
}

/// Why nothing can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RidgeError {
    /// Inputs, targets and weights differ in number.
    #[error("inputs, targets and weights differ in number")]
    Shapes,
    /// A value is not finite, a weight below 0, or the regularisation not above 0.
    #[error("a value is not finite or out of its range")]
    OutOfRange,
    /// No row has a weight.
    #[error("no row has a weight")]
    NoWeight,
    /// The equations cannot be solved.
    #[error(transparent)]
    NotPositiveDefinite(#[from] NotPositiveDefinite),
}

/// A fitted map from inputs to targets.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedRidge {
    /// The weighted mean of inputs (d).
    pub mean: Array1<f32>,
    /// The weighted mean of targets (f): what an input like the mean becomes.
    pub centre: Array1<f32>,
    /// From what an input has beyond the mean to what its target has (d x f).
    pub map: Array2<f32>,
}

impl WeightedRidge {
    /// Fits the map. `regularisation` is above 0, in squared units of inputs: for rows of length
    /// 1, between .001 and .1 is usual.
    ///
    /// # Errors
    /// When the examples do not fit together, hold what is not finite, or none counts.
    pub fn fit(examples: &Examples<'_>, regularisation: f32) -> Result<Self, RidgeError> {
        let Examples { inputs, targets, weights } = *examples;
        if inputs.nrows() != targets.nrows() || inputs.nrows() != weights.len() {
            return Err(RidgeError::Shapes);
        }
        let finite = |values: ArrayView2<'_, f32>| values.iter().all(|value| value.is_finite());
        let is_weight = |weight: &f32| weight.is_finite() && *weight >= 0.0;
        let is_regularisation = regularisation > 0.0 && regularisation.is_finite();
        let in_range = finite(inputs) && finite(targets) && weights.iter().all(is_weight);
        if !(in_range && is_regularisation) {
            return Err(RidgeError::OutOfRange);
        }
        // In shares of the greatest, so that no sum of huge or tiny weights ends outside of what
        // floats hold.
        let most = weights.iter().fold(0.0f32, |most, weight| most.max(*weight));
        let shares = weights.mapv(|weight| weight / most);
        let total: f64 = shares.iter().map(|share| f64::from(*share)).sum();
        if !(most > 0.0 && total > 0.0) {
            return Err(RidgeError::NoWeight);
        }
        let mean = weighted_mean(inputs, &shares, total);
        let centre = weighted_mean(targets, &shares, total);
        let scaled = |values: ArrayView2<'_, f32>, mean: &Array1<f32>| {
            let mut centred = &values - mean;
            for (mut row, share) in centred.axis_iter_mut(Axis(0)).zip(&shares) {
                row *= (f64::from(*share) / total).sqrt() as f32;
            }
            centred
        };
        let (inputs, targets) = (scaled(inputs, &mean), scaled(targets, &centre));
        Ok(Self { mean, centre, map: solve(&inputs, &targets, regularisation)? })
    }

    /// What inputs become (n x f).
    #[must_use]
    pub fn predict(&self, inputs: ArrayView2<'_, f32>) -> Array2<f32> {
        (&inputs - &self.mean).dot(&self.map) + &self.centre
    }
}

fn weighted_mean(values: ArrayView2<'_, f32>, shares: &Array1<f32>, total: f64) -> Array1<f32> {
    let column = |column: ArrayView1<'_, f32>| {
        let products = column.iter().zip(shares).map(|(x, w)| f64::from(*x) * f64::from(*w));
        (products.sum::<f64>() / total) as f32
    };
    values.axis_iter(Axis(1)).map(column).collect()
}

/// `(X'X + l I)^-1 X'Y`.
fn solve(
    inputs: &Array2<f32>,
    targets: &Array2<f32>,
    regularisation: f32,
) -> Result<Array2<f32>, RidgeError> {
    let d = inputs.ncols();
    let mut gram = inputs.t().dot(inputs);
    gram.diag_mut().iter_mut().for_each(|value| *value += regularisation);
    let mut factor: Vec<f32> = gram.iter().copied().collect();
    cholesky_despite_rounding(&mut factor, d)?;
    // A row a target, each solved in place.
    let mut solved = targets.t().dot(inputs).as_standard_layout().into_owned();
    for mut row in solved.axis_iter_mut(Axis(0)) {
        if let Some(row) = row.as_slice_mut() {
            cholesky_solve(&factor, d, row);
        }
    }
    match solved.iter().all(|value| value.is_finite()) {
        true => Ok(solved.t().as_standard_layout().into_owned()),
        false => Err(RidgeError::OutOfRange),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_input_becomes_does_not_depend_on_those_beside_it() {
        let value = |(row, column): (usize, usize)| ((row * 31 + column * 17) % 101) as f32 / 37.0;
        for (length, targets) in [(3, 2), (128, 17), (512, 65)] {
            let map = Array2::from_shape_fn((length, targets), value);
            let ridge = WeightedRidge {
                mean: Array1::from_elem(length, 0.1),
                centre: Array1::from_elem(targets, 0.3),
                map,
            };
            let inputs = Array2::from_shape_fn((40, length), |(row, at)| value((row * 7 + 3, at)));
            let together = ridge.predict(inputs.view());
            for (row, input) in inputs.axis_chunks_iter(Axis(0), 1).enumerate() {
                assert_eq!(ridge.predict(input).row(0), together.row(row), "{length} {row}");
            }
        }
    }

    fn fit(
        inputs: &Array2<f32>,
        targets: &Array2<f32>,
        weights: &[f32],
        regularisation: f32,
    ) -> Result<WeightedRidge, RidgeError> {
        let (inputs, targets) = (inputs.view(), targets.view());
        WeightedRidge::fit(&Examples { inputs, targets, weights: weights.into() }, regularisation)
    }

    proptest! {
        #[test]
        fn a_linear_map_is_found(
            values in proptest::collection::vec(-1.0f32..1.0, 120),
            map in proptest::collection::vec(-1.0f32..1.0, 8),
            weights in proptest::collection::vec(0.5f32..9.0, 30),
        ) {
            let inputs = Array2::from_shape_vec((30, 4), values).unwrap();
            let targets = inputs.dot(&Array2::from_shape_vec((4, 2), map).unwrap()) + 3.0;
            let ridge = fit(&inputs, &targets, &weights, 1e-5).unwrap();
            for (value, expected) in ridge.predict(inputs.view()).iter().zip(&targets) {
                prop_assert!((value - expected).abs() < 0.02, "{value} {expected}");
            }
        }

        #[test]
        fn a_row_counts_as_often_as_its_weight_says(
            values in proptest::collection::vec(-1.0f32..1.0, 24),
            weights in proptest::collection::vec(0u8..4, 6),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let inputs = Array2::from_shape_vec((6, 3), values[..18].to_vec()).unwrap();
            let targets = Array2::from_shape_vec((6, 1), values[18..].to_vec()).unwrap();
            let repeated: Vec<usize> = (0..6)
                .flat_map(|row| std::iter::repeat_n(row, usize::from(weights[row])))
                .collect();
            let floats: Vec<f32> = weights.iter().map(|weight| f32::from(*weight)).collect();
            let weighted = fit(&inputs, &targets, &floats, 0.1).unwrap();
            let often = fit(
                &inputs.select(Axis(0), &repeated),
                &targets.select(Axis(0), &repeated),
                &vec![1.0; repeated.len()],
                0.1,
            )
            .unwrap();
            for (a, b) in weighted.map.iter().zip(&often.map) {
                prop_assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
            // The unit of weights says nothing.
            let scaled: Vec<f32> = floats.iter().map(|weight| weight * 1e30).collect();
            let huge = fit(&inputs, &targets, &scaled, 0.1).unwrap();
            for (a, b) in weighted.map.iter().zip(&huge.map) {
                prop_assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
    }

    #[test]
    fn what_says_nothing_becomes_the_mean() {
        let ridge = fit(&Array2::ones((3, 2)), &array![[1.0], [2.0], [6.0]], &[1.0; 3], 0.01);
        let ridge = ridge.unwrap();
        assert!((ridge.predict(array![[1.0f32, 1.0]].view())[[0, 0]] - 3.0).abs() < 1e-6);
        let strict = fit(&array![[0.0], [1.0]], &array![[0.0], [1.0]], &[1.0; 2], 1e6).unwrap();
        assert!((strict.predict(array![[1.0f32]].view())[[0, 0]] - 0.5).abs() < 1e-3);
    }

    #[test]
    fn examples_that_cannot_be_fitted_are_refused() {
        let (inputs, targets) = (array![[1.0f32], [2.0]], array![[1.0f32], [2.0]]);
        assert_eq!(fit(&inputs, &targets, &[1.0], 0.1), Err(RidgeError::Shapes));
        assert_eq!(fit(&inputs, &targets, &[0.0; 2], 0.1), Err(RidgeError::NoWeight));
        let none = Array2::zeros((0, 1));
        assert_eq!(fit(&none, &none, &[], 0.1), Err(RidgeError::NoWeight));
        for (weight, regularisation) in
            [(-1.0, 0.1), (f32::NAN, 0.1), (1.0, 0.0), (1.0, f32::INFINITY)]
        {
            let refused = fit(&inputs, &targets, &[1.0, weight], regularisation);
            assert_eq!(refused, Err(RidgeError::OutOfRange));
        }
        let strange = array![[f32::NAN], [1.0]];
        assert_eq!(fit(&strange, &targets, &[1.0; 2], 0.1), Err(RidgeError::OutOfRange));
    }
}
