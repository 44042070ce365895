//! Topics from documents, mini-batch by mini-batch.

use ndarray::Array2;
use pulp::Arch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};
use rayon::prelude::*;

use super::expectation::{Settled, Words, padded, scale_into, settle};
use super::seeding::unlike;
use super::special::exp_digamma;
use super::{
    LARGEST_TABLE, Priors, TopicModel, TopicOptions, TopicParams, UnusableDocuments, check_counts,
    perplexity,
};
use crate::sparse::SparseRows;

/// Shape of the gamma distribution, of mean 1, that initial weights are drawn from: as Hoffman's
/// own program and scikit-learn do.
const INITIAL_SHAPE: f64 = 100.0;
/// Documents that one task looks at.
const DOCUMENTS_OF_A_TASK: usize = 8;
/// Below this the common factor of the weights is multiplied into them.
const SMALLEST_FACTOR: f64 = 1e-60;

/// Fits topics to documents (documents x words, how often each occurs): the best of as many
/// restarts as the options say, by [`perplexity`].
///
/// Memory: 12 bytes for each word and topic, and for a mini-batch's documents 4 bytes for each
/// topic and each of their words.
///
/// # Errors
/// [`UnusableDocuments`] when no document has a word, a count is none, or the table of
/// words and topics would be too large.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::sparse::SparseRows;
/// use crossfold_maths::topics::{TopicOptions, fit};
///
/// // Some documents are of the words 0 to 2, the others of the words 3 to 5.
/// let documents = (0..40u32).map(|number| {
///     let first = number % 2 * 3;
///     vec![(first, 2.0), (first + 1 + number % 3 % 2, 3.0)]
/// });
/// let documents = SparseRows::from_rows(6, documents);
/// let params = TopicOptions { topics: 2, ..TopicOptions::default() }.check()?;
/// let topics = fit(&documents, &params)?;
///
/// let mixture = topics.infer(&[(0, 4.0), (1, 1.0), (3, 1.0)]);
/// let of_zero = topics.likeliest_words(0, 3).contains(&0);
/// assert!(mixture.shares[usize::from(!of_zero)] > 0.6);
/// # Ok(())
/// # }
/// ```
pub fn fit(documents: &SparseRows, params: &TopicParams) -> Result<TopicModel, UnusableDocuments> {
    check_counts(documents)?;
    let mut best = fit_once(documents, params)?;
    let mut least = None;
    for restart in 1..params.options().restarts as u64 {
        let seed = params.options().seed.wrapping_add(restart);
        let other = fit_once(documents, &TopicParams(TopicOptions { seed, ..*params.options() }))?;
        let of_best = match least {
            Some(known) => known,
            None => perplexity(&best, documents)?,
        };
        let of_other = perplexity(&other, documents)?;
        least = Some(of_best);
        if of_other < of_best {
            (best, least) = (other, Some(of_other));
        }
    }
    Ok(best)
}

