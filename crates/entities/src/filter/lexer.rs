//! From a source to its tokens, each with its place, in one pass.

use std::fmt;

use rust_decimal::Decimal;

use super::error::{Fault, Shown, Span};
use super::syntax::{ArithmeticOperator, ComparisonOperator};
use super::{MAX_SOURCE_BYTES, MAX_TEXT_CHARS};
use crate::text_length::exceeds;

/// A token and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Number(Decimal),
    Text(String),
    /// A name of a field or function.
    Word(String),
    Keyword(Keyword),
    Comparison(ComparisonOperator),
    Arithmetic(ArithmeticOperator),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Dot,
    /// Behind the last token.
    End,
}

/// Words of the language, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Or,
    Not,
    In,
    Between,
    True,
    False,
}

const KEYWORDS: [(&str, Keyword); 7] = [
    ("and", Keyword::And),
    ("or", Keyword::Or),
    ("not", Keyword::Not),
    ("in", Keyword::In),
    ("between", Keyword::Between),
    ("true", Keyword::True),
    ("false", Keyword::False),
];

/// The word of the language that a name is, whatever its case.
pub(super) fn keyword(name: &str) -> Option<Keyword> {
    KEYWORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|(_, keyword)| *keyword)
}

/// Signs, those of two characters first.
const SIGNS: [(&str, TokenKind); 23] = [
    ("==", TokenKind::Comparison(ComparisonOperator::Equal)),
    ("!=", TokenKind::Comparison(ComparisonOperator::NotEqual)),
    ("<>", TokenKind::Comparison(ComparisonOperator::NotEqual)),
    ("<=", TokenKind::Comparison(ComparisonOperator::AtMost)),
    (">=", TokenKind::Comparison(ComparisonOperator::AtLeast)),
    ("&&", TokenKind::Keyword(Keyword::And)),
    ("||", TokenKind::Keyword(Keyword::Or)),
    ("=", TokenKind::Comparison(ComparisonOperator::Equal)),
    ("<", TokenKind::Comparison(ComparisonOperator::Less)),
    (">", TokenKind::Comparison(ComparisonOperator::Greater)),
    ("!", TokenKind::Keyword(Keyword::Not)),
    ("+", TokenKind::Arithmetic(ArithmeticOperator::Add)),
    ("-", TokenKind::Arithmetic(ArithmeticOperator::Subtract)),
    ("*", TokenKind::Arithmetic(ArithmeticOperator::Multiply)),
    ("/", TokenKind::Arithmetic(ArithmeticOperator::Divide)),
    ("(", TokenKind::Open),
    (")", TokenKind::Close),
    ("[", TokenKind::OpenList),
    ("]", TokenKind::CloseList),
    (",", TokenKind::Comma),
    (".", TokenKind::Dot),
    // What is likely to be tried, and answered with what to write.
    ("&", TokenKind::End),
    ("|", TokenKind::End),
];

/// Whether a name may begin with this character: a letter of any language, or `_`.
fn begins_name(char: char) -> bool {
    char.is_alphabetic() || char == '_'
}

/// Whether a text may stand as a name, without quotes.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(|char| char.is_alphanumeric() || char == '_')
}

