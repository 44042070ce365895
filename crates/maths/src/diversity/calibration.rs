//! Lists whose categories have the shares that they have in a person's interests.

use super::choice::Choice;
use super::{Candidates, Room, TradeOff};
use crate::measure::categories::{normalised, smoothed};

/// Candidates with the categories they are of, and a person's interests in these.
#[derive(Debug, Clone, PartialEq)]
pub struct Categorised<'a> {
    candidates: Candidates<'a>,
    /// The share of each category in the person's interests.
    interests: Vec<f64>,
    /// Of each candidate the categories of interest that it has, with their shares in it.
    shares: Vec<Vec<(usize, f64)>>,
    /// Whether each has any category, of interest or not.
    has_category: Vec<bool>,
}

/// Why categories cannot be calibrated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableCategories {
    /// The weights are not one for each candidate and category.
    #[error(
        "{found} weights are not one for each of {candidates} candidates and {categories} categories"
    )]
    Shape {
        /// Candidates there are.
        candidates: usize,
        /// Categories there are interests in.
        categories: usize,
        /// Weights there are.
        found: usize,
    },
    /// An interest is below 0 or not finite.
    #[error("the interest in category {category} is not finite, or below 0")]
    Interest {
        /// The category.
        category: usize,
    },
    /// A weight is below 0 or not finite.
    #[error("the weight of category {category} in candidate {candidate} is not finite, or below 0")]
    Weight {
        /// The candidate.
        candidate: usize,
        /// The category.
        category: usize,
    },
}

impl<'a> Categorised<'a> {
    /// Candidates, their weights of categories (candidates x categories, row after row), and the
    /// interest in each category; weights and interests are finite, 0 or more, and matter by
    /// their shares of a row alone. A candidate without categories speaks neither for nor
    /// against a list.
    ///
    /// # Errors
    /// [`UnusableCategories`] for the first thing that is not as said.
    pub fn new(
        candidates: Candidates<'a>,
        weights: &[f32],
        interests: &[f32],
    ) -> Result<Self, UnusableCategories> {
        use UnusableCategories::{Interest, Shape, Weight};
        let (count, categories) = (candidates.len(), interests.len());
        if count.checked_mul(categories) != Some(weights.len()) {
            return Err(Shape { candidates: count, categories, found: weights.len() });
        }
        let is_unusable = |weight: &f32| !(weight.is_finite() && *weight >= 0.0);
        if let Some(category) = interests.iter().position(is_unusable) {
            return Err(Interest { category });
        }
        if let Some(at) = weights.iter().position(is_unusable) {
            return Err(Weight { candidate: at / categories, category: at % categories });
        }
        let interests = normalised(interests);
        let row = |at: usize| &weights[at * categories..(at + 1) * categories];
        let of_interest = |at: usize| {
            let shares = normalised(row(at)).into_iter().enumerate();
            shares.filter(|(category, share)| *share > 0.0 && interests[*category] > 0.0).collect()
        };
        let shares = (0..count).map(of_interest).collect();
        let has_category = (0..count).map(|at| row(at).iter().any(|one| *one > 0.0)).collect();
        Ok(Self { candidates, interests, shares, has_category })
    }
}

/// The best `k` that are relevant and, together, of the categories that the person is
/// interested in (Steck, "Calibrated Recommendations", RecSys 2018, equation 6): greedily, each
/// time the candidate with which `(1 - lambda) sum relevance - lambda KL(p || q)` is greatest,
/// `p` the interests' shares and `q` those of the list, smoothed and as far from them as
/// [`CategoryShares::divergence_from`](crate::measure::CategoryShares::divergence_from) says.
/// The trade-off is `lambda`, the weight of the interests: 0, or no interests at all, is the
/// order of relevance.
///
/// Time: a logarithm for each choice, candidate, and category of interest that it has.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::diversity::{Candidates, Categorised, TradeOff, calibrated};
///
/// let candidates = Candidates::of_relevance(&[0.9, 0.8, 0.7, 0.6])?;
/// let weights = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
/// let evenly = Categorised::new(candidates, &weights, &[1.0, 1.0])?;
/// assert_eq!(calibrated(&evenly, TradeOff::new(0.5)?, 2), [0, 3]);
/// assert_eq!(calibrated(&evenly, TradeOff::new(0.0)?, 2), [0, 1]);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn calibrated(categorised: &Categorised<'_>, of_interests: TradeOff, k: usize) -> Vec<u32> {
    calibrated_within((categorised, Room::default()), of_interests, k)
}

