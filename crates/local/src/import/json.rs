//! Rows of JSON: an object a line, an array of objects, or an object that holds such an
//! array, as the API's own bodies do.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::delimited::MAX_COLUMNS;
use super::item_rows::OFFER;
use super::line_ends::MAX_ROW_BYTES;
use super::row::{Cell, Fault, Row};

/// Members that hold the rows where a document is one object.
const WRAPPERS: [&str; 9] =
    ["events", "items", "users", "interactions", "feedback", "data", "records", "rows", "results"];
/// Objects inside one another whose members become columns (`properties.item_id`).
const MAX_DEPTH: usize = 3;

/// How the objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    /// In an array, with commas; or one after another.
    Elements,
}

/// The rows of a JSON text.
pub(crate) struct JsonRows<'a> {
    text: BufReader<Box<dyn Read + 'a>>,
    layout: Layout,
    description: String,
    columns: Vec<String>,
    line: u64,
    ended: bool,
}

impl<'a> JsonRows<'a> {
    /// Whether a text begins as JSON does.
    pub(crate) fn is_json(sample: &[u8]) -> bool {
        matches!(sample.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'[' | b'{'))
    }

    /// Finds where the rows begin.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub(crate) fn open(text: Box<dyn Read + 'a>) -> Result<Self> {
        let mut text = BufReader::with_capacity(64 * 1024, text);
        let start = text.fill_buf()?;
        let at = start.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
        let (layout, skip, description) = match start.get(at) {
            Some(b'[') => (Layout::Elements, at + 1, "JSON array".to_owned()),
            _ if has_whole_object_in_line(&start[at..]) => {
                (Layout::Lines, 0, "JSON lines".to_owned())
            }
            _ => match wrapper(&start[at..]) {
                Some((member, length)) => (
                    Layout::Elements,
                    at + length,
                    format!("JSON object with the rows in {member:?}"),
                ),
                None => (Layout::Elements, at, "JSON objects".to_owned()),
            },
        };
        let line = 1 + start[..skip].iter().filter(|byte| **byte == b'\n').count() as u64;
        text.consume(skip);
        Ok(Self { text, layout, description, columns: Vec::new(), line, ended: false })
    }

    /// What was recognised, in words.
    pub(crate) fn description(&self) -> String {
        self.description.clone()
    }

    /// The names of the columns that were met so far.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row.
    ///
    /// # Errors
    /// When the text cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Row>> {
        let (line, bytes) = match self.layout {
            Layout::Lines => self.next_line()?,
            Layout::Elements => self.next_element()?,
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        self.row(line, &bytes).map(Some)
    }

    /// The next line that is not blank; empty at the end.
    fn next_line(&mut self) -> Result<(u64, Vec<u8>)> {
        loop {
            let mut bytes = Vec::new();
            let line = self.line;
            self.text
                .by_ref()
                .take(MAX_ROW_BYTES as u64 + 1)
                .read_until(b'\n', &mut bytes)
                .with_context(|| format!("the file cannot be read beyond line {line}"))?;
            if bytes.is_empty() {
                return Ok((line, bytes));
            }
            check_length(&bytes, line)?;
            self.line += 1;
            if !bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok((line, bytes));
            }
        }
    }

    /// The next element of the array; empty at its end.
    fn next_element(&mut self) -> Result<(u64, Vec<u8>)> {
        let mut scan = ElementScan::default();
        let mut first_line = self.line;
        loop {
            let line = self.line;
            let buffer = self
                .text
                .fill_buf()
                .with_context(|| format!("the file cannot be read beyond line {line}"))?;
            if buffer.is_empty() || self.ended {
                if !scan.bytes.is_empty() {
                    bail!("line {first_line}: the file ends within an object that began here");
                }
                return Ok((line, Vec::new()));
            }
            let mut used = 0;
            let mut done = false;
            for byte in buffer {
                used += 1;
                if *byte == b'\n' {
                    self.line += 1;
                }
                match scan.push(*byte) {
                    Scanned::Began => first_line = self.line,
                    Scanned::Ended => done = true,
                    Scanned::ArrayEnded => {
                        self.ended = true;
                        done = true;
                    }
                    Scanned::More => {}
                }
                if done {
                    break;
                }
            }
            self.text.consume(used);
            check_length(&scan.bytes, first_line)?;
            if done {
                return Ok((first_line, scan.bytes));
            }
        }
    }

    fn row(&mut self, line: u64, bytes: &[u8]) -> Result<Row> {
        let text = String::from_utf8_lossy(bytes);
        // From the bytes: what is no UTF-8 is an error, and not another text.
        let object: Object<'_> = match serde_json::from_slice(bytes) {
            Ok(object) => object,
            Err(error) => {
                let mut kind = format!("the row is no JSON object: {error}");
                if text.contains("NaN") {
                    kind.push_str(" (NaN is no JSON: write null)");
                }
                if std::str::from_utf8(bytes).is_err() {
                    kind =
                        "the row is no UTF-8 text: name the file's encoding with --encoding".into();
                }
                let cells = vec![Cell::Json(text.trim().to_owned())];
                return Ok(Row { line, cells, fault: Some(Fault::of_row(kind)) });
            }
        };
        let mut row = Row { line, cells: vec![Cell::Missing; self.columns.len()], fault: None };
        self.fill(&mut row, "", object, 0)?;
        Ok(row)
    }

    fn fill(
        &mut self,
        row: &mut Row,
        prefix: &str,
        object: Object<'_>,
        depth: usize,
    ) -> Result<()> {
        for (name, value) in object.0 {
            let name = format!("{prefix}{name}");
            let raw = value.get();
            // An offer is one thing, of which nothing may be lost.
            if raw.starts_with('{') && depth < MAX_DEPTH && name != OFFER {
                let object = serde_json::from_str(raw)?;
                self.fill(row, &format!("{name}."), object, depth + 1)?;
                continue;
            }
            let at = self.column(name)?;
            if row.cells.len() <= at {
                row.cells.resize(at + 1, Cell::Missing);
            }
            row.cells[at] = cell(raw);
        }
        Ok(())
    }

    fn column(&mut self, name: String) -> Result<usize> {
        if let Some(at) = self.columns.iter().position(|column| *column == name) {
            return Ok(at);
        }
        if self.columns.len() == MAX_COLUMNS {
            bail!("line {}: the objects have more than {MAX_COLUMNS} different members", self.line);
        }
        self.columns.push(name);
        Ok(self.columns.len() - 1)
    }
}

