//! How far a treatment's metric lies from a control's, and how sure that is.
//!
//! The formulas are those of gbstats 0.8 (GrowthBook), so that one answers as the other does:
//! - a ratio's variance by the delta method (Deng, Knoblich and Lu, "Applying the Delta Method in
//!   Metric Analytics", KDD 2018);
//! - a lift's variance by the delta method again, with control and treatment independent;
//! - CUPED (Deng, Xu, Kohavi and Walker, "Improving the Sensitivity of Online Controlled
//!   Experiments by Utilizing Pre-Experiment Data", WSDM 2013), with one slope for both groups.

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::error::{finite, positive};
use super::summary::Sums;

/// What is measured of each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The mean of `y`; `x` is not looked at.
    #[default]
    Mean,
    /// The sum of `y` over the sum of `x`, such as clicks over views of the same people.
    Ratio,
    /// The mean of `y`, less what `x`, known from before the experiment, explains of it (CUPED).
    Adjusted,
}

/// What a difference is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The metric's own units.
    #[default]
    Absolute,
    /// Shares of the control's mean: 0.05 is 5% more.
    Relative,
}

/// What is asked of two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Question {
    /// What is measured.
    pub metric: Metric,
    /// What the difference is counted in.
    pub scale: Scale,
}

/// One group's metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupMetric {
    /// Observations, at least 2.
    pub n: u64,
    /// The metric, less what a covariate explains. An adjusted one is less the slope times the
    /// covariate's own mean, and so means something only beside another group's.
    pub mean: f64,
    /// The metric as it is.
    pub unadjusted_mean: f64,
    /// The variance of one observation, at least 0; over `n` it is the mean's.
    pub variance: f64,
}

/// A difference of treatment and control with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Treatment less control, in the units of `question.scale`.
    pub estimate: f64,
    /// The standard error of the estimate, above 0, in the same units.
    pub standard_error: f64,
    /// Degrees of freedom by Welch and Satterthwaite, at least 1. As in gbstats, those of the
    /// absolute difference also for a relative one.
    pub degrees_of_freedom: f64,
    /// The slope of the outcome on the covariate over both groups; 0 without one.
    pub slope: f64,
    /// The control's metric.
    pub control: GroupMetric,
    /// The treatment's metric.
    pub treatment: GroupMetric,
    /// What was asked.
    pub question: Question,
}

impl Effect {
    /// The effect of `treatment` beside `control`.
    ///
    /// A group that does not vary counts as known exactly, so that the other one's variance is
    /// all there is. A covariate or an outcome that does not vary over both groups together
    /// explains nothing: the slope is then 0.
    ///
    /// # Errors
    /// - [`InferenceError::TooFew`] below 2 observations in a group;
    /// - [`InferenceError::NoVariance`] when neither group varies, or the standard error is 0;
    /// - [`InferenceError::ZeroDenominator`] of a ratio whose denominator's mean is 0;
    /// - [`InferenceError::ZeroBaseline`] of a relative effect when the control's mean is 0;
    /// - [`InferenceError::NotFinite`] when numbers become too large for a double.
    pub fn of(
        control: &Sums,
        treatment: &Sums,
        question: Question,
    ) -> Result<Self, InferenceError> {
        let slope = slope(control, treatment, question.metric)?;
        let control = group_metric(control, question.metric, slope)?;
        let treatment = group_metric(treatment, question.metric, slope)?;
        let (estimate, variance) = match question.scale {
            Scale::Absolute => absolute(&control, &treatment),
            Scale::Relative => relative(&control, &treatment)?,
        };
        let standard_error = finite("the standard error", variance.sqrt())?;
        if standard_error <= 0.0 {
            return Err(InferenceError::NoVariance);
        }
        Ok(Self {
            estimate: finite("the estimate", estimate)?,
            standard_error,
            degrees_of_freedom: welch(&control, &treatment),
            slope,
            control,
            treatment,
            question,
        })
    }

    /// Refuses what [`of`](Self::of) does not make, since anybody may write an effect.
    pub(super) fn check(&self) -> Result<(), InferenceError> {
        finite("the estimate", self.estimate)?;
        positive("the standard error", self.standard_error)?;
        if self.degrees_of_freedom.is_finite() && self.degrees_of_freedom >= 1.0 {
            return Ok(());
        }
        let rule = "finite and at least 1";
        Err(InferenceError::OutOfRange { name: "degrees of freedom", rule })
    }

    /// Observations of both groups.
    #[must_use]
    pub fn n(&self) -> f64 {
        self.control.n as f64 + self.treatment.n as f64
    }
}

