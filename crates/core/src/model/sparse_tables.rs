//! Sparse tables in a blob: writing them, and reading them on no trust.

use safetensors::SafeTensors;

use super::tensors::{Tensor, finite, numbers};
use super::{ModelError, malformed};
use crate::maths::sparse::SparseRows;

/// The tensors of a table: where each row's entries end, their columns, their values.
/// `named` makes the name of each.
pub(crate) fn write(table: &SparseRows, named: &dyn Fn(&str) -> String) -> Vec<Tensor> {
    let mut ends = Vec::with_capacity(table.rows());
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for row in 0..table.rows() {
        let (of_row, entries) = table.row(row);
        columns.extend_from_slice(of_row);
        values.extend_from_slice(entries);
        ends.push(columns.len() as u32);
    }
    vec![
        Tensor::numbers(named("ends"), vec![ends.len()], &ends),
        Tensor::numbers(named("items"), vec![columns.len()], &columns),
        Tensor::floats(named("values"), vec![values.len()], &values),
    ]
}

/// Reads a table of so many entries, rows and columns.
///
/// # Errors
/// [`ModelError::Malformed`] when it is another, or holds what no table can.
pub(crate) fn read(
    tensors: &SafeTensors<'_>,
    named: &dyn Fn(&str) -> String,
    entries: usize,
    (rows, columns): (usize, usize),
) -> Result<SparseRows, ModelError> {
    let ends = numbers(tensors, &named("ends"), &[rows])?;
    let of_entries = numbers(tensors, &named("items"), &[entries])?;
    let values = finite(tensors, &named("values"), &[entries])?;
    cut(&ends, &of_entries, &values, columns)
}

/// Cuts entries into the rows that end where `ends` says.
pub(crate) fn cut(
    ends: &[u32],
    columns: &[u32],
    values: &[f32],
    of_table: usize,
) -> Result<SparseRows, ModelError> {
    let wrong = || malformed("a sparse table is cut wrongly");
    let mut rows = Vec::with_capacity(ends.len());
    let mut start = 0;
    for &end in ends {
        let row = columns.get(start..end as usize).ok_or_else(wrong)?;
        let is_known = |column: &u32| (*column as usize) < of_table;
        if !row.is_sorted_by(|a, b| a < b) || !row.iter().all(is_known) {
            return Err(wrong());
        }
        rows.push(row.iter().copied().zip(values[start..end as usize].iter().copied()).collect());
        start = end as usize;
    }
    if start != columns.len() {
        return Err(wrong());
    }
    Ok(SparseRows::from_rows(of_table, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_cut_wrongly_is_refused() {
        let values = [1.0; 3];
        assert!(cut(&[2, 3], &[0, 1, 1], &values, 2).is_ok());
        for (ends, columns) in [
            ([2, 2], [0, 1, 1]), // Entries are left over.
            ([3, 2], [0, 1, 2]), // Ends fall.
            ([2, 4], [0, 1, 1]), // Beyond the entries.
            ([2, 3], [1, 0, 1]), // Not ascending.
            ([2, 3], [0, 2, 1]), // Not a column.
        ] {
            assert!(cut(&ends, &columns, &values, 2).is_err(), "{ends:?} {columns:?}");
        }
    }
}
