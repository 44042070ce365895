//! Latent Dirichlet allocation: topics as distributions over words, documents as mixtures
//! of topics (Blei, Ng, Jordan, "Latent Dirichlet Allocation", 2003).
//!
//! Fitted by online variational Bayes (Hoffman, Blei, Bach, "Online Learning for Latent
//! Dirichlet Allocation", 2010, algorithm 2): mini-batches in seeded order, each of which
//! moves the topics a step that becomes smaller. A *word* is whatever documents are made of:
//! a token of a text, a tag, an item of a basket. Words are numbered; a document is a row of
//! [`SparseRows`] with how often each occurs.
//!
//! The result depends on the seed, and neither on the number of threads nor on the width of
//! the processor's vectors.

mod choosing;
mod coherence;
mod expectation;
mod online;
mod perplexity;
mod seeding;
mod special;

use ndarray::Array2;
use pulp::Arch;
use serde::{Deserialize, Serialize};

use crate::options::{Rule, checked};
use crate::sparse::SparseRows;
use expectation::{Words, padded, scale_into, settle};
use special::exp_digamma;

pub use choosing::{NumberOfTopics, TriedTopics, choose};
pub use coherence::coherence;
pub use online::fit;
pub use perplexity::{Halves, completion_perplexity, held_out_perplexity, perplexity};

/// Most topics.
pub const MOST_TOPICS: usize = 512;
/// Most numbers of a table of topics, words x topics: 512 MB while fitting.
pub const LARGEST_TABLE: usize = 1 << 26;

/// How to fit topics, as a caller says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicOptions {
    /// Topics, 1 to [`MOST_TOPICS`].
    pub topics: usize,
    /// Dirichlet parameter of a document's topics (alpha), 1e-4 to 100; one over the number
    /// of topics where there is none.
    pub document_prior: Option<f64>,
    /// Dirichlet parameter of a topic's words (eta), 1e-4 to 100; one over the number of
    /// topics where there is none.
    pub word_prior: Option<f64>,
    /// How much the first steps are held back (tau), 1 to 1e6.
    pub offset: f64,
    /// How fast steps become smaller (kappa): above 0.5, so that they settle, up to 1.
    pub decay: f64,
    /// Documents of a mini-batch, 1 to 1,000,000.
    pub batch: usize,
    /// Times that every document is looked at, 1 to 1,000.
    pub passes: usize,
    /// Fits from other seeds, of which the one with the best bound is kept; 1 to 100.
    pub restarts: usize,
    /// Seed of the initial topics and of the documents' order.
    pub seed: u64,
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self {
            topics: 10,
            document_prior: None,
            word_prior: None,
            offset: 10.0,
            decay: 0.7,
            batch: 128,
            passes: 10,
            restarts: 1,
            seed: 42,
        }
    }
}

/// Checked options; made by [`TopicOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TopicOptions", into = "TopicOptions")]
pub struct TopicParams(TopicOptions);

impl TopicOptions {
    fn rules(&self) -> [Rule; 8] {
        let is_prior = |prior: Option<f64>| prior.is_none_or(|p| (1e-4..=100.0).contains(&p));
        [
            ((1..=MOST_TOPICS).contains(&self.topics), "topics", "1 to 512"),
            (is_prior(self.document_prior), "document_prior", "1e-4 to 100"),
            (is_prior(self.word_prior), "word_prior", "1e-4 to 100"),
            ((1.0..=1e6).contains(&self.offset), "offset", "1 to 1,000,000"),
            (self.decay > 0.5 && self.decay <= 1.0, "decay", "above 0.5, up to 1"),
            ((1..=1_000_000).contains(&self.batch), "batch", "1 to 1,000,000"),
            ((1..=1_000).contains(&self.passes), "passes", "1 to 1,000"),
            ((1..=100).contains(&self.restarts), "restarts", "1 to 100"),
        ]
    }
}

checked!(TopicOptions, TopicParams);

