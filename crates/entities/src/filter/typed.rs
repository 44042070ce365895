//! A filter after it was checked: every part with its type, fields in the place of names, and
//! whatever no item decides already worked out.

use std::ops::{Bound, RangeBounds as _};

use rust_decimal::Decimal;

use super::schema::Field;
use super::syntax::{ArithmeticOperator, ComparisonOperator};

/// From a lowest to a highest value.
pub(super) type Interval<T> = (Bound<T>, Bound<T>);

/// What is true, false, or unknown of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Constant(Option<bool>),
    Field(Field),
    Has(Field),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Same(Box<Self>, Box<Self>),
    NumberWithin(Number, Interval<Decimal>),
    NumberAmong(Number, Vec<Decimal>),
    Numbers(Number, ComparisonOperator, Number),
    TimeWithin(Field, Interval<i128>),
    TimeAmong(Field, Vec<i128>),
    Times(Field, ComparisonOperator, Field),
    TextIs(TextField, TextTest),
    Texts(TextField, TextRelation, TextField),
    SetHas { field: Field, texts: Vec<String>, all: bool },
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    /// `None` is missing: divided by zero, or too large.
    Constant(Option<Decimal>),
    Field(Field),
    TextLength(TextField),
    SetLength(Field),
    Days {
        of: Moment,
        direction: Direction,
    },
    Negative(Box<Self>),
    Arithmetic(ArithmeticOperator, Box<Self>, Box<Self>),
}

/// Whether days are counted from a time to now, or from now to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Since,
    Until,
}

/// An instant, in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Moment {
    Constant(i128),
    Field(Field),
}

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Constant(String),
    Field(TextField),
}

/// A text of an item, as it is or in small letters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextField {
    pub(super) field: Field,
    pub(super) is_lowered: bool,
}

/// How two texts may be to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextRelation {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

impl TextRelation {
    pub(super) fn holds(self, left: &str, right: &str) -> bool {
        match self {
            Self::Equals => left == right,
            Self::Contains => left.contains(right),
            Self::StartsWith => left.starts_with(right),
            Self::EndsWith => left.ends_with(right),
        }
    }
}

/// What is asked of one text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextTest {
    /// It is one of these, which are in order.
    Among(Vec<String>),
    /// It is so to this text.
    To(TextRelation, String),
    /// This text is so to it.
    Of(String, TextRelation),
    /// It has so many characters.
    Length(Interval<Decimal>),
}

impl TextTest {
    pub(super) fn holds(&self, text: &str) -> bool {
        match self {
            Self::Among(texts) => texts.binary_search_by(|one| one.as_str().cmp(text)).is_ok(),
            Self::To(relation, other) => relation.holds(text, other),
            Self::Of(other, relation) => relation.holds(other, text),
            Self::Length(interval) => interval.contains(&text.chars().count().into()),
        }
    }
}

/// The values for which a comparison with a constant holds; for `!=`, those for which it does not.
fn interval<T>(operator: ComparisonOperator, constant: T) -> Interval<T>
where
    T: Copy,
{
    match operator {
        ComparisonOperator::Equal | ComparisonOperator::NotEqual => {
            (Bound::Included(constant), Bound::Included(constant))
        }
        ComparisonOperator::Less => (Bound::Unbounded, Bound::Excluded(constant)),
        ComparisonOperator::AtMost => (Bound::Unbounded, Bound::Included(constant)),
        ComparisonOperator::Greater => (Bound::Excluded(constant), Bound::Unbounded),
        ComparisonOperator::AtLeast => (Bound::Included(constant), Bound::Unbounded),
    }
}

