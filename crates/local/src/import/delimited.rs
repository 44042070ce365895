//! Rows of delimited text: CSV, TSV and their kin.

use std::io::Read;

use anyhow::{Context, Result, bail};
use crossfold_lab::output::{Foreign, ForeignNames};

use super::dialect::{self, Dialect};
use super::line_ends::{LineEnds, RowLength, Separator};
use super::peek::peek;
use super::reading::ReadingOptions;
use super::row::{Cell, Fault, Row};
use super::usual_names;

/// Bytes from which the dialect is recognised.
const SAMPLE: usize = 64 * 1024;
/// Most columns of a table: more is another kind of file.
pub(crate) const MAX_COLUMNS: usize = 1_000;

/// The rows of a delimited text.
pub(crate) struct DelimitedRows<'a> {
    reader: csv::Reader<Box<dyn Read + 'a>>,
    length: RowLength,
    columns: Vec<String>,
    dialect: Dialect,
    header: Header,
    /// The first row when it is none of the header.
    first: Option<csv::ByteRecord>,
    record: csv::ByteRecord,
    /// Whether the text was taken for UTF-8, so that bytes that are none are seen.
    encoding: &'static str,
    /// How often the header came again, as where files were joined.
    repeated_headers: u64,
}

/// Where the names of columns come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// The first row.
    Row,
    /// The command line.
    Given,
    /// The file is in the shape of MovieLens' files without a header.
    MovieLens,
}

impl<'a> DelimitedRows<'a> {
    /// Reads the header of a text that is UTF-8.
    ///
    /// # Errors
    /// When the text is empty, cannot be read, or has no header and none was given.
    pub(crate) fn open(
        text: Box<dyn Read + 'a>,
        encoding: &'static str,
        options: &ReadingOptions,
    ) -> Result<Self> {
        let (sample, whole) = peek(text, SAMPLE);
        let is_whole = sample.len() < SAMPLE;
        let dialect = recognise(&sample, is_whole, options);
        let length = RowLength::default();
        let lines: Box<dyn Read + 'a> =
            Box::new(LineEnds::new(whole, length.clone(), dialect.separator));
        let mut rows = Self {
            reader: dialect.reader(lines),
            length,
            columns: Vec::new(),
            dialect,
            header: Header::Row,
            first: None,
            record: csv::ByteRecord::new(),
            encoding,
            repeated_headers: 0,
        };
        rows.read_header(options)?;
        Ok(rows)
    }

    fn read_header(&mut self, options: &ReadingOptions) -> Result<()> {
        if !self.advance()? {
            bail!("the file is empty");
        }
        // How spreadsheets are told the separator.
        let says_separator = self.record.get(0).is_some_and(|cell| cell.starts_with(b"sep="));
        if says_separator && self.record.len() <= 2 && !self.advance()? {
            bail!("the file is empty");
        }
        let names: Vec<String> = self
            .record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        if names.len() > MAX_COLUMNS {
            bail!(
                "the first row has {} columns; more than {MAX_COLUMNS} are no table",
                names.len()
            );
        }
        if let Some(given) = &options.columns {
            self.header = Header::Given;
            self.columns.clone_from(given);
            if *given != names {
                self.first = Some(self.record.clone());
            }
            return Ok(());
        }
        if is_movie_lens(&names, self.dialect.separator) {
            self.header = Header::MovieLens;
            self.columns =
                ["user_id", "item_id", "rating", "occurred_at"].map(str::to_owned).into();
            self.first = Some(self.record.clone());
            return Ok(());
        }
        let is_named = |name: &String| {
            usual_names::is_known(name) || options.map.iter().any(|(_, column)| column == name)
        };
        if !names.iter().any(is_named) {
            bail!(
                "line 1 names no column that is known: {}. If it has no header, name its columns with --columns {}; if they have other names, say which is which with --map user_id=COLUMN --map item_id=COLUMN",
                ForeignNames(&names),
                Foreign::text(&guessed_columns(&names)),
            );
        }
        self.columns = names;
        Ok(())
    }

