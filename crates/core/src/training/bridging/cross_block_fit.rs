//! A ridge regression of target items on source items.
//!
//! The block between two domains of an item-item model in the manner of EASE
//! (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019): from
//! the people who have both, `B = (S'S + r I)^-1 S'T` with `S` and `T` their
//! items, those that they like, as zeros and ones. A person's score of a target item is the sum of its
//! column over their source items. The zero diagonal of EASE is not needed: no
//! item stands on both sides.
//!
//! The equations are solved on the smaller side, since
//! `(S'S + r I)^-1 S' = S' (SS' + r I)^-1`: over source items or over people. The
//! target stays sparse. Bounds: that side may have [`MAX_SIDE`] rows, which take
//! three times 64 MB, and the rows of the block [`MAX_WORK`] additions. Of each
//! source item the [`KEPT`] strongest target items are kept, so a stored block
//! has at most 8 x [`KEPT`] bytes for each source item (8 MB for 4,000 items).

use rayon::prelude::*;

use crate::evidence::items::DomainRows;
use crate::maths::dense::{NotPositiveDefinite, add_scaled, cholesky};
use crate::maths::sparse::SparseRows;
use crate::model::bridges::Carrier;
use crate::model::bridges::cross_block::CrossBlock;
use crate::training::bridging::candidates::{Candidate, Needs, NotFitted};

/// The ridges that are tried.
const RIDGES: [f32; 3] = [5.0, 20.0, 80.0];

/// A block is served without any fit of whole domains of its own.
pub(super) const NEEDS: Needs = Needs { joint: false, people: false };

/// The settings that are tried.
pub(super) fn candidates() -> impl Iterator<Item = Candidate> {
    RIDGES.into_iter().map(|ridge| Candidate::CrossBlock { ridge })
}

/// Most rows of the side that is solved on.
pub const MAX_SIDE: usize = 4096;
/// Most additions to make the rows of a block: source items x entries of both sides.
pub const MAX_WORK: usize = 10_000_000_000;
/// Target items kept for each source item.
pub const KEPT: usize = 256;

/// Why a block is not fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrossBlockError {
    /// The catalogue and the number of people are too large.
    #[error("{people} people and {source_items} source items are beyond the bounds")]
    TooLarge {
        /// People who have both.
        people: usize,
        /// Items of the source.
        source_items: usize,
    },
    /// The numbers were too extreme, or nobody has both.
    #[error(transparent)]
    Numerical(#[from] NotPositiveDefinite),
}

/// A row of a sparse matrix.
type Entries = Vec<(u32, f32)>;

/// The equations of a direction, made when a candidate first asks for them.
pub struct BlockSums<'a> {
    matrix: &'a SparseRows,
    source: &'a DomainRows,
    target: &'a DomainRows,
    /// Rows of the matrix, among them all that have both.
    people: Vec<u32>,
    equations: Option<Result<BlockEquations, CrossBlockError>>,
}

impl<'a> BlockSums<'a> {
    /// Of what these people, rows of the matrix, did in the two domains; who has
    /// not both does not count.
    #[must_use]
    pub fn new(
        matrix: &'a SparseRows,
        (source, target): (&'a DomainRows, &'a DomainRows),
        people: Vec<u32>,
    ) -> Self {
        Self { matrix, source, target, people, equations: None }
    }

    /// The block for a ridge.
    ///
    /// # Errors
    /// As [`BlockEquations::new`] and [`BlockEquations::solve`].
    pub fn block(&mut self, ridge: f32) -> Result<SparseRows, CrossBlockError> {
        let people = self.people.iter().map(|&person| person as usize);
        let new = || BlockEquations::new(self.matrix, self.source, self.target, people);
        match self.equations.get_or_insert_with(new) {
            Ok(equations) => equations.solve(ridge),
            Err(error) => Err(error.clone()),
        }
    }

