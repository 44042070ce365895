//! How much of what a policy would show logging could have shown.

use super::probabilities::ActionProbabilities;

/// The share of the evaluation policy's probability on actions that the logging policy could
/// have shown, over contexts for which both are known. What lies outside is estimated as zero
/// by weights (Sachdeva, Su, Joachims, "Off-policy bandits with deficient support", 2020).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Support {
    contexts: u64,
    supported: f64,
}

impl Support {
    /// Takes in a context: both policies' probabilities over all actions.
    pub fn observe(&mut self, evaluation: &ActionProbabilities, logging: &ActionProbabilities) {
        self.contexts += 1;
        let total: f64 = evaluation.iter().map(|(_, probability)| probability).sum();
        let could_be = evaluation.iter().filter(|(action, _)| logging.of(*action) > 0.0);
        self.supported += could_be.map(|(_, probability)| probability).sum::<f64>() / total;
    }

    /// Takes in what another accumulator was fed.
    pub fn merge(&mut self, other: &Self) {
        self.contexts += other.contexts;
        self.supported += other.supported;
    }

    /// The share, 0 to 1; `None` without a context.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.contexts > 0).then(|| (self.supported / self.contexts as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logging_never_shows_is_not_supported() {
        let of = |pairs: &[(u32, f64)]| ActionProbabilities::new(pairs.to_vec()).unwrap();
        let (evaluation, logging) = (of(&[(1, 0.25), (2, 0.75)]), of(&[(1, 1.0), (2, 0.0)]));
        let mut support = Support::default();
        assert_eq!(support.share(), None);
        support.observe(&evaluation, &logging);
        let mut other = Support::default();
        other.observe(&evaluation, &evaluation);
        support.merge(&other);
        assert!((support.share().unwrap() - 0.625).abs() < 1e-12);
    }
}
