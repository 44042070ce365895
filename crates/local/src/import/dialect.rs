//! The dialect of a delimited text: separator, quote, escape; recognised from its first
//! rows, or named.

use anyhow::{Result, bail};

use super::line_ends::{Separator, UNIT_SEPARATOR};

/// Separators that are tried, the most usual first. A space comes last: it stands in
/// texts and times as well.
const CANDIDATES: [Separator; 7] = [
    Separator::Byte(b','),
    Separator::Byte(b'\t'),
    Separator::Byte(b';'),
    Separator::TwoColons,
    Separator::Byte(b'|'),
    Separator::Byte(0x01),
    Separator::Byte(b' '),
];
/// Rows that are looked at.
const ROWS: usize = 200;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// What separates cells.
    pub(crate) separator: Separator,
    /// What encloses a cell that has separators or line ends in it; `None`: nothing.
    pub(crate) quote: Option<u8>,
    /// Whether a backslash takes the next character as it is.
    pub(crate) has_backslashes: bool,
}

impl Dialect {
    /// What the separator is called.
    pub(crate) fn separator_name(&self) -> String {
        match self.separator {
            Separator::TwoColons => "two colons".into(),
            Separator::Byte(b',') => "comma".into(),
            Separator::Byte(b'\t') => "tab".into(),
            Separator::Byte(b';') => "semicolon".into(),
            Separator::Byte(b' ') => "space".into(),
            Separator::Byte(b'|') => "bar".into(),
            Separator::Byte(byte) => format!("byte {byte:#04x}"),
        }
    }

    /// A reader of rows in this dialect, from a text with LF as line ends and two
    /// colons replaced.
    pub(crate) fn reader<R: std::io::Read>(&self, text: R) -> csv::Reader<R> {
        let separator = match self.separator {
            Separator::Byte(byte) => byte,
            Separator::TwoColons => UNIT_SEPARATOR,
        };
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .quoting(self.quote.is_some())
            .quote(self.quote.unwrap_or(b'"'))
            .escape(self.has_backslashes.then_some(b'\\'))
            .double_quote(!self.has_backslashes)
            .from_reader(text)
    }
}

/// Reads a separator as it is named on a command line.
///
/// # Errors
/// When it is none.
pub(crate) fn separator_named(name: &str) -> Result<Separator> {
    Ok(match name {
        "comma" => Separator::Byte(b','),
        "tab" | "\\t" => Separator::Byte(b'\t'),
        "semicolon" => Separator::Byte(b';'),
        "bar" | "pipe" => Separator::Byte(b'|'),
        "space" => Separator::Byte(b' '),
        "::" => Separator::TwoColons,
        one if one.len() == 1 => Separator::Byte(one.as_bytes()[0]),
        _ => bail!("a separator is one character, ::, or comma, tab, semicolon, bar, space"),
    })
}

/// Recognises the dialect of a text from its beginning, in which line ends are LF.
/// `None` for the separator and for the quote: recognise it; `Some(None)`: no quotes.
pub(crate) fn recognise(
    sample: &str,
    separator: Option<Separator>,
    quote: Option<Option<u8>>,
) -> Dialect {
    let double = Dialect {
        separator: Separator::Byte(b','),
        quote: quote.unwrap_or(Some(b'"')),
        has_backslashes: sample.contains("\\\"") && !sample.contains("\"\""),
    };
    let separator = separator.unwrap_or_else(|| {
        let shapes = CANDIDATES.into_iter().rev().filter_map(|separator| {
            let (columns, share) = shape_of(sample, Dialect { separator, ..double });
            // A space separates only where nothing else does, and everywhere.
            let is_likely = columns > 1
                && (separator != Separator::Byte(b' ') || (columns > 2 && share == 100));
            // Rows of one width tell more than wide rows; a single column tells nothing.
            is_likely.then_some(((share / 10, columns), separator))
        });
        let best = shapes.max_by_key(|(shape, _)| *shape);
        best.map_or(Separator::Byte(b','), |(_, separator)| separator)
    });
    let dialect = Dialect { separator, ..double };
    if quote.is_none() && !sample.contains('"') && has_single_quotes(sample, dialect) {
        return Dialect { quote: Some(b'\''), ..dialect };
    }
    dialect
}

