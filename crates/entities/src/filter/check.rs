//! From an expression to its types: every name must be known, every value of the type that
//! its place takes.

mod functions;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::error::{Fault, Shown, Span};
use super::moment;
use super::schema::{AttributeType, Field, Schema};
use super::suggestion::instead;
use super::syntax::{ComparisonOperator, Expression, ExpressionKind, Literal, LiteralValue};
use super::typed::{Condition, Moment, Number, Text, TextField, TextRelation};

/// Checks an expression as a filter of items.
pub(super) fn check(expression: &Expression, schema: &Schema) -> Result<Condition, Fault> {
    Checker { schema }.condition(expression, "a filter")
}

struct Checker<'a> {
    schema: &'a Schema,
}

/// An expression of any type.
enum Operand {
    Condition(Condition),
    Number(Number),
    Text(Text),
    Time(Moment),
    Set(Field),
}

impl Operand {
    fn of(field: Field, of: AttributeType) -> Self {
        match of {
            AttributeType::Text => Self::Text(Text::Field(TextField { field, is_lowered: false })),
            AttributeType::Number => Self::Number(Number::Field(field)),
            AttributeType::Boolean => Self::Condition(Condition::Field(field)),
            AttributeType::Time => Self::Time(Moment::Field(field)),
            AttributeType::TextSet => Self::Set(field),
        }
    }

    fn attribute_type(&self) -> AttributeType {
        match self {
            Self::Condition(_) => AttributeType::Boolean,
            Self::Number(_) => AttributeType::Number,
            Self::Text(_) => AttributeType::Text,
            Self::Time(_) => AttributeType::Time,
            Self::Set(_) => AttributeType::TextSet,
        }
    }

    fn noun(&self) -> &'static str {
        self.attribute_type().noun()
    }
}

/// What an expression is called in messages.
fn name(of: &Expression) -> String {
    match &of.kind {
        ExpressionKind::Field(name) | ExpressionKind::Attribute(name) => name.clone(),
        _ => Shown(&of.to_string()).to_string(),
    }
}

fn text_literal(expression: &Expression) -> Option<&Literal> {
    match &expression.kind {
        ExpressionKind::Literal(literal) if matches!(literal.value, LiteralValue::Text(_)) => {
            Some(literal)
        }
        _ => None,
    }
}

/// Texts and booleans are the same or not, but neither comes first.
fn refuse_order(operator: ComparisonOperator, of: AttributeType, span: Span) -> Result<(), Fault> {
    if matches!(operator, ComparisonOperator::Equal | ComparisonOperator::NotEqual) {
        return Ok(());
    }
    let (one, sign) = (of.noun(), operator.sign());
    let reason = match of {
        AttributeType::Text => ": which text comes first depends on the language",
        _ => "",
    };
    Err(Fault::new(span, format!("expected `=` or `!=` behind {one}, but found `{sign}`{reason}")))
}

fn mistyped(span: Span, wanted: AttributeType, why: &str, found: &str) -> Fault {
    let expected = wanted.noun();
    Fault::new(span, format!("expected {expected}, as {why}, but found {found}"))
}

