//! From tokens to an expression, by how strongly operators hold together (a Pratt parser).
//!
//! Every call to itself is counted as depth, and every expression that it makes as a node,
//! so what it costs is bounded whatever it is given. It never goes back.

use rust_decimal::Decimal;

use super::error::{Fault, Span};
use super::lexer::{Keyword, Token, TokenKind, tokens};
use super::printing::Strength;
use super::syntax::{ArithmeticOperator, Expression, ExpressionKind, Literal, LiteralValue};
use super::{MAX_ARITHMETIC, MAX_DEPTH, MAX_LIST, MAX_NODES, MAX_TEXT_CALLS};

/// Reads a source as an expression.
pub(super) fn parse(source: &str) -> Result<Expression, Fault> {
    let mut parser = Parser {
        source,
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
        nodes: 0,
        text_calls: 0,
        sums: 0,
    };
    if parser.peek() == &TokenKind::End {
        return Err(parser.expected("a condition"));
    }
    let expression = parser.expression(Strength::Any)?;
    if parser.peek() != &TokenKind::End {
        return Err(parser.expected("`and`, `or`, an operator or the end"));
    }
    Ok(expression)
}

struct Parser<'a> {
    source: &'a str,
    /// Never empty: the last one is the end.
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    nodes: usize,
    text_calls: usize,
    sums: usize,
}

