//! One half-iteration: every row of one side solved against the other side's
//! factors, held fixed.
//!
//! Each row's normal equations are `(a G + sum |c| y y' + l I) x = sum p |c| y`, with
//! `G` the Gram matrix of the fixed side, and the preference `p` 1 where the
//! confidence `c` is above zero, 0 where it is below. How they are solved depends on
//! the row:
//!
//! | row | solved by | cost of `n` interactions, `f` factors |
//! | --- | --- | --- |
//! | a few interactions | an `n x n` system: `(C^-1 + Y D^-1 Y') z = p`, `x = D^-1 Y' z` | `n^2 f / 2` |
//! | most | conjugate gradient from the row's last solution, preconditioned by the diagonal of `a G + l I` | `2 n f` a step |
//! | more than fit the cache, up to 64 factors | the matrix itself and Cholesky: the factors are fetched from memory only once | `n f^2 / 2 + f^3 / 6` |
//!
//! When the side to solve is the larger one, both sides are first rotated into
//! the eigenbasis of `a G`, which changes no score and makes the shared part
//! diagonal (`D`): a step then costs nothing of order `f^2`, and the small
//! system of the first kind becomes possible.
//!
//! A row that single precision fails at, by any of these ways, is solved exactly in
//! double precision (`als::exact`): any confidences have a solution.
//!
//! Conjugate gradient for implicit feedback: Takács, Pilászy, Tikk,
//! "Applications of the conjugate gradient method for implicit feedback
//! collaborative filtering" (2011); the identity of the first kind is
//! Woodbury's (Golub and Van Loan, Matrix Computations, section 2.1.4).

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::eigenbasis::{eigenbasis, gram, rotate_all};
use super::exact::ExactRow;
use super::kernels::{self, PickedRows, SMALL, TILE_ROWS, vectors, vectors_mut};
use super::padded::PaddedRows;
use super::{AlsParams, Solver, preference};
use crate::dense::{NotPositiveDefinite, cholesky, cholesky_solve};
use crate::sparse::SparseRows;

/// A half-iteration prepared for any number of shards of the solved side.
pub struct HalfStep {
    fixed: PaddedRows,
    core: Equations,
}

impl HalfStep {
    /// Prepares a half-step against the `fixed` side (rows x factors).
    /// `solved_rows` is how many rows the solved side has altogether, over all shards.
    #[must_use]
    pub fn new(fixed: ArrayView2<'_, f32>, solved_rows: usize, params: &AlsParams) -> Self {
        let mut fixed = PaddedRows::from_view(fixed);
        let core = Equations::prepare(&mut fixed, solved_rows, params);
        Self { fixed, core }
    }

    /// The fixed side's factors in the basis in which this half-step solves, when
    /// that is another one than they came in: they replace those it was made
    /// from, together with the solutions. The same on every machine.
    #[must_use]
    pub fn rotated_fixed(&self) -> Option<Array2<f32>> {
        let is_rotated = matches!(self.core.shared, Shared::Diagonal { .. });
        is_rotated.then(|| self.fixed.to_array(self.core.factors))
    }

    /// Solves rows. `vectors` (rows x factors) holds the rows' last solutions,
    /// in the basis of the factors this was made from, and receives the new
    /// ones. A row's solution does not depend on the other rows given with it.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] when a confidence or a factor is no finite number.
    pub fn solve(
        &self,
        rows: &SparseRows,
        vectors: &mut Array2<f32>,
    ) -> Result<(), NotPositiveDefinite> {
        self.solve_with(rows, vectors, Effort::Usual)
    }

    /// As [`HalfStep::solve`], but until converged: for the last half-iteration of a fit.
    ///
    /// # Errors
    /// As for [`HalfStep::solve`].
    pub fn solve_converged(
        &self,
        rows: &SparseRows,
        vectors: &mut Array2<f32>,
    ) -> Result<(), NotPositiveDefinite> {
        self.solve_with(rows, vectors, Effort::Converged)
    }

    fn solve_with(
        &self,
        rows: &SparseRows,
        vectors: &mut Array2<f32>,
        effort: Effort,
    ) -> Result<(), NotPositiveDefinite> {
        let mut padded = PaddedRows::from_view(vectors.view());
        self.core.solve(&self.fixed, rows, &mut padded, effort)?;
        *vectors = padded.into_array(self.core.factors);
        Ok(())
    }

