//! What to believe of an effect: a normal posterior, with the chance that the treatment is the
//! better one and what is lost on average by either choice (Stucchio, "Bayesian A/B Testing at
//! VWO", 2015). The formulas are those of gbstats 0.8.

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::distributions::{beyond, normal_below, normal_density, normal_upper};
use super::effect::Effect;
use super::error::{finite, open_unit, positive};
use super::fixed::Better;

/// Normal deviates below which the expected loss goes by a continued fraction: the plain formula
/// is there a difference of almost equal numbers.
const FAR: f64 = -3.0;

/// What was believed of the effect before, as a normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// The mean, in the effect's units.
    pub mean: f64,
    /// The standard deviation, above 0, in the same units.
    pub deviation: f64,
}

/// What is believed of the effect: a normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Posterior {
    mean: f64,
    deviation: f64,
}

/// What is lost on average, in the effect's units, at least 0 each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// By keeping the control, though the treatment may be better.
    pub of_control: f64,
    /// By taking the treatment, though the control may be better.
    pub of_treatment: f64,
}

impl Posterior {
    /// The posterior of an effect; without a prior it is flat, and the posterior is the estimate
    /// with its standard error.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`] or [`InferenceError::OutOfRange`] of a prior that is no
    /// normal distribution, or numbers too large or small for a double.
    pub fn of(effect: &Effect, prior: Option<Prior>) -> Result<Self, InferenceError> {
        effect.check()?;
        let Effect { estimate, standard_error, .. } = *effect;
        let Some(prior) = prior else {
            return Ok(Self { mean: estimate, deviation: standard_error });
        };
        finite("the prior's mean", prior.mean)?;
        positive("the prior's deviation", prior.deviation)?;
        // The share of the prior in what is known, as a ratio so that no square is lost.
        let ratio = standard_error / prior.deviation;
        let share = 1.0 / (1.0 + 1.0 / (ratio * ratio));
        let mean = finite("the posterior's mean", estimate + share * (prior.mean - estimate))?;
        let deviation = standard_error / ratio.mul_add(ratio, 1.0).sqrt();
        positive("the posterior's deviation", deviation)?;
        Ok(Self { mean, deviation })
    }

    /// The mean, in the effect's units.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation, above 0, in the effect's units.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// The probability that the effect is above `threshold`, such as one that is worth having.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`] of a threshold that is not.
    pub fn chance_above(&self, threshold: f64) -> Result<f64, InferenceError> {
        let z = (self.mean - threshold) / self.deviation;
        Ok(normal_below(finite("the threshold", z)?))
    }

    /// The probability that the treatment is the better one, 0 to 1.
    #[must_use]
    pub fn chance_to_win(&self, better: Better) -> f64 {
        normal_below(self.towards(better))
    }

    /// What either choice loses on average.
    #[must_use]
    pub fn risk(&self, better: Better) -> Risk {
        let z = self.towards(better);
        Risk {
            of_control: self.deviation * expected_gain(z),
            of_treatment: self.deviation * expected_gain(-z),
        }
    }

    /// The ends between which the effect lies with probability `1 - alpha`, with as much on
    /// either side.
    ///
    /// # Errors
    /// [`InferenceError::OutOfRange`] of an `alpha` not strictly between 0 and 1;
    /// [`InferenceError::NotFinite`] of an end that is not.
    pub fn interval(&self, alpha: f64) -> Result<(f64, f64), InferenceError> {
        open_unit("alpha", alpha)?;
        let reach = normal_upper(alpha / 2.0) * self.deviation;
        finite("an end", self.mean.abs() + reach)?;
        Ok((self.mean - reach, self.mean + reach))
    }

    /// How many deviations the treatment is better by.
    fn towards(&self, better: Better) -> f64 {
        // A ratio that overflows is as sure as can be.
        let z = (self.mean / self.deviation).clamp(-1e150, 1e150);
        if better == Better::Higher { z } else { -z }
    }
}

/// The mean of what a normal of mean `z` and deviation 1 has above 0.
fn expected_gain(z: f64) -> f64 {
    if z > FAR {
        return normal_density(z) + z * normal_below(z);
    }
    let rest = beyond(-z);
    normal_density(z) * rest / (rest - z)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::effect::Scale;
    use super::super::effect::tests::{assert_close, effect};
    use super::*;

    // The expected figures are gbstats 0.8.0's.
    #[test]
    fn chances_and_risks_are_those_of_gbstats() {
        let posterior = Posterior::of(&effect(Scale::Absolute), None).unwrap();
        assert_close(posterior.chance_to_win(Better::Higher), 0.797_305_384_534_758_2);
        let risk = posterior.risk(Better::Higher);
        assert_close(risk.of_control, 0.027_059_382_627_216_962);
        assert_close(risk.of_treatment, 0.003_249_858_817_693_126_8);
        let lower = posterior.risk(Better::Lower);
        assert_eq!((lower.of_control, lower.of_treatment), (risk.of_treatment, risk.of_control));
    }

    #[test]
    fn both_forms_of_the_gain_agree_where_they_meet() {
        let plain = normal_density(FAR) + FAR * normal_below(FAR);
        assert!((expected_gain(FAR) / plain - 1.0).abs() < 1e-11);
        assert!(expected_gain(-30.0) > 0.0);
    }

    #[test]
    fn a_prior_that_is_no_distribution_is_refused() {
        let effect = effect(Scale::Absolute);
        for (mean, deviation) in [(f64::NAN, 1.0), (0.0, 0.0), (0.0, f64::INFINITY)] {
            assert!(Posterior::of(&effect, Some(Prior { mean, deviation })).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_posterior_lies_between_prior_and_estimate(
            mean in -10.0..10.0_f64, deviation in 1e-6..1e6_f64,
        ) {
            let effect = effect(Scale::Relative);
            let found = Posterior::of(&effect, Some(Prior { mean, deviation })).unwrap();
            let (low, high) = (mean.min(effect.estimate), mean.max(effect.estimate));
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&found.mean));
            prop_assert!(found.deviation <= effect.standard_error.min(deviation));
            let risk = found.risk(Better::Higher);
            prop_assert!(risk.of_control >= 0.0 && risk.of_treatment >= 0.0);
            let gain = risk.of_control - risk.of_treatment;
            prop_assert!((gain - found.mean).abs() <= 1e-9 * (1.0 + found.mean.abs()));
        }
    }
}
