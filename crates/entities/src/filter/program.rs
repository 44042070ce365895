//! A filter as it is run: operations one after the other, on a stack of truths and a stack
//! of numbers, without a jump.
//!
//! Every operation is run once for a block of rows, so what a program costs is known
//! beforehand: its operations, times the rows.

use std::ops::Bound;

use rust_decimal::Decimal;

use super::moment::DAY;
use super::schema::Field;
use super::syntax::{ArithmeticOperator, ComparisonOperator};
use super::typed::{
    Condition, Direction, Interval, Moment, Number, TextField, TextRelation, TextTest,
};

/// Which of a program's fields.
pub(super) type Column = usize;

/// A checked filter in the order in which it is worked out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program {
    pub(super) fields: Vec<Field>,
    pub(super) operations: Vec<Operation>,
}

/// A text column, as it is or in small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextColumnOf {
    pub(super) column: Column,
    pub(super) is_lowered: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    // These add a truth.
    Constant(Option<bool>),
    Boolean(Column),
    Has(Column),
    NumberWithin(Column, Interval<Decimal>),
    NumberAmong(Column, Vec<Decimal>),
    /// Nanoseconds between a time and now, in the direction that is given.
    DaysWithin(Column, Direction, Interval<i128>),
    TimeWithin(Column, Interval<i128>),
    TimeAmong(Column, Vec<i128>),
    Times(Column, ComparisonOperator, Column),
    TextIs(TextColumnOf, TextTest),
    Texts(TextColumnOf, TextRelation, TextColumnOf),
    SetHas {
        column: Column,
        texts: Vec<String>,
        all: bool,
    },
    // These change the last truth, or make one of the last two.
    Not,
    And,
    Or,
    Same,
    // These add a number.
    Number(Option<Decimal>),
    NumberOf(Column),
    TextLength(TextColumnOf),
    SetLength(Column),
    Days(Column, Direction),
    DaysOf(i128, Direction),
    // These change the last number, or make one of the last two.
    Negative,
    Arithmetic(ArithmeticOperator),
    // These take numbers, and add a truth.
    Within(Interval<Decimal>),
    Among(Vec<Decimal>),
    Compare(ComparisonOperator),
}

impl Program {
    pub(super) fn of(condition: Condition) -> Self {
        let mut program = Self { fields: Vec::new(), operations: Vec::new() };
        program.condition(condition);
        program
    }

    fn column(&mut self, field: Field) -> Column {
        self.fields.iter().position(|known| *known == field).unwrap_or_else(|| {
            self.fields.push(field);
            self.fields.len() - 1
        })
    }

    fn text(&mut self, text: TextField) -> TextColumnOf {
        TextColumnOf { column: self.column(text.field), is_lowered: text.is_lowered }
    }

    fn condition(&mut self, condition: Condition) {
        let operation = match condition {
            Condition::Constant(is_true) => Operation::Constant(is_true),
            Condition::Field(field) => Operation::Boolean(self.column(field)),
            Condition::Has(field) => Operation::Has(self.column(field)),
            Condition::Not(inner) => {
                self.condition(*inner);
                Operation::Not
            }
            Condition::All(group) => return self.group(group, true),
            Condition::Any(group) => return self.group(group, false),
            Condition::Same(left, right) => {
                self.condition(*left);
                self.condition(*right);
                Operation::Same
            }
            Condition::NumberWithin(number, interval) => self.number_within(number, interval),
            Condition::NumberAmong(Number::Field(field), among) => {
                Operation::NumberAmong(self.column(field), among)
            }
            Condition::NumberAmong(number, among) => {
                self.number(number);
                Operation::Among(among)
            }
            Condition::Numbers(left, operator, right) => {
                self.number(left);
                self.number(right);
                Operation::Compare(operator)
            }
            Condition::TimeWithin(field, interval) => {
                Operation::TimeWithin(self.column(field), interval)
            }
            Condition::TimeAmong(field, among) => Operation::TimeAmong(self.column(field), among),
            Condition::Times(left, operator, right) => {
                Operation::Times(self.column(left), operator, self.column(right))
            }
            Condition::TextIs(text, test) => Operation::TextIs(self.text(text), test),
            Condition::Texts(left, relation, right) => {
                Operation::Texts(self.text(left), relation, self.text(right))
            }
            Condition::SetHas { field, texts, all } => {
                Operation::SetHas { column: self.column(field), texts, all }
            }
        };
        self.operations.push(operation);
    }

    fn group(&mut self, group: Vec<Condition>, all: bool) {
        if group.is_empty() {
            self.operations.push(Operation::Constant(Some(all)));
        }
        for (place, member) in group.into_iter().enumerate() {
            self.condition(member);
            if place > 0 {
                self.operations.push(if all { Operation::And } else { Operation::Or });
            }
        }
    }

