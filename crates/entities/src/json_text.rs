//! What a JSON text says that is lost as soon as it is read: that a key stands twice in an
//! object, where every reader keeps another one of the two; and the digits of a number that
//! no number of 64 bits holds, which would be rounded.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Objects and lists within one another that are looked into; no reader goes further.
const MAX_DEPTH: usize = 128;

/// Decimal digits that a number of 64 bits always keeps (`DBL_DIG` of C), at exponents
/// that are far from its limits.
const EXACT_DIGITS: usize = 15;
/// Powers of ten that are far from the limits.
const EXACT_EXPONENTS: std::ops::RangeInclusive<i64> = -280..=280;

/// Stands for a number that cannot be read as it is written: no field takes one as large,
/// so it is refused where it is used, with that field's code, and ignored where it is not.
const UNREADABLE: &str = "1.7976931348623157e308";

/// Most values in a text, lists and objects among them: some 50 bytes of memory each, so
/// that a body of 6 MB takes no more than a small function has.
pub const MAX_VALUES: usize = 500_000;

/// Why a text is not read as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A key stands more than once in an object.
    #[error("the key {key:?} stands more than once in an object")]
    DuplicateKey {
        /// The key, or how it begins.
        key: String,
    },
    /// There are more than [`MAX_VALUES`] values.
    #[error("there are more than {MAX_VALUES} values")]
    TooManyValues,
}

/// Characters of a key that are shown.
const SHOWN: usize = 64;

/// A text that is read as it is written: without keys that stand twice, and with
/// a number that no field takes in the place of one that would be rounded.
/// What is wrong with it otherwise is left to its reader.
///
/// # Errors
/// [`Unreadable`].
pub fn as_written(text: &[u8]) -> Result<Cow<'_, [u8]>, Unreadable> {
    let mut open: Vec<Option<BTreeSet<Cow<'_, str>>>> = Vec::new();
    let mut is_key_next = false;
    let (mut rewritten, mut copied) = (Vec::new(), 0);
    let (mut at, mut values) = (0, 0);
    while let Some(sign) = text.get(at) {
        // A value stands behind the beginning of a list or object, or behind a comma.
        values += usize::from(matches!(sign, b'{' | b'[' | b','));
        if values > MAX_VALUES {
            return Err(Unreadable::TooManyValues);
        }
        let begin = at;
        at += 1;
        match sign {
            b'{' => {
                open.push(Some(BTreeSet::new()));
                is_key_next = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => {
                open.pop();
            }
            b',' => is_key_next = true,
            b'"' => {
                let Some(end) = end_of_string(text, at) else { break };
                at = end;
                if let Some(Some(keys)) = open.last_mut()
                    && std::mem::take(&mut is_key_next)
                {
                    let Some(key) = key(&text[begin..end]) else { break };
                    if keys.contains(&key) {
                        let key = key.chars().take(SHOWN).collect();
                        return Err(Unreadable::DuplicateKey { key });
                    }
                    keys.insert(key);
                }
            }
            b'-' | b'0'..=b'9' => {
                at = end_of_number(text, at);
                if is_number(&text[begin..at]) && !is_exact(&text[begin..at]) {
                    rewritten.extend_from_slice(&text[copied..begin]);
                    rewritten.extend_from_slice(UNREADABLE.as_bytes());
                    copied = at;
                }
            }
            _ => {}
        }
        if open.len() > MAX_DEPTH {
            break;
        }
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    rewritten.extend_from_slice(&text[copied..]);
    Ok(Cow::Owned(rewritten))
}

/// Where a string ends, behind its closing sign.
fn end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// A key as it is meant: one that is written with escapes is the same key.
fn key(quoted: &[u8]) -> Option<Cow<'_, str>> {
    if quoted.contains(&b'\\') {
        return serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned);
    }
    let within = quoted.get(1..quoted.len() - 1)?;
    std::str::from_utf8(within).ok().map(Cow::Borrowed)
}

fn end_of_number(text: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = text.get(at) {
        at += 1;
    }
    at
}

/// Whether something is a number as JSON writes it, of whatever size.
fn is_number(written: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(written).is_ok()
}

/// Whether a number is read as the very number that is written.
fn is_exact(written: &[u8]) -> bool {
    let Ok(written) = std::str::from_utf8(written) else { return true };
    if written.parse::<i64>().is_ok() || written.parse::<u64>().is_ok() {
        return true;
    }
    let Some(meant) = Scientific::parse(written) else { return is_zero(written) };
    if meant.digits.len() <= EXACT_DIGITS && EXACT_EXPONENTS.contains(&meant.exponent) {
        return true;
    }
    // What is no number is refused by its reader.
    let Ok(read) = written.parse::<f64>() else { return true };
    // The shortest text that means the number; none is shorter for what is written.
    read.is_finite() && Scientific::parse(&format!("{read:e}")).as_ref() == Some(&meant)
}

/// Whether all that is written before the exponent is zeros.
fn is_zero(written: &str) -> bool {
    let digits = written.split(['e', 'E']).next().unwrap_or_default();
    !digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit))
}

/// A number other than zero, without its sign: `0.d1d2d3… · 10^exponent`, where the first
/// and the last digit are not zero.
#[derive(Debug, PartialEq)]
struct Scientific {
    digits: String,
    exponent: i64,
}