fn fit_once(documents: &SparseRows, params: &TopicParams) -> Result<TopicModel, UnusableDocuments> {
    let options = params.options();
    let mut order: Vec<u32> = (0..documents.rows() as u32)
        .filter(|row| !documents.row(*row as usize).0.is_empty())
        .collect();
    if order.is_empty() {
        return Err(UnusableDocuments::Empty);
    }
    if documents.columns().saturating_mul(options.topics) > LARGEST_TABLE {
        return Err(UnusableDocuments::TooManyWords);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut topics = Topics::drawn(documents, &order, params, &mut rng);
    let of_all = order.len();
    let mut step = 0u32;
    for _ in 0..options.passes {
        for at in (1..order.len()).rev() {
            order.swap(at, rng.random_range(0..=at));
        }
        for batch in order.chunks(options.batch) {
            step += 1;
            let rate = (options.offset + f64::from(step)).powf(-options.decay);
            let step = Step { number: step, rate, stands_for: of_all as f64 / batch.len() as f64 };
            topics.learn(documents, batch, &step);
        }
    }
    let priors = topics.priors;
    TopicModel::new(topics.into_weights(), priors)
}

/// The topics while they are fitted. The weight of a word in a topic is
/// `prior + factor * beyond`: what a step takes from words that are not in its batch is in the
/// common factor, so that a step costs what its own words cost.
struct Topics {
    count: usize,
    priors: Priors,
    seed: u64,
    factor: f64,
    /// words x topics.
    beyond: Vec<f64>,
    /// Sum of the weights of all words, by topic.
    totals: Vec<f64>,
    words: usize,
    /// The place in the batch of each word that is in it.
    place: Vec<u32>,
}

/// The gamma distribution, of mean 1, that what a fit begins with is drawn from.
fn about_one() -> Gamma<f64> {
    let Ok(gamma) = Gamma::new(INITIAL_SHAPE, 1.0 / INITIAL_SHAPE) else {
        unreachable!("a positive shape makes a distribution");
    };
    gamma
}

/// A step of a fit.
struct Step {
    /// Its number, from 1.
    number: u32,
    /// How far it goes.
    rate: f64,
    /// How many documents each of the batch stands for.
    stands_for: f64,
}

/// The words of a mini-batch.
struct BatchWords {
    words: Vec<u32>,
    /// Their weights by topic, scaled and padded.
    weights: Vec<f32>,
}

impl Topics {
    /// About 1 for every word, and each topic leans as much again to a document.
    fn drawn(
        documents: &SparseRows,
        among: &[u32],
        params: &TopicParams,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let words = documents.columns();
        let count = params.options().topics;
        let priors = params.priors();
        let gamma = about_one();
        let mut beyond: Vec<f64> =
            (0..words * count).map(|_| gamma.sample(rng) - priors.word).collect();
        for (topic, seed) in unlike(documents, among, count, rng).into_iter().enumerate() {
            let (of_seed, counts) = documents.row(seed as usize);
            let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
            for (word, occurs) in of_seed.iter().zip(counts) {
                let share = f64::from(*occurs) / total;
                beyond[*word as usize * count + topic] += share * words as f64;
            }
        }
        let mut totals = vec![0.0; count];
        for row in beyond.chunks_exact(count) {
            totals.iter_mut().zip(row).for_each(|(sum, beyond)| *sum += priors.word + beyond);
        }
        let seed = params.options().seed;
        let place = vec![u32::MAX; words];
        Self { count, priors, seed, factor: 1.0, beyond, totals, words, place }
    }

    fn weight(&self, beyond: f64) -> f64 {
        // Rounding of the two parts may leave nothing: a weight is above 0.
        (self.priors.word + self.factor * beyond).max(self.priors.word * 1e-6)
    }

    fn learn(&mut self, documents: &SparseRows, batch: &[u32], step: &Step) {
        let words = self.words_of(documents, batch);
        let taken = self.taken_by_topics(documents, batch, (&words, step.number));
        let (rate, step) = (step.rate, step.rate * step.stands_for);
        self.factor *= 1.0 - rate;
        let mut added = vec![0.0f64; self.count];
        let width = padded(self.count);
        for (at, word) in words.words.iter().enumerate() {
            let start = *word as usize * self.count;
            let beyond = &mut self.beyond[start..start + self.count];
            let weights = &words.weights[at * width..at * width + self.count];
            let taken = &taken[at * width..at * width + self.count];
            for topic in 0..self.count {
                let taken = step * f64::from(taken[topic]) * f64::from(weights[topic]);
                beyond[topic] += taken / self.factor;
                added[topic] += taken;
            }
            self.place[*word as usize] = u32::MAX;
        }
        let of_prior = self.priors.word * self.words as f64;
        for (total, added) in self.totals.iter_mut().zip(added) {
            *total = (1.0 - rate) * *total + rate * of_prior + added;
        }
        if self.factor < SMALLEST_FACTOR {
            let factor = std::mem::replace(&mut self.factor, 1.0);
            self.beyond.par_iter_mut().for_each(|beyond| *beyond *= factor);
        }
    }

    /// The words of a batch, ascending, with their weights; notes the place of each.
    fn words_of(&mut self, documents: &SparseRows, batch: &[u32]) -> BatchWords {
        let mut words: Vec<u32> = Vec::new();
        for document in batch {
            for word in documents.row(*document as usize).0 {
                let place = &mut self.place[*word as usize];
                if *place == u32::MAX {
                    *place = 0;
                    words.push(*word);
                }
            }
        }
        words.sort_unstable();
        words.iter().enumerate().for_each(|(at, word)| self.place[*word as usize] = at as u32);
        let of_totals: Vec<f64> =
            self.totals.iter().map(|total| 1.0 / exp_digamma(*total)).collect();
        let width = padded(self.count);
        let mut weights = vec![0.0f32; words.len() * width];
        weights.par_chunks_mut(width).zip(&words).with_min_len(64).for_each(|(target, word)| {
            let start = *word as usize * self.count;
            let beyond = &self.beyond[start..start + self.count];
            let expected: Vec<f64> = beyond
                .iter()
                .zip(&of_totals)
                .map(|(beyond, of_total)| exp_digamma(self.weight(*beyond)) * of_total)
                .collect();
            scale_into(target, expected.iter().copied());
        });
        BatchWords { words, weights }
    }

    /// What a document begins with, about 1: drawn, so that documents lean to different topics
    /// while topics are still alike. Else all lean to the same, and some topics starve.
    fn initial(&self, document: u32, step: u32) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((u64::from(step) << 32) | u64::from(document));
        (0..self.count).map(|_| about_one().sample(&mut rng)).collect()
    }

    /// How much of the batch's words each topic takes, up to the words' weights.
    fn taken_by_topics(
        &self,
        documents: &SparseRows,
        batch: &[u32],
        (words, step): (&BatchWords, u32),
    ) -> Vec<f32> {
        let width = padded(self.count);
        let arch = Arch::new();
        let settled_document = |document: &u32| -> Settled {
            let (of_document, counts) = documents.row(*document as usize);
            let mut weights = Vec::with_capacity(of_document.len() * width);
            for word in of_document {
                let start = self.place[*word as usize] as usize * width;
                weights.extend_from_slice(&words.weights[start..start + width]);
            }
            let words = Words { weights: &weights, counts };
            let initial = self.initial(*document, step);
            settle(arch, &words, initial, self.priors.document)
        };
        let settled: Vec<Settled> =
            batch.par_iter().with_min_len(DOCUMENTS_OF_A_TASK).map(settled_document).collect();
        // One after another: sums have one order.
        let mut taken = vec![0.0f32; words.words.len() * width];
        for (document, settled) in batch.iter().zip(settled) {
            let of_document = documents.row(*document as usize).0;
            for (word, per_word) in of_document.iter().zip(&settled.per_word) {
                let start = self.place[*word as usize] as usize * width;
                let target = &mut taken[start..start + width];
                target
                    .iter_mut()
                    .zip(&settled.topics)
                    .for_each(|(t, topic)| *t += per_word * topic);
            }
        }
        taken
    }

    fn into_weights(self) -> Array2<f32> {
        let smallest = f64::from(f32::MIN_POSITIVE);
        Array2::from_shape_fn((self.words, self.count), |(word, topic)| {
            self.weight(self.beyond[word * self.count + topic]).max(smallest) as f32
        })
    }
}