    /// Turns vectors (rows x factors) from the basis of the factors this was
    /// made from into the one in which it solves.
    pub fn enter_basis(&self, vectors: &mut Array2<f32>) {
        if let Some(basis) = self.basis() {
            *vectors = vectors.dot(&basis);
        }
    }

    /// Turns solutions (rows x factors) back into the basis of the factors this
    /// was made from. Machines whose processors differ may disagree about an
    /// eigenbasis; what they exchange must not depend on it.
    pub fn restore_basis(&self, vectors: &mut Array2<f32>) {
        if let Some(basis) = self.basis() {
            *vectors = vectors.dot(&basis.t());
        }
    }

    fn basis(&self) -> Option<Array2<f32>> {
        let Shared::Diagonal { basis, .. } = &self.core.shared else { return None };
        let (f, length) = (self.core.factors, self.core.length);
        Some(Array2::from_shape_fn((f, f), |(i, j)| basis[i * length + j]))
    }
}

/// How far conjugate gradient goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// A few steps: the next half-iteration moves the target anyway.
    Usual,
    /// Until converged: for what is kept.
    Converged,
}

/// Steps of conjugate gradient in a usual half-step.
const STEPS: usize = 3;
/// Most steps when solving until converged.
const MAX_STEPS: usize = 40;
/// Residual norm, relative to the first, at which conjugate gradient has converged.
const CONVERGED: f32 = 1e-4;
/// Interactions multiplied at a time when a matrix is formed: they fit the
/// first-level cache beside it.
pub(super) const BLOCK: usize = 48;
/// Bytes of a row's interactions' factors that stay in the cache from one step to
/// the next: half a second-level cache of 1 MB. (The result must not depend on the
/// machine, so its own is not asked for.)
const CACHED_BYTES: usize = 512 * 1024;
/// Interactions of a task: small enough to share out evenly, large enough not to notice.
const TASK_INTERACTIONS: usize = 8 * 1024;
/// Rows of a task.
pub(super) const TASK_ROWS: usize = 512;

/// The part of the equations that all rows share.
enum Shared {
    /// The eigenvalues of `a G`, in whose eigenbasis (column by column in
    /// `basis`) the rows are solved.
    Diagonal { eigenvalues: Vec<f32>, basis: Vec<f32> },
    /// `a G` as it is.
    Dense { matrix: Vec<f32>, diagonal: Vec<f32> },
}

pub(super) struct Equations {
    factors: usize,
    length: usize,
    shared: Shared,
    unobserved_mass: f32,
    regularisation: f32,
    frequency_exponent: f32,
    solver: Solver,
    /// Interactions from which on a row's matrix is formed.
    formed_from: usize,
}

impl Equations {
    /// Takes the Gram matrix of the fixed side and, when it pays, rotates that side.
    pub(super) fn prepare(fixed: &mut PaddedRows, solved_rows: usize, params: &AlsParams) -> Self {
        let options = params.options();
        let (f, length) = (options.factors, fixed.length());
        let mut gram = gram(fixed);
        gram.iter_mut().for_each(|value| *value *= options.unobserved_weight);
        let pays = solved_rows >= fixed.rows();
        let shared = match pays.then(|| eigenbasis(&gram, f, length)).flatten() {
            Some((eigenvalues, basis)) => {
                rotate_all(fixed, &basis);
                Shared::Diagonal { eigenvalues, basis }
            }
            None => {
                let diagonal = (0..length).map(|k| gram[k * length + k]).collect();
                Shared::Dense { matrix: gram, diagonal }
            }
        };
        Self {
            factors: f,
            length,
            shared,
            unobserved_mass: options.unobserved_weight * fixed.rows() as f32,
            regularisation: options.regularisation,
            frequency_exponent: options.frequency_exponent,
            solver: options.solver,
            formed_from: formed_from(length, options.solver),
        }
    }

