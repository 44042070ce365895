//! Looking at the beginning of a text without taking it away.

use std::io::{self, Cursor, ErrorKind, Read};

/// Bytes to read at a time.
const CHUNK: usize = 16 * 1024;

/// The first bytes, at most `most`, and a reader of all of them as if none had been read.
/// Where reading fails, the reader fails in the same place.
pub(crate) fn peek<'a>(
    mut reader: Box<dyn Read + 'a>,
    most: usize,
) -> (Vec<u8>, Box<dyn Read + 'a>) {
    let mut head = Vec::new();
    let mut failure = None;
    while head.len() < most {
        let start = head.len();
        head.resize(most.min(start + CHUNK), 0);
        let read = reader.read(&mut head[start..]);
        head.truncate(start + read.as_ref().copied().unwrap_or_default());
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let rest: Box<dyn Read + 'a> = match failure {
        Some(failure) => Box::new(Failing(Some(failure))),
        None => reader,
    };
    (head.clone(), Box::new(Cursor::new(head).chain(rest)))
}

/// Fails once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_still_there_and_so_is_the_failure() {
        let (head, mut whole) = peek(Box::new(&b"abcdef"[..]), 3);
        let mut text = String::new();
        whole.read_to_string(&mut text).unwrap();
        assert_eq!((head.as_slice(), text.as_str()), (&b"abc"[..], "abcdef"));

        let failing = Failing(Some(io::Error::other("cut off")));
        let (head, mut whole) = peek(Box::new((&b"ab"[..]).chain(failing)), 9);
        assert_eq!(head, b"ab");
        let mut bytes = Vec::new();
        assert_eq!(whole.read_to_end(&mut bytes).unwrap_err().to_string(), "cut off");
        assert_eq!(bytes, b"ab");
    }
}
