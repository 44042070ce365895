//! The first singular vectors of a sparse matrix, by randomised subspace iteration: Halko,
//! Martinsson and Tropp, Finding Structure with Randomness (2011), algorithms 4.4 and 5.1.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::dense::add_scaled;
use crate::sparse::SparseRows;

/// Directions that are followed beside those that are wanted: the paper's advice (section 4.2).
const OVERSAMPLING: usize = 10;

/// Times that the matrix and its transpose are applied. Spectra of texts fall slowly; two to
/// four do (section 4.5).
const ITERATIONS: usize = 4;

/// Singular values below the first times this are rounding.
const LEAST_SHARE: f64 = 1e-4;

/// What a vector keeps at least of its length when others are taken out of it, or else it
/// was made of them.
const LEAST_KEPT: f64 = 1e-5;

/// A value of the matrix is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the matrix holds a value that is not finite")]
pub struct NotFinite;

/// The first singular values and right singular vectors of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct TruncatedSvd {
    /// Singular values, the largest first; all above 0.
    pub singular_values: Vec<f32>,
    /// Right singular vectors: a row for each column of the matrix, a column for each singular
    /// value. The component of each vector that is largest in magnitude is above 0.
    pub right: Array2<f32>,
}

/// The first `rank` singular values and vectors of a matrix; fewer where its rank is lower, down
/// to none. The same for the same seed, whatever the number of threads. Memory is about
/// 3 x 4 bytes x (rows + columns) x (rank + 10).
///
/// # Errors
/// When a value of the matrix is not finite.
pub fn truncated(matrix: &SparseRows, rank: usize, seed: u64) -> Result<TruncatedSvd, NotFinite> {
    if (0..matrix.rows()).any(|row| matrix.row(row).1.iter().any(|value| !value.is_finite())) {
        return Err(NotFinite);
    }
    let shorter = matrix.rows().min(matrix.columns());
    let rank = rank.min(shorter);
    let directions = (rank + OVERSAMPLING).min(shorter);
    if directions == 0 {
        let right = Array2::zeros((matrix.columns(), 0));
        return Ok(TruncatedSvd { singular_values: Vec::new(), right });
    }
    let transposed = matrix.transposed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut basis = Array2::from_shape_simple_fn((matrix.columns(), directions), || {
        StandardNormal.sample(&mut rng)
    });
    orthonormalise(&mut basis);
    for _ in 0..ITERATIONS {
        let mut image = product(matrix, basis.view());
        orthonormalise(&mut image);
        basis = product(&transposed, image.view());
        orthonormalise(&mut basis);
    }
    let image = product(matrix, basis.view());
    Ok(rotated(&basis, &image, rank))
}

/// Singular values and vectors within a basis, of whose image they are the axes.
fn rotated(basis: &Array2<f32>, image: &Array2<f32>, rank: usize) -> TruncatedSvd {
    let directions = basis.ncols();
    let columns: Vec<Vec<f64>> = image
        .axis_iter(Axis(1))
        .map(|column| column.iter().map(|value| f64::from(*value)).collect())
        .collect();
    let gram = DMatrix::from_fn(directions, directions, |i, j| wide_dot(&columns[i], &columns[j]));
    let eigen = SymmetricEigen::new(gram);
    let mut order: Vec<usize> = (0..directions).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let value = |index: usize| eigen.eigenvalues[index].max(0.0).sqrt();
    let first = order.first().map_or(0.0, |index| value(*index));
    order.truncate(rank);
    order.retain(|index| value(*index) > first * LEAST_SHARE);
    let axes = Array2::from_shape_fn((directions, order.len()), |(i, j)| {
        eigen.eigenvectors[(i, order[j])] as f32
    });
    let mut right = basis.dot(&axes);
    for mut vector in right.axis_iter_mut(Axis(1)) {
        let largest = vector
            .iter()
            .fold(0.0f32, |most: f32, value| if value.abs() > most.abs() { *value } else { most });
        if largest < 0.0 {
            vector.mapv_inplace(|value| -value);
        }
    }
    TruncatedSvd {
        singular_values: order.iter().map(|index| value(*index) as f32).collect(),
        right,
    }
}