impl Parser<'_> {
    fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &TokenKind {
        &self.token().kind
    }

    /// The next token as it is written.
    fn written(&self) -> String {
        let Span { start, end } = self.token().span;
        self.source.get(start..end).unwrap_or_default().into()
    }

    fn is_followed_by(&self, kinds: &[TokenKind]) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|next| kinds.contains(&next.kind))
    }

    fn advance(&mut self) -> Span {
        let span = self.token().span;
        self.at += 1;
        span
    }

    /// What was expected in the place of the next token.
    fn expected(&self, what: &str) -> Fault {
        let Token { kind, span } = self.token();
        Fault::new(*span, format!("expected {what}, but found {kind}"))
    }

    fn expect(&mut self, kind: &TokenKind, what: &str) -> Result<Span, Fault> {
        if self.peek() == kind { Ok(self.advance()) } else { Err(self.expected(what)) }
    }

    fn node(&mut self, kind: ExpressionKind, span: Span) -> Result<Expression, Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message =
                format!("expected at most {MAX_NODES} fields, values, operators and calls");
            return Err(Fault::new(span, message));
        }
        self.count_dear(&kind).map_err(|message| Fault::new(span, message))?;
        Ok(Expression { kind, span })
    }

    /// Counts what costs much on every row, or on every different text.
    fn count_dear(&mut self, kind: &ExpressionKind) -> Result<(), String> {
        match kind {
            ExpressionKind::Call { function, .. } if is_of_texts(function) => self.text_calls += 1,
            ExpressionKind::Arithmetic { .. } => self.sums += 1,
            _ => {}
        }
        if self.text_calls > MAX_TEXT_CALLS {
            return Err(format!("expected at most {MAX_TEXT_CALLS} calls that look into texts"));
        }
        if self.sums > MAX_ARITHMETIC {
            return Err(format!("expected at most {MAX_ARITHMETIC} of + - * and /"));
        }
        Ok(())
    }

    /// What stands within something: one step deeper.
    fn within<T>(
        &mut self,
        opened: Span,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            let message = format!(
                "expected at most {MAX_DEPTH} parentheses, calls and signs within one another"
            );
            return Err(Fault::new(opened, message));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// An expression that holds together at least so strongly.
    fn expression(&mut self, least: Strength) -> Result<Expression, Fault> {
        let mut left = self.operand()?;
        loop {
            left = match self.peek().clone() {
                TokenKind::Keyword(Keyword::Or) if least <= Strength::Any => {
                    self.group(left, Keyword::Or, Strength::All, ExpressionKind::Any)?
                }
                TokenKind::Keyword(Keyword::And) if least <= Strength::All => {
                    self.group(left, Keyword::And, Strength::Not, ExpressionKind::All)?
                }
                TokenKind::Arithmetic(operator) if least <= operator.strength() => {
                    self.arithmetic(left, operator)?
                }
                _ if least <= Strength::Comparison && self.is_at_test() => self.test(left)?,
                _ => return Ok(left),
            };
        }
    }

    /// Further members of a group of which the first is read.
    fn group(
        &mut self,
        first: Expression,
        word: Keyword,
        strength: Strength,
        kind: fn(Vec<Expression>) -> ExpressionKind,
    ) -> Result<Expression, Fault> {
        let mut members = vec![first];
        let mut span = members[0].span;
        while self.peek() == &TokenKind::Keyword(word) {
            self.advance();
            let member = self.expression(strength)?;
            span = span.to(member.span);
            members.push(member);
        }
        self.node(kind(members), span)
    }

    fn arithmetic(
        &mut self,
        left: Expression,
        operator: ArithmeticOperator,
    ) -> Result<Expression, Fault> {
        self.advance();
        let right = self.expression(operator.strength_of_right())?;
        let span = left.span.to(right.span);
        let (left, right) = (Box::new(left), Box::new(right));
        self.node(ExpressionKind::Arithmetic { left, operator, right }, span)
    }

    /// Whether a comparison, `in` or `between` is next.
    fn is_at_test(&self) -> bool {
        let words = [Keyword::In, Keyword::Between].map(TokenKind::Keyword);
        match self.peek() {
            TokenKind::Comparison(_) => true,
            TokenKind::Keyword(Keyword::Not) => self.is_followed_by(&words),
            other => words.contains(other),
        }
    }

    /// A comparison, `in` or `between` of which the value before it is read.
    fn test(&mut self, value: Expression) -> Result<Expression, Fault> {
        let is_negated = self.peek() == &TokenKind::Keyword(Keyword::Not);
        if is_negated {
            self.advance();
        }
        let start = value.span;
        let (operator, value) = (self.peek().clone(), Box::new(value));
        self.advance();
        let second = Box::new(self.expression(Strength::Sum)?);
        let mut span = start.to(second.span);
        let kind = match operator {
            TokenKind::Comparison(operator) => {
                ExpressionKind::Compare { left: value, operator, right: second }
            }
            TokenKind::Keyword(Keyword::In) => ExpressionKind::In { value, within: second },
            _ => {
                let and = TokenKind::Keyword(Keyword::And);
                self.expect(&and, "`and` and the upper end of `between`")?;
                let high = Box::new(self.expression(Strength::Sum)?);
                span = span.to(high.span);
                ExpressionKind::Between { value, low: second, high }
            }
        };
        if self.is_at_test() {
            let message = format!(
                "expected `and`, `or` or the end, but found {}; comparisons cannot be chained: \
                 write `a < b and b < c`, or use parentheses",
                self.peek()
            );
            return Err(Fault::new(self.token().span, message));
        }
        let test = self.node(kind, span)?;
        if is_negated { self.node(ExpressionKind::Not(Box::new(test)), span) } else { Ok(test) }
    }

    /// What may stand at the beginning of an expression.
    fn operand(&mut self) -> Result<Expression, Fault> {
        match self.peek().clone() {
            TokenKind::Keyword(Keyword::Not) => {
                let start = self.advance();
                let inner = self.within(start, |parser| parser.expression(Strength::Not))?;
                let span = start.to(inner.span);
                self.node(ExpressionKind::Not(Box::new(inner)), span)
            }
            TokenKind::Arithmetic(ArithmeticOperator::Subtract)
                if !matches!(self.next_kind(), Some(TokenKind::Number(_))) =>
            {
                let start = self.advance();
                let inner = self.within(start, |parser| parser.expression(Strength::Negative))?;
                let span = start.to(inner.span);
                self.node(ExpressionKind::Negative(Box::new(inner)), span)
            }
            TokenKind::Open => {
                let start = self.advance();
                let inner = self.within(start, |parser| parser.expression(Strength::Any))?;
                self.expect(&TokenKind::Close, "`)`, an operator, `and` or `or`")?;
                Ok(inner)
            }
            TokenKind::OpenList => self.list(),
            TokenKind::Word(word) => self.named(word),
            _ => match self.literal()? {
                Some(literal) => {
                    let span = literal.span;
                    self.node(ExpressionKind::Literal(literal), span)
                }
                None => Err(self.expected("a field, a value, a function, `not` or `(`")),
            },
        }
    }

    fn next_kind(&self) -> Option<&TokenKind> {
        self.tokens.get(self.at + 1).map(|next| &next.kind)
    }

    /// A list of values, at its bracket.
    fn list(&mut self) -> Result<Expression, Fault> {
        let start = self.advance();
        let mut entries = Vec::new();
        while self.peek() != &TokenKind::CloseList {
            if !entries.is_empty() {
                self.expect(&TokenKind::Comma, "`,` or `]`")?;
            }
            let Some(entry) = self.literal()? else {
                return Err(self.expected("a value: a number, a text, true, false or a date"));
            };
            if entries.len() == MAX_LIST {
                let message = format!("expected at most {MAX_LIST} values in a list");
                return Err(Fault::new(entry.span, message));
            }
            entries.push(entry);
        }
        let end = self.advance();
        self.node(ExpressionKind::List(entries), start.to(end))
    }

    /// A value, or none where none stands.
    fn literal(&mut self) -> Result<Option<Literal>, Fault> {
        let (value, end) = match (self.peek().clone(), self.next_kind().cloned()) {
            (TokenKind::Number(number), _) => (LiteralValue::Number(number), 1),
            (TokenKind::Text(text), _) => (LiteralValue::Text(text), 1),
            (TokenKind::Keyword(Keyword::True), _) => (LiteralValue::Boolean(true), 1),
            (TokenKind::Keyword(Keyword::False), _) => (LiteralValue::Boolean(false), 1),
            (
                TokenKind::Arithmetic(ArithmeticOperator::Subtract),
                Some(TokenKind::Number(number)),
            ) => (LiteralValue::Number(Decimal::ZERO - number), 2),
            (TokenKind::Word(word), Some(TokenKind::Open)) if word == "date" => {
                return self.moment(LiteralValue::Date, "\"2026-11-01\"").map(Some);
            }
            (TokenKind::Word(word), Some(TokenKind::Open)) if word == "timestamp" => {
                let example = "\"2026-11-01T08:00:00Z\"";
                return self.moment(LiteralValue::Timestamp, example).map(Some);
            }
            _ => return Ok(None),
        };
        let mut span = self.token().span;
        for _ in 0..end {
            span = span.to(self.advance());
        }
        Ok(Some(Literal { value, span }))
    }

    /// `date("...")` or `timestamp("...")`, at the name.
    fn moment(
        &mut self,
        value: fn(String) -> LiteralValue,
        example: &str,
    ) -> Result<Literal, Fault> {
        let start = self.advance();
        self.advance();
        let TokenKind::Text(text) = self.peek().clone() else {
            return Err(self.expected(&format!("a text such as {example}")));
        };
        self.advance();
        let end = self.expect(&TokenKind::Close, "`)`")?;
        Ok(Literal { value: value(text), span: start.to(end) })
    }

    /// A field, an attribute, a call, or a moment.
    fn named(&mut self, word: String) -> Result<Expression, Fault> {
        if let Some(literal) = self.literal()? {
            let span = literal.span;
            return self.node(ExpressionKind::Literal(literal), span);
        }
        let start = self.advance();
        match self.peek() {
            TokenKind::Open => self.call(word, start),
            TokenKind::Dot if word == "attributes" => {
                self.advance();
                let name = match self.peek().clone() {
                    TokenKind::Word(name) => name,
                    // Behind the dot, a word of the language is a name, in its own case.
                    TokenKind::Keyword(_) => self.written(),
                    _ => return Err(self.expected("the name of an attribute")),
                };
                let end = self.advance();
                self.node(ExpressionKind::Attribute(name), start.to(end))
            }
            TokenKind::OpenList if word == "attributes" => {
                self.advance();
                let TokenKind::Text(name) = self.peek().clone() else {
                    return Err(self.expected("the name of an attribute as a text"));
                };
                self.advance();
                let end = self.expect(&TokenKind::CloseList, "`]`")?;
                self.node(ExpressionKind::Attribute(name), start.to(end))
            }
            _ => self.node(ExpressionKind::Field(word), start),
        }
    }

    fn call(&mut self, function: String, start: Span) -> Result<Expression, Fault> {
        self.advance();
        let mut arguments = Vec::new();
        while self.peek() != &TokenKind::Close {
            if !arguments.is_empty() {
                self.expect(&TokenKind::Comma, "`,` or `)`")?;
            }
            arguments.push(self.within(start, |parser| parser.expression(Strength::Any))?);
        }
        let end = self.advance();
        self.node(ExpressionKind::Call { function, arguments }, start.to(end))
    }
}

/// Whether a function looks into texts, each different one of which costs its time.
fn is_of_texts(function: &str) -> bool {
    const OF_TEXTS: [&str; 5] = ["lower", "contains", "starts_with", "ends_with", "len"];
    OF_TEXTS.iter().any(|name| function.eq_ignore_ascii_case(name))
}
