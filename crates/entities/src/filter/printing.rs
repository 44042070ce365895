//! The canonical source of an expression.

use std::fmt::{self, Display, Formatter, Write as _};

use super::lexer::{is_name, keyword};
use super::syntax::{ArithmeticOperator, Expression, ExpressionKind, Literal, LiteralValue};
use crate::plain_text::is_command;

/// How strongly an expression holds together; parentheses stand where a weaker one is
/// within a stronger one. The parser goes by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    Any,
    All,
    Not,
    Comparison,
    Sum,
    Product,
    Negative,
    Whole,
}

impl ArithmeticOperator {
    pub(super) fn strength(self) -> Strength {
        match self {
            Self::Add | Self::Subtract => Strength::Sum,
            Self::Multiply | Self::Divide => Strength::Product,
        }
    }

    /// What a number behind the operator must hold together by: as all are read from
    /// the left, by more than the operator.
    pub(super) fn strength_of_right(self) -> Strength {
        match self {
            Self::Add | Self::Subtract => Strength::Product,
            Self::Multiply | Self::Divide => Strength::Negative,
        }
    }
}

fn strength(of: &ExpressionKind) -> Strength {
    match of {
        // A group of one is what it has.
        ExpressionKind::All(group) | ExpressionKind::Any(group) if group.len() == 1 => {
            strength(&group[0].kind)
        }
        ExpressionKind::All(group) | ExpressionKind::Any(group) if group.is_empty() => {
            Strength::Whole
        }
        ExpressionKind::Any(_) => Strength::Any,
        ExpressionKind::All(_) => Strength::All,
        ExpressionKind::Not(inner) if reads_better_inside(&inner.kind) => Strength::Comparison,
        ExpressionKind::Not(_) => Strength::Not,
        ExpressionKind::Compare { .. }
        | ExpressionKind::In { .. }
        | ExpressionKind::Between { .. } => Strength::Comparison,
        ExpressionKind::Arithmetic { operator, .. } => operator.strength(),
        ExpressionKind::Negative(_) => Strength::Negative,
        _ => Strength::Whole,
    }
}

/// Whether `not` stands within: `a not in b`, `a not between b and c`.
fn reads_better_inside(negated: &ExpressionKind) -> bool {
    matches!(negated, ExpressionKind::In { .. } | ExpressionKind::Between { .. })
}

/// An expression where only those stand without parentheses that hold together so strongly.
struct AtLeast<'a>(Strength, &'a Expression);

impl Display for AtLeast<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if strength(&self.1.kind) >= self.0 {
            write!(f, "{}", self.1)
        } else {
            write!(f, "({})", self.1)
        }
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sum = |operand| AtLeast(Strength::Sum, operand);
        match &self.kind {
            ExpressionKind::All(group) => write_group(f, group, " and ", Strength::Not, "true"),
            ExpressionKind::Any(group) => write_group(f, group, " or ", Strength::All, "false"),
            ExpressionKind::Not(inner) if reads_better_inside(&inner.kind) => {
                write_test(f, &inner.kind, " not")
            }
            ExpressionKind::Not(inner) => write!(f, "not {}", AtLeast(Strength::Not, inner)),
            ExpressionKind::Compare { left, operator, right } => {
                write!(f, "{} {} {}", sum(left), operator.sign(), sum(right))
            }
            test @ (ExpressionKind::In { .. } | ExpressionKind::Between { .. }) => {
                write_test(f, test, "")
            }
            ExpressionKind::Arithmetic { left, operator, right } => {
                let left = AtLeast(operator.strength(), left);
                let right = AtLeast(operator.strength_of_right(), right);
                write!(f, "{left} {} {right}", operator.sign())
            }
            // A minus directly before digits is part of the number.
            ExpressionKind::Negative(inner) => match inner.kind {
                ExpressionKind::Literal(_) => write!(f, "-({inner})"),
                _ => write!(f, "-{}", AtLeast(Strength::Negative, inner)),
            },
            ExpressionKind::Field(name) if is_name(name) && keyword(name).is_none() => {
                f.write_str(name)
            }
            ExpressionKind::Attribute(name) if is_name(name) => write!(f, "attributes.{name}"),
            ExpressionKind::Field(name) | ExpressionKind::Attribute(name) => {
                write!(f, "attributes[{}]", Quoted(name))
            }
            ExpressionKind::Literal(literal) => write!(f, "{literal}"),
            ExpressionKind::List(entries) => write!(f, "[{}]", Separated(entries)),
            ExpressionKind::Call { function, arguments } => {
                write!(f, "{function}({})", Separated(arguments))
            }
        }
    }
}

