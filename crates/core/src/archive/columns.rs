//! Parquet files as named columns of cells that may be empty. Snappy-compressed.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::archive::cells::{Cell, CellType, CellValue};

/// Why a file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// The Parquet library refused it.
    #[error("parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// A column that should be there is not.
    #[error("column {0} is missing")]
    MissingColumn(String),
    /// A cell that should be filled is empty, or does not parse.
    #[error("column {column} has a bad cell: {why}")]
    BadCell {
        /// The column.
        column: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ColumnsError {
    pub(crate) fn bad_cell(column: &str, why: impl Into<String>) -> Self {
        Self::BadCell { column: column.to_owned(), why: why.into() }
    }
}

/// A column to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledColumn<'a> {
    /// Its name.
    pub name: &'static str,
    /// The type of its cells.
    pub cell_type: CellType,
    /// Its cells; `None` for an empty one.
    pub cells: Vec<Option<Cell<'a>>>,
}

impl<'a> FilledColumn<'a> {
    /// A column of values.
    pub fn of<T: CellValue + 'a>(
        name: &'static str,
        values: impl Iterator<Item = &'a T>,
    ) -> FilledColumn<'a> {
        Self { name, cell_type: T::TYPE, cells: values.map(T::to_cell).collect() }
    }

    /// The column as a line of a Parquet schema.
    fn schema_field(&self) -> String {
        let (physical, logical) = match self.cell_type {
            CellType::Text => ("BYTE_ARRAY", "(UTF8)"),
            CellType::Time => ("INT64", "(TIMESTAMP_MILLIS)"),
            CellType::Integer => ("INT64", ""),
            CellType::Number => ("DOUBLE", ""),
        };
        format!("OPTIONAL {physical} {} {logical};\n", self.name)
    }
}

/// Writes columns group after group as one Parquet file, of which only what is compressed
/// stays in memory.
pub struct ColumnWriter {
    writer: SerializedFileWriter<Vec<u8>>,
}

impl ColumnWriter {
    /// Begins a file with columns like these, of which the cells are not written.
    ///
    /// # Errors
    /// [`ColumnsError::Parquet`] when the library refuses the schema.
    pub fn new(columns: &[FilledColumn<'_>]) -> Result<Self, ColumnsError> {
        let fields: String = columns.iter().map(FilledColumn::schema_field).collect();
        let schema = parse_message_type(&format!("message crossfold {{ {fields} }}"))?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
        Ok(Self { writer })
    }

    /// Writes columns of equal length as the next group of rows.
    ///
    /// # Errors
    /// [`ColumnsError::Parquet`], also when lengths differ.
    pub fn append(&mut self, columns: &[FilledColumn<'_>]) -> Result<(), ColumnsError> {
        let mut group = self.writer.next_row_group()?;
        for column in columns {
            match column.cell_type {
                CellType::Text => write_column::<ByteArrayType>(&mut group, column, |cell| {
                    if let Cell::Text(text) = cell { Some((&**text).into()) } else { None }
                })?,
                CellType::Time | CellType::Integer => {
                    write_column::<Int64Type>(&mut group, column, |cell| {
                        if let Cell::Whole(whole) = cell { Some(*whole) } else { None }
                    })?;
                }
                CellType::Number => write_column::<DoubleType>(&mut group, column, |cell| {
                    if let Cell::Number(number) = cell { Some(*number) } else { None }
                })?,
            }
        }
        group.close()?;
        Ok(())
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`ColumnsError::Parquet`] when the library refuses.
    pub fn finish(self) -> Result<Bytes, ColumnsError> {
        Ok(self.writer.into_inner()?.into())
    }
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    column: &FilledColumn<'_>,
    value: impl Fn(&Cell<'_>) -> Option<T::T>,
) -> Result<(), ColumnsError> {
    let levels: Vec<i16> = column.cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Option<Vec<T::T>> = column.cells.iter().flatten().map(value).collect();
    let values =
        values.ok_or_else(|| ColumnsError::bad_cell(column.name, "a cell of another type"))?;
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".into()).into());
    };
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()?;
    Ok(())
}

/// A Parquet file to read columns from, one group of rows after another.
pub struct ColumnFile {
    reader: SerializedFileReader<Bytes>,
}

impl ColumnFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`ColumnsError::Parquet`] when it is not a whole Parquet file.
    pub fn open(bytes: Bytes) -> Result<Self, ColumnsError> {
        Ok(Self { reader: SerializedFileReader::new(bytes)? })
    }

    /// How many rows there are, as the file's footer says.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.groups().map(|group| group.rows()).sum()
    }

    /// The groups of rows, in order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = ColumnGroup<'_>> {
        (0..self.reader.metadata().num_row_groups()).map(|at| ColumnGroup { file: self, at })
    }

    /// The values of a column of the whole file; `None` when there is no such column.
    ///
    /// # Errors
    /// As [`ColumnGroup::column`].
    pub fn column<T: CellValue>(&self, name: &str) -> Result<Option<Vec<T>>, ColumnsError> {
        let mut values = Vec::new();
        for group in self.groups() {
            match group.column(name)? {
                Some(of_group) => values.extend(of_group),
                None => return Ok(None),
            }
        }
        Ok(Some(values))
    }
}

