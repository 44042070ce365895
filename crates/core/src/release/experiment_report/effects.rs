//! The effect of a variant on a metric, from what is kept of its users.
//!
//! **Where shares follow what is learnt** the users of all allocations cannot be thrown together:
//! a variant that did well lately has more users of late, and lately everybody may do better. Each
//! user is weighed by one over the chance that they had of their variant (Hájek, "Foundations of
//! Statistical Inference", 1971; the variance by linearisation), which is the same for all of a
//! variant's under one allocation, so that sums of these are enough:
//! `mean = Σ w n m / Σ w n`, `variance of it = Σ w² Σ (y - mean)² / (Σ w n)²`, both over allocations
//! with `w` one over the chance, `n` users and their mean `m`. It is what
//! [`crate::maths::inference::weighted::hajek`] has of single users. As a user is another one under
//! each allocation and draws anew, these count as independent.

use crate::entities::experiment::metric::{Direction, MetricDefinition};
use crate::maths::inference::InferenceError;
use crate::maths::inference::effect::{Effect, GroupMetric, Metric, Question, Scale};
use crate::maths::inference::fixed::Better;
use crate::maths::inference::summary::Sums;

use super::observations::{Group, MetricObservations, Observations};
use super::study::{Measure, Shape, Study};
use super::whole_sums::{PARTS_OF_ONE, WholeSums};

/// The place of the variant that the others are compared with.
pub(super) const CONTROL: u8 = 0;

/// One metric's numbers, of all users or of a segment's.
#[derive(Debug, Clone, Copy)]
pub(super) struct MetricNumbers<'a> {
    study: &'a Study<'a>,
    observations: &'a MetricObservations,
    measure: Measure,
    limit: Option<u64>,
    pub(super) definition: &'a MetricDefinition,
}

/// What of a variant's metric can be shown without another one beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Summary {
    /// Users who are in it.
    pub(super) users: u64,
    /// Users of whom it is above 0.
    pub(super) acting: u64,
    pub(super) mean: Option<f64>,
    pub(super) standard_deviation: Option<f64>,
}

impl<'a> MetricNumbers<'a> {
    /// Those of all users, by a metric's place in the definition.
    pub(super) fn of_all(
        study: &'a Study<'a>,
        observations: &'a Observations,
        place: usize,
    ) -> Option<Self> {
        let of = observations.metrics.get(place)?;
        Self::of(study, (observations, of), place)
    }

    /// Those of a segment, of the primary metric; extreme values are those of all users.
    pub(super) fn of_segment(
        study: &'a Study<'a>,
        (all, segment): (&'a Observations, &'a MetricObservations),
    ) -> Option<Self> {
        let place = study.place_of(&study.experiment.definition.primary)?;
        Self::of(study, (all, segment), place)
    }

    fn of(
        study: &'a Study<'a>,
        (all, observations): (&'a Observations, &'a MetricObservations),
        place: usize,
    ) -> Option<Self> {
        let measure = *study.measures.get(place)?;
        let definition = study.experiment.definition.metrics.get(place)?;
        let limit = all.limit(place);
        Some(Self { study, observations, measure, limit, definition })
    }

    /// What values above are taken for, in the metric's units.
    pub(super) fn limit(&self) -> Option<f64> {
        self.limit.map(|limit| limit as f64 / self.parts() as f64)
    }

    /// Which way is better, as statistics have it.
    pub(super) fn better(&self) -> Better {
        match self.definition.better {
            Direction::Increase => Better::Higher,
            Direction::Decrease => Better::Lower,
        }
    }

    /// Whether it is 0 or 1 of each user.
    pub(super) fn is_whether(&self) -> bool {
        matches!(self.measure.shape, Shape::Whether | Shape::WhetherAfter(_))
    }

    /// Whether what users did before can be taken off.
    pub(super) fn has_covariate(&self) -> bool {
        self.measure.beside.is_some() && self.measure.shape != Shape::Ratio
    }

    /// A variant's own figures.
    pub(super) fn summary(&self, variant: u8) -> Summary {
        let whole = self.whole(variant);
        let group = self.weighted_group(variant);
        Summary {
            users: whole.n,
            acting: whole.above_zero,
            mean: group.ok().map(|group| group.mean),
            standard_deviation: group.ok().filter(|_| whole.n > 1).map(|of| of.variance.sqrt()),
        }
    }

