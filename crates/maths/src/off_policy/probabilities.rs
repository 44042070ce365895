//! A policy's probabilities over all actions in one context.

/// How far the probabilities may be from 1 in total: they are often stored with few digits.
const TOLERANCE: f64 = 1e-6;

/// Why probabilities cannot be those of a policy.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidProbabilities {
    /// One is not within 0 and 1.
    #[error("the probability {probability} of action {action} is not within 0 and 1")]
    Probability {
        /// The action.
        action: u32,
        /// What was given for it.
        probability: f64,
    },
    /// An action is named twice.
    #[error("action {0} is named twice")]
    Twice(u32),
    /// They do not sum to 1, give or take 1e-6.
    #[error("the probabilities sum to {0}, not to 1")]
    Total(f64),
}

/// A policy's probabilities over actions in one context, checked. Actions that are not named
/// are never shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionProbabilities(Vec<(u32, f64)>);

impl ActionProbabilities {
    /// From pairs of action and probability in any order; the probabilities sum to 1, give or
    /// take 1e-6. Cost: sorting.
    ///
    /// # Errors
    /// [`InvalidProbabilities`] with what is out of range, twice, or the wrong total.
    pub fn new(mut pairs: Vec<(u32, f64)>) -> Result<Self, InvalidProbabilities> {
        let outside = pairs.iter().find(|(_, probability)| !(0.0..=1.0).contains(probability));
        if let Some(&(action, probability)) = outside {
            return Err(InvalidProbabilities::Probability { action, probability });
        }
        pairs.sort_unstable_by_key(|(action, _)| *action);
        if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(InvalidProbabilities::Twice(twice[0].0));
        }
        let total: f64 = pairs.iter().map(|(_, probability)| probability).sum();
        if (total - 1.0).abs() > TOLERANCE {
            return Err(InvalidProbabilities::Total(total));
        }
        Ok(Self(pairs))
    }

    /// The probability of an action, 0 where it is not named.
    #[must_use]
    pub fn of(&self, action: u32) -> f64 {
        let found = self.0.binary_search_by_key(&action, |(action, _)| *action);
        found.map_or(0.0, |at| self.0[at].1)
    }

    /// Actions, ascending, with their probabilities.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_found_in_any_order() {
        let policy = ActionProbabilities::new(vec![(9, 0.25), (2, 0.75)]).unwrap();
        assert_eq!([9, 2, 5].map(|action| policy.of(action)), [0.25, 0.75, 0.0]);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let of = |pairs: &[(u32, f64)]| ActionProbabilities::new(pairs.to_vec()).unwrap_err();
        assert_eq!(of(&[(1, 0.5), (1, 0.5)]), InvalidProbabilities::Twice(1));
        assert_eq!(of(&[(1, 0.5)]), InvalidProbabilities::Total(0.5));
        assert_eq!(of(&[]), InvalidProbabilities::Total(0.0));
        assert!(matches!(of(&[(1, f64::NAN)]), InvalidProbabilities::Probability { .. }));
        assert!(matches!(of(&[(1, -0.5), (2, 1.0)]), InvalidProbabilities::Probability { .. }));
    }
}
