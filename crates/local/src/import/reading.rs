//! Opening a file as a table, whatever it is: container, encoding, format, in this order.

use std::path::Path;

use anyhow::{Result, bail};
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
            if is_no_text(&head) {
                bail!("the file is no text, and none of the formats that are read");
            }
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

/// Whether what stands at the beginning of a decoded file is no text: a zero byte in its first
/// line, or more bytes that are no signs than any text has. Some separate cells, and others end
/// a file or a page.
fn is_no_text(head: &[u8]) -> bool {
    /// So few may have come into a text by mistake.
    const MISTAKES: usize = 16;
    let is_no_sign = |byte: &&u8| matches!(byte, 0 | 2..=8 | 0x0b | 0x0e..=0x19);
    let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let no_signs = head.iter().filter(is_no_sign).count();
    first_line.contains(&0) || (no_signs >= MISTAKES && no_signs * 50 > head.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_from_text_of_any_kind() {
        let noise: Vec<u8> = (0..4_000_u32).map(|at| (at * 167 % 251) as u8).collect();
        let picture = [b"\x89WEBP\r\n\x1a\n".as_slice(), &noise].concat();
        for binary in [b"a\0b,c\n1,2\n".as_slice(), &picture, &[0; 9]] {
            assert!(is_no_text(binary), "{:?}", &binary[..9]);
        }
        let stray = format!("user_id,item_id\nu\0,i\n{}", "u1,i1\n".repeat(100));
        let separated = "user_id\u{1}item_id\u{1f}x\n1\u{1}2\u{1f}\u{c}\n\u{1a}".repeat(99);
        for text in ["", "user_id,item_id\n", "用户\u{1b}[2J,商品\n", &stray, &separated] {
            assert!(!is_no_text(text.as_bytes()), "{text:?}");
        }
    }
}