fn check_length(bytes: &[u8], line: u64) -> Result<()> {
    if bytes.len() > MAX_ROW_BYTES {
        bail!("line {line}: an object is longer than 1 MiB");
    }
    Ok(())
}

fn has_whole_object_in_line(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Object<'_>>(line) {
        // The only one, and it holds the rows: an API's body in one line.
        Ok(_) => wrapper(text).is_none() || !text[line.len()..].trim_ascii().is_empty(),
        // JSON but for one value, such as NaN: still a line.
        Err(error) => {
            error.is_syntax() && line.trim_ascii_end().ends_with(b"}") && wrapper(text).is_none()
        }
    }
}

/// The member that holds the rows of a document that is one object, and how many bytes
/// stand before the first of them.
fn wrapper(text: &[u8]) -> Option<(&'static str, usize)> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut key_start = 0;
    for (at, byte) in text.iter().enumerate() {
        if in_string {
            match (escaped, byte) {
                (false, b'\\') => escaped = true,
                (false, b'"') => in_string = false,
                _ => escaped = false,
            }
            continue;
        }
        match byte {
            b'"' => {
                in_string = true;
                key_start = at + 1;
            }
            b'[' if depth == 1 => {
                let before = &text[key_start..at];
                let member = WRAPPERS.into_iter().find(|name| {
                    before.strip_prefix(name.as_bytes()).is_some_and(|rest| {
                        rest.iter().all(|b| b.is_ascii_whitespace() || b"\":".contains(b))
                    })
                });
                let holds_objects = text[at + 1..]
                    .iter()
                    .find(|byte| !byte.is_ascii_whitespace())
                    .is_some_and(|byte| *byte == b'{');
                if let (Some(member), true) = (member, holds_objects) {
                    return Some((member, at + 1));
                }
                depth += 1;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// Finds the end of one element.
#[derive(Default)]
struct ElementScan {
    bytes: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

enum Scanned {
    More,
    Began,
    Ended,
    ArrayEnded,
}

impl ElementScan {
    fn push(&mut self, byte: u8) -> Scanned {
        if self.bytes.is_empty() {
            return match byte {
                b']' => Scanned::ArrayEnded,
                b',' => Scanned::More,
                _ if byte.is_ascii_whitespace() => Scanned::More,
                _ => {
                    self.bytes.push(byte);
                    self.in_string = byte == b'"';
                    self.depth = usize::from(byte == b'{' || byte == b'[');
                    Scanned::Began
                }
            };
        }
        if self.in_string {
            self.bytes.push(byte);
            match (self.escaped, byte) {
                (false, b'\\') => self.escaped = true,
                (false, b'"') => self.in_string = false,
                _ => self.escaped = false,
            }
            return Scanned::More;
        }
        match byte {
            // What is no object ends at the comma; the row is refused as none.
            b',' | b']' if self.depth == 0 => return Scanned::Ended,
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.bytes.push(byte);
        if self.depth == 0 && matches!(byte, b'}' | b']') { Scanned::Ended } else { Scanned::More }
    }
}

/// An object's members in their order, each as it is written.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

fn cell(raw: &str) -> Cell {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map_or_else(|_| Cell::Json(raw.into()), Cell::Text),
        Some(b't') => Cell::Bool(true),
        Some(b'f') => Cell::Bool(false),
        Some(b'n') => Cell::Missing,
        Some(b'[') => list(raw).map_or_else(|| Cell::Json(raw.into()), Cell::List),
        Some(b'{') | None => Cell::Json(raw.into()),
        Some(_) => Cell::Number(plain_number(raw)),
    }
}

/// `31.0`, as programs write whole numbers that passed through a float, is 31.
fn plain_number(raw: &str) -> String {
    match raw.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole.to_owned(),
        _ => raw.to_owned(),
    }
}

/// A list of texts and numbers. Lists in lists are not looked into: they may be as deep as
/// a row is long.
fn list(raw: &str) -> Option<Vec<String>> {
    let values: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    let texts = values.into_iter().map(|value| match value.get() {
        list if list.starts_with('[') => None,
        value => match cell(value) {
            Cell::Text(text) | Cell::Number(text) => Some(text),
            _ => None,
        },
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<Row>) {
        let mut rows = JsonRows::open(Box::new(text.as_bytes())).unwrap();
        let read = std::iter::from_fn(|| rows.next().unwrap()).collect();
        (rows.columns().to_vec(), read)
    }

    #[test]
    fn lines_arrays_and_wrapped_arrays_give_the_same_rows() {
        let (a, b) = (r#"{"user_id": "1", "n": 2.50}"#, r#"{"user_id": "2", "list": ["x", "y"]}"#);
        let pretty = "{\n \"user_id\": \"1\",\n \"n\": 2.50}";
        let cases = [
            (format!("{a}\n\n{b}\n"), [1, 3]),
            (format!("[{a},\n{b}]"), [1, 2]),
            (format!("\n[\n{a}\n,\n{b}\n]\n"), [3, 5]),
            (format!(r#"{{"domain": "d", "events": [{a}, {b}]}}"#), [1, 1]),
            (format!("{{\n\"items\":\n[{a},\n{b}]}}"), [3, 4]),
            (format!("{pretty}\n{b}"), [1, 4]),
        ];
        for (text, lines) in cases {
            let (columns, rows) = read(&text);
            assert_eq!(columns, ["user_id", "n", "list"], "{text}");
            assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), lines, "{text}");
            assert_eq!(rows[0].cells[..2], [Cell::Text("1".into()), Cell::Number("2.50".into())]);
            assert_eq!(*rows[1].cell(2), Cell::List(vec!["x".into(), "y".into()]));
            assert_eq!(*rows[1].cell(1), Cell::Missing);
        }
    }

    #[test]
    fn objects_in_objects_become_columns_and_whole_numbers_stay_whole() {
        let (columns, rows) = read(r#"{"p": {"item": {"id": 31.0}}, "flag": true, "none": null}"#);
        assert_eq!(columns, ["p.item.id", "flag", "none"]);
        assert_eq!(rows[0].cells, [Cell::Number("31".into()), Cell::Bool(true), Cell::Missing]);
    }

    #[test]
    fn lists_and_objects_may_be_as_deep_as_a_row_is_long() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let depth = MAX_ROW_BYTES / (open.len() + close.len()) - 100;
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for text in [format!("[{{\"deep\":{value}}}]"), format!("{{\"deep\":{value}}}\n")] {
                let (_, rows) = read(&text);
                assert!(rows.len() == 1 && rows[0].fault.is_none(), "{open}");
            }
        }
    }

    #[test]
    fn a_line_that_is_no_object_is_refused_alone() {
        let (_, rows) = read("{\"a\": 1}\n{\"a\": NaN}\n[1]\n{\"a\": 2\n{\"a\": 3}");
        let faults: Vec<bool> = rows.iter().map(|row| row.fault.is_some()).collect();
        assert_eq!(faults, [false, true, true, true, false]);
        let fault = rows[1].fault.as_ref().unwrap();
        assert!(fault.kind.contains("NaN is no JSON"), "{}", fault.kind);
        let (_, rows) = read(r#"{"item_id":"31","title":"A","price":NaN}"#);
        assert!(rows[0].fault.is_some());
        let (_, rows) = read(r#"[{"a": 1}, 7, "x", {"a": 2}]"#);
        assert_eq!(rows.iter().filter(|row| row.fault.is_some()).count(), 2);
    }

    #[test]
    fn an_order_with_lines_of_its_own_is_a_row() {
        let (columns, rows) =
            read("{\"user\": \"1\", \"items\": [{\"id\": 1}]}\n{\"user\": \"2\", \"items\": []}\n");
        assert_eq!((columns.as_slice(), rows.len()), (&["user".into(), "items".into()][..], 2));
    }

    #[test]
    fn a_text_that_ends_within_an_object_is_an_error() {
        let mut rows = JsonRows::open(Box::new(&b"[{\"a\": 1},\n{\"a\": "[..])).unwrap();
        assert!(rows.next().unwrap().is_some());
        assert!(rows.next().unwrap_err().to_string().contains("line 2"));
    }
}