fn write_group(
    f: &mut Formatter<'_>,
    group: &[Expression],
    between: &str,
    least: Strength,
    of_none: &str,
) -> fmt::Result {
    match group {
        [] => f.write_str(of_none),
        [only] => write!(f, "{only}"),
        _ => write_separated(f, group.iter().map(|member| AtLeast(least, member)), between),
    }
}

/// `value in list` or `value between low and high`, with `not` before the word or without.
fn write_test(f: &mut Formatter<'_>, test: &ExpressionKind, not: &str) -> fmt::Result {
    let sum = |operand| AtLeast(Strength::Sum, operand);
    match test {
        ExpressionKind::In { value, within } => {
            write!(f, "{}{not} in {}", sum(value), sum(within))
        }
        ExpressionKind::Between { value, low, high } => {
            write!(f, "{}{not} between {} and {}", sum(value), sum(low), sum(high))
        }
        _ => Ok(()),
    }
}

fn write_separated<T: Display>(
    f: &mut Formatter<'_>,
    of: impl Iterator<Item = T>,
    between: &str,
) -> fmt::Result {
    for (place, one) in of.enumerate() {
        f.write_str(if place > 0 { between } else { "" })?;
        write!(f, "{one}")?;
    }
    Ok(())
}

struct Separated<'a, T>(&'a [T]);

impl<T: Display> Display for Separated<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_separated(f, self.0.iter(), ", ")
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            LiteralValue::Number(number) => write!(f, "{number}"),
            LiteralValue::Text(text) => write!(f, "{}", Quoted(text)),
            LiteralValue::Boolean(is_true) => write!(f, "{is_true}"),
            LiteralValue::Date(text) => write!(f, "date({})", Quoted(text)),
            LiteralValue::Timestamp(text) => write!(f, "timestamp({})", Quoted(text)),
        }
    }
}

/// A text between quotes, with what cannot be seen escaped.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // None of them is beyond U+FFFF, so four digits do.
                _ if is_command(char) => write!(f, "\\u{:04x}", u32::from(char))?,
                _ => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::*;

    #[test]
    fn the_canonical_source_has_one_way_to_write_a_thing() {
        for (written, canonical) in [
            ("((a))=1", "a = 1"),
            ("a==1&&!b||C<>'x'", "a = 1 and not b or C != \"x\""),
            ("a AND (b OR c)", "a and (b or c)"),
            ("(a and b) and c", "(a and b) and c"),
            ("not (x in [1,2])", "x not in [1, 2]"),
            ("not x between 1 and 2+3", "x not between 1 and 2 + 3"),
            ("not (a = 1)", "not a = 1"),
            ("(not a) = b", "(not a) = b"),
            ("(1-2)-3 = 1-(2-3)", "1 - 2 - 3 = 1 - (2 - 3)"),
            ("-(5)*-x = - -5", "-(5) * -x = -(-5)"),
            ("attributes['价格'] = attributes . in", "attributes.价格 = attributes.in"),
            ("'a\\u0000\\u0085' = \"\\\"\"", "\"a\\u0000\\u0085\" = \"\\\"\""),
            ("t > date('2026-11-01')", "t > date(\"2026-11-01\")"),
        ] {
            let parsed = parse(written).unwrap();
            assert_eq!(parsed.to_string(), canonical);
            assert_eq!(parse(canonical).unwrap(), parsed, "{canonical}");
        }
    }

    #[test]
    fn what_no_source_says_is_written_as_what_it_means() {
        let field = |name: &str| Expression::from(ExpressionKind::Field(name.into()));
        for (kind, canonical) in [
            (ExpressionKind::All(vec![]), "true"),
            (ExpressionKind::Any(vec![]), "false"),
            (ExpressionKind::Any(vec![field("a")]), "a"),
            (ExpressionKind::Field("rated power".into()), "attributes[\"rated power\"]"),
            (ExpressionKind::Field("Not".into()), "attributes[\"Not\"]"),
        ] {
            assert_eq!(Expression::from(kind).to_string(), canonical);
        }
    }
}
