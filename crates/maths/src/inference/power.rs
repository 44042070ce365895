//! How many observations two groups need, what they can tell, and how likely.
//!
//! The formulas are those of statsmodels: `TTestIndPower` with [`Distribution::Student`], which
//! goes by the noncentral t with `n1 + n2 - 2` degrees of freedom and one variance for both
//! groups, and `NormalIndPower` with [`Distribution::Normal`] (Cohen, "Statistical Power Analysis
//! for the Behavioral Sciences", 1988, chapters 2 and 6). Effects are standardised: a difference
//! of means over the standard deviation of one observation.

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::distributions::{
    first_where, noncentral_student_above, normal_below, normal_upper, student_upper,
};
use super::error::{finite, open_unit, positive};

/// Degrees of freedom from which Student's t is a normal to all digits that matter.
const ALL_BUT_NORMAL: f64 = 1e12;

/// What the test's statistic follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// A normal, as of many observations.
    #[default]
    Normal,
    /// Student's t.
    Student,
}

/// How two groups are to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Observations of the treatment for each of the control, above 0.
    pub ratio: f64,
    /// The level of the test, strictly between 0 and 1.
    pub alpha: f64,
    /// Whether an effect of either sign is to be told from none, or only one of the effect's own.
    pub two_sided: bool,
    /// What the statistic follows.
    pub distribution: Distribution,
}

impl Default for Design {
    /// Equal groups, two-sided at 5%, by the normal.
    fn default() -> Self {
        let distribution = Distribution::Normal;
        Self { ratio: 1.0, alpha: 0.05, two_sided: true, distribution }
    }
}

/// Observations in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Of the control.
    pub control: u64,
    /// Of the treatment.
    pub treatment: u64,
}

impl Design {
    fn check(&self) -> Result<(), InferenceError> {
        positive("the ratio", self.ratio)?;
        open_unit("alpha", self.alpha)
    }

    /// The fewest observations of the control for which the statistic has a distribution.
    fn least(&self) -> f64 {
        match self.distribution {
            Distribution::Normal => 0.0,
            // One degree of freedom.
            Distribution::Student => 3.0 / (1.0 + self.ratio),
        }
    }

    /// The power of an effect's size, of a checked design.
    fn power_of(&self, size: f64, control: f64) -> f64 {
        let treatment = control * self.ratio;
        let freedom = control + treatment - 2.0;
        let noncentral = size * (1.0 / (1.0 / control + 1.0 / treatment)).sqrt();
        let tail = if self.two_sided { self.alpha / 2.0 } else { self.alpha };
        let student = self.distribution == Distribution::Student && freedom < ALL_BUT_NORMAL;
        let critical = if student { student_upper(tail, freedom) } else { normal_upper(tail) };
        let above = |shift: f64| {
            if student {
                return noncentral_student_above(critical, freedom, shift);
            }
            normal_below(shift - critical)
        };
        let other = if self.two_sided { above(-noncentral) } else { 0.0 };
        (above(noncentral) + other).clamp(0.0, 1.0)
    }
}

/// The probability to tell a standardised effect from none with `control` observations of the
/// control and `control * ratio` of the treatment.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a design out of its ranges or too few observations;
/// [`InferenceError::NotFinite`] of an effect that is not.
pub fn power(effect: f64, control: f64, design: &Design) -> Result<f64, InferenceError> {
    design.check()?;
    finite("the effect", effect)?;
    enough(control, design)?;
    Ok(design.power_of(effect.abs(), control))
}

/// The observations of the control, not rounded, with which a standardised effect is told from
/// none with probability `power`; the treatment has `ratio` times as many. By Student's t there is
/// at least one degree of freedom, so that a large effect may have more than this power.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a design or a power out of its range, or an effect of 0;
/// [`InferenceError::OutOfReach`] when no number of observations suffices.
pub fn exact_sample_size(effect: f64, power: f64, design: &Design) -> Result<f64, InferenceError> {
    design.check()?;
    open_unit("the power", power)?;
    positive("the effect's size", effect.abs())?;
    // Above 0, where the normal has no observation at all.
    let least = design.least().max(f64::MIN_POSITIVE);
    let found = first_where(least, 1.0, |control| design.power_of(effect.abs(), control) >= power);
    found.ok_or(InferenceError::OutOfReach("number of observations"))
}

/// The observations of both groups with which a standardised effect is told from none with
/// probability `power` or more, rounded up, at least 2 each.
///
/// # Errors
/// As [`exact_sample_size`].
pub fn sample_size(effect: f64, power: f64, design: &Design) -> Result<Sizes, InferenceError> {
    let control = exact_sample_size(effect, power, design)?;
    let treatment = control * design.ratio;
    let whole = |exact: f64| {
        // What halving leaves of rounding is not to cost an observation.
        let least = (exact * (1.0 - 1e-12)).ceil().max(2.0);
        let fits = least < u64::MAX as f64;
        if fits {
            Ok(least as u64)
        } else {
            Err(InferenceError::OutOfReach("number of observations"))
        }
    };
    Ok(Sizes { control: whole(control)?, treatment: whole(treatment)? })
}

