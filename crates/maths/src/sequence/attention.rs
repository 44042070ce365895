//! Causal self-attention of one head (Vaswani et al., "Attention Is All You Need", 2017,
//! section 3.2.1): each token looks at itself and at what came before.
//!
//! Sequences lie one after another without padding; the products are made for each on its own.

use std::ops::Range;

use super::product::{Form, Matrix, MatrixMut, Product};
use super::real::Real;
use super::rows::{dot, greatest, room, vectorised};

/// Where a sequence's tokens lie among all, and its square of attention among those of all.
struct Place {
    tokens: Range<usize>,
    square: Range<usize>,
}

fn places(ends: &[usize]) -> impl Iterator<Item = Place> {
    let mut start = 0;
    let mut square = 0;
    ends.iter().map(move |&end| {
        let length = end - start;
        let place = Place { tokens: start..end, square: square..square + length * length };
        (start, square) = (end, square + length * length);
        place
    })
}

/// How many weights of attention sequences have that end there.
fn squares(ends: &[usize]) -> usize {
    places(ends).last().map_or(0, |place| place.square.end)
}

/// Room that is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch<F> {
    pub(super) packed: Vec<F>,
    square: Vec<F>,
}

/// What a token's queries, keys and values are scaled by: the root of their length.
fn temperature<F: Real>(dimensions: usize) -> F {
    F::of(1.0 / (dimensions as f64).sqrt())
}

/// The queries, keys or values (0, 1, 2) of a sequence within the rows of all three.
fn third<'a, F: Real>(projected: &'a [F], place: &Place, d: usize, which: usize) -> Matrix<'a, F> {
    let rows = &projected[place.tokens.start * 3 * d..place.tokens.end * 3 * d];
    Matrix::new(rows, 3 * d).within(which * d..(which + 1) * d)
}

/// From queries, keys and values (tokens x three times `d`) to the weights of attention
/// and what is seen with them (tokens x `d`).
pub(super) fn forward<F: Real>(
    projected: &[F],
    (ends, d): (&[usize], usize),
    attention: &mut Vec<F>,
    context: &mut [F],
    scratch: &mut Scratch<F>,
) {
    let attention = room(attention, squares(ends));
    for place in places(ends) {
        let length = place.tokens.len();
        let square = &mut attention[place.square.clone()];
        let [queries, keys, values] = [0, 1, 2].map(|which| third(projected, &place, d, which));
        let product = Product::new(Form::RightTransposed, queries, keys).causal();
        F::multiply(product, MatrixMut::new(square, length), &mut scratch.packed);
        causal_softmax(square, length, temperature(d));
        let product = Product::new(Form::Plain, Matrix::new(square, length), values).causal();
        let seen = &mut context[place.tokens.start * d..place.tokens.end * d];
        F::multiply(product, MatrixMut::new(seen, d), &mut scratch.packed);
    }
}

/// Each row's softmax over what is not above the diagonal, which becomes zero.
fn causal_softmax<F: Real>(square: &mut [F], length: usize, temperature: F) {
    vectorised(|| {
        for (at, row) in square.chunks_exact_mut(length.max(1)).enumerate() {
            let (row, above) = row.split_at_mut(at + 1);
            above.fill(F::of(0.0));
            let most = greatest(row, row[0]);
            let mut total = F::of(0.0);
            for value in row.iter_mut() {
                *value = ((*value - most) * temperature).exp();
            }
            for value in row.iter() {
                total = total + *value;
            }
            let factor = F::of(1.0) / total;
            row.iter_mut().for_each(|value| *value = *value * factor);
        }
    });
}

/// From the gradient of what was seen to that of queries, keys and values.
pub(super) fn backward<F: Real>(
    (projected, attention): (&[F], &[F]),
    (ends, d): (&[usize], usize),
    of_context: &[F],
    of_projected: &mut [F],
    scratch: &mut Scratch<F>,
) {
    for place in places(ends) {
        let length = place.tokens.len();
        let square = &attention[place.square.clone()];
        let [queries, keys, values] = [0, 1, 2].map(|which| third(projected, &place, d, which));
        let of_seen = Matrix::new(&of_context[place.tokens.start * d..place.tokens.end * d], d);
        let of_square = room(&mut scratch.square, length * length);
        let product = Product::new(Form::RightTransposed, of_seen, values).causal();
        F::multiply(product, MatrixMut::new(of_square, length), &mut scratch.packed);
        softmax_gradient(of_square, square, length, temperature(d));
        let of_square = Matrix::new(&scratch.square, length);
        let square = Matrix::new(square, length);
        let rows = place.tokens.start * 3 * d..place.tokens.end * 3 * d;
        let of_rows = &mut of_projected[rows];
        let products = [
            Product::new(Form::Plain, of_square, keys),
            Product::new(Form::LeftTransposed, of_square, queries),
            Product::new(Form::LeftTransposed, square, of_seen),
        ];
        for (which, product) in products.into_iter().enumerate() {
            let target = MatrixMut::within(of_rows, 3 * d, which * d..(which + 1) * d);
            F::multiply(product.causal(), target, &mut scratch.packed);
        }
    }
}

/// From the gradient of the weights of attention to that of the scores before the
/// softmax, in place; zero above the diagonal.
fn softmax_gradient<F: Real>(gradient: &mut [F], weights: &[F], length: usize, temperature: F) {
    vectorised(|| {
        let each =
            gradient.chunks_exact_mut(length.max(1)).zip(weights.chunks_exact(length.max(1)));
        for (at, (gradient, weights)) in each.enumerate() {
            let (gradient, above) = gradient.split_at_mut(at + 1);
            above.fill(F::of(0.0));
            let weights = &weights[..=at];
            let mean = dot(gradient, weights);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = temperature * *weight * (*gradient - mean);
            }
        }
    });
}
