//! What a list is about: the shares of its categories, how evenly they are spread, and how far
//! they are from a person's interests.

use ndarray::ArrayView2;

/// How much of a person's interests is mixed into a list's categories before the two are
/// compared, so that a category that is not listed costs much and not without end (Steck,
/// "Calibrated Recommendations", RecSys 2018, section 3, which has 0.01 too).
pub const SMOOTHING: f64 = 0.01;

/// The shares of categories in a list; they sum up to 1, or are all 0 where nothing of the list
/// has a category.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoryShares(Vec<f64>);

impl CategoryShares {
    /// The categories of a list's items, by their weights (items x categories, 0 or more; what is
    /// less or not finite counts as 0). Each item that has categories counts as one, divided
    /// among them (Steck 2018, equation 3, with equal weights of ranks).
    ///
    /// # Panics
    /// When an item of the list has no row in `weights`.
    ///
    /// ```
    /// use crossfold_maths::measure::CategoryShares;
    /// use ndarray::array;
    ///
    /// let weights = array![[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]];
    /// let shares = CategoryShares::of(&[0, 1, 2], weights.view());
    /// assert_eq!(shares.shares(), [0.75, 0.25]);
    /// assert_eq!(shares.covered(), 2);
    /// assert!(shares.divergence_from(&[3.0, 1.0]).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn of(list: &[u32], weights: ArrayView2<'_, f32>) -> Self {
        let mut sums = vec![0.0; weights.ncols()];
        for &item in list {
            let row = normalised(weights.row(item as usize));
            sums.iter_mut().zip(row).for_each(|(sum, share)| *sum += share);
        }
        let all: f64 = sums.iter().sum();
        sums.iter_mut().for_each(|sum| *sum = if all > 0.0 { *sum / all } else { 0.0 });
        Self(sums)
    }

    /// The share of each category, 0 to 1.
    #[must_use]
    pub fn shares(&self) -> &[f64] {
        &self.0
    }

    /// How many categories there are any of.
    #[must_use]
    pub fn covered(&self) -> usize {
        self.0.iter().filter(|share| **share > 0.0).count()
    }

    /// Shannon's entropy `-sum p log2 p`, in bits ("A Mathematical Theory of Communication",
    /// 1948, section 6): 0 for one category, and the `log2` of their number when all are equal.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        let parts = self.0.iter().filter(|share| **share > 0.0).map(|share| share * share.log2());
        (-parts.sum::<f64>()).max(0.0)
    }

    /// How far the list is from a person's interests, a weight of each category (0 or more, what
    /// is less or not finite counts as 0): the Kullback-Leibler divergence `sum p ln(p / q)` of
    /// the interests' shares `p` from the list's, of which [`SMOOTHING`] is mixed in (Steck 2018,
    /// equations 4 and 5). From 0, for the same shares, to `-ln(SMOOTHING)`, when nothing of
    /// interest is listed; 0 without interests.
    ///
    /// # Panics
    /// When there are not as many interests as categories.
    #[must_use]
    pub fn divergence_from(&self, interests: &[f32]) -> f64 {
        assert_eq!(interests.len(), self.0.len(), "an interest for each category");
        let part = |(p, share): (f64, &f64)| {
            if p > 0.0 { p * (p / smoothed(*share, p)).ln() } else { 0.0 }
        };
        let sum: f64 = normalised(interests).into_iter().zip(&self.0).map(part).sum();
        sum.max(0.0)
    }
}

/// The share of a category in a list, with a little of its share in the interests.
pub(crate) fn smoothed(share: f64, interest: f64) -> f64 {
    (1.0 - SMOOTHING) * share + SMOOTHING * interest
}

/// Weights as shares of their sum; zeros where they have none.
pub(crate) fn normalised<'a>(weights: impl IntoIterator<Item = &'a f32>) -> Vec<f64> {
    let usable = |weight: &f32| if weight.is_finite() { f64::from(weight.max(0.0)) } else { 0.0 };
    let mut shares: Vec<f64> = weights.into_iter().map(usable).collect();
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_of_small_lists_are_as_by_hand() {
        let weights = array![[4.0, 0.0], [0.0, 1.0], [f32::NAN, -1.0]];
        let even = CategoryShares::of(&[0, 1, 2], weights.view());
        assert_eq!((even.shares(), even.covered(), even.entropy()), (&[0.5, 0.5][..], 2, 1.0));
        let one = CategoryShares::of(&[0], weights.view());
        assert_eq!((one.covered(), one.entropy()), (1, 0.0));
        // .5 ln(.5 / (.99 + .005)) + .5 ln(.5 / .005)
        let by_hand = 0.5 * (0.5f64 / 0.995).ln() + 0.5 * 100f64.ln();
        assert!((one.divergence_from(&[2.0, 2.0]) - by_hand).abs() < 1e-12);
        assert_eq!(one.divergence_from(&[0.0, 0.0]), 0.0);
        for nothing in
            [CategoryShares::of(&[2], weights.view()), CategoryShares::of(&[], weights.view())]
        {
            assert_eq!((nothing.covered(), nothing.entropy()), (0, 0.0));
            assert!((nothing.divergence_from(&[3.0, 1.0]) - 100f64.ln()).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn figures_stay_in_their_ranges(
            weights in proptest::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..1e38], 24),
            interests in proptest::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..1e38], 4),
            list in proptest::collection::vec(0u32..6, 0..8),
        ) {
            let weights = Array2::from_shape_vec((6, 4), weights).unwrap();
            let shares = CategoryShares::of(&list, weights.view());
            prop_assert!(shares.entropy() <= (shares.covered().max(1) as f64).log2() + 1e-9);
            let divergence = shares.divergence_from(&interests);
            prop_assert!((0.0..=-SMOOTHING.ln() + 1e-9).contains(&divergence), "{}", divergence);
        }
    }
}
