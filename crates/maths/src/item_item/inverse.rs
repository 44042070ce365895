//! The inverse of a large symmetric positive definite matrix, in place.
//!
//! It is the sweep operator (Beaton 1964; Goodnight, "A Tutorial on the SWEEP Operator",
//! 1979) on blocks: with `D` the inverse of a pivot block, each step replaces
//!
//! `A_ij <- A_ij - A_ik D A_kj`, `A_ik <- A_ik D`, `A_kk <- -D`
//!
//! and after all steps `-A^-1` is left. The matrix stays symmetric, so one triangle is
//! held and changed: n^2 values of 4 bytes in all, n^3 operations as by Cholesky, nearly
//! all of them in products of a block with a panel. Pivot blocks are inverted in double
//! precision. No step depends on the number of threads.

use nalgebra::DMatrix;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;

use crate::dense::NotPositiveDefinite;

/// Rows of a block: enough for the products to run at the speed of the processor, few
/// enough for pivot blocks to cost nothing beside them.
const BLOCK: usize = 192;

/// How far off what comes back may be.
const TOLERANCE: f64 = 1e-2;

/// 1 or -1, by a hash (Knuth's multiplicative) that has no pattern of the blocks.
fn sign(at: usize) -> f64 {
    if (at as u32).wrapping_mul(2_654_435_761) >> 31 == 0 { 1.0 } else { -1.0 }
}

/// A symmetric matrix of which the lower triangle (row by row, in rows of full length)
/// is what counts.
pub(super) struct Symmetric {
    size: usize,
    values: Vec<f32>,
}

impl Symmetric {
    /// A matrix of zeros.
    pub(super) fn zeros(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    /// The whole rows of storage, of which those up to the diagonal count.
    pub(super) fn rows_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [f32]> {
        self.values.par_chunks_exact_mut(self.size.max(1))
    }

    /// Adds to the diagonal.
    pub(super) fn add_to_diagonal(&mut self, added: impl Fn(usize) -> f32) {
        (0..self.size).for_each(|at| self.values[at * (self.size + 1)] += added(at));
    }

    pub(super) fn diagonal(&self) -> Vec<f32> {
        (0..self.size).map(|at| self.values[at * (self.size + 1)]).collect()
    }

    /// Replaces the matrix by the negative of its inverse. One that rounding would leave
    /// wrong is refused as well: a vector of signs must come back from a product with
    /// the matrix and one with its inverse.
    pub(super) fn invert_negatively(&mut self) -> Result<(), NotPositiveDefinite> {
        let signs: Vec<f64> = (0..self.size).map(sign).collect();
        let product = self.times(&signs);
        self.sweep()?;
        let back = self.times(&product);
        let is_back = |(sign, back): (&f64, f64)| (sign + back).abs() <= TOLERANCE;
        if signs.iter().zip(back).all(is_back) { Ok(()) } else { Err(NotPositiveDefinite) }
    }

    fn times(&self, vector: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0f64; self.size];
        for (at, row) in self.values.chunks_exact(self.size.max(1)).enumerate() {
            let mut own = f64::from(row[at]) * vector[at];
            for ((value, other), sum) in row[..at].iter().zip(vector).zip(&mut product) {
                own += f64::from(*value) * other;
                *sum += f64::from(*value) * vector[at];
            }
            product[at] += own;
        }
        product
    }

    fn sweep(&mut self) -> Result<(), NotPositiveDefinite> {
        let size = self.size;
        for start in (0..size).step_by(BLOCK) {
            let width = BLOCK.min(size - start);
            let column = self.column_block(start, width);
            let pivot = inverse_of_block(column.slice(s![start..start + width, ..]))?;
            let panels = self.values.par_chunks_mut(BLOCK * size).with_max_len(1).enumerate();
            panels.for_each(|(panel, rows)| {
                sweep_panel(rows, panel * BLOCK, start, &column, &pivot);
            });
        }
        Ok(())
    }

    /// The columns `start..start + width` of the whole matrix (size x width).
    fn column_block(&self, start: usize, width: usize) -> Array2<f32> {
        let mut column = Array2::zeros((self.size, width));
        for at in 0..width {
            let row = &self.values[(start + at) * self.size..][..start + at + 1];
            row.iter().enumerate().for_each(|(other, value)| column[(other, at)] = *value);
            (0..at).for_each(|other| column[(start + at, other)] = row[start + other]);
        }
        for row in start + width..self.size {
            let values = &self.values[row * self.size + start..][..width];
            column.row_mut(row).iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        }
        column
    }

