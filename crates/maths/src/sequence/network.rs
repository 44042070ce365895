//! The network, forward and backward by hand: SASRec (Kang and McAuley, "Self-Attentive
//! Sequential Recommendation", 2018) with the layer norm before each layer (Xiong et al.,
//! "On Layer Normalization in the Transformer Architecture", 2020).
//!
//! `x = drop(root(d) E[item] + P[position])`; each block adds `drop(attend(norm(x)))` and
//! then `drop(feed(norm(x)))` to it, where `feed(x) = drop(max(0, x W + b)) V + c`; what
//! comes out of the last norm is compared with the embeddings of all items. Positions are
//! counted from the end of a sequence, so that the newest token always has the same one.

use super::attention::{self, Scratch};
use super::product::{Form, Matrix, MatrixMut, Product};
use super::real::Real;
use super::rows::{
    Dropping, Normalised, add, add_columns, add_scaled, fill_rows, rectified_gradient, rectify,
    room, vectorised,
};
use super::weights::{Block, Layout, Linear, Norm, Weights};

/// Sequences of items, one after another without padding.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    pub(super) items: Vec<u32>,
    /// Where each sequence ends.
    pub(super) ends: Vec<usize>,
    /// What followed each item; empty where nothing is learned from it.
    pub(super) targets: Vec<u32>,
}

impl Tokens {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.ends.clear();
        self.targets.clear();
    }

    /// Each token's position from the end of its sequence.
    fn positions(&self) -> impl Iterator<Item = usize> {
        let mut start = 0;
        self.ends.iter().flat_map(move |&end| {
            let positions = (0..end - start).rev();
            start = end;
            positions
        })
    }
}

/// What a forward pass leaves for the way back, and room that is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape<F> {
    /// What the network makes of each token: tokens x dimensions.
    pub(super) output: Vec<F>,
    /// Random bytes for each place where values are dropped.
    bytes: Vec<u8>,
    stream: Vec<F>,
    branch: Vec<F>,
    blocks: Vec<BlockTape<F>>,
    last: Normalised<F>,
    of_stream: Vec<F>,
    of_branch: Vec<F>,
    of_inner: Vec<F>,
    of_projected: Vec<F>,
    pub(super) scratch: Scratch<F>,
}

#[derive(Debug, Clone, Default)]
struct BlockTape<F> {
    attention_norm: Normalised<F>,
    attention_input: Vec<F>,
    projected: Vec<F>,
    attention: Vec<F>,
    context: Vec<F>,
    feed_norm: Normalised<F>,
    feed_input: Vec<F>,
    hidden: Vec<F>,
}

/// Values dropped by random bytes that were drawn for all places.
#[derive(Clone, Copy)]
struct Drops<'a, F> {
    dropping: Option<Dropping<F>>,
    bytes: &'a [u8],
    size: usize,
}

impl<F: Real> Drops<'_, F> {
    fn apply(&self, place: usize, values: &mut [F]) {
        if let Some(dropping) = self.dropping {
            dropping.apply(values, &self.bytes[place * self.size..(place + 1) * self.size]);
        }
    }

    fn factor(&self) -> F {
        self.dropping.map_or(F::of(1.0), |dropping| dropping.factor)
    }
}

/// Places of a block where values are dropped; before them is that of the embedding.
const PLACES: usize = 3;

/// Where a block drops values: behind its attention, within its feed-forward layer,
/// and behind that.
fn places(block: usize) -> [usize; PLACES] {
    [0, 1, 2].map(|place| 1 + block * PLACES + place)
}

/// What fills bytes by chance.
pub(super) type Draw<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Runs the network over sequences of at most `layout.positions` items of the table.
pub(super) fn forward<F: Real>(
    weights: &Weights<F>,
    tokens: &Tokens,
    dropping: Option<(Dropping<F>, Draw<'_>)>,
    tape: &mut Tape<F>,
) {
    let layout = &weights.layout;
    let size = tokens.items.len() * layout.dimensions;
    let dropping = dropping.map(|(dropping, draw)| {
        tape.bytes.resize(size * (1 + PLACES * layout.blocks.len()), 0);
        draw(&mut tape.bytes);
        dropping
    });
    let drops = Drops { dropping, bytes: &tape.bytes, size };
    tape.blocks.resize_with(layout.blocks.len(), BlockTape::default);
    let stream = room(&mut tape.stream, size);
    embed(weights, tokens, stream);
    drops.apply(0, stream);
    let branch = room(&mut tape.branch, size);
    for (at, (block, kept)) in layout.blocks.iter().zip(&mut tape.blocks).enumerate() {
        let pass = Pass { layout, dense: &weights.dense, tokens, drops, places: places(at) };
        pass.attend(block, kept, (&mut *stream, &mut *branch), &mut tape.scratch);
        pass.feed(block, kept, (&mut *stream, &mut *branch), &mut tape.scratch);
    }
    let output = room(&mut tape.output, size);
    tape.last.forward(stream, norm_of(&weights.dense, &layout.last_norm), output);
}

fn embed<F: Real>(weights: &Weights<F>, tokens: &Tokens, stream: &mut [F]) {
    let d = weights.layout.dimensions;
    let positions = &weights.dense[weights.layout.position_table.clone()];
    let root = F::of((d as f64).sqrt());
    let each = tokens.items.iter().zip(tokens.positions()).zip(stream.chunks_exact_mut(d));
    vectorised(|| {
        for ((&item, position), to) in each {
            to.copy_from_slice(&positions[position * d..(position + 1) * d]);
            add_scaled(to, root, weights.item(item));
        }
    });
}

fn norm_of<'a, F>(dense: &'a [F], norm: &Norm) -> (&'a [F], &'a [F]) {
    (&dense[norm.scale.clone()], &dense[norm.shift.clone()])
}

