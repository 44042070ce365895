//! The loss of a part of a batch and its gradient by all that is learned.

use super::loss::{LossTape, Negatives, loss};
use super::network::{Draw, Tape, Tokens, backward, forward};
use super::real::Real;
use super::rows::{Dropping, add, add_scaled, room, vectorised};
use super::weights::Weights;

/// A part of a batch, worked on by one thread.
#[derive(Debug, Default)]
pub(super) struct Part<F> {
    pub(super) tokens: Tokens,
    tape: Tape<F>,
    loss: LossTape<F>,
    /// The sum of the losses.
    pub(super) total: f64,
    /// By the dense weights.
    pub(super) of_dense: Vec<F>,
    /// By the row of each token's item.
    of_items: Vec<F>,
}

impl<F: Real> Part<F> {
    /// Loss and `share` times its gradients of the tokens in it.
    pub(super) fn work(
        &mut self,
        weights: &Weights<F>,
        negatives: &Negatives<F>,
        share: F,
        dropping: Option<(Dropping<F>, Draw<'_>)>,
    ) {
        let drops = dropping.as_ref().map(|(dropping, _)| *dropping);
        forward(weights, &self.tokens, dropping, &mut self.tape);
        let packed = &mut self.tape.scratch.packed;
        let output = (&self.tape.output[..], &self.tokens.targets[..]);
        self.total = loss(weights, negatives, output, share, (&mut self.loss, packed));
        let of_dense = room(&mut self.of_dense, weights.dense.len());
        of_dense.fill(F::of(0.0));
        let size = self.tokens.items.len() * weights.layout.dimensions;
        let of_items = room(&mut self.of_items, size);
        let gradients = (&self.loss.of_output[..], of_dense, of_items);
        backward(weights, &self.tokens, drops, &mut self.tape, gradients);
    }
}

/// What stands for no row of the gradient.
const NO_SLOT: u32 = u32::MAX;

/// The gradient by those rows of the item table that a batch touches.
#[derive(Debug)]
pub(super) struct ItemGradient<F> {
    /// Each item's place among the touched.
    slots: Vec<u32>,
    touched: Vec<u32>,
    rows: Vec<F>,
    biases: Vec<F>,
    dimensions: usize,
}

impl<F: Real> ItemGradient<F> {
    pub(super) fn new(items: usize, dimensions: usize) -> Self {
        let slots = vec![NO_SLOT; items];
        Self { slots, touched: Vec::new(), rows: Vec::new(), biases: Vec::new(), dimensions }
    }

    /// The touched items, each with the gradient by its row and by its bias.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &[F], F)> {
        let gradients = self.rows.chunks_exact(self.dimensions).zip(&self.biases);
        self.touched.iter().zip(gradients).map(|(item, (row, bias))| (*item, row, *bias))
    }

    fn row(&mut self, item: u32) -> (&mut [F], &mut F) {
        let slot = &mut self.slots[item as usize];
        if *slot == NO_SLOT {
            *slot = self.touched.len() as u32;
            self.touched.push(item);
            self.rows.resize(self.rows.len() + self.dimensions, F::of(0.0));
            self.biases.push(F::of(0.0));
        }
        let slot = *slot as usize;
        let start = slot * self.dimensions;
        (&mut self.rows[start..start + self.dimensions], &mut self.biases[slot])
    }

    pub(super) fn clear(&mut self) {
        for item in self.touched.drain(..) {
            self.slots[item as usize] = NO_SLOT;
        }
        self.rows.clear();
        self.biases.clear();
    }

