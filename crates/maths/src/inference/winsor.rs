//! Extreme values drawn in to limits, so that a few of them do not drown an effect (Tukey, "The
//! Future of Data Analysis", Annals of Mathematical Statistics 33, 1962). Limits are to come
//! from all groups together: limits of each group's own would hide an effect on the extremes.

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::error::finite;

/// What values are drawn in to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    low: f64,
    high: f64,
}

impl Limits {
    /// Limits that are known; either may be infinite, as no limit.
    ///
    /// # Errors
    /// [`InferenceError::OutOfRange`] when `low` is above `high` or either is no number.
    pub fn by_value(low: f64, high: f64) -> Result<Self, InferenceError> {
        if low <= high {
            return Ok(Self { low, high });
        }
        Err(InferenceError::OutOfRange { name: "the lower limit", rule: "at most the upper one" })
    }

    /// The `lower` and `upper` quantiles of values, 0 to 1 each, with a straight line between
    /// neighbours (type 7 of Hyndman and Fan, The American Statistician 50, 1996, as in numpy).
    ///
    /// # Errors
    /// [`InferenceError::TooFew`] without values; [`InferenceError::NotFinite`] of a value that
    /// is not; [`InferenceError::OutOfRange`] unless `0 <= lower <= upper <= 1`.
    pub fn by_quantile(values: &[f64], lower: f64, upper: f64) -> Result<Self, InferenceError> {
        if !(0.0 <= lower && lower <= upper && upper <= 1.0) {
            let rule = "from 0 to 1, the lower one first";
            return Err(InferenceError::OutOfRange { name: "quantiles", rule });
        }
        if values.is_empty() {
            return Err(InferenceError::TooFew { what: "values", least: 1, found: 0 });
        }
        for value in values {
            finite("a value", *value)?;
        }
        let mut sorted = values.to_vec();
        Ok(Self { low: quantile(&mut sorted, lower), high: quantile(&mut sorted, upper) })
    }

    /// The lower limit.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The upper limit.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.high
    }

    /// A value within the limits; what is no number stays so.
    #[must_use]
    pub fn draw_in(&self, value: f64) -> f64 {
        if value.is_nan() { value } else { value.max(self.low).min(self.high) }
    }
}

/// A quantile of values that are there and finite; reorders them.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    let place = (values.len() - 1) as f64 * share;
    let (_, below, rest) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(*below);
    let part = place.fract();
    // Each end on its own, since their difference may exceed a double.
    *below * (1.0 - part) + above * part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let limits = Limits::by_quantile(&[4.0, 1.0, 3.0, 2.0], 0.1, 0.9).unwrap();
        assert!((limits.low() - 1.3).abs() < 1e-12 && (limits.high() - 3.7).abs() < 1e-12);
        assert_eq!(limits.draw_in(100.0), limits.high());
        assert_eq!(limits.draw_in(2.0), 2.0);
    }

    #[test]
    fn what_are_no_limits_is_refused() {
        assert!(Limits::by_value(2.0, 1.0).is_err());
        assert!(Limits::by_value(f64::NAN, 1.0).is_err());
        assert!(Limits::by_value(f64::NEG_INFINITY, 1.0).is_ok());
        assert!(Limits::by_quantile(&[], 0.0, 1.0).is_err());
        assert!(Limits::by_quantile(&[1.0, f64::NAN], 0.0, 1.0).is_err());
        assert!(Limits::by_quantile(&[1.0], 0.9, 0.1).is_err());
    }

    proptest! {
        #[test]
        fn limits_lie_within_the_values_and_widen_with_the_quantiles(
            values in prop::collection::vec(-1e300..1e300_f64, 1..40),
            lower in 0.0..0.5_f64, upper in 0.5..=1.0_f64,
        ) {
            let found = Limits::by_quantile(&values, lower, upper).unwrap();
            let all = Limits::by_quantile(&values, 0.0, 1.0).unwrap();
            let room = 1e-12 * all.high().abs().max(all.low().abs());
            prop_assert!(all.low() <= found.low() + room && found.low() <= found.high() + room);
            prop_assert!(found.high() <= all.high() + room);
        }
    }
}
