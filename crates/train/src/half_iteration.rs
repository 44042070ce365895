//! One half-iteration of one shard.

use crossfold_core::maths::als::{AlsParams, HalfStep};
use crossfold_core::maths::dense::NotPositiveDefinite;
use crossfold_core::maths::sparse::SparseRows;
use ndarray::Array2;

/// One half-iteration, as far as a shard needs it.
pub(crate) struct Half {
    pub(crate) fixed: Array2<f32>,
    /// The solved side as it was, if the half-iteration before turned both
    /// sides into its eigenbasis. One machine goes on in that basis, in which
    /// the preconditioner is at its best.
    pub(crate) rotated_last: Option<Array2<f32>>,
    pub(crate) solved_rows: usize,
    pub(crate) params: AlsParams,
    /// Whether nothing is solved against its result any more.
    pub(crate) is_last: bool,
}

impl Half {
    pub(crate) fn solve(
        self,
        rows: &SparseRows,
        mut vectors: Array2<f32>,
    ) -> Result<Array2<f32>, NotPositiveDefinite> {
        let Self { mut fixed, rotated_last, solved_rows, params, is_last } = self;
        let turn = rotated_last.map(|last| HalfStep::new(last.view(), fixed.nrows(), &params));
        if let Some(turn) = &turn {
            turn.enter_basis(&mut fixed);
            turn.enter_basis(&mut vectors);
        }
        let half = HalfStep::new(fixed.view(), solved_rows, &params);
        drop(fixed);
        if is_last {
            half.solve_converged(rows, &mut vectors)?;
        } else {
            half.solve(rows, &mut vectors)?;
        }
        half.restore_basis(&mut vectors);
        if let Some(turn) = &turn {
            turn.restore_basis(&mut vectors);
        }
        Ok(vectors)
    }
}
