//! What a filter says, as a tree: what the parser makes of a source, and what a rule builder
//! sends as JSON. It is checked against no schema yet.
//!
//! In JSON, an expression is an object of one key, its kind:
//!
//! ```json
//! {"all": [
//!   {"compare": {"left": {"field": "price"}, "operator": "<=", "right": {"literal": {"number": "30000"}}}},
//!   {"in": {"value": {"attribute": "rated power"}, "within": {"list": [{"number": "75"}]}}}
//! ]}
//! ```
//!
//! Displayed, it is its canonical source: one way to write what it says, with parentheses
//! only where they are needed.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::error::Span;
use crate::decimal;

/// An expression. Two are equal if they say the same, wherever they stand.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression {
    /// What it says.
    pub kind: ExpressionKind,
    /// Where it stands in its source; empty where it comes from none.
    #[serde(skip)]
    pub span: Span,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl From<ExpressionKind> for Expression {
    fn from(kind: ExpressionKind) -> Self {
        Self { kind, span: Span::default() }
    }
}

/// What an expression says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ExpressionKind {
    /// Conditions of which all must hold (`and`); true when there is none.
    All(Vec<Expression>),
    /// Conditions of which one must hold (`or`); false when there is none.
    Any(Vec<Expression>),
    /// A condition that must not hold.
    Not(Box<Expression>),
    /// Two values, compared.
    Compare {
        /// The value before the operator.
        left: Box<Expression>,
        /// How they are compared.
        operator: ComparisonOperator,
        /// The value behind the operator.
        right: Box<Expression>,
    },
    /// Whether a value is one of a list, or a text is in a text set.
    In {
        /// The value that is looked for.
        value: Box<Expression>,
        /// A list, or a text set.
        within: Box<Expression>,
    },
    /// Whether a value is not below a first and not above a second one.
    Between {
        /// The value.
        value: Box<Expression>,
        /// The lowest value that it may be.
        low: Box<Expression>,
        /// The highest value that it may be.
        high: Box<Expression>,
    },
    /// Two numbers and what is made of them.
    Arithmetic {
        /// The number before the operator.
        left: Box<Expression>,
        /// What is made of them.
        operator: ArithmeticOperator,
        /// The number behind the operator.
        right: Box<Expression>,
    },
    /// A number with the other sign.
    Negative(Box<Expression>),
    /// A built-in field or an attribute, by its bare name.
    Field(String),
    /// An attribute, by its name (`attributes.name`).
    Attribute(String),
    /// A value as it is written.
    Literal(Literal),
    /// A list of values as they are written.
    List(Vec<Literal>),
    /// A function and what it is given.
    Call {
        /// Its name.
        function: String,
        /// What it is given, in order.
        arguments: Vec<Expression>,
    },
}

/// A value as it is written. Two are equal if they say the same, wherever they stand.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Literal {
    /// The value.
    pub value: LiteralValue,
    /// Where it stands in its source; empty where it comes from none.
    #[serde(skip)]
    pub span: Span,
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl From<LiteralValue> for Literal {
    fn from(value: LiteralValue) -> Self {
        Self { value, span: Span::default() }
    }
}

/// What values can be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiteralValue {
    /// A number.
    Number(#[serde(deserialize_with = "decimal::exact")] Decimal),
    /// A text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// `date("2026-11-01")`: midnight in UTC.
    Date(String),
    /// `timestamp("2026-11-01T08:00:00+08:00")`: an instant as RFC 3339 writes it.
    Timestamp(String),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComparisonOperator {
    /// They are the same.
    #[serde(rename = "=")]
    Equal,
    /// They are not the same.
    #[serde(rename = "!=")]
    NotEqual,
    /// The first is less.
    #[serde(rename = "<")]
    Less,
    /// The first is not greater.
    #[serde(rename = "<=")]
    AtMost,
    /// The first is greater.
    #[serde(rename = ">")]
    Greater,
    /// The first is not less.
    #[serde(rename = ">=")]
    AtLeast,
}

impl ComparisonOperator {
    /// The operator as it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The operator that says the same once the two values have changed places.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    /// Whether it holds for two values of this order.
    #[must_use]
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// What is made of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArithmeticOperator {
    /// Their sum.
    #[serde(rename = "+")]
    Add,
    /// Their difference.
    #[serde(rename = "-")]
    Subtract,
    /// Their product.
    #[serde(rename = "*")]
    Multiply,
    /// Their quotient.
    #[serde(rename = "/")]
    Divide,
}

impl ArithmeticOperator {
    /// The operator as it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }

    /// What is made of two numbers, to 28 digits; `None` where it is too large for a
    /// decimal, or divided by zero.
    #[must_use]
    pub fn of(self, left: Decimal, right: Decimal) -> Option<Decimal> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json;

    #[test]
    fn the_documented_json_is_what_the_source_says() {
        let expression: Expression = json::from_value(json!({"all": [
            {"compare": {"left": {"field": "price"}, "operator": "<=",
                "right": {"literal": {"number": "30000"}}}},
            {"in": {"value": {"attribute": "rated power"}, "within": {"list": [{"number": 75}]}}},
        ]}))
        .unwrap();
        let source = r#"price <= 30000 and attributes["rated power"] in [75]"#;
        assert_eq!(expression.to_string(), source);
        let parsed = super::super::parser::parse(source).unwrap();
        assert_eq!(parsed, expression);
        assert_eq!(
            serde_json::to_value(&parsed.kind).unwrap()["all"][1]["in"]["within"],
            json!({"list": [{"number": "75"}]})
        );
    }

    #[test]
    fn unknown_keys_and_numbers_that_would_be_rounded_are_refused() {
        for wrong in [
            json!({"not": {"field": "a"}, "field": "b"}),
            json!({"compare": {"left": {"field": "a"}, "operator": "<=", "right": {"field": "b"}, "x": 1}}),
            json!({"literal": {"number": 0.123_456_789_012_345_68}}),
            json!({"compare": {"left": {"field": "a"}, "operator": "=>", "right": {"field": "b"}}}),
        ] {
            assert!(json::from_value::<Expression>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