    /// Adds what a part of a batch found.
    pub(super) fn add(&mut self, part: &Part<F>, negatives: &[u32]) {
        let d = self.dimensions;
        let tokens = part.tokens.items.iter().zip(&part.tokens.targets);
        let gradients = part.of_items.chunks_exact(d).zip(&part.loss.of_positives);
        let outputs = part.tape.output.chunks_exact(d);
        for (((&item, &target), (of_item, &of_positive)), output) in
            tokens.zip(gradients).zip(outputs)
        {
            let (row, _) = self.row(item);
            vectorised(|| add(row, of_item));
            let (row, bias) = self.row(target);
            vectorised(|| add_scaled(row, of_positive, output));
            *bias = *bias + of_positive;
        }
        let of_negatives = part.loss.of_negatives.chunks_exact(d).zip(&part.loss.of_shifts);
        for (&item, (of_row, of_bias)) in negatives.iter().zip(of_negatives) {
            let (row, bias) = self.row(item);
            vectorised(|| add(row, of_row));
            *bias = *bias + *of_bias;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::weights::Layout;
    use super::*;

    /// A network whose weights are all other than what they begin with.
    fn network<F: Real>(items: usize, layout: Layout, strength: f64) -> Weights<F> {
        let mut weights = Weights::initial(layout, items, 7);
        let mut at = 0u32;
        let mut nudge = || {
            at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            strength * (f64::from(at >> 8) / f64::from(1 << 24) - 0.5)
        };
        let Weights { dense, items, biases, .. } = &mut weights;
        for value in dense.iter_mut().chain(items).chain(biases) {
            *value = *value + F::of(nudge());
        }
        weights
    }

    /// What a batch is: sequences, negatives and their correction, the share dropped.
    struct Example {
        sequences: Vec<Vec<u32>>,
        negatives: Vec<u32>,
        correction: f64,
        dropped: f32,
    }

    /// The loss, and the gradients by all weights: dense, items, biases.
    fn gradients<F: Real>(example: &Example, weights: &Weights<F>) -> (f64, [Vec<F>; 3]) {
        let mut part = Part::default();
        for sequence in &example.sequences {
            part.tokens.items.extend_from_slice(&sequence[..sequence.len() - 1]);
            part.tokens.targets.extend_from_slice(&sequence[1..]);
            part.tokens.ends.push(part.tokens.items.len());
        }
        let mut negatives = Negatives::default();
        negatives.gather(weights, example.negatives.clone(), F::of(example.correction));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let draw: Draw<'_> = &mut |bytes| rng.fill_bytes(bytes);
        let dropping = Dropping::new(example.dropped).map(|dropping| (dropping, draw));
        part.work(weights, &negatives, F::of(1.0), dropping);
        let d = weights.layout.dimensions;
        let mut gradient = ItemGradient::new(weights.biases.len(), d);
        gradient.add(&part, &example.negatives);
        let mut items = vec![F::of(0.0); weights.items.len()];
        let mut biases = vec![F::of(0.0); weights.biases.len()];
        for (item, row, bias) in gradient.rows() {
            let item = item as usize;
            items[item * d..(item + 1) * d].copy_from_slice(row);
            biases[item] = bias;
        }
        (part.total, [part.of_dense, items, biases])
    }

    /// Holds the gradient of some weights against central differences.
    fn assert_gradient(
        example: &Example,
        weights: &Weights<f64>,
        (name, found): (&str, &[f64]),
        value: impl Fn(&mut Weights<f64>, usize) -> &mut f64,
    ) {
        const STEP: f64 = 1e-5;
        let mut moved = weights.clone();
        let mut norm = 0.0;
        for (at, found) in found.iter().enumerate() {
            let original = *value(&mut moved, at);
            *value(&mut moved, at) = original + STEP;
            let above = gradients(example, &moved).0;
            *value(&mut moved, at) = original - STEP;
            let below = gradients(example, &moved).0;
            *value(&mut moved, at) = original;
            let expected = (above - below) / (2.0 * STEP);
            let error = (found - expected).abs();
            assert!(error < 1e-6 * (1.0 + expected.abs()), "{name}[{at}]: {found}, {expected}");
            norm += found * found;
        }
        assert!(norm > 1e-8, "{name} has no gradient");
    }

    fn assert_all_gradients(example: &Example) {
        let weights = network::<f64>(9, Layout::new(6, 5, 2), 0.8);
        let (_, [dense, items, biases]) = gradients(example, &weights);
        for tensor in weights.layout.parts() {
            let start = tensor.range.start;
            let found = (&tensor.name[..], &dense[tensor.range]);
            assert_gradient(example, &weights, found, |weights, at| &mut weights.dense[start + at]);
        }
        let found = ("items", &items[..]);
        assert_gradient(example, &weights, found, |weights, at| &mut weights.items[at]);
        let found = ("biases", &biases[..]);
        assert_gradient(example, &weights, found, |weights, at| &mut weights.biases[at]);
    }

    fn example() -> Example {
        // Of any length up to the most, with an item that follows itself.
        let sequences = vec![vec![0, 3, 3, 8, 1, 2], vec![4, 5], vec![7, 0, 6, 2]];
        Example { sequences, negatives: vec![1, 2, 5, 8], correction: 0.0, dropped: 0.0 }
    }

    #[test]
    fn the_gradient_of_every_weight_is_that_of_finite_differences() {
        assert_all_gradients(&example());
    }

    #[test]
    fn gradients_hold_where_values_are_dropped_and_sampling_is_corrected() {
        assert_all_gradients(&Example { dropped: 0.3, correction: 0.9, ..example() });
    }

    #[test]
    fn gradients_hold_against_the_whole_catalogue() {
        assert_all_gradients(&Example { negatives: (0..9).collect(), ..example() });
    }

    #[test]
    fn single_precision_and_vectors_give_what_double_precision_gives() {
        // Longer than a block of a product's depth, and no multiples of a vector.
        let sequence = |length: u32, step: u32| (0..length).map(|at| at * step % 300).collect();
        let example = Example {
            sequences: vec![sequence(151, 7), sequence(3, 11), sequence(70, 13)],
            negatives: (0..300).filter(|item| item % 2 == 0).collect(),
            correction: 0.5,
            dropped: 0.2,
        };
        for dimensions in [20, 64] {
            let layout = || Layout::new(dimensions, 150, 2);
            let single = network::<f32>(300, layout(), 0.2);
            let mut double = network::<f64>(300, layout(), 0.2);
            let widen = |from: &[f32]| from.iter().map(|value| f64::from(*value)).collect();
            double.dense = widen(&single.dense);
            double.items = widen(&single.items);
            double.biases = widen(&single.biases);
            let (loss, found) = gradients(&example, &single);
            let (expected_loss, expected) = gradients(&example, &double);
            assert!((loss / expected_loss - 1.0).abs() < 1e-5, "{loss} {expected_loss}");
            for (found, expected) in found.iter().zip(&expected) {
                let most = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < 1e-4 * most, "{found} {expected} {most}");
                }
            }
        }
    }
}
