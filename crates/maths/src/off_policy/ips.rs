//! The value of a policy by importance weights alone.

use super::intervals::{Confidence, Estimate, Inestimable};
use super::observation::Observation;
use super::sums::ClusteredSums;
use super::weights::{Clip, NotAlike};

/// Columns of the sums.
const ONE: usize = 0;
const WEIGHT: usize = 1;
const WEIGHTED: usize = 2;
const REWARD: usize = 3;

/// Inverse propensity scoring, fed observation by observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Ips {
    clip: Clip,
    sums: ClusteredSums<4>,
}

impl Ips {
    /// Of nothing yet.
    #[must_use]
    pub fn new(clip: Clip) -> Self {
        Self { clip, sums: ClusteredSums::new() }
    }

    /// Takes in an observation.
    pub fn observe(&mut self, observation: &Observation) {
        let (weight, reward) = (self.clip.apply(observation.weight()), observation.reward());
        self.sums.add([1.0, weight, weight * reward, reward], observation.cluster());
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
        Ok(())
    }

    /// `mean(w r)` (Horvitz and Thompson, "A generalization of sampling without replacement from
    /// a finite universe", JASA 47, 1952). Without bias where nothing is clipped and logging
    /// supports the evaluation policy. Units of the reward.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn horvitz_thompson(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(WEIGHTED, ONE, confidence)
    }

    /// `sum(w r) / sum(w)` (Hajek; Swaminathan and Joachims, "The self-normalized estimator for
    /// counterfactual learning", 2015), with the interval of a ratio by the delta method. It
    /// lies within the rewards and moves with them; its bias goes with one over observations.
    /// Units of the reward. Where rewards differ by less than a millionth of their size, its
    /// standard error loses digits: take a constant off them first.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units, or where all weights are 0.
    pub fn self_normalised(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(WEIGHTED, WEIGHT, confidence)
    }

    /// `mean(r)`: what the logging policy earned, to compare with. Units of the reward.
    ///
    /// # Errors
    /// [`Inestimable`] with fewer than two independent units.
    pub fn logged(&self, confidence: Confidence) -> Result<Estimate, Inestimable> {
        self.sums.ratio(REWARD, ONE, confidence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::off_policy::Weights;
    use crate::off_policy::testing::{fed, is_near, observations};

    const USUAL: Confidence = Confidence::USUAL;

    fn all(rows: &[Observation]) -> Ips {
        fed(Ips::new(Clip::NONE), rows, Ips::observe)
    }

    fn three() -> Vec<Observation> {
        let of = |(reward, propensity, evaluation)| {
            Observation::new(reward, propensity, evaluation).unwrap()
        };
        // Weights 2, 1/2 and 1.
        [(1.0, 0.25, 0.5), (4.0, 0.5, 0.25), (0.0, 0.5, 0.5)].map(of).to_vec()
    }

    #[test]
    fn three_observations_by_hand() {
        let found = all(&three());
        let plain = found.horvitz_thompson(USUAL).unwrap();
        // w r = 2, 2, 0: mean 4/3, squared deviations 8/3 in all, variance of the mean 8/18.
        assert!((plain.value - 4.0 / 3.0).abs() < 1e-12);
        assert!((plain.standard_error - (8.0f64 / 18.0).sqrt()).abs() < 1e-12);
        let normalised = found.self_normalised(USUAL).unwrap();
        // 4 / 3.5; residuals w (r - 8/7) = -2/7, 10/7, -8/7.
        assert!((normalised.value - 8.0 / 7.0).abs() < 1e-12);
        let variance = 1.5 * (4.0 + 100.0 + 64.0) / 49.0 / 12.25;
        assert!((normalised.standard_error - f64::sqrt(variance)).abs() < 1e-12);
        assert!((found.logged(USUAL).unwrap().value - 5.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_clip_bounds_what_one_observation_weighs() {
        let found = fed(Ips::new(Clip::at(1.0).unwrap()), &three(), Ips::observe);
        assert!((found.horvitz_thompson(USUAL).unwrap().value - 1.0).abs() < 1e-12);
        assert!((found.self_normalised(USUAL).unwrap().value - 3.0 / 2.5).abs() < 1e-12);
    }

    #[test]
    fn a_policy_that_shows_nothing_logged_is_no_estimate() {
        let rows = [Observation::new(1.0, 0.5, 0.0).unwrap(); 3];
        assert_eq!(all(&rows).self_normalised(USUAL), Err(Inestimable::NoWeight));
        assert_eq!(all(&rows).horvitz_thompson(USUAL).unwrap().value, 0.0);
    }

    proptest! {
        #[test]
        fn evaluated_on_itself_a_policy_earns_the_mean(rows in observations(2..60)) {
            let same = |row: &Observation| {
                let same = Observation::new(row.reward(), row.propensity(), row.propensity());
                same.unwrap().of(row.cluster().unwrap_or(1_000))
            };
            let found = all(&rows.iter().map(same).chain(rows.iter().map(|row| {
                Observation::new(row.reward(), row.propensity(), row.propensity()).unwrap()
            })).collect::<Vec<_>>());
            let mean = rows.iter().map(Observation::reward).sum::<f64>() / rows.len() as f64;
            for estimate in [found.horvitz_thompson(USUAL), found.self_normalised(USUAL)] {
                prop_assert!(is_near(estimate.unwrap().value, mean));
                prop_assert!(is_near(
                    estimate.unwrap().standard_error, found.logged(USUAL).unwrap().standard_error
                ));
            }
        }

        #[test]
        fn self_normalised_it_moves_with_the_rewards(rows in observations(2..60), by in -9.0f64..9.0) {
            let moved = |row: &Observation| {
                let moved =
                    Observation::new(row.reward() + by, row.propensity(), row.evaluation()).unwrap();
                row.cluster().map_or(moved, |cluster| moved.of(cluster))
            };
            let later = all(&rows.iter().map(moved).collect::<Vec<_>>()).self_normalised(USUAL);
            match (all(&rows).self_normalised(USUAL), later) {
                (Ok(before), Ok(later)) => {
                    prop_assert!(is_near(before.value + by, later.value));
                    prop_assert!((before.standard_error - later.standard_error).abs() < 1e-5);
                }
                (before, later) => prop_assert_eq!(before.is_err(), later.is_err()),
            }
        }

        #[test]
        fn parts_merged_are_all_at_once(rows in observations(2..60), cut in 0usize..60) {
            let cut = cut.min(rows.len());
            let mut parts = all(&rows[..cut]);
            parts.merge(&all(&rows[cut..])).unwrap();
            let all = all(&rows);
            for of in [Ips::horvitz_thompson, Ips::self_normalised, Ips::logged] {
                match (of(&all, USUAL), of(&parts, USUAL)) {
                    (Ok(all), Ok(parts)) => {
                        prop_assert!(is_near(all.value, parts.value));
                        prop_assert!(is_near(all.standard_error, parts.standard_error));
                        prop_assert!(parts.low.is_finite() && parts.high.is_finite());
                        prop_assert_eq!(all.units, parts.units);
                    }
                    (all, parts) => prop_assert_eq!(all.is_err(), parts.is_err()),
                }
            }
            prop_assert_eq!(parts.merge(&Ips::new(Clip::at(2.0).unwrap())), Err(NotAlike));
        }
    }

    /// Ends of all ranges, which are the worst for sums of powers.
    fn extremes() -> impl Strategy<Value = Vec<Observation>> {
        let rewards = prop_oneof![Just(-1e12), Just(0.0), Just(1e12), Just(1e-300)];
        let propensities = prop_oneof![Just(1e-12), Just(1.0)];
        let evaluations = prop_oneof![Just(0.0), Just(1e-300), Just(1e-99), Just(1.0)];
        let clusters = prop_oneof![Just(None), Just(Some(1u64)), Just(Some(2))];
        let one = (rewards, propensities, evaluations, clusters);
        proptest::collection::vec(one, 0..12).prop_map(|rows| {
            let of = |(reward, propensity, evaluation, cluster): (f64, f64, f64, Option<u64>)| {
                let one = Observation::new(reward, propensity, evaluation).unwrap();
                cluster.map_or(one, |cluster| one.of(cluster))
            };
            rows.into_iter().map(of).collect()
        })
    }

    proptest! {
        #[test]
        fn whatever_is_fed_comes_out_finite_or_as_an_error(rows in extremes()) {
            let found = all(&rows);
            let weights = fed(Weights::new(Clip::NONE), &rows, Weights::observe).summary(USUAL);
            for of in [found.horvitz_thompson(USUAL), found.self_normalised(USUAL),
                       weights.map(|weights| weights.mean)] {
                let Ok(Estimate { value, standard_error, low, high, skewness, .. }) = of else {
                    continue;
                };
                prop_assert!([value, standard_error, low, high, skewness].iter().all(|n| n.is_finite()));
                prop_assert!(low <= value && value <= high);
            }
            if let Ok(weights) = weights {
                prop_assert!(weights.effective_size > 0.0 && weights.effective_size.is_finite());
                prop_assert!((0.0..=1.0).contains(&weights.share_of_greatest));
            }
        }
    }

    /// One log of 150 people with four observations each, whose rewards go together.
    fn drawn(rng: &mut ChaCha8Rng) -> Vec<Observation> {
        let mut rows = Vec::new();
        for person in 0..150 {
            let own = rng.random_range(-0.3..0.3);
            for _ in 0..4 {
                let second = rng.random_bool(0.3);
                let (propensity, evaluation) = if second { (0.3, 0.8) } else { (0.7, 0.2) };
                let rate: f64 = own + if second { 0.6 } else { 0.35 };
                let reward = f64::from(u8::from(rng.random_bool(rate)));
                rows.push(Observation::new(reward, propensity, evaluation).unwrap().of(person));
            }
        }
        rows
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() {
        let value = 0.8 * 0.6 + 0.2 * 0.35;
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut covering = [0; 2];
        for _ in 0..1_000 {
            let found = all(&drawn(&mut rng));
            let covers = |estimate: Result<Estimate, Inestimable>| estimate.unwrap().covers(value);
            covering[0] += u32::from(covers(found.horvitz_thompson(USUAL)));
            covering[1] += u32::from(covers(found.self_normalised(USUAL)));
        }
        // 95% of 1,000, give or take three standard errors.
        assert!(covering.iter().all(|covering| (929..=971).contains(covering)), "{covering:?}");
    }
}