impl TopicParams {
    /// Dirichlet parameters of a document's topics and of a topic's words.
    #[must_use]
    pub fn priors(&self) -> Priors {
        let default = 1.0 / self.0.topics as f64;
        Priors {
            document: self.0.document_prior.unwrap_or(default),
            word: self.0.word_prior.unwrap_or(default),
        }
    }
}

/// Dirichlet parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Priors {
    /// Of each topic in a document (alpha).
    pub document: f64,
    /// Of each word in a topic (eta).
    pub word: f64,
}

/// Why there can be no topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableDocuments {
    /// No document has a word.
    #[error("no document has a word")]
    Empty,
    /// Words times topics exceed [`LARGEST_TABLE`].
    #[error("there are too many words for so many topics")]
    TooManyWords,
    /// A count is no number above 0, or beyond 1e6.
    #[error("a word of document {0} occurs a number of times that cannot be")]
    Count(usize),
    /// Halves are not those of the documents.
    #[error("the halves are of other documents")]
    Halves,
    /// A table of topics has a value that is not above 0, or a prior is not.
    #[error("a weight of a topic is not above 0")]
    Weight,
}

/// Refuses counts that nothing can be computed from.
fn check_counts(documents: &SparseRows) -> Result<(), UnusableDocuments> {
    let is_usable = |document: &usize| documents.row(*document).1.iter().all(|c| is_count(*c));
    match (0..documents.rows()).find(|document| !is_usable(document)) {
        Some(document) => Err(UnusableDocuments::Count(document)),
        None => Ok(()),
    }
}

fn is_count(count: f32) -> bool {
    count > 0.0 && count <= 1e6
}

/// Topics, ready to be looked for in documents.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicModel {
    weights: Array2<f32>,
    totals: Vec<f64>,
    priors: Priors,
    /// `exp(E[ln b_kw])`, each word's scaled to a largest of 1, topics padded.
    expected: Vec<f32>,
}

/// What a document is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Share of each topic; they add up to 1.
    pub shares: Vec<f32>,
    /// The document's words that the model knows.
    pub words: Vec<u32>,
    /// How much of each of these words' counts each topic takes (words x topics); rows add
    /// up to the counts. A topic's share is its prior and this column's sum, over all.
    pub taken: Array2<f32>,
}

impl TopicModel {
    /// From Dirichlet parameters of each word in each topic (words x topics), all above 0.
    ///
    /// # Errors
    /// [`UnusableDocuments`] where one is not, there are none, or too many.
    pub fn new(weights: Array2<f32>, priors: Priors) -> Result<Self, UnusableDocuments> {
        let (words, topics) = weights.dim();
        if words == 0 || topics == 0 {
            return Err(UnusableDocuments::Empty);
        }
        if topics > MOST_TOPICS || words.saturating_mul(topics) > LARGEST_TABLE {
            return Err(UnusableDocuments::TooManyWords);
        }
        let is_weight = |weight: f64| weight > 0.0 && weight < 1e15;
        if !weights.iter().all(|weight| is_weight(f64::from(*weight)))
            || !is_weight(priors.document)
            || !is_weight(priors.word)
        {
            return Err(UnusableDocuments::Weight);
        }
        let mut totals = vec![0.0f64; topics];
        for word in weights.outer_iter() {
            totals.iter_mut().zip(word).for_each(|(total, weight)| *total += f64::from(*weight));
        }
        let of_totals: Vec<f64> = totals.iter().map(|total| 1.0 / exp_digamma(*total)).collect();
        let width = padded(topics);
        let mut expected = vec![0.0f32; words * width];
        for (target, word) in expected.chunks_exact_mut(width).zip(weights.outer_iter()) {
            let expected: Vec<f64> = word
                .iter()
                .zip(&of_totals)
                .map(|(weight, of_total)| exp_digamma(f64::from(*weight)) * of_total)
                .collect();
            scale_into(target, expected.iter().copied());
        }
        Ok(Self { weights, totals, priors, expected })
    }

