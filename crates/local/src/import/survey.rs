//! Looking a file through before anything of it is imported: what it is, what it says, and
//! which of its rows cannot be taken.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use crossfold_core::entities::counted::of;
use crossfold_lab::output::Foreign;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::event_rows::{EventDraft, EventReader};
use super::item_rows::ItemReader;
use super::mapping::{Kind, Mapping};
use super::reading::{Format, ReadingOptions, Table, with_table};
use super::refusals::Tally;
use super::row::Row;
use super::times::{DateOrder, TimeForm, TimeReader, learn_order, start_of_day};
use super::usual_names::Field;

/// Rows from which columns and the order of dates are learnt.
const LEARNT: usize = 20_000;
/// Rows that are shown.
const SHOWN: usize = 3;
/// Most different names of event types that are kept: more are no types.
const MAX_TYPES: usize = 1_000;
/// Most people and items that are counted exactly, at 8 bytes and some each.
const MAX_COUNTED: usize = 5_000_000;

/// What was said on the command line about how rows are read.
#[derive(Debug, Clone)]
pub(crate) struct RowOptions {
    /// The form of the file.
    pub(crate) reading: ReadingOptions,
    /// The zone of times without one.
    pub(crate) zone: TimeZone,
    /// The order of dates of numbers; learnt when it is not said.
    pub(crate) order: Option<DateOrder>,
    /// The time of rows without one; when it is not said and the file has no times at
    /// all, the day of the file.
    pub(crate) default_time: Option<Timestamp>,
    /// The present.
    pub(crate) now: Timestamp,
}

/// Rows from which on it tells that the same items come again and again.
const REPEATING_ROWS: u64 = 20;

/// What a file is and says.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it was recognised as.
    pub(crate) description: String,
    /// How its refused rows are written.
    pub(crate) format: Format,
    /// Its columns.
    pub(crate) columns: Vec<String>,
    /// Which column is which field.
    pub(crate) mapping: Mapping,
    /// The order of its dates, said or learnt.
    pub(crate) order: Option<DateOrder>,
    /// The time of rows without one.
    pub(crate) default_time: Option<Timestamp>,
    /// Its rows.
    pub(crate) rows: u64,
    /// Rows that cannot be taken.
    pub(crate) refused: Tally,
    /// Its first rows, as they are.
    pub(crate) first_rows: Vec<Vec<String>>,
    /// How often its header came again.
    pub(crate) repeated_headers: u64,
    /// What its events say, if they are such.
    pub(crate) events: EventFigures,
    /// What its items say, if they are such.
    pub(crate) items: ItemFigures,
}

/// What a file's events say.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFigures {
    /// Different users.
    pub(crate) people: Distinct,
    /// Different items.
    pub(crate) items: Distinct,
    /// Names of types, with how many rows have each.
    pub(crate) types: BTreeMap<String, u64>,
    /// Rows that name no type.
    pub(crate) untyped: u64,
    /// Forms of times, with how many rows have each.
    pub(crate) time_forms: BTreeMap<TimeForm, u64>,
    /// Rows that have no time.
    pub(crate) without_time: u64,
    /// The first and the last time of rows that have one.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// Ratings by value.
    pub(crate) ratings: BTreeMap<Decimal, u64>,
    /// Rows with a value.
    pub(crate) with_value: u64,
}

/// What a file's items say.
#[derive(Debug, Clone, Default)]
pub(crate) struct ItemFigures {
    /// Different items.
    pub(crate) items: Distinct,
    /// Items without a title.
    pub(crate) untitled: u64,
    /// Texts that will be cut.
    pub(crate) cut: u64,
}

fn is_email_address(cell: &str) -> bool {
    let parts = cell.split_once('@');
    parts.is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !cell.contains(char::is_whitespace)
    })
}

/// Counts different texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Distinct(HashSet<u64>);

impl Distinct {
    /// Notes a text, and says whether it is new, as far as it is known.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let key = Self::key(text);
        if self.0.len() < MAX_COUNTED { self.0.insert(key) } else { !self.0.contains(&key) }
    }

    /// Whether a text was noted.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.0.contains(&Self::key(text))
    }

    fn key(text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        hasher.finish()
    }

    /// How many, in words.
    pub(crate) fn words(&self) -> String {
        let more = if self.0.len() < MAX_COUNTED { "" } else { "more than " };
        format!("{more}{}", self.0.len())
    }

    /// How many; no more than are counted.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Looks a file through.
