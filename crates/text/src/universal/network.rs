//! The layers: a table of pieces, three n-gram branches over them, a sum, and a small network
//! that makes the vector.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Zip, concatenate, s};

use super::weights::{BRANCH_ORDERS, Branch, Layer, Norm, Weights};
use crate::artefact::{ArtefactError, malformed};

/// The network, its shapes checked.
#[derive(Debug)]
pub(super) struct Network {
    weights: Weights,
    pieces: usize,
    /// The branches' projections side by side: one product makes all three, and the norm is
    /// over all of them together.
    projection: Layer,
    projection_norm: Norm,
}

fn expect(holds: bool, what: &str) -> Result<(), ArtefactError> {
    if holds { Ok(()) } else { Err(malformed(format_args!("the shapes of {what} do not fit"))) }
}

impl Network {
    pub(super) fn new(weights: Weights) -> Result<Self, ArtefactError> {
        let inputs = weights.branches[0].projection.weights.nrows();
        let width = weights.branches[0].projection.weights.ncols();
        let fits = |layer: &Layer, rows: usize, columns: usize| {
            layer.weights.dim() == (rows, columns) && layer.bias.len() == columns
        };
        let norm_fits =
            |norm: &Norm, length: usize| norm.gain.len() == length && norm.bias.len() == length;
        for (branch, order) in weights.branches.iter().zip(BRANCH_ORDERS) {
            expect(fits(&branch.projection, inputs, width), "a projection")?;
            expect(norm_fits(&branch.norm, width), "a norm")?;
            expect(fits(&branch.first, order * width, width), "a convolution")?;
            expect(fits(&branch.second, order * width, width), "a convolution")?;
        }
        let features = inputs + width * BRANCH_ORDERS.len();
        expect(norm_fits(&weights.norm, features), "the norm")?;
        let summed = weights.sum.weights.ncols();
        expect(fits(&weights.sum, features, summed), "the sum")?;
        let [dense0, dense1, dense2, dense3] = &weights.dense;
        let hidden = dense0.ncols();
        expect(dense0.nrows() == summed && dense1.dim() == (hidden, hidden), "the first layers")?;
        expect(weights.past[0].dim() == (summed, hidden), "the way past the first layers")?;
        expect(dense2.nrows() == hidden && dense3.nrows() == dense2.ncols(), "the last layers")?;
        expect(weights.past[1].dim() == (hidden, dense3.ncols()), "the way past the last layers")?;
        expect(weights.scale.len() == weights.low.len(), "the table")?;
        expect(weights.table.len().is_multiple_of(inputs), "the table")?;
        let all = |part: fn(&Branch) -> &Array1<f32>| {
            concatenate(Axis(0), &weights.branches.each_ref().map(|branch| part(branch).view()))
                .map_err(malformed)
        };
        let projections =
            weights.branches.each_ref().map(|branch| branch.projection.weights.view());
        let projection = Layer {
            weights: concatenate(Axis(1), &projections).map_err(malformed)?,
            bias: all(|branch| &branch.projection.bias)?,
        };
        let projection_norm =
            Norm { gain: all(|branch| &branch.norm.gain)?, bias: all(|branch| &branch.norm.bias)? };
        Ok(Self { pieces: weights.table.len() / inputs, weights, projection, projection_norm })
    }

    /// How many pieces the table has.
    pub(super) fn pieces(&self) -> usize {
        self.pieces
    }

    /// How long a vector is.
    pub(super) fn dimensions(&self) -> usize {
        self.weights.dense[3].ncols()
    }

    /// A vector for each sentence: their pieces' ids, each below [`Self::pieces`]; no sentence
    /// is empty.
    pub(super) fn encode(&self, sentences: &[&[u32]]) -> Array2<f32> {
        let weights = &self.weights;
        let spans = spans(sentences);
        let ids: Vec<u32> =
            sentences.iter().flat_map(|sentence| sentence.iter().copied()).collect();
        let inputs = self.projection.weights.nrows();
        let mut features = Array2::zeros((ids.len(), weights.norm.gain.len()));
        self.look_up(&ids, features.slice_mut(s![.., ..inputs]));
        let mut projected = self.projection.apply(features.slice(s![.., ..inputs]));
        self.projection_norm.apply(&mut projected, weights.epsilon);
        let width = projected.ncols() / BRANCH_ORDERS.len();
        for (number, (branch, order)) in weights.branches.iter().zip(BRANCH_ORDERS).enumerate() {
            let own = s![.., number * width..(number + 1) * width];
            let first = convolved(&branch.first, order, projected.slice(own), &spans);
            let second = convolved(&branch.second, order, first.view(), &spans);
            let place = inputs + number * width;
            features.slice_mut(s![.., place..place + width]).assign(&second);
        }
        weights.norm.apply(&mut features, weights.epsilon);
        self.vectors(&features, &spans)
    }