impl Condition {
    pub(super) fn not(condition: Self) -> Self {
        match condition {
            Self::Constant(is_true) => Self::Constant(is_true.map(|is_true| !is_true)),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    fn not_if(is_negated: bool, condition: Self) -> Self {
        if is_negated { Self::not(condition) } else { condition }
    }

    pub(super) fn numbers(left: Number, operator: ComparisonOperator, right: Number) -> Self {
        let (value, operator, constant) = match (left, right) {
            (value, Number::Constant(constant)) => (value, operator, constant),
            (Number::Constant(constant), value) => (value, operator.flipped(), constant),
            (left, right) => return Self::Numbers(left, operator, right),
        };
        let Some(constant) = constant else { return Self::Constant(None) };
        let within = Self::number_within(value, interval(operator, constant));
        Self::not_if(operator == ComparisonOperator::NotEqual, within)
    }

    fn number_within(value: Number, interval: Interval<Decimal>) -> Self {
        match value {
            Number::Constant(value) => Self::Constant(value.map(|value| interval.contains(&value))),
            Number::TextLength(text) => Self::TextIs(text, TextTest::Length(interval)),
            value => Self::NumberWithin(value, interval),
        }
    }

    pub(super) fn number_between(value: Number, low: Number, high: Number) -> Self {
        if let (Number::Constant(Some(low)), Number::Constant(Some(high))) = (&low, &high) {
            return Self::number_within(value, (Bound::Included(*low), Bound::Included(*high)));
        }
        Self::All(vec![
            Self::numbers(value.clone(), ComparisonOperator::AtLeast, low),
            Self::numbers(value, ComparisonOperator::AtMost, high),
        ])
    }

    pub(super) fn number_among(value: Number, mut among: Vec<Decimal>) -> Self {
        among.sort_unstable();
        match value {
            Number::Constant(value) => {
                Self::Constant(value.map(|value| among.binary_search(&value).is_ok()))
            }
            value => Self::NumberAmong(value, among),
        }
    }

    pub(super) fn times(left: Moment, operator: ComparisonOperator, right: Moment) -> Self {
        let (field, operator, constant) = match (left, right) {
            (Moment::Constant(left), Moment::Constant(right)) => {
                return Self::Constant(Some(operator.holds(left.cmp(&right))));
            }
            (Moment::Field(field), Moment::Constant(constant)) => (field, operator, constant),
            (Moment::Constant(constant), Moment::Field(field)) => {
                (field, operator.flipped(), constant)
            }
            (Moment::Field(left), Moment::Field(right)) => {
                return Self::Times(left, operator, right);
            }
        };
        let within = Self::TimeWithin(field, interval(operator, constant));
        Self::not_if(operator == ComparisonOperator::NotEqual, within)
    }

    pub(super) fn time_between(value: Moment, low: Moment, high: Moment) -> Self {
        if let (Moment::Field(field), Moment::Constant(low), Moment::Constant(high)) =
            (&value, &low, &high)
        {
            let interval = (Bound::Included(*low), Bound::Included(*high));
            return Self::TimeWithin(field.clone(), interval);
        }
        Self::All(vec![
            Self::times(value.clone(), ComparisonOperator::AtLeast, low),
            Self::times(value, ComparisonOperator::AtMost, high),
        ])
    }

    pub(super) fn time_among(value: Moment, mut among: Vec<i128>) -> Self {
        among.sort_unstable();
        match value {
            Moment::Constant(value) => Self::Constant(Some(among.binary_search(&value).is_ok())),
            Moment::Field(field) => Self::TimeAmong(field, among),
        }
    }

    pub(super) fn texts(left: Text, relation: TextRelation, right: Text) -> Self {
        match (left, right) {
            (Text::Constant(left), Text::Constant(right)) => {
                Self::Constant(Some(relation.holds(&left, &right)))
            }
            (Text::Field(field), Text::Constant(other))
            | (Text::Constant(other), Text::Field(field))
                if relation == TextRelation::Equals =>
            {
                Self::TextIs(field, TextTest::Among(vec![other]))
            }
            (Text::Field(field), Text::Constant(other)) => {
                Self::TextIs(field, TextTest::To(relation, other))
            }
            (Text::Constant(other), Text::Field(field)) => {
                Self::TextIs(field, TextTest::Of(other, relation))
            }
            (Text::Field(left), Text::Field(right)) => Self::Texts(left, relation, right),
        }
    }

    pub(super) fn text_among(value: Text, mut among: Vec<String>) -> Self {
        among.sort_unstable();
        match value {
            Text::Constant(value) => Self::Constant(Some(among.contains(&value))),
            Text::Field(field) => Self::TextIs(field, TextTest::Among(among)),
        }
    }
}

impl Number {
    pub(super) fn negative(number: Self) -> Self {
        match number {
            Self::Constant(constant) => Self::Constant(constant.map(|constant| -constant)),
            other => Self::Negative(Box::new(other)),
        }
    }

    pub(super) fn arithmetic(operator: ArithmeticOperator, left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Constant(left), Self::Constant(right)) => {
                let both = left.zip(right);
                Self::Constant(both.and_then(|(left, right)| operator.of(left, right)))
            }
            (left, right) => Self::Arithmetic(operator, Box::new(left), Box::new(right)),
        }
    }

    pub(super) fn length(of: Text) -> Self {
        match of {
            Text::Constant(text) => Self::Constant(Some(text.chars().count().into())),
            Text::Field(field) => Self::TextLength(field),
        }
    }
}

impl Text {
    pub(super) fn lowered(self) -> Self {
        match self {
            Self::Constant(text) => Self::Constant(text.to_lowercase()),
            Self::Field(field) => Self::Field(TextField { is_lowered: true, ..field }),
        }
    }
}
