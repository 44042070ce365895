//! What reward an action is expected to earn: a table of shrunk means, cross-fitted.

use std::collections::BTreeMap;

use super::doubly_robust::LoggedAction;
use super::folds::fold_of;
use super::probabilities::ActionProbabilities;
use super::variance_components::{Moments, pull};
use super::weights::NotAlike;

/// Fewest and most folds of a cross-fit.
const FOLDS: std::ops::RangeInclusive<u32> = 2..=64;

/// A number of folds that is not within 2 and 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} folds are not within 2 and 64")]
pub struct InvalidFolds(pub u32);

/// A fold without an observation outside it, from which its expectations were to be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no observation lies outside fold {fold}")]
pub struct NothingToLearnFrom {
    /// The fold.
    pub fold: u32,
}

/// An action at a position.
type Cell = (u32, Option<u32>);

/// What one action earned at each position.
type OfPositions = Vec<(Option<u32>, Moments)>;

/// Rewards by fold, action and position, fed observation by observation: the first pass over
/// a log. Memory: 24 bytes, and the map's own, for each fold, action and position.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeTables {
    seed: u64,
    folds: Vec<BTreeMap<Cell, Moments>>,
}

impl OutcomeTables {
    /// Of nothing yet, with so many folds (2 to 64; 5 is usual), told by the seed.
    ///
    /// # Errors
    /// [`InvalidFolds`] for fewer or more.
    pub fn new(folds: u32, seed: u64) -> Result<Self, InvalidFolds> {
        if !FOLDS.contains(&folds) {
            return Err(InvalidFolds(folds));
        }
        Ok(Self { seed, folds: vec![BTreeMap::new(); folds as usize] })
    }

    /// Takes in an observation.
    pub fn observe(&mut self, logged: &LoggedAction) {
        let fold = fold_of(logged.fold_key(), self.seed, self.folds.len() as u32);
        let cell = (logged.action, logged.observation.position());
        let own = self.folds[fold as usize].entry(cell).or_default();
        own.merge(&Moments::of(logged.observation.reward()));
    }

    /// Takes in what other tables with the same folds and seed were fed.
    ///
    /// # Errors
    /// [`NotAlike`] where folds or seed differ; nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), NotAlike> {
        if self.seed != other.seed || self.folds.len() != other.folds.len() {
            return Err(NotAlike);
        }
        for (own, other) in self.folds.iter_mut().zip(&other.folds) {
            for (cell, moments) in other {
                own.entry(*cell).or_default().merge(moments);
            }
        }
        Ok(())
    }

    /// The expectations for each fold, learnt from all others (Chernozhukov and others,
    /// "Double/debiased machine learning", 2018): the mean of an action at a position is drawn
    /// towards that of the action, which is drawn towards that of all, by empirical Bayes.
    ///
    /// # Errors
    /// [`NothingToLearnFrom`] where no observation lies outside a fold.
    pub fn fit(&self) -> Result<OutcomeModel, NothingToLearnFrom> {
        let of_fold = |fold: usize| {
            let mut cells: BTreeMap<Cell, Moments> = BTreeMap::new();
            let others = self.folds.iter().enumerate().filter(|(other, _)| *other != fold);
            for (cell, moments) in others.flat_map(|(_, cells)| cells) {
                cells.entry(*cell).or_default().merge(moments);
            }
            Expectations::of(&cells).ok_or(NothingToLearnFrom { fold: fold as u32 })
        };
        let folds: Result<Vec<Expectations>, _> = (0..self.folds.len()).map(of_fold).collect();
        Ok(OutcomeModel { seed: self.seed, folds: folds? })
    }
}

/// What rewards are expected, for each fold by what the others saw.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeModel {
    seed: u64,
    folds: Vec<Expectations>,
}

impl OutcomeModel {
    fn of(&self, logged: &LoggedAction) -> &Expectations {
        &self.folds[fold_of(logged.fold_key(), self.seed, self.folds.len() as u32) as usize]
    }

    /// The expected reward of the action that was logged, in units of the reward. An action
    /// that was not seen is expected to earn what all do.
    #[must_use]
    pub fn expected(&self, logged: &LoggedAction) -> f64 {
        self.of(logged).reward(logged.action, logged.observation.position())
    }

    /// The expected reward of a policy where the observation was made, in units of the reward.
    #[must_use]
    pub fn expected_of(&self, policy: &ActionProbabilities, logged: &LoggedAction) -> f64 {
        let (expectations, position) = (self.of(logged), logged.observation.position());
        let each = policy
            .iter()
            .map(|(action, probability)| probability * expectations.reward(action, position));
        each.sum()
    }
}

