//! Whether the words of a topic belong together.

use super::TopicModel;
use crate::sparse::SparseRows;

/// Words of a topic that are looked at.
const WORDS: usize = 10;

/// For each topic, how much more often than by chance its ten likeliest words are in
/// documents together: the mean over pairs of the normalised pointwise mutual information,
/// -1 (never together) to 1 (always), 0 by chance (Bouma 2009; as a measure of topics: Lau,
/// Newman, Baldwin, "Machine Reading Tea Leaves", 2014). 0 where a topic has one word.
#[must_use]
pub fn coherence(topics: &TopicModel, documents: &SparseRows) -> Vec<f64> {
    let by_word = documents.transposed();
    let all = documents.rows() as f64;
    let of_word = |word: u32| -> &[u32] {
        if (word as usize) < by_word.rows() { by_word.row(word as usize).0 } else { &[] }
    };
    let pair = |one: u32, other: u32| -> f64 {
        let (one, other) = (of_word(one), of_word(other));
        let together = shared(one, other) as f64 / all;
        if together == 0.0 {
            return -1.0;
        }
        let (p, q) = (one.len() as f64 / all, other.len() as f64 / all);
        // Two words of every document say nothing of each other.
        if together >= 1.0 { 0.0 } else { (together / (p * q)).ln() / -together.ln() }
    };
    let of_topic = |topic: usize| {
        let words = topics.likeliest_words(topic, WORDS);
        let pairs = || {
            let after = |at: usize| words[at + 1..].iter().map(move |other| (at, *other));
            (0..words.len()).flat_map(after)
        };
        let count = pairs().count();
        let sum: f64 = pairs().map(|(at, other)| pair(words[at], other)).sum();
        if count > 0 { sum / count as f64 } else { 0.0 }
    };
    (0..topics.topics()).map(of_topic).collect()
}

/// Numbers that are in both of two ascending lists.
fn shared(one: &[u32], other: &[u32]) -> usize {
    let (mut at, mut count) = (0, 0);
    for number in one {
        while at < other.len() && other[at] < *number {
            at += 1;
        }
        count += usize::from(at < other.len() && other[at] == *number);
    }
    count
}