    /// The effect of a variant beside the control; adjusted by what users did before, where that is
    /// asked for.
    ///
    /// # Errors
    /// As [`Effect::of`].
    pub(super) fn effect(
        &self,
        variant: u8,
        scale: Scale,
        is_adjusted: bool,
    ) -> Result<Effect, InferenceError> {
        let metric = match (self.measure.shape, is_adjusted) {
            (Shape::Ratio, _) => Metric::Ratio,
            (_, true) => Metric::Adjusted,
            (_, false) => Metric::Mean,
        };
        let question = Question { metric, scale };
        if !self.study.is_adaptive() {
            let sums = |variant| self.whole(variant).statistics(self.parts());
            return Effect::of(&sums(CONTROL)?, &sums(variant)?, question);
        }
        let groups = (self.checked_group(CONTROL)?, self.checked_group(variant)?);
        between(groups, question)
    }

    /// The sums of a variant's users, whatever their chances were.
    fn whole(&self, variant: u8) -> WholeSums {
        let mut whole = WholeSums::default();
        for allocation in self.observations.allocations_of(variant) {
            whole.merge(&self.observations.sums(Group { variant, allocation }, self.limit));
        }
        whole
    }

    fn parts(&self) -> u64 {
        if self.measure.shape == Shape::Value { PARTS_OF_ONE } else { 1 }
    }

    fn checked_group(&self, variant: u8) -> Result<GroupMetric, InferenceError> {
        let group = self.weighted_group(variant)?;
        if group.n < 2 {
            let what = "observations in each group";
            return Err(InferenceError::TooFew { what, least: 2, found: group.n });
        }
        Ok(group)
    }

    fn weighted_group(&self, variant: u8) -> Result<GroupMetric, InferenceError> {
        let mut strata = Vec::new();
        for allocation in self.observations.allocations_of(variant) {
            let sums = self.observations.sums(Group { variant, allocation }, self.limit);
            let weight = self.study.chance(variant, allocation).map_or(1.0, |chance| 1.0 / chance);
            strata.push((weight, sums.statistics(self.parts())?));
        }
        weighted(&strata, self.measure.shape == Shape::Ratio)
    }
}

impl Study<'_> {
    /// The chance that a user had of a variant under an allocation, where that was not the same
    /// under all.
    fn chance(&self, variant: u8, allocation: u32) -> Option<f64> {
        if !self.is_adaptive() {
            return None;
        }
        let shares = self.experiment.shares_of(allocation)?;
        shares.get(usize::from(variant)).map(|share| share.fraction())
    }
}

/// The weighted mean of groups, or the ratio of the weighted means: see the [module](self).
fn weighted(strata: &[(f64, Sums)], is_ratio: bool) -> Result<GroupMetric, InferenceError> {
    let n: u64 = strata.iter().map(|(_, sums)| sums.n()).sum();
    if n == 0 {
        let what = "observations in each group";
        return Err(InferenceError::TooFew { what, least: 1, found: 0 });
    }
    let total = |of: fn(&Sums) -> f64| -> f64 {
        strata.iter().map(|(weight, sums)| weight * sums.n() as f64 * of(sums)).sum()
    };
    let denominator = if is_ratio { total(Sums::mean_x) } else { total(|_| 1.0) };
    if denominator == 0.0 {
        return Err(InferenceError::ZeroDenominator);
    }
    let mean = total(Sums::mean) / denominator;
    let squares = strata.iter().map(|(weight, sums)| {
        let moments = sums.moments();
        let (within, apart) = match is_ratio {
            true => (
                moments.squares_y - 2.0 * mean * moments.products + mean * mean * moments.squares_x,
                moments.mean_y - mean * moments.mean_x,
            ),
            false => (moments.squares_y, moments.mean_y - mean),
        };
        let part = weight / denominator;
        part * part * (within.max(0.0) + moments.n as f64 * apart * apart)
    });
    // Of one observation; over n less 1, as that of a plain mean is.
    let count = n as f64;
    let variance = squares.sum::<f64>() * count * count / (count - 1.0).max(1.0);
    if !mean.is_finite() || !variance.is_finite() {
        return Err(InferenceError::NotFinite("a weighted mean"));
    }
    Ok(GroupMetric { n, mean, unadjusted_mean: mean, variance })
}

