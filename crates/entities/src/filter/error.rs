//! What is wrong with a filter, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plain_text::is_command;

/// A part of a source, in bytes: from `start`, up to but without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

impl Span {
    /// From the beginning of this part to the end of a later one.
    #[must_use]
    pub fn to(self, later: Self) -> Self {
        Self { start: self.start, end: later.end }
    }
}

/// Why a text is no filter for a schema: what was expected where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FilterError {
    /// The part of the source that it is about. It is empty where something lacks.
    pub span: Span,
    /// The line on which that part begins, from 1.
    pub line: usize,
    /// Where on the line it begins, in characters (Unicode code points), from 1.
    pub column: usize,
    /// What was expected, and what was found.
    pub message: String,
}

impl FilterError {
    /// Says where in its source something is wrong.
    pub(super) fn locate(source: &str, fault: Fault) -> Self {
        let Fault { span, message } = fault;
        let before = source.get(..span.start).unwrap_or(source);
        let line_begins = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            span,
            line: before.matches('\n').count() + 1,
            column: before[line_begins..].chars().count() + 1,
            message,
        }
    }
}

/// What is wrong, before its line is looked for.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// Characters of a caller's text that a message repeats.
const SHOWN: usize = 40;

/// A caller's text within a message: in one line, and not longer than a message should be.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`")?;
        for char in self.0.chars().take(SHOWN) {
            if is_command(char) {
                write!(f, "{}", char.escape_unicode())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        f.write_str(if self.0.chars().nth(SHOWN).is_some() { "…`" } else { "`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_lines_and_characters() {
        let source = "价格 > 1\n  and ?";
        let at = source.find('?').unwrap();
        let fault = Fault::new(Span { start: at, end: at + 1 }, "what?");
        let error = FilterError::locate(source, fault);
        assert_eq!((error.line, error.column), (2, 7));
        assert_eq!(error.to_string(), "line 2, column 7: what?");
        let end = Span { start: source.len(), end: source.len() };
        assert_eq!(FilterError::locate(source, Fault::new(end, "")).column, 8);
    }

    #[test]
    fn what_a_message_repeats_is_one_short_line() {
        assert_eq!(Shown("a\nb").to_string(), "`a\\u{a}b`");
        assert_eq!(Shown(&"课".repeat(4_000)).to_string().chars().count(), SHOWN + 3);
    }
}