/// `out = x W + b`.
fn apply_linear<F: Real>(
    dense: &[F],
    linear: &Linear,
    (input, out): (&[F], &mut [F]),
    scratch: &mut Scratch<F>,
) {
    fill_rows(out, &dense[linear.shift.clone()]);
    let weights = Matrix::new(&dense[linear.weights.clone()], linear.outputs);
    let product = Product::new(Form::Plain, Matrix::new(input, weights.rows), weights).added();
    F::multiply(product, MatrixMut::new(out, linear.outputs), &mut scratch.packed);
}

/// A block's pass over some tokens.
struct Pass<'a, F> {
    layout: &'a Layout,
    dense: &'a [F],
    tokens: &'a Tokens,
    drops: Drops<'a, F>,
    places: [usize; PLACES],
}

impl<F: Real> Pass<'_, F> {
    fn attend(
        &self,
        block: &Block,
        kept: &mut BlockTape<F>,
        (stream, branch): (&mut [F], &mut [F]),
        scratch: &mut Scratch<F>,
    ) {
        let d = self.layout.dimensions;
        let input = room(&mut kept.attention_input, stream.len());
        kept.attention_norm.forward(stream, norm_of(self.dense, &block.attention_norm), input);
        let projected = room(&mut kept.projected, 3 * stream.len());
        apply_linear(self.dense, &block.projection, (&*input, &mut *projected), scratch);
        let context = room(&mut kept.context, stream.len());
        attention::forward(
            projected,
            (&self.tokens.ends, d),
            &mut kept.attention,
            context,
            scratch,
        );
        apply_linear(self.dense, &block.output, (&*context, &mut *branch), scratch);
        self.drops.apply(self.places[0], branch);
        vectorised(|| add(stream, branch));
    }

    fn feed(
        &self,
        block: &Block,
        kept: &mut BlockTape<F>,
        (stream, branch): (&mut [F], &mut [F]),
        scratch: &mut Scratch<F>,
    ) {
        let input = room(&mut kept.feed_input, stream.len());
        kept.feed_norm.forward(stream, norm_of(self.dense, &block.feed_norm), input);
        let hidden = room(&mut kept.hidden, stream.len());
        apply_linear(self.dense, &block.inner, (&*input, &mut *hidden), scratch);
        rectify(hidden);
        self.drops.apply(self.places[1], hidden);
        apply_linear(self.dense, &block.outer, (&*hidden, &mut *branch), scratch);
        self.drops.apply(self.places[2], branch);
        vectorised(|| add(stream, branch));
    }
}

