//! Parquet files as named columns of cells that may be empty.
//!
//! Only the plain types that every reader knows (Athena, Spark, DuckDB, pandas):
//! text, times in milliseconds, integers, numbers. Snappy-compressed.

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

/// The cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// UTF-8 text.
    Text(Vec<Option<String>>),
    /// Milliseconds since 1970, as a Parquet timestamp.
    Time(Vec<Option<i64>>),
    /// Integers.
    Integer(Vec<Option<i64>>),
    /// Double-precision numbers.
    Number(Vec<Option<f64>>),
}

impl Cells {
    /// Text that is never empty.
    pub fn text<T: ToString>(values: impl Iterator<Item = T>) -> Self {
        Self::Text(values.map(|value| Some(value.to_string())).collect())
    }

    /// Text that may be empty.
    pub fn optional_text<T: ToString>(values: impl Iterator<Item = Option<T>>) -> Self {
        Self::Text(values.map(|value| value.map(|v| v.to_string())).collect())
    }

    /// Times that are never empty.
    pub fn time(values: impl Iterator<Item = jiff::Timestamp>) -> Self {
        Self::Time(values.map(|time| Some(time.as_millisecond())).collect())
    }

    fn schema_type(&self) -> (&'static str, &'static str) {
        match self {
            Self::Text(_) => ("BYTE_ARRAY", "(UTF8)"),
            Self::Time(_) => ("INT64", "(TIMESTAMP_MILLIS)"),
            Self::Integer(_) => ("INT64", ""),
            Self::Number(_) => ("DOUBLE", ""),
        }
    }
}

/// Writes columns of equal length as one Parquet file.
///
/// # Errors
/// [`ColumnsError::Parquet`], also when lengths differ.
pub fn write(columns: &[(&str, Cells)]) -> Result<Bytes, ColumnsError> {
    let fields: String = columns
        .iter()
        .map(|(name, cells)| {
            let (physical, logical) = cells.schema_type();
            format!("OPTIONAL {physical} {name} {logical};\n")
        })
        .collect();
    let schema = parse_message_type(&format!("message crossfold {{ {fields} }}"))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, cells) in columns {
        match cells {
            Cells::Text(cells) => {
                write_column::<ByteArrayType, _>(&mut group, cells, |text| text.as_str().into())?;
            }
            Cells::Time(cells) | Cells::Integer(cells) => {
                write_column::<Int64Type, _>(&mut group, cells, |value| *value)?;
            }
            Cells::Number(cells) => {
                write_column::<DoubleType, _>(&mut group, cells, |value| *value)?;
            }
        }
    }
    group.close()?;
    Ok(writer.into_inner()?.into())
}

fn write_column<T: DataType, C>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    cells: &[Option<C>],
    value: impl Fn(&C) -> T::T,
) -> Result<(), ColumnsError> {
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.iter().flatten().map(value).collect();
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".into()).into());
    };
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()?;
    Ok(())
}

/// A Parquet file to read columns from.
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

    /// A text column, cell by cell through `parse`.
    ///
    /// # Errors
    /// [`ColumnsError`] when the column is missing or a cell does not parse.
    pub fn text<T>(
        &self,
        name: &str,
        parse: impl Fn(Option<&str>) -> Result<T, String>,
    ) -> Result<Vec<T>, ColumnsError> {
        let bad = |why: String| ColumnsError::BadCell { column: name.to_owned(), why };
        self.cells::<ByteArrayType>(name)?
            .iter()
            .map(|cell: &Option<ByteArray>| {
                let text = cell.as_ref().map(ByteArray::as_utf8).transpose()?;
                parse(text).map_err(bad)
            })
            .collect()
    }

    /// A column of integers or times.
    ///
    /// # Errors
    /// [`ColumnsError`] when the column is missing or of another type.
    pub fn integers(&self, name: &str) -> Result<Vec<Option<i64>>, ColumnsError> {
        self.cells::<Int64Type>(name)
    }

    /// A column of times that are never empty.
    ///
    /// # Errors
    /// [`ColumnsError`] when the column is missing, or a cell is empty or out of range.
    pub fn times(&self, name: &str) -> Result<Vec<jiff::Timestamp>, ColumnsError> {
        let bad = || ColumnsError::BadCell { column: name.to_owned(), why: "not a time".into() };
        self.integers(name)?
            .into_iter()
            .map(|cell| {
                cell.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).ok_or_else(bad)
            })
            .collect()
    }

    fn cells<T: DataType>(&self, name: &str) -> Result<Vec<Option<T::T>>, ColumnsError> {
        let metadata = self.reader.metadata();
        let columns = metadata.file_metadata().schema_descr().columns();
        let at = columns
            .iter()
            .position(|column| column.name() == name)
            .ok_or_else(|| ColumnsError::MissingColumn(name.to_owned()))?;
        if columns[at].physical_type() != T::get_physical_type() || columns[at].max_def_level() != 1
        {
            let why = "the column has another type".to_owned();
            return Err(ColumnsError::BadCell { column: name.to_owned(), why });
        }
        let mut cells = Vec::new();
        for group in 0..metadata.num_row_groups() {
            let group = self.reader.get_row_group(group)?;
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
            cells.extend(levels.iter().map(|level| if *level > 0 { values.next() } else { None }));
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_survive_a_file() {
        let bytes = write(&[
            ("name", Cells::Text(vec![Some("课程".into()), None])),
            ("at", Cells::Time(vec![Some(5), Some(-1)])),
            ("score", Cells::Number(vec![None, Some(0.5)])),
        ])
        .unwrap();
        let file = ColumnFile::open(bytes).unwrap();
        let names = file.text("name", |cell| Ok(cell.map(str::to_owned))).unwrap();
        assert_eq!(names, [Some("课程".to_owned()), None]);
        assert_eq!(file.integers("at").unwrap(), [Some(5), Some(-1)]);
        assert!(matches!(file.integers("gone"), Err(ColumnsError::MissingColumn(_))));
        assert!(matches!(file.integers("name"), Err(ColumnsError::BadCell { .. })));
    }

    #[test]
    fn a_torn_file_is_refused() {
        let bytes = write(&[("at", Cells::Time(vec![Some(5)]))]).unwrap();
        for length in 0..bytes.len() {
            assert!(ColumnFile::open(bytes.slice(..length)).is_err());
        }
    }
}