    /// The block for a ridge, to be served.
    ///
    /// # Errors
    /// As [`BlockSums::block`].
    pub fn carrier(&mut self, ridge: f32) -> Result<Carrier, NotFitted> {
        Ok(Carrier::CrossBlock(CrossBlock::new(self.block(ridge)?)))
    }
}

/// The people who have both, ready to be solved for any ridge.
#[derive(Debug)]
pub struct BlockEquations {
    source: SparseRows,
    target: SparseRows,
    /// Whether the equations are over people rather than source items.
    over_people: bool,
    /// `SS'` or `S'S`, the upper triangle row by row.
    kernel: Vec<f32>,
    mean_items: f32,
}

impl BlockEquations {
    /// Gathers those of `people`, rows of the matrix, who have both, and the
    /// products of their source items.
    ///
    /// # Errors
    /// [`CrossBlockError::TooLarge`].
    ///
    /// # Panics
    /// When the matrix has no row for one of them.
    pub fn new(
        matrix: &SparseRows,
        source: &DomainRows,
        target: &DomainRows,
        people: impl Iterator<Item = usize>,
    ) -> Result<Self, CrossBlockError> {
        let of = |row: usize, rows: &DomainRows| -> Entries {
            let (columns, confidences) = rows.entries_of(matrix, row);
            let liked = columns.iter().zip(confidences).filter(|(_, c)| **c > 0.0);
            liked.map(|(column, _)| (column - rows.range.start as u32, 1.0)).collect()
        };
        let both: Vec<(Entries, Entries)> = people
            .map(|row| (of(row, source), of(row, target)))
            .filter(|(source, target)| !source.is_empty() && !target.is_empty())
            .collect();
        let (people, source_items) = (both.len(), source.len());
        let entries: usize = both.iter().map(|(source, target)| source.len() + target.len()).sum();
        if people.min(source_items) > MAX_SIDE || entries.saturating_mul(source_items) > MAX_WORK {
            return Err(CrossBlockError::TooLarge { people, source_items });
        }
        let (sources, targets): (Vec<_>, Vec<_>) = both.into_iter().unzip();
        let over_people = sources.len() < source.len();
        let source = SparseRows::from_rows(source.len(), sources);
        let target = SparseRows::from_rows(target.len(), targets);
        let kernel = if over_people { products(&source) } else { products(&source.transposed()) };
        let mean_items = source.entries() as f32 / source.rows().max(1) as f32;
        Ok(Self { source, target, over_people, kernel, mean_items })
    }

    /// People who have both.
    #[must_use]
    pub fn people(&self) -> usize {
        self.source.rows()
    }

    /// The block for a ridge given as a multiple of the mean number of source
    /// items of a person: source items x target items.
    ///
    /// # Errors
    /// [`CrossBlockError::Numerical`].
    pub fn solve(&self, ridge: f32) -> Result<SparseRows, CrossBlockError> {
        if self.people() == 0 {
            return Err(NotPositiveDefinite.into());
        }
        let inverse = self.inverse(ridge)?;
        let by_item = self.source.transposed();
        let row = |item: usize| {
            let weights = self.people_weights(&inverse, &by_item, item);
            let mut row = vec![0.0; self.target.columns()];
            for (person, weight) in weights.into_iter().enumerate() {
                let targets = self.target.row(person).0;
                targets.iter().for_each(|&target| row[target as usize] += weight);
            }
            strongest(&row)
        };
        let rows: Vec<Vec<(u32, f32)>> =
            (0..self.source.columns()).into_par_iter().map(row).collect();
        Ok(SparseRows::from_rows(self.target.columns(), rows))
    }

    fn side(&self) -> usize {
        if self.over_people { self.source.rows() } else { self.source.columns() }
    }

