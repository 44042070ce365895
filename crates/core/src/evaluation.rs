//! Offline evaluation by full ranking: every item of the catalogue competes.
//!
//! NDCG uses binary relevance and an ideal list cut at k (Järvelin and
//! Kekäläinen 2002); recall divides by the number of relevant items. Sampled
//! metrics are not offered: they can invert an order (Krichene and Rendle 2020).

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use crate::rank::top_k;

/// The lengths of list at which metrics are taken.
pub const CUTOFFS: [usize; 2] = [10, 20];

/// Metrics by name (`ndcg@20`), averaged over people with a relevant item.
pub type Metrics = BTreeMap<String, f64>;

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

/// One person to evaluate.
#[derive(Debug, Clone, Default)]
pub struct RankingCase {
    /// Row of the scoring vector.
    pub row: usize,
    /// Items that must not be ranked (seen in training), sorted.
    pub seen: Vec<u32>,
    /// Items that should be ranked high, sorted.
    pub relevant: Vec<u32>,
}

/// People scored at a time: one matrix product for each block.
const BLOCK: usize = 64;

/// Ranks every item for every case by `people[case.row] . items` and measures.
#[must_use]
pub fn evaluate_factors(
    people: ArrayView2<'_, f32>,
    items: ArrayView2<'_, f32>,
    cases: &[RankingCase],
) -> Measurements {
    let longest = CUTOFFS.into_iter().max().unwrap_or(0);
    let blocks: Vec<Measurements> = cases
        .par_chunks(BLOCK)
        .map(|block| {
            let mut vectors = Array2::zeros((block.len(), people.ncols()));
            for (at, case) in block.iter().enumerate() {
                vectors.slice_mut(s![at, ..]).assign(&people.row(case.row));
            }
            let scores = vectors.dot(&items.t());
            let mut sums = Measurements::default();
            for (case, row) in block.iter().zip(scores.rows()) {
                let mut row = row.to_vec();
                case.seen.iter().for_each(|&item| row[item as usize] = f32::NEG_INFINITY);
                sums.add(&top_k(&row, longest), &case.relevant);
            }
            sums
        })
        .collect();
    blocks.into_iter().fold(Measurements::default(), |mut all, block| {
        all.merge(block);
        all
    })
}

/// Ranks every item for every case by one score for all people (popularity).
#[must_use]
pub fn evaluate_common_scores(scores: &[f32], cases: &[RankingCase]) -> Measurements {
    let longest = CUTOFFS.into_iter().max().unwrap_or(0);
    let most_seen = cases.iter().map(|case| case.seen.len()).max().unwrap_or(0);
    let order = top_k(scores, longest + most_seen);
    let mut sums = Measurements::default();
    for case in cases {
        let unseen = order.iter().filter(|item| case.seen.binary_search(item).is_err());
        let ranked: Vec<u32> = unseen.copied().take(longest).collect();
        sums.add(&ranked, &case.relevant);
    }
    sums
}

#[cfg(test)]
mod tests {
    use ndarray::array;
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
    fn seen_items_are_not_ranked_and_people_without_relevant_items_do_not_count() {
        let items = array![[3.0], [2.0], [1.0]];
        let people = array![[1.0], [1.0]];
        let cases = [
            RankingCase { row: 0, seen: vec![0], relevant: vec![1] },
            RankingCase { row: 1, seen: vec![], relevant: vec![] },
        ];
        let sums = evaluate_factors(people.view(), items.view(), &cases);
        assert_eq!(sums.people(), 1);
        assert_eq!(sums.means()["ndcg@10"], 1.0);
        assert_eq!(evaluate_common_scores(&[3.0, 2.0, 1.0], &cases), sums);
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
