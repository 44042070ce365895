//! When an estimate is not to be believed.

use serde::{Deserialize, Serialize};

use super::intervals::Estimate;
use super::weights::WeightSummary;
use crate::options::{Rule, checked};

/// A standard error below this part of the estimate is rounding.
const ROUNDING: f64 = 1e-12;

/// What an estimate must have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefusalOptions {
    /// Least effective sample size ([`WeightSummary::effective_size`]), 1 to 1e12.
    pub least_effective_size: f64,
    /// Largest share of all weight that the greatest 1% of weights may have, 0.01 to 1.
    pub most_of_greatest: f64,
    /// Least share of the evaluation policy's probability on actions that logging could have
    /// shown ([`Support::share`](super::Support::share)), 0 to 1.
    pub least_support: f64,
    /// Largest magnitude of the estimate's skewness ([`Estimate::skewness`]), 0.01 to 10. At 0.2
    /// an interval of 95% covers some 93% (the rule `n > 25 G^2` of Cochran, "Sampling
    /// Techniques", 1977, section 2.15), at 0.3 some 91%, at 0.5 some 85%.
    pub most_skewness: f64,
}

impl Default for RefusalOptions {
    fn default() -> Self {
        Self {
            least_effective_size: 100.0,
            most_of_greatest: 0.5,
            least_support: 0.99,
            most_skewness: 0.2,
        }
    }
}

/// Checked options; made by [`RefusalOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RefusalOptions", into = "RefusalOptions")]
pub struct RefusalParams(RefusalOptions);

impl RefusalOptions {
    fn rules(&self) -> [Rule; 4] {
        [
            (
                (1.0..=1e12).contains(&self.least_effective_size),
                "least_effective_size",
                "1 to 1e12",
            ),
            ((0.01..=1.0).contains(&self.most_of_greatest), "most_of_greatest", "0.01 to 1"),
            ((0.0..=1.0).contains(&self.least_support), "least_support", "0 to 1"),
            ((0.01..=10.0).contains(&self.most_skewness), "most_skewness", "0.01 to 10"),
        ]
    }
}

checked!(RefusalOptions, RefusalParams);

/// Why an estimate is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Too few observations of equal weight would say as much.
    #[error("the effective sample size is {found:.1}, and must be {least}")]
    EffectiveSize {
        /// The effective sample size.
        found: f64,
        /// The least that was asked for.
        least: f64,
    },
    /// Few observations decide.
    #[error("the greatest 1% of weights have {found:.3} of all weight, more than {most}")]
    FewDecide {
        /// The share of the greatest weights, 0 to 1.
        found: f64,
        /// The most that was allowed.
        most: f64,
    },
    /// The mean weight's interval leaves 1 out: propensities are wrong, or actions that the
    /// evaluation policy would show were not logged.
    #[error("the mean weight {mean:.4} lies within {low:.4} and {high:.4}, which leaves 1 out")]
    MeanWeight {
        /// The mean weight.
        mean: f64,
        /// Lower end of its interval.
        low: f64,
        /// Upper end of its interval.
        high: f64,
    },
    /// Logging could not have shown what the evaluation policy would.
    #[error("logging supports {found:.4} of what would be shown, less than {least}")]
    Support {
        /// The share that it supports, 0 to 1.
        found: f64,
        /// The least that was asked for.
        least: f64,
    },
    /// Few rewards decide: the interval covers less often than it says.
    #[error("the skewness of the estimate is {found:.3}, and may be {most} to either side")]
    Skewness {
        /// The skewness.
        found: f64,
        /// The largest magnitude that was allowed.
        most: f64,
    },
    /// All that was seen is alike, so that the interval is a point: such as no reward at all.
    #[error("every unit says {value}, which tells nothing of other outcomes")]
    NoVariation {
        /// What every unit says.
        value: f64,
    },
}