    /// How much each person's target items count for a source item: the item's
    /// row of `(S'S + r I)^-1 S'`.
    fn people_weights(&self, inverse: &[f32], by_item: &SparseRows, item: usize) -> Vec<f32> {
        let side = self.side();
        let inverse_row = |at: usize| &inverse[at * side..(at + 1) * side];
        if self.over_people {
            let mut weights = vec![0.0; side];
            for &person in by_item.row(item).0 {
                add_scaled(&mut weights, 1.0, inverse_row(person as usize));
            }
            return weights;
        }
        let row = inverse_row(item);
        let weight = |person: usize| {
            self.source.row(person).0.iter().map(|&other| row[other as usize]).sum()
        };
        (0..self.source.rows()).map(weight).collect()
    }

    /// The inverse of the kernel with the ridge on its diagonal; symmetric.
    fn inverse(&self, ridge: f32) -> Result<Vec<f32>, NotPositiveDefinite> {
        let side = self.side();
        let mut factor = self.kernel.clone();
        (0..side).for_each(|at| factor[at * side + at] += ridge * self.mean_items);
        cholesky(&mut factor, side)?;
        let mut inverse = vec![0.0f32; side * side];
        // A symmetric matrix's columns are its rows: blocks of columns are solved
        // apart and written as rows.
        inverse.par_chunks_mut(side * COLUMNS_AT_A_TIME).enumerate().for_each(|(block, rows)| {
            let start = block * COLUMNS_AT_A_TIME;
            let n = rows.len() / side;
            let mut columns = vec![0.0f32; side * n];
            (0..n).for_each(|at| columns[(start + at) * n + at] = 1.0);
            solve_rows(&factor, side, n, &mut columns);
            for (at, row) in rows.chunks_exact_mut(side).enumerate() {
                row.iter_mut().enumerate().for_each(|(k, value)| *value = columns[k * n + at]);
            }
        });
        Ok(inverse)
    }
}

/// Columns of the inverse solved at a time: few enough for a block to stay in cache.
const COLUMNS_AT_A_TIME: usize = 64;

/// The inner products of rows of zeros and ones: the upper triangle of `R R'`.
fn products(rows: &SparseRows) -> Vec<f32> {
    let n = rows.rows();
    let by_column = rows.transposed();
    let mut kernel = vec![0.0f32; n * n];
    kernel.par_chunks_mut(n.max(1)).enumerate().for_each(|(at, out)| {
        for &column in rows.row(at).0 {
            let others = by_column.row(column as usize).0;
            for &other in &others[others.partition_point(|&other| (other as usize) < at)..] {
                out[other as usize] += 1.0;
            }
        }
    });
    kernel
}

/// Solves `U'U X = B` in place for all `n` columns of `B` (row by row) at once.
fn solve_rows(factor: &[f32], side: usize, n: usize, b: &mut [f32]) {
    for k in 0..side {
        let u = &factor[k * side..(k + 1) * side];
        let (head, tail) = b.split_at_mut((k + 1) * n);
        let solved = &mut head[k * n..];
        solved.iter_mut().for_each(|value| *value /= u[k]);
        for (i, row) in tail.chunks_exact_mut(n).enumerate() {
            let factor = u[k + 1 + i];
            if factor != 0.0 {
                add_scaled(row, -factor, solved);
            }
        }
    }
    for k in (0..side).rev() {
        let u = &factor[k * side..(k + 1) * side];
        let (head, tail) = b.split_at_mut((k + 1) * n);
        let row = &mut head[k * n..];
        for (i, solved) in tail.chunks_exact(n).enumerate() {
            add_scaled(row, -u[k + 1 + i], solved);
        }
        row.iter_mut().for_each(|value| *value /= u[k]);
    }
}