/// Shrunk means of one fold's complement.
#[derive(Debug, Clone, PartialEq)]
struct Expectations {
    all: f64,
    actions: BTreeMap<u32, (f64, BTreeMap<Option<u32>, f64>)>,
}

impl Expectations {
    fn of(cells: &BTreeMap<Cell, Moments>) -> Option<Self> {
        let mut by_action: BTreeMap<u32, OfPositions> = BTreeMap::new();
        for ((action, position), moments) in cells {
            by_action.entry(*action).or_default().push((*position, *moments));
        }
        let members = |cells: &OfPositions| -> Vec<Moments> {
            cells.iter().map(|(_, moments)| *moments).collect()
        };
        let positions: Vec<Vec<Moments>> = by_action.values().map(members).collect();
        let actions: Vec<Moments> = positions.iter().map(Moments::all).collect();
        let all = Moments::all(&actions);
        if all.count == 0 {
            return None;
        }
        let pull_of_actions = pull(&positions);
        let pull_of_all = pull(std::slice::from_ref(&actions));
        let shrunk = |((action, cells), moments): ((u32, OfPositions), Moments)| {
            let mean = moments.drawn(all.mean, pull_of_all);
            let cell = |(position, moments): (Option<u32>, Moments)| {
                (position, moments.drawn(mean, pull_of_actions))
            };
            (action, (mean, cells.into_iter().map(cell).collect()))
        };
        let actions = by_action.into_iter().zip(actions).map(shrunk).collect();
        Some(Self { all: all.mean, actions })
    }

    fn reward(&self, action: u32, position: Option<u32>) -> f64 {
        let Some((mean, positions)) = self.actions.get(&action) else {
            return self.all;
        };
        positions.get(&position).copied().unwrap_or(*mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::off_policy::Observation;

    fn logged(action: u32, reward: f64, row: u64) -> LoggedAction {
        let observation = Observation::new(reward, 0.5, 0.5).unwrap().at(1);
        LoggedAction { observation, action, row }
    }

    fn tables(rows: impl Iterator<Item = u64>) -> OutcomeTables {
        let mut tables = OutcomeTables::new(3, 5).unwrap();
        rows.for_each(|row| {
            let action = (row % 2) as u32;
            tables.observe(&logged(action, f64::from(action) + 0.01 * (row % 3) as f64, row));
        });
        tables
    }

    #[test]
    fn what_is_expected_of_a_row_was_learnt_without_it() {
        let before = tables(0..200).fit().unwrap();
        let mut more = tables(0..200);
        let outlier = logged(1, 1e6, 7);
        more.observe(&outlier);
        let after = more.fit().unwrap();
        assert_eq!(before.expected(&outlier), after.expected(&outlier));
        assert!((0..50).any(|row| after.expected(&logged(1, 0.0, row)) > 100.0));
    }

    #[test]
    fn expectations_are_close_to_means_that_differ() {
        let model = tables(0..200).fit().unwrap();
        let (low, high) = (model.expected(&logged(0, 0.0, 1)), model.expected(&logged(1, 0.0, 1)));
        assert!((low - 0.01).abs() < 2e-3 && (high - 1.01).abs() < 2e-3, "{low} {high}");
        let unseen = model.expected(&logged(9, 0.0, 1));
        assert!((unseen - 0.51).abs() < 0.15, "{unseen}");
        let half = ActionProbabilities::new(vec![(0, 0.5), (1, 0.5)]).unwrap();
        let of_policy = model.expected_of(&half, &logged(0, 0.0, 1));
        assert!((of_policy - (low + high) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn parts_merged_are_all_at_once() {
        let mut parts = tables(0..90);
        parts.merge(&tables(90..200)).unwrap();
        let (all, parts) = (tables(0..200).fit().unwrap(), parts.fit().unwrap());
        for row in 0..20 {
            let row = logged(1, 0.0, row);
            assert!((all.expected(&row) - parts.expected(&row)).abs() < 1e-12);
        }
        assert_eq!(tables(0..2).merge(&OutcomeTables::new(3, 6).unwrap()), Err(NotAlike));
    }

    #[test]
    fn too_little_is_said() {
        assert_eq!(OutcomeTables::new(1, 0), Err(InvalidFolds(1)));
        assert!(tables(0..0).fit().is_err());
        assert!(tables(0..1).fit().is_err());
    }
}
