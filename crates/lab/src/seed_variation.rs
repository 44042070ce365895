//! How metrics vary with the seed of the fit.

use std::collections::BTreeMap;

use crossfold_core::maths::bootstrap::Interval;
use crossfold_core::maths::measure::Metrics;
use serde::Serialize;

/// Quantiles .975 of Student's t with 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// The same of the normal distribution, for more.
const NORMAL: f64 = 1.96;

/// Metrics over several fits of the same data that differ in the seed alone.
#[derive(Debug, Serialize)]
pub(crate) struct SeedVariation {
    /// How many fits.
    pub(crate) fits: usize,
    /// The mean over fits with its 95% interval by Student's t: what another
    /// seed would give, and nothing about other people.
    pub(crate) metrics: BTreeMap<String, Interval>,
}

impl SeedVariation {
    /// `None` for a single fit.
    pub(crate) fn of(fits: &[Metrics]) -> Option<Self> {
        if fits.len() < 2 {
            return None;
        }
        let of = |name: &String| -> Vec<f64> {
            fits.iter().filter_map(|metrics| metrics.get(name).copied()).collect()
        };
        let metrics = fits[0].keys().map(|name| (name.clone(), interval(&of(name)))).collect();
        Some(Self { fits: fits.len(), metrics })
    }
}

fn interval(values: &[f64]) -> Interval {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let quantile = STUDENT.get(values.len().saturating_sub(2)).copied().unwrap_or(NORMAL);
    Interval { mean, low: mean - quantile * error, high: mean + quantile * error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_over_seeds_is_students() {
        let fit = |value: f64| Metrics::from([("ndcg@20".to_owned(), value)]);
        assert!(SeedVariation::of(&[fit(0.3)]).is_none());
        let varied = SeedVariation::of(&[fit(0.31), fit(0.33), fit(0.35)]).unwrap();
        let interval = varied.metrics["ndcg@20"];
        // Standard deviation 0.02 of three.
        let reach = 4.303 * 0.02 / 3f64.sqrt();
        assert_eq!(varied.fits, 3);
        assert!((interval.mean - 0.33).abs() < 1e-12);
        assert!((interval.high - 0.33 - reach).abs() < 1e-12);
        assert!((0.33 - interval.low - reach).abs() < 1e-12);
    }
}