fn sample_rows(sample: &str, dialect: Dialect) -> Vec<csv::ByteRecord> {
    let joined;
    let text = match dialect.separator {
        Separator::TwoColons => {
            joined = sample.replace("::", "\u{1f}");
            joined.as_bytes()
        }
        Separator::Byte(_) => sample.as_bytes(),
    };
    dialect.reader(text).into_byte_records().take(ROWS).filter_map(Result::ok).collect()
}

/// How many columns the first row has, and how many of 100 rows have as many.
fn shape_of(sample: &str, dialect: Dialect) -> (usize, usize) {
    let rows = sample_rows(sample, dialect);
    let columns = rows.first().map_or(0, csv::ByteRecord::len);
    let alike = rows.iter().filter(|row| row.len() == columns).count();
    (columns, 100 * alike / rows.len().max(1))
}

/// Whether some column begins with a single quote in every row but the first, and the rows
/// are as many and of one width when such quotes enclose cells.
fn has_single_quotes(sample: &str, dialect: Dialect) -> bool {
    let plain = sample_rows(sample, dialect);
    let single = Dialect { quote: Some(b'\''), ..dialect };
    let (columns, share) = shape_of(sample, single);
    let is_whole = share == 100 && sample_rows(sample, single).len() == plain.len();
    let opens =
        |row: &csv::ByteRecord, column| row.get(column).is_some_and(|c| c.starts_with(b"'"));
    is_whole
        && plain.len() > 1
        && (0..columns).any(|column| plain[1..].iter().all(|row| opens(row, column)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn separator(sample: &str) -> Separator {
        recognise(sample, None, None).separator
    }

    #[test]
    fn the_separator_is_what_gives_rows_of_one_width() {
        let cases = [
            ("a,b,c\n1,2,3\n", b','),
            ("a;b;c\n1;2;12,50\n4;5;1,5\n", b';'),
            ("a\tb\tc\n1\tx, y\tz\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("1 31 2.5 1260759144\n2 31 4.0 835355493\n", b' '),
            ("user_id,item_id,occurred_at\nu1,i1,2022-06-24 21:20:11\n", b','),
            ("item_id,title,genres\n1,\"A; B; C\",x|y|z\n2,D,x|y\n", b','),
            ("u1,i1,2026-06-01T08:00:00Z\n", b','),
            ("user_id\n", b','),
        ];
        for (sample, expected) in cases {
            assert_eq!(separator(sample), Separator::Byte(expected), "{sample}");
        }
        assert_eq!(separator("1::31::2.5::978300760\n2::10::1::978300761\n"), Separator::TwoColons);
    }

    #[test]
    fn quotes_and_escapes_are_recognised() {
        let single = recognise("a,b\n'x,y',1\n'z',2\n", None, None);
        assert_eq!(single.quote, Some(b'\''));
        let escaped = recognise("a,b\n\"x \\\"y\\\", z\",1\n", None, None);
        assert!(escaped.has_backslashes && escaped.quote == Some(b'"'));
        let row = sample_rows("a,b\n\"x \\\"y\\\", z\",1\n", escaped).remove(1);
        assert_eq!(&row[0], b"x \"y\", z");
        assert_eq!(recognise("a,b\n\"x,1\n", None, Some(None)).quote, None);
    }

    #[test]
    fn a_separator_is_named_by_itself_or_in_words() {
        assert_eq!(separator_named("tab").unwrap(), Separator::Byte(b'\t'));
        assert_eq!(separator_named("^").unwrap(), Separator::Byte(b'^'));
        assert_eq!(separator_named("::").unwrap(), Separator::TwoColons);
        assert!(separator_named("ab").is_err());
    }
}