impl Checker<'_> {
    fn operand(&self, expression: &Expression) -> Result<Operand, Fault> {
        Ok(match &expression.kind {
            ExpressionKind::Field(name) => self.field(name, expression.span)?,
            ExpressionKind::Attribute(name) => self.attribute(name, expression.span)?,
            ExpressionKind::Literal(literal) => constant(literal)?,
            ExpressionKind::List(_) => {
                let message = "expected a single value, but found a list, \
                               which may stand only behind `in` and in has_any and has_all";
                return Err(Fault::new(expression.span, message));
            }
            ExpressionKind::Negative(inner) => {
                Operand::Number(Number::negative(self.number(inner, "`-` takes one")?))
            }
            ExpressionKind::Arithmetic { left, operator, right } => {
                let why = format!("`{}` takes numbers", operator.sign());
                let (left, right) = (self.number(left, &why)?, self.number(right, &why)?);
                Operand::Number(Number::arithmetic(*operator, left, right))
            }
            ExpressionKind::Call { function, arguments } => {
                self.call(function, arguments, expression.span)?
            }
            ExpressionKind::Not(inner) => {
                Operand::Condition(Condition::not(self.condition(inner, "`not`")?))
            }
            ExpressionKind::All(group) => {
                Operand::Condition(Condition::All(self.conditions(group, "`and`")?))
            }
            ExpressionKind::Any(group) => {
                Operand::Condition(Condition::Any(self.conditions(group, "`or`")?))
            }
            ExpressionKind::Compare { left, operator, right } => {
                Operand::Condition(self.compare((left, *operator, right), expression.span)?)
            }
            ExpressionKind::Between { value, low, high } => {
                Operand::Condition(self.between(value, low, high)?)
            }
            ExpressionKind::In { value, within } => Operand::Condition(self.within(value, within)?),
        })
    }

    fn field(&self, name: &str, span: Span) -> Result<Operand, Fault> {
        if let Some((field, of)) = self.schema.named(name) {
            return Ok(Operand::of(field, of));
        }
        let instead = if ["null", "nil", "none"].contains(&name.to_lowercase().as_str()) {
            "expected a value; whether there is one is asked by has(field)".into()
        } else {
            instead(name, self.schema.names())
        };
        Err(Fault::new(span, format!("unknown field {}: {instead}", Shown(name))))
    }

    fn attribute(&self, name: &str, span: Span) -> Result<Operand, Fault> {
        if let Some((field, of)) = self.schema.attribute(name) {
            return Ok(Operand::of(field, of));
        }
        let declared = self.schema.attributes();
        let instead = if declared.is_empty() {
            "this domain declares none".into()
        } else {
            instead(name, declared.keys().map(String::as_str))
        };
        Err(Fault::new(span, format!("unknown attribute {}: {instead}", Shown(name))))
    }

    fn conditions(&self, group: &[Expression], whose: &str) -> Result<Vec<Condition>, Fault> {
        group.iter().map(|member| self.condition(member, whose)).collect()
    }

    fn condition(&self, expression: &Expression, whose: &str) -> Result<Condition, Fault> {
        match self.operand(expression)? {
            Operand::Condition(condition) => Ok(condition),
            other => {
                let found = other.noun();
                let message =
                    format!("expected a boolean, as {whose} takes conditions, but found {found}");
                Err(Fault::new(expression.span, message))
            }
        }
    }

    fn number(&self, expression: &Expression, why: &str) -> Result<Number, Fault> {
        match self.operand(expression)? {
            Operand::Number(number) => Ok(number),
            other => Err(mistyped(expression.span, AttributeType::Number, why, other.noun())),
        }
    }

    fn text(&self, expression: &Expression, why: &str) -> Result<Text, Fault> {
        match self.operand(expression)? {
            Operand::Text(text) => Ok(text),
            other => Err(mistyped(expression.span, AttributeType::Text, why, other.noun())),
        }
    }

    /// A time; a text in its place is read as one.
    fn time(&self, expression: &Expression, why: &str) -> Result<Moment, Fault> {
        if let Some(text) = text_literal(expression) {
            return time_of(text, why).map(Moment::Constant);
        }
        match self.operand(expression)? {
            Operand::Time(time) => Ok(time),
            other => Err(mistyped(expression.span, AttributeType::Time, why, other.noun())),
        }
    }

    fn compare(
        &self,
        (left, operator, right): (&Expression, ComparisonOperator, &Expression),
        span: Span,
    ) -> Result<Condition, Fault> {
        let (mut first, mut second) = (self.operand(left)?, self.operand(right)?);
        let why = |of: &Expression| format!("{} is one", name(of));
        // A text beside a time is one as well.
        match (&first, &second, text_literal(left), text_literal(right)) {
            (Operand::Time(_), _, _, Some(text)) => {
                second = Operand::Time(Moment::Constant(time_of(text, &why(left))?));
            }
            (_, Operand::Time(_), Some(text), _) => {
                first = Operand::Time(Moment::Constant(time_of(text, &why(right))?));
            }
            _ => {}
        }
        let equal = match (first, second) {
            (Operand::Set(_), _) => return Err(set_in_comparison(left, operator.sign())),
            (_, Operand::Set(_)) => return Err(set_in_comparison(right, operator.sign())),
            (Operand::Number(first), Operand::Number(second)) => {
                return Ok(Condition::numbers(first, operator, second));
            }
            (Operand::Time(first), Operand::Time(second)) => {
                return Ok(Condition::times(first, operator, second));
            }
            (Operand::Text(first), Operand::Text(second)) => {
                refuse_order(operator, AttributeType::Text, span)?;
                Condition::texts(first, TextRelation::Equals, second)
            }
            (Operand::Condition(first), Operand::Condition(second)) => {
                refuse_order(operator, AttributeType::Boolean, span)?;
                Condition::Same(first.into(), second.into())
            }
            (first, second) => {
                let wanted = first.attribute_type();
                return Err(mistyped(right.span, wanted, &why(left), second.noun()));
            }
        };
        let is_negated = operator == ComparisonOperator::NotEqual;
        Ok(if is_negated { Condition::not(equal) } else { equal })
    }

    fn between(
        &self,
        value: &Expression,
        low: &Expression,
        high: &Expression,
    ) -> Result<Condition, Fault> {
        let why = format!("{} is one", name(value));
        match self.operand(value)? {
            Operand::Number(number) => {
                let (low, high) = (self.number(low, &why)?, self.number(high, &why)?);
                Ok(Condition::number_between(number, low, high))
            }
            Operand::Time(time) => {
                let (low, high) = (self.time(low, &why)?, self.time(high, &why)?);
                Ok(Condition::time_between(time, low, high))
            }
            other => {
                let found = other.noun();
                let message =
                    format!("expected a number or a time before `between`, but found {found}");
                Err(Fault::new(value.span, message))
            }
        }
    }

    fn within(&self, value: &Expression, within: &Expression) -> Result<Condition, Fault> {
        let ExpressionKind::List(entries) = &within.kind else {
            return self.in_set(value, within);
        };
        let why = format!("{} is one", name(value));
        match self.operand(value)? {
            Operand::Number(number) => {
                let among = entries.iter().map(|entry| number_of(entry, &why));
                Ok(Condition::number_among(number, among.collect::<Result<_, _>>()?))
            }
            Operand::Time(time) => {
                let among = entries.iter().map(|entry| time_of(entry, &why));
                Ok(Condition::time_among(time, among.collect::<Result<_, _>>()?))
            }
            Operand::Text(text) => Ok(Condition::text_among(text, texts_of(entries, &why)?)),
            Operand::Condition(_) => {
                let message = "expected a number, a text or a time before `in`, but found a \
                               boolean, which stands alone: `is_new` or `not is_new`";
                Err(Fault::new(value.span, message))
            }
            Operand::Set(_) => {
                let (name, entries) = (name(value), Shown(&within.to_string()).to_string());
                let message = format!(
                    "expected a single value before `in`, but found a text set; write \
                     `has_any({name}, …)` with the list {entries}"
                );
                Err(Fault::new(value.span, message))
            }
        }
    }

    /// `"a" in categories`.
    fn in_set(&self, value: &Expression, within: &Expression) -> Result<Condition, Fault> {
        let field = match self.operand(within)? {
            Operand::Set(field) => field,
            other => {
                let message = format!(
                    "expected a list in [ ] or a text set behind `in`, but found {}",
                    other.noun()
                );
                return Err(Fault::new(within.span, message));
            }
        };
        let why = format!("{} is a set of them", name(within));
        match self.text(value, &why)? {
            Text::Constant(text) => Ok(Condition::SetHas { field, texts: vec![text], all: false }),
            Text::Field(_) => {
                let message = format!(
                    "expected a text in quotes, as {why}, but found {}, which each item has \
                     another of",
                    name(value)
                );
                Err(Fault::new(value.span, message))
            }
        }
    }
}

