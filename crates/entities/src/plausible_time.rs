//! Which times a caller can mean: a year in thousands too many is a unit mistaken
//! (milliseconds read as seconds), and a time without end is none: it is left out.

use jiff::Timestamp;

/// The first instant that cannot be meant: 2200-01-01T00:00:00Z.
const END: Timestamp = Timestamp::constant(7_258_118_400, 0);

/// The rule in words, for what was stated.
pub const RULE: &str = "must lie in the years from 1970 to 2199";

/// Whether a time can be meant: from 1970 to 2199.
#[must_use]
pub fn is_plausible(time: Timestamp) -> bool {
    (Timestamp::UNIX_EPOCH..END).contains(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_from_1970_to_2199_can_be_meant() {
        for (time, expected) in [
            ("1969-12-31T23:59:59Z", false),
            ("1970-01-01T00:00:00Z", true),
            ("2199-12-31T23:59:59.999Z", true),
            ("2200-01-01T00:00:00Z", false),
            ("9999-12-30T00:00:00Z", false),
            ("-000001-01-01T00:00:00Z", false),
        ] {
            assert_eq!(is_plausible(time.parse().unwrap()), expected, "{time}");
        }
    }
}