fn wide_dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The matrix times a dense one, row by row.
fn product(matrix: &SparseRows, dense: ArrayView2<'_, f32>) -> Array2<f32> {
    let width = dense.ncols();
    let dense = dense.as_standard_layout();
    let (rows, length) = (dense.as_slice().unwrap_or_default(), matrix.rows() * width);
    let mut product = vec![0.0; length];
    // A row of no values is no row to hand out.
    product.par_chunks_mut(width.max(1)).enumerate().for_each(|(index, row)| {
        let (columns, values) = matrix.row(index);
        for (column, value) in columns.iter().zip(values) {
            let start = *column as usize * width;
            add_scaled(row, *value, &rows[start..start + width]);
        }
    });
    Array2::from_shape_vec((matrix.rows(), width), product)
        .unwrap_or_else(|_| Array2::zeros((matrix.rows(), width)))
}

/// Makes the columns orthonormal, by Gram-Schmidt done twice (Golub and Van Loan, Matrix
/// Computations, section 5.2.8); a column that was made of others becomes zeros.
fn orthonormalise(columns: &mut Array2<f32>) {
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(columns.ncols());
    for mut column in columns.axis_iter_mut(Axis(1)) {
        let mut vector: Vec<f64> = column.iter().map(|value| f64::from(*value)).collect();
        let before = wide_dot(&vector, &vector).sqrt();
        for _ in 0..2 {
            let shares: Vec<f64> = done.par_iter().map(|other| wide_dot(&vector, other)).collect();
            for (share, other) in shares.iter().zip(&done) {
                vector.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
            }
        }
        let length = wide_dot(&vector, &vector).sqrt();
        let scale = if length > before * LEAST_KEPT { length.recip() } else { 0.0 };
        vector.iter_mut().for_each(|value| *value *= scale);
        column.iter_mut().zip(&vector).for_each(|(value, wide)| *value = *wide as f32);
        if scale > 0.0 {
            done.push(vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sparse(dense: &Array2<f32>) -> SparseRows {
        let rows = dense.axis_iter(Axis(0)).map(|row| {
            let entries = (0u32..).zip(row.iter().copied());
            entries.filter(|(_, value)| *value != 0.0).collect()
        });
        SparseRows::from_rows(dense.ncols(), rows.collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_matrix_of_low_rank_is_found_whole(
            rows in 1usize..30, columns in 1usize..20, rank in 1usize..4, seed in 0u64..1000,
            values in proptest::collection::vec(-2.0f32..2.0, 200),
        ) {
            let left = Array2::from_shape_fn((rows, rank), |(i, j)| values[i * 4 + j]);
            let right = Array2::from_shape_fn((rank, columns), |(i, j)| values[199 - j * 4 - i]);
            let dense = left.dot(&right);
            let svd = truncated(&sparse(&dense), rank, seed).unwrap();
            let back = dense.dot(&svd.right).dot(&svd.right.t());
            let scale = dense.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
            for (value, expected) in back.iter().zip(&dense) {
                prop_assert!((value - expected).abs() < 2e-3 * scale, "{value} {expected}");
            }
            let gram = svd.right.t().dot(&svd.right);
            for ((i, j), value) in gram.indexed_iter() {
                prop_assert!((value - f32::from(u8::from(i == j))).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn the_singular_values_of_a_diagonal_are_its_entries() {
        let rows = (0..50u32).map(|row| vec![(row, (50 - row) as f32)]);
        let matrix = SparseRows::from_rows(50, rows.collect::<Vec<_>>());
        let svd = truncated(&matrix, 3, 1).unwrap();
        for (value, expected) in svd.singular_values.iter().zip([50.0, 49.0, 48.0]) {
            assert!((value - expected).abs() < 0.5, "{value} {expected}");
        }
        assert!(svd.right[[0, 0]] > 0.8, "{}", svd.right[[0, 0]]);
        assert_eq!(svd, truncated(&matrix, 3, 1).unwrap());
    }

    #[test]
    fn threads_do_not_change_anything() {
        let rows = (0..200u32).map(|row| vec![(row % 37, 1.0), (row * row % 61, 0.5)]);
        let matrix = SparseRows::from_rows(61, rows.collect::<Vec<_>>());
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| truncated(&matrix, 8, 3).unwrap())
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn empty_matrices_have_no_vectors_and_what_is_not_finite_is_refused() {
        for (columns, rows) in [(0, vec![]), (3, vec![]), (3, vec![vec![], vec![]])] {
            let svd = truncated(&SparseRows::from_rows(columns, rows), 2, 0).unwrap();
            assert_eq!(svd.singular_values, [0.0; 0]);
            assert_eq!(svd.right.dim(), (columns, 0));
        }
        let strange = SparseRows::from_rows(1, [vec![(0, f32::NAN)]]);
        assert_eq!(truncated(&strange, 1, 0), Err(NotFinite));
    }
}
