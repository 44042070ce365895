//! Rows that were refused: counted by reason, and written to a file that can be mended and
//! imported again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use crossfold_lab::output::Foreign;
use serde::Serialize;
use serde_json::Value;

use super::reading::Format;
use super::row::{Cell, Fault, Row};
use super::usual_names::is_added;

/// Most reasons that are told apart; the others are counted together.
const MAX_REASONS: usize = 50;

/// Counts of refused rows by reason.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// All of them.
    pub(crate) rows: u64,
    /// By reason, the column in front.
    pub(crate) reasons: BTreeMap<String, Reason>,
}

/// One reason.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reason {
    /// How many rows.
    pub(crate) rows: u64,
    /// The line of the first one.
    pub(crate) first_line: u64,
    /// What was found there.
    pub(crate) found: String,
}

impl Tally {
    /// Counts a row.
    pub(crate) fn count(&mut self, line: u64, fault: &Fault) {
        self.rows += 1;
        let mut name = match &fault.column {
            Some(column) => format!("column {column}: {}", fault.kind),
            None => fault.kind.clone(),
        };
        if self.reasons.len() >= MAX_REASONS && !self.reasons.contains_key(&name) {
            name = "other reasons".into();
        }
        let first = || Reason { rows: 0, first_line: line, found: fault.found.clone() };
        self.reasons.entry(name).or_insert_with(first).rows += 1;
    }

    /// Adds what another one counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (name, reason) in &other.reasons {
            match self.reasons.get_mut(name) {
                Some(known) => known.rows += reason.rows,
                None => {
                    self.reasons.insert(name.clone(), reason.clone());
                }
            }
        }
    }

    /// A line for each reason, the most frequent first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut reasons: Vec<(&String, &Reason)> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, reason)| std::cmp::Reverse(reason.rows));
        reasons
            .into_iter()
            .map(|(name, Reason { rows, first_line, found })| {
                let found = if found.is_empty() { String::new() } else { format!(" ({found:?})") };
                let name = Foreign::text(name);
                format!("{rows} x {name}; first on line {first_line}{found}")
            })
            .collect()
    }
}

/// Where refused rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefusedPath {
    /// To this file, in place of what it holds.
    Given(PathBuf),
    /// To a new file of this name, or with a number in it: what an earlier import refused may
    /// have been mended there.
    Beside(PathBuf),
}

/// The file of refused rows. It is made when the first row is refused.
pub(crate) struct RefusedRows {
    place: RefusedPath,
    /// The file that was made.
    path: Option<PathBuf>,
    format: Format,
    file: Option<Output>,
    tally: Tally,
}

enum Output {
    Delimited(Box<csv::Writer<BufWriter<File>>>),
    Json(BufWriter<File>),
}

impl RefusedRows {
    /// Will write the refused rows of a file to the path that was given, or beside the file.
    pub(crate) fn of(file: &Path, given: Option<PathBuf>, format: Format) -> Self {
        let place = given.map_or_else(
            || {
                let mut name = file.file_name().unwrap_or_default().to_owned();
                name.push(".refused");
                RefusedPath::Beside(file.with_file_name(name))
            },
            RefusedPath::Given,
        );
        Self { place, path: None, format, file: None, tally: Tally::default() }
    }

    /// Forgets what was refused so far, and writes over it.
    pub(crate) fn begin_again(&mut self) {
        self.file = None;
        self.tally = Tally::default();
    }

    /// Makes the file, or empties the one that was made.
    fn make(&mut self) -> io::Result<File> {
        if let Some(path) = &self.path {
            return File::create(path);
        }
        let (path, file) = match &self.place {
            RefusedPath::Given(path) => (path.clone(), File::create(path)?),
            RefusedPath::Beside(stem) => new_file(stem, self.format)?,
        };
        self.path = Some(path);
        Ok(file)
    }

    /// What was refused.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().and(self.path.as_deref())
    }

    /// Refuses a row.
    ///
    /// # Errors
    /// When the file cannot be written: nothing is refused without a trace.
    pub(crate) fn refuse(&mut self, row: &Row, columns: &[String], fault: &Fault) -> Result<()> {
        self.tally.count(row.line, fault);
        let written = self.write(row, columns, fault);
        written.with_context(|| {
            let (RefusedPath::Given(path) | RefusedPath::Beside(path)) = &self.place;
            format!(
                "refused rows cannot be written to {}; name another file with --refused",
                path.display()
            )
        })
    }

    fn write(&mut self, row: &Row, columns: &[String], fault: &Fault) -> io::Result<()> {
        if self.file.is_none() {
            let file = BufWriter::new(self.make()?);
            self.file = Some(match self.format {
                Format::Json => Output::Json(file),
                Format::Delimited => {
                    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
                    let own = columns.iter().map(String::as_str).filter(|name| !is_added(name));
                    writer.write_record(own.chain(ADDED))?;
                    Output::Delimited(Box::new(writer))
                }
            });
        }
        let line = row.line.to_string();
        let column = fault.column.as_deref().unwrap_or_default();
        match self.file.as_mut() {
            Some(Output::Delimited(writer)) => {
                let kept = columns.iter().enumerate().filter(|(_, name)| !is_added(name));
                let cells: Vec<String> = kept.map(|(at, _)| row.cell(at).shown()).collect();
                let beyond = row.cells.iter().skip(columns.len());
                let beyond: Vec<String> = beyond.map(Cell::shown).collect();
                let added = [line, column.to_owned(), fault.kind.clone(), beyond.join(",")];
                writer.write_record(cells.iter().chain(&added))?;
            }
            Some(Output::Json(writer)) => {
                let mut object = serde_json::Map::new();
                match row.cells.as_slice() {
                    [Cell::Json(text)] if row.fault.is_some() => {
                        object.insert("refused_text".into(), text.clone().into());
                    }
                    _ => object.extend(
                        columns
                            .iter()
                            .enumerate()
                            .filter(|(at, name)| !is_added(name) && *row.cell(*at) != Cell::Missing)
                            .map(|(at, name)| (name.clone(), row.cell(at).to_json())),
                    ),
                }
                object.insert("refused_line".into(), row.line.into());
                object.insert("refused_column".into(), column.into());
                object.insert("refused_reason".into(), fault.kind.clone().into());
                serde_json::to_writer(&mut *writer, &Value::Object(object))?;
                writer.write_all(b"\n")?;
            }
            None => {}
        }
        Ok(())
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self.file.as_mut() {
            Some(Output::Delimited(writer)) => writer.flush()?,
            Some(Output::Json(writer)) => writer.flush()?,
            None => {}
        }
        Ok(())
    }
}