    /// Dirichlet parameters of each word in each topic (words x topics).
    #[must_use]
    pub fn weights(&self) -> &Array2<f32> {
        &self.weights
    }

    /// Dirichlet parameters of the priors.
    #[must_use]
    pub fn priors(&self) -> Priors {
        self.priors
    }

    /// Words that the model knows: those below this number.
    #[must_use]
    pub fn words(&self) -> usize {
        self.weights.nrows()
    }

    /// Topics.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.weights.ncols()
    }

    /// The chance of a word in a topic.
    ///
    /// # Panics
    /// Where there is no such word or topic.
    #[must_use]
    pub fn probability(&self, word: usize, topic: usize) -> f64 {
        f64::from(self.weights[(word, topic)]) / self.totals[topic]
    }

    /// How much likelier a word is in a topic than in all of them: 1 where it is as likely.
    ///
    /// # Panics
    /// Where there is no such word or topic.
    #[must_use]
    pub fn lift(&self, word: usize, topic: usize) -> f64 {
        let all: f64 = self.totals.iter().sum();
        let of_all: f64 = self.weights.row(word).iter().map(|w| f64::from(*w)).sum();
        self.probability(word, topic) / (of_all / all)
    }

    /// Share of all words that comes from each topic, as the fit saw it.
    #[must_use]
    pub fn sizes(&self) -> Vec<f64> {
        let all: f64 = self.totals.iter().sum();
        self.totals.iter().map(|total| total / all).collect()
    }

    /// What a document is about, from its words and how often each occurs. Words that the
    /// model does not know and counts that are none (not above 0, beyond 1e6, no number) are
    /// left aside; without any left, topics are as likely as the prior says.
    #[must_use]
    pub fn infer(&self, document: &[(u32, f32)]) -> Mixture {
        let width = padded(self.topics());
        let is_known =
            |(word, count): &&(u32, f32)| (*word as usize) < self.words() && is_count(*count);
        let known = || document.iter().filter(is_known);
        let words: Vec<u32> = known().map(|(word, _)| *word).collect();
        let counts: Vec<f32> = known().map(|(_, count)| *count).collect();
        let mut weights = Vec::with_capacity(words.len() * width);
        for word in &words {
            let start = *word as usize * width;
            weights.extend_from_slice(&self.expected[start..start + width]);
        }
        let of_words = Words { weights: &weights, counts: &counts };
        let found = settle(Arch::new(), &of_words, vec![1.0; self.topics()], self.priors.document);
        let total: f64 = found.parameters.iter().sum();
        let taken = Array2::from_shape_fn((words.len(), self.topics()), |(word, topic)| {
            found.per_word[word] * (found.topics[topic] * weights[word * width + topic])
        });
        Mixture {
            shares: found.parameters.iter().map(|parameter| (parameter / total) as f32).collect(),
            words,
            taken,
        }
    }

    /// The likeliest words of a topic, the likeliest first.
    ///
    /// # Panics
    /// Where there is no such topic.
    #[must_use]
    pub fn likeliest_words(&self, topic: usize, count: usize) -> Vec<u32> {
        let weights: Vec<f32> = self.weights.column(topic).to_vec();
        crate::rank::top_k(&weights, count)
    }

    /// The words that tell most of a topic: likely in it, and likelier than in all. By the
    /// relevance of Sievert and Shirley ("LDAvis", 2014, section 3.1) with a weight of 0.6 on
    /// the former, as they recommend.
    ///
    /// # Panics
    /// Where there is no such topic.
    #[must_use]
    pub fn telling_words(&self, topic: usize, count: usize) -> Vec<u32> {
        let relevance = |word: usize| -> f32 {
            (0.6 * self.probability(word, topic).ln() + 0.4 * self.lift(word, topic).ln()) as f32
        };
        let relevances: Vec<f32> = (0..self.words()).map(relevance).collect();
        crate::rank::top_k(&relevances, count)
    }
}

#[cfg(test)]
mod tests;
