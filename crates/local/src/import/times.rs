//! Times as files have them: RFC 3339, numbers since 1970 in any usual unit, and texts with
//! or without a zone.

use anyhow::{Context, Result};
use jiff::civil::{self, DateTime};
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use super::row::Cell;

/// Which of day, month and year comes first in a date of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateOrder {
    /// 24/06/2022.
    DayFirst,
    /// 06/24/2022.
    MonthFirst,
}

/// How a time was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimeForm {
    /// The format itself knows times.
    Native,
    /// A text that names its zone.
    Zoned,
    /// A text without a zone.
    Local,
    /// A date without a time of day.
    Date,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
}

impl TimeForm {
    /// The form in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Native => "times of the format's own",
            Self::Zoned => "texts with a zone",
            Self::Local => "texts without a zone",
            Self::Date => "dates",
            Self::Seconds => "seconds since 1970",
            Self::Milliseconds => "milliseconds since 1970",
            Self::Microseconds => "microseconds since 1970",
            Self::Nanoseconds => "nanoseconds since 1970",
        }
    }

    /// Whether it tells nothing finer than a day.
    pub(crate) fn is_coarse(self) -> bool {
        self == Self::Date
    }
}

/// Formats with a zone beside RFC 3339 and RFC 2822: of web servers, of Go, of Twitter.
const ZONED_FORMATS: [&str; 4] = [
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S%.f %z",
    "%Y/%m/%d %H:%M:%S%.f %z",
    "%a %b %d %H:%M:%S %z %Y",
];
/// Formats with the names of months, and of China. A time of day may follow.
const DATE_FORMATS: [&str; 9] = [
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%b %d %Y",
    "%m %d, %Y",
    "%Y年%m月%d日",
    "%d.%b.%Y",
];

/// Before this, a number is hardly seconds since 1970: 0 stands for what is not known, and
/// spreadsheets count days (44927 is 2023-01-01). In March 1973.
const FIRST_OF_NUMBERS: Timestamp = Timestamp::constant(100_000_000, 0);

/// Reads times.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    zone: TimeZone,
    order: Option<DateOrder>,
}

/// Finds a zone by its name (`Asia/Shanghai`) or offset (`+08:00`).
///
/// # Errors
/// When there is none.
pub(crate) fn zone_named(name: &str) -> Result<TimeZone> {
    if name.starts_with(['+', '-']) {
        let offset = strtime::parse("%:z", name).or_else(|_| strtime::parse("%z", name));
        let seconds = offset.ok().and_then(|offset| offset.offset());
        return seconds
            .map(TimeZone::fixed)
            .with_context(|| format!("{name} is no offset like +08:00"));
    }
    TimeZone::get(name).with_context(|| format!("there is no time zone {name}"))
}

impl TimeReader {
    /// Reads times without a zone in `zone`, and dates of numbers in `order`; without
    /// one, they are not read unless they can only mean one thing.
    pub(crate) fn new(zone: TimeZone, order: Option<DateOrder>) -> Self {
        Self { zone, order }
    }