///
/// # Errors
/// When it cannot be read to its end as a table of events or items, in words that name the
/// option that helps.
pub(crate) fn survey(path: &Path, options: &RowOptions, forced: Option<Kind>) -> Result<Survey> {
    let in_file = || path.display().to_string();
    let learnt = with_table(path, &options.reading, |table| learn(table, options, forced));
    let (mapping, order) = learnt.with_context(in_file)?;
    let default_time = match (options.default_time, mapping.column(Field::Time)) {
        (Some(time), _) => Some(time),
        (None, Some(_)) => None,
        (None, None) => Some(day_of(path)?),
    };
    let survey = with_table(path, &options.reading, |table| {
        let survey = Survey {
            path: path.to_owned(),
            description: table.description(),
            format: table.format(),
            columns: Vec::new(),
            mapping,
            order,
            default_time,
            rows: 0,
            refused: Tally::default(),
            first_rows: Vec::new(),
            repeated_headers: 0,
            events: EventFigures::default(),
            items: ItemFigures::default(),
        };
        survey.complete(table, options)
    });
    survey.with_context(in_file)
}

/// The day on which a file was last changed.
fn day_of(path: &Path) -> Result<Timestamp> {
    Ok(start_of_day(Timestamp::try_from(std::fs::metadata(path)?.modified()?)?))
}

/// Recognises the columns, and the order of dates, from the first rows.
fn learn(
    mut table: Table<'_>,
    options: &RowOptions,
    forced: Option<Kind>,
) -> Result<(Mapping, Option<DateOrder>)> {
    let mut rows = Vec::new();
    while rows.len() < LEARNT
        && let Some(row) = table.next()?
    {
        rows.push(row);
    }
    if rows.is_empty() {
        bail!("the file has a header and no rows");
    }
    if let Some(fault) =
        rows[0].fault.as_ref().filter(|_| rows.iter().all(|row| row.fault.is_some()))
    {
        bail!("no row can be read; line {}: {}", rows[0].line, Foreign::text(&fault.kind));
    }
    let mapping = Mapping::of(table.columns(), &options.reading.map, forced)?;
    let order = options.order.or_else(|| {
        let time = mapping.column(Field::Time)?;
        learn_order(rows.iter().map(|row| row.cell(time)))
    });
    Ok((mapping, order))
}

impl Survey {
    /// Why a file that was taken for a catalogue looks like what people did.
    pub(crate) fn looks_like_events(&self) -> Option<String> {
        if self.mapping.kind != Kind::Items {
            return None;
        }
        let (rows, items) = (self.rows - self.refused.rows, self.items.items.count() as u64);
        if rows >= REPEATING_ROWS && items * 2 < rows {
            return Some(format!("{rows} rows name only {}", of(items, "item")));
        }
        let is_address = |at: usize| {
            let cell = |row: &Vec<String>| row.get(at).is_some_and(|cell| is_email_address(cell));
            !self.first_rows.is_empty() && self.first_rows.iter().all(cell)
        };
        let addresses = (0..self.columns.len()).find(|at| is_address(*at))?;
        let column = Foreign::name(&self.columns[addresses]);
        Some(format!("the column {column} holds e-mail addresses"))
    }

    fn complete(mut self, mut table: Table<'_>, options: &RowOptions) -> Result<Self> {
        let mut reader = RowReader::new(&self, options);
        while let Some(row) = table.next()? {
            reader.keep_up(table.columns(), options)?;
            self.rows += 1;
            if self.first_rows.len() < SHOWN {
                self.first_rows.push(row.cells.iter().map(super::row::Cell::shown).collect());
            }
            match reader.read(&row, table.columns()) {
                Ok(Read::Event(draft)) => self.events.count(&draft)?,
                Ok(Read::Item(draft)) => {
                    self.items.items.insert(&draft.item_id);
                    self.items.untitled += u64::from(draft.is_untitled);
                    self.items.cut += draft.cut;
                }
                Err(fault) => self.refused.count(row.line, &fault),
            }
        }
        self.mapping = reader.mapping().clone();
        self.columns = table.columns().to_vec();
        self.repeated_headers = table.repeated_headers();
        Ok(self)
    }
}

