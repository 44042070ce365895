//! The value of lists of several positions.
//!
//! McInerney, Brost, Chandar, Mehrotra, Carterette, "Counterfactual evaluation of slate
//! recommendations with sequential reward interactions" (KDD 2020). The value is the expected
//! sum of a slate's rewards.

use super::intervals::{Confidence, Estimate, Inestimable};
use super::observation::{InvalidObservation, Observation};
use super::sums::ClusteredSums;
use super::weights::{Clip, NotAlike, Weights};

/// Most positions of a slate.
pub const MOST_POSITIONS: usize = 1_000;
/// Largest product of weights: its square still sums to something finite.
const LARGEST_PRODUCT: f64 = 1e60;
/// Columns of the sums.
const ONE: usize = 0;
const INDEPENDENT: usize = 1;
const INTERACTING: usize = 2;
const WHOLE: usize = 3;
const REWARD: usize = 4;

/// One position of a slate, in the order in which they are seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// What it earned; as of [`Observation::new`].
    pub reward: f64,
    /// The logging policy's probability of what was shown here: for
    /// [`SlateIps::independent`] whatever the other positions show, for the other two given
    /// what the positions before show. Policies that fill positions independently have one
    /// for both; others are fed to two accumulators.
    pub propensity: f64,
    /// The evaluation policy's, likewise.
    pub evaluation: f64,
}

/// Why a slate cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidSlate {
    /// It has none, or more than [`MOST_POSITIONS`] positions.
    #[error("a slate of {0} positions is none of 1 to 1,000")]
    Positions(usize),
    /// A position cannot be used.
    #[error("position {position}: {why}")]
    Position {
        /// The position, from 0.
        position: usize,
        /// Why.
        why: InvalidObservation,
    },
    /// The product of weights up to a position is above 1e60.
    #[error("the product of weights up to position {position} is too large")]
    Product {
        /// The position, from 0.
        position: usize,
    },
}

/// A slate, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Slate {
    rewards: Vec<f64>,
    weights: Vec<f64>,
    products: Vec<f64>,
    cluster: Option<u64>,
}

impl Slate {
    /// A slate by its positions in order, 1 to [`MOST_POSITIONS`], and its cluster, such as a
    /// person, where it is known. One without a cluster is independent of all others.
    ///
    /// # Errors
    /// [`InvalidSlate`] with the first position that cannot be used.
    pub fn new(positions: &[Shown], cluster: Option<u64>) -> Result<Self, InvalidSlate> {
        if positions.is_empty() || positions.len() > MOST_POSITIONS {
            return Err(InvalidSlate::Positions(positions.len()));
        }
        let (mut rewards, mut weights, mut products) = (Vec::new(), Vec::new(), Vec::new());
        let mut product = 1.0;
        for (position, Shown { reward, propensity, evaluation }) in positions.iter().enumerate() {
            let one = Observation::new(*reward, *propensity, *evaluation)
                .map_err(|why| InvalidSlate::Position { position, why })?;
            product *= one.weight();
            if product > LARGEST_PRODUCT {
                return Err(InvalidSlate::Product { position });
            }
            rewards.push(one.reward());
            weights.push(one.weight());
            products.push(product);
        }
        Ok(Self { rewards, weights, products, cluster })
    }

    /// The product of all positions' weights.
    fn product(&self) -> f64 {
        self.products.last().copied().unwrap_or(1.0)
    }
}

/// Inverse propensity scoring of slates, fed slate by slate. Three estimators, from that of
/// least variance and strongest assumption to that of most variance and none.
#[derive(Debug, Clone, PartialEq)]
pub struct SlateIps {
    clip: Clip,
    sums: ClusteredSums<5>,
    weights: [Weights; 3],
}

impl SlateIps {
    /// Of nothing yet. The clip bounds a weight as it is used: of a position, or a product.
    #[must_use]
    pub fn new(clip: Clip) -> Self {
        let weights = std::array::from_fn(|_| Weights::new(clip));
        Self { clip, sums: ClusteredSums::new(), weights }
    }

