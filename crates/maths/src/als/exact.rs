//! One row solved exactly, in double precision: what a row falls back to where single
//! precision fails it.
//!
//! The equations are those of [`super::half_step`]. Their matrix is positive definite
//! for any confidences, since its ridge is above zero; but rounding may hide that where
//! confidences or hyper-parameters differ by many orders of magnitude. Then the
//! diagonal is raised a little, more each time, until it shows: the solution is that of
//! a slightly stronger regularisation. Rows like that are few, so it is plain code.

use nalgebra::{DMatrix, DVector};

use crate::dense::{JITTERS, NotPositiveDefinite};

/// A row's normal equations, as they are put together.
pub(super) struct ExactRow {
    matrix: DMatrix<f64>,
    right: DVector<f64>,
}

impl ExactRow {
    /// Begins with what all rows share, `a G`, and the row's ridge.
    pub(super) fn new(factors: usize, shared: impl Fn(usize, usize) -> f32, ridge: f32) -> Self {
        let mut matrix = DMatrix::from_fn(factors, factors, |i, j| f64::from(shared(i, j)));
        (0..factors).for_each(|k| matrix[(k, k)] += f64::from(ridge));
        Self { matrix, right: DVector::zeros(factors) }
    }

    /// Adds an interaction of this confidence, a dislike below zero, with a row of the
    /// fixed side.
    pub(super) fn add(&mut self, fixed: &[f32], confidence: f32) {
        let values = fixed.iter().take(self.right.len()).map(|value| f64::from(*value));
        let fixed = DVector::from_iterator(self.right.len(), values);
        let confidence = f64::from(confidence);
        self.matrix.ger(confidence.abs(), &fixed, &fixed, 1.0);
        self.right.axpy(confidence.max(0.0), &fixed, 1.0);
    }

    /// Solves into `vector`; what is beyond the factors becomes zero.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when there is a number that is not finite.
    pub(super) fn solve(self, vector: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let factors = self.right.len();
        let mean = self.matrix.trace() / factors.max(1) as f64;
        for jitter in JITTERS {
            let mut raised = self.matrix.clone();
            (0..factors).for_each(|k| raised[(k, k)] += f64::from(jitter) * mean);
            let Some(cholesky) = raised.cholesky() else { continue };
            let solution = cholesky.solve(&self.right);
            if solution.iter().all(|value| (*value as f32).is_finite()) {
                vector.fill(0.0);
                vector.iter_mut().zip(solution.iter()).for_each(|(to, from)| *to = *from as f32);
                return Ok(());
            }
        }
        Err(NotPositiveDefinite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_makes_singular_is_solved_all_the_same() {
        // The ridge vanishes beside the interaction.
        let mut row = ExactRow::new(2, |_, _| 0.0, 1e-30);
        row.add(&[1.0, 1.0], 50.0);
        let mut vector = [f32::NAN; 3];
        row.solve(&mut vector).unwrap();
        assert!((vector[0] + vector[1] - 1.0).abs() < 1e-2, "{vector:?}");
        assert_eq!(vector[2], 0.0);
    }

    #[test]
    fn what_is_disliked_pulls_towards_zero() {
        let solved = |disliked: f32| {
            let mut row = ExactRow::new(1, |_, _| 0.0, 1.0);
            row.add(&[1.0], 3.0);
            row.add(&[1.0], disliked);
            let mut vector = [f32::NAN];
            row.solve(&mut vector).unwrap();
            vector[0]
        };
        assert_eq!(solved(-4.0), 3.0 / 8.0);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let mut row = ExactRow::new(1, |_, _| 0.0, 1.0);
        row.add(&[f32::NAN], 1.0);
        assert_eq!(row.solve(&mut [0.0]), Err(NotPositiveDefinite));
    }
}
