//! Rows of Parquet files.

use std::fs::File;

use anyhow::{Context, Result, bail};
use jiff::{Span, Timestamp, civil};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, List};

use super::delimited::MAX_COLUMNS;
use super::row::{Cell, Row};

/// The rows of a Parquet file.
pub(crate) struct ParquetRows {
    rows: RowIter<'static>,
    columns: Vec<String>,
    read: u64,
}

impl ParquetRows {
    /// Reads the schema.
    ///
    /// # Errors
    /// When the file is none.
    pub(crate) fn open(file: File) -> Result<Self> {
        let reader = SerializedFileReader::new(file).context("the file is no Parquet file")?;
        let schema = reader.metadata().file_metadata().schema();
        let columns: Vec<String> =
            schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        if columns.len() > MAX_COLUMNS {
            bail!("the file has {} columns; more than {MAX_COLUMNS} are not read", columns.len());
        }
        Ok(Self { rows: RowIter::from_file_into(Box::new(reader)), columns, read: 0 })
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Row>> {
        let Some(row) = self.rows.next() else { return Ok(None) };
        self.read += 1;
        let row =
            row.with_context(|| format!("the file cannot be read beyond row {}", self.read))?;
        let cells = row.into_columns().into_iter().map(|(_, field)| cell(field)).collect();
        Ok(Some(Row { line: self.read, cells, fault: None }))
    }
}

fn cell(field: Field) -> Cell {
    let time = |time: Result<Timestamp, jiff::Error>| time.map_or(Cell::Missing, Cell::Time);
    match field {
        Field::Null => Cell::Missing,
        Field::Bool(truth) => Cell::Bool(truth),
        Field::Str(text) => Cell::Text(text),
        Field::Bytes(bytes) => Cell::Text(String::from_utf8_lossy(bytes.data()).into_owned()),
        Field::Float(number) => float(number.into(), number),
        Field::Double(number) => float(number, number),
        Field::TimestampMillis(millis) => time(Timestamp::from_millisecond(millis)),
        Field::TimestampMicros(micros) => time(Timestamp::from_microsecond(micros)),
        // As a text, so that a zone that was named applies, as in any file of dates.
        Field::Date(days) => {
            let epoch = civil::date(1970, 1, 1);
            epoch
                .checked_add(Span::new().days(days))
                .map_or(Cell::Missing, |date| Cell::Text(date.to_string()))
        }
        Field::ListInternal(list) => texts(&list).map_or(Cell::Missing, Cell::List),
        Field::Group(_) | Field::MapInternal(_) => Cell::Json(field.to_string()),
        number => Cell::Number(number.to_string()),
    }
}

/// A number that programs write for a missing one is missing; a whole one has no digits
/// after the point.
fn float(wide: f64, shown: impl std::fmt::Display) -> Cell {
    if wide.is_finite() { Cell::Number(shown.to_string()) } else { Cell::Missing }
}

fn texts(list: &List) -> Option<Vec<String>> {
    let texts = list.elements().iter().map(|element| match cell(element.clone()) {
        Cell::Text(text) | Cell::Number(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_field_becomes_a_cell() {
        let cases = [
            (Field::Null, Cell::Missing),
            (Field::Long(7), Cell::Number("7".into())),
            (Field::Double(31.0), Cell::Number("31".into())),
            (Field::Double(f64::NAN), Cell::Missing),
            (Field::Float(0.1), Cell::Number("0.1".into())),
            (Field::Date(20_000), Cell::Text("2024-10-04".into())),
            (Field::Str("x".into()), Cell::Text("x".into())),
            (
                Field::TimestampMicros(1_260_759_144_000_000),
                Cell::Time(Timestamp::from_second(1_260_759_144).unwrap()),
            ),
        ];
        for (field, expected) in cases {
            assert_eq!(cell(field), expected);
        }
    }
}
