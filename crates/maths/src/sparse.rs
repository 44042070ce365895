//! Compressed sparse rows: the person x item matrix and its transpose.

use std::borrow::Cow;
use std::ops::Range;

/// A sparse matrix of confidences, row by row. Within a row, columns ascend. A
/// confidence below zero is a dislike's: see [`crate::als`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseRows {
    columns: usize,
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// Builds the matrix from rows of (column, confidence); a column that stands
    /// twice in a row is summed. Every column must be below `columns`.
    #[must_use]
    pub fn from_rows(columns: usize, rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Self {
        let mut matrix = Self { columns, starts: vec![0], ..Self::default() };
        for mut row in rows {
            row.sort_unstable_by_key(|(column, _)| *column);
            let row_start = matrix.indices.len();
            for (column, value) in row {
                debug_assert!((column as usize) < columns);
                let row_has_entries = matrix.indices.len() > row_start;
                match (matrix.indices.last(), matrix.values.last_mut()) {
                    (Some(last), Some(sum)) if row_has_entries && *last == column => *sum += value,
                    _ => {
                        matrix.indices.push(column);
                        matrix.values.push(value);
                    }
                }
            }
            matrix.starts.push(matrix.indices.len());
        }
        matrix
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of stored entries.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.indices.len()
    }

    /// One row: its columns and their confidences.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// How many entries a range of rows has.
    ///
    /// # Panics
    /// When the range is not within the rows.
    #[must_use]
    pub fn entries_of(&self, rows: std::ops::Range<usize>) -> usize {
        self.starts[rows.end] - self.starts[rows.start]
    }

    /// The transpose, by counting sort: linear in entries.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0usize; self.columns + 1];
        for &column in &self.indices {
            starts[column as usize + 1] += 1;
        }
        for column in 0..self.columns {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut indices = vec![0; self.entries()];
        let mut values = vec![0.0; self.entries()];
        for row in 0..self.rows() {
            let (columns, confidences) = self.row(row);
            for (&column, &value) in columns.iter().zip(confidences) {
                let slot = &mut next[column as usize];
                indices[*slot] = row as u32;
                values[*slot] = value;
                *slot += 1;
            }
        }
        Self { columns: self.rows(), starts, indices, values }
    }

    /// The matrix without the entries in the columns that `left_out` names for
    /// each row (few, in any order); rows beyond it stay whole.
    #[must_use]
    pub fn without(&self, left_out: &[Vec<u32>]) -> Self {
        let kept = |row: usize| {
            let (columns, values) = self.row(row);
            let left_out = left_out.get(row).map_or(&[][..], Vec::as_slice);
            let all = columns.iter().copied().zip(values.iter().copied());
            all.filter(|(column, _)| !left_out.contains(column)).collect()
        };
        Self::from_rows(self.columns, (0..self.rows()).map(kept))
    }

    /// How many rows have an entry above zero in each column.
    #[must_use]
    pub fn column_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.columns];
        for (&column, &value) in self.indices.iter().zip(&self.values) {
            counts[column as usize] += u32::from(value > 0.0);
        }
        counts
    }

    /// The entries above zero: what is liked. Nothing is copied where all are.
    #[must_use]
    pub fn liked(&self) -> Cow<'_, Self> {
        if self.values.iter().all(|value| *value > 0.0) {
            return Cow::Borrowed(self);
        }
        let kept = |row: usize| {
            let (columns, values) = self.row(row);
            let all = columns.iter().copied().zip(values.iter().copied());
            all.filter(|(_, value)| *value > 0.0).collect()
        };
        Cow::Owned(Self::from_rows(self.columns, (0..self.rows()).map(kept)))
    }
}

/// The entries of a row within a range of columns, still numbered as in the whole.
#[inline]
#[must_use]
pub fn entries_within<'a>(
    matrix: &'a SparseRows,
    row: usize,
    range: &Range<usize>,
) -> (&'a [u32], &'a [f32]) {
    let (columns, confidences) = matrix.row(row);
    let start = columns.partition_point(|&column| (column as usize) < range.start);
    let end = columns.partition_point(|&column| (column as usize) < range.end);
    (&columns[start..end], &confidences[start..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn transposing_twice_gives_the_matrix_back(
            rows in proptest::collection::vec(
                proptest::collection::vec((0..7u32, 0.1f32..9.0), 0..6), 0..9),
        ) {
            let matrix = SparseRows::from_rows(7, rows);
            prop_assert_eq!(matrix.transposed().transposed(), matrix);
        }
    }

    #[test]
    fn only_the_entries_named_are_left_out() {
        let matrix = SparseRows::from_rows(3, [vec![(2, 1.0), (0, 4.0)], vec![(2, 5.0)]]);
        let expected = SparseRows::from_rows(3, [vec![(0, 4.0)], vec![(2, 5.0)]]);
        assert_eq!(matrix.without(&[vec![1, 2]]), expected);
    }

    #[test]
    fn what_is_disliked_is_neither_counted_nor_liked() {
        let matrix = SparseRows::from_rows(3, [vec![(0, -4.0), (2, 1.0)], vec![(0, 5.0)]]);
        assert_eq!(matrix.column_counts(), [1, 0, 1]);
        let liked = SparseRows::from_rows(3, [vec![(2, 1.0)], vec![(0, 5.0)]]);
        assert_eq!(*matrix.liked(), liked);
        assert!(matches!(liked.liked(), Cow::Borrowed(_)));
    }

    #[test]
    fn a_column_given_twice_in_a_row_is_summed_but_never_across_rows() {
        let matrix = SparseRows::from_rows(3, [vec![(2, 1.0), (0, 1.0), (2, 2.0)], vec![(2, 5.0)]]);
        assert_eq!(matrix.row(0), (&[0, 2][..], &[1.0, 3.0][..]));
        assert_eq!(matrix.row(1), (&[2][..], &[5.0][..]));
        assert_eq!(matrix.column_counts(), [1, 0, 2]);
    }
}
