//! A test and an interval that hold however often one looks, and stops: asymptotic confidence
//! sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
//! theory and asymptotic confidence sequences", arXiv 2103.06476v7), as gbstats 0.8 has them.

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::effect::Effect;
use super::error::{finite, open_unit, positive};
use super::fixed::Tested;

/// How a confidence sequence is made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// The probability, without an effect, of ever excluding it, strictly between 0 and 1.
    pub alpha: f64,
    /// The observations of both groups at which the interval is to be narrowest for what it
    /// costs, above 0. To be fixed before the experiment.
    pub tuned_to: f64,
}

impl Default for Sequence {
    /// At 5%, and tuned to 5,000 observations, as gbstats is.
    fn default() -> Self {
        Self { alpha: 0.05, tuned_to: 5_000.0 }
    }
}

impl Sequence {
    /// The mixture's parameter (formula 161): the one for which the interval is narrowest at
    /// `tuned_to` observations.
    fn squared_parameter(&self) -> Result<f64, InferenceError> {
        open_unit("alpha", self.alpha)?;
        positive("the tuning", self.tuned_to)?;
        let doubled = -2.0 * self.alpha.ln();
        let squared = (doubled + (doubled + 1.0).ln()) / self.tuned_to;
        positive("the tuning", squared)?;
        Ok(squared)
    }
}

/// The interval after as many observations as the effect has (formula 9), and the p-value that
/// holds at any time (formula 155).
///
/// # Errors
/// [`InferenceError::OutOfRange`] of an `alpha` not strictly between 0 and 1 or a tuning not
/// above 0; [`InferenceError::NotFinite`] of an end that is not.
pub fn confidence_sequence(effect: &Effect, sequence: &Sequence) -> Result<Tested, InferenceError> {
    confidence_sequence_against(effect, 0.0, sequence)
}

/// As [`confidence_sequence`], with the p-value of an effect of `null`, in the effect's units.
///
/// # Errors
/// As [`confidence_sequence`], and [`InferenceError::NotFinite`] of a null that is not.
pub fn confidence_sequence_against(
    effect: &Effect,
    null: f64,
    sequence: &Sequence,
) -> Result<Tested, InferenceError> {
    effect.check()?;
    finite("the null", null)?;
    let squared = sequence.squared_parameter()?;
    let Effect { estimate, standard_error, .. } = *effect;
    let information = effect.n() * squared;
    let grown = information + 1.0;
    let reach = (2.0 * grown * (0.5 * grown.ln() - sequence.alpha.ln()) / information).sqrt();
    let reach = standard_error * reach;
    finite("an end", estimate.abs() + reach)?;
    let z = finite("the statistic", (estimate - null) / standard_error)?;
    // In logarithms, since the evidence soon exceeds a double.
    let evidence = 0.5 * z * z * information / grown - 0.5 * grown.ln();
    let p = (-evidence).exp().min(1.0);
    Ok(Tested { estimate, low: Some(estimate - reach), high: Some(estimate + reach), p })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::effect::Scale;
    use super::super::effect::tests::{assert_close, effect};
    use super::super::fixed;
    use super::*;

    // The expected figures are gbstats 0.8.0's.
    #[test]
    fn the_interval_is_that_of_gbstats() {
        let found = confidence_sequence(&effect(Scale::Absolute), &Sequence::default()).unwrap();
        assert_close(found.low.unwrap(), -0.065_432_091_920_959_07);
        assert_close(found.high.unwrap(), 0.113_051_139_540_006_74);
        assert_close(found.p, 1.0);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let effect = effect(Scale::Absolute);
        for (alpha, tuned_to) in [(0.0, 1.0), (1.0, 1.0), (f64::NAN, 1.0), (0.05, 0.0)] {
            assert!(confidence_sequence(&effect, &Sequence { alpha, tuned_to }).is_err());
        }
    }

    proptest! {
        #[test]
        fn it_is_wider_than_what_is_looked_at_once(
            alpha in 1e-6..0.5_f64, tuned_to in 1.0..1e9_f64, null in -0.5..0.5_f64,
        ) {
            let effect = effect(Scale::Relative);
            let sequence = Sequence { alpha, tuned_to };
            let found = confidence_sequence_against(&effect, null, &sequence).unwrap();
            let once = fixed::test(&effect, fixed::Alternative::TwoSided, alpha).unwrap();
            prop_assert!(found.low < once.low && found.high > once.high);
            let outside = found.low > Some(null) || found.high < Some(null);
            prop_assert!(outside == (found.p < alpha) || (found.p / alpha - 1.0).abs() < 1e-9);
        }
    }
}
