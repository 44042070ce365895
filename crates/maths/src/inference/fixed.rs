//! A test and an interval for an experiment that is looked at once, at a time fixed beforehand:
//! Welch's t (Biometrika 34, 1947). Who looks more often is to ask [`super::sequential`].

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::distributions::{student_above, student_upper};
use super::effect::Effect;
use super::error::{finite, open_unit};

/// What a test is to tell from the null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alternative {
    /// An effect of either sign; the interval has two ends.
    #[default]
    TwoSided,
    /// An effect above the null; the interval has no upper end.
    Greater,
    /// An effect below the null; the interval has no lower end.
    Less,
}

/// An estimate with its interval and p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The estimate, in the effect's units.
    pub estimate: f64,
    /// Lower end of the interval; `None` where it has none.
    pub low: Option<f64>,
    /// Upper end of the interval; `None` where it has none.
    pub high: Option<f64>,
    /// The probability, without an effect, of what is as far from the null, 0 to 1.
    pub p: f64,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

/// Whether a treatment is worse by no more than a margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NonInferiority {
    /// The worst effect that is not ruled out, in the effect's units: a lower bound where more
    /// is better, and else an upper one.
    pub bound: f64,
    /// The p-value of an effect that is worse by the margin or more.
    pub p: f64,
    /// Whether that is ruled out: `p < alpha`.
    pub holds: bool,
}

/// Tests an effect against none, with an interval of level `1 - alpha`.
///
/// # Errors
/// As [`test_against`].
pub fn test(
    effect: &Effect,
    alternative: Alternative,
    alpha: f64,
) -> Result<Tested, InferenceError> {
    test_against(effect, 0.0, alternative, alpha)
}

/// Tests an effect against `null`, in the effect's units, with an interval of level `1 - alpha`.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of an `alpha` not strictly between 0 and 1;
/// [`InferenceError::NotFinite`] of a null or an end that is not.
pub fn test_against(
    effect: &Effect,
    null: f64,
    alternative: Alternative,
    alpha: f64,
) -> Result<Tested, InferenceError> {
    effect.check()?;
    open_unit("alpha", alpha)?;
    finite("the null", null)?;
    let Effect { estimate, standard_error, degrees_of_freedom: freedom, .. } = *effect;
    let t = finite("the statistic", (estimate - null) / standard_error)?;
    let two_sided = alternative == Alternative::TwoSided;
    let tail = if two_sided { alpha / 2.0 } else { alpha };
    let reach = student_upper(tail, freedom) * standard_error;
    finite("an end", estimate.abs() + reach.abs())?;
    let low = (alternative != Alternative::Less).then_some(estimate - reach);
    let high = (alternative != Alternative::Greater).then_some(estimate + reach);
    let p = match alternative {
        Alternative::TwoSided => 2.0 * student_above(t.abs(), freedom),
        Alternative::Greater => student_above(t, freedom),
        Alternative::Less => student_above(-t, freedom),
    };
    Ok(Tested { estimate, low, high, p: p.clamp(0.0, 1.0) })
}

/// Whether a treatment is worse by less than `margin`, above 0 and in the effect's units, at
/// level `alpha`, one-sided.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a margin that is not above 0, and as [`test_against`].
pub fn non_inferiority(
    effect: &Effect,
    margin: f64,
    better: Better,
    alpha: f64,
) -> Result<NonInferiority, InferenceError> {
    super::error::positive("the margin", margin)?;
    let (null, alternative) = match better {
        Better::Higher => (-margin, Alternative::Greater),
        Better::Lower => (margin, Alternative::Less),
    };
    let tested = test_against(effect, null, alternative, alpha)?;
    let bound = tested.low.or(tested.high).unwrap_or(tested.estimate);
    Ok(NonInferiority { bound, p: tested.p, holds: tested.p < alpha })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::effect::Scale;
    use super::super::effect::tests::{assert_close, effect};
    use super::*;

    // The expected figures are gbstats 0.8.0's.
    #[test]
    fn two_sided_tests_are_those_of_gbstats() {
        let found = test(&effect(Scale::Absolute), Alternative::TwoSided, 0.05).unwrap();
        assert_close(found.low.unwrap(), -0.032_310_024_760_809_37);
        assert_close(found.high.unwrap(), 0.079_929_072_379_857_04);
        assert_close(found.p, 0.405_486_304_930_974_04);
        let found = test(&effect(Scale::Relative), Alternative::TwoSided, 0.05).unwrap();
        assert_close(found.low.unwrap(), -0.115_282_529_855_738_52);
        assert_close(found.high.unwrap(), 0.274_012_688_585_897_45);
        assert_close(found.p, 0.424_021_928_921_611_83);
    }

    #[test]
    fn one_sided_bounds_have_one_end() {
        let effect = effect(Scale::Absolute);
        let greater = test(&effect, Alternative::Greater, 0.05).unwrap();
        let less = test(&effect, Alternative::Less, 0.05).unwrap();
        assert_eq!((greater.high, less.low), (None, None));
        assert_close(greater.p + less.p, 1.0);
        let two = test(&effect, Alternative::TwoSided, 0.1).unwrap();
        assert_eq!((greater.low, less.high), (two.low, two.high));
    }

    #[test]
    fn non_inferiority_is_a_bound_within_the_margin() {
        let effect = effect(Scale::Absolute);
        let found = non_inferiority(&effect, 0.05, Better::Higher, 0.05).unwrap();
        assert!(found.holds && found.bound > -0.05);
        let found = non_inferiority(&effect, 0.05, Better::Lower, 0.05).unwrap();
        assert!(!found.holds && found.bound > 0.05);
        assert!(non_inferiority(&effect, 0.0, Better::Higher, 0.05).is_err());
    }

    #[test]
    fn an_effect_that_is_none_is_refused() {
        let good = effect(Scale::Absolute);
        for bad in [
            Effect { standard_error: 0.0, ..good },
            Effect { estimate: f64::NAN, ..good },
            Effect { degrees_of_freedom: -1.0, ..good },
        ] {
            assert!(test(&bad, Alternative::TwoSided, 0.05).is_err());
        }
    }

    #[test]
    fn levels_outside_the_unit_interval_are_refused() {
        for alpha in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(test(&effect(Scale::Absolute), Alternative::TwoSided, alpha).is_err());
        }
    }

    proptest! {
        #[test]
        fn intervals_widen_as_alpha_falls_and_agree_with_p(
            alpha in 1e-6..0.5_f64, factor in 0.1..0.99_f64, null in -0.2..0.2_f64,
        ) {
            let effect = effect(Scale::Absolute);
            let wide = test_against(&effect, null, Alternative::TwoSided, alpha * factor).unwrap();
            let found = test_against(&effect, null, Alternative::TwoSided, alpha).unwrap();
            prop_assert!(wide.low < found.low && wide.high > found.high);
            let outside = found.low > Some(null) || found.high < Some(null);
            prop_assert!(outside == (found.p < alpha) || (found.p / alpha - 1.0).abs() < 1e-9);
        }
    }
}
