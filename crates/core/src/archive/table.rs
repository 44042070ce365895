//! Records as rows. A record's columns stand in one table, which writes it,
//! reads it and describes it: names and types are nowhere else.
//!
//! A column that came later says which revision of the archive brought it and
//! what its cell is taken for in a file that has no such column, so that every
//! file ever written can be read.

use bytes::Bytes;

use crate::archive::cells::{CellType, CellValue};
use crate::archive::columns::{ColumnFile, ColumnGroup, ColumnWriter, ColumnsError, FilledColumn};

/// The revision of the archive that this version writes. A revision adds
/// columns; none is ever taken away or given another meaning.
pub const REVISION: u8 = 4;

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

    /// Reads the rows of a group of a file of this revision or an older one.
    ///
    /// # Errors
    /// [`ColumnsError`] when a column is missing, torn, or has a bad cell.
    fn read(group: &ColumnGroup<'_>) -> Result<Vec<Self>, ColumnsError>;
}

/// Rows of a group, which is what a reader holds decoded at a time: a few megabytes.
pub const GROUP_ROWS: usize = 10_000;

/// What is archived: a record that is one row, or several that follow one another.
pub trait Archived: Sized {
    /// Its rows.
    type Row: Row;

    /// The record as rows, at least one.
    fn into_rows(self) -> Vec<Self::Row>;

    /// Takes the next row: into the record `before`, which may go on, or as the beginning of
    /// another one. Gives the record that is whole by that.
    ///
    /// # Errors
    /// [`ColumnsError`] when the row cannot follow what is before.
    fn take(before: &mut Option<Self>, row: Self::Row) -> Result<Option<Self>, ColumnsError>;
}

/// Records that are one row each.
macro_rules! one_row_each {
    ($($record:ty),+) => {$(
        impl $crate::archive::table::Archived for $record {
            type Row = Self;

            fn into_rows(self) -> Vec<Self> {
                vec![self]
            }

            fn take(
                _: &mut Option<Self>,
                row: Self,
            ) -> Result<Option<Self>, $crate::archive::columns::ColumnsError> {
                Ok(Some(row))
            }
        }
    )+};
}

pub(crate) use one_row_each;

/// Writes records as a Parquet file, of which no more than one group of rows is held that
/// is not yet compressed.
pub struct ArchiveWriter<T: Archived> {
    writer: ColumnWriter,
    waiting: Vec<T::Row>,
}