fn set_in_comparison(set: &Expression, sign: &str) -> Fault {
    let name = name(set);
    let message = format!(
        "expected a single value before `{sign}`, but found a text set; \
         write `\"…\" in {name}`, or use has_any, has_all or len"
    );
    Fault::new(set.span, message)
}

fn constant(literal: &Literal) -> Result<Operand, Fault> {
    Ok(match &literal.value {
        LiteralValue::Number(number) => Operand::Number(Number::Constant(Some(*number))),
        LiteralValue::Text(text) => Operand::Text(Text::Constant(text.clone())),
        LiteralValue::Boolean(is_true) => Operand::Condition(Condition::Constant(Some(*is_true))),
        LiteralValue::Date(_) | LiteralValue::Timestamp(_) => {
            Operand::Time(Moment::Constant(time_of(literal, "date and timestamp take one")?))
        }
    })
}

fn noun(literal: &Literal) -> &'static str {
    match &literal.value {
        LiteralValue::Number(_) => AttributeType::Number,
        LiteralValue::Text(_) => AttributeType::Text,
        LiteralValue::Boolean(_) => AttributeType::Boolean,
        LiteralValue::Date(_) | LiteralValue::Timestamp(_) => AttributeType::Time,
    }
    .noun()
}

fn number_of(literal: &Literal, why: &str) -> Result<Decimal, Fault> {
    match literal.value {
        LiteralValue::Number(number) => Ok(number),
        _ => Err(mistyped(literal.span, AttributeType::Number, why, noun(literal))),
    }
}

fn texts_of(entries: &[Literal], why: &str) -> Result<Vec<String>, Fault> {
    let text_of = |entry: &Literal| match &entry.value {
        LiteralValue::Text(text) => Ok(text.clone()),
        _ => Err(mistyped(entry.span, AttributeType::Text, why, noun(entry))),
    };
    entries.iter().map(text_of).collect()
}

/// The instant that a text, a date or a timestamp says, in nanoseconds since 1970.
fn time_of(literal: &Literal, why: &str) -> Result<i128, Fault> {
    let (text, read, rule): (_, fn(&str) -> Option<Timestamp>, _) = match &literal.value {
        LiteralValue::Text(text) => (text, moment::moment, moment::RULE),
        LiteralValue::Date(text) => (text, moment::date, "a date such as \"2026-11-01\""),
        LiteralValue::Timestamp(text) => {
            (text, moment::timestamp, "a time such as \"2026-11-01T08:00:00Z\"")
        }
        _ => return Err(mistyped(literal.span, AttributeType::Time, why, noun(literal))),
    };
    read(text).map(Timestamp::as_nanosecond).ok_or_else(|| {
        let found = Shown(text);
        Fault::new(literal.span, format!("expected {rule}, as {why}, but found {found}"))
    })
}
