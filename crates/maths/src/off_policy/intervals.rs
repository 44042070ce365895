//! Estimates with intervals.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// From so many degrees of freedom on, Student's quantile is the normal one with its first
/// correction: the next is of the order of one millionth.
const ABOUT_NORMAL: f64 = 1_000.0;

/// How probable it is that an interval covers, 0.5 to 0.9999.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

/// A confidence that is not within 0.5 and 0.9999.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the confidence {0} is not within 0.5 and 0.9999")]
pub struct InvalidConfidence(pub f64);

impl Confidence {
    /// 95%.
    pub const USUAL: Self = Self(0.95);

    /// A confidence of 0.5 to 0.9999.
    ///
    /// # Errors
    /// [`InvalidConfidence`] for what lies outside.
    pub fn new(level: f64) -> Result<Self, InvalidConfidence> {
        if !(0.5..=0.9999).contains(&level) {
            return Err(InvalidConfidence(level));
        }
        Ok(Self(level))
    }

    /// How many standard errors an interval reaches to each side, by Student's t with so many
    /// degrees of freedom (at least 1). Of many, by the expansion of Cornish and Fisher (1937)
    /// as in Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5.
    #[must_use]
    pub fn reach(&self, degrees: f64) -> f64 {
        let upper = 0.5 + self.0 / 2.0;
        let degrees = degrees.max(1.0);
        let normal = Normal::standard().inverse_cdf(upper);
        let corrected = normal + (normal.powi(3) + normal) / (4.0 * degrees);
        if degrees >= ABOUT_NORMAL {
            return corrected;
        }
        // The parameters are always valid; without a panic the correction stands in.
        StudentsT::new(0.0, 1.0, degrees).map_or(corrected, |student| student.inverse_cdf(upper))
    }
}

impl TryFrom<f64> for Confidence {
    type Error = InvalidConfidence;

    fn try_from(level: f64) -> Result<Self, InvalidConfidence> {
        Self::new(level)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

/// Why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Inestimable {
    /// Fewer than two independent units (clusters, or observations of none) say nothing of
    /// how far an estimate may stray.
    #[error("{units} independent units are too few for an interval")]
    TooFewUnits {
        /// How many there are.
        units: u64,
    },
    /// All weights are zero, or next to it: the evaluation policy would have shown nothing of
    /// what was logged.
    #[error("the evaluation policy would have shown nothing of what was logged")]
    NoWeight,
}

/// An estimate with its interval, `low <= value <= high`, all finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate, in units of the reward.
    pub value: f64,
    /// Its standard error, at least 0.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Observations, or slates, that it is made of.
    pub observations: u64,
    /// Independent units among them: clusters, and observations of none.
    pub units: u64,
    /// The skewness of the estimate's distribution as the units tell it, which goes to 0 with
    /// many. The interval is one of a normal distribution: where a few units with great
    /// weighted rewards make the estimate, it covers less often than it says, and mostly fails
    /// on the side where more of such are missing.
    pub skewness: f64,
}

impl Estimate {
    /// About a value, by Student's t with `units - 1` degrees of freedom; not skewed.
    pub(super) fn about(
        value: f64,
        variance: f64,
        counts: (u64, u64),
        confidence: Confidence,
    ) -> Self {
        let (observations, units) = counts;
        let standard_error = variance.max(0.0).sqrt();
        let reach = confidence.reach(units.saturating_sub(1) as f64) * standard_error;
        let (low, high) = (value - reach, value + reach);
        Self { value, standard_error, low, high, observations, units, skewness: 0.0 }
    }

    /// Whether the interval covers a value.
    #[must_use]
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_is_students() {
        // Tables of Student's t, 97.5%.
        for (degrees, table) in
            [(1.0, 12.706_205), (4.0, 2.776_445), (29.0, 2.045_230), (120.0, 1.979_930)]
        {
            assert!((Confidence::USUAL.reach(degrees) - table).abs() < 1e-5, "{degrees}");
        }
        assert!((Confidence::USUAL.reach(1e9) - 1.959_964).abs() < 1e-6);
        let (below, above) = (Confidence::USUAL.reach(999.999), Confidence::USUAL.reach(1_000.001));
        assert!((below - above).abs() < 1e-5, "{below} {above}");
        let high = Confidence::new(0.9999).unwrap();
        assert!((high.reach(1.0) - 6_366.19).abs() < 1.0, "{}", high.reach(1.0));
    }

    #[test]
    fn other_confidences_are_refused() {
        for level in [0.0, 0.49, 1.0, f64::NAN] {
            assert!(Confidence::new(level).is_err());
        }
    }
}