/// The tokens of a source; the last one is [`TokenKind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Fault> {
    if source.len() > MAX_SOURCE_BYTES {
        let span = Span { start: 0, end: source.len() };
        let found = source.len();
        let message = format!("expected at most {MAX_SOURCE_BYTES} bytes, but found {found}");
        return Err(Fault::new(span, message));
    }
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token()? {
        tokens.push(token);
    }
    tokens.push(Token {
        kind: TokenKind::End,
        span: Span { start: source.len(), end: source.len() },
    });
    Ok(tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn since(&self, start: usize) -> Span {
        Span { start, end: self.at }
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|char| !wanted(char)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn next_token(&mut self) -> Result<Option<Token>, Fault> {
        self.skip_while(char::is_whitespace);
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let kind = match first {
            '0'..='9' => self.number()?,
            '"' | '\'' => TokenKind::Text(self.text(first)?),
            _ if begins_name(first) => {
                let word = self.skip_while(|char| char.is_alphanumeric() || char == '_');
                keyword(word).map_or_else(|| TokenKind::Word(word.into()), TokenKind::Keyword)
            }
            _ => self.sign(first)?,
        };
        Ok(Some(Token { kind, span: self.since(start) }))
    }

    fn sign(&mut self, first: char) -> Result<TokenKind, Fault> {
        let start = self.at;
        let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| self.rest().starts_with(sign))
        else {
            self.at += first.len_utf8();
            let span = self.since(start);
            let found = Shown(&self.source[start..self.at]);
            let message = match plain_sign(first) {
                Some(plain) => format!("expected `{plain}`, but found its wide form {found}"),
                None => format!("expected a name, a value or an operator, but found {found}"),
            };
            return Err(Fault::new(span, message));
        };
        self.at += sign.len();
        if *kind == TokenKind::End {
            let message = format!("expected `{sign}{sign}`, but found a single `{sign}`");
            return Err(Fault::new(self.since(start), message));
        }
        Ok(kind.clone())
    }

    fn number(&mut self) -> Result<TokenKind, Fault> {
        let start = self.at;
        self.skip_while(|char| char.is_ascii_digit());
        let behind = self.rest().strip_prefix('.');
        if behind.is_some_and(|fraction| fraction.starts_with(|char: char| char.is_ascii_digit())) {
            self.at += 1;
            self.skip_while(|char| char.is_ascii_digit());
        }
        let digits = &self.source[start..self.at];
        if self.rest().starts_with(|char: char| char.is_alphanumeric() || "_.".contains(char)) {
            self.skip_while(|char| char.is_alphanumeric() || "_.".contains(char));
            let found = Shown(&self.source[start..self.at]);
            let message = format!(
                "expected a number in digits, such as 1000 or 0.5, but found {found}; \
                 exponents and units are not understood"
            );
            return Err(Fault::new(self.since(start), message));
        }
        let too_long = |_| {
            let message =
                format!("expected a number of at most 28 digits, but found {}", Shown(digits));
            Fault::new(self.since(start), message)
        };
        Decimal::from_str_exact(digits).map(TokenKind::Number).map_err(too_long)
    }

    /// A text between quotes; `at` is at the first of them.
    fn text(&mut self, quote: char) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.skip_while(|char| char != quote && char != '\\' && char != '\n'));
            match self.rest().chars().next() {
                Some('\\') => text.push(self.escape()?),
                Some(end) if end == quote => break,
                _ => {
                    let message = format!(
                        "expected {quote} at the end of the text that begins here, \
                         but found the end of the line"
                    );
                    return Err(Fault::new(self.since(start), message));
                }
            }
        }
        self.at += 1;
        if exceeds(&text, MAX_TEXT_CHARS) {
            let message = format!(
                "expected a text of at most {MAX_TEXT_CHARS} characters, but found {}",
                text.chars().count()
            );
            return Err(Fault::new(self.since(start), message));
        }
        Ok(text)
    }

    /// The character that stands behind a backslash, as in JSON.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let escaped = self.rest().chars().next();
        self.at += escaped.map_or(0, char::len_utf8);
        match escaped {
            Some(own @ ('"' | '\'' | '\\' | '/')) => Ok(own),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('u') => self.unicode_escape(start),
            _ => {
                let found = Shown(&self.source[start..self.at]);
                let message = format!(
                    r#"expected \\, \", \', \/, \n, \r, \t, \b, \f or \u with four digits, but found {found}"#
                );
                Err(Fault::new(self.since(start), message))
            }
        }
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let first = self.code_unit();
        // Characters beyond the first 65,536 are two escapes in JSON: a surrogate pair.
        let second = match first {
            Some(0xD800..=0xDBFF) if self.rest().starts_with("\\u") => {
                self.at += 2;
                self.code_unit()
            }
            _ => None,
        };
        let units = first.into_iter().chain(second);
        let mut chars = char::decode_utf16(units);
        match (chars.next(), chars.next()) {
            (Some(Ok(char)), None) => Ok(char),
            _ => {
                let found = Shown(&self.source[start..self.at]);
                let message = format!(
                    "expected \\u and four hexadecimal digits of a character, but found {found}"
                );
                Err(Fault::new(self.since(start), message))
            }
        }
    }

    /// Four hexadecimal digits.
    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }
}

