//! A variant beside the control: an effect with its tests, its intervals and what to believe.

use serde::Serialize;

use crate::maths::inference::InferenceError;
use crate::maths::inference::bayes::Posterior;
use crate::maths::inference::effect::{Effect, Scale};
use crate::maths::inference::fixed::{Alternative, Tested, test};
use crate::maths::inference::sequential::{Sequence, confidence_sequence};

use super::effects::MetricNumbers;

/// The probability, without an effect, that an interval excludes none.
pub const ALPHA: f64 = 0.05;
/// Fewest users of each variant by whom anything is decided: intervals are of many users.
pub const MIN_USERS: u64 = 100;
/// Fewest users who did what is measured at all, or did not where nearly all do, that the smaller
/// of two variants has when neither differs. With fewer, errors are not normal: of experiments
/// without an effect in which 2% act (with sums that have a heavy tail), one variant has a tenth of
/// 20,000 users, and one looks after every hundred, 4.8% have at some time an interval that excludes
/// none; with 5 in place of 20 it is 13%, and where 1% act, without any such bound, 30%.
pub const MIN_ACTING: u64 = 20;

/// A 95% interval with its p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The probability, without an effect, of one as far from none, 0 to 1.
    pub p: f64,
    /// The same for as many tests as were made: Holm's over the variants and the metrics without a
    /// margin, Benjamini and Hochberg's over segments; of guardrails there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
}

/// How far a variant's metric lies from the control's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lift {
    /// The variant's less the control's: in the metric's units, or as a share of the control's.
    pub estimate: f64,
    /// Its standard error, in the same units.
    pub standard_error: f64,
    /// For an experiment that is looked at once, at a time that was fixed before.
    pub fixed: Interval,
    /// For one that is looked at as often as one likes.
    pub always_valid: Interval,
}

/// An effect less what users' past explains of it (CUPED).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Adjusted {
    /// In the metric's units.
    pub absolute: Lift,
    /// As a share of the control's mean, where that is not 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Lift>,
    /// The share of the variance of the plain difference that is explained, at most 1. Where the
    /// past explains next to nothing it may be slightly below 0.
    pub variance_reduction: f64,
}

/// A variant's metric beside the control's. What decides is the adjusted effect where there is one:
/// that is settled before anything is seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The effect in the metric's units.
    pub absolute: Lift,
    /// The effect as a share of the control's mean; `None` where that is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Lift>,
    /// The same less what users' past explains; `None` where no past is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted: Option<Adjusted>,
    /// The probability that the variant is the better one, 0 to 1, with a flat prior.
    pub chance_to_be_better: f64,
    /// What is lost on average by taking the variant, in the metric's units, at least 0.
    pub expected_loss: f64,
    /// What is lost on average by keeping the control, in the same.
    pub expected_loss_of_control: f64,
    /// Whether there are users enough to decide anything by.
    pub is_enough: bool,
    /// What decides, in the metric's units.
    #[serde(skip)]
    pub(super) effect: Effect,
}

impl Interval {
    fn of(tested: &Tested) -> Self {
        Self {
            low: tested.low.unwrap_or(f64::MIN),
            high: tested.high.unwrap_or(f64::MAX),
            p: tested.p,
            p_adjusted: None,
        }
    }

