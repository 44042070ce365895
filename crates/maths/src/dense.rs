//! Small dense linear algebra: dot products, Gram matrices, Cholesky.

use ndarray::{Array2, ArrayView2, Axis, linalg::general_mat_mul};

pub(crate) const LANES: usize = 8;

/// Dot product, summed in eight independent lanes so that it can be vectorised.
#[inline]
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    rest + lanes.iter().sum::<f32>()
}

/// `target += factor * source`, element by element.
#[inline]
pub fn add_scaled(target: &mut [f32], factor: f32, source: &[f32]) {
    for (t, s) in target.iter_mut().zip(source) {
        *t += factor * s;
    }
}

/// Rows summed at a time: fixed, so that the result does not depend on threads.
const GRAM_BLOCK: usize = 4096;

/// `Y' Y` (f x f) of a matrix of rows (n x f).
#[must_use]
pub fn gram(rows: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut sum = Array2::zeros((rows.ncols(), rows.ncols()));
    for block in rows.axis_chunks_iter(Axis(0), GRAM_BLOCK) {
        general_mat_mul(1.0, &block.t(), &block, 1.0, &mut sum);
    }
    sum
}

/// The matrix was not positive definite (or held a NaN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the normal equations are not positive definite")]
pub struct NotPositiveDefinite;

/// Replaces the upper triangle of a symmetric `f x f` matrix (row by row) by
/// `U` with `U' U = A`; the strict lower triangle is neither read nor written.
/// Golub and Van Loan, Matrix Computations, section 4.2 (outer-product form).
///
/// # Errors
/// [`NotPositiveDefinite`]; the matrix is then partly overwritten.
pub fn cholesky(matrix: &mut [f32], f: usize) -> Result<(), NotPositiveDefinite> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(x86::Cholesky { simd, matrix, f });
    }
    cholesky_by(Plain, matrix, f)
}

/// What adds a multiple of a row to another: no closure, which would not be compiled for the
/// instructions of its caller.
trait AddScaled: Copy {
    fn add_scaled(self, target: &mut [f32], factor: f32, source: &[f32]);
}

/// On any processor.
#[derive(Clone, Copy)]
struct Plain;

impl AddScaled for Plain {
    #[inline(always)]
    fn add_scaled(self, target: &mut [f32], factor: f32, source: &[f32]) {
        add_scaled(target, factor, source);
    }
}

#[inline(always)]
fn cholesky_by(
    rows: impl AddScaled,
    matrix: &mut [f32],
    f: usize,
) -> Result<(), NotPositiveDefinite> {
    for k in 0..f {
        let (head, tail) = matrix.split_at_mut((k + 1) * f);
        let pivot_row = &mut head[k * f + k..];
        let pivot = pivot_row[0];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(NotPositiveDefinite);
        }
        let scale = pivot.sqrt().recip();
        pivot_row.iter_mut().for_each(|value| *value *= scale);
        for i in k + 1..f {
            let row = &mut tail[(i - k - 1) * f + i..(i - k) * f];
            let source = &pivot_row[i - k..];
            rows.add_scaled(row, -source[0], source);
        }
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast, f32x8};

    use super::{AddScaled, LANES, NotPositiveDefinite, cholesky_by};

    /// A matrix to take apart: the sums of the plain loop to the last bit, as products are rounded
    /// before they are added.
    pub(super) struct Cholesky<'a> {
        pub(super) simd: V3,
        pub(super) matrix: &'a mut [f32],
        pub(super) f: usize,
    }

    impl NullaryFnOnce for Cholesky<'_> {
        type Output = Result<(), NotPositiveDefinite>;

        #[inline(always)]
        fn call(self) -> Self::Output {
            let Self { simd, matrix, f } = self;
            cholesky_by(simd, matrix, f)
        }
    }

    impl AddScaled for V3 {
        #[inline(always)]
        fn add_scaled(self, target: &mut [f32], factor: f32, source: &[f32]) {
            let simd = self;
            let (targets, rest) = target.as_chunks_mut::<LANES>();
            let (sources, of_rest) = source.as_chunks::<LANES>();
            let factors = simd.splat_f32x8(factor);
            for (target, source) in targets.iter_mut().zip(sources) {
                let (sum, source): (f32x8, f32x8) = (cast(*target), cast(*source));
                *target = cast(simd.add_f32x8(sum, simd.mul_f32x8(factors, source)));
            }
            for (target, source) in rest.iter_mut().zip(of_rest) {
                *target += factor * source;
            }
        }
    }
}