/// The slope that explains most, over both groups as one (gbstats' theta): it also takes in the
/// difference of the groups' means, which a random assignment keeps small.
fn slope(control: &Sums, treatment: &Sums, metric: Metric) -> Result<f64, InferenceError> {
    if metric != Metric::Adjusted {
        return Ok(0.0);
    }
    let both = control.merge(treatment)?;
    let (of_y, of_x) = (both.variance()?, both.variance_x()?);
    if of_y <= 0.0 || of_x <= 0.0 {
        return Ok(0.0);
    }
    finite("the slope", both.covariance()? / of_x)
}

fn group_metric(sums: &Sums, metric: Metric, slope: f64) -> Result<GroupMetric, InferenceError> {
    let (n, mean, variance) = (sums.n(), sums.mean(), sums.variance()?);
    let plain = GroupMetric { n, mean, unadjusted_mean: mean, variance };
    match metric {
        Metric::Mean => Ok(plain),
        Metric::Adjusted => {
            let explained = 2.0 * slope * sums.covariance()? - slope * slope * sums.variance_x()?;
            let mean = finite("an adjusted mean", mean - slope * sums.mean_x())?;
            let variance = finite("an adjusted variance", variance - explained)?.max(0.0);
            Ok(GroupMetric { mean, variance, ..plain })
        }
        Metric::Ratio => {
            let denominator = sums.mean_x();
            if denominator == 0.0 {
                return Err(InferenceError::ZeroDenominator);
            }
            let ratio = mean / denominator;
            let residual =
                variance - 2.0 * ratio * sums.covariance()? + ratio * ratio * sums.variance_x()?;
            let residual = finite("a ratio's variance", residual)?;
            let variance = residual.max(0.0) / (denominator * denominator);
            let ratio = finite("a ratio", ratio)?;
            let variance = finite("a ratio's variance", variance)?;
            Ok(GroupMetric { n, mean: ratio, unadjusted_mean: ratio, variance })
        }
    }
}

fn absolute(control: &GroupMetric, treatment: &GroupMetric) -> (f64, f64) {
    let variance = treatment.variance / treatment.n as f64 + control.variance / control.n as f64;
    (treatment.mean - control.mean, variance)
}

/// The lift and its variance: the baseline is what is seen, not what is left after adjusting,
/// whose level is arbitrary.
fn relative(control: &GroupMetric, treatment: &GroupMetric) -> Result<(f64, f64), InferenceError> {
    let baseline = control.unadjusted_mean;
    if baseline == 0.0 {
        return Err(InferenceError::ZeroBaseline);
    }
    let ratio = treatment.unadjusted_mean / baseline;
    let numerator = treatment.variance / treatment.n as f64;
    let denominator = ratio * ratio * control.variance / control.n as f64;
    let estimate = (treatment.mean - control.mean) / baseline;
    Ok((estimate, (numerator + denominator) / (baseline * baseline)))
}

