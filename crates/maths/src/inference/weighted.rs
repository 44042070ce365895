//! Means of what was collected while the chances of assignment changed, as a bandit's do, and were
//! known at each assignment. A plain mean of each arm is then biased: an arm that began badly by
//! chance was hardly tried again (Nie, Tian, Taylor and Zou, "Why Adaptively Collected Data Have
//! Negative Bias and How to Correct for It", AISTATS 2018).

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::error::{finite, positive};

/// One assignment, as one arm sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The outcome, when it was this arm that was assigned.
    pub outcome: Option<f64>,
    /// The probability at that time that it would be this arm, above 0 and at most 1.
    pub probability: f64,
    /// What the assignment weighs, at least 0 and known before the outcome: 1 for all alike. The
    /// square root of the probability makes the estimate's error nearly normal even as
    /// probabilities fall (Hadad, Hirshberg, Zhan, Wager and Athey, "Confidence intervals for
    /// policy evaluation in adaptive experiments", PNAS 118, 2021).
    pub weight: f64,
}

/// A mean with its variance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightedMean {
    /// The mean of the arm's outcomes, had everyone been assigned to it.
    pub mean: f64,
    /// The variance of that mean, at least 0; its root is the standard error.
    pub variance: f64,
    /// Outcomes of the arm.
    pub outcomes: u64,
}

/// The mean after Horvitz and Thompson (JASA 47, 1952): each outcome over its probability, what
/// was not this arm as 0, and then the weighted mean of all assignments. Unbiased with equal
/// weights, whatever the outcomes, and else only as assignments grow many; the variance is of weighted martingale differences (Hadad et
/// al. 2021, formula 5).
///
/// # Errors
/// [`InferenceError::TooFew`] below 2 assignments or without an outcome;
/// [`InferenceError::OutOfRange`] of a probability or a weight out of its range;
/// [`InferenceError::NotFinite`] of a value or a result that is not.
pub fn horvitz_thompson(assignments: &[Assignment]) -> Result<WeightedMean, InferenceError> {
    let outcomes = check(assignments)?;
    let scored = |assignment: &Assignment| {
        let score = assignment.outcome.map_or(0.0, |outcome| outcome / assignment.probability);
        (assignment.weight, score)
    };
    mean_of(assignments.iter().map(scored), outcomes)
}

/// The mean after Hájek (in "Foundations of Statistical Inference", 1971): the arm's outcomes
/// weighted by one over their probabilities, over the sum of these weights. A little biased with
/// few outcomes, and with a far smaller variance where the mean is large beside what varies; the
/// variance is by linearisation.
///
/// # Errors
/// As [`horvitz_thompson`], and [`InferenceError::TooFew`] below 2 outcomes.
pub fn hajek(assignments: &[Assignment]) -> Result<WeightedMean, InferenceError> {
    let outcomes = check(assignments)?;
    if outcomes < 2 {
        return Err(InferenceError::TooFew { what: "outcomes", least: 2, found: outcomes });
    }
    let weighed = |assignment: &Assignment| {
        let weight = assignment.weight / assignment.probability;
        assignment.outcome.map(|outcome| (weight, outcome))
    };
    mean_of(assignments.iter().filter_map(weighed), outcomes)
}

fn check(assignments: &[Assignment]) -> Result<u64, InferenceError> {
    let found = assignments.len() as u64;
    if found < 2 {
        return Err(InferenceError::TooFew { what: "assignments", least: 2, found });
    }
    for Assignment { outcome, probability, weight } in assignments {
        if !(*probability > 0.0 && *probability <= 1.0) {
            let rule = "above 0 and at most 1";
            return Err(InferenceError::OutOfRange { name: "a probability", rule });
        }
        if !(weight.is_finite() && *weight >= 0.0) {
            let rule = "finite and at least 0";
            return Err(InferenceError::OutOfRange { name: "a weight", rule });
        }
        finite("an outcome", outcome.unwrap_or(0.0))?;
    }
    let outcomes = assignments.iter().filter(|one| one.outcome.is_some()).count() as u64;
    if outcomes == 0 {
        return Err(InferenceError::TooFew { what: "outcomes", least: 1, found: 0 });
    }
    Ok(outcomes)
}