/// A file that was not there, and that nobody's link leads elsewhere.
fn new_file(stem: &Path, format: Format) -> io::Result<(PathBuf, File)> {
    let extension = match format {
        Format::Delimited => "csv",
        Format::Json => "jsonl",
    };
    let mut number = 1_u32;
    loop {
        let mut path = stem.as_os_str().to_owned();
        match number {
            1 => path.push(format!(".{extension}")),
            _ => path.push(format!("-{number}.{extension}")),
        }
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return Ok((path.into(), made?)),
        }
    }
}

/// The columns that the file adds; a reader of the file passes over them.
const ADDED: [&str; 4] = ["refused_line", "refused_column", "refused_reason", "refused_extra"];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        let cells = cells.iter().map(|cell| Cell::Text((*cell).into())).collect();
        Row { line: 7, cells, fault: None }
    }

    #[test]
    fn a_refused_row_stands_in_the_file_with_its_line_column_and_reason() {
        let directory = tempfile::tempdir().unwrap();
        let columns = ["user_id".to_owned(), "item_id".to_owned(), "refused_line".to_owned()];
        let fault = Fault::of_row("user_id is missing").in_column("user_id");
        let cases = [
            (
                Format::Delimited,
                "user_id,item_id,refused_line,refused_column,refused_reason,refused_extra\n,\"i,1\",7,user_id,user_id is missing,x\n",
            ),
            (
                Format::Json,
                "{\"item_id\":\"i,1\",\"refused_column\":\"user_id\",\"refused_line\":7,\"refused_reason\":\"user_id is missing\",\"user_id\":\"\"}\n",
            ),
        ];
        for (format, expected) in cases {
            let file = directory.path().join("a.csv.gz");
            let mut rows = RefusedRows::of(&file, None, format);
            assert_eq!(rows.path(), None);
            rows.refuse(&row(&["", "i,1", "3", "x"]), &columns, &fault).unwrap();
            rows.begin_again();
            assert_eq!((rows.path(), rows.tally().rows), (None, 0));
            rows.refuse(&row(&["", "i,1", "3", "x"]), &columns, &fault).unwrap();
            rows.finish().unwrap();
            assert_eq!(std::fs::read_to_string(rows.path().unwrap()).unwrap(), expected);
            assert!(rows.path().unwrap().to_str().unwrap().contains("a.csv.gz.refused."));
        }
    }

    #[test]
    fn a_file_of_refused_rows_that_is_there_is_left_alone_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("a.csv.refused.csv"), "mended").unwrap();
        std::fs::write(at("precious"), "precious").unwrap();
        std::os::unix::fs::symlink(at("precious"), at("a.csv.refused-2.csv")).unwrap();
        let mut rows = RefusedRows::of(&at("a.csv"), None, Format::Delimited);
        rows.refuse(&row(&["u"]), &["user_id".into()], &Fault::of_row("no")).unwrap();
        rows.finish().unwrap();
        assert_eq!(rows.path(), Some(at("a.csv.refused-3.csv").as_path()));
        assert_eq!(std::fs::read_to_string(at("a.csv.refused.csv")).unwrap(), "mended");
        assert_eq!(std::fs::read_to_string(at("precious")).unwrap(), "precious");
    }

    #[test]
    fn reasons_are_counted_with_the_first_line_of_each_and_are_bounded() {
        let mut tally = Tally::default();
        let fault = Fault::of_cell("user_id is missing", &Cell::Text("NULL".into()));
        tally.count(3, &fault.clone().in_column("user_id"));
        tally.count(9, &fault.in_column("user_id"));
        assert_eq!(
            tally.lines(),
            ["2 x column user_id: user_id is missing; first on line 3 (\"NULL\")"]
        );
        for reason in 0..100 {
            tally.count(1, &Fault::of_row(format!("reason {reason}")));
        }
        assert_eq!(tally.reasons.len(), MAX_REASONS + 1);
        assert_eq!(tally.rows, 102);
    }
}