    /// The values of the table for these ids.
    fn look_up(&self, ids: &[u32], mut rows: ArrayViewMut2<'_, f32>) {
        let Weights { table, scale, low, .. } = &self.weights;
        let width = rows.ncols();
        for (mut row, id) in rows.axis_iter_mut(Axis(0)).zip(ids) {
            let id = *id as usize;
            let (scale, low) = (scale[id % scale.len()], low[id % low.len()]);
            for (value, stored) in row.iter_mut().zip(&table[id * width..(id + 1) * width]) {
                *value = f32::from(*stored) * scale + low;
            }
        }
    }

    /// From features of pieces to vectors of sentences. The sum comes before the projection,
    /// which is linear: one row a sentence instead of one a piece.
    fn vectors(&self, features: &Array2<f32>, spans: &[Range<usize>]) -> Array2<f32> {
        let Weights { sum, dense: [dense0, dense1, dense2, dense3], past, .. } = &self.weights;
        let mut summed = Array2::zeros((spans.len(), features.ncols()));
        for (mut row, span) in summed.axis_iter_mut(Axis(0)).zip(spans) {
            row.assign(&features.slice(s![span.clone(), ..]).sum_axis(Axis(0)));
        }
        let mut sentence = summed.dot(&sum.weights);
        for (mut row, span) in sentence.axis_iter_mut(Axis(0)).zip(spans) {
            let pieces = span.len() as f32;
            Zip::from(&mut row).and(&sum.bias).for_each(|value, bias| *value += pieces * bias);
            row *= pieces.sqrt().recip();
        }
        let rectified = |mut rows: Array2<f32>| {
            rows.mapv_inplace(|value| value.max(0.0));
            rows
        };
        let first = rectified(sentence.dot(dense0));
        let second = rectified(sentence.dot(&past[0]) + first.dot(dense1));
        let third = rectified(second.dot(dense2));
        let mut vectors = second.dot(&past[1]) + third.dot(dense3);
        vectors.mapv_inplace(f32::tanh);
        vectors
    }
}

/// Where each sentence's pieces stand when all stand in a row.
fn spans(sentences: &[&[u32]]) -> Vec<Range<usize>> {
    let mut end = 0;
    let span = |sentence: &&[u32]| {
        end += sentence.len();
        end - sentence.len()..end
    };
    sentences.iter().map(span).collect()
}

impl Layer {
    fn apply(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        rows.dot(&self.weights) + &self.bias
    }
}

impl Norm {
    /// Each row minus its mean, over its deviation, times the gain, plus the bias. Ba et al.,
    /// Layer Normalization (2016), equation 4.
    fn apply(&self, rows: &mut Array2<f32>, epsilon: f32) {
        for mut row in rows.axis_iter_mut(Axis(0)) {
            let mean = row.sum() / row.len() as f32;
            row -= mean;
            let variance = row.dot(&row) / row.len() as f32;
            let scale = (variance + epsilon).sqrt().recip();
            Zip::from(&mut row)
                .and(&self.gain)
                .and(&self.bias)
                .for_each(|value, gain, bias| *value = *value * scale * gain + bias);
        }
    }
}

/// What a convolution over `order` neighbours adds to each row, rectified, plus the row. Beyond
/// a sentence's ends there is nothing: rows of zeros.
fn convolved(
    layer: &Layer,
    order: usize,
    rows: ArrayView2<'_, f32>,
    spans: &[Range<usize>],
) -> Array2<f32> {
    let width = rows.ncols();
    let before = (order - 1) / 2;
    let mut windows = Array2::zeros((rows.nrows(), order * width));
    for span in spans {
        for slot in 0..order {
            // Row t of the sentence has row t + slot - before of it in this slot.
            let first = before.saturating_sub(slot);
            let shift = slot.saturating_sub(before);
            let length = span.len().saturating_sub(first + shift);
            let to = span.start + first..span.start + first + length;
            let from = span.start + shift..span.start + shift + length;
            let columns = slot * width..(slot + 1) * width;
            windows.slice_mut(s![to, columns]).assign(&rows.slice(s![from, ..]));
        }
    }
    let mut convolved = layer.apply(windows.view());
    Zip::from(&mut convolved).and(&rows).for_each(|value, row| *value = value.max(0.0) + row);
    convolved
}

#[cfg(test)]
mod tests {
    use super::super::weights::tests::tiny;
    use super::*;

