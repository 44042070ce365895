//! New shares of variants from what was learnt: each has the chance that it is the best one, and no
//! less than its floor (Thompson, "On the likelihood that one unknown probability exceeds another",
//! Biometrika 1933; in batches, as Scott, "A modern Bayesian look at the multi-armed bandit", 2010).

use crate::entities::experiment::lifecycle::{Experiment, ExperimentState};
use crate::entities::experiment::metric::Direction;
use crate::entities::experiment::slots::{BUCKETS, Share};
use crate::maths::inference::fixed::Better;
use crate::maths::inference::thompson::{Allocation, Arm, shares};

use super::comparison::MIN_USERS;
use super::report::{ExperimentReport, VariantFigures};

/// Draws by which the chances are found: their error is below half a percent.
const DRAWS: u32 = 100_000;

/// The shares that a running experiment has from now on, in the order of its variants; `None` where
/// shares are not learnt, or some variant has too few users yet, or numbers cannot be believed.
#[must_use]
pub fn next_shares(
    experiment: &Experiment,
    report: &ExperimentReport,
    seed: u64,
) -> Option<Vec<Share>> {
    let floor = experiment.definition.bandit_floor?;
    let is_alarm = report.sample_ratio.as_ref().is_some_and(|ratio| ratio.is_alarm);
    if experiment.state != ExperimentState::Running || is_alarm {
        return None;
    }
    let primary = report.metrics.iter().find(|metric| metric.metric == report.primary)?;
    let others = primary.variants.iter().map(|of| VariantFigures {
        variant: of.variant.clone(),
        users: of.users,
        mean: of.mean,
        standard_deviation: of.standard_deviation,
    });
    let figures: Vec<VariantFigures> =
        [primary.control.clone()].into_iter().chain(others).collect();
    let arms: Vec<Arm> = figures.iter().map(arm).collect::<Option<_>>()?;
    let allocation = Allocation {
        better: match primary.better {
            Direction::Increase => Better::Higher,
            Direction::Decrease => Better::Lower,
        },
        floor: floor.fraction(),
        draws: DRAWS,
        seed,
    };
    in_buckets(&shares(&arms, &allocation).ok()?, floor)
}

/// What is believed of a variant's mean.
fn arm(figures: &VariantFigures) -> Option<Arm> {
    let (mean, deviation) = (figures.mean?, figures.standard_deviation?);
    // Who all did the same say nothing of how sure that is.
    let is_enough = figures.users >= MIN_USERS && deviation > 0.0;
    is_enough.then(|| Arm { mean, deviation: deviation / (figures.users as f64).sqrt() })
}

/// Shares as numbers of buckets that make all of them: the greatest remainders are rounded up.
fn in_buckets(shares: &[f64], floor: Share) -> Option<Vec<Share>> {
    let exact: Vec<f64> = shares.iter().map(|share| share * f64::from(BUCKETS)).collect();
    let mut whole: Vec<u16> =
        exact.iter().map(|buckets| (buckets.floor() as u16).max(floor.get())).collect();
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
    let given: u32 = whole.iter().map(|buckets| u32::from(*buckets)).sum();
    let left = usize::try_from(u32::from(BUCKETS).checked_sub(given)?).ok()?;
    for at in order.iter().cycle().take(left) {
        whole[*at] += 1;
    }
    whole.into_iter().map(Share::of_buckets).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_make_one_and_none_is_below_the_floor(
            chances in proptest::collection::vec(0.0f64..1.0, 2..9), floor in 1u16..1_250,
        ) {
            let total: f64 = chances.iter().sum::<f64>().max(1e-9);
            let free = 1.0 - f64::from(floor) / f64::from(BUCKETS) * chances.len() as f64;
            let shares: Vec<f64> = chances
                .iter()
                .map(|chance| f64::from(floor) / f64::from(BUCKETS) + free * chance / total)
                .collect();
            prop_assume!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            let floor = Share::of_buckets(floor).unwrap();
            let found = in_buckets(&shares, floor).unwrap();
            prop_assert_eq!(found.iter().map(|share| u32::from(share.get())).sum::<u32>(), u32::from(BUCKETS));
            prop_assert!(found.iter().all(|share| *share >= floor));
            for (found, share) in found.iter().zip(&shares) {
                prop_assert!((found.fraction() - share).abs() < 2e-3);
            }
        }
    }
}
