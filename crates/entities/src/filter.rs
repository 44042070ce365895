//! The language of filters: which items a request wants to see, by what is known of them.
//!
//! ```
//! use crossfold_entities::filter::{AttributeType, Filter, Schema};
//! let schema = Schema::new([("brand".into(), AttributeType::Text)].into());
//! let source = r#"price <= 30000 and brand in ["BYD", "Geely"]"#;
//! assert!(Filter::parse(source, &schema).is_ok());
//! let error = Filter::parse("prize <= 30000", &schema).unwrap_err();
//! assert_eq!(error.to_string(), "line 1, column 1: unknown field `prize`: did you mean `price`?");
//! ```
//!
//! # What can be written
//!
//! | to say | write |
//! | --- | --- |
//! | a field of every item | `item_id`, `title`, `categories`, `price`, `available_from`, `available_until` |
//! | an attribute that the domain declares | `brand`, `attributes.brand`, `attributes["rated power"]` |
//! | a value | `19.90`, `"text"` or `'text'` (escapes as in JSON), `true`, `false` |
//! | an instant | `date("2026-11-01")` (midnight in UTC), `timestamp("2026-11-01T08:00:00+08:00")`; beside a time, the text alone |
//! | which of them | `= == != <> < <= > >=`, `x between 1 and 5` (with both ends), `x in [1, 2]`, `"used" in categories` |
//! | all, one, none | `and` or `&&`, `or` or <code>\|\|</code>, `not` or `!`; `x not in [..]`, `x not between ..` |
//! | a number of numbers | `+ - * /`, `( )`; `len(text or set)`, `days_since(time)`, `days_until(time)` |
//! | what a text is like | `lower(text)`; `contains(text, part)`, `starts_with(..)`, `ends_with(..)` |
//! | what a set has | `has_any(categories, ["a", "b"])`, `has_all(..)` |
//! | whether anything is there | `has(field)` |
//!
//! `not` holds together less than a comparison and more than `and`, which holds together more
//! than `or`. Comparisons cannot be chained. Names are of letters, digits and `_` of any
//! language; words of the language are written in any case.
//!
//! # What it means
//!
//! - **Types.** A comparison has the same type on both sides, or the filter is refused. Texts
//!   are compared as they are, to the last sign; they are the same or not, but none is less.
//! - **Numbers** are decimal and exact: `0.1 + 0.2 = 0.3`. What needs more than 28 digits (a
//!   third) is rounded to them. Days are of 86,400 seconds, with fractions: 36 hours are `1.5`.
//! - **What is missing.** A comparison with a missing value, and what is computed of one, is
//!   neither true nor false but unknown (Kleene's logic): `not` leaves it unknown, `and` is
//!   false if any part is and `or` true if any part is. A filter admits the items for
//!   which it is true, so `brand != "BYD"` admits none without a brand; `not has(brand) or
//!   brand != "BYD"` does. `has` is never unknown. Divided by zero, or too large, is missing.
//!
//! # What it costs
//!
//! No loops, no functions of one's own: a filter costs its operations times the rows, and texts are
//! looked into once for each different text. Its length, depth, nodes and lists are bounded
//! ([`MAX_SOURCE_BYTES`], [`MAX_DEPTH`], [`MAX_NODES`], [`MAX_TEXT_CALLS`], [`MAX_ARITHMETIC`],
//! [`MAX_LIST`], [`MAX_TEXT_CHARS`]).
//!
//! From a source to a mask: `lexer` makes tokens, `parser` an expression ([`syntax`]), `check`
//! a `typed` tree of it, `program` flat operations; `bind` puts them beside the
//! [`columns`] of a [`Table`], and `evaluate` runs them.

pub mod bit_mask;
pub mod columns;
pub mod error;
pub mod syntax;

mod bind;
mod check;
mod evaluate;
mod exact_bounds;
mod lexer;
mod moment;
mod parser;
mod printing;
mod program;
mod row_test;
mod schema;
mod suggestion;
mod typed;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use bit_mask::BitMask;
pub use columns::{
    BooleanColumn, Column, ColumnRef, NumberColumn, TextColumn, TextSetColumn, TimeColumn,
};
pub use error::{FilterError, Span};
pub use schema::{AttributeType, Field, Schema};
pub use syntax::Expression;

use error::Fault;
use program::Program;

/// Most bytes of a source: what a person writes, and what a request can carry in its address.
pub const MAX_SOURCE_BYTES: usize = 4096;
/// Most parentheses, calls, `not` and minus signs within one another: the parser and all behind it
/// call themselves for each, and a stack is small.
pub const MAX_DEPTH: usize = 32;
/// Most fields, values, operators and calls: each costs its time on every row. Values in a
/// list do not count, nor do parentheses.
pub const MAX_NODES: usize = 200;
/// Most calls of `lower`, `contains`, `starts_with`, `ends_with` and `len`: each looks into every
/// different text of a catalogue, and `lower` keeps another one of each.
pub const MAX_TEXT_CALLS: usize = 12;
/// Most of `+ - * /`: decimals are exact, and slow.
pub const MAX_ARITHMETIC: usize = 32;
/// Most values in a list.
pub const MAX_LIST: usize = 100;
/// Most characters of a text: no field has longer ones.
pub const MAX_TEXT_CHARS: usize = 1000;

/// What filters are evaluated on: items by row, what is known of them by column.
pub trait Table {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// What is known of a field, one value a row. `None` where every item lacks it. A column of
    /// another type than the schema says, or of another number of rows, counts as none.
    fn column(&self, field: &Field) -> Option<ColumnRef<'_>>;
}

/// A filter that was checked against a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    source: String,
    expression: Expression,
    program: Program,
}

impl Filter {
    /// Reads and checks a filter.
    ///
    /// # Errors
    /// [`FilterError`]: it is too long or too deep, no filter, of unknown names or of
    /// values of the wrong types.
    pub fn parse(source: &str, schema: &Schema) -> Result<Self, FilterError> {
        let locate = |fault| FilterError::locate(source, fault);
        let expression = parser::parse(source).map_err(locate)?;
        let condition = check::check(&expression, schema).map_err(locate)?;
        Ok(Self { source: source.into(), expression, program: Program::of(condition) })
    }

    /// Checks a filter that was built and not written. Its source is the canonical one.
    ///
    /// # Errors
    /// As for [`Self::parse`]; places are those in the canonical source.
    pub fn from_expression(expression: &Expression, schema: &Schema) -> Result<Self, FilterError> {
        let filter = Self::parse(&expression.to_string(), schema)?;
        if filter.expression != *expression {
            // A name that is none, of what was built and not parsed, would be read otherwise.
            let fault = Fault::new(Span::default(), "expected an expression that can be written");
            return Err(FilterError::locate(&filter.source, fault));
        }
        Ok(filter)
    }

    /// The text that it was read from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it says.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The fields that it reads, each once.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.program.fields.iter()
    }

    /// The rows of a table for which it is true at `now`; not those for which it is unknown.
    #[must_use]
    pub fn admits(&self, table: &dyn Table, now: Timestamp) -> BitMask {
        evaluate::evaluate(&self.program, table, now.as_nanosecond())
    }
}
