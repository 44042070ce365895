//! Values as cells of Parquet columns, and back.
//!
//! Only the plain types that every reader knows (Athena, Spark, DuckDB, pandas):
//! text, times in milliseconds, integers, numbers.

use std::borrow::Cow;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::entities::decision::OutcomeKind;
use crate::entities::experiment::exposure::{Exposure, InvalidExposure};
use crate::entities::ids::{
    DomainId, EventId, EventType, ItemId, ModelId, Placement, Pseudonym, RecommendationId,
};
use crate::evidence::cleaning::Refusal;

/// The type of a column's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellType {
    /// UTF-8 text.
    Text,
    /// Milliseconds since 1970 (UTC), as a Parquet timestamp.
    Time,
    /// Signed integers of 64 bits.
    Integer,
    /// Double-precision numbers.
    Number,
}

impl CellType {
    /// The type's name in `docs/data.md`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Time => "time",
            Self::Integer => "integer",
            Self::Number => "number",
        }
    }
}

/// One cell that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Of a text column.
    Text(Cow<'a, str>),
    /// Of a column of times or integers.
    Whole(i64),
    /// Of a number column.
    Number(f64),
}

/// What can stand in a cell.
pub trait CellValue: Sized {
    /// The type of its column.
    const TYPE: CellType;
    /// Whether its cell may be empty.
    const MAY_BE_EMPTY: bool = false;

    /// The value as a cell; `None` for an empty one.
    fn to_cell(&self) -> Option<Cell<'_>>;

    /// Reads what [`CellValue::to_cell`] gave.
    ///
    /// # Errors
    /// A sentence about what is wrong with the cell.
    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String>;
}

impl<T: CellValue> CellValue for Option<T> {
    const TYPE: CellType = T::TYPE;
    const MAY_BE_EMPTY: bool = true;

    fn to_cell(&self) -> Option<Cell<'_>> {
        self.as_ref().and_then(T::to_cell)
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        cell.map(|cell| T::of_cell(Some(cell))).transpose()
    }
}

fn text<'a>(cell: Option<&'a Cell<'_>>) -> Result<&'a str, String> {
    match cell {
        Some(Cell::Text(text)) => Ok(text),
        None => Err("an empty cell".into()),
        Some(_) => Err("not a text".into()),
    }
}

fn whole(cell: Option<&Cell<'_>>) -> Result<i64, String> {
    match cell {
        Some(Cell::Whole(whole)) => Ok(*whole),
        None => Err("an empty cell".into()),
        Some(_) => Err("not an integer".into()),
    }
}

fn number(cell: Option<&Cell<'_>>) -> Result<f64, String> {
    match cell {
        Some(Cell::Number(number)) => Ok(*number),
        None => Err("an empty cell".into()),
        Some(_) => Err("not a number".into()),
    }
}

/// Types whose text reads back as they were.
macro_rules! text_cells {
    ($($type:ty),+ $(,)?) => {$(
        impl CellValue for $type {
            const TYPE: CellType = CellType::Text;

            fn to_cell(&self) -> Option<Cell<'_>> {
                Some(Cell::Text(self.as_str().into()))
            }

            fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
                Self::parse(text(cell.as_ref())?).map_err(|error| error.to_string())
            }
        }
    )+};
}

text_cells! {
    DomainId, EventId, EventType, ItemId, ModelId, Placement, Pseudonym, RecommendationId,
    OutcomeKind, Refusal,
}

impl CellValue for Exposure {
    const TYPE: CellType = CellType::Text;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Text(self.to_string().into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        let read: Result<Self, InvalidExposure> = text(cell.as_ref())?.parse();
        read.map_err(|error| error.to_string())
    }
}

impl CellValue for String {
    const TYPE: CellType = CellType::Text;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Text(self.into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        text(cell.as_ref()).map(str::to_owned)
    }
}

/// A JSON array of texts: one cell, and exact whatever the texts hold.
impl CellValue for Vec<String> {
    const TYPE: CellType = CellType::Text;

    fn to_cell(&self) -> Option<Cell<'_>> {
        serde_json::to_string(self).ok().map(|json| Cell::Text(json.into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        serde_json::from_str(text(cell.as_ref())?).map_err(|error| error.to_string())
    }
}

/// Text, for it is exact whatever the currency's scale.
impl CellValue for Decimal {
    const TYPE: CellType = CellType::Text;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Text(self.to_string().into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        Self::from_str_exact(text(cell.as_ref())?).map_err(|error| error.to_string())
    }
}

/// Text, for a Parquet integer is signed.
impl CellValue for u64 {
    const TYPE: CellType = CellType::Text;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Text(self.to_string().into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        text(cell.as_ref())?.parse().map_err(|_| "not a whole number".into())
    }
}

impl CellValue for Timestamp {
    const TYPE: CellType = CellType::Time;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Whole(self.as_millisecond()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        Self::from_millisecond(whole(cell.as_ref())?).map_err(|_| "not a time".into())
    }
}

impl CellValue for u32 {
    const TYPE: CellType = CellType::Integer;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Whole((*self).into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        whole(cell.as_ref())?.try_into().map_err(|_| "out of range".into())
    }
}

/// 1 or 0.
impl CellValue for bool {
    const TYPE: CellType = CellType::Integer;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Whole((*self).into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        match whole(cell.as_ref())? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("neither 0 nor 1".into()),
        }
    }
}

impl CellValue for f32 {
    const TYPE: CellType = CellType::Number;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Number((*self).into()))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        number(cell.as_ref()).map(|number| number as Self)
    }
}

impl CellValue for f64 {
    const TYPE: CellType = CellType::Number;

    fn to_cell(&self) -> Option<Cell<'_>> {
        Some(Cell::Number(*self))
    }

    fn of_cell(cell: Option<Cell<'_>>) -> Result<Self, String> {
        number(cell.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: CellValue + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(T::of_cell(value.to_cell()).unwrap(), value);
    }

    #[test]
    fn values_survive_their_cells() {
        there_and_back(u64::MAX);
        there_and_back(u32::MAX);
        there_and_back(0.1_f32);
        there_and_back(true);
        there_and_back(None::<u32>);
        there_and_back(Some(7_u32));
        there_and_back(vec!["a,\"b\"".to_owned(), String::new()]);
        there_and_back(Vec::<String>::new());
        there_and_back("19.90".parse::<Decimal>().unwrap());
    }

    #[test]
    fn a_cell_that_is_none_of_the_types_is_told() {
        assert!(u32::of_cell(Some(Cell::Whole(-1))).is_err());
        assert!(bool::of_cell(Some(Cell::Whole(2))).is_err());
        assert!(DomainId::of_cell(None).is_err());
        assert!(DomainId::of_cell(Some(Cell::Text("No Slug".into()))).is_err());
        assert!(String::of_cell(Some(Cell::Whole(1))).is_err());
        assert!(f64::of_cell(Some(Cell::Text("1".into()))).is_err());
    }
}