/// A group of rows of a [`ColumnFile`].
pub struct ColumnGroup<'a> {
    file: &'a ColumnFile,
    at: usize,
}

impl ColumnGroup<'_> {
    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        let rows = self.file.reader.metadata().row_group(self.at).num_rows();
        usize::try_from(rows).unwrap_or(0)
    }

    /// The values of a column; `None` when there is no such column.
    ///
    /// # Errors
    /// [`ColumnsError`] when the column is of another type, torn, or a cell does not parse.
    pub fn column<T: CellValue>(&self, name: &str) -> Result<Option<Vec<T>>, ColumnsError> {
        let columns = self.file.reader.metadata().file_metadata().schema_descr().columns();
        let Some(at) = columns.iter().position(|column| column.name() == name) else {
            return Ok(None);
        };
        let parse = |cell: Option<Cell<'_>>| {
            T::of_cell(cell).map_err(|why| ColumnsError::bad_cell(name, why))
        };
        let values: Result<Vec<T>, ColumnsError> = match T::TYPE {
            CellType::Text => {
                let parse_text = |cell: &Option<ByteArray>| {
                    let text = cell.as_ref().map(ByteArray::as_utf8).transpose()?;
                    parse(text.map(|text| Cell::Text(text.into())))
                };
                self.cells::<ByteArrayType>(name, at)?.iter().map(parse_text).collect()
            }
            CellType::Time | CellType::Integer => {
                let cells = self.cells::<Int64Type>(name, at)?;
                cells.into_iter().map(|cell| parse(cell.map(Cell::Whole))).collect()
            }
            CellType::Number => {
                let cells = self.cells::<DoubleType>(name, at)?;
                cells.into_iter().map(|cell| parse(cell.map(Cell::Number))).collect()
            }
        };
        values.map(Some)
    }

    fn cells<T: DataType>(&self, name: &str, at: usize) -> Result<Vec<Option<T::T>>, ColumnsError> {
        let column = self.file.reader.metadata().file_metadata().schema_descr().column(at);
        if column.physical_type() != T::get_physical_type() || column.max_def_level() != 1 {
            return Err(ColumnsError::bad_cell(name, "the column has another type"));
        }
        let group = self.file.reader.get_row_group(self.at)?;
        let rows = usize::try_from(group.metadata().num_rows())
            .map_err(|_| ParquetError::General("a negative number of rows".into()))?;
        let mut column = get_typed_column_reader::<T>(group.get_column_reader(at)?);
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let mut read = 0;
        while read < rows {
            let (records, ..) =
                column.read_records(rows - read, Some(&mut levels), None, &mut values)?;
            if records == 0 {
                return Err(ParquetError::EOF("fewer rows than promised".into()).into());
            }
            read += records;
        }
        let mut values = values.into_iter();
        Ok(levels.iter().map(|level| if *level > 0 { values.next() } else { None }).collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn write(columns: &[FilledColumn<'_>]) -> Result<Bytes, ColumnsError> {
        let mut writer = ColumnWriter::new(columns)?;
        writer.append(columns)?;
        writer.finish()
    }

    #[test]
    fn columns_survive_a_file() {
        let names = [Some("课程".to_owned()), None];
        let times = [5, -1].map(|at| Timestamp::from_millisecond(at).unwrap());
        let scores = [None, Some(0.5)];
        let bytes = write(&[
            FilledColumn::of("name", names.iter()),
            FilledColumn::of("at", times.iter()),
            FilledColumn::of("score", scores.iter()),
        ])
        .unwrap();
        let file = ColumnFile::open(bytes).unwrap();
        assert_eq!(file.rows(), 2);
        assert_eq!(file.column::<Option<String>>("name").unwrap().unwrap(), names);
        assert_eq!(file.column::<Timestamp>("at").unwrap().unwrap(), times);
        assert_eq!(file.column::<Option<f64>>("score").unwrap().unwrap(), scores);
        assert_eq!(file.column::<Option<f64>>("gone").unwrap(), None);
        assert!(matches!(file.column::<u32>("name"), Err(ColumnsError::BadCell { .. })));
        assert!(matches!(file.column::<String>("name"), Err(ColumnsError::BadCell { .. })));
    }

    #[test]
    fn a_torn_file_is_refused() {
        let times = [Timestamp::UNIX_EPOCH];
        let bytes = write(&[FilledColumn::of("at", times.iter())]).unwrap();
        for length in 0..bytes.len() {
            assert!(ColumnFile::open(bytes.slice(..length)).is_err());
        }
    }

    #[test]
    fn columns_of_different_lengths_make_no_file() {
        let (one, two) = ([1_u32], [1_u32, 2]);
        let columns = [FilledColumn::of("a", one.iter()), FilledColumn::of("b", two.iter())];
        assert!(write(&columns).is_err());
    }
}