    /// Reads a time; `None` when the cell is empty.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn read(&self, cell: &Cell) -> Result<Option<(Timestamp, TimeForm)>, &'static str> {
        if let Cell::Time(time) = cell {
            return Ok(Some((*time, TimeForm::Native)));
        }
        let Some(text) = cell.text() else { return Ok(None) };
        let read = match number(&text, &self.zone) {
            Some(found) => found,
            None => self.text(&text),
        };
        let (time, form) = read?;
        if time < Timestamp::UNIX_EPOCH {
            return Err("lies before 1970");
        }
        if form == TimeForm::Seconds && time < FIRST_OF_NUMBERS {
            return Err("is a number too small for a time since 1970 (days of a spreadsheet, or \
                        nothing known?)");
        }
        Ok(Some((time, form)))
    }

    fn text(&self, text: &str) -> Result<(Timestamp, TimeForm), &'static str> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok((time, TimeForm::Zoned));
        }
        let (bare, is_utc) = without_zone(text);
        let zone = if is_utc { &TimeZone::UTC } else { &self.zone };
        let form = if is_utc { TimeForm::Zoned } else { TimeForm::Local };
        if let Some((local, has_time)) = iso(bare).or_else(|| named_month(bare)) {
            let form = if has_time { form } else { TimeForm::Date };
            return Ok((in_zone(local, zone)?, form));
        }
        let zoned = ZONED_FORMATS.iter().find_map(|format| {
            strtime::parse(format, bare).ok().and_then(|parts| parts.to_timestamp().ok())
        });
        if let Some(time) = zoned.or_else(|| rfc2822::parse(text).ok().map(|z| z.timestamp())) {
            return Ok((time, TimeForm::Zoned));
        }
        let Some(parts) = Numeric::parse(bare) else { return Err("is no time that is known") };
        let has_time = parts.time.is_some();
        let local = parts.in_order(self.order)?;
        Ok((in_zone(local, zone)?, if has_time { form } else { TimeForm::Date }))
    }
}

fn in_zone(local: DateTime, zone: &TimeZone) -> Result<Timestamp, &'static str> {
    zone.to_ambiguous_timestamp(local)
        .compatible()
        .map_err(|_| "lies outside of what can be a time")
}

/// Takes away a zone that is written behind a space and means UTC.
fn without_zone(text: &str) -> (&str, bool) {
    for suffix in [" UTC", " GMT", " Z", " utc"] {
        if let Some(bare) = text.strip_suffix(suffix) {
            // Go writes the offset as well.
            return (bare.strip_suffix(" +0000").unwrap_or(bare), true);
        }
    }
    (text, false)
}

/// `2022-06-24 21:20:11`, `2022/06/24`, `2022-06-24T21:20`; whether it has a time of day.
fn iso(text: &str) -> Option<(DateTime, bool)> {
    let bytes = text.as_bytes();
    let separator = *bytes.get(4)?;
    if bytes.len() < 8 || !matches!(separator, b'-' | b'/') || !bytes[0].is_ascii_digit() {
        return None;
    }
    if separator == b'-'
        && let Ok(local) = text.parse::<DateTime>()
    {
        return Some((local, text.len() > 10));
    }
    let parts = Numeric::parse(text)?;
    let has_time = parts.time.is_some();
    Some((parts.in_order(None).ok()?, has_time))
}

fn named_month(text: &str) -> Option<(DateTime, bool)> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_alphabetic() && byte != b',') {
        return None;
    }
    DATE_FORMATS.iter().find_map(|format| {
        let date = |text: &str| strtime::parse(format, text).ok()?.to_date().ok();
        if let Some(date) = date(text) {
            return Some((date.to_datetime(civil::Time::midnight()), false));
        }
        // The time of day is what follows the date: behind the last space but one, when
        // the last part is AM or PM.
        text.match_indices(' ').find_map(|(at, _)| {
            let time = time_of_day(text[at..].trim())?;
            Some((date(text[..at].trim_end_matches(','))?.to_datetime(time), true))
        })
    })
}

/// A number since 1970, in the unit that its size tells; or digits that are a date.
fn number(text: &str, zone: &TimeZone) -> Option<Result<(Timestamp, TimeForm), &'static str>> {
    const OUTSIDE: &str = "lies outside of what can be a time";
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && let Some(local) = compact(text) {
        let form = if text.len() == 8 { TimeForm::Date } else { TimeForm::Local };
        return Some(in_zone(local, zone).map(|time| (time, form)));
    }
    if let Ok(whole) = text.parse::<i64>() {
        let (time, form) = match whole.unsigned_abs() {
            0..100_000_000_000 => (Timestamp::from_second(whole), TimeForm::Seconds),
            100_000_000_000..100_000_000_000_000 => {
                (Timestamp::from_millisecond(whole), TimeForm::Milliseconds)
            }
            100_000_000_000_000..100_000_000_000_000_000 => {
                (Timestamp::from_microsecond(whole), TimeForm::Microseconds)
            }
            _ => (Timestamp::from_nanosecond(whole.into()), TimeForm::Nanoseconds),
        };
        return Some(time.map(|time| (time, form)).map_err(|_| OUTSIDE));
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let (milliseconds, form) = match number.abs() {
        seconds if seconds < 1e11 => (number * 1e3, TimeForm::Seconds),
        milliseconds if milliseconds < 1e14 => (number, TimeForm::Milliseconds),
        microseconds if microseconds < 1e17 => (number / 1e3, TimeForm::Microseconds),
        _ => (number / 1e6, TimeForm::Nanoseconds),
    };
    let time = Timestamp::from_millisecond(milliseconds.round() as i64);
    Some(time.map(|time| (time, form)).map_err(|_| OUTSIDE))
}

