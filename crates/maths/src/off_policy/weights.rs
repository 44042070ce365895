//! Importance weights: clipped, and whether they can be believed.

use serde::{Deserialize, Serialize};

use super::intervals::{Confidence, Estimate, Inestimable};
use super::observation::Observation;
use super::sums::ClusteredSums;
use super::weight_histogram::WeightHistogram;

/// The share of the greatest weights that is looked at for how much they carry.
const GREATEST: f64 = 0.01;

/// Where weights are cut off: less variance for a bias towards zero (Ionides, "Truncated
/// importance sampling", JCGS 17, 2008).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip(f64);

/// A bound of weights that is no number above 0.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the greatest weight {0} is no number above 0")]
pub struct InvalidClip(pub f64);

/// Accumulators of different settings (clips, models) say nothing together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("accumulators of different settings cannot be merged")]
pub struct NotAlike;

impl Clip {
    /// No bound: estimates without bias.
    pub const NONE: Self = Self(f64::INFINITY);

    /// Weights above `greatest` (above 0) count as `greatest`.
    ///
    /// # Errors
    /// [`InvalidClip`] for what is no finite number above 0.
    pub fn at(greatest: f64) -> Result<Self, InvalidClip> {
        if !greatest.is_finite() || greatest <= 0.0 {
            return Err(InvalidClip(greatest));
        }
        Ok(Self(greatest))
    }

    pub(super) fn apply(self, weight: f64) -> f64 {
        weight.min(self.0)
    }
}

/// What is to be known of the weights of a log, fed weight by weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    clip: Clip,
    /// Of each unit: weights, and their sum before they are clipped.
    raw: ClusteredSums<2>,
    sum: f64,
    squares: f64,
    greatest: f64,
    clipped: u64,
    histogram: WeightHistogram,
}

/// What weights say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightSummary {
    /// How many weights there are.
    pub weights: u64,
    /// Their mean before they were clipped, expected to be 1: a mean whose interval leaves 1
    /// out speaks of wrong propensities, or of actions that were never logged.
    pub mean: Estimate,
    /// How many observations of equal weight say as much, `(sum w)^2 / sum w^2` (Kish, "Survey
    /// Sampling", 1965, section 11.7): above 0, at most `weights`; of clipped weights.
    pub effective_size: f64,
    /// The greatest, before they were clipped.
    pub greatest: f64,
    /// The share of all weight that the greatest 1% have, 0 to 1; of clipped weights. At least
    /// one weight is among them.
    pub share_of_greatest: f64,
    /// How many were clipped.
    pub clipped: u64,
}

impl Weights {
    /// Of nothing yet.
    #[must_use]
    pub fn new(clip: Clip) -> Self {
        Self {
            clip,
            raw: ClusteredSums::new(),
            sum: 0.0,
            squares: 0.0,
            greatest: 0.0,
            clipped: 0,
            histogram: WeightHistogram::default(),
        }
    }

    /// Takes in the weight of an observation.
    pub fn observe(&mut self, observation: &Observation) {
        self.add_all(&[observation.weight()], observation.cluster());
    }

    /// Takes in weights that belong together, such as those of one slate.
    pub(super) fn add_all(&mut self, weights: &[f64], cluster: Option<u64>) {
        for weight in weights {
            let clipped = self.clip.apply(*weight);
            self.sum += clipped;
            self.squares += clipped * clipped;
            self.greatest = self.greatest.max(*weight);
            self.clipped += u64::from(clipped < *weight);
            self.histogram.add(clipped);
        }
        self.raw.add([weights.len() as f64, weights.iter().sum()], cluster);
    }