/// The least standardised effect that is told from none with probability `power`, by `control`
/// observations of the control and `control * ratio` of the treatment.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a design out of its ranges, a power not between the level of
/// the test and 1, or too few observations; [`InferenceError::OutOfReach`] when no effect
/// suffices.
pub fn detectable_effect(control: f64, power: f64, design: &Design) -> Result<f64, InferenceError> {
    design.check()?;
    open_unit("the power", power)?;
    if power <= design.alpha {
        let rule = "above the level of the test";
        return Err(InferenceError::OutOfRange { name: "the power", rule });
    }
    enough(control, design)?;
    let step = (1.0 / control + 1.0 / (control * design.ratio)).sqrt();
    positive("the number of observations", step)?;
    let found = first_where(0.0, step, |size| design.power_of(size, control) >= power);
    found.ok_or(InferenceError::OutOfReach("effect"))
}

/// The standardised effect of one share beside another: Cohen's h, the difference of the doubled
/// arcsines of their roots, positive when `treatment` is larger. For designs by the normal.
///
/// # Errors
/// [`InferenceError::OutOfRange`] of a share outside 0 to 1.
pub fn effect_of_shares(control: f64, treatment: f64) -> Result<f64, InferenceError> {
    if ![control, treatment].iter().all(|share| (0.0..=1.0).contains(share)) {
        return Err(InferenceError::OutOfRange { name: "a share", rule: "from 0 to 1" });
    }
    Ok(2.0 * (treatment.sqrt().asin() - control.sqrt().asin()))
}

fn enough(control: f64, design: &Design) -> Result<(), InferenceError> {
    positive("the number of observations", control)?;
    positive("the number of observations", control * design.ratio)?;
    if control < design.least() {
        let rule = "enough for a degree of freedom";
        return Err(InferenceError::OutOfRange { name: "the number of observations", rule });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
    }

    // The expected figures are statsmodels 0.15's, whose search for a size stops early.
    #[test]
    fn sizes_are_those_of_statsmodels() {
        let student = Design { distribution: Distribution::Student, ..Design::default() };
        close(exact_sample_size(0.5, 0.8, &student).unwrap(), 63.765_610_588_911_69);
        close(exact_sample_size(0.5, 0.8, &Design::default()).unwrap(), 62.790_884_165_711_35);
        let found = power(0.5, 64.0, &student).unwrap();
        assert!((found - 0.801_459_557_922_254_2).abs() < 1e-12, "{found}");
        let sizes = sample_size(-0.5, 0.8, &student).unwrap();
        assert_eq!(sizes, Sizes { control: 64, treatment: 64 });
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let design = Design::default();
        assert!(exact_sample_size(0.0, 0.8, &design).is_err());
        assert!(exact_sample_size(0.1, 1.0, &design).is_err());
        assert!(detectable_effect(100.0, 0.01, &design).is_err());
        assert!(
            power(0.1, 1.0, &Design { distribution: Distribution::Student, ..design }).is_err()
        );
        assert!(power(f64::NAN, 10.0, &design).is_err());
        assert!(power(0.1, 10.0, &Design { ratio: 0.0, ..design }).is_err());
        assert!(effect_of_shares(0.5, 1.5).is_err());
    }

    #[test]
    fn numbers_beyond_all_experiments_have_a_power() {
        for distribution in [Distribution::Normal, Distribution::Student] {
            let design = Design { distribution, ..Design::default() };
            for control in [1e11, 1e13, 1e300] {
                assert_eq!(power(1.0, control, &design), Ok(1.0));
                assert!((power(0.0, control, &design).unwrap() - 0.05).abs() < 1e-9);
            }
            assert!(exact_sample_size(1e-200, 0.8, &design).is_err());
        }
    }

    proptest! {
        #[test]
        fn size_power_and_effect_are_each_others_inverses(
            effect in 0.01..2.0_f64, wanted in 0.2..0.99_f64, ratio in 0.2..5.0_f64,
            two_sided in any::<bool>(), student in any::<bool>(),
        ) {
            let distribution = if student { Distribution::Student } else { Distribution::Normal };
            let design = Design { ratio, alpha: 0.05, two_sided, distribution };
            let control = exact_sample_size(effect, wanted, &design).unwrap();
            let found = power(effect, control, &design).unwrap();
            prop_assert!(found > wanted - 1e-9, "{found} {wanted}");
            let detectable = detectable_effect(control, wanted, &design).unwrap();
            let exact = (found - wanted).abs() < 1e-9;
            let back = (detectable / effect - 1.0).abs() < 1e-6;
            prop_assert!(back || !exact, "{detectable} {effect}");
        }
    }
}