    /// Hands each row of the whole matrix to `make`, in parallel, and collects what it
    /// makes in the order of the rows.
    pub(super) fn map_rows<T: Send>(&self, make: impl Fn(usize, &[f32]) -> T + Sync) -> Vec<T> {
        self.map_panels(|first, panel| {
            let row = |at: usize| panel.row(at).to_slice().map(|row| make(first + at, row));
            (0..panel.nrows()).filter_map(row).collect()
        })
    }

    /// As [`Self::map_rows`], some rows at a time: the first of them, and the rows in
    /// standard layout.
    pub(super) fn map_panels<T: Send>(
        &self,
        make: impl Fn(usize, ArrayView2<'_, f32>) -> Vec<T> + Sync,
    ) -> Vec<T> {
        let starts: Vec<usize> = (0..self.size).step_by(BLOCK).collect();
        let made = starts.into_par_iter().with_max_len(1).map(|start| {
            let rows = self.column_block(start, BLOCK.min(self.size - start)).reversed_axes();
            make(start, rows.as_standard_layout().view())
        });
        made.flatten_iter().collect()
    }
}

/// One step's changes to the rows from `first` on, up to the diagonal.
fn sweep_panel(
    rows: &mut [f32],
    first: usize,
    start: usize,
    column: &Array2<f32>,
    pivot: &Array2<f32>,
) {
    let (size, width) = column.dim();
    let height = rows.len() / size;
    let end = first + height;
    let Ok(mut rows) = ArrayViewMut2::from_shape((height, size), rows) else {
        unreachable!("a panel is whole rows");
    };
    if first == start {
        rows.slice_mut(s![.., ..start]).assign(&column.slice(s![..start, ..]).dot(pivot).t());
        rows.slice_mut(s![.., start..end]).assign(&pivot.map(|value| -value));
        return;
    }
    let own = column.slice(s![first..end, ..]).dot(pivot);
    let mut target = rows.slice_mut(s![.., ..end]);
    general_mat_mul(-1.0, &own, &column.slice(s![..end, ..]).t(), 1.0, &mut target);
    if first > start {
        target.slice_mut(s![.., start..start + width]).assign(&own);
    }
}

fn inverse_of_block(block: ArrayView2<'_, f32>) -> Result<Array2<f32>, NotPositiveDefinite> {
    let size = block.nrows();
    let block = DMatrix::from_fn(size, size, |i, j| f64::from(block[(i, j)]));
    let inverse = block.cholesky().ok_or(NotPositiveDefinite)?.inverse();
    let inverse = Array2::from_shape_fn((size, size), |(i, j)| inverse[(i, j)] as f32);
    if inverse.iter().all(|value| value.is_finite()) {
        Ok(inverse)
    } else {
        Err(NotPositiveDefinite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix with a strong diagonal and pseudo-random rest.
    fn matrix(size: usize) -> Symmetric {
        let mut matrix = Symmetric::zeros(size);
        matrix.rows_mut().enumerate().for_each(|(i, row)| {
            for (j, value) in row.iter_mut().enumerate().take(i) {
                *value = ((i * 31 + j * 17) % 13) as f32 / 13.0 - 0.4;
            }
            row[i] = size as f32;
        });
        matrix
    }

    #[test]
    fn over_blocks_of_all_sizes_it_is_the_negative_inverse() {
        for size in [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7] {
            let whole = matrix(size).map_rows(|_, row| row.to_vec());
            let whole = DMatrix::from_fn(size, size, |i, j| f64::from(whole[i][j]));
            let mut inverted = matrix(size);
            inverted.invert_negatively().unwrap();
            let inverted = inverted.map_rows(|_, row| row.to_vec());
            let inverse = DMatrix::from_fn(size, size, |i, j| -f64::from(inverted[i][j]));
            let off = (&whole * inverse - DMatrix::identity(size, size)).abs();
            assert!(off.iter().all(|value| *value < 1e-4), "{size}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        for wrong in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let mut matrix = matrix(BLOCK + 5);
            matrix.add_to_diagonal(
                |at| if at == BLOCK + 2 { wrong - BLOCK as f32 - 5.0 } else { 0.0 },
            );
            assert_eq!(matrix.invert_negatively(), Err(NotPositiveDefinite), "{wrong}");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_inverse() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut matrix = matrix(3 * BLOCK);
            pool.install(|| matrix.invert_negatively().unwrap());
            matrix.values
        };
        assert!(with(1) == with(3));
    }
}
