//! Compressed sparse rows: the person x item matrix and its transpose.

use std::borrow::Cow;
use std::ops::Range;

/// A sparse matrix of confidences, row by row. Within a row, columns ascend. A
/// confidence below zero is a dislike's: see [`crate::als`].
///
/// A row's entries may have places in an order of their own ([`SparseRows::places`]),
/// which [`SparseRows::without`] and [`SparseRows::select`] keep; nothing else looks at
/// them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseRows {
    columns: usize,
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    /// One for each entry, or none at all.
    places: Vec<u16>,
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

    /// The same with the places of its entries, row by row, as [`SparseRows::row`] gives
    /// them; without any when there are not as many.
    #[must_use]
    pub fn with_places(mut self, places: Vec<u16>) -> Self {
        self.places = if places.len() == self.entries() { places } else { Vec::new() };
        self
    }

    /// How far back each entry of a row stands in the row's order: 0 for the newest, equal
    /// where nothing tells which came first. `None` where no order is known at all.
    #[must_use]
    pub fn places(&self, row: usize) -> Option<&[u16]> {
        let is_known = self.places.len() == self.entries();
        is_known.then(|| &self.places[self.starts[row]..self.starts[row + 1]])
    }

    /// These rows, in this order, with their places.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        self.kept(rows.iter().copied(), |_, _| true)
    }

    /// The entries of some rows that are to be kept, with their places.
    fn kept(
        &self,
        rows: impl Iterator<Item = usize>,
        is_kept: impl Fn(usize, u32) -> bool,
    ) -> Self {
        let mut matrix = Self { columns: self.columns, starts: vec![0], ..Self::default() };
        for row in rows {
            for at in self.starts[row]..self.starts[row + 1] {
                if is_kept(row, self.indices[at]) {
                    matrix.indices.push(self.indices[at]);
                    matrix.values.push(self.values[at]);
                    matrix.places.extend(self.places.get(at));
                }
            }
            matrix.starts.push(matrix.indices.len());
        }
        matrix
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
        Self { columns: self.rows(), starts, indices, values, places: Vec::new() }
    }

    /// The matrix without the entries in the columns that `left_out` names for
    /// each row (few, in any order); rows beyond it stay whole.
    #[must_use]
    pub fn without(&self, left_out: &[Vec<u32>]) -> Self {
        let is_left_out =
            |row: usize, column: u32| left_out.get(row).is_some_and(|out| out.contains(&column));
        self.kept(0..self.rows(), |row, column| !is_left_out(row, column))
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
    fn places_stay_with_their_entries_and_are_taken_only_where_each_has_one() {
        let rows = [vec![(0, 1.0), (2, 4.0)], vec![], vec![(1, 5.0)]];
        let matrix = SparseRows::from_rows(3, rows);
        assert_eq!(matrix.places(0), None);
        assert_eq!(matrix.clone().with_places(vec![1, 0]).places(0), None);
        let ordered = matrix.with_places(vec![7, 0, 3]);
        assert_eq!((ordered.places(0), ordered.places(2)), (Some(&[7, 0][..]), Some(&[3][..])));
        let without = ordered.without(&[vec![0]]);
        assert_eq!((without.row(0).0, without.places(0)), (&[2][..], Some(&[0][..])));
        let selected = ordered.select(&[2, 0]);
        assert_eq!((selected.places(0), selected.places(1)), (Some(&[3][..]), Some(&[7, 0][..])));
        assert_eq!((selected.rows(), selected.row(1)), (2, ordered.row(0)));
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
