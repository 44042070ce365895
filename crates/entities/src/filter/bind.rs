//! A program beside a table: every operation with the column that it reads, and with what
//! can be found out once for all rows.
//!
//! Bounds become integers of the column's scale; what is asked of a text is answered for
//! each text of the dictionary, so that rows look up their number alone.

use std::borrow::Cow;
use std::ops::Bound;

use rust_decimal::Decimal;

use super::bit_mask::BitMask;
use super::columns::{
    ColumnRef, NumberColumn, Numbers, TextColumn, TextSetColumn, TimeColumn, Times,
};
use super::moment::days_between;
use super::program::{Column, Operation, Program, TextColumnOf};
use super::row_test::{CodeTest, Test};
use super::syntax::{ArithmeticOperator, ComparisonOperator};
use super::typed::{Direction, Interval, TextRelation, TextTest};
use super::{Table, exact_bounds};

/// An operation that is ready to be run.
pub(super) enum Step<'a> {
    // These add a truth.
    Constant(Option<bool>),
    Has(&'a BitMask),
    /// A test of the rows that have a value in both masks.
    Test(Test<'a>, [&'a BitMask; 2]),
    // These change the last truth, or make one of the last two.
    Not,
    And,
    Or,
    Same,
    // These add a number.
    Number(Option<Decimal>),
    NumberOf(&'a NumberColumn),
    TextLength {
        lengths: Vec<Decimal>,
        column: &'a TextColumn,
    },
    SetLength(&'a TextSetColumn),
    Days {
        column: &'a TimeColumn,
        direction: Direction,
    },
    // These change the last number, or make one of the last two.
    Negative,
    Arithmetic(ArithmeticOperator),
    // These take numbers, and add a truth.
    Within(Interval<Decimal>),
    Among(&'a [Decimal]),
    Compare(ComparisonOperator),
}

/// What a program reads: a column is missing where the table has none, or one of another type
/// or length, which is how it is when a definition has changed.
struct Columns<'a>(Vec<Option<ColumnRef<'a>>>);

impl<'a> Columns<'a> {
    fn text(&self, column: Column) -> Option<&'a TextColumn> {
        match self.0[column]? {
            ColumnRef::Text(column) => Some(column),
            _ => None,
        }
    }

    fn set(&self, column: Column) -> Option<&'a TextSetColumn> {
        match self.0[column]? {
            ColumnRef::TextSet(column) => Some(column),
            _ => None,
        }
    }

    fn number(&self, column: Column) -> Option<&'a NumberColumn> {
        match self.0[column]? {
            ColumnRef::Number(column) => Some(column),
            _ => None,
        }
    }

    fn time(&self, column: Column) -> Option<&'a TimeColumn> {
        match self.0[column]? {
            ColumnRef::Time(column) => Some(column),
            _ => None,
        }
    }
}

/// The steps of a program on a table. `now` is in nanoseconds since 1970.
pub(super) fn bind<'a>(program: &'a Program, table: &'a dyn Table, now: i128) -> Vec<Step<'a>> {
    let rows = table.rows();
    let column = |field| table.column(field).filter(|column| column.present().len() == rows);
    let columns = Columns(program.fields.iter().map(column).collect());
    program.operations.iter().map(|operation| step(operation, &columns, now)).collect()
}

fn step<'a>(operation: &'a Operation, columns: &Columns<'a>, now: i128) -> Step<'a> {
    match operation {
        Operation::Constant(is_true) => Step::Constant(*is_true),
        Operation::Not => Step::Not,
        Operation::And => Step::And,
        Operation::Or => Step::Or,
        Operation::Same => Step::Same,
        Operation::Number(number) => Step::Number(*number),
        Operation::DaysOf(at, direction) => Step::Number(days(*at, *direction, now)),
        Operation::Negative => Step::Negative,
        Operation::Arithmetic(operator) => Step::Arithmetic(*operator),
        Operation::Within(interval) => Step::Within(*interval),
        Operation::Among(among) => Step::Among(among),
        Operation::Compare(operator) => Step::Compare(*operator),
        Operation::NumberOf(_)
        | Operation::TextLength(_)
        | Operation::SetLength(_)
        | Operation::Days(..) => number(operation, columns).unwrap_or(Step::Number(None)),
        // Every item lacks what there is no column of.
        Operation::Has(column) => {
            columns.0[*column].map_or(Step::Constant(Some(false)), |of| Step::Has(of.present()))
        }
        test => truth(test, columns, now).unwrap_or(Step::Constant(None)),
    }
}

