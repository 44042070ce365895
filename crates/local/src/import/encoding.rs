//! The encoding of a text: recognised from its first bytes, or named.

use std::io::{self, Read};

use anyhow::{Context, Result};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

use super::peek::peek;

/// Bytes from which the encoding is recognised. What comes later and is no text of that
/// encoding is refused row by row, with the option that helps.
const SAMPLE: usize = 256 * 1024;

/// A text as UTF-8, and what it was before.
pub(crate) struct Decoded<'a> {
    /// The text. Bytes that are no UTF-8 are passed on where the text was taken for
    /// UTF-8, and are U+FFFD where it was decoded.
    pub(crate) reader: Box<dyn Read + 'a>,
    /// Its encoding before.
    pub(crate) encoding: &'static Encoding,
}

/// Finds an encoding by any of its usual names.
///
/// # Errors
/// When there is none of that name.
pub(crate) fn named(label: &str) -> Result<&'static Encoding> {
    let alias = if label.eq_ignore_ascii_case("utf-16") { "utf-16le" } else { label };
    Encoding::for_label(alias.as_bytes()).with_context(|| {
        format!("there is no encoding {label}; utf-8, utf-16le, windows-1252, gb18030 are some")
    })
}

/// Turns a text into UTF-8 without its byte order mark.
///
/// # Errors
/// When its beginning cannot be read.
pub(crate) fn decoded<'a>(
    reader: Box<dyn Read + 'a>,
    chosen: Option<&'static Encoding>,
) -> io::Result<Decoded<'a>> {
    let (sample, mut whole) = peek(reader, SAMPLE);
    let is_whole = sample.len() < SAMPLE;
    let mark = Encoding::for_bom(&sample);
    let encoding = mark
        .map(|(encoding, _)| encoding)
        .or(chosen)
        .unwrap_or_else(|| recognised(&sample, is_whole));
    if encoding == UTF_8 {
        if let Some((_, length)) = mark {
            whole.read_exact(&mut vec![0; length])?;
        }
        return Ok(Decoded { reader: whole, encoding });
    }
    let decoder = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(whole);
    Ok(Decoded { reader: Box::new(decoder), encoding })
}

fn recognised(sample: &[u8], is_whole: bool) -> &'static Encoding {
    if let Some(encoding) = utf_16_without_mark(sample) {
        return encoding;
    }
    match std::str::from_utf8(sample) {
        Ok(_) => return UTF_8,
        // A character that the sample cuts in two is no fault.
        Err(error) if !is_whole && error.error_len().is_none() => return UTF_8,
        Err(_) => {}
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, is_whole);
    detector.guess(None, Utf8Detection::Deny)
}

/// In UTF-16, separators and digits have a zero byte, always on the same side.
fn utf_16_without_mark(sample: &[u8]) -> Option<&'static Encoding> {
    let zeros = |offset: usize| {
        let bytes = sample.iter().skip(offset).step_by(2);
        bytes.clone().filter(|byte| **byte == 0).count() * 4 > bytes.count()
    };
    match (zeros(0), zeros(1)) {
        (true, false) => Some(UTF_16BE),
        (false, true) => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], chosen: Option<&'static Encoding>) -> (String, &'static str) {
        let mut decoded = decoded(Box::new(bytes), chosen).unwrap();
        let mut text = Vec::new();
        decoded.reader.read_to_end(&mut text).unwrap();
        (String::from_utf8_lossy(&text).into_owned(), decoded.encoding.name())
    }

    const TEXT: &str = "user_id,item_id\nu1,café\nu2,naïve\n";

    #[test]
    fn usual_encodings_are_recognised_and_decoded() {
        let utf_16 = |big: bool, mark: bool| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(TEXT.encode_utf16());
            units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        let latin_1 = encoding_rs::WINDOWS_1252.encode(TEXT).0.into_owned();
        let cases = [
            (TEXT.as_bytes().to_vec(), "UTF-8"),
            ([b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), "UTF-8"),
            (utf_16(false, true), "UTF-16LE"),
            (utf_16(true, true), "UTF-16BE"),
            (utf_16(false, false), "UTF-16LE"),
            (utf_16(true, false), "UTF-16BE"),
            (latin_1, "windows-1252"),
        ];
        for (bytes, name) in cases {
            assert_eq!(read(&bytes, None), (TEXT.to_owned(), name));
        }
        let chinese =
            "用户,课程,时间\n张三,家庭预算入门,2026-06-01\n李四,高效汇报与职场写作,2026-06-02\n";
        let bytes = encoding_rs::GB18030.encode(chinese).0.into_owned();
        let (text, name) = read(&bytes, None);
        assert_eq!(text, chinese);
        assert!(["GBK", "gb18030"].contains(&name), "{name}");
    }

    #[test]
    fn a_named_encoding_holds_unless_a_mark_says_otherwise() {
        let bytes = encoding_rs::WINDOWS_1251.encode("Привет").0.into_owned();
        assert_eq!(read(&bytes, Some(named("windows-1251").unwrap())).0, "Привет");
        assert_eq!(read(b"\xef\xbb\xbfa", Some(named("latin1").unwrap())).0, "a");
        assert!(named("klingon").unwrap_err().to_string().contains("gb18030"));
    }

    #[test]
    fn a_character_cut_by_the_sample_is_no_fault() {
        let long = format!("{}é", "a".repeat(SAMPLE - 1));
        assert_eq!(read(long.as_bytes(), None), (long.clone(), "UTF-8"));
    }
}
