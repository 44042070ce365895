//! Line ends: CR, CRLF and LF become LF, and the last line gets one. And a bound on how
//! much one row may take, so that a quote that is never closed cannot swallow a file.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Most bytes of one row: far beyond what its fields may hold, and little memory.
pub(crate) const MAX_ROW_BYTES: usize = 1024 * 1024;

/// What stands between the parts of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// One character.
    Byte(u8),
    /// Two colons, as in MovieLens' `ratings.dat`.
    TwoColons,
}

/// A byte that no text has, in the place of two colons.
pub(crate) const UNIT_SEPARATOR: u8 = 0x1f;

/// How many bytes were read since a row began; shared by the reader and who reads rows.
#[derive(Clone, Default)]
pub(crate) struct RowLength(Rc<Cell<usize>>);

impl RowLength {
    /// A row has ended.
    pub(crate) fn restart(&self) {
        self.0.set(0);
    }
}

/// Reads a text with every line end as LF.
pub(crate) struct LineEnds<R> {
    inner: R,
    length: RowLength,
    /// A byte that was read and can only be judged by the one after it.
    pending: Option<u8>,
    last: u8,
    joins_colons: bool,
}

impl<R: Read> LineEnds<R> {
    /// Reads `inner`, whose rows are told to `length`.
    pub(crate) fn new(inner: R, length: RowLength, separator: Separator) -> Self {
        let joins_colons = separator == Separator::TwoColons;
        Self { inner, length, pending: None, last: b'\n', joins_colons }
    }

    /// What becomes of `byte` after `pending`: the byte to give out, if any.
    fn step(&mut self, byte: u8) -> Option<u8> {
        match (self.pending.take(), byte) {
            (Some(b'\r'), b'\n') => Some(b'\n'),
            (Some(b':'), b':') if self.joins_colons => Some(UNIT_SEPARATOR),
            (before, _) => {
                let waits = byte == b'\r' || (byte == b':' && self.joins_colons);
                if waits {
                    self.pending = Some(byte);
                }
                let given = if waits { None } else { Some(byte) };
                // One byte was held back and is given now, and this one held or given.
                match (before, given) {
                    (None, given) => given,
                    (Some(before), None) => Some(line_end(before)),
                    (Some(before), Some(_)) => {
                        self.pending = Some(byte);
                        Some(line_end(before))
                    }
                }
            }
        }
    }
}

fn line_end(byte: u8) -> u8 {
    if byte == b'\r' { b'\n' } else { byte }
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.length.0.get() > MAX_ROW_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row is longer than 1 MiB: is a quote not closed? (--quote none takes quotes as text)",
            ));
        }
        loop {
            let read = self.inner.read(buffer)?;
            if read == 0 {
                return Ok(self.end(buffer));
            }
            self.length.0.set(self.length.0.get() + read);
            let is_plain = self.pending.is_none()
                && memchr::memchr(b'\r', &buffer[..read]).is_none()
                && !(self.joins_colons && memchr::memchr(b':', &buffer[..read]).is_some());
            if is_plain {
                self.last = buffer[read - 1];
                return Ok(read);
            }
            let mut kept = 0;
            for at in 0..read {
                if let Some(byte) = self.step(buffer[at]) {
                    buffer[kept] = byte;
                    self.last = byte;
                    kept += 1;
                }
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

impl<R> LineEnds<R> {
    fn end(&mut self, buffer: &mut [u8]) -> usize {
        let byte = match self.pending.take() {
            Some(byte) => line_end(byte),
            None if self.last == b'\n' => return 0,
            None => b'\n',
        };
        buffer[0] = byte;
        self.last = byte;
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives as many bytes at a time as it is told.
    struct Chunks<'a>(&'a [u8], usize);

    impl Read for Chunks<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(text: &str, chunk: usize, separator: Separator) -> String {
        let mut reader =
            LineEnds::new(Chunks(text.as_bytes(), chunk), RowLength::default(), separator);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        read
    }

    #[test]
    fn every_line_end_becomes_one_and_the_last_line_has_one() {
        for chunk in 1..8 {
            for (text, expected) in [
                ("a\r\nb\rc\nd", "a\nb\nc\nd\n"),
                ("a\r\r\n\nb\r", "a\n\n\nb\n"),
                ("\ra", "\na\n"),
                ("a\n", "a\n"),
                ("", ""),
                ("a:b::c", "a:b::c\n"),
            ] {
                assert_eq!(read(text, chunk, Separator::Byte(b',')), expected, "{text:?} {chunk}");
            }
        }
    }

    #[test]
    fn two_colons_become_one_separator_and_one_colon_stays() {
        for chunk in 1..8 {
            let read = read("1::a:b::5\r\n2:::3", chunk, Separator::TwoColons);
            assert_eq!(read.replace('\u{1f}', "|"), "1|a:b|5\n2|:3\n", "{chunk}");
        }
    }

    #[test]
    fn a_row_without_an_end_is_an_error_and_not_all_the_memory() {
        let text = "a".repeat(2 * MAX_ROW_BYTES);
        let length = RowLength::default();
        let mut reader = LineEnds::new(text.as_bytes(), length, Separator::Byte(b','));
        assert!(reader.read_to_end(&mut Vec::new()).unwrap_err().to_string().contains("--quote"));
    }
}