/// Days between a time and now.
pub(super) fn days(at: i128, direction: Direction, now: i128) -> Option<Decimal> {
    match direction {
        Direction::Since => days_between(at, now),
        Direction::Until => days_between(now, at),
    }
}

fn number<'a>(operation: &'a Operation, columns: &Columns<'a>) -> Option<Step<'a>> {
    Some(match operation {
        Operation::NumberOf(column) => Step::NumberOf(columns.number(*column)?),
        Operation::TextLength(text) => {
            let column = columns.text(text.column)?;
            let length = |text: Cow<'_, str>| Decimal::from(text.chars().count());
            let lengths = dictionary(column, text.is_lowered).map(length).collect();
            Step::TextLength { lengths, column }
        }
        Operation::SetLength(column) => Step::SetLength(columns.set(*column)?),
        Operation::Days(column, direction) => {
            Step::Days { column: columns.time(*column)?, direction: *direction }
        }
        _ => return None,
    })
}

fn truth<'a>(operation: &'a Operation, columns: &Columns<'a>, now: i128) -> Option<Step<'a>> {
    let (test, present) = match operation {
        Operation::Boolean(column) => match columns.0[*column]? {
            ColumnRef::Boolean(of) => (Test::Mask(of.values()), of.present()),
            _ => return None,
        },
        Operation::NumberWithin(column, interval) => {
            let column = columns.number(*column)?;
            (numbers_within(column.numbers(), *interval), column.present())
        }
        Operation::NumberAmong(column, among) => {
            let column = columns.number(*column)?;
            (numbers_among(column.numbers(), among), column.present())
        }
        Operation::DaysWithin(column, direction, interval) => {
            let column = columns.time(*column)?;
            let interval = times_of_days(*interval, *direction, now);
            (times_within(column.times(), interval), column.present())
        }
        Operation::TimeWithin(column, interval) => {
            let column = columns.time(*column)?;
            (times_within(column.times(), *interval), column.present())
        }
        Operation::TimeAmong(column, among) => {
            let column = columns.time(*column)?;
            (times_among(column.times(), among), column.present())
        }
        Operation::TextIs(text, test) => {
            let column = columns.text(text.column)?;
            (Test::Codes(column.codes(), codes(column, text.is_lowered, test)), column.present())
        }
        Operation::SetHas { column, texts, all } => {
            let column = columns.set(*column)?;
            (set_has(column, texts, *all), column.present())
        }
        Operation::Times(left, operator, right) => {
            let (left, right) = (columns.time(*left)?, columns.time(*right)?);
            let test = Test::TwoTimes(left.times(), *operator, right.times());
            return Some(Step::Test(test, [left.present(), right.present()]));
        }
        Operation::Texts(left, relation, right) => {
            return two_texts(*left, *relation, *right, columns);
        }
        _ => return None,
    };
    Some(Step::Test(test, [present, present]))
}

fn numbers_within(numbers: &Numbers, interval: Interval<Decimal>) -> Test<'_> {
    match numbers {
        Numbers::Scaled { mantissas, scale } => {
            let range = exact_bounds::integers(exact_bounds::scaled(interval, *scale));
            range.map_or(Test::Never, |range| Test::Integers(mantissas, range))
        }
        Numbers::Exact(numbers) => Test::Decimals(numbers, interval),
    }
}