impl EventFigures {
    /// Whether every row names its type.
    pub(crate) fn are_typed(&self) -> bool {
        self.untyped == 0
    }

    fn count(&mut self, draft: &EventDraft) -> Result<()> {
        self.people.insert(&draft.user_id);
        self.items.insert(&draft.item_id);
        self.with_value += u64::from(draft.value.is_some());
        if let Some(name) = &draft.type_name {
            if self.types.len() == MAX_TYPES && !self.types.contains_key(name) {
                bail!(
                    "the column of event types has more than {MAX_TYPES} different values: is it the type? Say which is with --map type=COLUMN, or take one type for all with --type NAME"
                );
            }
            *self.types.entry(name.clone()).or_default() += 1;
        }
        self.untyped += u64::from(draft.type_name.is_none());
        match draft.time_form {
            None => self.without_time += 1,
            Some(form) => {
                *self.time_forms.entry(form).or_default() += 1;
                let (first, last) = self.span.unwrap_or((draft.occurred_at, draft.occurred_at));
                self.span = Some((first.min(draft.occurred_at), last.max(draft.occurred_at)));
            }
        }
        if let Some(rating) = draft.rating {
            // Only the ends are needed where ratings are no scale of some steps.
            if self.ratings.len() < MAX_TYPES || self.ratings.contains_key(&rating) {
                *self.ratings.entry(rating).or_default() += 1;
            } else {
                self.widen(rating);
            }
        }
        Ok(())
    }

    fn widen(&mut self, rating: Decimal) {
        let ends: BTreeSet<Decimal> =
            [self.ratings.first_key_value(), self.ratings.last_key_value()]
                .into_iter()
                .flatten()
                .map(|(rating, _)| *rating)
                .collect();
        let is_outside = ends.first().is_some_and(|first| rating < *first)
            || ends.last().is_some_and(|last| rating > *last);
        if is_outside {
            self.ratings.insert(rating, 1);
        }
    }
}

/// Reads the rows of one file, whichever kind they are.
pub(crate) enum RowReader {
    /// Rows are events.
    Events(EventReader),
    /// Rows are items.
    Items(ItemReader),
}

/// A row that was read.
pub(crate) enum Read {
    /// It is an event.
    Event(EventDraft),
    /// It is an item.
    Item(super::item_rows::ItemDraft),
}

impl RowReader {
    /// A reader of the rows of a file that was looked at.
    pub(crate) fn new(survey: &Survey, options: &RowOptions) -> Self {
        let times = TimeReader::new(options.zone.clone(), survey.order);
        let mapping = survey.mapping.clone();
        match mapping.kind {
            Kind::Items => Self::Items(ItemReader { mapping, times }),
            Kind::Events => Self::Events(EventReader {
                mapping,
                times,
                default_time: survey.default_time,
                now: options.now,
            }),
        }
    }

    fn mapping(&self) -> &Mapping {
        match self {
            Self::Events(reader) => &reader.mapping,
            Self::Items(reader) => &reader.mapping,
        }
    }

    /// Looks at the columns again when rows brought new ones, as in JSON.
    ///
    /// # Errors
    /// As for [`Mapping::of`].
    pub(crate) fn keep_up(&mut self, columns: &[String], options: &RowOptions) -> Result<()> {
        if columns.len() <= self.mapping().width() {
            return Ok(());
        }
        let mapping = Mapping::of(columns, &options.reading.map, Some(self.mapping().kind))?;
        match self {
            Self::Events(reader) => reader.mapping = mapping,
            Self::Items(reader) => reader.mapping = mapping,
        }
        Ok(())
    }

    /// Reads a row.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(&self, row: &Row, columns: &[String]) -> Result<Read, super::row::Fault> {
        match self {
            Self::Events(reader) => reader.read(row, columns).map(Read::Event),
            Self::Items(reader) => reader.read(row, columns).map(Read::Item),
        }
    }
}
