//! The inner loop of inference: which topics a document's words come from.
//!
//! A word's weights by topic, `exp(E[ln b_kw])`, matter up to a factor: it cancels in what
//! share of the word each topic takes. So every word's weights are scaled to a largest of 1,
//! those of a document's topics as well, and single precision never runs out of range.

use pulp::Arch;

use super::special::exp_digamma;

/// Topics side by side: sums have this many parts on every processor, so the same bits.
const LANES: usize = 16;
/// Iterations for one document, and the mean change of its topics' weights at which it
/// rests; as scikit-learn's `max_doc_update_iter` and `mean_change_tol`.
const ITERATIONS: usize = 100;
const AT_REST: f64 = 1e-3;

/// So many topics, filled up to whole vectors.
pub(super) fn padded(topics: usize) -> usize {
    topics.next_multiple_of(LANES)
}

/// Fills a word's weights by topic from what is expected of them, up to a common factor.
pub(super) fn scale_into(target: &mut [f32], weights: impl Iterator<Item = f64> + Clone) {
    let largest = weights.clone().fold(f64::MIN_POSITIVE, f64::max);
    target.fill(0.0);
    for (target, weight) in target.iter_mut().zip(weights) {
        *target = (weight / largest) as f32;
    }
}

/// A document that topics are looked for in: the weights of its words by topic (padded
/// rows), and how often each occurs.
pub(super) struct Words<'a> {
    pub(super) weights: &'a [f32],
    pub(super) counts: &'a [f32],
}

/// What was found for a document.
pub(super) struct Settled {
    /// Of each topic: the parameter of the document's Dirichlet distribution.
    pub(super) parameters: Vec<f64>,
    /// Of each topic (padded): `exp(psi(parameter))`, with a largest of 1. The share of a
    /// word that a topic takes is this times its weight, over their sum.
    pub(super) topics: Vec<f32>,
    /// Of each word: its count over that sum.
    pub(super) per_word: Vec<f32>,
}

/// Looks for the topics of a document, from initial parameters on, until they rest (Hoffman,
/// Blei, Bach 2010, the E step of algorithm 2).
pub(super) fn settle(arch: Arch, words: &Words<'_>, initial: Vec<f64>, prior: f64) -> Settled {
    arch.dispatch(
        #[inline(always)]
        || settle_by_lanes(words, initial, prior),
    )
}

#[inline(always)]
fn settle_by_lanes(words: &Words<'_>, initial: Vec<f64>, prior: f64) -> Settled {
    let topics = initial.len();
    let width = padded(topics);
    let mut found = Settled {
        parameters: initial,
        topics: vec![0.0; width],
        per_word: vec![0.0; words.counts.len()],
    };
    let mut sums = vec![0.0f32; width];
    let mut weights = vec![0.0f64; topics];
    for _ in 0..ITERATIONS {
        for (weight, parameter) in weights.iter_mut().zip(&found.parameters) {
            *weight = exp_digamma(*parameter);
        }
        scale_into(&mut found.topics, weights.iter().copied());
        sums.fill(0.0);
        let rows = words.weights.chunks_exact(width);
        for ((row, count), per_word) in rows.zip(words.counts).zip(&mut found.per_word) {
            *per_word = count / dot(&found.topics, row).max(f32::MIN_POSITIVE);
            add_scaled(&mut sums, *per_word, row);
        }
        let mut change = 0.0;
        for (topic, parameter) in found.parameters.iter_mut().enumerate() {
            let next = prior + f64::from(found.topics[topic]) * f64::from(sums[topic]);
            change += (next - *parameter).abs();
            *parameter = next;
        }
        if change < AT_REST * topics as f64 {
            break;
        }
    }
    found
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[inline(always)]
fn add_scaled(target: &mut [f32], factor: f32, source: &[f32]) {
    for (target, source) in target.chunks_exact_mut(LANES).zip(source.chunks_exact(LANES)) {
        for lane in 0..LANES {
            target[lane] += factor * source[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_words_every_count_is_shared_out_among_topics(
            weights in proptest::collection::vec(0.0f64..1.0, 5 * 20),
            counts in proptest::collection::vec(0.5f32..50.0, 5),
            prior in 0.001f64..2.0,
        ) {
            let width = padded(20);
            let mut rows = vec![0.0; 5 * width];
            for (row, weights) in rows.chunks_exact_mut(width).zip(weights.chunks_exact(20)) {
                scale_into(row, weights.iter().copied());
            }
            let words = Words { weights: &rows, counts: &counts };
            let found = settle(Arch::new(), &words, vec![1.0; 20], prior);
            let by_scalars = settle_by_lanes(&words, vec![1.0; 20], prior);
            prop_assert_eq!(&found.parameters, &by_scalars.parameters);
            let total: f64 = found.parameters.iter().sum();
            let expected = 20.0 * prior + counts.iter().map(|c| f64::from(*c)).sum::<f64>();
            prop_assert!((total - expected).abs() < 1e-4 * expected, "{} {}", total, expected);
            prop_assert!(found.parameters.iter().all(|p| *p >= prior * 0.999));
        }
    }
}
