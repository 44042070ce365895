//! The functions of the language, a fixed table: what each takes and gives.

use super::{Checker, Operand, mistyped, texts_of};
use crate::filter::error::{Fault, Shown, Span};
use crate::filter::schema::{AttributeType, Field};
use crate::filter::suggestion::instead;
use crate::filter::syntax::{Expression, ExpressionKind};
use crate::filter::typed::{Condition, Direction, Number, TextRelation};

/// The functions, and what each takes. `date` and `timestamp` are read with their text.
const FUNCTIONS: [(&str, &[&str]); 12] = [
    ("has", &["field"]),
    ("lower", &["text"]),
    ("contains", &["text", "part"]),
    ("starts_with", &["text", "beginning"]),
    ("ends_with", &["text", "end"]),
    ("len", &["text or set"]),
    ("has_any", &["set", "[…]"]),
    ("has_all", &["set", "[…]"]),
    ("days_since", &["time"]),
    ("days_until", &["time"]),
    ("date", &["text"]),
    ("timestamp", &["text"]),
];

impl Checker<'_> {
    pub(super) fn call(
        &self,
        function: &str,
        arguments: &[Expression],
        span: Span,
    ) -> Result<Operand, Fault> {
        let Some((_, takes)) = FUNCTIONS.iter().find(|(name, _)| *name == function) else {
            let names = FUNCTIONS.iter().map(|(name, _)| *name);
            let span = Span { start: span.start, end: span.start + function.len() };
            let message =
                format!("unknown function {}: {}", Shown(function), instead(function, names));
            return Err(Fault::new(span, message));
        };
        let why = format!("{function} takes one");
        match (function, arguments) {
            ("has", [field]) => self.has(field),
            ("lower", [text]) => Ok(Operand::Text(self.text(text, &why)?.lowered())),
            ("contains", [text, part]) => self.related(text, TextRelation::Contains, part, &why),
            ("starts_with", [text, part]) => {
                self.related(text, TextRelation::StartsWith, part, &why)
            }
            ("ends_with", [text, part]) => self.related(text, TextRelation::EndsWith, part, &why),
            ("len", [value]) => self.length(value),
            ("has_any", [set, list]) => self.set_has(set, list, false),
            ("has_all", [set, list]) => self.set_has(set, list, true),
            ("days_since", [time]) => self.days(time, Direction::Since, &why),
            ("days_until", [time]) => self.days(time, Direction::Until, &why),
            _ => {
                let (expected, found) = (takes.join(", "), arguments.len());
                let values = if found == 1 { "value" } else { "values" };
                let message =
                    format!("expected {function}({expected}), but found {found} {values}");
                Err(Fault::new(span, message))
            }
        }
    }

    fn has(&self, expression: &Expression) -> Result<Operand, Fault> {
        let (ExpressionKind::Field(_) | ExpressionKind::Attribute(_)) = &expression.kind else {
            let found = Shown(&expression.to_string()).to_string();
            let message = format!("expected a field, as has takes one, but found {found}");
            return Err(Fault::new(expression.span, message));
        };
        let field = match self.operand(expression)? {
            Operand::Condition(Condition::Field(field))
            | Operand::Number(Number::Field(field))
            | Operand::Time(super::Moment::Field(field))
            | Operand::Text(super::Text::Field(super::TextField { field, .. }))
            | Operand::Set(field) => field,
            other => return Ok(other), // A name stands for a field.
        };
        Ok(Operand::Condition(Condition::Has(field)))
    }

    fn related(
        &self,
        left: &Expression,
        relation: TextRelation,
        right: &Expression,
        why: &str,
    ) -> Result<Operand, Fault> {
        let (left, right) = (self.text(left, why)?, self.text(right, why)?);
        Ok(Operand::Condition(Condition::texts(left, relation, right)))
    }

    fn length(&self, expression: &Expression) -> Result<Operand, Fault> {
        let length = match self.operand(expression)? {
            Operand::Text(text) => Number::length(text),
            Operand::Set(field) => Number::SetLength(field),
            other => {
                let found = other.noun();
                let message =
                    format!("expected a text or a text set, as len takes one, but found {found}");
                return Err(Fault::new(expression.span, message));
            }
        };
        Ok(Operand::Number(length))
    }

    fn set_has(&self, set: &Expression, list: &Expression, all: bool) -> Result<Operand, Fault> {
        let function = if all { "has_all" } else { "has_any" };
        let field: Field = match self.operand(set)? {
            Operand::Set(field) => field,
            other => {
                let why = format!("{function} takes one");
                return Err(mistyped(set.span, AttributeType::TextSet, &why, other.noun()));
            }
        };
        let ExpressionKind::List(entries) = &list.kind else {
            let message = format!(
                "expected a list in [ ], as {function} takes one, but found {}",
                self.operand(list)?.noun()
            );
            return Err(Fault::new(list.span, message));
        };
        let mut texts = texts_of(entries, &format!("{} is a set of them", super::name(set)))?;
        texts.sort_unstable();
        texts.dedup();
        Ok(Operand::Condition(Condition::SetHas { field, texts, all }))
    }

    fn days(&self, time: &Expression, direction: Direction, why: &str) -> Result<Operand, Fault> {
        Ok(Operand::Number(Number::Days { of: self.time(time, why)?, direction }))
    }
}
