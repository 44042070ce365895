//! What one domain's ranking is worth: figures with intervals, beside
//! popularity, by evidence, and of the lists as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Catalogue, Measurements, Metrics, RankingCase, list_metrics, measure};
use crate::bootstrap::{Interval, mean_intervals};

/// The metrics that get intervals.
pub const MAIN_METRICS: [&str; 3] = ["ndcg@10", "ndcg@20", "recall@20"];

/// Where each evidence bucket begins, in interactions in the domain that were
/// known in training: none (the cold slice), 1 to 4, 5 to 19, 20 and more.
pub const EVIDENCE_FROM: [usize; 4] = [0, 1, 5, 20];

/// Seed of every bootstrap: the same measurements give the same intervals.
const BOOTSTRAP_SEED: u64 = 1;

/// Means by metric with their 95% bootstrap intervals over people.
pub type Intervals = BTreeMap<String, Interval>;

/// How well held-out interactions of one domain were ranked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DomainEvaluation {
    /// People with something held out.
    pub people: usize,
    /// The model, fitted without what was held out.
    pub metrics: Metrics,
    /// Popularity, counted without what was held out.
    pub popularity: Metrics,
    /// Intervals of the model's [`MAIN_METRICS`].
    pub intervals: Intervals,
    /// Model minus popularity, person by person, for the [`MAIN_METRICS`].
    pub lift: Intervals,
    /// The model's lists as a whole: see [`list_metrics`].
    pub lists: Metrics,
    /// Popularity's lists as a whole.
    pub popularity_lists: Metrics,
    /// The same people by how much was known of them in the domain; buckets
    /// without people are left out.
    pub buckets: Vec<BucketEvaluation>,
    /// The same figures when, instead of the newest events of all, the last
    /// item of each person is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_last_out: Option<Box<DomainEvaluation>>,
}

/// The people of one evidence bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BucketEvaluation {
    /// Fewest interactions known in the domain.
    pub from: usize,
    /// Most interactions known; absent in the last bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
    /// People in the bucket.
    pub people: usize,
    /// The model.
    pub metrics: Intervals,
    /// Model minus popularity.
    pub lift: Intervals,
}

impl DomainEvaluation {
    /// The people of whom nothing was known in the domain, if there are any.
    #[must_use]
    pub fn cold(&self) -> Option<&BucketEvaluation> {
        self.buckets.iter().find(|bucket| bucket.to == Some(0))
    }
}

/// Sums up what `model` and `popular` ranked, a list for each case.
#[must_use]
pub fn summarise(
    model: &[Vec<u32>],
    popular: &[Vec<u32>],
    cases: &[RankingCase],
    catalogue: Catalogue<'_>,
) -> DomainEvaluation {
    let (by_model, by_popularity) = (measure(model, cases), measure(popular, cases));
    let evidence: Vec<usize> =
        cases.iter().filter(|case| !case.relevant.is_empty()).map(|case| case.seen.len()).collect();
    let (intervals, lift) = intervals(&by_model, &by_popularity);
    DomainEvaluation {
        people: by_model.people(),
        metrics: by_model.means(),
        popularity: by_popularity.means(),
        intervals,
        lift,
        lists: list_metrics(model, catalogue),
        popularity_lists: list_metrics(popular, catalogue),
        buckets: buckets(&by_model, &by_popularity, &evidence),
        leave_last_out: None,
    }
}

fn buckets(
    model: &Measurements,
    popularity: &Measurements,
    evidence: &[usize],
) -> Vec<BucketEvaluation> {
    let bucket = |(at, &from): (usize, &usize)| {
        let to = EVIDENCE_FROM.get(at + 1).map(|next| next - 1);
        let is_in = |known: usize| known >= from && to.is_none_or(|to| known <= to);
        let people: Vec<usize> =
            (0..evidence.len()).filter(|person| is_in(evidence[*person])).collect();
        let (metrics, lift) = intervals(&model.select(&people), &popularity.select(&people));
        BucketEvaluation { from, to, people: people.len(), metrics, lift }
    };
    let all = EVIDENCE_FROM.iter().enumerate().map(bucket);
    all.filter(|bucket| bucket.people > 0).collect()
}

/// Intervals of the first and of its difference to the second.
fn intervals(model: &Measurements, popularity: &Measurements) -> (Intervals, Intervals) {
    let differences = MAIN_METRICS.map(|metric| -> Vec<f64> {
        let pairs = model.of(metric).iter().zip(popularity.of(metric));
        pairs.map(|(model, popularity)| model - popularity).collect()
    });
    let columns: Vec<&[f64]> = MAIN_METRICS
        .iter()
        .map(|metric| model.of(metric))
        .chain(differences.iter().map(Vec::as_slice))
        .collect();
    let all = mean_intervals(&columns, BOOTSTRAP_SEED).unwrap_or_default();
    let named = |intervals: &[Interval]| {
        MAIN_METRICS.iter().map(|name| (*name).to_owned()).zip(intervals.iter().copied()).collect()
    };
    let (of_model, of_difference) = all.split_at(all.len() / 2);
    (named(of_model), named(of_difference))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn evaluation() -> DomainEvaluation {
        // Everyone wants item 1; the model puts it first, popularity second.
        let cases: Vec<RankingCase> = [0, 0, 3, 7, 40]
            .into_iter()
            .map(|seen| RankingCase {
                person: 0,
                seen: (50..50 + seen).collect(),
                relevant: vec![1],
            })
            .collect();
        let factors = Array2::from_shape_fn((90, 2), |(i, j)| (i + j) as f32);
        let popularity = vec![0.5; 90];
        let catalogue = Catalogue { factors: factors.view(), popularity: &popularity, people: 10 };
        summarise(&vec![vec![1, 2]; 5], &vec![vec![0, 1]; 5], &cases, catalogue)
    }

    #[test]
    fn people_fall_into_buckets_by_what_is_known_of_them() {
        let evaluation = evaluation();
        let sizes: Vec<_> = evaluation.buckets.iter().map(|b| (b.from, b.to, b.people)).collect();
        assert_eq!(sizes, [(0, Some(0), 2), (1, Some(4), 1), (5, Some(19), 1), (20, None, 1)]);
        assert_eq!(evaluation.cold().map(|cold| cold.people), Some(2));
    }

    #[test]
    fn the_lift_is_the_paired_difference_to_popularity() {
        let evaluation = evaluation();
        let by_hand = 1.0 - 1.0 / 3f64.log2();
        let lift = evaluation.lift["ndcg@10"];
        assert!((lift.mean - by_hand).abs() < 1e-12 && (lift.low - by_hand).abs() < 1e-12);
        assert_eq!(evaluation.intervals["ndcg@20"].mean, evaluation.metrics["ndcg@20"]);
        assert!((evaluation.buckets[1].lift["ndcg@10"].mean - by_hand).abs() < 1e-12);
    }

    #[test]
    fn a_report_written_before_these_figures_still_reads() {
        let old = r#"{"people": 3, "metrics": {"ndcg@10": 0.5}, "popularity": {}}"#;
        let evaluation: DomainEvaluation = serde_json::from_str(old).unwrap();
        assert_eq!((evaluation.people, evaluation.buckets.len()), (3, 0));
    }
}