impl Scientific {
    /// None of zero, and of an exponent beyond all measure.
    fn parse(written: &str) -> Option<Self> {
        let written = written.trim_start_matches('-');
        let (mantissa, exponent) = match written.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (written, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let leading_zeros = all.len() - significant.len();
        let digits = significant.trim_end_matches('0').to_owned();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading_zeros).ok()?;
        let exponent = exponent.checked_add(point)?;
        (!digits.is_empty()).then_some(Self { digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duplicate(text: &str) -> Option<String> {
        match as_written(text.as_bytes()) {
            Err(Unreadable::DuplicateKey { key }) => Some(key),
            _ => None,
        }
    }

    #[test]
    fn more_values_than_memory_is_for_are_refused_however_they_are_nested() {
        let half = MAX_VALUES / 2;
        for text in [format!("[{}]", "[],".repeat(half)), "[".repeat(100) + &"0,".repeat(2 * half)]
        {
            assert_eq!(as_written(text.as_bytes()), Err(Unreadable::TooManyValues));
        }
        let many = format!("[{}0]", "0,".repeat(half));
        assert!(as_written(many.as_bytes()).is_ok());
    }

    #[test]
    fn a_key_that_stands_twice_is_found_at_any_depth_and_however_it_is_written() {
        for (text, key) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": 1, "b": [{"c": {"d": 1, "e": 2, "d": 3}}]}"#, "d"),
            (r#"[{"a": 1}, {"a": 1, "\u0061": 2}]"#, "a"),
            (r#"{"课": {}, "x": "a", "课": []}"#, "课"),
            (r#"{"a": {"a": 1}, "b": "\"", "b": 2}"#, "b"),
            (r#"{"": 1, "": 2}"#, ""),
        ] {
            assert_eq!(duplicate(text).as_deref(), Some(key), "{text}");
        }
        for text in [
            r#"{"a": {"a": [{"a": 1}, {"a": 1}]}, "b": "a", "c": "a,\"a\":{"}"#,
            r#"["a", "a", ["a", "a"], {"x": ["b", "b"]}]"#,
            r#"{"a": "b", "b": "a"}"#,
            r#"{"A": 1, "a": 2}"#,
        ] {
            assert_eq!(duplicate(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_to_the_reader() {
        let deep = "[".repeat(100_000);
        let keys = format!(r#"{}{{"a":1,"a":1}}"#, "[".repeat(200));
        for text in ["1.2.3", "00.100000000000000005551", "1e400e", "1.", "1e400.5"] {
            assert_eq!(&*as_written(text.as_bytes()).unwrap(), text.as_bytes());
        }
        for text in ["", "{", r#"{"a"#, r#"{"a\"#, "]]}}", "{,,}", "-", "1e", "--1", &deep, &keys] {
            assert_eq!(as_written(text.as_bytes()).unwrap(), text.as_bytes(), "{text:.20}");
        }
        assert!(as_written(b"{\"\xff\": 1}").is_ok());
    }

    #[test]
    fn a_number_that_would_be_rounded_is_none_that_a_field_takes() {
        for number in [
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999999999999",
            "0.1000000000000000055511151231257827",
            "19.900000000000000001",
            "18446744073709551617",
            "-9223372036854775809",
            "123456789012345678901234567890",
        ] {
            let text = format!(r#"{{"a": [{number}, 1.5], "b": {number}}}"#);
            let read = as_written(text.as_bytes()).unwrap();
            let expected = format!(r#"{{"a": [{UNREADABLE}, 1.5], "b": {UNREADABLE}}}"#);
            assert_eq!(std::str::from_utf8(&read).unwrap(), expected);
        }
        for number in [
            "0",
            "-0",
            "-0.0",
            "0e99999999999999999999",
            "1",
            "19.90",
            "1e3",
            "1E+3",
            "1.50e-7",
            "0.30000000000000004",
            "18446744073709551615",
            "-9223372036854775808",
            "1e20",
            "100000000000000000000",
            "5e-324",
            "1.7976931348623157e308",
            "0.10000000000000000000",
        ] {
            assert_eq!(as_written(number.as_bytes()).unwrap(), number.as_bytes(), "{number}");
        }
        let in_a_text = br#"{"a": "1e400"}"#;
        assert_eq!(*as_written(in_a_text).unwrap(), *in_a_text);
    }

    proptest! {
        #[test]
        fn whatever_writes_numbers_of_64_bits_is_read(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            for text in [number.to_string(), format!("{number:e}"), format!("{number:?}")] {
                prop_assert_eq!(&*as_written(text.as_bytes()).unwrap(), text.as_bytes());
            }
        }

        #[test]
        fn what_is_read_means_what_is_written_or_is_refused(
            digits in "[1-9][0-9]{0,40}", places in 0_usize..40,
        ) {
            let places = places.min(digits.len() - 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let text = if places == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") };
            let read = as_written(text.as_bytes()).unwrap();
            if *read == *text.as_bytes() {
                let number: f64 = text.parse().unwrap();
                let is_meant = Scientific::parse(&format!("{number:e}")) == Scientific::parse(&text);
                prop_assert!(is_meant || text.parse::<u64>().is_ok(), "{} {}", text, number);
            } else {
                prop_assert_eq!(&*read, UNREADABLE.as_bytes());
                prop_assert!(digits.trim_end_matches('0').len() > EXACT_DIGITS);
            }
        }

        #[test]
        fn json_of_any_kind_without_such_keys_and_numbers_stays_as_it_is(
            keys in proptest::collection::btree_map(".{0,6}", any::<i64>(), 0..6),
            texts in proptest::collection::vec(".{0,12}", 0..4),
        ) {
            let text = serde_json::json!({ "keys": keys, "texts": texts }).to_string();
            prop_assert_eq!(&*as_written(text.as_bytes()).unwrap(), text.as_bytes());
        }
    }
}
