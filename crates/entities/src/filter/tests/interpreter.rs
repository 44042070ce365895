//! What an expression comes to for one item: the plainest way to work it out, against which
//! columns are held.

use std::cmp::Ordering;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::rows::{Row, Value, schema};
use crate::filter::Field;
use crate::filter::syntax::{
    ComparisonOperator, Expression, ExpressionKind, Literal, LiteralValue,
};

pub(super) struct Interpreter<'a> {
    pub(super) row: &'a Row,
    pub(super) now: Timestamp,
}

/// The three values of Kleene's logic, as a value.
fn truth(is_true: Option<bool>) -> Value {
    is_true.map_or(Value::Missing, Value::Boolean)
}

impl Interpreter<'_> {
    pub(super) fn admits(&self, expression: &Expression) -> bool {
        self.value(expression) == Value::Boolean(true)
    }

    fn value(&self, expression: &Expression) -> Value {
        match &expression.kind {
            ExpressionKind::All(group) => {
                let parts: Vec<_> = group.iter().map(|part| self.condition(part)).collect();
                let is_false = parts.contains(&Some(false));
                truth(if is_false { Some(false) } else { (!parts.contains(&None)).then_some(true) })
            }
            ExpressionKind::Any(group) => {
                let parts: Vec<_> = group.iter().map(|part| self.condition(part)).collect();
                let is_true = parts.contains(&Some(true));
                truth(if is_true { Some(true) } else { (!parts.contains(&None)).then_some(false) })
            }
            ExpressionKind::Not(inner) => truth(self.condition(inner).map(|is_true| !is_true)),
            ExpressionKind::Compare { left, operator, right } => {
                truth(compare(self.value(left), *operator, self.value(right)))
            }
            ExpressionKind::In { value, within } => truth(self.within(value, within)),
            ExpressionKind::Between { value, low, high } => {
                let least =
                    compare(self.value(value), ComparisonOperator::AtLeast, self.value(low));
                let most = compare(self.value(value), ComparisonOperator::AtMost, self.value(high));
                truth(match (least, most) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                })
            }
            ExpressionKind::Arithmetic { left, operator, right } => {
                match (self.value(left), self.value(right)) {
                    (Value::Number(left), Value::Number(right)) => {
                        operator.of(left, right).map_or(Value::Missing, Value::Number)
                    }
                    _ => Value::Missing,
                }
            }
            ExpressionKind::Negative(inner) => match self.value(inner) {
                Value::Number(number) => Value::Number(-number),
                other => other,
            },
            ExpressionKind::Field(name) => self.field(schema().named(name).unwrap().0),
            ExpressionKind::Attribute(name) => self.field(Field::Attribute(name.clone())),
            ExpressionKind::Literal(literal) => literal_value(literal),
            ExpressionKind::List(_) => panic!("a list is no value"),
            ExpressionKind::Call { function, arguments } => self.call(function, arguments),
        }
    }

    fn field(&self, field: Field) -> Value {
        self.row.get(&field).cloned().unwrap_or(Value::Missing)
    }

    fn condition(&self, expression: &Expression) -> Option<bool> {
        match self.value(expression) {
            Value::Boolean(is_true) => Some(is_true),
            _ => None,
        }
    }

    fn within(&self, value: &Expression, within: &Expression) -> Option<bool> {
        let value = self.value(value);
        if let ExpressionKind::List(entries) = &within.kind {
            let is =
                |entry| compare(value.clone(), ComparisonOperator::Equal, literal_value(entry));
            return (value != Value::Missing)
                .then(|| entries.iter().any(|entry| is(entry) == Some(true)));
        }
        match (self.value(within), value) {
            (Value::Set(set), Value::Text(text)) => Some(set.contains(&text)),
            _ => None,
        }
    }

    fn call(&self, function: &str, arguments: &[Expression]) -> Value {
        let first = self.value(&arguments[0]);
        if function == "has" {
            return Value::Boolean(first != Value::Missing);
        }
        let listed = || match &arguments[1].kind {
            ExpressionKind::List(entries) => entries.iter().map(literal_value).collect::<Vec<_>>(),
            _ => panic!("no list"),
        };
        let part = || match self.value(&arguments[1]) {
            Value::Text(part) => Some(part),
            _ => None,
        };
        match (function, first) {
            (_, Value::Missing) => Value::Missing,
            ("lower", Value::Text(text)) => Value::Text(text.to_lowercase()),
            ("len", Value::Text(text)) => Value::Number(text.chars().count().into()),
            ("len", Value::Set(mut set)) => {
                set.sort();
                set.dedup();
                Value::Number(set.len().into())
            }
            ("contains", Value::Text(text)) => truth(part().map(|part| text.contains(&part))),
            ("starts_with", Value::Text(text)) => truth(part().map(|part| text.starts_with(&part))),
            ("ends_with", Value::Text(text)) => truth(part().map(|part| text.ends_with(&part))),
            ("has_any", Value::Set(set)) => {
                let has = |text: &Value| set.iter().any(|own| *text == Value::Text(own.clone()));
                Value::Boolean(listed().iter().any(has))
            }
            ("has_all", Value::Set(set)) => {
                let has = |text: &Value| set.iter().any(|own| *text == Value::Text(own.clone()));
                Value::Boolean(listed().iter().all(has))
            }
            ("days_since", time) => self.days(time, Decimal::ONE),
            ("days_until", time) => self.days(time, Decimal::NEGATIVE_ONE),
            (function, value) => panic!("{function}({value:?})"),
        }
    }

    fn days(&self, time: Value, sign: Decimal) -> Value {
        let Some(time) = as_time(&time) else { panic!("no time: {time:?}") };
        let nanoseconds = self.now.as_nanosecond() - time.as_nanosecond();
        let seconds = Decimal::from_i128_with_scale(nanoseconds, 9);
        Value::Number(sign * seconds / Decimal::from(86_400))
    }
}

fn as_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Time(time) => Some(*time),
        Value::Text(text) => literal_time(text),
        _ => None,
    }
}

fn literal_time(text: &str) -> Option<Timestamp> {
    let midnight = format!("{text}T00:00:00Z");
    text.parse().or_else(|_| midnight.parse()).ok()
}

fn literal_value(literal: &Literal) -> Value {
    match &literal.value {
        LiteralValue::Number(number) => Value::Number(*number),
        LiteralValue::Text(text) => Value::Text(text.clone()),
        LiteralValue::Boolean(is_true) => Value::Boolean(*is_true),
        LiteralValue::Date(text) | LiteralValue::Timestamp(text) => {
            Value::Time(literal_time(text).unwrap())
        }
    }
}

fn compare(left: Value, operator: ComparisonOperator, right: Value) -> Option<bool> {
    let order: Ordering = match (&left, &right) {
        (Value::Missing, _) | (_, Value::Missing) => return None,
        (Value::Number(left), Value::Number(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(right),
        (left, right) => as_time(left)?.cmp(&as_time(right)?),
    };
    Some(match operator {
        ComparisonOperator::Equal => order == Ordering::Equal,
        ComparisonOperator::NotEqual => order != Ordering::Equal,
        ComparisonOperator::Less => order == Ordering::Less,
        ComparisonOperator::AtMost => order != Ordering::Greater,
        ComparisonOperator::Greater => order == Ordering::Greater,
        ComparisonOperator::AtLeast => order != Ordering::Less,
    })
}