    /// Solves all rows, in parallel.
    pub(super) fn solve(
        &self,
        fixed: &PaddedRows,
        rows: &SparseRows,
        solved: &mut PaddedRows,
        effort: Effort,
    ) -> Result<(), NotPositiveDefinite> {
        let arch = Arch::new();
        let mut tasks = Vec::new();
        let mut rest = solved.all_mut();
        for range in task_ranges(rows) {
            let (vectors, tail) = rest.split_at_mut(range.len() * self.length);
            rest = tail;
            tasks.push((range, vectors));
        }
        // The longest first, so that none is begun when the others are done.
        tasks.sort_by_key(|(range, _)| std::cmp::Reverse(rows.entries_of(range.clone())));
        tasks.into_par_iter().with_max_len(1).try_for_each_init(
            || Scratch::new(self.length),
            |scratch, (range, vectors)| {
                arch.dispatch(Task {
                    equations: self,
                    fixed,
                    rows,
                    range,
                    vectors,
                    scratch,
                    effort,
                })
            },
        )
    }

    fn ridge(&self, confidences: &[f32]) -> f32 {
        let observed: f32 = confidences.iter().map(|confidence| confidence.abs()).sum();
        let frequency = observed + self.unobserved_mass;
        self.regularisation * frequency.powf(self.frequency_exponent)
    }
}

/// Factors up to which a long row's matrix is formed.
const FORMED_UP_TO: usize = 64;

/// Interactions from which on a row's matrix is formed: when they do not fit
/// the cache, and so would be fetched from memory again for each step. With
/// more than 64 factors the multiplications cost more than the fetching.
fn formed_from(length: usize, solver: Solver) -> usize {
    match solver {
        Solver::Cholesky => 0,
        Solver::Mixed if length <= FORMED_UP_TO => CACHED_BYTES / (4 * length) + 1,
        Solver::Mixed | Solver::ConjugateGradient => usize::MAX,
    }
}

/// Contiguous rows of about equal work. The same whatever the number of threads.
fn task_ranges(rows: &SparseRows) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut first = 0;
    while first < rows.rows() {
        let mut end = first + 1;
        while end < rows.rows()
            && end - first < TASK_ROWS
            && rows.entries_of(first..end + 1) <= TASK_INTERACTIONS
        {
            end += 1;
        }
        ranges.push(first..end);
        first = end;
    }
    ranges
}

/// The vectors of conjugate gradient.
#[derive(Default)]
struct Gradient {
    residual: Vec<f32>,
    direction: Vec<f32>,
    product: Vec<f32>,
    preconditioned: Vec<f32>,
}

/// What a thread needs to solve rows, kept from row to row.
struct Scratch {
    gradient: Gradient,
    /// `D` and its inverse, or the diagonal that preconditions.
    diagonal: Vec<f32>,
    inverse: Vec<f32>,
    /// A block of interactions, each scaled by the root of its confidence.
    block: Vec<f32>,
    matrix: Vec<f32>,
    rotation: Vec<f32>,
}

impl Scratch {
    fn new(length: usize) -> Self {
        let row = || vec![0.0; length];
        Self {
            gradient: Gradient {
                residual: row(),
                direction: row(),
                product: row(),
                preconditioned: row(),
            },
            diagonal: row(),
            inverse: row(),
            block: vec![0.0; BLOCK * length],
            matrix: vec![0.0; length * length],
            rotation: vec![0.0; TILE_ROWS * length],
        }
    }
}

struct Task<'a> {
    equations: &'a Equations,
    fixed: &'a PaddedRows,
    rows: &'a SparseRows,
    range: Range<usize>,
    vectors: &'a mut [f32],
    scratch: &'a mut Scratch,
    effort: Effort,
}

impl WithSimd for Task<'_> {
    type Output = Result<(), NotPositiveDefinite>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Task { equations, fixed, rows, range, vectors, scratch, effort } = self;
        let length = equations.length;
        if let Shared::Diagonal { basis, .. } = &equations.shared {
            kernels::rotate(simd, vectors, (basis, length), &mut scratch.rotation);
        }
        for (row, vector) in range.zip(vectors.chunks_exact_mut(length)) {
            let (columns, confidences) = rows.row(row);
            let picked = PickedRows { all: fixed.all(), length, numbers: columns };
            let mut solver = RowSolver { simd, equations, picked, confidences, scratch, effort };
            solver.solve(vector)?;
        }
        Ok(())
    }
}

/// One row's equations.
struct RowSolver<'a, S: Simd> {
    simd: S,
    equations: &'a Equations,
    picked: PickedRows<'a>,
    confidences: &'a [f32],
    scratch: &'a mut Scratch,
    effort: Effort,
}

