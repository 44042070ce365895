//! The value of a policy by weights and a model of rewards together.

use super::intervals::{Confidence, Estimate, Inestimable};
use super::observation::Observation;
use super::outcome_model::OutcomeModel;
use super::probabilities::ActionProbabilities;
use super::sums::ClusteredSums;
use super::weights::{Clip, NotAlike};

/// How far an observation's evaluation probability may be from that of the policy.
const TOLERANCE: f64 = 1e-9;

/// Columns of the sums.
const ONE: usize = 0;
const ROBUST: usize = 1;
const DIRECT: usize = 2;

/// An observation with the action that was logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoggedAction {
    /// The observation.
    pub observation: Observation,
    /// The action that was shown.
    pub action: u32,
    /// A number of the observation's own, by which it is told into a fold where it has no
    /// cluster: the same in both passes over the log.
    pub row: u64,
}

impl LoggedAction {
    /// What folds are told by: observations of one cluster never learn from each other.
    pub(super) fn fold_key(&self) -> u64 {
        self.observation.cluster().unwrap_or(self.row)
    }
}

/// Why an action cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum UnusableAction {
    /// The observation says another evaluation probability than the policy.
    #[error(
        "action {action} has the evaluation probability {observed}, and {of_policy} by the policy"
    )]
    Disagreement {
        /// The action.
        action: u32,
        /// The observation's evaluation probability.
        observed: f64,
        /// The policy's.
        of_policy: f64,
    },
}

/// The doubly robust estimator, fed observation by observation: the second pass over a log,
/// after [`OutcomeTables`](super::OutcomeTables).
#[derive(Debug, Clone, PartialEq)]
pub struct DoublyRobust<'a> {
    model: &'a OutcomeModel,
    clip: Clip,
    sums: ClusteredSums<3>,
}

impl<'a> DoublyRobust<'a> {
    /// Of nothing yet.
    #[must_use]
    pub fn new(model: &'a OutcomeModel, clip: Clip) -> Self {
        Self { model, clip, sums: ClusteredSums::new() }
    }

    /// Takes in an observation, with the evaluation policy's probabilities over all actions in
    /// its context.
    ///
    /// # Errors
    /// [`UnusableAction`] where both say another probability of the logged action (by more
    /// than 1e-9); nothing is changed then.
    pub fn observe(
        &mut self,
        logged: &LoggedAction,
        evaluation: &ActionProbabilities,
    ) -> Result<(), UnusableAction> {
        let LoggedAction { observation, action, .. } = logged;
        let (observed, of_policy) = (observation.evaluation(), evaluation.of(*action));
        if (observed - of_policy).abs() > TOLERANCE {
            return Err(UnusableAction::Disagreement { action: *action, observed, of_policy });
        }
        let direct = self.model.expected_of(evaluation, logged);
        let surprise = observation.reward() - self.model.expected(logged);
        let robust = direct + self.clip.apply(observation.weight()) * surprise;
        self.sums.add([1.0, robust, direct], observation.cluster());
        Ok(())
    }

