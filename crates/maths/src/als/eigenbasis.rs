//! What all rows of a half-iteration share: the Gram matrix of the fixed side, and the
//! basis in which it is diagonal.

use nalgebra::{DMatrix, SymmetricEigen};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::half_step::{BLOCK, TASK_ROWS};
use super::kernels::{self, TILE_ROWS};
use super::padded::PaddedRows;

/// Parts in which a Gram matrix is summed, whatever the number of threads.
const GRAM_PARTS: usize = 128;
/// Rows below which a part is not worth its own matrix.
const GRAM_PART_ROWS: usize = 2048;

/// `Y' Y` of padded rows, both triangles (length x length). The order of
/// summation depends on the number of rows only.
pub(super) fn gram(rows: &PaddedRows) -> Vec<f32> {
    let length = rows.length();
    let part_rows = rows.rows().div_ceil(GRAM_PARTS).max(GRAM_PART_ROWS);
    let parts: Vec<Vec<f32>> = rows
        .all()
        .par_chunks(part_rows * length)
        .map(|part| {
            let mut sum = vec![0.0; length * length];
            for block in part.chunks(BLOCK * length) {
                Arch::new().dispatch(GramBlock { rows: block, length, target: &mut sum });
            }
            sum
        })
        .collect();
    let mut total = vec![0.0f64; length * length];
    for part in &parts {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += f64::from(*part));
    }
    let mut gram: Vec<f32> = total.into_iter().map(|value| value as f32).collect();
    mirror(&mut gram, length);
    gram
}

/// Copies the upper triangle to the lower one.
fn mirror(matrix: &mut [f32], length: usize) {
    for i in 0..length {
        for j in 0..i {
            matrix[i * length + j] = matrix[j * length + i];
        }
    }
}

struct GramBlock<'a> {
    rows: &'a [f32],
    length: usize,
    target: &'a mut [f32],
}

impl WithSimd for GramBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        kernels::add_gram(simd, self.rows, self.length, self.target, || ());
    }
}

/// Steps of the search for eigenvalues; it takes a few for each.
const EIGEN_STEPS: usize = 100_000;

/// Eigenvalues of a symmetric matrix, none below zero, and its eigenvectors as
/// columns. The filling beyond `f` has eigenvalue one and no eigenvector. `None` when
/// they cannot be found, as of factors that all but vanished.
pub(super) fn eigenbasis(matrix: &[f32], f: usize, length: usize) -> Option<(Vec<f32>, Vec<f32>)> {
    let matrix = DMatrix::from_fn(f, f, |i, j| f64::from(matrix[i * length + j]));
    let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, EIGEN_STEPS)?;
    if !eigen.eigenvectors.iter().chain(eigen.eigenvalues.iter()).all(|value| value.is_finite()) {
        return None;
    }
    let mut basis = vec![0.0; length * length];
    for i in 0..f {
        for j in 0..f {
            basis[i * length + j] = eigen.eigenvectors[(i, j)] as f32;
        }
    }
    let value = |k: usize| if k < f { eigen.eigenvalues[k].max(0.0) as f32 } else { 1.0 };
    Some(((0..length).map(value).collect(), basis))
}

/// Turns rows into a basis.
pub(super) fn rotate_all(rows: &mut PaddedRows, basis: &[f32]) {
    let length = rows.length();
    rows.all_mut().par_chunks_mut(TASK_ROWS * length).for_each_init(
        || vec![0.0; TILE_ROWS * length],
        |scratch, rows| Arch::new().dispatch(Rotate { rows, basis, length, scratch }),
    );
}

struct Rotate<'a> {
    rows: &'a mut [f32],
    basis: &'a [f32],
    length: usize,
    scratch: &'a mut [f32],
}

impl WithSimd for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        kernels::rotate(simd, self.rows, (self.basis, self.length), self.scratch);
    }
}
