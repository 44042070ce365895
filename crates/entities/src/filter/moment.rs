//! Dates and times as filters and attributes write them, and days between them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use rust_decimal::Decimal;

/// Nanoseconds of a day in UTC, which has no leap seconds.
pub(super) const DAY: i128 = 86_400_000_000_000;
/// What a text that is no moment should have been.
pub(super) const RULE: &str =
    "a date such as \"2026-11-01\" or a time such as \"2026-11-01T08:00:00Z\"";

/// Midnight of a date (`2026-11-01`) in UTC.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    // jiff would take a time behind the date, and drop it; and signs and more digits for the year.
    let is_date = text.len() == 10 && text.bytes().enumerate().all(is_of_date);
    let date: Date = is_date.then(|| text.parse().ok())??;
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

fn is_of_date((place, byte): (usize, u8)) -> bool {
    if place == 4 || place == 7 { byte == b'-' } else { byte.is_ascii_digit() }
}

/// An instant as RFC 3339 writes it, with its offset from UTC.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    // RFC 3339 knows no name of a time zone, which jiff would skip.
    (!text.contains('[')).then(|| text.parse().ok())?
}

/// A date or an instant.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    date(text).or_else(|| timestamp(text))
}

/// Days from one instant to a later one, both in nanoseconds: 28 digits of them, which is
/// exact to the nanosecond. Negative where the second is earlier.
pub(super) fn days_between(from: i128, to: i128) -> Option<Decimal> {
    let nanoseconds = Decimal::try_from_i128_with_scale(to - from, 0).ok()?;
    nanoseconds.checked_div(Decimal::try_from_i128_with_scale(DAY, 0).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_midnights_in_utc_and_times_need_an_offset() {
        let instant = |text: &str| moment(text).map(|at| at.to_string());
        assert_eq!(instant("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(instant("2026-11-01T08:30:00.5+08:00").unwrap(), "2026-11-01T00:30:00.5Z");
        for wrong in [
            "",
            "2026-11-31",
            "20261101",
            "2026-11-01 ",
            "2026-11-01T08:00:00",
            "1.11.2026",
            "+002026-11-01",
            "2026-11-01T08:00:00+08:00[Asia/Shanghai]",
            "课课课-",
        ] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
        assert!(date("2026-11-01T08:00:00Z").is_none() && timestamp("2026-11-01").is_none());
    }

    #[test]
    fn days_are_exact_to_the_nanosecond() {
        assert_eq!(days_between(0, 36 * 3_600_000_000_000), Some(Decimal::new(15, 1)));
        assert_eq!(days_between(DAY, 0), Some(Decimal::NEGATIVE_ONE));
        let longest = Timestamp::MAX.as_nanosecond() - Timestamp::MIN.as_nanosecond();
        let (whole, less) = (days_between(0, longest), days_between(0, longest - 1));
        assert!(less.unwrap() < whole.unwrap());
    }
}
