//! Products of the small matrices of a sequence model: many rows, few columns.
//!
//! General packages pack both factors, which costs as much as multiplying when a factor has
//! 64 columns. Here the right one alone is packed, in panels that stay in the nearest cache
//! (as in Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008),
//! and tiles of the result are summed in registers. `pulp` picks the instructions.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// A matrix in rows that lie `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, F> {
    pub(super) values: &'a [F],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl<'a, F> Matrix<'a, F> {
    /// Rows without gaps.
    pub(super) fn new(values: &'a [F], columns: usize) -> Self {
        Self { values, rows: values.len() / columns.max(1), columns, stride: columns }
    }

    /// Some of the columns.
    pub(super) fn within(self, columns: Range<usize>) -> Self {
        let values = &self.values[columns.start.min(self.values.len())..];
        Self { values, columns: columns.len(), ..self }
    }
}

/// A matrix to be written, in rows that lie `stride` apart.
pub(super) struct MatrixMut<'a, F> {
    pub(super) values: &'a mut [F],
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl<'a, F> MatrixMut<'a, F> {
    /// Rows without gaps.
    pub(super) fn new(values: &'a mut [F], columns: usize) -> Self {
        Self { values, columns, stride: columns }
    }

    /// Some of the columns of rows without gaps.
    pub(super) fn within(values: &'a mut [F], stride: usize, columns: Range<usize>) -> Self {
        let start = columns.start.min(values.len());
        Self { values: &mut values[start..], columns: columns.len(), stride }
    }
}

/// Which of the factors are transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `A B`
    Plain,
    /// `A B'`
    RightTransposed,
    /// `A' B`
    LeftTransposed,
}

/// A product that is to be made.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, F> {
    pub(super) form: Form,
    pub(super) left: Matrix<'a, F>,
    pub(super) right: Matrix<'a, F>,
    /// Whether it is added to what the target holds.
    pub(super) is_added: bool,
    /// Whether the square matrix among the three (left of `A B` and `A' B`, the target of
    /// `A B'`) has nothing above its diagonal. That part is then left out, and of a target
    /// is whatever it happens to be.
    pub(super) is_causal: bool,
}

impl<'a, F> Product<'a, F> {
    /// A product of whole matrices that replaces what the target holds.
    pub(super) fn new(form: Form, left: Matrix<'a, F>, right: Matrix<'a, F>) -> Self {
        Self { form, left, right, is_added: false, is_causal: false }
    }

    /// Added to what the target holds.
    pub(super) fn added(self) -> Self {
        Self { is_added: true, ..self }
    }

    /// Without what lies above the diagonal.
    pub(super) fn causal(self) -> Self {
        Self { is_causal: true, ..self }
    }

    /// Rows of the result, and how many products each of its values sums.
    pub(super) fn rows_and_depth(&self) -> (usize, usize) {
        match self.form {
            Form::Plain | Form::RightTransposed => (self.left.rows, self.left.columns),
            Form::LeftTransposed => (self.left.columns, self.left.rows),
        }
    }

    /// Which of the depth counts for rows `rows` of the result.
    pub(super) fn depth_of(&self, rows: Range<usize>, depth: usize) -> Range<usize> {
        match (self.is_causal, self.form) {
            (true, Form::Plain) => 0..rows.end.min(depth),
            (true, Form::LeftTransposed) => rows.start.min(depth)..depth,
            _ => 0..depth,
        }
    }
}

/// Products of a depth that are summed before the result is written: a panel of them
/// is half of the nearest cache.
const DEPTH: usize = 128;
/// The most floats that a panel is wide.
const WIDEST: usize = 32;
/// Floats in a cache line.
const LINE: usize = 16;

/// `target = left right` in single precision; `packed` is room that is used again.
pub(super) fn multiply(
    product: Product<'_, f32>,
    target: MatrixMut<'_, f32>,
    packed: &mut Vec<f32>,
) {
    Arch::new().dispatch(Task { product, target, packed });
}