/// The entries of largest magnitude, by position.
fn strongest(row: &[f32]) -> Entries {
    let magnitudes: Vec<f32> = row.iter().map(|value| value.abs()).collect();
    let mut kept = crate::maths::rank::top_k(&magnitudes, KEPT);
    kept.retain(|&at| row[at as usize] != 0.0);
    kept.sort_unstable();
    kept.into_iter().map(|at| (at, row[at as usize])).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::entities::ids::DomainId;

    /// Of everybody.
    fn equations(
        matrix: &SparseRows,
        source: Range<usize>,
        target: Range<usize>,
    ) -> Result<BlockEquations, CrossBlockError> {
        let rows = |name, range| DomainRows { domain: DomainId::parse(name).unwrap(), range };
        BlockEquations::new(matrix, &rows("a", source), &rows("b", target), 0..matrix.rows())
    }

    /// `(S'S + r I) B - S'T`, which should be nought.
    fn residual(s: &Array2<f32>, t: &Array2<f32>, ridge: f32, block: &SparseRows) -> f32 {
        let mut b = Array2::zeros((s.ncols(), t.ncols()));
        for row in 0..block.rows() {
            let (columns, values) = block.row(row);
            columns.iter().zip(values).for_each(|(&c, v)| b[(row, c as usize)] = *v);
        }
        let mut left = s.t().dot(s);
        left.diag_mut().iter_mut().for_each(|value| *value += ridge);
        (left.dot(&b) - s.t().dot(t)).iter().fold(0.0, |most: f32, value| most.max(value.abs()))
    }

    proptest! {
        #[test]
        fn the_block_solves_its_equations_over_people_and_over_items(
            rows in proptest::collection::vec(
                (proptest::collection::btree_set(0u32..8, 1..5), proptest::collection::btree_set(8u32..13, 1..4)), 1..16),
            ridge in 0.2f32..4.0,
        ) {
            let n = rows.len();
            let (mut s, mut t) = (Array2::zeros((n, 8)), Array2::zeros((n, 5)));
            for (at, (source, target)) in rows.iter().enumerate() {
                source.iter().for_each(|&item| s[(at, item as usize)] = 1.0);
                target.iter().for_each(|&item| t[(at, item as usize - 8)] = 1.0);
            }
            // Confidences do not matter, and people with one side alone do not count.
            let entries = rows.iter().map(|(source, target)| {
                source.iter().chain(target).map(|&item| (item, 2.5)).collect::<Vec<_>>()
            });
            let matrix = SparseRows::from_rows(13, entries.chain([vec![(0, 1.0)], vec![(9, 1.0)]]));
            let equations = equations(&matrix, 0..8, 8..13).unwrap();
            prop_assert_eq!(equations.people(), n);
            prop_assert_eq!(equations.over_people, n < 8);
            let block = equations.solve(ridge).unwrap();
            let ridge = ridge * s.sum() / n as f32;
            prop_assert!(residual(&s, &t, ridge, &block) < 1e-3);
        }
    }

    #[test]
    fn too_large_a_block_is_refused_and_nobody_on_both_sides_gives_none() {
        let many = MAX_SIDE as u32 + 1;
        let rows = (0..many).map(|row| vec![(row, 1.0), (many, 1.0)]);
        let matrix = SparseRows::from_rows(many as usize + 1, rows);
        let refused = equations(&matrix, 0..many as usize, many as usize..many as usize + 1);
        assert!(matches!(refused.unwrap_err(), CrossBlockError::TooLarge { people: 4097, .. }));
        let apart = SparseRows::from_rows(2, [vec![(0, 1.0)], vec![(1, 1.0)]]);
        let none = equations(&apart, 0..1, 1..2).unwrap().solve(1.0);
        assert!(matches!(none.unwrap_err(), CrossBlockError::Numerical(_)));
    }

    #[test]
    fn only_the_strongest_entries_are_kept() {
        let row: Vec<f32> =
            (0..1000).map(|at| if at % 2 == 0 { at as f32 } else { -1e-3 }).collect();
        let kept = strongest(&row);
        assert_eq!(kept.len(), KEPT);
        assert!(kept.is_sorted_by_key(|(at, _)| *at));
        assert!(kept.iter().all(|(at, value)| *value == *at as f32 && *at > 480));
    }
}