/// `20220624` and `20220624212011`: as seconds and milliseconds they would lie in 1970 and
/// in the next centuries.
fn compact(text: &str) -> Option<DateTime> {
    if !text.starts_with("19") && !text.starts_with("20") {
        return None;
    }
    let part = |from: usize, to: usize| text[from..to].parse::<i8>().ok();
    let date = || civil::Date::new(text[..4].parse().ok()?, part(4, 6)?, part(6, 8)?).ok();
    match text.len() {
        8 => Some(date()?.to_datetime(civil::Time::midnight())),
        14 => {
            let time = civil::Time::new(part(8, 10)?, part(10, 12)?, part(12, 14)?, 0).ok()?;
            Some(date()?.to_datetime(time))
        }
        _ => None,
    }
}

/// A date of three numbers, and a time of day behind it.
struct Numeric {
    numbers: [i16; 3],
    is_year_first: bool,
    separator: char,
    is_am_pm: bool,
    time: Option<civil::Time>,
}

impl Numeric {
    fn parse(text: &str) -> Option<Self> {
        let separator = text.chars().find(|c| !c.is_ascii_digit())?;
        if !['/', '.', '-'].contains(&separator) {
            return None;
        }
        let (date, time) = match text.find([' ', 'T', ',']) {
            Some(at) => (&text[..at], Some(text[at + 1..].trim())),
            None => (text, None),
        };
        let parts: Vec<&str> = date.split(separator).collect();
        let [first, second, third] = parts.as_slice() else { return None };
        let is_number = |part: &str| {
            (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !parts.iter().all(|part| is_number(part)) {
            return None;
        }
        let is_year_first = first.len() == 4;
        let numbers = [first.parse().ok()?, second.parse().ok()?, third.parse().ok()?];
        let time = match time.filter(|time| !time.is_empty()) {
            Some(text) => Some(time_of_day(text)?),
            None => None,
        };
        let upper = text.to_ascii_uppercase();
        let is_am_pm = upper.ends_with("AM") || upper.ends_with("PM");
        Some(Self { numbers, is_year_first, separator, is_am_pm, time })
    }

    /// The order that the numbers themselves tell.
    fn order(&self) -> Option<DateOrder> {
        let [first, second, _] = self.numbers;
        let (may_be_first, may_be_second) = ((1..=12).contains(&first), (1..=12).contains(&second));
        match (may_be_first, may_be_second) {
            _ if self.is_year_first => None,
            (false, true) if first > 12 => Some(DateOrder::DayFirst),
            (true, false) if second > 12 => Some(DateOrder::MonthFirst),
            // Where points stand between, the day comes first; where hours are counted
            // twice, the month does.
            _ if self.separator == '.' => Some(DateOrder::DayFirst),
            _ if self.is_am_pm => Some(DateOrder::MonthFirst),
            _ => None,
        }
    }

    fn in_order(&self, order: Option<DateOrder>) -> Result<DateTime, &'static str> {
        let [a, b, c] = self.numbers;
        let full = |year: i16| if year < 100 { 2000 + year } else { year };
        let (year, month, day) = if self.is_year_first {
            (a, b, c)
        } else {
            match order.or(self.order()) {
                Some(DateOrder::DayFirst) => (full(c), b, a),
                Some(DateOrder::MonthFirst) => (full(c), a, b),
                None => return Err("may have the day or the month first: say --date-order"),
            }
        };
        let part = |number: i16| i8::try_from(number).unwrap_or_default();
        let date = civil::Date::new(year, part(month), part(day));
        let date = date.map_err(|_| "is no date (--date-order says what comes first)")?;
        Ok(date.to_datetime(self.time.unwrap_or(civil::Time::midnight())))
    }
}

/// `9:20 PM`, `21:20`, `21:20:11.5`.
fn time_of_day(text: &str) -> Option<civil::Time> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim(), Some(0)),
        (_, Some(clock)) => (clock.trim(), Some(12)),
        _ => (upper.as_str(), None),
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<i8> =
        whole.split(':').map(|part| part.parse().ok()).collect::<Option<Vec<_>>>()?;
    let (hour, minute, second) = match parts.as_slice() {
        [hour] if half.is_some() => (*hour, 0, 0),
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
        None => hour,
    };
    let nanoseconds = format!("{:0<9}", fraction.get(..fraction.len().min(9))?).parse().ok()?;
    civil::Time::new(hour, minute, second, nanoseconds).ok()
}