/// The same of which there may be only so many of a group, as long as anything else is left: each
/// choice is the best of those that fit, and what does not has no part in any.
#[must_use]
pub fn calibrated_within(
    (categorised, room): (&Categorised<'_>, Room),
    of_interests: TradeOff,
    k: usize,
) -> Vec<u32> {
    let (of_interests, of_relevance) = of_interests.parts();
    let relevance = categorised.candidates.relevance();
    let mut choice = Choice::within(categorised.candidates, room, k);
    let mut listed = Listed {
        categorised,
        sums: vec![0.0; categorised.interests.len()],
        count: 0.0,
        logarithms: Vec::new(),
    };
    while !choice.is_complete() {
        let divergences = listed.divergences();
        // What the relevance of the list sums up to already is the same for all.
        let Some(best) = choice.best(|at| {
            let divergence = listed.divergence_with(at, divergences);
            Some(of_relevance * f64::from(relevance[at]) - of_interests * divergence)
        }) else {
            break;
        };
        choice.take(best);
        listed.add(best);
    }
    choice.completed()
}

/// The categories of a list.
struct Listed<'a> {
    categorised: &'a Categorised<'a>,
    /// Of each category, the shares that the listed have of it.
    sums: Vec<f64>,
    /// How many of the listed have categories.
    count: f64,
    /// The logarithm of each category's smoothed share when one more that has categories, and
    /// not this, is listed.
    logarithms: Vec<f64>,
}

/// How far a list is from the interests when one more is listed.
#[derive(Clone, Copy)]
struct Divergences {
    /// That has no category.
    without_category: f64,
    /// That has categories of no interest.
    of_no_interest: f64,
}