impl<S: Simd> RowSolver<'_, S> {
    #[inline(always)]
    fn solve(&mut self, vector: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let interactions = self.confidences.len();
        if interactions == 0 {
            vector.fill(0.0);
            return Ok(());
        }
        let ridge = self.equations.ridge(self.confidences);
        match self.solve_fast(ridge, vector) {
            Ok(()) => Ok(()),
            Err(NotPositiveDefinite) => self.solve_exactly(ridge, vector),
        }
    }

    /// Solves by what is cheapest, in single precision, which may fail.
    #[inline(always)]
    fn solve_fast(&mut self, ridge: f32, vector: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let interactions = self.confidences.len();
        if interactions >= self.equations.formed_from {
            return self.solve_formed(ridge, vector);
        }
        self.prepare_diagonal(ridge);
        let is_diagonal = matches!(self.equations.shared, Shared::Diagonal { .. });
        if is_diagonal && interactions <= SMALL && self.equations.solver == Solver::Mixed {
            return self.solve_small(vector);
        }
        self.solve_by_conjugate_gradient(ridge, vector)
    }

    /// Solves what the fast ways failed at; seldom, and so out of their way.
    #[cold]
    #[inline(never)]
    fn solve_exactly(&self, ridge: f32, vector: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let (f, length) = (self.equations.factors, self.equations.length);
        let shared = |i: usize, j: usize| match &self.equations.shared {
            Shared::Diagonal { eigenvalues, .. } if i == j => eigenvalues[i],
            Shared::Diagonal { .. } => 0.0,
            Shared::Dense { matrix, .. } => matrix[i * length + j],
        };
        let mut row = ExactRow::new(f, shared, ridge);
        for (at, confidence) in self.confidences.iter().enumerate() {
            row.add(self.picked.row(at), *confidence);
        }
        row.solve(vector)
    }

    /// The diagonal of `a G + l I` and its inverse.
    #[inline(always)]
    fn prepare_diagonal(&mut self, ridge: f32) {
        let shared = match &self.equations.shared {
            Shared::Diagonal { eigenvalues, .. } => eigenvalues,
            Shared::Dense { diagonal, .. } => diagonal,
        };
        let simd = self.simd;
        let (ridge, one) = (simd.splat_f32s(ridge), simd.splat_f32s(1.0));
        let into = vectors_mut::<S>(&mut self.scratch.diagonal)
            .iter_mut()
            .zip(vectors_mut::<S>(&mut self.scratch.inverse));
        for ((diagonal, inverse), shared) in into.zip(vectors::<S>(shared)) {
            *diagonal = simd.add_f32s(*shared, ridge);
            *inverse = simd.div_f32s(one, *diagonal);
        }
    }

    /// `target = (a G + l I) p`.
    #[inline(always)]
    fn multiply_shared(&mut self, ridge: f32, p: &[f32], target: &mut [f32]) {
        match &self.equations.shared {
            Shared::Diagonal { .. } => {
                let diagonal = &self.scratch.diagonal[..p.len()];
                kernels::multiply(self.simd, target, p, diagonal);
            }
            Shared::Dense { matrix, .. } => {
                target.iter_mut().zip(p).for_each(|(target, p)| *target = ridge * p);
                kernels::add_matrix_vector(self.simd, matrix, p, target);
            }
        }
    }

    #[inline(always)]
    fn solve_by_conjugate_gradient(
        &mut self,
        ridge: f32,
        x: &mut [f32],
    ) -> Result<(), NotPositiveDefinite> {
        let simd = self.simd;
        let mut vectors = std::mem::take(&mut self.scratch.gradient);
        let Gradient { residual: r, direction: p, product: q, preconditioned: z } = &mut vectors;
        let length = x.len();
        let (r, p) = (&mut r[..length], &mut p[..length]);
        let (q, z) = (&mut q[..length], &mut z[..length]);
        // r = b - A x = sum |c| (p - y.x) y - (a G + l I) x.
        self.multiply_shared(ridge, x, q);
        r.iter_mut().zip(&*q).for_each(|(r, q)| *r = -q);
        let rows = (self.picked, self.confidences);
        let residual =
            |confidence: f32, product: f32| confidence.abs() * (preference(confidence) - product);
        kernels::add_weighted_rows(simd, rows, residual, true, (x, r));
        kernels::multiply(simd, z, r, &self.scratch.inverse[..length]);
        p.copy_from_slice(z);
        let mut rz = kernels::dot(simd, r, z);
        let enough = rz * CONVERGED * CONVERGED;
        let steps = if self.effort == Effort::Usual { STEPS } else { MAX_STEPS };
        for step in 1..=steps {
            if rz <= enough {
                break;
            }
            self.multiply_shared(ridge, p, q);
            let weighted = |confidence: f32, product: f32| confidence.abs() * product;
            kernels::add_weighted_rows(simd, rows, weighted, false, (p, q));
            let curvature = kernels::dot(simd, p, q);
            let alpha = rz / curvature;
            // So small that single precision has nothing to go along: that is converged.
            if !(curvature > 0.0 && alpha.is_finite()) {
                break;
            }
            kernels::add_scaled(simd, x, alpha, p);
            if step == steps {
                break;
            }
            kernels::add_scaled(simd, r, -alpha, q);
            kernels::multiply(simd, z, r, &self.scratch.inverse[..length]);
            let next = kernels::dot(simd, r, z);
            kernels::scale_and_add(simd, p, next / rz, z);
            rz = next;
        }
        self.scratch.gradient = vectors;
        let is_finite = rz.is_finite() && kernels::dot(simd, x, x).is_finite();
        if is_finite { Ok(()) } else { Err(NotPositiveDefinite) }
    }

    /// `(C^-1 + Y D^-1 Y') z = p`, `x = D^-1 Y' z`.
    #[inline(always)]
    fn solve_small(&mut self, x: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let (simd, n, length) = (self.simd, self.confidences.len(), self.equations.length);
        let mut system = [0.0f32; SMALL * SMALL];
        let scaled = &mut self.scratch.block[..n * length];
        let gram = kernels::small_gram(simd, self.picked, &self.scratch.inverse, scaled);
        for (i, (row, confidence)) in gram.iter().zip(self.confidences).enumerate() {
            // The upper triangle, for Cholesky.
            (0..=i).for_each(|j| system[j * n + i] = row[j]);
            system[i * n + i] += 1.0 / confidence.abs();
        }
        let mut z = [0.0f32; SMALL];
        z.iter_mut().zip(self.confidences).for_each(|(z, c)| *z = preference(*c));
        cholesky(&mut system[..n * n], n)?;
        cholesky_solve(&system[..n * n], n, &mut z[..n]);
        x.fill(0.0);
        for (z, scaled) in z.iter().zip(scaled.chunks_exact(length)) {
            kernels::add_scaled(simd, x, *z, scaled);
        }
        if kernels::dot(simd, x, x).is_finite() { Ok(()) } else { Err(NotPositiveDefinite) }
    }

    /// Forms the matrix and solves it by Cholesky.
    #[inline(always)]
    fn solve_formed(&mut self, ridge: f32, x: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let (f, length) = (self.equations.factors, self.equations.length);
        let mut matrix = std::mem::take(&mut self.scratch.matrix);
        match &self.equations.shared {
            Shared::Diagonal { eigenvalues, .. } => {
                matrix.fill(0.0);
                (0..f).for_each(|k| matrix[k * length + k] = eigenvalues[k]);
            }
            Shared::Dense { matrix: shared, .. } => matrix.copy_from_slice(shared),
        }
        x.fill(0.0);
        self.add_interactions(&mut matrix, x);
        (0..f).for_each(|k| matrix[k * length + k] += ridge);
        (f..length).for_each(|k| matrix[k * length + k] = 1.0);
        let solved = cholesky(&mut matrix, length);
        if solved.is_ok() {
            cholesky_solve(&matrix, length, x);
        }
        self.scratch.matrix = matrix;
        let is_finite = kernels::dot(self.simd, x, x).is_finite();
        if is_finite { solved } else { Err(NotPositiveDefinite) }
    }

    /// `matrix += sum |c| y y'`, `b += sum p |c| y`. While one block of rows is
    /// multiplied, the next is fetched from memory.
    #[inline(always)]
    fn add_interactions(&mut self, matrix: &mut [f32], b: &mut [f32]) {
        let (simd, length, picked) = (self.simd, self.equations.length, self.picked);
        let lines = length / super::padded::LINE;
        let tiles = lines * (lines + 1) / 2 * (super::padded::LINE / TILE_ROWS);
        let fetched_between = BLOCK.div_ceil(tiles);
        let mut first = 0;
        while first < self.confidences.len() {
            let end = (first + BLOCK).min(self.confidences.len());
            let gathered = &mut self.scratch.block[..(end - first) * length];
            for (at, gathered) in (first..end).zip(gathered.chunks_exact_mut(length)) {
                let (row, confidence) = (picked.row(at), self.confidences[at]);
                kernels::add_scaled(simd, b, confidence.max(0.0), row);
                kernels::scale(simd, gathered, confidence.abs().sqrt(), row);
            }
            let mut next = end;
            kernels::add_gram(simd, gathered, length, matrix, || {
                for _ in 0..fetched_between {
                    if next < end + BLOCK {
                        picked.prefetch(next);
                        next += 1;
                    }
                }
            });
            first = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::als::{AlsOptions, initial_items};

    const ROWS: usize = 90;
    const COLUMNS: usize = 70;

    fn params(factors: usize, solver: Solver) -> AlsParams {
        let options = AlsOptions { factors, solver, ..AlsOptions::default() };
        options.check().unwrap()
    }

    /// Rows of 0 to 69 interactions.
    fn matrix() -> SparseRows {
        let row = |row: usize| {
            let items = (0..COLUMNS).filter(move |item| (item * 7 + row * 13) % 90 < row);
            // Every seventh is disliked.
            let sign = |item: usize| if (item + row) % 7 == 3 { -1.0 } else { 1.0 };
            let confidence = |item: usize| sign(item) * (0.5 + ((item + row) % 5) as f32);
            items.map(|item| (item as u32, confidence(item))).collect()
        };
        SparseRows::from_rows(COLUMNS, (0..ROWS).map(row))
    }

    /// Solves the matrix's rows from zero until converged, as if the solved
    /// side had `solved_rows` rows; the solutions, and what they stand against.
    fn converged(params: &AlsParams, solved_rows: usize) -> (Array2<f32>, Array2<f32>) {
        let factors = params.options().factors;
        let mut fixed = PaddedRows::from_view(initial_items(COLUMNS, params).view());
        let core = Equations::prepare(&mut fixed, solved_rows, params);
        let mut solved = PaddedRows::zeros(ROWS, fixed.length());
        core.solve(&fixed, &matrix(), &mut solved, Effort::Converged).unwrap();
        (solved.to_array(factors), fixed.to_array(factors))
    }

    fn assert_close(a: &Array2<f32>, b: &Array2<f32>, tolerance: f32) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= tolerance * (1.0 + a.abs()), "{a} {b}");
        }
    }

    #[test]
    fn every_way_to_solve_a_row_gives_the_same_scores() {
        for factors in [5, 16, 40] {
            let exact = converged(&params(factors, Solver::Cholesky), 1);
            let exact = exact.0.dot(&exact.1.t());
            for solver in [Solver::Cholesky, Solver::ConjugateGradient, Solver::Mixed] {
                // With fewer rows than columns in the common basis, with more in the eigenbasis.
                for solved_rows in [1, ROWS] {
                    let (solved, fixed) = converged(&params(factors, solver), solved_rows);
                    assert_close(&solved.dot(&fixed.t()), &exact, 2e-3);
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_shard() {
        let params = params(24, Solver::Mixed);
        let matrix = matrix();
        let step = HalfStep::new(initial_items(COLUMNS, &params).view(), ROWS, &params);
        let start = || Array2::from_elem((ROWS, 24), 0.05);
        let mut whole = start();
        step.solve(&matrix, &mut whole).unwrap();
        for rows in [0..1, 1..40, 40..ROWS] {
            let pairs = |row| {
                let (columns, confidences) = matrix.row(row);
                columns.iter().copied().zip(confidences.iter().copied()).collect()
            };
            let shard = SparseRows::from_rows(COLUMNS, rows.clone().map(pairs));
            let mut part = start().slice_move(ndarray::s![rows.clone(), ..]);
            step.solve(&shard, &mut part).unwrap();
            assert_eq!(part, whole.slice(ndarray::s![rows, ..]));
        }
        assert!(step.rotated_fixed().is_some());
    }

    #[test]
    fn what_left_a_basis_can_come_back() {
        let params = params(24, Solver::Mixed);
        let fixed = initial_items(COLUMNS, &params);
        let step = HalfStep::new(fixed.view(), ROWS, &params);
        let mut turned = fixed.clone();
        step.enter_basis(&mut turned);
        assert_close(&turned, &step.rotated_fixed().unwrap(), 1e-5);
        step.restore_basis(&mut turned);
        assert_close(&turned, &fixed, 1e-5);
    }

    #[test]
    fn rows_without_interactions_become_zero() {
        let params = params(8, Solver::Mixed);
        let matrix = SparseRows::from_rows(COLUMNS, [vec![], vec![(3, 1.0)], vec![]]);
        let step = HalfStep::new(initial_items(COLUMNS, &params).view(), 3, &params);
        let mut vectors = Array2::from_elem((3, 8), 1.0);
        step.solve(&matrix, &mut vectors).unwrap();
        assert!(vectors.row(0).iter().chain(vectors.row(2)).all(|value| *value == 0.0));
        assert!(vectors.row(1).iter().any(|value| *value != 0.0));
    }

    #[test]
    fn a_row_longer_than_the_cache_is_solved_like_any_other() {
        // More interactions than stay in the cache at 128 factors.
        let params = params(128, Solver::ConjugateGradient);
        let columns = CACHED_BYTES / (4 * 128) + 30;
        let matrix =
            SparseRows::from_rows(columns, [(0..columns as u32).map(|item| (item, 1.0)).collect()]);
        let mut fixed = PaddedRows::from_view(initial_items(columns, &params).view());
        let core = Equations::prepare(&mut fixed, 1, &params);
        let mut solved = PaddedRows::zeros(1, 128);
        core.solve(&fixed, &matrix, &mut solved, Effort::Converged).unwrap();
        let exact = self::params(128, Solver::Cholesky);
        let mut expected = PaddedRows::zeros(1, 128);
        let core = Equations::prepare(&mut fixed, 1, &exact);
        core.solve(&fixed, &matrix, &mut expected, Effort::Usual).unwrap();
        assert_close(&solved.to_array(128), &expected.to_array(128), 2e-3);
    }

    /// A task on the instructions of `S`.
    fn solved_by<S: Simd>(simd: S, params: &AlsParams, solved_rows: usize) -> Array2<f32> {
        let mut fixed = PaddedRows::from_view(initial_items(COLUMNS, params).view());
        let equations = Equations::prepare(&mut fixed, solved_rows, params);
        let mut solved = PaddedRows::zeros(ROWS, fixed.length());
        let task = Task {
            equations: &equations,
            fixed: &fixed,
            rows: &matrix(),
            range: 0..ROWS,
            vectors: solved.all_mut(),
            scratch: &mut Scratch::new(fixed.length()),
            effort: Effort::Converged,
        };
        simd.vectorize(task).unwrap();
        solved.to_array(params.options().factors)
    }

    struct WithBestInstructions<'a>(&'a AlsParams, usize);

    impl WithSimd for WithBestInstructions<'_> {
        type Output = Array2<f32>;

        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            solved_by(simd, self.0, self.1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn vectors_give_what_scalars_give(
            factors in prop_oneof![1usize..70, 113usize..=128],
            solver in prop_oneof![
                Just(Solver::Mixed), Just(Solver::Cholesky), Just(Solver::ConjugateGradient)
            ],
            solved_rows in prop_oneof![Just(1), Just(ROWS)],
        ) {
            let params = params(factors, solver);
            let by_scalars = solved_by(pulp::Scalar, &params, solved_rows);
            let by_vectors = Arch::new().dispatch(WithBestInstructions(&params, solved_rows));
            assert_close(&by_vectors, &by_scalars, 1e-3);
            // As wide as on the processors that are deployed on by default.
            let by_four = solved_by(pulp::Scalar128b, &params, solved_rows);
            assert_close(&by_four, &by_scalars, 1e-3);
            // Also the narrower ones of a processor that has wider ones.
            #[cfg(target_arch = "x86_64")]
            if let Some(narrow) = pulp::x86::V3::try_new() {
                assert_close(&solved_by(narrow, &params, solved_rows), &by_scalars, 1e-3);
            }
        }
    }
}
