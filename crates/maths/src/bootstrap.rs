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

/// Intervals of several means of the same people that hold all at once: with probability
/// `1 - tail` none of the means lies below its low end, and with as much none above its
/// high end. The largest studentised deviation over all columns is what each end is as
/// many standard errors away (single-step max-T of Westfall and Young, "Resampling-Based
/// Multiple Testing", 1993, with the bootstrap-t of Efron and Tibshirani 1993, chapter
/// 12.5). So the price for asking several questions is only what asking them costs:
/// columns that go together cost little more than one.
///
/// `None` without people, without columns, or when columns differ in length; a column
/// without variation is its mean. Ends are finite. A column in which hardly anyone differs from
/// zero says little whatever its interval: who asks is to leave it out. The result depends on
/// the seed and not on the number of threads.
#[must_use]
pub fn simultaneous_intervals(columns: &[&[f64]], tail: f64, seed: u64) -> Option<Vec<Interval>> {
    let people = columns.first()?.len();
    if people == 0 || columns.iter().any(|column| column.len() != people) {
        return None;
    }
    let ones = vec![1; people];
    let observed: Vec<(f64, f64)> =
        columns.iter().map(|column| mean_with_error(column, &ones)).collect();
    let of_resample = |resample: usize| -> (f64, f64) {
        let times = draw(people, seed, resample as u64);
        let deviations = columns.iter().zip(&observed).filter(|(_, (_, error))| *error > 0.0);
        let deviations = deviations.map(|(column, (mean, observed_error))| {
            let (drawn, error) = mean_with_error(column, &times);
            // All who were drawn are alike, which says nothing of how far a mean may stray.
            let error = if error > 0.0 { error } else { *observed_error };
            (drawn - mean) / error
        });
        let none = (f64::NEG_INFINITY, f64::INFINITY);
        deviations.fold(none, |(most, least), d| (most.max(d), least.min(d)))
    };
    let resamples: Vec<(f64, f64)> = (0..RESAMPLES).into_par_iter().map(of_resample).collect();
    let quantile = |values: Vec<f64>, share: f64| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values[((RESAMPLES - 1) as f64 * share).round() as usize]
    };
    let most = quantile(resamples.iter().map(|(most, _)| *most).collect(), 1.0 - tail);
    let least = quantile(resamples.iter().map(|(_, least)| *least).collect(), tail);
    let interval = |&(mean, error): &(f64, f64)| match error > 0.0 {
        true => Interval { mean, low: mean - most * error, high: mean - least * error },
        false => Interval { mean, low: mean, high: mean },
    };
    Some(observed.iter().map(interval).collect())
}

/// The mean of a column whose people count so many times, and its standard error.
fn mean_with_error(column: &[f64], times: &[u32]) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, 0.0);
    for (value, times) in column.iter().zip(times) {
        let weighted = value * f64::from(*times);
        sum += weighted;
        squares += value * weighted;
    }
    let people = column.len() as f64;
    let mean = sum / people;
    let variance = squares / people - mean * mean;
    // What rounding leaves of no variation is none.
    let is_constant = variance <= 1e-14 * (squares / people);
    (mean, if is_constant { 0.0 } else { (variance / people).sqrt() })
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

    /// People of one column that is about normal, from a linear congruence.
    fn noise(people: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
        };
        (0..people).map(|_| (0..6).map(|_| next()).sum()).collect()
    }

    #[test]
    fn several_at_once_cost_more_than_one_and_twins_cost_nothing() {
        let (a, b) = (noise(300, 1), noise(300, 2));
        let width = |columns: &[&[f64]]| {
            let all = simultaneous_intervals(columns, 0.025, 5).unwrap();
            (all[0].mean - all[0].low) / (mean_with_error(&a, &vec![1; 300]).1)
        };
        let (one, twins, two) = (width(&[&a]), width(&[&a, &a]), width(&[&a, &b]));
        assert!((1.75..2.25).contains(&one), "{one}");
        assert_eq!(one, twins);
        assert!(two > one + 0.1 && two < one + 0.6, "{one} {two}");
    }

    #[test]
    fn of_columns_without_any_effect_few_families_have_one_that_seems_to() {
        let families = 300;
        let wrong = (0..families).filter(|family| {
            let columns: Vec<Vec<f64>> = (0..4).map(|at| noise(60, 97 + family * 4 + at)).collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let all = simultaneous_intervals(&columns, 0.05, *family).unwrap();
            all.iter().any(|interval| interval.low > 0.0)
        });
        let wrong = wrong.count();
        assert!((3..=27).contains(&wrong), "{wrong} of {families}");
    }

    #[test]
    fn a_column_that_few_people_differ_in_makes_no_interval_endless() {
        let steady: Vec<f64> = noise(40, 1).iter().map(|value| 0.2 + value / 10.0).collect();
        for different in 1..4 {
            let mut sparse = vec![0.0; 40];
            sparse[..different].fill(-0.3);
            let all = simultaneous_intervals(&[&sparse, &steady], 0.04, 5).unwrap();
            let is_finite =
                |interval: &Interval| interval.low.is_finite() && interval.high.is_finite();
            assert!(all.iter().all(is_finite), "{all:?}");
            assert!(all[1].low > 0.0, "one that is sure stays so: {all:?}");
        }
    }

    #[test]
    fn a_column_without_variation_is_its_mean_and_nothing_gives_none() {
        let constant = [0.1; 20];
        let all = simultaneous_intervals(&[&constant, &noise(20, 3)], 0.05, 1).unwrap();
        assert!((all[0].low - 0.1).abs() < 1e-12 && (all[0].high - 0.1).abs() < 1e-12);
        assert!(all[1].low < all[1].mean && all[1].mean < all[1].high);
        assert_eq!(simultaneous_intervals(&[&[], &[]], 0.05, 1), None);
        assert_eq!(simultaneous_intervals(&[], 0.05, 1), None);
        assert_eq!(simultaneous_intervals(&[&constant, &constant[1..]], 0.05, 1), None);
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