    /// Reads the next record; whether there was one.
    fn advance(&mut self) -> Result<bool> {
        let line = self.reader.position().line();
        let read = self.reader.read_byte_record(&mut self.record);
        self.length.restart();
        read.with_context(|| format!("the file cannot be read beyond line {line}"))
    }

    /// The next row.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Row>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(self.row(&first, 1)));
        }
        loop {
            if !self.advance()? {
                return Ok(None);
            }
            if self.header == Header::Row && self.is_header_again() {
                self.repeated_headers += 1;
                continue;
            }
            // Counted back from its end: blank lines before it are none of the row's.
            let inside: usize =
                self.record.iter().map(|cell| memchr::memchr_iter(b'\n', cell).count()).sum();
            let line = self.reader.position().line().saturating_sub(1 + inside as u64);
            let record = std::mem::take(&mut self.record);
            let row = self.row(&record, line);
            self.record = record;
            return Ok(Some(row));
        }
    }

    fn is_header_again(&self) -> bool {
        self.record.len() == self.columns.len()
            && self.record.iter().zip(&self.columns).all(|(cell, name)| cell == name.as_bytes())
    }

    fn row(&self, record: &csv::ByteRecord, line: u64) -> Row {
        let mut fault = None;
        if record.len() != self.columns.len() {
            fault = Some(Fault::of_row(format!(
                "the row has {} cells where the header has {}",
                record.len(),
                self.columns.len()
            )));
        }
        let cells = record
            .iter()
            .map(|bytes| match std::str::from_utf8(bytes) {
                Ok(text) => {
                    if self.encoding != "UTF-8" && text.contains('\u{fffd}') {
                        fault = Some(self.no_text());
                    }
                    Cell::Text(text.to_owned())
                }
                Err(_) => {
                    fault = Some(self.no_text());
                    Cell::Text(String::from_utf8_lossy(bytes).into_owned())
                }
            })
            .collect();
        Row { line, cells, fault }
    }

    fn no_text(&self) -> Fault {
        Fault::of_row(format!(
            "the row is no {} text: name the file's encoding with --encoding",
            self.encoding
        ))
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What was recognised, in words.
    pub(crate) fn description(&self) -> String {
        let header = match self.header {
            Header::Row => "",
            Header::Given => ", columns as given",
            Header::MovieLens => ", no header, in the shape of MovieLens",
        };
        format!(
            "text separated by {}{header}",
            match self.dialect.separator {
                Separator::TwoColons => "two colons".to_owned(),
                Separator::Byte(_) => format!("{}s", self.dialect.separator_name()),
            }
        )
    }

    /// How often the header came again.
    pub(crate) fn repeated_headers(&self) -> u64 {
        self.repeated_headers
    }
}

/// Recognises the dialect from whole lines.
fn recognise(sample: &[u8], is_whole: bool, options: &ReadingOptions) -> Dialect {
    let text = String::from_utf8_lossy(sample).replace("\r\n", "\n").replace('\r', "\n");
    let end = if is_whole { text.len() } else { text.rfind('\n').unwrap_or(text.len()) };
    dialect::recognise(&text[..end], options.separator, options.quote)
}

/// `user item rating time` in numbers, separated by tabs or two colons: `u.data` of
/// MovieLens 100K and `ratings.dat` of 1M and 10M.
fn is_movie_lens(names: &[String], separator: Separator) -> bool {
    let number = |at: usize| names[at].parse::<f64>().ok();
    names.len() == 4
        && matches!(separator, Separator::TwoColons | Separator::Byte(b'\t'))
        && [0, 1].into_iter().all(|at| names[at].parse::<u64>().is_ok())
        && number(2).is_some_and(|rating| (0.0..=10.0).contains(&rating))
        && number(3).is_some_and(|time| (1e8..1e10).contains(&time))
}