impl Listed<'_> {
    /// What is the same for all candidates: only their own categories are to be looked at.
    fn divergences(&mut self) -> Divergences {
        let interests = &self.categorised.interests;
        let logarithm = |(p, sum): (&f64, &f64), count: f64| {
            if *p > 0.0 { smoothed(sum / count, *p).ln() } else { 0.0 }
        };
        // Without any that has categories the sums are zero, whatever they are divided by.
        let counts = (self.count.max(1.0), self.count + 1.0);
        let places = || interests.iter().zip(&self.sums);
        self.logarithms = places().map(|place| logarithm(place, counts.1)).collect();
        let part = |p: &f64, logarithm: f64| if *p > 0.0 { p * (p.ln() - logarithm) } else { 0.0 };
        let without = places().map(|place| part(place.0, logarithm(place, counts.0))).sum();
        let no_interest = interests.iter().zip(&self.logarithms).map(|(p, one)| part(p, *one));
        Divergences { without_category: without, of_no_interest: no_interest.sum() }
    }

    fn divergence_with(&self, candidate: usize, divergences: Divergences) -> f64 {
        if !self.categorised.has_category[candidate] {
            return divergences.without_category;
        }
        let gain = |(category, share): &(usize, f64)| {
            let p = self.categorised.interests[*category];
            let sum = self.sums[*category] + share;
            p * (smoothed(sum / (self.count + 1.0), p).ln() - self.logarithms[*category])
        };
        let gains = self.categorised.shares[candidate].iter().map(gain);
        divergences.of_no_interest - gains.sum::<f64>()
    }

    fn add(&mut self, candidate: usize) {
        for (category, share) in &self.categorised.shares[candidate] {
            self.sums[*category] += share;
        }
        self.count += f64::from(u8::from(self.categorised.has_category[candidate]));
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::measure::CategoryShares;
    use crate::rank::top_k;

    #[test]
    fn a_list_of_equally_relevant_has_the_shares_of_the_interests() {
        let relevance = [0.5; 40];
        let candidates = Candidates::of_relevance(&relevance).unwrap();
        let weights: Vec<f32> = (0..80).map(|at| f32::from((at % 2 == 0) == (at < 40))).collect();
        let seven_of_ten = Categorised::new(candidates, &weights, &[7.0, 3.0]).unwrap();
        let list = calibrated(&seven_of_ten, TradeOff::new(0.5).unwrap(), 10);
        let weights = Array2::from_shape_vec((40, 2), weights).unwrap();
        assert_eq!(CategoryShares::of(&list, weights.view()).shares(), [0.7, 0.3]);
    }

    #[test]
    fn what_cannot_be_calibrated_by_is_refused() {
        use UnusableCategories::{Interest, Shape, Weight};
        let candidates = Candidates::of_relevance(&[0.5, 0.4]).unwrap();
        let refused = |weights: &[f32], interests: &[f32]| {
            Categorised::new(candidates, weights, interests).unwrap_err()
        };
        let shape = Shape { candidates: 2, categories: 2, found: 3 };
        assert_eq!(refused(&[0.0; 3], &[1.0; 2]), shape);
        assert_eq!(refused(&[0.0; 4], &[1.0, f32::NAN]), Interest { category: 1 });
        let weight = Weight { candidate: 1, category: 0 };
        assert_eq!(refused(&[0.0, 0.0, -1.0, 0.0], &[1.0; 2]), weight);
        assert_eq!(refused(&[0.0, 0.0, f32::INFINITY, 0.0], &[1.0; 2]), weight);
        assert!(Categorised::new(candidates, &[], &[]).is_ok());
    }

    prop_compose! {
        /// Relevance, weights of three categories, and interests in them.
        fn people()(count in 0usize..12)(
            relevance in proptest::collection::vec(0.0f32..=1.0, count),
            weights in proptest::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..3.0, Just(f32::MAX)], count * 3),
            interests in proptest::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..3.0, Just(f32::MAX)], 3),
        ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
            (relevance, weights, interests)
        }
    }

    proptest! {
        #[test]
        fn each_choice_is_the_best_by_divergences_computed_anew(
            (relevance, weights, interests) in people(), lambda in 0.0f32..=1.0, k in 0usize..14,
        ) {
            let candidates = Candidates::of_relevance(&relevance).unwrap();
            let categorised = Categorised::new(candidates, &weights, &interests).unwrap();
            let list = calibrated(&categorised, TradeOff::new(lambda).unwrap(), k);
            prop_assert_eq!(list.len(), k.min(relevance.len()));
            let weights = Array2::from_shape_vec((relevance.len(), 3), weights).unwrap();
            for at in 0..list.len() {
                let gain = |one: u32| {
                    let set: Vec<u32> = list[..at].iter().copied().chain([one]).collect();
                    let shares = CategoryShares::of(&set, weights.view());
                    let (of_interests, of_relevance) = (f64::from(lambda), 1.0 - f64::from(lambda));
                    of_relevance * f64::from(relevance[one as usize])
                        - of_interests * shares.divergence_from(&interests)
                };
                let left = (0..relevance.len() as u32).filter(|one| !list[..at].contains(one));
                let best = left.map(gain).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(gain(list[at]) >= best - 1e-9, "{:?} at {}", list, at);
            }
        }

        #[test]
        fn without_weight_or_interests_the_order_is_that_of_relevance(
            (relevance, weights, interests) in people(), lambda in 0.0f32..=1.0,
        ) {
            let candidates = Candidates::of_relevance(&relevance).unwrap();
            let by_relevance = top_k(&relevance, 8);
            let categorised = Categorised::new(candidates, &weights, &interests).unwrap();
            prop_assert_eq!(&calibrated(&categorised, TradeOff::new(0.0).unwrap(), 8), &by_relevance);
            let categorised = Categorised::new(candidates, &weights, &[0.0; 3]).unwrap();
            let list = calibrated(&categorised, TradeOff::new(lambda.min(0.9)).unwrap(), 8);
            prop_assert_eq!(list, by_relevance);
        }

        #[test]
        fn another_order_of_candidates_gives_the_same_list(
            (_, weights, interests) in people(), lambda in 0.0f32..=1.0, seed in any::<u64>(),
        ) {
            let count = weights.len() / 3;
            // Distinct, in some order.
            let relevance: Vec<f32> = (0..count).map(|at| (at * 5 % 13) as f32 / 13.0).collect();
            let by = if count > 0 { seed as usize % count } else { 0 };
            let order: Vec<usize> = (0..count).map(|at| (at + by) % count).rev().collect();
            let other: Vec<f32> = order.iter().map(|at| relevance[*at]).collect();
            let row = |at: &usize| weights[at * 3..at * 3 + 3].iter().copied();
            let other_weights: Vec<f32> = order.iter().flat_map(row).collect();
            let list = |relevance: &[f32], weights: &[f32]| {
                let candidates = Candidates::of_relevance(relevance).unwrap();
                let categorised = Categorised::new(candidates, weights, &interests).unwrap();
                calibrated(&categorised, TradeOff::new(lambda).unwrap(), 6)
            };
            let there: Vec<u32> =
                list(&other, &other_weights).iter().map(|at| order[*at as usize] as u32).collect();
            prop_assert_eq!(there, list(&relevance, &weights));
        }
    }
}