/// The effect of two groups whose means and variances are known: by the formulas of
/// [`Effect::of`].
fn between(
    (control, treatment): (GroupMetric, GroupMetric),
    question: Question,
) -> Result<Effect, InferenceError> {
    let of_mean = |group: &GroupMetric| group.variance / group.n as f64;
    let (one, two) = (of_mean(&control), of_mean(&treatment));
    let difference = treatment.mean - control.mean;
    let (estimate, variance) = match question.scale {
        Scale::Absolute => (difference, one + two),
        Scale::Relative if control.mean == 0.0 => return Err(InferenceError::ZeroBaseline),
        Scale::Relative => {
            let ratio = treatment.mean / control.mean;
            let squared = control.mean * control.mean;
            (difference / control.mean, (two + ratio * ratio * one) / squared)
        }
    };
    let standard_error = variance.sqrt();
    if !estimate.is_finite() || !standard_error.is_finite() {
        return Err(InferenceError::NotFinite("an effect"));
    }
    if standard_error <= 0.0 {
        return Err(InferenceError::NoVariance);
    }
    // As shares of their sum, since squares of tiny variances are nothing.
    let (share, other) = (one / (one + two), two / (one + two));
    let freedom = share * share / (control.n as f64 - 1.0).max(1.0)
        + other * other / (treatment.n as f64 - 1.0).max(1.0);
    Ok(Effect {
        estimate,
        standard_error,
        degrees_of_freedom: (1.0 / freedom).max(1.0),
        slope: 0.0,
        control,
        treatment,
        question,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maths::inference::weighted::{Assignment, hajek};

    fn sums(pairs: &[(f64, f64)]) -> Sums {
        let mut sums = Sums::new();
        pairs.iter().for_each(|(y, x)| sums.add_pair(*y, *x).unwrap());
        sums
    }

    proptest! {
        #[test]
        fn sums_of_allocations_say_what_single_users_do(
            first in prop::collection::vec(0.0f64..9.0, 1..20),
            second in prop::collection::vec(0.0f64..9.0, 1..20),
            chances in (0.01f64..1.0, 0.01f64..1.0),
        ) {
            let of = |values: &[f64], probability: f64| -> Vec<Assignment> {
                let one = |value: &f64| Assignment { outcome: Some(*value), probability, weight: 1.0 };
                values.iter().map(one).collect()
            };
            let users = [of(&first, chances.0), of(&second, chances.1)].concat();
            let expected = hajek(&users).unwrap();
            let pairs = |values: &[f64]| values.iter().map(|y| (*y, 1.0)).collect::<Vec<_>>();
            let strata = [
                (1.0 / chances.0, sums(&pairs(&first))), (1.0 / chances.1, sums(&pairs(&second))),
            ];
            let n = users.len() as f64;
            for is_ratio in [false, true] {
                let found = weighted(&strata, is_ratio).unwrap();
                prop_assert!((found.mean - expected.mean).abs() < 1e-9);
                let variance = found.variance / n * (n - 1.0) / n;
                prop_assert!((variance - expected.variance).abs() < 1e-9);
            }
        }

        #[test]
        fn one_allocation_is_compared_as_no_allocation_is(
            one in prop::collection::vec((0.0f64..9.0, 1.0f64..4.0), 2..20),
            two in prop::collection::vec((0.0f64..9.0, 1.0f64..4.0), 2..20),
            is_ratio in any::<bool>(), is_relative in any::<bool>(),
        ) {
            let metric = if is_ratio { Metric::Ratio } else { Metric::Mean };
            let scale = if is_relative { Scale::Relative } else { Scale::Absolute };
            let question = Question { metric, scale };
            let group = |pairs: &[(f64, f64)]| weighted(&[(3.0, sums(pairs))], is_ratio).unwrap();
            let found = between((group(&one), group(&two)), question).unwrap();
            let expected = Effect::of(&sums(&one), &sums(&two), question).unwrap();
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
            prop_assert!(close(found.estimate, expected.estimate));
            prop_assert!(close(found.standard_error, expected.standard_error));
            prop_assert!(close(found.degrees_of_freedom, expected.degrees_of_freedom));
        }
    }
}