    /// Whether no effect lies outside of it.
    #[must_use]
    pub fn excludes_none(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

impl Lift {
    /// An effect with its tests.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`] of an effect whose interval is beyond what a number can be.
    pub fn of(effect: &Effect) -> Result<Self, InferenceError> {
        let sequence = Sequence { alpha: ALPHA, ..Sequence::default() };
        Ok(Self {
            estimate: effect.estimate,
            standard_error: effect.standard_error,
            fixed: Interval::of(&test(effect, Alternative::TwoSided, ALPHA)?),
            always_valid: Interval::of(&confidence_sequence(effect, &sequence)?),
        })
    }
}

impl Comparison {
    /// A variant's metric beside the control's.
    ///
    /// # Errors
    /// [`InferenceError`] when there is too little to compare by.
    pub(super) fn of(numbers: &MetricNumbers<'_>, variant: u8) -> Result<Self, InferenceError> {
        let plain = numbers.effect(variant, Scale::Absolute, false)?;
        let relative = |is_adjusted| {
            let effect = numbers.effect(variant, Scale::Relative, is_adjusted);
            effect.and_then(|effect| Lift::of(&effect)).ok()
        };
        let adjusted = match numbers.has_covariate() {
            true => numbers.effect(variant, Scale::Absolute, true).ok(),
            false => None,
        };
        let effect = adjusted.unwrap_or(plain);
        let adjusted = adjusted.map(|effect| -> Result<Adjusted, InferenceError> {
            let kept = effect.standard_error / plain.standard_error;
            Ok(Adjusted {
                absolute: Lift::of(&effect)?,
                relative: relative(true),
                variance_reduction: 1.0 - kept * kept,
            })
        });
        let posterior = Posterior::of(&effect, None)?;
        let risk = posterior.risk(numbers.better());
        Ok(Self {
            absolute: Lift::of(&plain)?,
            relative: relative(false),
            adjusted: adjusted.transpose()?,
            chance_to_be_better: posterior.chance_to_win(numbers.better()),
            expected_loss: risk.of_treatment,
            expected_loss_of_control: risk.of_control,
            is_enough: is_enough(numbers, variant),
            effect,
        })
    }

    /// The effect that decides, in the metric's units.
    #[must_use]
    pub fn decisive(&self) -> &Lift {
        self.adjusted.as_ref().map_or(&self.absolute, |adjusted| &adjusted.absolute)
    }

    /// The effect that decides, as a share of the control's mean.
    #[must_use]
    pub fn decisive_relative(&self) -> Option<&Lift> {
        match &self.adjusted {
            Some(adjusted) => adjusted.relative.as_ref(),
            None => self.relative.as_ref(),
        }
    }

    fn lifts(&mut self) -> [Option<&mut Lift>; 4] {
        let (adjusted, adjusted_relative) = match &mut self.adjusted {
            Some(adjusted) => (Some(&mut adjusted.absolute), adjusted.relative.as_mut()),
            None => (None, None),
        };
        [Some(&mut self.absolute), self.relative.as_mut(), adjusted, adjusted_relative]
    }
}

fn is_enough(numbers: &MetricNumbers<'_>, variant: u8) -> bool {
    let (control, treatment) = (numbers.summary(super::effects::CONTROL), numbers.summary(variant));
    let (smaller, users) =
        (control.users.min(treatment.users), control.users.saturating_add(treatment.users));
    let acting = control.acting.saturating_add(treatment.acting);
    let telling = match numbers.is_whether() {
        true => acting.min(users.saturating_sub(acting)),
        false => acting,
    };
    let expected = u128::from(telling) * u128::from(smaller) / u128::from(users.max(1));
    smaller >= MIN_USERS && expected >= u128::from(MIN_ACTING)
}

/// Adjusts the p-values of comparisons for their number: those of one kind (absolute or relative,
/// by the past or not, looked at once or often) for one another.
pub(super) fn adjust(
    comparisons: &mut [&mut Comparison],
    by: fn(&[f64]) -> Result<Vec<f64>, InferenceError>,
) {
    let picks: [fn(&mut Lift) -> &mut Interval; 2] =
        [|lift| &mut lift.fixed, |lift| &mut lift.always_valid];
    for kind in 0..4 {
        for pick in picks {
            let lifts = comparisons.iter_mut().filter_map(|of| of.lifts().into_iter().nth(kind)?);
            let mut intervals: Vec<&mut Interval> = lifts.map(pick).collect();
            let p: Vec<f64> = intervals.iter().map(|interval| interval.p).collect();
            let adjusted = by(&p).unwrap_or_default();
            for (interval, p) in intervals.iter_mut().zip(adjusted) {
                interval.p_adjusted = Some(p);
            }
        }
    }
}