/// The order in which a column writes dates, learnt from some of its cells: what any of
/// them can only mean.
pub(crate) fn learn_order<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<DateOrder> {
    let orders = cells.filter_map(|cell| {
        let text = cell.text()?;
        Numeric::parse(without_zone(&text).0)?.order()
    });
    let orders: Vec<DateOrder> = orders.collect();
    let first = *orders.first()?;
    orders.iter().all(|order| *order == first).then_some(first)
}

/// The midnight (UTC) before a time.
pub(crate) fn start_of_day(time: Timestamp) -> Timestamp {
    let day = jiff::TimestampRound::new().smallest(Unit::Hour).increment(24);
    time.round(day.mode(jiff::RoundMode::Floor)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(zone: &str, order: Option<DateOrder>) -> TimeReader {
        TimeReader::new(zone_named(zone).unwrap(), order)
    }

    fn read(text: &str) -> Result<(String, TimeForm), &'static str> {
        let found = reader("UTC", None).read(&Cell::Text(text.into()))?.unwrap();
        Ok((found.0.to_string(), found.1))
    }

    #[test]
    fn every_usual_way_to_write_a_time_is_read() {
        use TimeForm::{Date, Local, Microseconds, Milliseconds, Nanoseconds, Seconds, Zoned};
        let cases = [
            ("2026-06-01T08:00:00Z", "2026-06-01T08:00:00Z", Zoned),
            ("2026-06-01T09:00:00+08:00", "2026-06-01T01:00:00Z", Zoned),
            ("2022-06-24 21:20:11+0200", "2022-06-24T19:20:11Z", Zoned),
            ("2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00Z", Zoned),
            ("2022-06-24 21:20:11 +0000 UTC", "2022-06-24T21:20:11Z", Zoned),
            ("2022-06-24 21:20:11 +0100", "2022-06-24T20:20:11Z", Zoned),
            ("Fri, 24 Jun 2022 21:20:11 GMT", "2022-06-24T21:20:11Z", Zoned),
            ("Fri, 24 Jun 2022 21:20:11 +0200", "2022-06-24T19:20:11Z", Zoned),
            ("24/Jun/2022:21:20:11 +0000", "2022-06-24T21:20:11Z", Zoned),
            ("2022-06-24 21:20:11", "2022-06-24T21:20:11Z", Local),
            ("2022-06-24T21:20:11.5", "2022-06-24T21:20:11.5Z", Local),
            ("2022-06-24 21:20", "2022-06-24T21:20:00Z", Local),
            ("2022/06/24 21:20:11", "2022-06-24T21:20:11Z", Local),
            ("2022-06-24", "2022-06-24T00:00:00Z", Date),
            ("20220624", "2022-06-24T00:00:00Z", Date),
            ("20220624212011", "2022-06-24T21:20:11Z", Local),
            ("06/24/2022 9:20 PM", "2022-06-24T21:20:00Z", Local),
            ("06/05/2022 12:20:01 AM", "2022-06-05T00:20:01Z", Local),
            ("24.06.2022 21:20", "2022-06-24T21:20:00Z", Local),
            ("05.06.22", "2022-06-05T00:00:00Z", Date),
            ("24/06/2022", "2022-06-24T00:00:00Z", Date),
            ("Jun 24, 2022", "2022-06-24T00:00:00Z", Date),
            ("Jun 24, 2022 9:20 PM", "2022-06-24T21:20:00Z", Local),
            ("24 Jun 2022 21:20:11", "2022-06-24T21:20:11Z", Local),
            ("01 5, 2014", "2014-01-05T00:00:00Z", Date),
            ("2022年6月24日", "2022-06-24T00:00:00Z", Date),
            ("1260759144", "2009-12-14T02:52:24Z", Seconds),
            ("1260759144.0", "2009-12-14T02:52:24Z", Seconds),
            ("1260759144.25", "2009-12-14T02:52:24.25Z", Seconds),
            ("1.260759144e9", "2009-12-14T02:52:24Z", Seconds),
            ("1260759144123", "2009-12-14T02:52:24.123Z", Milliseconds),
            ("1260759144123456", "2009-12-14T02:52:24.123456Z", Microseconds),
            ("1260759144123456789", "2009-12-14T02:52:24.123456789Z", Nanoseconds),
        ];
        for (text, expected, form) in cases {
            assert_eq!(read(text), Ok((expected.to_owned(), form)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_in_words() {
        for (text, word) in [
            ("-5", "before 1970"),
            ("0", "too small"),
            ("44927", "spreadsheet"),
            ("99999999.5", "too small"),
            ("1969-12-31T00:00:00Z", "before 1970"),
            ("yesterday", "no time"),
            ("03/04/2022", "--date-order"),
            ("31/31/2022", "--date-order"),
            ("2022-13-01", "no date"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        for empty in ["", "NaN", "null"] {
            assert_eq!(reader("UTC", None).read(&Cell::Text(empty.into())), Ok(None));
        }
    }

    #[test]
    fn a_time_without_a_zone_is_of_the_zone_that_was_named() {
        let read = |zone: &str, text: &str| {
            let cell = Cell::Text(text.into());
            reader(zone, None).read(&cell).unwrap().unwrap().0.to_string()
        };
        for zone in ["Asia/Shanghai", "+08:00", "+0800"] {
            assert_eq!(read(zone, "2022-06-24 21:20:11"), "2022-06-24T13:20:11Z", "{zone}");
            assert_eq!(read(zone, "2022-06-24"), "2022-06-23T16:00:00Z", "{zone}");
            assert_eq!(read(zone, "2019-10-01 00:00:00 UTC"), "2019-10-01T00:00:00Z", "{zone}");
        }
        // An hour that a clock skips is read as the hour after it.
        assert_eq!(read("Europe/Berlin", "2022-03-27 02:30:00"), "2022-03-27T01:30:00Z");
        assert!(zone_named("Middle/Earth").is_err());
    }

    #[test]
    fn the_order_of_a_date_is_learnt_from_the_whole_column() {
        let learn = |texts: &[&str]| {
            let cells: Vec<Cell> = texts.iter().map(|text| Cell::Text((*text).into())).collect();
            learn_order(cells.iter())
        };
        assert_eq!(learn(&["03/04/2022", "24/06/2022"]), Some(DateOrder::DayFirst));
        assert_eq!(learn(&["03/04/2022", "06/24/2022"]), Some(DateOrder::MonthFirst));
        assert_eq!(learn(&["03/04/2022"]), None);
        assert_eq!(learn(&["24/06/2022", "06/24/2022"]), None);
        let cell = Cell::Text("03/04/2022".into());
        let day = reader("UTC", Some(DateOrder::DayFirst)).read(&cell).unwrap().unwrap();
        assert_eq!(day.0.to_string(), "2022-04-03T00:00:00Z");
    }
}
