//! How many topics documents carry.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{TopicOptions, TopicParams, UnusableDocuments, coherence, completion_perplexity, fit};
use crate::sparse::SparseRows;

/// One document of so many is kept aside.
const ASIDE: usize = 5;
/// Perplexities that differ by no more than this share are equal.
const INDIFFERENCE: f64 = 0.02;

/// A number of topics, tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TriedTopics {
    /// The number.
    pub topics: usize,
    /// Perplexity of the second half of documents kept aside, given the first; none where no
    /// document has two words.
    pub perplexity: Option<f64>,
    /// Mean coherence of the topics, -1 to 1.
    pub coherence: f64,
}

/// A number of topics, and what was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberOfTopics {
    /// The number.
    pub topics: usize,
    /// All that were tried, as they were given.
    pub tried: Vec<TriedTopics>,
}

/// Chooses among numbers of topics (which count as 1 below 1): of those that foretell words
/// of documents kept aside within 2% of the best, the one whose topics are the most coherent.
///
/// # Errors
/// [`UnusableDocuments`] as of [`fit`].
pub fn choose(
    documents: &SparseRows,
    candidates: &[usize],
    params: &TopicParams,
) -> Result<NumberOfTopics, UnusableDocuments> {
    let options = params.options();
    let mut order: Vec<usize> = (0..documents.rows()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
    let (aside, kept) = order.split_at(order.len() / ASIDE);
    let picked = |rows: &[usize]| {
        let row = |row: &usize| {
            let (words, counts) = documents.row(*row);
            words.iter().copied().zip(counts.iter().copied()).collect()
        };
        SparseRows::from_rows(documents.columns(), rows.iter().map(row))
    };
    let (aside, kept) = (picked(aside), picked(kept));
    let mut tried = Vec::with_capacity(candidates.len());
    for &topics in candidates {
        let checked = TopicOptions { topics: topics.clamp(1, super::MOST_TOPICS), ..*options };
        let model = fit(&kept, &TopicParams(checked))?;
        let coherences = coherence(&model, &kept);
        tried.push(TriedTopics {
            topics: checked.topics,
            perplexity: completion_perplexity(&model, &aside, options.seed)?,
            coherence: coherences.iter().sum::<f64>() / coherences.len() as f64,
        });
    }
    let perplexity = |tried: &TriedTopics| tried.perplexity.unwrap_or(f64::INFINITY);
    let least = tried.iter().map(perplexity).fold(f64::INFINITY, f64::min);
    let as_good = tried.iter().filter(|t| perplexity(t) <= least * (1.0 + INDIFFERENCE));
    let best = as_good.max_by(|a, b| a.coherence.total_cmp(&b.coherence));
    let topics = best.map_or(options.topics, |tried| tried.topics);
    Ok(NumberOfTopics { topics, tried })
}
