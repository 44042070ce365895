//! How a bandit shares out what comes next: by the probability of each arm to be the best one
//! (Thompson, Biometrika 25, 1933; in batches as in Scott, "A modern Bayesian look at the
//! multi-armed bandit", Applied Stochastic Models in Business and Industry 26, 2010).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::error::finite;
use super::fixed::Better;

/// What shares are whole multiples of: a power of two, so that their sum is exactly 1 whatever
/// order they are added in.
const PARTS: u64 = 1 << 40;
/// The most draws, each of which is one number for each arm.
const MOST_DRAWS: u32 = 100_000_000;

/// What is believed of an arm's mean: a normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of what is believed of it, at least 0.
    pub deviation: f64,
}

/// How shares are found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// Which way is better.
    pub better: Better,
    /// The least share of any arm, from 0 to one over the number of arms. Above 0 it keeps
    /// outcomes' weights in [`super::weighted`] bounded.
    pub floor: f64,
    /// Draws, 1 to 100 million; a share's error is at most a half over their square root.
    pub draws: u32,
    /// The seed of the draws.
    pub seed: u64,
}

impl Default for Allocation {
    /// More is better, at least 1% each, by 10,000 draws.
    fn default() -> Self {
        Self { better: Better::Higher, floor: 0.01, draws: 10_000, seed: 0 }
    }
}

/// The probability of each arm to be the best one, by draws of all arms: the same for the same
/// arms, draws and seed, and summing to 1 but for rounding. Arms that draw alike share the draw.
///
/// # Errors
/// [`InferenceError::TooFew`] without arms; [`InferenceError::NotFinite`] of a number that is not;
/// [`InferenceError::OutOfRange`] of a negative deviation or draws out of their range.
pub fn chances_of_being_best(
    arms: &[Arm],
    allocation: &Allocation,
) -> Result<Vec<f64>, InferenceError> {
    check(arms, allocation)?;
    let sign = if allocation.better == Better::Higher { 1.0 } else { -1.0 };
    let mut random = ChaCha8Rng::seed_from_u64(allocation.seed);
    let mut wins = vec![0.0; arms.len()];
    let mut drawn = vec![0.0; arms.len()];
    for _ in 0..allocation.draws {
        for (value, arm) in drawn.iter_mut().zip(arms) {
            let deviate: f64 = StandardNormal.sample(&mut random);
            *value = sign * (arm.mean + arm.deviation * deviate);
        }
        let best = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ties = drawn.iter().filter(|value| **value == best).count() as f64;
        for (win, value) in wins.iter_mut().zip(&drawn) {
            *win += if *value == best { 1.0 / ties } else { 0.0 };
        }
    }
    let draws = f64::from(allocation.draws);
    Ok(wins.into_iter().map(|win| win / draws).collect())
}

/// The share of each arm: the floor, and of what is left beside all floors as much as its
/// probability to be the best one. Shares sum to exactly 1.
///
/// # Errors
/// As [`chances_of_being_best`], and [`InferenceError::OutOfRange`] of a floor out of its range.
pub fn shares(arms: &[Arm], allocation: &Allocation) -> Result<Vec<f64>, InferenceError> {
    let chances = chances_of_being_best(arms, allocation)?;
    let count = arms.len() as f64;
    let floor = allocation.floor;
    if !(floor >= 0.0 && floor * count <= 1.0) {
        let rule = "from 0 to one over the number of arms";
        return Err(InferenceError::OutOfRange { name: "the floor", rule });
    }
    let free = 1.0 - floor * count;
    let wanted = chances.iter().map(|chance| (floor + free * chance) * PARTS as f64);
    let mut parts: Vec<u64> = wanted.map(|parts| parts.ceil() as u64).collect();
    // Rounded up, so that none falls below the floor; the largest share bears what is too much.
    let total: u64 = parts.iter().sum();
    if let Some(largest) = parts.iter_mut().max() {
        *largest = (*largest + PARTS).saturating_sub(total);
    }
    Ok(parts.into_iter().map(|parts| parts as f64 / PARTS as f64).collect())
}

fn check(arms: &[Arm], allocation: &Allocation) -> Result<(), InferenceError> {
    if arms.is_empty() {
        return Err(InferenceError::TooFew { what: "arms", least: 1, found: 0 });
    }
    if !(1..=MOST_DRAWS).contains(&allocation.draws) {
        return Err(InferenceError::OutOfRange { name: "draws", rule: "from 1 to 100 million" });
    }
    for Arm { mean, deviation } in arms {
        finite("an arm's mean", *mean)?;
        finite("an arm's deviation", *deviation)?;
        // No deviate lies as far as a hundred.
        finite("an arm's deviation", mean.abs() + 100.0 * deviation)?;
        if *deviation < 0.0 {
            let rule = "at least 0";
            return Err(InferenceError::OutOfRange { name: "an arm's deviation", rule });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::distributions::normal_below;
    use super::*;

    #[test]
    fn two_arms_win_as_often_as_the_normal_says() {
        let arms = [Arm { mean: 0.0, deviation: 1.0 }, Arm { mean: 0.5, deviation: 0.7 }];
        let allocation = Allocation { draws: 100_000, ..Allocation::default() };
        let found = chances_of_being_best(&arms, &allocation).unwrap();
        let exact = normal_below(0.5 / f64::hypot(1.0, 0.7));
        assert!((found[1] - exact).abs() < 0.005, "{} {exact}", found[1]);
        let lower = Allocation { better: Better::Lower, ..allocation };
        let turned = chances_of_being_best(&arms, &lower).unwrap();
        assert!((turned[0] - exact).abs() < 0.005);
    }

    #[test]
    fn arms_that_are_alike_share_alike() {
        let arm = Arm { mean: 1.0, deviation: 0.0 };
        let found = shares(&[arm; 4], &Allocation::default()).unwrap();
        assert_eq!(found, [0.25; 4]);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let arm = Arm { mean: 1.0, deviation: 1.0 };
        let allocation = Allocation::default();
        assert!(shares(&[], &allocation).is_err());
        assert!(shares(&[arm; 2], &Allocation { floor: 0.6, ..allocation }).is_err());
        assert!(shares(&[arm; 2], &Allocation { floor: f64::NAN, ..allocation }).is_err());
        assert!(shares(&[arm; 2], &Allocation { draws: 0, ..allocation }).is_err());
        assert!(shares(&[Arm { deviation: -1.0, ..arm }], &allocation).is_err());
        assert!(shares(&[Arm { mean: f64::INFINITY, ..arm }], &allocation).is_err());
    }

    proptest! {
        #[test]
        fn shares_sum_to_exactly_one_and_keep_the_floor(
            arms in prop::collection::vec((-5.0..5.0_f64, 0.0..3.0_f64), 1..12),
            part in 0.0..=1.0_f64, seed in any::<u64>(),
        ) {
            let arms: Vec<Arm> =
                arms.into_iter().map(|(mean, deviation)| Arm { mean, deviation }).collect();
            let floor = part / arms.len() as f64 * (1.0 - 1e-9);
            let allocation = Allocation { floor, draws: 200, seed, ..Allocation::default() };
            let found = shares(&arms, &allocation).unwrap();
            prop_assert_eq!(found.iter().sum::<f64>(), 1.0);
            prop_assert_eq!(found.iter().rev().sum::<f64>(), 1.0);
            prop_assert!(found.iter().all(|share| *share >= floor - 1e-10));
            prop_assert_eq!(shares(&arms, &allocation).unwrap(), found);
        }
    }
}