fn numbers_among<'a>(numbers: &'a Numbers, among: &'a [Decimal]) -> Test<'a> {
    match numbers {
        Numbers::Scaled { mantissas, scale } => {
            let exact = among.iter().filter_map(|one| exact_bounds::mantissa(*one, *scale));
            Test::IntegersAmong(mantissas, exact.collect())
        }
        Numbers::Exact(numbers) => Test::DecimalsAmong(numbers, among),
    }
}

fn times_within(times: &Times, interval: Interval<i128>) -> Test<'_> {
    match times {
        Times::Narrow(times) => exact_bounds::integers(interval)
            .map_or(Test::Never, |range| Test::Integers(times, range)),
        Times::Wide(times) => Test::Wide(times, interval),
    }
}

fn times_among<'a>(times: &'a Times, among: &'a [i128]) -> Test<'a> {
    match times {
        Times::Narrow(times) => {
            let narrow = among.iter().filter_map(|one| i64::try_from(*one).ok());
            Test::IntegersAmong(times, narrow.collect())
        }
        Times::Wide(times) => Test::WideAmong(times, among),
    }
}

/// The times that lie within so many nanoseconds of now.
fn times_of_days((low, high): Interval<i128>, direction: Direction, now: i128) -> Interval<i128> {
    // Beyond the ends of the type lies no instant.
    let before = |bound: Bound<i128>| bound.map(|days| now.saturating_sub(days));
    let after = |bound: Bound<i128>| bound.map(|days| now.saturating_add(days));
    match direction {
        Direction::Since => (before(high), before(low)),
        Direction::Until => (after(low), after(high)),
    }
}

/// The texts of a column in the order of their codes.
fn dictionary(column: &TextColumn, is_lowered: bool) -> impl Iterator<Item = Cow<'_, str>> {
    column.dictionary().iter().map(move |text| match is_lowered {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text.as_str()),
    })
}

/// A text in small letters, in a place that serves for one text after the other.
fn lowered_into<'a>(place: &'a mut String, text: &str) -> &'a str {
    if text.is_ascii() {
        place.clear();
        place.push_str(text);
        place.make_ascii_lowercase();
    } else {
        *place = text.to_lowercase();
    }
    place
}

fn codes(column: &TextColumn, is_lowered: bool, test: &TextTest) -> CodeTest {
    if let (TextTest::Among(texts), false) = (test, is_lowered) {
        let place = |text| column.dictionary().binary_search(text).ok();
        return CodeTest::of_places(texts.iter().filter_map(place), column.dictionary().len());
    }
    let mut lowered = String::new();
    let texts = column.dictionary().iter().enumerate();
    let places = texts.filter(|(_, text)| {
        test.holds(if is_lowered { lowered_into(&mut lowered, text) } else { text })
    });
    CodeTest::of_places(places.map(|(place, _)| place), column.dictionary().len())
}

fn set_has<'a>(column: &'a TextSetColumn, texts: &[String], all: bool) -> Test<'a> {
    let dictionary = column.dictionary();
    let places: Vec<usize> =
        texts.iter().filter_map(|text| dictionary.binary_search(text).ok()).collect();
    let least = if all { texts.len() } else { 1 };
    if places.len() < least {
        return Test::Never;
    }
    Test::Sets { column, wanted: CodeTest::of_places(places.into_iter(), dictionary.len()), least }
}

fn two_texts<'a>(
    left: TextColumnOf,
    relation: TextRelation,
    right: TextColumnOf,
    columns: &Columns<'a>,
) -> Option<Step<'a>> {
    let (first, second) = (columns.text(left.column)?, columns.text(right.column)?);
    let test = Test::TwoTexts {
        left: (first.codes(), dictionary(first, left.is_lowered).collect()),
        relation,
        right: (second.codes(), dictionary(second, right.is_lowered).collect()),
    };
    Some(Step::Test(test, [first.present(), second.present()]))
}
