//! How many topics documents carry.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Halves, MOST_TOPICS, TopicOptions, TopicParams, UnusableDocuments, coherence, fit};
use crate::sparse::SparseRows;

/// One document of so many is kept aside at a time.
const FOLDS: usize = 5;
/// So many documents judge, where there are as many: folds are added until they do.
const JUDGES: usize = 300;
/// A number of topics is worse than the best only beyond so many standard errors of their
/// difference: by chance in one case of twenty.
const BEYOND_CHANCE: f64 = 1.645;

/// A number of topics, tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TriedTopics {
    /// The number.
    pub topics: usize,
    /// Perplexity of the asked halves of documents kept aside, given the others; none where
    /// no document has both.
    pub perplexity: Option<f64>,
    /// By how much the mean logarithm of a word's chance is below that of the best number, 0
    /// or more; none where no document has both halves.
    #[serde(default)]
    pub behind: Option<f64>,
    /// Standard error of that difference, document by document.
    #[serde(default)]
    pub error: Option<f64>,
    /// Mean coherence of the topics, -1 to 1.
    pub coherence: f64,
}

/// A number of topics, and what was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberOfTopics {
    /// The number.
    pub topics: usize,
    /// All that were tried, ascending.
    pub tried: Vec<TriedTopics>,
}

/// Chooses among numbers of topics (which count as 1 below 1): the smallest of those whose
/// topics foretell one half of documents kept aside, given the other half, not surely worse
/// than the best (the rule of one standard error, Breiman and others, "Classification and
/// Regression Trees", 1984, section 3.4.3, with the error of the difference, document by
/// document, and 1.645 of it). Some 300 documents or more judge, in up to five folds.
///
/// `halves` are of the same documents, in the same order.
///
/// # Errors
/// [`UnusableDocuments`] as of [`fit`], and where the halves are of other documents.
pub fn choose(
    (documents, halves): (&SparseRows, &Halves),
    candidates: &[usize],
    params: &TopicParams,
) -> Result<NumberOfTopics, UnusableDocuments> {
    if halves.documents() != documents.rows() {
        return Err(UnusableDocuments::Halves);
    }
    halves.check()?;
    let options = params.options();
    let folds = Folds::drawn(documents, options.seed);
    let mut candidates: Vec<usize> =
        candidates.iter().map(|topics| (*topics).clamp(1, MOST_TOPICS)).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let judged = candidates.into_iter().map(|topics| {
        let checked = TopicParams(TopicOptions { topics, ..*options });
        folds.judge(halves, &checked)
    });
    let judged = judged.collect::<Result<Vec<Judged>, _>>()?;
    let tried = compared(&judged);
    let is_as_good = |tried: &&TriedTopics| match (tried.behind, tried.error) {
        (Some(behind), Some(error)) => behind <= BEYOND_CHANCE * error,
        _ => false,
    };
    // Where nothing could be judged, nothing tells of more than one.
    let topics = tried.iter().find(is_as_good).map_or(1, |tried| tried.topics);
    Ok(NumberOfTopics { topics, tried })
}

/// What the documents kept aside make of a number of topics.
struct Judged {
    topics: usize,
    /// Of each document: the logarithm of its asked words' chance, and their number.
    likelihoods: Vec<(f64, f64)>,
    coherence: f64,
}

impl Judged {
    fn words(&self) -> f64 {
        self.likelihoods.iter().map(|(_, words)| words).sum()
    }

    /// Mean logarithm of a word's chance; none without words.
    fn mean(&self) -> Option<f64> {
        let logs: f64 = self.likelihoods.iter().map(|(log, _)| log).sum();
        (self.words() > 0.0).then(|| logs / self.words())
    }
}

/// Documents kept aside in turn, and the others.
struct Folds(Vec<(Vec<u32>, SparseRows)>);

impl Folds {
    fn drawn(documents: &SparseRows, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..documents.rows() as u32).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let of_a_fold = order.len().div_ceil(FOLDS).max(1);
        let count = JUDGES.div_ceil(of_a_fold).clamp(1, FOLDS);
        let row = |row: u32| -> Vec<(u32, f32)> {
            let (words, counts) = documents.row(row as usize);
            words.iter().copied().zip(counts.iter().copied()).collect()
        };
        let fold = |(number, aside): (usize, &[u32])| {
            let others = order.chunks(of_a_fold).enumerate();
            let kept = others.filter(|(other, _)| *other != number).flat_map(|(_, rows)| rows);
            let kept = SparseRows::from_rows(documents.columns(), kept.map(|kept| row(*kept)));
            (aside.to_vec(), kept)
        };
        Self(order.chunks(of_a_fold).take(count).enumerate().map(fold).collect())
    }

    fn judge(&self, halves: &Halves, params: &TopicParams) -> Result<Judged, UnusableDocuments> {
        let (mut likelihoods, mut coherences) = (Vec::new(), Vec::new());
        for (aside, kept) in &self.0 {
            let model = fit(kept, params)?;
            coherences.extend(coherence(&model, kept));
            let of_fold: Vec<(f64, f64)> = aside
                .par_iter()
                .map(|document| halves.likelihood(&model, *document as usize))
                .collect();
            likelihoods.extend(of_fold);
        }
        let coherence = coherences.iter().sum::<f64>() / coherences.len().max(1) as f64;
        Ok(Judged { topics: params.options().topics, likelihoods, coherence })
    }
}

/// Each number of topics beside the best.
fn compared(judged: &[Judged]) -> Vec<TriedTopics> {
    let mean = |judged: &Judged| judged.mean().unwrap_or(f64::NEG_INFINITY);
    // The first of equals: the smallest.
    let best = judged.iter().rev().max_by(|a, b| mean(a).total_cmp(&mean(b)));
    let behind = |of: &Judged| Some(best?.mean()? - of.mean()?);
    let error = |of: &Judged| {
        let (best, words) = (best?, of.words());
        let behind = behind(of)?;
        let squares: f64 = best
            .likelihoods
            .iter()
            .zip(&of.likelihoods)
            .map(|(best, of)| (best.0 - of.0 - behind * of.1).powi(2))
            .sum();
        Some(squares.sqrt() / words)
    };
    let tried = |of: &Judged| TriedTopics {
        topics: of.topics,
        perplexity: of.mean().map(|mean| (-mean).exp()),
        behind: behind(of),
        error: error(of),
        coherence: of.coherence,
    };
    judged.iter().map(tried).collect()
}