struct Task<'a, 'b> {
    product: Product<'a, f32>,
    target: MatrixMut<'b, f32>,
    packed: &'b mut Vec<f32>,
}

impl WithSimd for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many sums as there are registers for.
        match S::F32_LANES {
            16 => self.run::<S, 8, 2>(simd),
            8 => self.run::<S, 4, 2>(simd),
            _ => self.run::<S, 4, 4>(simd),
        }
    }
}

impl Task<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const W: usize>(mut self, simd: S) {
        let width = W * S::F32_LANES;
        let (rows, depth) = self.product.rows_and_depth();
        let columns = self.target.columns;
        self.packed.resize(DEPTH * WIDEST + LINE, 0.0);
        let aligned = self.packed.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        for start in (0..depth.max(1)).step_by(DEPTH) {
            let block = start..(start + DEPTH).min(depth);
            for column in (0..columns).step_by(width) {
                let taken = column..(column + width).min(columns);
                let panel = &mut self.packed[aligned..aligned + block.len() * width];
                match self.product.form {
                    Form::RightTransposed => {
                        pack_transposed(self.product.right, &block, &taken, (panel, width));
                    }
                    _ => pack(self.product.right, &block, &taken, (panel, width)),
                }
                self.panel::<S, R, W>(simd, (rows, depth), &block, &taken, aligned);
            }
        }
    }

    /// All tiles of the columns `taken`, for the products of one block of the depth.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const W: usize>(
        &mut self,
        simd: S,
        (rows, depth): (usize, usize),
        block: &Range<usize>,
        taken: &Range<usize>,
        aligned: usize,
    ) {
        let is_square = self.product.is_causal && self.product.form == Form::RightTransposed;
        // Rows above the first column of these are above the diagonal.
        let mut row = if is_square { taken.start.min(rows) } else { 0 };
        while row < rows {
            let counted = self.product.depth_of(row..(row + R).min(rows), depth);
            let counted = counted.start.max(block.start)..counted.end.min(block.end);
            let counted = if counted.is_empty() { block.start..block.start } else { counted };
            if rows - row >= R {
                self.tile::<S, R, W>(simd, row, (block.start, counted), taken, aligned);
                row += R;
            } else {
                self.tile::<S, 1, W>(simd, row, (block.start, counted), taken, aligned);
                row += 1;
            }
        }
    }

    /// `R` rows and at most `W` vectors of the result.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const W: usize>(
        &mut self,
        simd: S,
        row: usize,
        (from, counted): (usize, Range<usize>),
        taken: &Range<usize>,
        aligned: usize,
    ) {
        let adds = self.product.is_added || from > 0;
        if adds && counted.is_empty() {
            return;
        }
        let width = W * S::F32_LANES;
        let panel = &self.packed[aligned..];
        let start = (counted.start - from) * width;
        let panel = S::as_simd_f32s(&panel[start..start + counted.len() * width]).0;
        let left = self.product.left;
        let sums = match self.product.form {
            Form::LeftTransposed => {
                let start = (counted.start * left.stride + row).min(left.values.len());
                summed_down::<S, R, W>(simd, &left.values[start..], left.stride, panel)
            }
            _ => {
                let mut rows: [&[f32]; R] = [&[]; R];
                for (at, slot) in rows.iter_mut().enumerate() {
                    let start = (row + at) * left.stride + counted.start;
                    *slot = &left.values[start.min(left.values.len())..][..counted.len()];
                }
                summed_across::<S, R, W>(simd, rows, panel)
            }
        };
        for (at, sums) in sums.into_iter().enumerate() {
            let start = (row + at) * self.target.stride + taken.start;
            let target = &mut self.target.values[start..start + taken.len()];
            put::<S, W>(simd, target, sums, adds);
        }
    }
}

/// Copies rows `block` of some columns to where they lie together, filled up with zeros.
#[inline(always)]
fn pack(
    right: Matrix<'_, f32>,
    block: &Range<usize>,
    taken: &Range<usize>,
    (panel, width): (&mut [f32], usize),
) {
    for (row, to) in block.clone().zip(panel.chunks_exact_mut(width)) {
        let start = row * right.stride + taken.start;
        let from = &right.values[start..start + taken.len()];
        if from.len() == width {
            to.copy_from_slice(from);
        } else {
            to[..from.len()].copy_from_slice(from);
            to[from.len()..].fill(0.0);
        }
    }
}

