//! Ranking metrics, person by person.
//!
//! NDCG uses binary relevance and an ideal list cut at k (Järvelin and
//! Kekäläinen 2002); recall divides by the number of relevant items.

use std::collections::BTreeMap;

use super::{CUTOFFS, Metrics};

/// Each measured person's metrics, in the order in which people were added.
/// People without a relevant item are not measured, so two measurements of the
/// same cases hold the same people in the same order and can be paired.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurements {
    people: usize,
    values: BTreeMap<String, Vec<f64>>,
}

impl Measurements {
    /// Adds one person's ranked list (best first, at least as long as the last
    /// cut-off where the catalogue allows) and relevant items (sorted).
    pub fn add(&mut self, ranked: &[u32], relevant: &[u32]) {
        if relevant.is_empty() {
            return;
        }
        self.people += 1;
        let is_hit = |item: &u32| relevant.binary_search(item).is_ok();
        for k in CUTOFFS {
            let list = &ranked[..ranked.len().min(k)];
            let hits: Vec<usize> = list
                .iter()
                .enumerate()
                .filter(|(_, item)| is_hit(item))
                .map(|(at, _)| at)
                .collect();
            let gain: f64 = hits.iter().map(|&at| discount(at)).sum();
            let ideal: f64 = (0..relevant.len().min(k)).map(discount).sum();
            self.put("ndcg", k, gain / ideal);
            self.put("recall", k, hits.len() as f64 / relevant.len() as f64);
            self.put("precision", k, hits.len() as f64 / k as f64);
            self.put("hit_rate", k, f64::from(u8::from(!hits.is_empty())));
            self.put("mrr", k, hits.first().map_or(0.0, |&at| 1.0 / (at + 1) as f64));
        }
    }

    fn put(&mut self, name: &str, k: usize, value: f64) {
        self.values.entry(format!("{name}@{k}")).or_default().push(value);
    }

    /// Appends the people measured elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.people += other.people;
        for (name, values) in other.values {
            self.values.entry(name).or_default().extend(values);
        }
    }

    /// The measurements of some of the people, by their position among the measured.
    #[must_use]
    pub fn select(&self, people: &[usize]) -> Self {
        let chosen = |values: &Vec<f64>| people.iter().map(|&at| values[at]).collect();
        let values = self.values.iter().map(|(name, values)| (name.clone(), chosen(values)));
        Self { people: people.len(), values: values.collect() }
    }

    /// How many people were measured.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people
    }

    /// Each person's value of a metric (`ndcg@20`); empty when nobody was measured.
    #[must_use]
    pub fn of(&self, metric: &str) -> &[f64] {
        self.values.get(metric).map_or(&[], Vec::as_slice)
    }

    /// The averages; empty when nobody was measured.
    #[must_use]
    pub fn means(&self) -> Metrics {
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / self.people as f64;
        self.values.iter().map(|(name, values)| (name.clone(), mean(values))).collect()
    }
}

fn discount(position: usize) -> f64 {
    1.0 / ((position + 2) as f64).log2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn metrics_of_a_small_list_are_as_by_hand() {
        let mut sums = Measurements::default();
        sums.add(&[5, 1, 7], &[1, 9]);
        let means = sums.means();
        let by_hand = (1.0 / 3f64.log2()) / (1.0 + 1.0 / 3f64.log2());
        assert!((means["ndcg@10"] - by_hand).abs() < 1e-12);
        assert!((means["recall@10"] - 0.5).abs() < 1e-12);
        assert!((means["precision@20"] - 0.05).abs() < 1e-12);
        assert!((means["mrr@10"] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_selection_keeps_the_values_of_those_selected() {
        let mut all = Measurements::default();
        all.add(&[1], &[1]);
        all.add(&[2], &[1]);
        let second = all.select(&[1]);
        assert_eq!((second.people(), second.of("hit_rate@10")), (1, &[0.0][..]));
        assert_eq!(all.select(&[0, 1]), all);
    }

    proptest! {
        #[test]
        fn a_perfect_list_scores_one_and_no_list_more(
            relevant in proptest::collection::btree_set(0u32..40, 1..15),
            list in Just((0u32..40).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let relevant: Vec<u32> = relevant.into_iter().collect();
            let mut perfect = Measurements::default();
            perfect.add(&relevant, &relevant);
            prop_assert!((perfect.means()["ndcg@20"] - 1.0).abs() < 1e-9);
            let mut any = Measurements::default();
            any.add(&list, &relevant);
            prop_assert!(any.means().values().all(|value| (0.0..=1.0 + 1e-9).contains(value)));
        }
    }
}
