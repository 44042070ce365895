//! The loss: softmax cross-entropy of the item that followed against negatives that a batch
//! shares (Klenitskiy and Vasilev, "Turning Dross Into Gold Loss: is BERT4Rec really better
//! than SASRec?", 2023; Petrov and Macdonald, "gSASRec", 2023, for the number of negatives).
//!
//! For an output `h` whose item `p` followed, with negatives `N` without `p`:
//! `loss = log(e^s_p + sum_{n in N} e^(s_n + q)) - s_p`, `s_i = h'E_i + b_i`. `q` is 0, or
//! the logarithm of how many items a negative stands for.

use super::product::{Form, Matrix, MatrixMut, Product};
use super::real::Real;
use super::rows::{add_columns, add_scaled, dot, greatest, room, sum, vectorised};
use super::weights::Weights;

/// The negatives of a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Negatives<F> {
    /// Ascending, none twice.
    pub(super) items: Vec<u32>,
    /// Their rows of the item table.
    rows: Vec<F>,
    /// What is added to each one's score.
    shifts: Vec<F>,
}

impl<F: Real> Negatives<F> {
    /// Takes their embeddings together; `items` ascend, `correction` is `q`.
    pub(super) fn gather(&mut self, weights: &Weights<F>, items: Vec<u32>, correction: F) {
        self.items = items;
        self.rows.clear();
        self.shifts.clear();
        for &item in &self.items {
            self.rows.extend_from_slice(weights.item(item));
            self.shifts.push(weights.biases[item as usize] + correction);
        }
    }
}

/// Gradients behind the loss, and room that is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct LossTape<F> {
    scores: Vec<F>,
    /// Of the network's output: tokens x dimensions.
    pub(super) of_output: Vec<F>,
    /// Of each token's score of what followed it.
    pub(super) of_positives: Vec<F>,
    /// Of the negatives' rows: negatives x dimensions.
    pub(super) of_negatives: Vec<F>,
    /// Of the negatives' biases.
    pub(super) of_shifts: Vec<F>,
}

/// The sum of the losses of all tokens and, in `tape`, `share` times its gradients.
pub(super) fn loss<F: Real>(
    weights: &Weights<F>,
    negatives: &Negatives<F>,
    (output, targets): (&[F], &[u32]),
    share: F,
    (tape, packed): (&mut LossTape<F>, &mut Vec<F>),
) -> f64 {
    let d = weights.layout.dimensions;
    let count = negatives.items.len();
    let output = Matrix::new(output, d);
    let rows = Matrix::new(&negatives.rows, d);
    let scores = room(&mut tape.scores, targets.len() * count);
    let product = Product::new(Form::RightTransposed, output, rows);
    F::multiply(product, MatrixMut::new(scores, count), packed);
    let of_output = room(&mut tape.of_output, targets.len() * d);
    let of_positives = room(&mut tape.of_positives, targets.len());
    let mut total = 0.0;
    for (at, target) in targets.iter().enumerate() {
        let scores = &mut scores[at * count..(at + 1) * count];
        let same = negatives.items.binary_search(target).ok();
        let output = &output.values[at * d..(at + 1) * d];
        let row = weights.item(*target);
        let bias = weights.biases[*target as usize];
        let shifts = &negatives.shifts;
        let (loss, of_positive) = vectorised(|| {
            let positive = dot(output, row) + bias;
            softmax_of(positive, (scores, shifts), same, share)
        });
        total += loss;
        of_positives[at] = of_positive;
    }
    let scores = Matrix::new(&tape.scores, count);
    let product = Product::new(Form::Plain, scores, rows);
    F::multiply(product, MatrixMut::new(of_output, d), packed);
    vectorised(|| {
        let each = targets.iter().zip(of_positives.iter()).zip(of_output.chunks_exact_mut(d));
        for ((target, of_positive), to) in each {
            add_scaled(to, *of_positive, weights.item(*target));
        }
    });
    let product = Product::new(Form::LeftTransposed, scores, output);
    let of_negatives = room(&mut tape.of_negatives, count * d);
    F::multiply(product, MatrixMut::new(of_negatives, d), packed);
    let of_shifts = room(&mut tape.of_shifts, count);
    of_shifts.fill(F::of(0.0));
    add_columns(of_shifts, &tape.scores);
    total
}

/// One token's loss, and `share` times the gradient of the score of what followed; those
/// of the negatives replace their scores. `same` is the negative that is what followed.
#[inline(always)]
fn softmax_of<F: Real>(
    positive: F,
    (scores, shifts): (&mut [F], &[F]),
    same: Option<usize>,
    share: F,
) -> (f64, F) {
    for (score, shift) in scores.iter_mut().zip(shifts) {
        *score = *score + *shift;
    }
    if let Some(same) = same {
        scores[same] = positive;
    }
    let most = greatest(scores, positive);
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
    }
    if let Some(same) = same {
        scores[same] = F::of(0.0);
    }
    let own = (positive - most).exp();
    let others = sum(scores);
    let total = others + own;
    let factor = share / total;
    scores.iter_mut().for_each(|score| *score = *score * factor);
    let loss = total.to_f64().ln() - (positive - most).to_f64();
    // By the others' sum: one less its own share would lose what is small.
    let of_positive = -others * factor;
    (loss, of_positive)
}