/// What is added to the diagonal of a matrix that rounding left not positive definite,
/// one after another until it is, as multiples of the diagonal's mean.
pub const JITTERS: [f32; 8] = [0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// [`cholesky`] of a matrix that is positive definite but for rounding: with as little
/// of [`JITTERS`] added to its diagonal as it takes.
///
/// # Errors
/// [`NotPositiveDefinite`] when it is not for another reason; the matrix is then
/// partly overwritten.
pub fn cholesky_despite_rounding(matrix: &mut [f32], f: usize) -> Result<(), NotPositiveDefinite> {
    let whole = matrix.to_vec();
    let mean = (0..f).map(|k| whole[k * f + k]).sum::<f32>() / f.max(1) as f32;
    for jitter in JITTERS {
        matrix.copy_from_slice(&whole);
        (0..f).for_each(|k| matrix[k * f + k] += jitter * mean);
        if cholesky(matrix, f).is_ok() {
            return Ok(());
        }
    }
    Err(NotPositiveDefinite)
}

/// Solves `U' U x = b` in place.
pub fn cholesky_solve(factor: &[f32], f: usize, b: &mut [f32]) {
    for k in 0..f {
        let row = &factor[k * f + k..(k + 1) * f];
        b[k] /= row[0];
        let z = b[k];
        add_scaled(&mut b[k + 1..f], -z, &row[1..]);
    }
    for k in (0..f).rev() {
        let row = &factor[k * f + k..(k + 1) * f];
        b[k] = (b[k] - dot(&row[1..], &b[k + 1..f])) / row[0];
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_processor_takes_a_matrix_apart_to_the_same_bits(
            f in 1usize..40, seed in proptest::collection::vec(-1.0f32..1.0, 2_000),
        ) {
            let rows = Array2::from_shape_fn((50, f), |(i, j)| seed[i * f + j]);
            let one = gram(rows.view()).into_raw_vec_and_offset().0;
            let (mut one, mut other) = (one.clone(), one);
            let found = (cholesky(&mut one, f), cholesky_by(Plain, &mut other, f));
            prop_assert_eq!(found.0, found.1);
            let bits = |matrix: Vec<f32>| matrix.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(one), bits(other));
        }

        #[test]
        fn cholesky_solves_what_it_should(
            f in 1usize..12,
            seed in proptest::collection::vec(-1.0f32..1.0, 400),
        ) {
            let rows = Array2::from_shape_fn((20, f), |(i, j)| seed[i * f + j]);
            let mut matrix = gram(rows.view());
            matrix.diag_mut().iter_mut().for_each(|value| *value += 0.5);
            let x = Array1::from_iter(seed.iter().rev().take(f).copied());
            let mut b = matrix.dot(&x).to_vec();
            let mut factor = matrix.into_raw_vec_and_offset().0;
            cholesky(&mut factor, f).unwrap();
            cholesky_solve(&factor, f, &mut b);
            for (solved, expected) in b.iter().zip(&x) {
                prop_assert!((solved - expected).abs() < 1e-3, "{solved} {expected}");
            }
        }

        #[test]
        fn dot_is_the_plain_sum(values in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..70)) {
            let (a, b): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-4);
        }
    }

    #[test]
    fn what_is_positive_definite_but_for_rounding_is_factorised() {
        let mut singular = [1.0f32; 9];
        assert!(cholesky(&mut singular.clone(), 3).is_err());
        cholesky_despite_rounding(&mut singular, 3).unwrap();
        let mut x = [1.0, 1.0, 1.0];
        cholesky_solve(&singular, 3, &mut x);
        assert!((x.iter().sum::<f32>() - 1.0).abs() < 1e-2, "{x:?}");
        assert!(cholesky_despite_rounding(&mut [-1.0], 1).is_err());
        assert!(cholesky_despite_rounding(&mut [f32::NAN], 1).is_err());
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        assert_eq!(cholesky(&mut [0.0], 1), Err(NotPositiveDefinite));
        assert_eq!(cholesky(&mut [f32::NAN], 1), Err(NotPositiveDefinite));
        assert_eq!(cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2), Err(NotPositiveDefinite));
    }
}
