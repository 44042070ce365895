//! From rows to events.

use crossfold_core::entities::event::check_occurred_at;
use crossfold_core::entities::ids::{EventId, EventType, ItemId, UserId};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::amounts::amount;
use super::mapping::Mapping;
use super::row::{Cell, Fault, Row};
use super::times::{TimeForm, TimeReader};
use super::usual_names::Field;

/// Reads what a row says of an event.
pub(crate) struct EventReader {
    /// Which column is which field.
    pub(crate) mapping: Mapping,
    /// How times are read.
    pub(crate) times: TimeReader,
    /// The time of rows without one; `None`: such a row is refused.
    pub(crate) default_time: Option<Timestamp>,
    /// The present: what lies beyond it did not happen yet.
    pub(crate) now: Timestamp,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventDraft {
    /// The user.
    pub(crate) user_id: String,
    /// The item.
    pub(crate) item_id: String,
    /// What was done, as the file names it.
    pub(crate) type_name: Option<String>,
    /// When; to the millisecond.
    pub(crate) occurred_at: Timestamp,
    /// How the time was written; `None`: the row had none.
    pub(crate) time_form: Option<TimeForm>,
    /// Money involved.
    pub(crate) value: Option<Decimal>,
    /// A rating.
    pub(crate) rating: Option<Decimal>,
    /// Seconds spent.
    pub(crate) dwell_seconds: Option<u32>,
    /// The file's own identifier.
    pub(crate) event_id: Option<String>,
}

/// An event as it is posted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PostedEvent {
    /// The identifier.
    pub(crate) event_id: String,
    /// The user.
    pub(crate) user_id: String,
    /// What was done.
    #[serde(rename = "type")]
    pub(crate) event_type: EventType,
    /// The item.
    pub(crate) item_id: String,
    /// When.
    pub(crate) occurred_at: Timestamp,
    /// Money involved, as text: every digit counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    /// Seconds spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dwell_seconds: Option<u32>,
}

impl EventReader {
    /// Reads a row.
    ///
    /// # Errors
    /// What is wrong with it, and in which column.
    pub(crate) fn read(&self, row: &Row, columns: &[String]) -> Result<EventDraft, Fault> {
        if let Some(fault) = &row.fault {
            return Err(fault.clone());
        }
        let in_field = |field: Field, fault: Fault| match self.mapping.name(field, columns) {
            Some(column) => fault.in_column(column),
            None => fault,
        };
        let user_id = self.id(row, Field::User, |text| UserId::parse(text).map(drop));
        let user_id = user_id.map_err(|fault| in_field(Field::User, fault))?;
        let item_id = self.id(row, Field::Item, |text| ItemId::parse(text).map(drop));
        let item_id = item_id.map_err(|fault| in_field(Field::Item, fault))?;
        let (occurred_at, time_form) =
            self.time(row).map_err(|fault| in_field(Field::Time, fault))?;
        let event_id = match self.cell(row, Field::EventId).and_then(Cell::text) {
            None => None,
            Some(text) => {
                EventId::parse(&text)
                    .map_err(|error| in_field(Field::EventId, Fault::of_row(error.to_string())))?;
                Some(text.into_owned())
            }
        };
        let amount = |field: Field| self.amount(row, field).map_err(|fault| in_field(field, fault));
        Ok(EventDraft {
            user_id,
            item_id,
            type_name: self.cell(row, Field::Type).and_then(Cell::text).map(Into::into),
            occurred_at,
            time_form,
            value: amount(Field::Value)?,
            rating: self.rating(row).map_err(|fault| in_field(Field::Rating, fault))?,
            dwell_seconds: amount(Field::Dwell)?
                .map(|seconds| u32::try_from(seconds.round()).unwrap_or(u32::MAX)),
            event_id,
        })
    }

