//! Items by columns: what a filter reads, one value a row, or none.
//!
//! | to find | read |
//! | --- | --- |
//! | texts and sets of texts, by a dictionary | [`TextColumn`], [`TextSetColumn`] |
//! | exact numbers, as integers where they fit | [`NumberColumn`] |
//! | instants | [`TimeColumn`] |
//! | true and false | [`BooleanColumn`] |
//!
//! Each is collected from an iterator of `Option`, in the order of the rows; `None` is a
//! missing value. [`Column::from_texts`] makes one of texts, as attributes are kept.

mod boolean;
mod from_texts;
mod number;
mod text;
mod text_set;
mod time;

pub use boolean::BooleanColumn;
pub use number::NumberColumn;
pub use text::TextColumn;
pub use text_set::TextSetColumn;
pub use time::TimeColumn;

pub(super) use number::Numbers;
pub(super) use time::Times;

use super::bit_mask::BitMask;
use super::schema::AttributeType;
pub(crate) use from_texts::SEPARATOR;

/// A column of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Of texts.
    Text(TextColumn),
    /// Of sets of texts.
    TextSet(TextSetColumn),
    /// Of numbers.
    Number(NumberColumn),
    /// Of instants.
    Time(TimeColumn),
    /// Of true and false.
    Boolean(BooleanColumn),
}

impl Column {
    /// A column of a type from the texts that attributes are kept as. What cannot be read is
    /// missing.
    ///
    /// | type | read |
    /// | --- | --- |
    /// | text | as it is |
    /// | number | in digits, with a point: `1250.5` |
    /// | boolean | `true` or `false`, in any case |
    /// | time | `2026-11-01` (midnight in UTC), or as RFC 3339 writes it |
    /// | text set | texts with `|` between them; none of them is empty |
    ///
    /// White space around what is read does not count, but for texts.
    #[must_use]
    pub fn from_texts<'a>(
        of: AttributeType,
        values: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
        from_texts::column(of, values)
    }

    /// The column, lent.
    #[must_use]
    pub fn lend(&self) -> ColumnRef<'_> {
        match self {
            Self::Text(column) => ColumnRef::Text(column),
            Self::TextSet(column) => ColumnRef::TextSet(column),
            Self::Number(column) => ColumnRef::Number(column),
            Self::Time(column) => ColumnRef::Time(column),
            Self::Boolean(column) => ColumnRef::Boolean(column),
        }
    }
}

/// A column that belongs to a table.
#[derive(Debug, Clone, Copy)]
pub enum ColumnRef<'a> {
    /// Of texts.
    Text(&'a TextColumn),
    /// Of sets of texts.
    TextSet(&'a TextSetColumn),
    /// Of numbers.
    Number(&'a NumberColumn),
    /// Of instants.
    Time(&'a TimeColumn),
    /// Of true and false.
    Boolean(&'a BooleanColumn),
}

impl<'a> ColumnRef<'a> {
    /// In which rows there is a value.
    #[must_use]
    pub fn present(self) -> &'a BitMask {
        match self {
            Self::Text(column) => column.present(),
            Self::TextSet(column) => column.present(),
            Self::Number(column) => column.present(),
            Self::Time(column) => column.present(),
            Self::Boolean(column) => column.present(),
        }
    }
}
