//! How surprised topics are by documents.

use pulp::Arch;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::expectation::{Words, padded, settle};
use super::special::{digamma, ln_gamma};
use super::{TopicModel, UnusableDocuments, check_counts};
use crate::sparse::SparseRows;

/// `exp(-bound / words)`, with the variational bound of the documents' likelihood given
/// the topics' distributions (Hoffman, Blei, Bach 2010, equations 3 and 4), as scikit-learn's
/// `LatentDirichletAllocation.perplexity` has it: what the topics themselves cost is in the
/// bound once. `None` where no document has a word.
///
/// # Errors
/// [`UnusableDocuments`] where a count is none.
pub fn perplexity(
    topics: &TopicModel,
    documents: &SparseRows,
) -> Result<Option<f64>, UnusableDocuments> {
    check_counts(documents)?;
    let of_totals: Vec<f64> = topics.totals.iter().map(|total| digamma(*total)).collect();
    let bounds: Vec<(f64, f64)> = (0..documents.rows())
        .into_par_iter()
        .map(|document| document_bound(topics, &of_totals, documents.row(document)))
        .collect();
    let words: f64 = bounds.iter().map(|(_, words)| words).sum();
    if words == 0.0 {
        return Ok(None);
    }
    let of_documents: f64 = bounds.iter().map(|(bound, _)| bound).sum();
    let bound = of_documents + topics_bound(topics, &of_totals);
    Ok(Some((-bound / words).exp()))
}

/// The bound of a document, and its words.
fn document_bound(
    topics: &TopicModel,
    of_totals: &[f64],
    (words, counts): (&[u32], &[f32]),
) -> (f64, f64) {
    let known: Vec<(u32, f32)> = words
        .iter()
        .copied()
        .zip(counts.iter().copied())
        .filter(|(word, _)| (*word as usize) < topics.words())
        .collect();
    let parameters = parameters_of(topics, &known);
    let total: f64 = parameters.iter().sum();
    let of_total = digamma(total);
    let expected: Vec<f64> = parameters.iter().map(|p| digamma(*p) - of_total).collect();
    let mut bound = 0.0;
    for (word, count) in &known {
        let weights = topics.weights.row(*word as usize);
        let logs =
            weights.iter().zip(of_totals).zip(&expected).map(|((weight, of_total), of_topic)| {
                digamma(f64::from(*weight)) - of_total + of_topic
            });
        bound += f64::from(*count) * log_of_summed_exponentials(&logs.collect::<Vec<f64>>());
    }
    let prior = topics.priors.document;
    bound += of_dirichlet(prior, parameters.iter().copied().zip(expected), total);
    (bound, known.iter().map(|(_, count)| f64::from(*count)).sum())
}

/// What the topics' own distributions add.
fn topics_bound(topics: &TopicModel, of_totals: &[f64]) -> f64 {
    let of_topic = |topic: usize| {
        let weights = topics.weights.column(topic);
        let pairs = weights.iter().map(|weight| {
            let weight = f64::from(*weight);
            (weight, digamma(weight) - of_totals[topic])
        });
        of_dirichlet(topics.priors.word, pairs, topics.totals[topic])
    };
    let by_topic: Vec<f64> = (0..topics.topics()).into_par_iter().map(of_topic).collect();
    by_topic.iter().sum()
}

/// `E[ln p(x | prior)] - E[ln q(x)]` for a Dirichlet distribution q, from its parameters and
/// the expected logarithm at each.
fn of_dirichlet(prior: f64, pairs: impl Iterator<Item = (f64, f64)>, total: f64) -> f64 {
    let mut sum = 0.0;
    let mut count = 0.0;
    for (parameter, expected) in pairs {
        sum += (prior - parameter) * expected + ln_gamma(parameter) - ln_gamma(prior);
        count += 1.0;
    }
    sum + ln_gamma(prior * count) - ln_gamma(total)
}

fn log_of_summed_exponentials(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
}

fn parameters_of(topics: &TopicModel, known: &[(u32, f32)]) -> Vec<f64> {
    let width = padded(topics.topics());
    let mut weights = Vec::with_capacity(known.len() * width);
    for (word, _) in known {
        let start = *word as usize * width;
        weights.extend_from_slice(&topics.expected[start..start + width]);
    }
    let counts: Vec<f32> = known.iter().map(|(_, count)| *count).collect();
    let words = Words { weights: &weights, counts: &counts };
    settle(Arch::new(), &words, vec![1.0; topics.topics()], topics.priors.document).parameters
}

/// The perplexity of the words of one half of each document, given the other half: what
/// topics are worth for words to come, without a bound (document completion: Wallach, Murray,
/// Salakhutdinov, Mimno, "Evaluation Methods for Topic Models", 2009, section 5.1, by
/// the mean of the mixture that is found). `None` where no document has two words.
///
/// # Errors
/// [`UnusableDocuments`] where a count is none.
pub fn completion_perplexity(
    topics: &TopicModel,
    documents: &SparseRows,
    seed: u64,
) -> Result<Option<f64>, UnusableDocuments> {
    check_counts(documents)?;
    let of_document = |document: usize| -> (f64, f64) {
        let (words, counts) = documents.row(document);
        let mut all: Vec<(u32, f32)> = words.iter().copied().zip(counts.iter().copied()).collect();
        all.retain(|(word, _)| (*word as usize) < topics.words());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(document as u64);
        all.shuffle(&mut rng);
        let (given, asked) = all.split_at(all.len() / 2);
        if given.is_empty() {
            return (0.0, 0.0);
        }
        let parameters = parameters_of(topics, given);
        let total: f64 = parameters.iter().sum();
        let mut sums = (0.0, 0.0);
        for (word, count) in asked {
            let chance: f64 = (0..topics.topics())
                .map(|topic| parameters[topic] / total * topics.probability(*word as usize, topic))
                .sum();
            sums.0 += f64::from(*count) * chance.ln();
            sums.1 += f64::from(*count);
        }
        sums
    };
    let sums: Vec<(f64, f64)> = (0..documents.rows()).into_par_iter().map(of_document).collect();
    let words: f64 = sums.iter().map(|(_, words)| words).sum();
    let logs: f64 = sums.iter().map(|(log, _)| log).sum();
    Ok((words > 0.0).then(|| (-logs / words).exp()))
}