    /// Takes in a slate.
    pub fn observe(&mut self, slate: &Slate) {
        let Slate { rewards, weights, products, cluster } = slate;
        let weighted = |weights: &[f64]| -> f64 {
            let pairs = rewards.iter().zip(weights);
            pairs.map(|(reward, weight)| self.clip.apply(*weight) * reward).sum()
        };
        let reward: f64 = rewards.iter().sum();
        let whole = self.clip.apply(slate.product()) * reward;
        self.sums.add([1.0, weighted(weights), weighted(products), whole, reward], *cluster);
        self.weights[0].add_all(weights, *cluster);
        self.weights[1].add_all(products, *cluster);
        self.weights[2].add_all(&[slate.product()], *cluster);
    }

    /// Takes in what another accumulator of the same clip was fed.
    ///
    /// # Errors
    /// [`NotAlike`] where the clips differ; nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), NotAlike> {
        if self.clip != other.clip {
            return Err(NotAlike);
        }
        self.sums.merge(&other.sums);
        self.weights.iter_mut().zip(&other.weights).try_for_each(|(own, other)| own.merge(other))
    }

    /// `mean(sum_k w_k r_k)`: a position's reward depends on what it shows alone (the
    /// item-position model of Li and others, "Offline evaluation of ranking policies with click
    /// models", KDD 2018). Units of the reward, per slate.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn independent(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(INDEPENDENT, ONE, confidence)
    }

    /// `mean(sum_k (prod_{j<=k} w_j) r_k)`: a position's reward depends on what it and the
    /// positions before show (McInerney and others, 2020, section 4). Units of the reward,
    /// per slate.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn reward_interaction(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(INTERACTING, ONE, confidence)
    }

    /// `mean((prod_j w_j) sum_k r_k)`: a reward may depend on the whole slate. Units of the
    /// reward, per slate.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn standard(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(WHOLE, ONE, confidence)
    }

    /// `mean(sum_k r_k)`: what the logging policy earned, to compare with.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn logged(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(REWARD, ONE, confidence)
    }

    /// The weights of [`Self::independent`], one a position.
    #[must_use]
    pub fn independent_weights(&self) -> &Weights {
        &self.weights[0]
    }

    /// The weights of [`Self::reward_interaction`], one a position: those of late positions
    /// vary more than all together tell, and no more than [`Self::standard_weights`].
    #[must_use]
    pub fn reward_interaction_weights(&self) -> &Weights {
        &self.weights[1]
    }

    /// The weights of [`Self::standard`], one a slate.
    #[must_use]
    pub fn standard_weights(&self) -> &Weights {
        &self.weights[2]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::off_policy::testing::is_near;

    const USUAL: Confidence = Confidence::USUAL;

    fn slate(positions: &[(f64, f64, f64)]) -> Slate {
        let shown = |&(reward, propensity, evaluation): &(f64, f64, f64)| Shown {
            reward,
            propensity,
            evaluation,
        };
        Slate::new(&positions.iter().map(shown).collect::<Vec<_>>(), None).unwrap()
    }

    fn all(slates: &[Slate]) -> SlateIps {
        let mut found = SlateIps::new(Clip::NONE);
        slates.iter().for_each(|slate| found.observe(slate));
        found
    }

    #[test]
    fn two_slates_by_hand() {
        // Weights 2, 1/2, 3 with rewards 1, 4, 1; and 1/2, 1 with rewards 0, 2.
        let found = all(&[
            slate(&[(1.0, 0.25, 0.5), (4.0, 0.5, 0.25), (1.0, 0.25, 0.75)]),
            slate(&[(0.0, 0.5, 0.25), (2.0, 0.5, 0.5)]),
        ]);
        let value = |estimate: Result<Estimate, Inestimable>| estimate.unwrap().value;
        assert!((value(found.independent(USUAL)) - (2.0 + 2.0 + 3.0 + 2.0) / 2.0).abs() < 1e-12);
        // Products 2, 1, 3; and 1/2, 1/2.
        let interaction = value(found.reward_interaction(USUAL));
        assert!((interaction - (2.0 + 4.0 + 3.0 + 1.0) / 2.0).abs() < 1e-12);
        assert!((value(found.standard(USUAL)) - (3.0 * 6.0 + 0.5 * 2.0) / 2.0).abs() < 1e-12);
        assert!((value(found.logged(USUAL)) - 4.0).abs() < 1e-12);
        let weights = found.independent_weights().summary(USUAL).unwrap();
        assert_eq!((weights.weights, weights.mean.observations), (5, 2));
        assert!((weights.mean.value - 1.4).abs() < 1e-12);
        assert_eq!(found.standard_weights().summary(USUAL).unwrap().weights, 2);
    }

    #[test]
    fn what_is_no_slate_is_refused() {
        let of = |positions: &[Shown]| Slate::new(positions, None).unwrap_err();
        assert_eq!(of(&[]), InvalidSlate::Positions(0));
        let fine = Shown { reward: 1.0, propensity: 1e-11, evaluation: 1.0 };
        assert_eq!(of(&[fine; 1_001]), InvalidSlate::Positions(1_001));
        assert_eq!(of(&[fine; 6]), InvalidSlate::Product { position: 5 });
        let wrong = of(&[fine, Shown { propensity: 0.0, ..fine }]);
        assert!(matches!(wrong, InvalidSlate::Position { position: 1, .. }));
    }

    proptest! {
        #[test]
        fn parts_merged_are_all_at_once_and_one_position_is_all_the_same(
            slates in proptest::collection::vec(
                proptest::collection::vec((-2.0f64..2.0, 0.1f64..1.0, 0.0f64..1.0), 1..4), 2..30),
            cut in 0usize..30,
        ) {
            let slates: Vec<Slate> = slates.iter().map(|one| slate(one)).collect();
            let cut = cut.min(slates.len());
            let mut parts = all(&slates[..cut]);
            parts.merge(&all(&slates[cut..])).unwrap();
            let whole = all(&slates);
            let estimators =
                [SlateIps::independent, SlateIps::reward_interaction, SlateIps::standard];
            for of in estimators {
                let (one, other) = (of(&whole, USUAL).unwrap(), of(&parts, USUAL).unwrap());
                prop_assert!(is_near(one.value, other.value));
                prop_assert!(is_near(one.standard_error, other.standard_error));
            }
            let single = |slate: &Slate| Slate {
                rewards: slate.rewards[..1].to_vec(),
                weights: slate.weights[..1].to_vec(),
                products: slate.products[..1].to_vec(),
                cluster: None,
            };
            let single = all(&slates.iter().map(single).collect::<Vec<_>>());
            let values = estimators.map(|of| of(&single, USUAL).unwrap().value);
            prop_assert!(is_near(values[0], values[1]) && is_near(values[0], values[2]));
        }
    }

    /// Slates of three positions with two actions each; the second action earns more, and
    /// spoils the position after it.
    fn drawn(rng: &mut ChaCha8Rng) -> Vec<Slate> {
        let mut one = || {
            let seconds: [bool; 3] = std::array::from_fn(|_| rng.random_bool(0.5));
            let positions: [(f64, f64, f64); 3] = std::array::from_fn(|at| {
                let is_spoilt = at > 0 && seconds[at - 1];
                let rate = if seconds[at] { 0.6 } else { 0.3 } - if is_spoilt { 0.2 } else { 0.0 };
                let reward = f64::from(u8::from(rng.random_bool(rate)));
                (reward, 0.5, if seconds[at] { 0.75 } else { 0.25 })
            });
            slate(&positions)
        };
        (0..400).map(|_| one()).collect()
    }

    #[test]
    fn where_rewards_interact_their_intervals_cover_and_the_independent_ones_do_not() {
        let value = 3.0 * (0.75 * 0.6 + 0.25 * 0.3) - 2.0 * 0.75 * 0.2;
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut covering, mut widths) = ([0; 3], [0.0; 3]);
        for _ in 0..500 {
            let found = all(&drawn(&mut rng));
            let estimates = [
                found.independent(USUAL).unwrap(),
                found.reward_interaction(USUAL).unwrap(),
                found.standard(USUAL).unwrap(),
            ];
            for (at, estimate) in estimates.iter().enumerate() {
                covering[at] += u32::from(estimate.covers(value));
                widths[at] += estimate.standard_error;
            }
        }
        // 95% of 500, give or take three standard errors.
        assert!(
            covering[1..].iter().all(|covering| (460..=490).contains(covering)),
            "{covering:?}"
        );
        assert!(covering[0] < 440, "{covering:?}");
        assert!(widths[0] < widths[1] && widths[1] < widths[2], "{widths:?}");
    }
}
