//! Bootstrap intervals of means over people.
//!
//! The percentile method of Efron and Tibshirani, "An Introduction to the
//! Bootstrap" (1993), chapter 13: people are drawn with replacement, since what
//! one person does is not independent of what else they do.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
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
    mean_intervals(&[values], seed)?.pop()
}

/// The means of several values of the same people, all from the same draws of
/// people. `None` without people, without columns, or when columns differ in
/// length. The result depends on the seed and not on the number of threads.
#[must_use]
pub fn mean_intervals(columns: &[&[f64]], seed: u64) -> Option<Vec<Interval>> {
    let people = columns.first()?.len();
    if people == 0 || columns.iter().any(|column| column.len() != people) {
        return None;
    }
    let of_resample = |resample: usize| -> Vec<f64> {
        let times = draw(people, seed, resample as u64);
        let sum = |column: &&[f64]| -> f64 {
            column.iter().zip(&times).map(|(value, times)| value * f64::from(*times)).sum()
        };
        columns.iter().map(|column| sum(column) / people as f64).collect()
    };
    let resamples: Vec<Vec<f64>> = (0..RESAMPLES).into_par_iter().map(of_resample).collect();
    let interval = |(at, column): (usize, &&[f64])| {
        let mut means: Vec<f64> = resamples.iter().map(|means| means[at]).collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
        let mean = column.iter().sum::<f64>() / people as f64;
        Interval { mean, low: at(TAIL), high: at(1.0 - TAIL) }
    };
    Some(columns.iter().enumerate().map(interval).collect())
}

/// How often each person is drawn in one resample, which has a random stream of its own.
fn draw(people: usize, seed: u64, resample: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(resample);
    let mut times = vec![0; people];
    (0..people).for_each(|_| times[rng.random_range(0..people)] += 1);
    times
}

/// The mean of `a - b` over people, each of whom was measured under both (paired
/// bootstrap). `None` when the two do not measure the same number of people, or none.
///
/// ```
/// use crossfold_maths::bootstrap::paired_difference;
///
/// let before: Vec<f64> = (0..100).map(|person| f64::from(person % 10) / 10.0).collect();
/// let after: Vec<f64> = before.iter().map(|value| value + 0.05).collect();
/// // People differ much, and each of them gained the same: the difference is certain.
/// let gained = paired_difference(&after, &before, 1).unwrap();
/// assert!(gained.low > 0.0 && (gained.mean - 0.05).abs() < 1e-12);
/// ```
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

    #[test]
    fn columns_drawn_together_are_as_if_drawn_alone() {
        let (a, b) = ([0.0, 1.0, 5.0, 2.0], [3.0, 3.0, 1.0, 0.0]);
        let both = mean_intervals(&[&a, &b], 4).unwrap();
        assert_eq!(both, [mean_interval(&a, 4).unwrap(), mean_interval(&b, 4).unwrap()]);
        assert_eq!(mean_intervals(&[&a, &b[1..]], 4), None);
        assert_eq!(mean_intervals(&[], 4), None);
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