/// The sign of the language that a sign of Chinese and Japanese keyboards stands for.
fn plain_sign(wide: char) -> Option<char> {
    match wide {
        '“' | '”' => Some('"'),
        '‘' | '’' => Some('\''),
        '、' => Some(','),
        '。' => Some('.'),
        '【' => Some('['),
        '】' => Some(']'),
        // Full-width forms stand in the order of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(wide) - 0xfee0),
        _ => None,
    }
}

impl fmt::Display for TokenKind {
    /// The token as a message names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Text(text) => write!(f, "the text {}", Shown(text)),
            Self::Word(word) => write!(f, "{}", Shown(word)),
            Self::Keyword(keyword) => {
                let word = KEYWORDS.iter().find(|(_, own)| own == keyword);
                write!(f, "`{}`", word.map_or("", |(word, _)| word))
            }
            Self::End => f.write_str("the end"),
            sign => {
                let own = SIGNS.iter().find(|(_, kind)| kind == sign);
                write!(f, "`{}`", own.map_or("", |(text, _)| text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind> {
        tokens(source).unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn text(source: &str) -> Result<String, String> {
        match tokens(source).map_err(|fault| fault.message)?.remove(0).kind {
            TokenKind::Text(text) => Ok(text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tokens_have_their_bytes() {
        let tokens = tokens("价格<=1.50").unwrap();
        let spans: Vec<_> = tokens.iter().map(|token| (token.span.start, token.span.end)).collect();
        assert_eq!(spans, [(0, 6), (6, 8), (8, 12), (12, 12)]);
        assert_eq!(tokens[0].kind, TokenKind::Word("价格".into()));
    }

    #[test]
    fn words_of_the_language_are_known_in_any_case_and_as_signs() {
        assert_eq!(kinds("AND or Not iN BETWEEN"), kinds("&& || ! in between"));
        assert_eq!(kinds("== <>"), kinds("= !="));
        assert_eq!(kinds("android"), [TokenKind::Word("android".into()), TokenKind::End]);
    }

    #[test]
    fn escapes_are_those_of_json() {
        assert_eq!(
            text(r#""a\"\\\/\n\r\t\b\f\u8bfe\ud83d\ude00'""#).unwrap(),
            "a\"\\/\n\r\t\u{8}\u{c}课😀'"
        );
        assert_eq!(text(r"'it\'s'").unwrap(), "it's");
        for wrong in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\u12""#,
            r#""\x""#,
            r#""\u课课""#,
        ] {
            assert!(text(wrong).unwrap_err().starts_with("expected \\"), "{wrong}");
        }
    }

    #[test]
    fn a_text_ends_on_its_line_and_is_not_too_long() {
        for open in ["\"abc", "'abc\"", "\"a\nb\"", "\"abc\\"] {
            assert!(tokens(open).is_err(), "{open}");
        }
        assert!(text(&format!("\"{}\"", "课".repeat(MAX_TEXT_CHARS))).is_ok());
        let error = text(&format!("\"{}\"", "课".repeat(MAX_TEXT_CHARS + 1))).unwrap_err();
        assert_eq!(error, "expected a text of at most 1000 characters, but found 1001");
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        let most = "79228162514264337593543950335";
        assert_eq!(kinds(most)[0], TokenKind::Number(Decimal::MAX));
        for wrong in [
            "79228162514264337593543950336",
            "1e400",
            "5km",
            "1.",
            "1.2.3",
            "1_000",
            "0.12345678901234567890123456789",
        ] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wide_signs_are_answered_with_the_plain_ones() {
        for (wide, plain) in [("（", "("), ("，", ","), ("＝", "="), ("“", "\"")] {
            let message = tokens(wide).unwrap_err().message;
            assert_eq!(message, format!("expected `{plain}`, but found its wide form `{wide}`"));
        }
        assert_eq!(tokens("a & b").unwrap_err().message, "expected `&&`, but found a single `&`");
    }
}
