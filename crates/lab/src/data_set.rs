//! Data sets on files: CSV and JSON lines, gzipped or not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;

/// Opens a file, unpacking it when its name ends in `.gz`.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}

/// The columns that every table has.
const NEEDED: [&str; 2] = ["user_id", "item_id"];
/// What may stand between cells: the first of these by which a header has what is needed.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Most bytes of a header.
const MOST_OF_HEADER: u64 = 1 << 20;

/// A table with a header, which names at least `user_id` and `item_id`. Cells are separated
/// by a comma, a semicolon, a tab or a bar, as the header tells.
pub struct Table {
    reader: csv::Reader<Box<dyn Read>>,
    columns: HashMap<String, usize>,
}

impl Table {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or a column that is needed is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read {}", path.display());
        let mut whole = BufReader::new(open(path)?);
        let mut header = Vec::new();
        let mut first = whole.by_ref().take(MOST_OF_HEADER);
        first.read_until(b'\n', &mut header).with_context(unreadable)?;
        let found = SEPARATORS.map(|separator| columns_of(&header, separator));
        let at = found.iter().position(|columns| missing(columns).is_none());
        let Some(at) = at else {
            let needed = missing(&found[0]).unwrap_or_default();
            bail!(
                "{} has no column {needed} in its first line: the laboratory reads tables with a header that names {}; crossfold import takes other names and formats",
                path.display(),
                NEEDED.join(" and ")
            );
        };
        let rest: Box<dyn Read> = Box::new(Cursor::new(header).chain(whole));
        let reader = csv::ReaderBuilder::new().delimiter(SEPARATORS[at]).from_reader(rest);
        Ok(Self { reader, columns: found[at].clone() })
    }

    /// The position of a column in each row, if there is one.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.get(name).copied()
    }

    /// The rows, each of which may turn out not to be readable.
    pub fn rows(self) -> impl Iterator<Item = Result<csv::StringRecord>> {
        self.reader.into_records().map(|record| Ok(record?))
    }
}

/// The names in a header, each with its place; none where it cannot be read so.
fn columns_of(header: &[u8], separator: u8) -> HashMap<String, usize> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(header);
    let names = reader.headers().cloned().unwrap_or_default();
    names.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect()
}

/// The first of the columns needed that is not among these.
fn missing(columns: &HashMap<String, usize>) -> Option<&'static str> {
    NEEDED.into_iter().find(|needed| !columns.contains_key(*needed))
}

/// Pairs of user and item, each once.
pub type Pairs = BTreeMap<String, BTreeSet<String>>;

/// Reads `user_id,item_id`, each pair once, by user.
///
/// # Errors
/// When the file cannot be read.
pub fn read_pairs(path: &Path) -> Result<Pairs> {
    let table = Table::open(path)?;
    let (Some(user), Some(item)) = (table.column("user_id"), table.column("item_id")) else {
        bail!("{} lacks a column", path.display());
    };
    let mut pairs = Pairs::new();
    for row in table.rows() {
        let row = row.with_context(|| format!("cannot read {}", path.display()))?;
        let cell = |at: usize| row.get(at).unwrap_or_default().to_owned();
        pairs.entry(cell(user)).or_default().insert(cell(item));
    }
    Ok(pairs)
}

/// When each pair was last: by user and item, in nanoseconds since 1970.
pub type Times = BTreeMap<String, BTreeMap<String, i128>>;

/// Reads when pairs were last, from a column `occurred_at` or `timestamp` (whole seconds since 1970,
/// or RFC 3339); `None` of a file without that column.
///
/// # Errors
/// When the file cannot be read, or a time of it.
pub fn read_times(path: &Path) -> Result<Option<Times>> {
    let table = Table::open(path)?;
    let named = ["occurred_at", "timestamp"].into_iter().find_map(|name| table.column(name));
    let Some(occurred_at) = named else { return Ok(None) };
    let (Some(user), Some(item)) = (table.column("user_id"), table.column("item_id")) else {
        bail!("{} lacks a column", path.display());
    };
    let mut times = Times::new();
    for row in table.rows() {
        let row = row.with_context(|| format!("cannot read {}", path.display()))?;
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let at = instant(cell(occurred_at).trim()).with_context(|| {
            let place = row.position().map_or(0, |position| position.line());
            format!("occurred_at in line {place} of {}", path.display())
        })?;
        let of_user = times.entry(cell(user).to_owned()).or_default();
        let last = of_user.entry(cell(item).to_owned()).or_insert(at);
        *last = at.max(*last);
    }
    Ok(Some(times))
}

/// In nanoseconds since 1970.
fn instant(text: &str) -> Result<i128> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(i128::from(seconds) * 1_000_000_000);
    }
    let at: Timestamp = text.parse().context("is neither whole seconds nor RFC 3339")?;
    Ok(at.as_nanosecond())
}

/// Reads one text a line; empty lines are left out.
///
/// # Errors
/// When the file cannot be read.
pub fn read_lines(path: &Path) -> Result<BTreeSet<String>> {
    let lines = BufReader::new(open(path)?).lines();
    let lines: Vec<String> = lines
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(lines.into_iter().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect())
}

/// Numbers texts in the order of first sight.
#[derive(Default)]
pub(crate) struct Numbering {
    numbers: HashMap<String, u32>,
}

impl Numbering {
    /// The number of a text, a new one at first sight.
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(text.to_owned()).or_insert(next)
    }

    /// The number of a text that was seen.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// How many texts were seen.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use super::*;

    #[test]
    fn a_table_is_read_whatever_of_the_usual_stands_between_its_cells() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for between in [",", ";", "\t", "|"] {
            let rows = ["item_id X user_id X n", "i1 X u1 X 2,5", "i2 X u1 X 3"];
            let rows = match between {
                "," => ["item_id X user_id X n", "i1 X u1 X 2", "i2 X u1 X 3"],
                _ => rows,
            };
            std::fs::write(&path, rows.join("\n").replace(" X ", between)).unwrap();
            let pairs = read_pairs(&path).unwrap();
            assert_eq!(pairs["u1"], BTreeSet::from(["i1".into(), "i2".into()]), "{between}");
        }
        std::fs::write(&path, "user,item_id\nu1,i1\n").unwrap();
        let refused = read_pairs(&path).unwrap_err().to_string();
        assert!(refused.contains("no column user_id in its first line"), "{refused}");
        assert!(refused.contains("crossfold import"), "{refused}");
    }
}