/// Why an estimate by such weights is not to be believed; nothing where it may be. `support` is
/// [`Support::share`](super::Support::share) where both policies are known, and the confidence
/// of the check of the mean weight that with which the summary was made.
#[must_use]
pub fn refusals(
    estimate: &Estimate,
    weights: &WeightSummary,
    support: Option<f64>,
    params: &RefusalParams,
) -> Vec<Refusal> {
    let RefusalOptions { least_effective_size, most_of_greatest, least_support, most_skewness } =
        *params.options();
    let mut found = Vec::new();
    if weights.effective_size < least_effective_size {
        let least = least_effective_size;
        found.push(Refusal::EffectiveSize { found: weights.effective_size, least });
    }
    if weights.share_of_greatest > most_of_greatest {
        let most = most_of_greatest;
        found.push(Refusal::FewDecide { found: weights.share_of_greatest, most });
    }
    if leaves_one_out(&weights.mean) {
        let Estimate { value: mean, low, high, .. } = weights.mean;
        found.push(Refusal::MeanWeight { mean, low, high });
    }
    if let Some(share) = support.filter(|share| *share < least_support) {
        found.push(Refusal::Support { found: share, least: least_support });
    }
    if estimate.skewness.abs() > most_skewness {
        found.push(Refusal::Skewness { found: estimate.skewness, most: most_skewness });
    }
    if estimate.standard_error <= ROUNDING * estimate.value.abs() {
        found.push(Refusal::NoVariation { value: estimate.value });
    }
    found
}

/// With room for rounding: weights that all are 1 have an interval without width.
fn leaves_one_out(mean: &Estimate) -> bool {
    mean.low > 1.0 + 1e-9 || mean.high < 1.0 - 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::off_policy::{Clip, Confidence, Ips, Observation, Weights};

    fn judged(rows: &[Observation], support: Option<f64>) -> Vec<Refusal> {
        let (mut ips, mut weights) = (Ips::new(Clip::NONE), Weights::new(Clip::NONE));
        for row in rows {
            ips.observe(row);
            weights.observe(row);
        }
        let estimate = ips.horvitz_thompson(Confidence::USUAL).unwrap();
        let summary = weights.summary(Confidence::USUAL).unwrap();
        refusals(&estimate, &summary, support, &RefusalOptions::default().check().unwrap())
    }

    fn rows(count: usize, propensity: f64, evaluation: f64) -> Vec<Observation> {
        let reward = |at: usize| f64::from(u8::from(at.is_multiple_of(3)));
        (0..count).map(|at| Observation::new(reward(at), propensity, evaluation).unwrap()).collect()
    }

    #[test]
    fn a_log_of_the_same_policy_is_believed() {
        assert_eq!(judged(&rows(200, 0.3, 0.3), Some(1.0)), []);
    }

    #[test]
    fn each_reason_is_told_with_its_numbers() {
        let few = judged(&rows(50, 0.3, 0.3), None);
        assert_eq!(few, [Refusal::EffectiveSize { found: 50.0, least: 100.0 }]);

        let wrong = judged(&rows(200, 0.3, 0.6), None);
        assert!(matches!(wrong[..], [Refusal::MeanWeight { mean, .. }] if mean == 2.0));

        let unsupported = judged(&rows(200, 0.3, 0.3), Some(0.5));
        assert_eq!(unsupported, [Refusal::Support { found: 0.5, least: 0.99 }]);

        let mut dominated = rows(10_000, 1.0, 0.2);
        dominated.extend(rows(20, 0.001, 0.4));
        let found = judged(&dominated, None);
        assert!(
            found.iter().any(|why| matches!(why, Refusal::FewDecide { found, .. } if *found > 0.7))
        );

        let mut rare = rows(10_000, 0.3, 0.3);
        for row in &mut rare[10..] {
            *row = Observation::new(0.0, 0.3, 0.3).unwrap();
        }
        // Four rewards of 10,000: a skewness of one half.
        let found = judged(&rare, None);
        assert!(
            matches!(found[..], [Refusal::Skewness { found, .. }] if (found - 0.5).abs() < 1e-3)
        );

        let nothing = vec![Observation::new(0.0, 0.3, 0.3).unwrap(); 200];
        assert_eq!(judged(&nothing, None), [Refusal::NoVariation { value: 0.0 }]);
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let of = RefusalOptions::default();
        assert!(RefusalOptions { least_effective_size: 0.0, ..of }.check().is_err());
        assert!(RefusalOptions { most_of_greatest: f64::NAN, ..of }.check().is_err());
        assert!(RefusalOptions { least_support: 1.1, ..of }.check().is_err());
        assert!(RefusalOptions { most_skewness: 0.0, ..of }.check().is_err());
    }
}