    fn cell<'a>(&self, row: &'a Row, field: Field) -> Option<&'a Cell> {
        self.mapping.column(field).map(|at| row.cell(at))
    }

    fn id(
        &self,
        row: &Row,
        field: Field,
        check: impl Fn(&str) -> Result<(), crossfold_core::entities::ids::InvalidId>,
    ) -> Result<String, Fault> {
        let cell = self.cell(row, field).unwrap_or(&Cell::Missing);
        let Some(text) = cell.text() else {
            return Err(Fault::of_cell(format!("{} is missing", field.name()), cell));
        };
        match check(&text) {
            Ok(()) => Ok(text.into_owned()),
            Err(error) => Err(Fault::of_cell(error.to_string(), cell)),
        }
    }

    fn time(&self, row: &Row) -> Result<(Timestamp, Option<TimeForm>), Fault> {
        let cell = self.cell(row, Field::Time).unwrap_or(&Cell::Missing);
        let name = Field::Time.name();
        let read =
            self.times.read(cell).map_err(|why| Fault::of_cell(format!("{name} {why}"), cell))?;
        let (time, form) = match (read, self.default_time) {
            (Some((time, form)), _) => (time, Some(form)),
            (None, Some(time)) => (time, None),
            (None, None) => {
                let kind = format!("{name} is missing; --default-time gives such rows one");
                return Err(Fault::of_cell(kind, cell));
            }
        };
        let checked = check_occurred_at(time, self.now)
            .map_err(|_| Fault::of_cell(format!("{name} lies in the future"), cell))?;
        Ok((checked, form))
    }

    fn amount(&self, row: &Row, field: Field) -> Result<Option<Decimal>, Fault> {
        let Some((cell, text)) = self.cell(row, field).and_then(|c| Some((c, c.text()?))) else {
            return Ok(None);
        };
        let name = field.name();
        let read = amount(&text).map_err(|why| Fault::of_cell(format!("{name} {why}"), cell))?;
        if read.is_sign_negative() && !read.is_zero() {
            return Err(Fault::of_cell(format!("{name} must be at least 0"), cell));
        }
        Ok(Some(read))
    }

    /// A rating may be below 0: scales of jokes go from -10 to 10.
    fn rating(&self, row: &Row) -> Result<Option<Decimal>, Fault> {
        let Some((cell, text)) =
            self.cell(row, Field::Rating).and_then(|cell| Some((cell, cell.text()?)))
        else {
            return Ok(None);
        };
        let read = amount(&text);
        read.map(Some).map_err(|why| Fault::of_cell(format!("rating {why}"), cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, row: &str, default_time: Option<Timestamp>) -> Result<EventDraft, Fault> {
        let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
        let reader = EventReader {
            mapping: Mapping::of(&columns, &[], None).unwrap(),
            times: TimeReader::new(jiff::tz::TimeZone::UTC, None),
            default_time,
            now: "2026-11-20T00:00:00Z".parse().unwrap(),
        };
        let cells = row.split(',').map(|cell| Cell::Text(cell.into())).collect();
        reader.read(&Row { line: 2, cells, fault: None }, &columns)
    }

    const HEADER: &str = "userId,itemId,type,timestamp,price,rating";

    #[test]
    fn a_row_becomes_what_it_says() {
        let draft = read(HEADER, "00042,007,view,1750000000,$9.99,4.5", None).unwrap();
        assert_eq!((draft.user_id.as_str(), draft.item_id.as_str()), ("00042", "007"));
        assert_eq!(draft.type_name.as_deref(), Some("view"));
        assert_eq!(draft.occurred_at.to_string(), "2025-06-15T15:06:40Z");
        assert_eq!(draft.value, Some(Decimal::new(999, 2)));
        assert_eq!(draft.rating, Some(Decimal::new(45, 1)));
    }

    #[test]
    fn each_fault_names_its_column_and_what_was_found() {
        let long = "x".repeat(129);
        let cases = [
            (",i1,view,1750000000,,", "userId", "user_id is missing"),
            ("NULL,i1,view,1750000000,,", "userId", "user_id is missing"),
            ("u1,NaN,view,1750000000,,", "itemId", "item_id is missing"),
            ("u1,two\nlines,view,1750000000,,", "itemId", "control characters"),
            (&*format!("{long},i1,view,1750000000,,"), "userId", "128 characters"),
            ("u1,i1,view,,,", "timestamp", "--default-time"),
            ("u1,i1,view,-5,,", "timestamp", "before 1970"),
            ("u1,i1,view,2030-06-01T08:00:00Z,,", "timestamp", "in the future"),
            ("u1,i1,view,1750000000,-5,", "price", "at least 0"),
            ("u1,i1,view,1750000000,x,", "price", "no number"),
            ("u1,i1,view,1750000000,,good", "rating", "no number"),
        ];
        for (row, column, word) in cases {
            let fault = read(HEADER, row, None).unwrap_err();
            assert_eq!(fault.column.as_deref(), Some(column), "{row}");
            assert!(fault.kind.contains(word), "{row}: {}", fault.kind);
        }
    }

    #[test]
    fn a_row_without_a_time_gets_the_one_that_was_given() {
        let time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let draft = read("user_id,item_id", "u1,i1", Some(time)).unwrap();
        assert_eq!((draft.occurred_at, draft.time_form), (time, None));
    }
}