    /// A number within bounds: what a column has is compared as it is kept.
    fn number_within(&mut self, number: Number, interval: Interval<Decimal>) -> Operation {
        match (number, nanoseconds(interval)) {
            (Number::Field(field), _) => Operation::NumberWithin(self.column(field), interval),
            (Number::Days { of: Moment::Field(field), direction }, Some(interval)) => {
                Operation::DaysWithin(self.column(field), direction, interval)
            }
            (number, _) => {
                self.number(number);
                Operation::Within(interval)
            }
        }
    }

    fn number(&mut self, number: Number) {
        let operation = match number {
            Number::Constant(constant) => Operation::Number(constant),
            Number::Field(field) => Operation::NumberOf(self.column(field)),
            Number::TextLength(text) => Operation::TextLength(self.text(text)),
            Number::SetLength(field) => Operation::SetLength(self.column(field)),
            Number::Days { of: Moment::Field(field), direction } => {
                Operation::Days(self.column(field), direction)
            }
            Number::Days { of: Moment::Constant(at), direction } => {
                Operation::DaysOf(at, direction)
            }
            Number::Negative(inner) => {
                self.number(*inner);
                Operation::Negative
            }
            Number::Arithmetic(operator, left, right) => {
                self.number(*left);
                self.number(*right);
                Operation::Arithmetic(operator)
            }
        };
        self.operations.push(operation);
    }
}

/// Most digits of days behind the point of which each is a whole number of nanoseconds (there
/// are 864 * 10^11 of them in a day).
const MOST_PLACES: u32 = 11;

/// Bounds in days as bounds in nanoseconds; `None` where that would not be exact.
fn nanoseconds(interval: Interval<Decimal>) -> Option<Interval<i128>> {
    let bound = |bound| {
        Some(match bound {
            Bound::Included(days) => Bound::Included(nanoseconds_of(days)?),
            Bound::Excluded(days) => Bound::Excluded(nanoseconds_of(days)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    Some((bound(interval.0)?, bound(interval.1)?))
}

fn nanoseconds_of(days: Decimal) -> Option<i128> {
    let days = days.normalize();
    if days.scale() > MOST_PLACES {
        return None;
    }
    days.mantissa().checked_mul(DAY / 10_i128.pow(days.scale()))
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::super::schema::{AttributeType, Schema};
    use super::*;

    fn program(source: &str) -> Program {
        let schema = Schema::new([("brand".into(), AttributeType::Text)].into());
        let expression = parse(source).unwrap();
        Program::of(super::super::check::check(&expression, &schema).unwrap())
    }

    #[test]
    fn what_no_item_decides_is_worked_out_beforehand() {
        for (source, constant) in [
            ("1 + 2 * 3 = 7.0", Some(true)),
            ("0.1 + 0.2 = 0.3", Some(true)),
            ("1 / 0 = 1", None),
            ("lower(\"ABC\") in [\"abc\"]", Some(true)),
            ("len(\"课程\") = 2", Some(true)),
            ("date(\"2026-01-01\") < timestamp(\"2025-12-31T23:00:00-02:00\")", Some(true)),
            ("price < 1 / 0", None),
        ] {
            assert_eq!(program(source).operations, [Operation::Constant(constant)], "{source}");
            assert_eq!(program(source).fields, []);
        }
        let within = (Bound::Unbounded, Bound::Included(Decimal::new(30_000, 0)));
        for source in ["price <= 2 * 15000", "2 * 15000 >= price"] {
            assert_eq!(program(source).operations, [Operation::NumberWithin(0, within)]);
        }
    }

    #[test]
    fn each_field_is_read_once_and_days_are_compared_as_times() {
        let program = program("brand = 'a' or brand = 'b' and days_since(available_from) < 1.5");
        let fields = [Field::Attribute("brand".into()), Field::AvailableFrom];
        assert_eq!(program.fields, fields);
        let days = (Bound::Unbounded, Bound::Excluded(DAY / 2 * 3));
        assert_eq!(program.operations[2], Operation::DaysWithin(1, Direction::Since, days));
        assert_eq!(program.operations[3..], [Operation::And, Operation::Or]);
    }

    #[test]
    fn days_that_are_no_whole_nanoseconds_are_compared_as_numbers() {
        assert_eq!(nanoseconds_of(Decimal::new(1, 11)), Some(864));
        assert_eq!(nanoseconds_of(Decimal::new(1, 12)), None);
        assert_eq!(nanoseconds_of(Decimal::MAX), None);
    }
}
