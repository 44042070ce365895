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
    let (of_documents, words, of_totals) = documents_bound(topics, documents)?;
    let bound = of_documents + topics_bound(topics, &of_totals);
    Ok((words > 0.0).then(|| (-bound / words).exp()))
}

/// The same without what the topics themselves cost: how surprised topics that are there
/// already are by documents, which is what is compared on documents that were held out
/// (Hoffman, Blei, Bach 2010, section 4). What the topics cost was paid by the documents that
/// they were learnt from, and a few others cannot bear it. `None` where no document has a word.
///
/// # Errors
/// [`UnusableDocuments`] where a count is none.
pub fn held_out_perplexity(
    topics: &TopicModel,
    documents: &SparseRows,
) -> Result<Option<f64>, UnusableDocuments> {
    let (bound, words, _) = documents_bound(topics, documents)?;
    Ok((words > 0.0).then(|| (-bound / words).exp()))
}

/// The bound of all documents, their words, and the digamma function of the topics' totals.
fn documents_bound(
    topics: &TopicModel,
    documents: &SparseRows,
) -> Result<(f64, f64, Vec<f64>), UnusableDocuments> {
    check_counts(documents)?;
    let of_totals: Vec<f64> = topics.totals.iter().map(|total| digamma(*total)).collect();
    let bounds: Vec<(f64, f64)> = (0..documents.rows())
        .into_par_iter()
        .map(|document| document_bound(topics, &of_totals, documents.row(document)))
        .collect();
    let words: f64 = bounds.iter().map(|(_, words)| words).sum();
    Ok((bounds.iter().map(|(bound, _)| bound).sum(), words, of_totals))
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

/// Documents in halves: topics are asked for the words of one, given the other. Words that
/// always come together, as a book and the words of its title do, belong to one half: else
/// one half gives the other away, and topics of single books look as if they foretold.
#[derive(Debug, Clone, PartialEq)]
pub struct Halves {
    given: SparseRows,
    asked: SparseRows,
}

impl Halves {
    /// From one half of each document and the other; `None` where numbers of documents or
    /// words differ.
    #[must_use]
    pub fn new(given: SparseRows, asked: SparseRows) -> Option<Self> {
        let is_alike = given.rows() == asked.rows() && given.columns() == asked.columns();
        is_alike.then_some(Self { given, asked })
    }

    /// Each document's words, drawn into halves.
    #[must_use]
    pub fn drawn(documents: &SparseRows, seed: u64) -> Self {
        let halves: Vec<_> = (0..documents.rows())
            .map(|document| {
                let (words, counts) = documents.row(document);
                let mut all: Vec<(u32, f32)> =
                    words.iter().copied().zip(counts.iter().copied()).collect();
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(document as u64);
                all.shuffle(&mut rng);
                let asked = all.split_off(all.len() / 2);
                (all, asked)
            })
            .collect();
        let (given, asked): (Vec<_>, Vec<_>) = halves.into_iter().unzip();
        let words = documents.columns();
        Self {
            given: SparseRows::from_rows(words, given),
            asked: SparseRows::from_rows(words, asked),
        }
    }

    /// How many documents there are.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.given.rows()
    }

    pub(super) fn check(&self) -> Result<(), UnusableDocuments> {
        check_counts(&self.given)?;
        check_counts(&self.asked)
    }

    /// The logarithm of how likely the asked words of a document are, and how many; zeros
    /// where nothing that is known is given, or asked.
    pub(super) fn likelihood(&self, topics: &TopicModel, document: usize) -> (f64, f64) {
        let of = |(words, counts): (&[u32], &[f32])| -> Vec<(u32, f32)> {
            let all = words.iter().copied().zip(counts.iter().copied());
            all.filter(|(word, _)| (*word as usize) < topics.words()).collect()
        };
        let given = of(self.given.row(document));
        if given.is_empty() {
            return (0.0, 0.0);
        }
        let parameters = parameters_of(topics, &given);
        let total: f64 = parameters.iter().sum();
        let mut sums = (0.0, 0.0);
        for (word, count) in of(self.asked.row(document)) {
            let chance: f64 = (0..topics.topics())
                .map(|topic| parameters[topic] / total * topics.probability(word as usize, topic))
                .sum();
            sums.0 += f64::from(count) * chance.ln();
            sums.1 += f64::from(count);
        }
        sums
    }
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
    halves: &Halves,
) -> Result<Option<f64>, UnusableDocuments> {
    halves.check()?;
    let sums: Vec<(f64, f64)> = (0..halves.documents())
        .into_par_iter()
        .map(|document| halves.likelihood(topics, document))
        .collect();
    let words: f64 = sums.iter().map(|(_, words)| words).sum();
    let logs: f64 = sums.iter().map(|(log, _)| log).sum();
    Ok((words > 0.0).then(|| (-logs / words).exp()))
}
