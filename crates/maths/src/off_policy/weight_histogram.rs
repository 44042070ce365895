//! How much of all weight the greatest weights have, in bounded memory.

use std::collections::BTreeMap;

/// Weights of a bucket differ by at most this factor.
const GROWTH: f64 = 1.01;
/// Weights below this share a bucket: they are never among what counts.
const SMALLEST: f64 = 1e-12;

/// Weights in buckets of geometric bounds, each with its count and sum (as DDSketch: Masson,
/// Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
/// guarantees", 2019). At most some 17,000 buckets for weights up to 1e60.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct WeightHistogram(BTreeMap<i32, (u64, f64)>);

impl WeightHistogram {
    pub(super) fn add(&mut self, weight: f64) {
        let bucket = (weight.max(SMALLEST).ln() / GROWTH.ln()).floor() as i32;
        self.add_bucket(bucket, (1, weight));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, sums)| self.add_bucket(*bucket, *sums));
    }

    fn add_bucket(&mut self, bucket: i32, (count, sum): (u64, f64)) {
        let own = self.0.entry(bucket).or_insert((0, 0.0));
        *own = (own.0 + count, own.1 + sum);
    }

    /// The share of all weight that the greatest `share` (0 to 1) of the weights have, rounded
    /// up to whole weights. Exact but for the last bucket, of which only a part is taken: that
    /// part is within 1%. `None` without weight.
    pub(super) fn weight_of_greatest(&self, share: f64) -> Option<f64> {
        let count: u64 = self.0.values().map(|(count, _)| count).sum();
        let total: f64 = self.0.values().map(|(_, sum)| sum).sum();
        if total <= 0.0 {
            return None;
        }
        let mut left = (count as f64 * share).ceil() as u64;
        let mut taken = 0.0;
        for (count, sum) in self.0.values().rev() {
            let some = left.min(*count);
            taken += sum * some as f64 / *count as f64;
            left -= some;
            if left == 0 {
                break;
            }
        }
        Some((taken / total).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_share_is_that_of_sorted_weights(
            mut weights in proptest::collection::vec(0.0f64..50.0, 1..300), part in 0.0f64..1.0,
        ) {
            let (mut one, mut other) = (WeightHistogram::default(), WeightHistogram::default());
            for (at, weight) in weights.iter().enumerate() {
                if at % 3 == 0 { one.add(*weight) } else { other.add(*weight) }
            }
            one.merge(&other);
            weights.sort_by(|a, b| b.total_cmp(a));
            let most = (weights.len() as f64 * part).ceil() as usize;
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 1e-9);
            let exact = weights[..most].iter().sum::<f64>() / total;
            let found = one.weight_of_greatest(part).unwrap();
            prop_assert!((found - exact).abs() <= 0.011 * exact + 1e-12, "{found} {exact}");
        }
    }

    #[test]
    fn nothing_has_no_share() {
        let mut histogram = WeightHistogram::default();
        assert_eq!(histogram.weight_of_greatest(0.01), None);
        histogram.add(0.0);
        assert_eq!(histogram.weight_of_greatest(0.01), None);
    }
}