/// Degrees of freedom by Welch (Biometrika 34, 1947) and Satterthwaite (Biometrics Bulletin 2,
/// 1946).
fn welch(control: &GroupMetric, treatment: &GroupMetric) -> f64 {
    let of = |group: &GroupMetric| (group.variance / group.n as f64, (group.n - 1) as f64);
    let ((one, freedom), (two, other_freedom)) = (of(control), of(treatment));
    // As shares of their sum, since squares of tiny variances are nothing.
    let (one, two) = (one / (one + two), two / (one + two));
    let freedom = 1.0 / (one * one / freedom + two * two / other_freedom);
    if freedom.is_finite() { freedom.max(1.0) } else { 1.0 }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::summary::RawSums;
    use super::*;

    pub(in super::super) fn groups() -> (Sums, Sums) {
        let of = |n, sum_y, sum_yy| {
            Sums::from_raw(RawSums { n, sum_y, sum_yy, ..RawSums::default() }).unwrap()
        };
        (of(1000, 300.0, 500.0), of(1050, 340.0, 560.0))
    }

    pub(in super::super) fn effect(scale: Scale) -> Effect {
        let (control, treatment) = groups();
        Effect::of(&control, &treatment, Question { metric: Metric::Mean, scale }).unwrap()
    }

    pub(in super::super) fn assert_close(found: f64, expected: f64) {
        let tolerance = 1e-12 * expected.abs().max(1e-3);
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    fn sums(pairs: &[(f64, f64)]) -> Sums {
        let mut sums = Sums::new();
        for (y, x) in pairs {
            sums.add_pair(*y, *x).unwrap();
        }
        sums
    }

    // The expected figures are gbstats 0.8.0's.
    #[test]
    fn estimates_are_those_of_gbstats() {
        let absolute = effect(Scale::Absolute);
        assert_close(absolute.estimate, 0.023_809_523_809_523_836);
        assert_close(absolute.standard_error, 0.028_616_014_870_984_058);
        assert_close(effect(Scale::Relative).estimate, 0.079_365_079_365_079_46);
    }

    #[test]
    fn what_cannot_be_answered_is_told() {
        let ask = |control: &Sums, treatment: &Sums, metric, scale| {
            Effect::of(control, treatment, Question { metric, scale }).unwrap_err()
        };
        let still = sums(&[(1.0, 0.0), (1.0, 0.0)]);
        let zero = sums(&[(1.0, 0.0), (-1.0, 0.0)]);
        let one = sums(&[(1.0, 0.0)]);
        let (mean, ratio) = (Metric::Mean, Metric::Ratio);
        let none = InferenceError::NoVariance;
        assert_eq!(ask(&still, &still, mean, Scale::Absolute), none);
        assert_eq!(ask(&zero, &still, mean, Scale::Relative), InferenceError::ZeroBaseline);
        assert_eq!(ask(&zero, &zero, ratio, Scale::Absolute), InferenceError::ZeroDenominator);
        let few = ask(&one, &zero, mean, Scale::Absolute);
        assert!(matches!(few, InferenceError::TooFew { found: 1, .. }));
    }

    #[test]
    fn a_group_that_does_not_vary_is_known_exactly() {
        let still = sums(&[(1.0, 0.0), (1.0, 0.0), (1.0, 0.0)]);
        let moving = sums(&[(1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (4.0, 0.0)]);
        let effect = Effect::of(&still, &moving, Question::default()).unwrap();
        assert_close(effect.degrees_of_freedom, 3.0);
        assert_close(effect.estimate, 1.5);
    }

    #[test]
    fn a_covariate_that_explains_all_but_the_effect_leaves_it() {
        let pre = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0];
        let noise = [0.01, -0.01, 0.02, -0.02, 0.01, -0.01];
        let with = |shift: f64| -> Vec<(f64, f64)> {
            pre.iter().zip(noise).map(|(x, noise)| (3.0 * x + shift + noise, *x)).collect()
        };
        let question = Question { metric: Metric::Adjusted, scale: Scale::Absolute };
        let found = Effect::of(&sums(&with(0.0)), &sums(&with(0.5)), question).unwrap();
        assert!((found.estimate - 0.5).abs() < 1e-9);
        assert!(found.standard_error < 0.02);
    }

    #[test]
    fn a_covariate_that_does_not_vary_explains_nothing() {
        let (one, two) = (sums(&[(1.0, 2.0), (3.0, 2.0)]), sums(&[(2.0, 2.0), (5.0, 2.0)]));
        let adjusted = Question { metric: Metric::Adjusted, scale: Scale::Absolute };
        let plain = Effect::of(&one, &two, Question::default()).unwrap();
        let found = Effect::of(&one, &two, adjusted).unwrap();
        assert_eq!((found.slope, found.estimate), (0.0, plain.estimate));
    }

    proptest! {
        #[test]
        fn an_effect_is_finite_or_refused(
            a in prop::collection::vec((-1e160..1e160, -1e160..1e160), 0..6),
            b in prop::collection::vec((-1e3..1e3, -1.0..1e3), 0..6),
            metric in 0..3_u8, relative in any::<bool>(),
        ) {
            let of = |pairs: &[(f64, f64)]| {
                let mut sums = Sums::new();
                for (y, x) in pairs { let _ = sums.add_pair(*y, *x); }
                sums
            };
            let metric = [Metric::Mean, Metric::Ratio, Metric::Adjusted][usize::from(metric)];
            let scale = if relative { Scale::Relative } else { Scale::Absolute };
            for (one, two) in [(of(&a), of(&b)), (of(&b), of(&a))] {
                if let Ok(found) = Effect::of(&one, &two, Question { metric, scale }) {
                    prop_assert!(found.estimate.is_finite());
                    prop_assert!(found.standard_error > 0.0 && found.standard_error.is_finite());
                    prop_assert!(found.degrees_of_freedom >= 1.0);
                }
            }
        }

        #[test]
        fn adjusting_changes_little_when_the_covariate_is_balanced_noise(shift in -5.0..5.0_f64) {
            let pairs: Vec<(f64, f64)> =
                (0..40).map(|i| (f64::from(i % 7) + shift, f64::from(i / 7 % 2))).collect();
            let adjusted = Question { metric: Metric::Adjusted, scale: Scale::Absolute };
            let plain = Effect::of(&sums(&pairs), &sums(&pairs), Question::default()).unwrap();
            let found = Effect::of(&sums(&pairs), &sums(&pairs), adjusted).unwrap();
            prop_assert!(found.estimate.abs() < 1e-9);
            prop_assert!(found.standard_error <= plain.standard_error * (1.0 + 1e-12));
        }
    }
}
