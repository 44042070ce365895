//! Where a fit begins: each topic leans to a document, and these are unlike one another.
//!
//! Topics that begin alike part by chance, and the first to take a kind of document often takes
//! another one too, while others starve. So documents are drawn as K-means++ draws centroids
//! (Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007, the best of
//! a few draws each time), by the squared Hellinger distance of their words' shares.

use rand::{Rng, RngExt};

use crate::sparse::SparseRows;

/// Most documents that are drawn from.
const SAMPLE: usize = 2_000;
/// Draws of which the one is taken that leaves others the least far away.
const DRAWS: usize = 4;

/// At most so many of some documents (none of which is empty), unlike one another; fewer where
/// all others are like one of them.
pub(super) fn unlike(
    documents: &SparseRows,
    among: &[u32],
    count: usize,
    rng: &mut impl Rng,
) -> Vec<u32> {
    let mut sample = among.to_vec();
    let kept = sample.len().min(SAMPLE);
    for at in 0..kept {
        let other = rng.random_range(at..sample.len());
        sample.swap(at, other);
    }
    sample.truncate(kept);
    let mut seeds = Vec::with_capacity(count);
    let mut room = vec![0.0f64; documents.columns()];
    let mut distances = vec![f64::INFINITY; kept];
    while seeds.len() < count {
        let draws = if seeds.is_empty() { 1 } else { DRAWS };
        let mut best: Option<(f64, u32, Vec<f64>)> = None;
        for _ in 0..draws {
            let Some(drawn) = drawn(&distances, rng) else { break };
            let nearer = nearer(documents, (&sample, sample[drawn]), &distances, &mut room);
            let left: f64 = nearer.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| left < *least) {
                best = Some((left, sample[drawn], nearer));
            }
        }
        let Some((_, seed, nearer)) = best else { break };
        seeds.push(seed);
        distances = nearer;
    }
    seeds
}

/// A place, likelier the farther: by the square of the distance. The first is drawn evenly.
fn drawn(distances: &[f64], rng: &mut impl Rng) -> Option<usize> {
    if distances.first().is_some_and(|distance| distance.is_infinite()) {
        return Some(rng.random_range(0..distances.len()));
    }
    // Less is rounding: they are alike.
    let weight = |distance: &f64| if *distance > 1e-9 { distance * distance } else { 0.0 };
    let mut left = rng.random_range(0.0..1.0) * distances.iter().map(weight).sum::<f64>();
    let mut last = None;
    for (place, weight) in distances.iter().map(weight).enumerate() {
        if weight > 0.0 {
            last = Some(place);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
    }
    last
}

/// The distances to the nearest seed, with one more.
fn nearer(
    documents: &SparseRows,
    (sample, seed): (&[u32], u32),
    distances: &[f64],
    room: &mut [f64],
) -> Vec<f64> {
    let roots = |document: u32| {
        let (words, counts) = documents.row(document as usize);
        let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
        let root = move |count: &f32| (f64::from(*count) / total).sqrt();
        words.iter().map(|word| *word as usize).zip(counts.iter().map(root))
    };
    roots(seed).for_each(|(word, root)| room[word] = root);
    let to_seed = |document: &u32| -> f64 {
        1.0 - roots(*document).map(|(word, root)| root * room[word]).sum::<f64>()
    };
    let nearer = sample.iter().zip(distances).map(|(of, known)| known.min(to_seed(of))).collect();
    roots(seed).for_each(|(word, _)| room[word] = 0.0);
    nearer
}