/// As [`pack`], of a matrix whose rows are the product's columns.
#[inline(always)]
fn pack_transposed(
    right: Matrix<'_, f32>,
    block: &Range<usize>,
    taken: &Range<usize>,
    (panel, width): (&mut [f32], usize),
) {
    if taken.len() < width {
        panel.fill(0.0);
    }
    // A few rows at once, so that each line of the panel is written in pieces, not in floats.
    const TOGETHER: usize = 4;
    let mut at = 0;
    while at < taken.len() {
        let start = (taken.start + at) * right.stride + block.start;
        if taken.len() - at >= TOGETHER {
            let mut rows: [&[f32]; TOGETHER] = [&[]; TOGETHER];
            for (offset, slot) in rows.iter_mut().enumerate() {
                *slot = &right.values[start + offset * right.stride..][..block.len()];
            }
            for (depth, to) in panel.chunks_exact_mut(width).enumerate() {
                let to = &mut to[at..at + TOGETHER];
                for (to, row) in to.iter_mut().zip(rows) {
                    *to = row[depth];
                }
            }
            at += TOGETHER;
        } else {
            let row = &right.values[start..][..block.len()];
            for (to, from) in panel.chunks_exact_mut(width).zip(row) {
                to[at] = *from;
            }
            at += 1;
        }
    }
}

/// Sums over rows of the left factor.
#[inline(always)]
fn summed_across<S: Simd, const R: usize, const W: usize>(
    simd: S,
    rows: [&[f32]; R],
    panel: &[S::f32s],
) -> [[S::f32s; W]; R] {
    let mut sums = [[simd.splat_f32s(0.0); W]; R];
    let depth = panel.len() / W;
    let mut cut: [&[f32]; R] = [&[]; R];
    for (cut, row) in cut.iter_mut().zip(rows) {
        *cut = &row[..depth];
    }
    for (at, right) in panel.chunks_exact(W).enumerate() {
        for (sums, row) in sums.iter_mut().zip(cut) {
            let left = simd.splat_f32s(row[at]);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(left, *right, *sum);
            }
        }
    }
    sums
}

/// Sums over the first `R` columns of the left factor.
#[inline(always)]
fn summed_down<S: Simd, const R: usize, const W: usize>(
    simd: S,
    left: &[f32],
    stride: usize,
    panel: &[S::f32s],
) -> [[S::f32s; W]; R] {
    let mut sums = [[simd.splat_f32s(0.0); W]; R];
    for (left, right) in left.chunks(stride.max(1)).zip(panel.chunks_exact(W)) {
        for (sums, left) in sums.iter_mut().zip(&left[..R]) {
            let left = simd.splat_f32s(*left);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(left, *right, *sum);
            }
        }
    }
    sums
}

/// Writes a row of a tile, or adds it to what is there.
#[inline(always)]
fn put<S: Simd, const W: usize>(simd: S, target: &mut [f32], sums: [S::f32s; W], adds: bool) {
    let width = W * S::F32_LANES;
    if target.len() == width {
        for (to, sum) in S::as_mut_simd_f32s(target).0.iter_mut().zip(sums) {
            *to = if adds { simd.add_f32s(*to, sum) } else { sum };
        }
        return;
    }
    let mut whole = [0.0f32; WIDEST];
    S::as_mut_simd_f32s(&mut whole[..width]).0.copy_from_slice(&sums);
    for (to, sum) in target.iter_mut().zip(whole) {
        *to = if adds { *to + sum } else { sum };
    }
}

