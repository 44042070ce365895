//! A row of a table, whatever the file's format is.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

/// What stands in one place of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing.
    Missing,
    /// A text.
    Text(String),
    /// A number as it is written: no digit is lost.
    Number(String),
    /// Yes or no.
    Bool(bool),
    /// A time that the format itself knows as one.
    Time(Timestamp),
    /// Several texts.
    List(Vec<String>),
    /// Anything else, as JSON: kept for the file of refused rows.
    Json(String),
}

/// What programs write where there is nothing.
const NOTHING: [&str; 11] =
    ["", "NaN", "nan", "NULL", "null", "None", "<NA>", "\\N", "N/A", "n/a", "#N/A"];

impl Cell {
    /// The cell as a text, if it has one.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        let text = match self {
            Self::Text(text) | Self::Number(text) => Cow::Borrowed(text.trim()),
            Self::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
            Self::Time(time) => Cow::Owned(time.to_string()),
            Self::List(texts) => Cow::Owned(texts.join("|")),
            Self::Missing | Self::Json(_) => return None,
        };
        (!NOTHING.contains(&&*text)).then_some(text)
    }

    /// What the cell says literally, for reports.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text(text) | Self::Number(text) | Self::Json(text) => text.clone(),
            other => other.text().unwrap_or_default().into_owned(),
        }
    }

    /// The cell as JSON, as it was.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Text(text) => text.clone().into(),
            Self::Number(text) | Self::Json(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.clone().into())
            }
            Self::Bool(truth) => (*truth).into(),
            Self::Time(time) => time.to_string().into(),
            Self::List(texts) => texts.clone().into(),
        }
    }
}

/// Why a row, or something in it, cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The column, as the file calls it, if it is one column's fault.
    pub(crate) column: Option<String>,
    /// What kind of fault, the same for many rows: they are counted by it.
    pub(crate) kind: String,
    /// What of the row it is about.
    pub(crate) found: String,
}

impl Fault {
    /// A fault of the whole row.
    pub(crate) fn of_row(kind: impl Into<String>) -> Self {
        Self { column: None, kind: kind.into(), found: String::new() }
    }

    /// The fault of what stands in one column.
    pub(crate) fn of_cell(kind: impl Into<String>, found: &Cell) -> Self {
        /// Most of a text that is quoted back.
        const SHOWN: usize = 60;
        let found = found.shown().chars().take(SHOWN).collect();
        Self { column: None, kind: kind.into(), found }
    }

    /// The same fault, its column named.
    pub(crate) fn in_column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The line it begins on, from 1; in Parquet the number of the row.
    pub(crate) line: u64,
    /// Its cells in the order of the table's columns; as many as there are, or fewer.
    pub(crate) cells: Vec<Cell>,
    /// Why it cannot be read as a row, if it cannot.
    pub(crate) fault: Option<Fault>,
}

impl Row {
    /// The cell of a column.
    pub(crate) fn cell(&self, column: usize) -> &Cell {
        self.cells.get(column).unwrap_or(&Cell::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_for_nothing_is_nothing() {
        for nothing in ["", "  ", "NaN", "NULL", "null", "None", "<NA>", "\\N"] {
            assert_eq!(Cell::Text(nothing.into()).text(), None, "{nothing:?}");
        }
        assert_eq!(Cell::Text(" 007 ".into()).text().unwrap(), "007");
        assert_eq!(Cell::Text("nano".into()).text().unwrap(), "nano");
    }
}
