//! Decimals as callers write them: a text, or a JSON number that is taken exactly.
//!
//! A JSON number arrives as a binary floating-point number of 64 bits. Any decimal of
//! up to [`EXACT_DIGITS`] digits is the shortest text that reads back as its number, so
//! that text is what the caller wrote. A number that needs more is refused rather than
//! changed, be it that so many digits are written (0.1000000000000000055, which is 0.1 to
//! most readers: [`crate::json_text`] sees it before it is read) or that they are needed.
//! As text, every digit counts.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// Decimal digits that a number of 64 bits always keeps (`DBL_DIG` of C).
pub const EXACT_DIGITS: usize = 15;

/// Reads a decimal from a text or a number.
///
/// # Errors
/// When it is neither, or cannot be taken exactly.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    deserializer.deserialize_any(Exact)
}

/// Reads a decimal from a text or a number, or none from null.
///
/// # Errors
/// As for [`exact`].
pub fn exact_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Decimal>, D::Error> {
    #[derive(Deserialize)]
    struct Taken(#[serde(deserialize_with = "exact")] Decimal);
    Ok(Option::<Taken>::deserialize(deserializer)?.map(|taken| taken.0))
}

struct Exact;

impl Visitor<'_> for Exact {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a decimal as text, or a number of at most {EXACT_DIGITS} digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::from_str_exact(text)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(number.into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        shortest(number)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Float(number), &self))
    }
}

/// The decimal that a number was written as; `None` when more than one may have
/// been meant, or it is beyond what a decimal holds.
fn shortest(number: f64) -> Option<Decimal> {
    // Whole numbers come as such; one that is too large for that has lost digits.
    if number.abs() >= 1e15 {
        return None;
    }
    let text = number.to_string();
    let digits = text.chars().filter(char::is_ascii_digit).collect::<String>();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.len() > EXACT_DIGITS {
        return None;
    }
    Decimal::from_str_exact(&text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    #[derive(Debug, Deserialize)]
    struct Priced {
        #[serde(default, deserialize_with = "exact_option")]
        price: Option<Decimal>,
    }

    fn read(json: &str) -> Result<Option<String>, String> {
        let priced: Result<Priced, _> =
            json::from_slice(format!("{{\"price\":{json}}}").as_bytes());
        priced.map(|priced| priced.price.map(|price| price.to_string())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_text_or_a_number_is_taken_exactly_or_refused() {
        for (json, expected) in [
            ("\"19.90\"", "19.90"),
            ("19.90", "19.9"),
            ("3", "3"),
            ("-0.01", "-0.01"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e-7", "0.0000001"),
            ("123456789012.345", "123456789012.345"),
            ("\"12345678901234567890.0100\"", "12345678901234567890.0100"),
        ] {
            assert_eq!(read(json), Ok(Some(expected.into())), "{json}");
        }
        assert_eq!(read("null"), Ok(None));
        for refused in [
            "0.12345678901234567",
            "1e300",
            "1e400",
            "0.1000000000000000055511151231257827",
            "19.900000000000000001",
            "\"0.1000000000000000055511151231257827\"",
            "\"79228162514264337593543950336\"",
            "100000000000000000001",
            "true",
            "[]",
            "\"NaN\"",
            "\"1,5\"",
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn every_number_of_up_to_15_digits_is_taken_exactly(
            digits in 0_u64..1_000_000_000_000_000, places in 0_u32..=15,
        ) {
            let written = Decimal::from_i128_with_scale(digits.into(), places);
            let read = read(&written.to_string()).unwrap().unwrap();
            prop_assert_eq!(read.parse::<Decimal>().unwrap(), written);
        }
    }
}