/// The same by its definition: the scalar twin of the tests, and of double precision.
#[cfg(test)]
pub(super) fn multiply_plainly<F: super::real::Real>(
    product: Product<'_, F>,
    target: MatrixMut<'_, F>,
) {
    let (rows, depth) = product.rows_and_depth();
    let (left, right) = (product.left, product.right);
    for row in 0..rows {
        for column in 0..target.columns {
            let is_above = product.is_causal && column > row;
            if is_above && product.form == Form::RightTransposed {
                continue;
            }
            let mut sum = F::of(0.0);
            for at in product.depth_of(row..row + 1, depth) {
                let left = match product.form {
                    Form::LeftTransposed => left.values[at * left.stride + row],
                    _ => left.values[row * left.stride + at],
                };
                let right = match product.form {
                    Form::RightTransposed => right.values[column * right.stride + at],
                    _ => right.values[at * right.stride + column],
                };
                sum = sum + left * right;
            }
            let to = &mut target.values[row * target.stride + column];
            *to = if product.is_added { *to + sum } else { sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// With instructions of a certain width.
    fn multiplied_by<S: Simd>(
        simd: S,
        product: Product<'_, f32>,
        start: &[f32],
        columns: usize,
    ) -> Vec<f32> {
        let mut values = start.to_vec();
        let target = MatrixMut::new(&mut values, columns);
        Task { product, target, packed: &mut Vec::new() }.with_simd(simd);
        values
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn products_are_those_of_the_definition_whatever_the_processor(
            (rows, depth, columns) in (1usize..200, 1usize..300, 1usize..80),
            form in prop_oneof![Just(Form::Plain), Just(Form::RightTransposed), Just(Form::LeftTransposed)],
            (is_added, is_causal) in (any::<bool>(), any::<bool>()),
        ) {
            // What is square where it is causal.
            let (depth, columns) = match (is_causal, form) {
                (false, _) => (depth, columns),
                (true, Form::RightTransposed) => (depth, rows),
                (true, _) => (rows, columns),
            };
            let mut state = 1u32;
            let mut numbers = |length: usize| -> Vec<f32> {
                let mut next = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 24) as f32 - 0.5
                };
                (0..length).map(|_| next()).collect()
            };
            let (mut left, right) = (numbers(rows * depth), numbers(depth * columns));
            if is_causal && form != Form::RightTransposed {
                (0..rows * rows).filter(|at| at % rows > at / rows).for_each(|at| left[at] = 0.0);
            }
            let left = Matrix::new(&left, if form == Form::LeftTransposed { rows } else { depth });
            let right =
                Matrix::new(&right, if form == Form::RightTransposed { depth } else { columns });
            let product = Product { form, left, right, is_added, is_causal };
            let start = numbers(rows * columns);
            let mut expected = start.clone();
            multiply_plainly(product, MatrixMut::new(&mut expected, columns));
            let mut best = start.clone();
            multiply(product, MatrixMut::new(&mut best, columns), &mut Vec::new());
            let mut found = vec![
                best,
                multiplied_by(pulp::Scalar, product, &start, columns),
                multiplied_by(pulp::Scalar128b, product, &start, columns),
            ];
            #[cfg(target_arch = "x86_64")]
            found.extend(pulp::x86::V3::try_new().map(|v3| multiplied_by(v3, product, &start, columns)));
            for found in found {
                for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let is_above = at % columns > at / columns;
                    if is_causal && form == Form::RightTransposed && is_above {
                        continue;
                    }
                    prop_assert!((found - expected).abs() < 1e-4, "{at} {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn some_columns_of_rows_are_read_and_written_and_no_others() {
        let values: Vec<f32> = (0..12).map(|at| at as f32).collect();
        let left = Matrix::new(&values, 4).within(1..3);
        let right = Matrix::new(&[1.0f32, 0.0, 0.0, 1.0], 2);
        let mut target = [-1.0f32; 15];
        let columns = MatrixMut::within(&mut target, 5, 2..4);
        multiply(Product::new(Form::Plain, left, right), columns, &mut Vec::new());
        let row = |a: f32, b: f32| [-1.0, -1.0, a, b, -1.0];
        assert_eq!(target[..], [row(1.0, 2.0), row(5.0, 6.0), row(9.0, 10.0)].concat());
    }
}
