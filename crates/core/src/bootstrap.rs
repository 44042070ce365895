//! Bootstrap intervals of means over people.
//!
//! The percentile method of Efron and Tibshirani, "An Introduction to the
//! Bootstrap" (1993), chapter 13: people are drawn with replacement, since what
//! one person does is not independent of what else they do.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples drawn for an interval.
const RESAMPLES: usize = 1_000;
/// Probability left out on each side.
const TAIL: f64 = 0.025;

/// A mean over people with its 95% interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The mean of one value for each person. `None` without people.
#[must_use]
pub fn mean_interval(values: &[f64], seed: u64) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mean_of = |sum: f64| sum / values.len() as f64;
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]);
            mean_of(drawn.sum())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Interval { mean: mean_of(values.iter().sum()), low: at(TAIL), high: at(1.0 - TAIL) })
}

/// The mean of `a - b` over people, each of whom was measured under both (paired
/// bootstrap). `None` when the two do not measure the same number of people, or none.
#[must_use]
pub fn paired_difference(a: &[f64], b: &[f64], seed: u64) -> Option<Interval> {
    if a.len() != b.len() {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    mean_interval(&differences, seed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_interval_is_about_two_standard_errors_to_each_side() {
        // A fair coin, 400 times: the standard error of its mean is 0.025.
        let values: Vec<f64> = (0..400).map(|at| f64::from(at % 2)).collect();
        let interval = mean_interval(&values, 1).unwrap();
        assert_eq!(interval.mean, 0.5);
        assert!((interval.high - 0.549).abs() < 0.008, "{interval:?}");
        assert!((interval.low - 0.451).abs() < 0.008, "{interval:?}");
    }

    #[test]
    fn pairing_removes_what_people_have_in_common() {
        let a: Vec<f64> = (0..100).map(|at| f64::from(at) + 1.0).collect();
        let b: Vec<f64> = (0..100).map(f64::from).collect();
        let interval = paired_difference(&a, &b, 1).unwrap();
        assert_eq!(interval, Interval { mean: 1.0, low: 1.0, high: 1.0 });
        assert_eq!(paired_difference(&a, &b[1..], 1), None);
        assert_eq!(mean_interval(&[], 1), None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_mean_and_is_the_same_for_a_seed(
            values in proptest::collection::vec(0.0f64..1.0, 1..60), seed in 0u64..9,
        ) {
            let interval = mean_interval(&values, seed).unwrap();
            prop_assert!(interval.low <= interval.high);
            prop_assert_eq!(Some(interval), mean_interval(&values, seed));
            let (least, most) = values.iter().fold((1.0f64, 0.0f64), |(l, m), v| (l.min(*v), m.max(*v)));
            prop_assert!(least - 1e-12 <= interval.low && interval.high <= most + 1e-12);
        }
    }
}