impl<T: Archived> ArchiveWriter<T> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ColumnsError`] when the Parquet library refuses.
    pub fn new() -> Result<Self, ColumnsError> {
        Ok(Self { writer: begin::<T::Row>()?, waiting: Vec::new() })
    }

    /// Adds records.
    ///
    /// # Errors
    /// [`ColumnsError`] when the Parquet library refuses.
    pub fn extend(&mut self, records: impl IntoIterator<Item = T>) -> Result<(), ColumnsError> {
        for row in records.into_iter().flat_map(T::into_rows) {
            self.waiting.push(row);
            if self.waiting.len() == GROUP_ROWS {
                self.writer.append(&T::Row::fill(self.waiting.iter()))?;
                self.waiting.clear();
            }
        }
        Ok(())
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`ColumnsError`] when the Parquet library refuses.
    pub fn finish(mut self) -> Result<Bytes, ColumnsError> {
        if !self.waiting.is_empty() {
            self.writer.append(&T::Row::fill(self.waiting.iter()))?;
        }
        self.writer.finish()
    }
}

/// Begins a file of a record's columns.
fn begin<T: Row>() -> Result<ColumnWriter, ColumnsError> {
    ColumnWriter::new(&T::fill([].iter()))
}

/// Reads the records of a file, one group of rows after another: what was written by this
/// version or an older one, which made one group of all rows. After an error, what the file
/// holds is not known, and what was read of it is not to be used either.
pub struct ArchiveReader<T: Archived> {
    file: ColumnFile,
    next: usize,
    begun: Option<T>,
}

impl<T: Archived> ArchiveReader<T> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`ColumnsError::Parquet`] when it is not a whole Parquet file.
    pub fn open(bytes: Bytes) -> Result<Self, ColumnsError> {
        Ok(Self { file: ColumnFile::open(bytes)?, next: 0, begun: None })
    }

    /// How many rows there are, as the file's footer says.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.file.rows()
    }
}

impl<T: Archived> Iterator for ArchiveReader<T> {
    type Item = Result<Vec<T>, ColumnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut begun = self.begun.take();
        let Some(group) = self.file.groups().nth(self.next) else {
            return begun.map(|last| Ok(vec![last]));
        };
        self.next += 1;
        let read = T::Row::read(&group).and_then(|rows| {
            let mut records = Vec::with_capacity(rows.len());
            for row in rows {
                records.extend(T::take(&mut begun, row)?);
            }
            Ok(records)
        });
        self.begun = begun;
        Some(read)
    }
}

/// Writes rows as a Parquet file.
///
/// # Errors
/// [`ColumnsError`] when the Parquet library refuses.
pub fn encode<T: Row>(rows: &[T]) -> Result<Bytes, ColumnsError> {
    let mut writer = begin::<T>()?;
    for group in rows.chunks(GROUP_ROWS) {
        writer.append(&T::fill(group.iter()))?;
    }
    writer.finish()
}

/// Reads records, as [`ArchiveReader`] does, at once.
///
/// # Errors
/// [`ColumnsError`] when the file is torn or a cell breaks its rule.
pub fn decode<T: Archived>(bytes: Bytes) -> Result<Vec<T>, ColumnsError> {
    let groups: Result<Vec<Vec<T>>, ColumnsError> = ArchiveReader::open(bytes)?.collect();
    Ok(groups?.into_iter().flatten().collect())
}

/// A column's values, one for each row of the group; what `absent` gives when
/// the file has no such column.
pub(crate) fn read_column<T: CellValue>(
    group: &ColumnGroup<'_>,
    name: &str,
    absent: Option<fn() -> T>,
) -> Result<std::vec::IntoIter<T>, ColumnsError> {
    let values = match (group.column(name)?, absent) {
        (Some(values), _) => values,
        (None, Some(absent)) => (0..group.rows()).map(|_| absent()).collect(),
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
                group: &$crate::archive::columns::ColumnGroup<'_>,
            ) -> Result<Vec<Self>, $crate::archive::columns::ColumnsError> {
                $(let mut $field = $crate::archive::table::read_column::<$type>(
                    group, $name, $crate::archive::table::columns!(@absent $($absent)?),
                )?;)+
                // Each column has a cell for each row, or could not be read.
                let row = |_| Some(Self { $($field: $field.next()?),+ });
                Ok((0..group.rows()).map_while(row).collect())
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

    fn write(columns: &[FilledColumn<'_>]) -> Bytes {
        let mut writer = ColumnWriter::new(columns).unwrap();
        writer.append(columns).unwrap();
        writer.finish().unwrap()
    }

    /// Writes rows as revision 1 did: without the columns that came later.
    pub(crate) fn encode_first_revision<T: Row>(rows: &[T]) -> Bytes {
        let is_first =
            |name: &str| T::columns().iter().any(|column| column.name == name && column.since == 1);
        let mut columns = T::fill(rows.iter());
        columns.retain(|column| is_first(column.name));
        write(&columns)
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
    one_row_each! { Sample }

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
    fn records_are_written_and_read_group_by_group() {
        let row = |number: usize| Sample { name: format!("n{number}"), size: None };
        let all = || (0..2 * GROUP_ROWS + 1).map(row);
        let mut writer = ArchiveWriter::new().unwrap();
        writer.extend(all().take(GROUP_ROWS + 5)).unwrap();
        writer.extend(all().skip(GROUP_ROWS + 5)).unwrap();
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes, encode(&all().collect::<Vec<_>>()).unwrap());
        let file = ArchiveReader::<Sample>::open(bytes).unwrap();
        assert_eq!(file.rows(), 2 * GROUP_ROWS + 1);
        let groups: Vec<Vec<Sample>> = file.map(Result::unwrap).collect();
        let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
        assert_eq!(lengths, [GROUP_ROWS, GROUP_ROWS, 1]);
        assert!(groups.into_iter().flatten().eq(all()));
    }

    #[test]
    fn a_file_without_a_later_column_reads_and_one_without_a_first_is_refused() {
        let rows = [Sample { name: "a".into(), size: None }];
        let old = decode::<Sample>(encode_first_revision(&rows)).unwrap();
        assert_eq!(old, [Sample { name: "a".into(), size: Some(7) }]);
        let mut columns = Sample::fill(rows.iter());
        columns.retain(|column| column.name != "name");
        let refused = decode::<Sample>(write(&columns));
        assert!(matches!(refused, Err(ColumnsError::MissingColumn(name)) if name == "name"));
    }
}