/// Columns that a file without a header may have, to begin with.
fn guessed_columns(first: &[String]) -> String {
    let is_time = |text: &String| {
        text.parse::<f64>().is_ok_and(|number| number >= 1e8)
            || text.matches(['-', '/', ':']).count() > 1
    };
    let names = first.iter().enumerate().map(|(at, text)| match at {
        0 => "user_id",
        1 => "item_id",
        _ if is_time(text) => "occurred_at",
        _ => "-",
    });
    names.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open<'a>(text: &'a str, options: &ReadingOptions) -> Result<DelimitedRows<'a>> {
        DelimitedRows::open(Box::new(text.as_bytes()), "UTF-8", options)
    }

    fn rows(text: &str) -> Vec<Row> {
        let mut rows = open(text, &ReadingOptions::default()).unwrap();
        std::iter::from_fn(|| rows.next().unwrap()).collect()
    }

    #[test]
    fn a_row_knows_the_line_it_begins_on() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "user_id,item_id\n\nu1,\"two\nlines\"\n\n\nu2,i2\nu3,i3".replace('\n', end);
            let lines: Vec<u64> = rows(&text).iter().map(|row| row.line).collect();
            assert_eq!(lines, [3, 7, 8], "{end:?}");
        }
    }

    #[test]
    fn a_row_of_another_width_is_a_fault_that_says_both() {
        let rows = rows("user_id,item_id\nu1\nu1,i1,x\nu2,i2\n");
        let faults: Vec<String> = rows
            .iter()
            .map(|row| row.fault.as_ref().map_or(String::new(), |f| f.kind.clone()))
            .collect();
        assert_eq!(
            faults,
            [
                "the row has 1 cells where the header has 2",
                "the row has 3 cells where the header has 2",
                ""
            ]
        );
        assert_eq!(rows[1].cells.len(), 3);
    }

    #[test]
    fn a_header_that_comes_again_is_no_row() {
        let mut rows =
            open("user_id,item_id\nu1,i1\nuser_id,item_id\nu2,i2\n", &ReadingOptions::default())
                .unwrap();
        let count = std::iter::from_fn(|| rows.next().unwrap()).count();
        assert_eq!((count, rows.repeated_headers()), (2, 1));
    }

    #[test]
    fn a_file_without_a_header_is_refused_with_the_options_that_help() {
        let text = "u1,i1,5,2026-06-01T08:00:00Z\nu2,i2,4,2026-06-01T08:00:00Z\n";
        let error = open(text, &ReadingOptions::default()).err().unwrap().to_string();
        assert!(error.contains("--columns user_id,item_id,-,occurred_at"), "{error}");
        assert!(error.contains("--map"), "{error}");
        let given = ReadingOptions {
            columns: Some(["user_id", "item_id", "value", "occurred_at"].map(str::to_owned).into()),
            ..ReadingOptions::default()
        };
        let mut rows = open(text, &given).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().cells[0], Cell::Text("u1".into()));
        let with_header = format!("user_id,item_id,value,occurred_at\n{text}");
        let mut rows = open(&with_header, &given).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().line, 2, "the header given is the file's own");
    }

    #[test]
    fn movie_lens_files_without_a_header_are_known_by_their_shape() {
        for text in ["1\t31\t2.5\t1260759144\n", "1::31::2::978300760\n"] {
            let mut rows = open(text, &ReadingOptions::default()).unwrap();
            assert_eq!(rows.columns(), ["user_id", "item_id", "rating", "occurred_at"]);
            assert_eq!(rows.next().unwrap().unwrap().cells.len(), 4);
        }
        assert!(open("1,31,2.5,1260759144\n", &ReadingOptions::default()).is_err());
    }

    #[test]
    fn an_empty_file_says_so() {
        let error = open("", &ReadingOptions::default()).err().unwrap();
        assert_eq!(error.to_string(), "the file is empty");
    }
}
