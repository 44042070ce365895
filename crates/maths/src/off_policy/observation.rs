//! One logged action with its reward and what both policies thought of it.

/// Smallest propensity that can be weighed by: its inverse still squares and sums to something
/// finite, and who logs less did not choose by it.
pub const SMALLEST_PROPENSITY: f64 = 1e-12;
/// Largest magnitude of a reward: its weighted square still sums to something finite.
pub const LARGEST_REWARD: f64 = 1e12;

/// Why an observation cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidObservation {
    /// The reward is no number or beyond [`LARGEST_REWARD`].
    #[error("the reward {0} is no number from -1e12 to 1e12")]
    Reward(f64),
    /// The logging policy's probability is not within [`SMALLEST_PROPENSITY`] and 1.
    #[error("the logging propensity {0} is not within 1e-12 and 1")]
    Propensity(f64),
    /// The evaluation policy's probability is not within 0 and 1.
    #[error("the evaluation probability {0} is not within 0 and 1")]
    Evaluation(f64),
}

/// A logged action, checked: its reward, and how probable it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    reward: f64,
    propensity: f64,
    evaluation: f64,
    position: Option<u32>,
    cluster: Option<u64>,
}

impl Observation {
    /// An action that earned `reward` (any unit; magnitude at most [`LARGEST_REWARD`]), was
    /// shown with the probability `propensity` ([`SMALLEST_PROPENSITY`] to 1) by the logging
    /// policy, and would have been with `evaluation` (0 to 1) by the evaluation policy, given
    /// the same context.
    ///
    /// # Errors
    /// [`InvalidObservation`] with the first number that is out of its range or none.
    pub fn new(reward: f64, propensity: f64, evaluation: f64) -> Result<Self, InvalidObservation> {
        if !(-LARGEST_REWARD..=LARGEST_REWARD).contains(&reward) {
            return Err(InvalidObservation::Reward(reward));
        }
        if !(SMALLEST_PROPENSITY..=1.0).contains(&propensity) {
            return Err(InvalidObservation::Propensity(propensity));
        }
        if !(0.0..=1.0).contains(&evaluation) {
            return Err(InvalidObservation::Evaluation(evaluation));
        }
        Ok(Self { reward, propensity, evaluation, position: None, cluster: None })
    }

    /// The same at a position of a list; only outcome models ask for it.
    #[must_use]
    pub fn at(self, position: u32) -> Self {
        Self { position: Some(position), ..self }
    }

    /// The same of a cluster, such as a person: observations of one cluster depend on each
    /// other. One without a cluster is independent of all others.
    #[must_use]
    pub fn of(self, cluster: u64) -> Self {
        Self { cluster: Some(cluster), ..self }
    }

    /// The reward.
    #[must_use]
    pub fn reward(&self) -> f64 {
        self.reward
    }

    /// The logging policy's probability, above 0.
    #[must_use]
    pub fn propensity(&self) -> f64 {
        self.propensity
    }

    /// The evaluation policy's probability.
    #[must_use]
    pub fn evaluation(&self) -> f64 {
        self.evaluation
    }

    /// The position, where it is known.
    #[must_use]
    pub fn position(&self) -> Option<u32> {
        self.position
    }

    /// The cluster, where it is known.
    #[must_use]
    pub fn cluster(&self) -> Option<u64> {
        self.cluster
    }

    /// The importance weight, evaluation probability / propensity: 0 to 1e12.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.evaluation / self.propensity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_the_ratio_of_both_probabilities() {
        let one = Observation::new(2.0, 0.25, 0.5).unwrap().at(3).of(7);
        assert_eq!((one.weight(), one.reward()), (2.0, 2.0));
        assert_eq!((one.position(), one.cluster()), (Some(3), Some(7)));
    }

    #[test]
    fn what_cannot_be_weighed_is_named() {
        for reward in [f64::NAN, f64::INFINITY, 1.1e12] {
            let found = Observation::new(reward, 0.5, 0.5);
            assert!(matches!(found, Err(InvalidObservation::Reward(_))));
        }
        for propensity in [0.0, -0.1, 1e-13, 1.0 + 1e-9, f64::NAN] {
            let found = Observation::new(1.0, propensity, 0.5);
            assert!(matches!(found, Err(InvalidObservation::Propensity(_))));
        }
        for evaluation in [-1e-9, 1.1, f64::NAN] {
            let found = Observation::new(1.0, 0.5, evaluation);
            assert!(matches!(found, Err(InvalidObservation::Evaluation(_))));
        }
        assert!(Observation::new(-LARGEST_REWARD, SMALLEST_PROPENSITY, 0.0).is_ok());
    }
}