/// The mean of weighted scores, and the variance of that mean.
fn mean_of(
    scores: impl Iterator<Item = (f64, f64)> + Clone,
    outcomes: u64,
) -> Result<WeightedMean, InferenceError> {
    let weights: f64 = scores.clone().map(|(weight, _)| weight).sum();
    positive("the sum of weights", weights)?;
    let mean: f64 = scores.clone().map(|(weight, score)| weight / weights * score).sum();
    let squares = |(weight, score): (f64, f64)| {
        let part = weight / weights * (score - mean);
        part * part
    };
    let variance: f64 = scores.map(squares).sum();
    let mean = finite("the mean", mean)?;
    Ok(WeightedMean { mean, variance: finite("the variance", variance)?, outcomes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn assignment(outcome: Option<f64>, probability: f64) -> Assignment {
        Assignment { outcome, probability, weight: 1.0 }
    }

    #[test]
    fn outcomes_count_for_those_who_were_not_assigned() {
        let seen = [assignment(Some(2.0), 0.5), assignment(None, 0.5), assignment(Some(4.0), 1.0)];
        let found = horvitz_thompson(&seen).unwrap();
        assert!((found.mean - 8.0 / 3.0).abs() < 1e-12);
        assert!((hajek(&seen).unwrap().mean - 8.0 / 3.0).abs() < 1e-12);
        assert_eq!(found.outcomes, 2);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let good = assignment(Some(1.0), 0.5);
        let probability = Assignment { probability: 0.0, ..good };
        let weight = Assignment { weight: -1.0, ..good };
        let outcome = Assignment { outcome: Some(f64::NAN), ..good };
        for bad in [probability, weight, outcome] {
            assert!(horvitz_thompson(&[good, bad]).is_err() && hajek(&[good, bad]).is_err());
        }
        assert!(horvitz_thompson(&[good]).is_err());
        let nobody = assignment(None, 0.5);
        assert!(horvitz_thompson(&[nobody, nobody]).is_err());
        let weightless = Assignment { weight: 0.0, ..good };
        assert!(hajek(&[weightless, weightless]).is_err());
    }

    /// An arm that is dropped to a tenth after a bad start: the plain mean is too low on average,
    /// and the weighted one is not, and its error is as large as it says.
    #[test]
    fn a_bandits_bias_is_undone() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let (runs, rounds) = (4_000, 60);
        let (mut plain, mut inverse, mut said, mut squared) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..runs {
            let (mut seen, mut sum, mut count) = (Vec::new(), 0.0, 0.0);
            for round in 0..rounds {
                let bad = round >= 10 && sum / f64::max(count, 1.0) < 0.5;
                let probability = if bad { 0.1 } else { 0.5 };
                // The first is always this arm, so that there is a plain mean.
                let probability = if round == 0 { 1.0 } else { probability };
                let taken = random.random::<f64>() < probability;
                let outcome = taken.then(|| f64::from(random.random::<f64>() < 0.5));
                sum += outcome.unwrap_or(0.0);
                count += f64::from(u8::from(taken));
                seen.push(assignment(outcome, probability));
            }
            plain += sum / count - 0.5;
            let found = horvitz_thompson(&seen).unwrap();
            inverse += found.mean - 0.5;
            squared += (found.mean - 0.5).powi(2);
            said += found.variance;
        }
        let runs = f64::from(runs);
        assert!(plain / runs < -0.02, "{}", plain / runs);
        assert!((inverse / runs).abs() < 0.01, "{}", inverse / runs);
        assert!((said / squared - 1.0).abs() < 0.1, "{}", said / squared);
    }

    proptest! {
        #[test]
        fn without_chance_both_are_the_plain_mean(
            values in prop::collection::vec(-1e3..1e3_f64, 2..20),
        ) {
            let seen: Vec<_> = values.iter().map(|value| assignment(Some(*value), 1.0)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let (one, other) = (horvitz_thompson(&seen).unwrap(), hajek(&seen).unwrap());
            prop_assert!((one.mean - mean).abs() < 1e-9 && (other.mean - mean).abs() < 1e-9);
            prop_assert!((one.variance - other.variance).abs() < 1e-6);
        }
    }
}
