//! Opening a file as a table, whatever it is: container, encoding, format, in this order.

use std::path::Path;

use anyhow::Result;
use encoding_rs::Encoding;

use super::container::{Contents, with_contents};
use super::delimited::DelimitedRows;
use super::encoding::decoded;
use super::json::JsonRows;
use super::line_ends::Separator;
use super::parquet::ParquetRows;
use super::peek::peek;
use super::row::Row;

/// Bytes in which JSON shows itself.
const HEAD: usize = 64 * 1024;

/// What of a file's form was named rather than left to be recognised.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadingOptions {
    /// The file wanted of an archive.
    pub(crate) entry: Option<String>,
    /// The encoding.
    pub(crate) encoding: Option<&'static Encoding>,
    /// The separator.
    pub(crate) separator: Option<Separator>,
    /// The quote; `Some(None)`: quotes are text.
    pub(crate) quote: Option<Option<u8>>,
    /// The names of the columns of a file without a header.
    pub(crate) columns: Option<Vec<String>>,
    /// Fields, and the columns that hold them.
    pub(crate) map: Vec<(String, String)>,
}

/// A file that is being read row by row.
pub(crate) struct Table<'a> {
    rows: Rows<'a>,
    /// Container and encoding, in words.
    form: String,
}

enum Rows<'a> {
    Delimited(DelimitedRows<'a>),
    Json(JsonRows<'a>),
    Parquet(ParquetRows),
}

/// How refused rows are written so that they can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As CSV.
    Delimited,
    /// As JSON lines.
    Json,
}

/// Opens a file and hands on its table.
///
/// # Errors
/// When it cannot be opened as one, in words that name the option that helps; and those
/// of `use_it`.
pub(crate) fn with_table<T>(
    path: &Path,
    options: &ReadingOptions,
    use_it: impl FnOnce(Table<'_>) -> Result<T>,
) -> Result<T> {
    with_contents(path, options.entry.as_deref(), |contents| match contents {
        Contents::Parquet(file) => {
            let rows = Rows::Parquet(ParquetRows::open(file)?);
            use_it(Table { rows, form: String::new() })
        }
        Contents::Stream { reader, packings } => {
            let text = decoded(reader, options.encoding)?;
            let encoding = text.encoding.name();
            let packed: String = packings.iter().map(|packing| format!("{packing}, ")).collect();
            let form = format!("{packed}{encoding}, ");
            let (head, whole) = peek(text.reader, HEAD);
            let is_json = JsonRows::is_json(&head) && options.columns.is_none();
            let rows = if is_json {
                Rows::Json(JsonRows::open(whole)?)
            } else {
                Rows::Delimited(DelimitedRows::open(whole, encoding, options)?)
            };
            use_it(Table { rows, form })
        }
    })
}

impl Table<'_> {
    /// The next row.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Row>> {
        match &mut self.rows {
            Rows::Delimited(rows) => rows.next(),
            Rows::Json(rows) => rows.next(),
            Rows::Parquet(rows) => rows.next(),
        }
    }

    /// The names of the columns; in JSON, of those that were met so far.
    pub(crate) fn columns(&self) -> &[String] {
        match &self.rows {
            Rows::Delimited(rows) => rows.columns(),
            Rows::Json(rows) => rows.columns(),
            Rows::Parquet(rows) => rows.columns(),
        }
    }

    /// What the file was recognised as, in words.
    pub(crate) fn description(&self) -> String {
        let format = match &self.rows {
            Rows::Delimited(rows) => rows.description(),
            Rows::Json(rows) => rows.description(),
            Rows::Parquet(_) => "Parquet".into(),
        };
        format!("{}{format}", self.form)
    }

    /// How refused rows are written.
    pub(crate) fn format(&self) -> Format {
        match self.rows {
            Rows::Delimited(_) => Format::Delimited,
            Rows::Json(_) | Rows::Parquet(_) => Format::Json,
        }
    }

    /// How often the header came again.
    pub(crate) fn repeated_headers(&self) -> u64 {
        match &self.rows {
            Rows::Delimited(rows) => rows.repeated_headers(),
            Rows::Json(_) | Rows::Parquet(_) => 0,
        }
    }
}