    /// Takes in what another accumulator of the same clip was fed.
    ///
    /// # Errors
    /// [`NotAlike`] where the clips differ; nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), NotAlike> {
        if self.clip != other.clip {
            return Err(NotAlike);
        }
        self.raw.merge(&other.raw);
        self.sum += other.sum;
        self.squares += other.squares;
        self.greatest = self.greatest.max(other.greatest);
        self.clipped += other.clipped;
        self.histogram.merge(&other.histogram);
        Ok(())
    }

    /// What the weights say of themselves, with the interval of their mean.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units, or where all weights are 0.
    pub fn summary(&self, confidence: Confidence) -> Result<WeightSummary, Inestimable> {
        let mean = self.raw.ratio(1, 0, confidence)?;
        let share = self.histogram.weight_of_greatest(GREATEST);
        let share_of_greatest = share.ok_or(Inestimable::NoWeight)?;
        // Squares of the smallest weights are lost to underflow.
        if self.squares <= 0.0 {
            return Err(Inestimable::NoWeight);
        }
        let weights = self.raw.total(0) as u64;
        let effective_size = (self.sum * self.sum / self.squares).min(weights as f64);
        let (greatest, clipped) = (self.greatest, self.clipped);
        Ok(WeightSummary { weights, mean, effective_size, greatest, share_of_greatest, clipped })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::off_policy::testing::{fed, is_near, observations};

    fn of_weights(clip: Clip, weights: &[f64]) -> Weights {
        let mut found = Weights::new(clip);
        weights.iter().for_each(|weight| found.add_all(&[*weight], None));
        found
    }

    #[test]
    fn the_effective_size_is_kishs() {
        let found = of_weights(Clip::NONE, &[1.0, 1.0, 2.0, 0.0]);
        let summary = found.summary(Confidence::USUAL).unwrap();
        assert!((summary.effective_size - 16.0 / 6.0).abs() < 1e-12);
        assert!((summary.mean.value - 1.0).abs() < 1e-12);
        assert_eq!((summary.weights, summary.greatest, summary.clipped), (4, 2.0, 0));
        assert!((summary.share_of_greatest - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_clip_changes_what_is_used_and_not_what_is_checked() {
        let found = of_weights(Clip::at(3.0).unwrap(), &[1.0, 1.0, 10.0]);
        let summary = found.summary(Confidence::USUAL).unwrap();
        assert!((summary.effective_size - 25.0 / 11.0).abs() < 1e-12);
        assert!((summary.mean.value - 4.0).abs() < 1e-12);
        assert_eq!((summary.greatest, summary.clipped), (10.0, 1));
    }

    #[test]
    fn weights_that_say_nothing_are_none() {
        let none = of_weights(Clip::NONE, &[0.0, 0.0]).summary(Confidence::USUAL);
        assert_eq!(none, Err(Inestimable::NoWeight));
        let tiny = of_weights(Clip::NONE, &[1e-300, 1e-300]).summary(Confidence::USUAL);
        assert_eq!(tiny, Err(Inestimable::NoWeight));
        for bound in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Clip::at(bound).is_err());
        }
    }

    proptest! {
        #[test]
        fn parts_merged_are_all_at_once(rows in observations(2..60), cut in 0usize..60) {
            let cut = cut.min(rows.len());
            let new = || Weights::new(Clip::at(2.0).unwrap());
            let all = fed(new(), &rows, Weights::observe);
            let mut parts = fed(new(), &rows[..cut], Weights::observe);
            parts.merge(&fed(new(), &rows[cut..], Weights::observe)).unwrap();
            match (all.summary(Confidence::USUAL), parts.summary(Confidence::USUAL)) {
                (Ok(all), Ok(parts)) => {
                    prop_assert!(is_near(all.mean.value, parts.mean.value));
                    prop_assert!(is_near(all.mean.standard_error, parts.mean.standard_error));
                    prop_assert!(is_near(all.effective_size, parts.effective_size));
                    prop_assert!(is_near(all.share_of_greatest, parts.share_of_greatest));
                    prop_assert_eq!((all.greatest, all.clipped), (parts.greatest, parts.clipped));
                }
                (all, parts) => prop_assert_eq!(all.is_err(), parts.is_err()),
            }
            prop_assert_eq!(parts.merge(&Weights::new(Clip::NONE)), Err(NotAlike));
        }
    }
}
