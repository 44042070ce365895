//! The last items of some people, held out to see when training should stop.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::network::{Tape, Tokens, forward};
use super::options::SequenceOptions;
use super::product::{Form, Matrix, MatrixMut, Product};
use super::rows::room;
use super::sequences::Sequences;
use super::weights::Weights;

/// People whose last item is held out.
pub(super) struct Validation {
    /// Ascending.
    people: Vec<usize>,
    length: usize,
}

/// Fewer people tell one epoch from another too badly.
const FEWEST: usize = 500;
/// More tell no better which epoch is best, and would cost as much as an epoch.
const MOST: usize = 2000;
/// People ranked at a time, fixed.
const TOGETHER: usize = 32;

impl Validation {
    /// Chooses people of three items or more, so that something is left to learn.
    pub(super) fn choose(sequences: &Sequences, options: &SequenceOptions) -> Self {
        let mut people: Vec<usize> =
            (0..sequences.len()).filter(|person| sequences.of(*person).len() > 2).collect();
        let wanted = (people.len() / 10).clamp(FEWEST, MOST).min(people.len() / 2);
        // The order of an epoch has the same seed, but epochs are numbered from 1.
        people.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
        people.truncate(wanted);
        people.sort_unstable();
        Self { people, length: options.length }
    }

    /// How many of each person's items are learned from.
    pub(super) fn used(&self, sequences: &Sequences) -> Vec<usize> {
        let mut used: Vec<usize> = sequences.iter().map(<[u32]>::len).collect();
        self.people.iter().for_each(|&person| used[person] -= 1);
        used
    }

    /// Mean of `1 / log2(1 + rank)` of what was held out, among the items that training
    /// knows and the person does not. None where there is nobody to ask.
    pub(super) fn gain(
        &self,
        sequences: &Sequences,
        weights: &Weights<f32>,
        is_known: &[bool],
    ) -> Option<f64> {
        let of_some = |people: &[usize]| gains(people, self.length, sequences, (weights, is_known));
        let gains: Vec<f64> = self.people.par_chunks(TOGETHER).flat_map_iter(of_some).collect();
        (!gains.is_empty()).then(|| gains.iter().sum::<f64>() / gains.len() as f64)
    }
}

/// Each one's gain, of those whose held-out item training knows.
fn gains(
    people: &[usize],
    length: usize,
    sequences: &Sequences,
    (weights, is_known): (&Weights<f32>, &[bool]),
) -> Vec<f64> {
    let d = weights.layout.dimensions;
    let mut tokens = Tokens::default();
    for &person in people {
        let items = sequences.of(person);
        let seen = &items[..items.len() - 1];
        tokens.items.extend_from_slice(&seen[seen.len().saturating_sub(length)..]);
        tokens.ends.push(tokens.items.len());
    }
    let mut tape = Tape::default();
    forward(weights, &tokens, None, &mut tape);
    let vectors: Vec<f32> =
        tokens.ends.iter().flat_map(|&end| &tape.output[(end - 1) * d..end * d]).copied().collect();
    let count = weights.biases.len();
    let mut scores = Vec::new();
    let scores = room(&mut scores, people.len() * count);
    super::rows::fill_rows(scores, &weights.biases);
    let rows = Matrix::new(&weights.items, d);
    let product = Product::new(Form::RightTransposed, Matrix::new(&vectors, d), rows).added();
    super::product::multiply(product, MatrixMut::new(scores, count), &mut tape.scratch.packed);
    let each = people.iter().zip(scores.chunks_exact(count));
    each.filter_map(|(&person, scores)| gain_of(sequences.of(person), scores, is_known)).collect()
}

/// The gain of the last of a person's items.
fn gain_of(items: &[u32], scores: &[f32], is_known: &[bool]) -> Option<f64> {
    let (&held_out, seen) = items.split_last()?;
    if !is_known[held_out as usize] {
        return None;
    }
    let own = scores[held_out as usize];
    let better = scores.iter().zip(is_known).filter(|(score, known)| **known && **score > own);
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    seen.dedup();
    let seen_better =
        seen.iter().filter(|item| is_known[**item as usize] && scores[**item as usize] > own);
    let rank = 1 + better.count() - seen_better.count();
    Some(1.0 / ((1 + rank) as f64).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_half_are_held_out_and_only_of_those_with_three_items() {
        let people: Vec<Vec<u32>> = (0..21).map(|n| vec![0; n % 4]).collect();
        let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
        let validation = Validation::choose(&sequences, &SequenceOptions::default());
        let used = validation.used(&sequences);
        let held_out = (0..21).filter(|&person| used[person] < people[person].len());
        assert_eq!(held_out.collect::<Vec<_>>(), validation.people);
        assert_eq!(validation.people.len(), 2);
        assert!(validation.people.iter().all(|&person| used[person] == 2));
    }

    #[test]
    fn the_gain_is_that_of_the_rank_among_what_is_new_and_known() {
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5];
        let is_known = [true, true, false, true, true];
        // Of the better ones, 0 was seen and 2 is unknown: 1 alone is before 3.
        let gain = gain_of(&[0, 0, 3], &scores, &is_known).unwrap();
        assert!((gain - 1.0 / 3f64.log2()).abs() < 1e-12);
        assert_eq!(gain_of(&[0, 2], &scores, &is_known), None);
        assert_eq!(gain_of(&[3, 3], &scores, &is_known), Some(1.0 / 4f64.log2()));
    }
}