    /// The same by its definition, number by number.
    fn by_definition(weights: &Weights, ids: &[u32]) -> Vec<f32> {
        let norm = |row: &[f32], norm: &Norm| -> Vec<f32> {
            let mean = row.iter().sum::<f32>() / row.len() as f32;
            let variance =
                row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / row.len() as f32;
            let scaled = row.iter().map(|value| (value - mean) / (variance + 1e-12).sqrt());
            scaled.zip(norm.gain.iter().zip(&norm.bias)).map(|(x, (g, b))| x * g + b).collect()
        };
        let times = |row: &[f32], matrix: &Array2<f32>| -> Vec<f32> {
            let column = |j| row.iter().enumerate().map(|(i, value)| value * matrix[[i, j]]).sum();
            (0..matrix.ncols()).map(column).collect()
        };
        let plus = |a: Vec<f32>, b: Vec<f32>| -> Vec<f32> {
            a.iter().zip(&b).map(|(a, b)| a + b).collect()
        };
        let rectified =
            |row: Vec<f32>| -> Vec<f32> { row.iter().map(|value| value.max(0.0)).collect() };
        let looked_up = |id: &u32| -> Vec<f32> {
            let (id, part) = (*id as usize, *id as usize % 3);
            let stored = &weights.table[id * 4..id * 4 + 4];
            stored.iter().map(|x| f32::from(*x) * weights.scale[part] + weights.low[part]).collect()
        };
        let mut features: Vec<Vec<f32>> = ids.iter().map(looked_up).collect();
        let inputs = features.clone();
        let all = Norm {
            gain: weights.branches.iter().flat_map(|branch| branch.norm.gain.to_vec()).collect(),
            bias: weights.branches.iter().flat_map(|branch| branch.norm.bias.to_vec()).collect(),
        };
        let project = |row: &Vec<f32>| {
            let projected = weights.branches.iter().flat_map(|branch| {
                let Layer { weights, bias } = &branch.projection;
                plus(times(row, weights), bias.to_vec())
            });
            norm(&projected.collect::<Vec<_>>(), &all)
        };
        let projected: Vec<Vec<f32>> = inputs.iter().map(project).collect();
        for (number, (branch, order)) in weights.branches.iter().zip(BRANCH_ORDERS).enumerate() {
            let own = |row: &Vec<f32>| row[number * 2..number * 2 + 2].to_vec();
            let mut rows: Vec<Vec<f32>> = projected.iter().map(own).collect();
            for layer in [&branch.first, &branch.second] {
                let window = |place: usize| -> Vec<f32> {
                    let neighbour = |slot: usize| {
                        let place = (place + slot).checked_sub((order - 1) / 2);
                        place.and_then(|place| rows.get(place)).cloned().unwrap_or(vec![0.0; 2])
                    };
                    (0..order).flat_map(neighbour).collect()
                };
                let convolve = |place: usize| {
                    let sum = plus(times(&window(place), &layer.weights), layer.bias.to_vec());
                    plus(rectified(sum), rows[place].clone())
                };
                rows = (0..rows.len()).map(convolve).collect();
            }
            features.iter_mut().zip(rows).for_each(|(feature, row)| feature.extend(row));
        }
        let projected = features.iter().map(|row| {
            plus(times(&norm(row, &weights.norm), &weights.sum.weights), weights.sum.bias.to_vec())
        });
        let sum = projected.reduce(plus).unwrap();
        let sentence: Vec<f32> = sum.iter().map(|x| x / (ids.len() as f32).sqrt()).collect();
        let [dense0, dense1, dense2, dense3] = &weights.dense;
        let first = rectified(times(&sentence, dense0));
        let second = rectified(plus(times(&sentence, &weights.past[0]), times(&first, dense1)));
        let third = rectified(times(&second, dense2));
        let last = plus(times(&second, &weights.past[1]), times(&third, dense3));
        last.iter().map(|value| value.tanh()).collect()
    }

    #[test]
    fn sentences_side_by_side_are_what_each_is_by_definition() {
        let network = Network::new(tiny(8)).unwrap();
        let sentences: [&[u32]; 4] = [&[1, 3, 4, 5, 6, 7, 2], &[1, 0, 2], &[5], &[1, 2]];
        let encoded = network.encode(&sentences);
        for (row, ids) in encoded.axis_iter(Axis(0)).zip(sentences) {
            for (value, expected) in row.iter().zip(by_definition(&tiny(8), ids)) {
                assert!((value - expected).abs() < 1e-5, "{ids:?}: {value} {expected}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let spoil: [fn(&mut Weights); 6] = [
            |weights| weights.table.push(1),
            |weights| weights.scale = Array1::zeros(2),
            |weights| weights.norm.gain = Array1::zeros(9),
            |weights| weights.sum.bias = Array1::zeros(3),
            |weights| weights.dense[1] = Array2::zeros((2, 2)),
            |weights| weights.past[1] = Array2::zeros((12, 5)),
        ];
        for spoil in spoil {
            let mut weights = tiny(8);
            spoil(&mut weights);
            assert!(Network::new(weights).is_err());
        }
    }
}