    /// Takes in what another accumulator of the same model and clip was fed.
    ///
    /// # Errors
    /// [`NotAlike`] where model or clip differ; nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), NotAlike> {
        let is_same = std::ptr::eq(self.model, other.model) || self.model == other.model;
        if !is_same || self.clip != other.clip {
            return Err(NotAlike);
        }
        self.sums.merge(&other.sums);
        Ok(())
    }

    /// `mean(q(pi) + w (r - q(a)))` (Dudik, Langford, Li, "Doubly robust policy evaluation and
    /// learning", 2011; Robins, Rotnitzky, Zhao, JASA 89, 1994) with the interval of its
    /// influence. Without bias where the propensities are right, whatever the model; a model
    /// that explains rewards makes it narrower. Units of the reward.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn estimate(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(ROBUST, ONE, confidence)
    }

    /// `mean(q(pi))`, what the model alone says, in units of the reward: as wrong as the model,
    /// which no interval would tell. `None` without an observation.
    #[must_use]
    pub fn direct(&self) -> Option<f64> {
        let count = self.sums.observations();
        (count > 0).then(|| self.sums.total(DIRECT) / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::off_policy::testing::{is_near, observations};
    use crate::off_policy::{Ips, OutcomeTables};

    const USUAL: Confidence = Confidence::USUAL;

    fn policy(pairs: &[(u32, f64)]) -> ActionProbabilities {
        ActionProbabilities::new(pairs.to_vec()).unwrap()
    }

    fn model(rows: &[LoggedAction]) -> OutcomeModel {
        let mut tables = OutcomeTables::new(2, 1).unwrap();
        rows.iter().for_each(|row| tables.observe(row));
        tables.fit().unwrap()
    }

    #[test]
    fn each_row_adds_what_the_model_says_and_its_surprise() {
        let rows: Vec<LoggedAction> = (0..40)
            .map(|row| {
                let action = (row % 2) as u32;
                let reward = f64::from(action) + (row % 5) as f64;
                let observation = Observation::new(reward, 0.5, [0.9, 0.1][action as usize]);
                LoggedAction { observation: observation.unwrap(), action, row }
            })
            .collect();
        let (model, evaluation) = (model(&rows), policy(&[(0, 0.9), (1, 0.1)]));
        let mut found = DoublyRobust::new(&model, Clip::NONE);
        let mut by_hand = 0.0;
        for row in &rows {
            found.observe(row, &evaluation).unwrap();
            let q = |action| model.expected(&LoggedAction { action, ..*row });
            let weight = [1.8, 0.2][row.action as usize];
            by_hand +=
                0.9 * q(0) + 0.1 * q(1) + weight * (row.observation.reward() - q(row.action));
        }
        let value = found.estimate(USUAL).unwrap().value;
        assert!((value - by_hand / 40.0).abs() < 1e-12);

        let other = policy(&[(0, 0.5), (1, 0.5)]);
        let disagreeing = found.observe(&rows[0], &other);
        assert!(matches!(disagreeing, Err(UnusableAction::Disagreement { .. })));
        assert_eq!(found.estimate(USUAL).unwrap().observations, 40);
    }

    proptest! {
        /// With chance the model's part cancels only on average.
        #[test]
        fn evaluated_on_itself_a_policy_without_chance_earns_the_mean(
            rows in observations(3..60), cut in 0usize..60,
        ) {
            let rows: Vec<LoggedAction> = rows.iter().zip(0..).map(|(row, number)| {
                let observation = Observation::new(row.reward(), 1.0, 1.0).unwrap().of(number);
                LoggedAction { observation, action: (number % 3) as u32, row: number }
            }).collect();
            let mut tables = OutcomeTables::new(2, 1).unwrap();
            rows.iter().for_each(|row| tables.observe(row));
            let fitted = tables.fit();
            prop_assume!(fitted.is_ok());
            let model = fitted.unwrap();
            let fed = |rows: &[LoggedAction]| {
                let mut found = DoublyRobust::new(&model, Clip::NONE);
                for row in rows {
                    found.observe(row, &policy(&[(row.action, 1.0)])).unwrap();
                }
                found
            };
            let all = fed(&rows).estimate(USUAL).unwrap();
            let mean = rows.iter().map(|row| row.observation.reward()).sum::<f64>();
            prop_assert!(is_near(all.value, mean / rows.len() as f64));

            let cut = cut.min(rows.len());
            let mut parts = fed(&rows[..cut]);
            parts.merge(&fed(&rows[cut..])).unwrap();
            let parts = parts.estimate(USUAL).unwrap();
            prop_assert!(is_near(all.value, parts.value));
            prop_assert!(is_near(all.standard_error, parts.standard_error));
        }
    }

    /// 400 rows of six actions whose rewards the action explains well.
    fn drawn(rng: &mut ChaCha8Rng) -> Vec<LoggedAction> {
        (0..400)
            .map(|row| {
                let action = rng.random_range(0..6u32);
                let reward = f64::from(action) + rng.random_range(-1.0..1.0);
                let evaluation = [0.05, 0.05, 0.1, 0.1, 0.2, 0.5][action as usize];
                let observation = Observation::new(reward, 1.0 / 6.0, evaluation).unwrap();
                LoggedAction { observation, action, row }
            })
            .collect()
    }

    #[test]
    fn intervals_cover_as_often_as_they_say_and_are_narrower() {
        let evaluation = policy(&[(0, 0.05), (1, 0.05), (2, 0.1), (3, 0.1), (4, 0.2), (5, 0.5)]);
        let value = 0.05 + 0.2 + 0.3 + 0.8 + 2.5;
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut covering, mut widths) = (0, (0.0, 0.0));
        for _ in 0..500 {
            let rows = drawn(&mut rng);
            let model = model(&rows);
            let (mut found, mut ips) =
                (DoublyRobust::new(&model, Clip::NONE), Ips::new(Clip::NONE));
            for row in &rows {
                found.observe(row, &evaluation).unwrap();
                ips.observe(&row.observation);
            }
            let (robust, plain) =
                (found.estimate(USUAL).unwrap(), ips.horvitz_thompson(USUAL).unwrap());
            covering += u32::from(robust.covers(value));
            widths.0 += robust.standard_error;
            widths.1 += plain.standard_error;
        }
        // 95% of 500, give or take three standard errors.
        assert!((460..=490).contains(&covering), "{covering}");
        assert!(widths.0 < 0.4 * widths.1, "{widths:?}");
    }

    #[test]
    fn right_propensities_make_up_for_a_wrong_model() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let rows = drawn(&mut rng);
        let wrong: Vec<LoggedAction> = rows
            .iter()
            .map(|row| LoggedAction {
                observation: Observation::new(50.0 - row.observation.reward(), 1.0, 1.0).unwrap(),
                ..*row
            })
            .collect();
        let model = model(&wrong);
        let evaluation = policy(&[(0, 0.05), (1, 0.05), (2, 0.1), (3, 0.1), (4, 0.2), (5, 0.5)]);
        let mut found = DoublyRobust::new(&model, Clip::NONE);
        rows.iter().for_each(|row| found.observe(row, &evaluation).unwrap());
        assert!(found.estimate(USUAL).unwrap().covers(3.85));
        assert!(found.direct().unwrap() > 40.0);
    }
}
