//! What is learned: where each tensor lies, and what it begins with.
//!
//! Everything but the table of items is one vector, so that gradients are added up and
//! steps are taken in one pass.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use super::real::Real;

/// A matrix of `inputs x outputs` and what is added after it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    pub(super) weights: Range<usize>,
    pub(super) shift: Range<usize>,
    pub(super) outputs: usize,
}

/// A layer norm: what rows are multiplied with, and what is added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Norm {
    pub(super) scale: Range<usize>,
    pub(super) shift: Range<usize>,
}

/// A block: attention, then feed-forward, each behind a layer norm of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) attention_norm: Norm,
    /// To queries, keys and values, beside each other.
    pub(super) projection: Linear,
    pub(super) output: Linear,
    pub(super) feed_norm: Norm,
    pub(super) inner: Linear,
    pub(super) outer: Linear,
}

/// Where each tensor lies in the one vector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) dimensions: usize,
    /// The most tokens of a sequence.
    pub(super) positions: usize,
    pub(super) position_table: Range<usize>,
    pub(super) blocks: Vec<Block>,
    pub(super) last_norm: Norm,
    pub(super) total: usize,
}

/// A tensor of the layout, by name.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

impl Layout {
    pub(super) fn new(dimensions: usize, positions: usize, blocks: usize) -> Self {
        let mut total = 0;
        let mut take = |length: usize| {
            total += length;
            total - length..total
        };
        let position_table = take(positions * dimensions);
        let mut block = || {
            let mut norm = || Norm { scale: take(dimensions), shift: take(dimensions) };
            let (attention_norm, feed_norm) = (norm(), norm());
            let mut linear = |outputs: usize| Linear {
                weights: take(dimensions * outputs),
                shift: take(outputs),
                outputs,
            };
            Block {
                attention_norm,
                projection: linear(3 * dimensions),
                output: linear(dimensions),
                feed_norm,
                inner: linear(dimensions),
                outer: linear(dimensions),
            }
        };
        let blocks = (0..blocks).map(|_| block()).collect();
        let last_norm = Norm { scale: take(dimensions), shift: take(dimensions) };
        Self { dimensions, positions, position_table, blocks, last_norm, total }
    }

    /// Every tensor in it.
    pub(super) fn parts(&self) -> Vec<Part> {
        let d = self.dimensions;
        let mut parts = vec![Part {
            name: "positions".to_owned(),
            shape: vec![self.positions, d],
            range: self.position_table.clone(),
        }];
        let mut vector = |name: String, range: &Range<usize>| {
            parts.push(Part { name, shape: vec![range.len()], range: range.clone() });
        };
        let norms = self.blocks.iter().enumerate().flat_map(|(at, block)| {
            let named = |name: &str| format!("blocks.{at}.{name}");
            [
                (named("attention_norm"), &block.attention_norm),
                (named("feed_norm"), &block.feed_norm),
            ]
        });
        for (name, norm) in norms.chain([("last_norm".to_owned(), &self.last_norm)]) {
            vector(format!("{name}.scale"), &norm.scale);
            vector(format!("{name}.shift"), &norm.shift);
        }
        for (at, block) in self.blocks.iter().enumerate() {
            for (name, linear) in block.linears() {
                let name = format!("blocks.{at}.{name}");
                vector(format!("{name}.shift"), &linear.shift);
            }
        }
        for (at, block) in self.blocks.iter().enumerate() {
            for (name, linear) in block.linears() {
                parts.push(Part {
                    name: format!("blocks.{at}.{name}.weights"),
                    shape: vec![d, linear.outputs],
                    range: linear.weights.clone(),
                });
            }
        }
        parts
    }

    /// The matrices: what decays where weights decay.
    pub(super) fn matrices(&self) -> impl Iterator<Item = &Range<usize>> {
        let linears = self.blocks.iter().flat_map(|block| block.linears());
        linears.map(|(_, linear)| &linear.weights)
    }

    /// What training begins with: the matrices as in Glorot and Bengio (2010), positions
    /// close to 0, norms that leave what they are given.
    pub(super) fn initial<F: Real>(&self, rng: &mut ChaCha8Rng) -> Vec<F> {
        let mut values = vec![F::of(0.0); self.total];
        draw(&mut values[self.position_table.clone()], CLOSE, rng);
        for block in &self.blocks {
            for (_, linear) in block.linears() {
                // Queries, keys and values are matrices of their own.
                let outputs = linear.outputs.min(self.dimensions);
                let deviation = (2.0 / (self.dimensions + outputs) as f64).sqrt();
                draw(&mut values[linear.weights.clone()], deviation, rng);
            }
            values[block.attention_norm.scale.clone()].fill(F::of(1.0));
            values[block.feed_norm.scale.clone()].fill(F::of(1.0));
        }
        values[self.last_norm.scale.clone()].fill(F::of(1.0));
        values
    }
}

impl Block {
    fn linears(&self) -> [(&'static str, &Linear); 4] {
        [
            ("projection", &self.projection),
            ("output", &self.output),
            ("inner", &self.inner),
            ("outer", &self.outer),
        ]
    }
}

/// Standard deviation of embeddings at the beginning, of items and of positions.
const CLOSE: f64 = 0.02;

fn draw<F: Real>(values: &mut [F], deviation: f64, rng: &mut ChaCha8Rng) {
    let Ok(normal) = Normal::new(0.0, deviation) else {
        unreachable!("a positive deviation makes a distribution");
    };
    values.iter_mut().for_each(|value| *value = F::of(normal.sample(rng)));
}

/// All that is learned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights<F> {
    pub(super) layout: Layout,
    /// What the layout describes.
    pub(super) dense: Vec<F>,
    /// Items x dimensions: what goes in, and what comes out is compared with.
    pub(super) items: Vec<F>,
    /// What is added to each item's score.
    pub(super) biases: Vec<F>,
}

impl<F: Real> Weights<F> {
    /// What training begins with, by seed.
    pub(super) fn initial(layout: Layout, items: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let dense = layout.initial(&mut rng);
        let mut table = vec![F::of(0.0); items * layout.dimensions];
        draw(&mut table, CLOSE, &mut rng);
        Self { layout, dense, items: table, biases: vec![F::of(0.0); items] }
    }

    /// An item's row of the table.
    pub(super) fn item(&self, item: u32) -> &[F] {
        let start = item as usize * self.layout.dimensions;
        &self.items[start..start + self.layout.dimensions]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_belongs_to_one_named_tensor() {
        let layout = Layout::new(8, 5, 2);
        let mut covered = vec![0; layout.total];
        let mut names = std::collections::BTreeSet::new();
        for part in layout.parts() {
            assert_eq!(part.shape.iter().product::<usize>(), part.range.len(), "{}", part.name);
            part.range.for_each(|at| covered[at] += 1);
            assert!(names.insert(part.name));
        }
        assert!(covered.iter().all(|times| *times == 1));
    }
}
