//! Data sets on files: CSV and JSON lines, gzipped or not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
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

/// A CSV file with a header, which names at least `user_id` and `item_id`.
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
        let mut reader = csv::Reader::from_reader(open(path)?);
        let header = reader.headers().with_context(|| format!("cannot read {}", path.display()))?;
        let columns: HashMap<String, usize> =
            header.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect();
        for needed in ["user_id", "item_id"] {
            if !columns.contains_key(needed) {
                bail!("{} has no column {needed} in its first line", path.display());
            }
        }
        Ok(Self { reader, columns })
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

/// Reads when pairs were last, from a column `occurred_at` (whole seconds since 1970, or
/// RFC 3339); `None` of a file without that column.
///
/// # Errors
/// When the file cannot be read, or a time of it.
pub fn read_times(path: &Path) -> Result<Option<Times>> {
    let table = Table::open(path)?;
    let Some(occurred_at) = table.column("occurred_at") else { return Ok(None) };
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