/// From the gradient of the output adds those of all dense weights to `gradient`, and
/// writes those of each token's row of the item table to `of_items` (tokens x dimensions).
pub(super) fn backward<F: Real>(
    weights: &Weights<F>,
    tokens: &Tokens,
    dropping: Option<Dropping<F>>,
    tape: &mut Tape<F>,
    (of_output, gradient, of_items): (&[F], &mut [F], &mut [F]),
) {
    let layout = &weights.layout;
    let size = of_output.len();
    let drops = Drops { dropping, bytes: &tape.bytes, size };
    let of_stream = room(&mut tape.of_stream, size);
    of_stream.fill(F::of(0.0));
    let norms = scale_and_shift(gradient, &layout.last_norm);
    let (scale, _) = norm_of(&weights.dense, &layout.last_norm);
    tape.last.backward(of_output, scale, norms, of_stream);
    let mut rooms = Rooms {
        branch: room(&mut tape.of_branch, size),
        inner: room(&mut tape.of_inner, size),
        projected: room(&mut tape.of_projected, 3 * size),
        scratch: &mut tape.scratch,
    };
    for (at, (block, kept)) in layout.blocks.iter().zip(&tape.blocks).enumerate().rev() {
        let pass = Pass { layout, dense: &weights.dense, tokens, drops, places: places(at) };
        pass.feed_backward(block, kept, (&mut *of_stream, &mut *gradient), &mut rooms);
        pass.attend_backward(block, kept, (&mut *of_stream, &mut *gradient), &mut rooms);
    }
    drops.apply(0, of_stream);
    let d = layout.dimensions;
    let of_positions = &mut gradient[layout.position_table.clone()];
    let root = F::of((d as f64).sqrt());
    vectorised(|| {
        for (position, of_token) in tokens.positions().zip(of_stream.chunks_exact(d)) {
            add(&mut of_positions[position * d..(position + 1) * d], of_token);
        }
        for (to, from) in of_items.iter_mut().zip(of_stream) {
            *to = root * *from;
        }
    });
}

/// Gradients on the way back.
struct Rooms<'a, F> {
    branch: &'a mut [F],
    inner: &'a mut [F],
    projected: &'a mut [F],
    scratch: &'a mut Scratch<F>,
}

/// The gradients of a norm's scale and shift, which lie beside each other.
fn scale_and_shift<'a, F>(gradient: &'a mut [F], norm: &Norm) -> (&'a mut [F], &'a mut [F]) {
    gradient[norm.scale.start..norm.shift.end].split_at_mut(norm.scale.len())
}

/// From the gradient of a linear layer's output adds those of its weights, and writes
/// that of its input.
fn linear_backward<F: Real>(
    (dense, gradient): (&[F], &mut [F]),
    linear: &Linear,
    (input, of_out): (&[F], &[F]),
    of_input: &mut [F],
    scratch: &mut Scratch<F>,
) {
    let weights = Matrix::new(&dense[linear.weights.clone()], linear.outputs);
    let (input, of_out_rows) =
        (Matrix::new(input, weights.rows), Matrix::new(of_out, linear.outputs));
    let product = Product::new(Form::LeftTransposed, input, of_out_rows).added();
    let of_weights = &mut gradient[linear.weights.clone()];
    F::multiply(product, MatrixMut::new(of_weights, linear.outputs), &mut scratch.packed);
    add_columns(&mut gradient[linear.shift.clone()], of_out);
    let product = Product::new(Form::RightTransposed, of_out_rows, weights);
    F::multiply(product, MatrixMut::new(of_input, weights.rows), &mut scratch.packed);
}

impl<F: Real> Pass<'_, F> {
    fn feed_backward(
        &self,
        block: &Block,
        kept: &BlockTape<F>,
        (of_stream, gradient): (&mut [F], &mut [F]),
        rooms: &mut Rooms<'_, F>,
    ) {
        let Rooms { branch, inner, scratch, .. } = rooms;
        branch.copy_from_slice(of_stream);
        self.drops.apply(self.places[2], branch);
        let (hidden, input) = (&kept.hidden, &kept.feed_input);
        let dense = self.dense;
        linear_backward((dense, &mut *gradient), &block.outer, (hidden, branch), inner, scratch);
        rectified_gradient(inner, hidden, self.drops.factor());
        linear_backward((dense, &mut *gradient), &block.inner, (input, inner), branch, scratch);
        let (scale, _) = norm_of(dense, &block.feed_norm);
        let norms = scale_and_shift(gradient, &block.feed_norm);
        kept.feed_norm.backward(branch, scale, norms, of_stream);
    }

    fn attend_backward(
        &self,
        block: &Block,
        kept: &BlockTape<F>,
        (of_stream, gradient): (&mut [F], &mut [F]),
        rooms: &mut Rooms<'_, F>,
    ) {
        let Rooms { branch, inner, projected, scratch } = rooms;
        branch.copy_from_slice(of_stream);
        self.drops.apply(self.places[0], branch);
        let (dense, context) = (self.dense, &kept.context);
        linear_backward((dense, &mut *gradient), &block.output, (context, branch), inner, scratch);
        attention::backward(
            (&kept.projected, &kept.attention),
            (&self.tokens.ends, self.layout.dimensions),
            inner,
            projected,
            scratch,
        );
        let input = &kept.attention_input;
        linear_backward(
            (dense, &mut *gradient),
            &block.projection,
            (input, projected),
            branch,
            scratch,
        );
        let (scale, _) = norm_of(dense, &block.attention_norm);
        let norms = scale_and_shift(gradient, &block.attention_norm);
        kept.attention_norm.backward(branch, scale, norms, of_stream);
    }
}
