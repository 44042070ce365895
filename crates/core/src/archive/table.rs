//! Records as rows. A record's columns stand in one table, which writes it,
//! reads it and describes it: names and types are nowhere else.
//!
//! A column that came later says which revision of the archive brought it and
//! what its cell is taken for in a file that has no such column, so that every
//! file ever written can be read.

use bytes::Bytes;

use crate::archive::cells::{CellType, CellValue};
use crate::archive::columns::{ColumnFile, ColumnsError, FilledColumn, write};

/// The revision of the archive that this version writes. A revision adds
/// columns; none is ever taken away or given another meaning.
pub const REVISION: u8 = 2;

/// A column, for whoever reads the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The type of its cells.
    pub cell_type: CellType,
    /// Whether a cell may be empty.
    pub may_be_empty: bool,
    /// The first revision that has it, up to [`REVISION`].
    pub since: u8,
    /// What it says, with its unit.
    pub meaning: &'static str,
}

/// A record that is one row of a Parquet file.
pub trait Row: Sized {
    /// The columns, in their order in the file.
    fn columns() -> Vec<Column>;

    /// The columns with what `rows` have in them.
    fn fill<'a>(rows: impl Iterator<Item = &'a Self> + Clone) -> Vec<FilledColumn<'a>>
    where
        Self: 'a;

    /// Reads the rows of a file of this revision or an older one.
    ///
    /// # Errors
    /// [`ColumnsError`] when a column is missing, torn, or has a bad cell.
    fn read(file: &ColumnFile) -> Result<Vec<Self>, ColumnsError>;
}

/// Writes rows as a Parquet file.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode<T: Row>(rows: &[T]) -> Result<Bytes, ColumnsError> {
    write(&T::fill(rows.iter()))
}

/// Reads what [`encode`] wrote, in this version or an older one.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode<T: Row>(bytes: Bytes) -> Result<Vec<T>, ColumnsError> {
    T::read(&ColumnFile::open(bytes)?)
}

/// A column's values, one for each row of the file; what `absent` gives when
/// the file has no such column.
pub(crate) fn read_column<T: CellValue>(
    file: &ColumnFile,
    name: &str,
    absent: Option<fn() -> T>,
) -> Result<std::vec::IntoIter<T>, ColumnsError> {
    let values = match (file.column(name)?, absent) {
        (Some(values), _) => values,
        (None, Some(absent)) => (0..file.rows()).map(|_| absent()).collect(),
        (None, None) => return Err(ColumnsError::MissingColumn(name.to_owned())),
    };
    Ok(values.into_iter())
}

/// Implements [`Row`] for a record, by one line for each of its fields:
/// `"column" field: Type => "meaning";`. A column that came later says since
/// which revision, and what is to be read in an older file:
/// `"column" field: Type, since 2 or None => "meaning";`.
macro_rules! columns {
    ($record:ty {
        $($name:literal $field:ident: $type:ty $(, since $since:literal or $absent:expr)?
            => $meaning:literal;)+
    }) => {
        impl $crate::archive::table::Row for $record {
            fn columns() -> Vec<$crate::archive::table::Column> {
                vec![$($crate::archive::table::Column {
                    name: $name,
                    cell_type: <$type as $crate::archive::cells::CellValue>::TYPE,
                    may_be_empty: <$type as $crate::archive::cells::CellValue>::MAY_BE_EMPTY,
                    since: $crate::archive::table::columns!(@since $($since)?),
                    meaning: $meaning,
                }),+]
            }

            fn fill<'a>(
                rows: impl Iterator<Item = &'a Self> + Clone,
            ) -> Vec<$crate::archive::columns::FilledColumn<'a>>
            where
                Self: 'a,
            {
                vec![$($crate::archive::columns::FilledColumn::of::<$type>(
                    $name, rows.clone().map(|row| &row.$field),
                )),+]
            }

            fn read(
                file: &$crate::archive::columns::ColumnFile,
            ) -> Result<Vec<Self>, $crate::archive::columns::ColumnsError> {
                $(let mut $field = $crate::archive::table::read_column::<$type>(
                    file, $name, $crate::archive::table::columns!(@absent $($absent)?),
                )?;)+
                // Each column has a cell for each row, or could not be read.
                let row = |_| Some(Self { $($field: $field.next()?),+ });
                Ok((0..file.rows()).map_while(row).collect())
            }
        }
    };
    (@since) => { 1 };
    (@since $since:literal) => { $since };
    (@absent) => { None };
    (@absent $absent:expr) => { Some(|| $absent) };
}

pub(crate) use columns;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes rows as revision 1 did: without the columns that came later.
    pub(crate) fn encode_first_revision<T: Row>(rows: &[T]) -> Bytes {
        let is_first =
            |name: &str| T::columns().iter().any(|column| column.name == name && column.since == 1);
        let mut columns = T::fill(rows.iter());
        columns.retain(|column| is_first(column.name));
        write(&columns).unwrap()
    }

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        size: Option<u32>,
    }

    columns! { Sample {
        "name" name: String => "Its name.";
        "size" size: Option<u32>, since 2 or Some(7) => "Its size, in metres.";
    } }

    #[test]
    fn a_table_writes_reads_and_describes() {
        let rows =
            [Sample { name: "a".into(), size: None }, Sample { name: "b".into(), size: Some(1) }];
        assert_eq!(decode::<Sample>(encode(&rows).unwrap()).unwrap(), rows);
        assert_eq!(decode::<Sample>(encode::<Sample>(&[]).unwrap()).unwrap(), []);
        let described: Vec<_> =
            Sample::columns().iter().map(|c| (c.name, c.may_be_empty, c.since)).collect();
        assert_eq!(described, [("name", false, 1), ("size", true, 2)]);
    }

    #[test]
    fn a_file_without_a_later_column_reads_and_one_without_a_first_is_refused() {
        let rows = [Sample { name: "a".into(), size: None }];
        let old = decode::<Sample>(encode_first_revision(&rows)).unwrap();
        assert_eq!(old, [Sample { name: "a".into(), size: Some(7) }]);
        let mut columns = Sample::fill(rows.iter());
        columns.retain(|column| column.name != "name");
        let refused = decode::<Sample>(write(&columns).unwrap());
        assert!(matches!(refused, Err(ColumnsError::MissingColumn(name)) if name == "name"));
    }
}
