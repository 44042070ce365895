//! When and how often a platform may tell its users of something by itself, over all of its
//! [campaigns](crate::campaign).
//!
//! ```
//! use crossfold_entities::contact::ContactRules;
//! use jiff::Timestamp;
//!
//! let rules = r#"{"quiet_hours": {"from": "21:30", "until": "08:00", "zone": "Asia/Shanghai"}}"#;
//! let rules: ContactRules = serde_json::from_str(rules).unwrap();
//! let midnight: Timestamp = "2026-06-01T16:00:00Z".parse().unwrap();
//! let morning: Timestamp = "2026-06-02T00:00:00Z".parse().unwrap();
//! assert_eq!(rules.allowed_from(midnight, None), morning);
//! assert_eq!(rules.allowed_from(morning, None), morning);
//! ```

use std::fmt;

use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most days that a bound on how often counts over.
pub const MAX_CAP_DAYS: u8 = 30;
/// Most times in these days.
pub const MAX_CAP_TIMES: u8 = 10;

/// How often a user is told of something: at most so many times in any so many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawCap")]
pub struct FrequencyCap {
    times: u8,
    days: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a frequency cap: an object with times and days")]
struct RawCap {
    times: u8,
    days: u8,
}

impl TryFrom<RawCap> for FrequencyCap {
    type Error = String;

    fn try_from(RawCap { times, days }: RawCap) -> Result<Self, String> {
        Self::new(times, days).ok_or_else(|| {
            format!(
                "a frequency cap must be 1 to {MAX_CAP_TIMES} times in 1 to {MAX_CAP_DAYS} days"
            )
        })
    }
}

impl Default for FrequencyCap {
    /// Three times a week.
    fn default() -> Self {
        Self { times: 3, days: 7 }
    }
}

impl FrequencyCap {
    /// A bound of 1 to [`MAX_CAP_TIMES`] times in 1 to [`MAX_CAP_DAYS`] days.
    #[must_use]
    pub fn new(times: u8, days: u8) -> Option<Self> {
        let is_within = (1..=MAX_CAP_TIMES).contains(&times) && (1..=MAX_CAP_DAYS).contains(&days);
        is_within.then_some(Self { times, days })
    }

    /// Whether one more is within the bound at `now`, after those of these instants. One that is
    /// later than now, by a clock that has stepped back since, counts.
    #[must_use]
    pub fn has_room(self, told: impl Iterator<Item = Timestamp>, now: Timestamp) -> bool {
        let days = SignedDuration::from_hours(24 * i64::from(self.days));
        told.filter(|at| now.duration_since(*at) < days).count() < usize::from(self.times)
    }
}

/// When and how often users are told of something, whatever campaign it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "rules of contact: an object with frequency_cap and quiet_hours"
)]
pub struct ContactRules {
    /// How often, over all campaigns; three times a week unless it is said.
    #[serde(default)]
    pub frequency_cap: FrequencyCap,
    /// When not; at any time unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
}

impl ContactRules {
    /// Whether they are those that hold where nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// From when on, not before `now`, somebody may be told of something whose clock has this
    /// offset, where it is known: `now` itself outside quiet hours, else their end.
    #[must_use]
    pub fn allowed_from(&self, now: Timestamp, offset: Option<Offset>) -> Timestamp {
        self.quiet_hours.as_ref().map_or(now, |hours| hours.over_from(now, offset))
    }
}

/// Hours of each day in which nobody is told of anything, by a clock of the platform's zone, or
/// of the user's own offset where the platform declares one ([`crate::utc_offset`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuietHours {
    #[serde(serialize_with = "hours_and_minutes")]
    from: Time,
    #[serde(serialize_with = "hours_and_minutes")]
    until: Time,
    #[serde(serialize_with = "zone_name")]
    zone: TimeZone,
}

fn hours_and_minutes<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:02}:{:02}", time.hour(), time.minute()))
}

fn zone_name<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.iana_name().unwrap_or("UTC"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "quiet hours: an object with from, until and zone")]
struct RawQuietHours {
    from: String,
    until: String,
    zone: String,
}

/// Why hours cannot be quiet ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuietHours {
    /// A time of day is none.
    #[error("{0} of quiet_hours must be a time of day, such as 21:30")]
    Time(&'static str),
    /// They would be none, or all.
    #[error("from and until of quiet_hours must differ")]
    Empty,
    /// The zone is none.
    #[error("the zone of quiet_hours must be one of the IANA database, such as Asia/Shanghai")]
    Zone,
}

impl<'de> Deserialize<'de> for QuietHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawQuietHours { from, until, zone } = RawQuietHours::deserialize(deserializer)?;
        Self::parse(&from, &until, &zone).map_err(D::Error::custom)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.until)
    }
}

impl QuietHours {
    /// Those from one time of day (`21:30`) until another, perhaps of the next day, by the clocks
    /// of a zone of the IANA database.
    ///
    /// # Errors
    /// [`InvalidQuietHours`].
    pub fn parse(from: &str, until: &str, zone: &str) -> Result<Self, InvalidQuietHours> {
        let from = time_of_day(from).ok_or(InvalidQuietHours::Time("from"))?;
        let until = time_of_day(until).ok_or(InvalidQuietHours::Time("until"))?;
        if from == until {
            return Err(InvalidQuietHours::Empty);
        }
        let zone = TimeZone::get(zone).map_err(|_| InvalidQuietHours::Zone)?;
        Ok(Self { from, until, zone })
    }

    /// When they are over, where they hold at `now`; else `now`.
    fn over_from(&self, now: Timestamp, offset: Option<Offset>) -> Timestamp {
        let zone = offset.map_or_else(|| self.zone.clone(), TimeZone::fixed);
        let local = zone.to_datetime(now);
        if !self.hold_at(local.time()) {
            return now;
        }
        let over = self.end_after(local).and_then(|over| zone.to_timestamp(over).ok());
        // Where a clock is set back over their end, which then comes twice, the first holds.
        match over {
            Some(over) if over > now => over,
            _ => now,
        }
    }

    fn hold_at(&self, time: Time) -> bool {
        match self.from < self.until {
            true => self.from <= time && time < self.until,
            false => self.from <= time || time < self.until,
        }
    }

    /// The next time that a clock shows their end; `None` beyond all time.
    fn end_after(&self, local: DateTime) -> Option<DateTime> {
        let today = local.date();
        let on = match local.time() < self.until {
            true => today,
            false => today.checked_add(1.day()).ok()?,
        };
        Some(on.to_datetime(self.until))
    }
}

/// `21:30`, with two digits each.
fn time_of_day(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let is_two_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_two_digits.then(|| digits.parse::<i8>().ok()).flatten()
    };
    Time::new(number(hours)?, number(minutes)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn quiet(from: &str, until: &str, zone: &str) -> QuietHours {
        QuietHours::parse(from, until, zone).unwrap()
    }

    #[test]
    fn quiet_hours_are_of_the_zone_and_over_midnight() {
        let hours = quiet("22:00", "07:30", "Europe/Paris");
        for (now, over) in [
            // Summer: two hours ahead.
            ("2026-07-01T19:59:59Z", "2026-07-01T19:59:59Z"),
            ("2026-07-01T20:00:00Z", "2026-07-02T05:30:00Z"),
            ("2026-07-02T05:29:59Z", "2026-07-02T05:30:00Z"),
            ("2026-07-02T05:30:00Z", "2026-07-02T05:30:00Z"),
            // The night in which clocks are set back.
            ("2026-10-24T20:00:00Z", "2026-10-25T06:30:00Z"),
        ] {
            assert_eq!(hours.over_from(at(now), None), at(over), "{now}");
        }
    }

    #[test]
    fn a_users_own_offset_is_theirs() {
        let hours = quiet("12:00", "13:00", "UTC");
        let shanghai = Offset::from_seconds(8 * 3_600).ok();
        assert_eq!(
            hours.over_from(at("2026-07-01T04:30:00Z"), shanghai),
            at("2026-07-01T05:00:00Z")
        );
        assert_eq!(
            hours.over_from(at("2026-07-01T12:30:00Z"), shanghai),
            at("2026-07-01T12:30:00Z")
        );
    }

    #[test]
    fn what_is_no_time_no_zone_or_no_span_is_refused() {
        for (from, until, zone, why) in [
            ("24:00", "08:00", "UTC", InvalidQuietHours::Time("from")),
            ("8:00", "09:00", "UTC", InvalidQuietHours::Time("from")),
            ("08:00", "09:60", "UTC", InvalidQuietHours::Time("until")),
            ("08:00", "08:00", "UTC", InvalidQuietHours::Empty),
            ("08:00", "09:00", "Asia/Nowhere", InvalidQuietHours::Zone),
        ] {
            assert_eq!(QuietHours::parse(from, until, zone).unwrap_err(), why);
        }
    }

    #[test]
    fn rules_read_as_they_were_written() {
        let json = json!({"frequency_cap": {"times": 1, "days": 2},
            "quiet_hours": {"from": "21:30", "until": "08:00", "zone": "Asia/Shanghai"}});
        let rules: ContactRules = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rules).unwrap(), json);
        for wrong in [
            json!({"times": 0, "days": 1}),
            json!({"times": 11, "days": 1}),
            json!({"times": 1, "days": 31}),
            json!({"times": 1}),
        ] {
            assert!(serde_json::from_value::<FrequencyCap>(wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn nobody_is_told_in_quiet_hours_and_everyone_within_a_day(
            second in 1_700_000_000i64..1_900_000_000, from in 0i8..24, until in 0i8..24,
            zone in prop::sample::select(vec!["Europe/Paris", "Asia/Shanghai", "America/St_Johns",
                "Australia/Lord_Howe", "UTC"]),
        ) {
            prop_assume!(from != until);
            let hours = quiet(&format!("{from:02}:00"), &format!("{until:02}:00"), zone);
            let now = Timestamp::from_second(second).unwrap();
            let told = hours.over_from(now, None);
            prop_assert!(told >= now);
            prop_assert!(told.duration_since(now) <= SignedDuration::from_hours(25));
            let local = TimeZone::get(zone).unwrap().to_datetime(told);
            prop_assert!(!hours.hold_at(local.time()), "{local}");
            prop_assert_eq!(hours.over_from(told, None), told);
        }

        #[test]
        fn a_cap_holds_in_every_window(
            asked in prop::collection::vec(0i64..40 * 86_400, 0..200), times in 1u8..4, days in 1u8..10,
        ) {
            let cap = FrequencyCap::new(times, days).unwrap();
            let mut asked = asked;
            asked.sort_unstable();
            let mut told: Vec<Timestamp> = Vec::new();
            for second in asked {
                let now = Timestamp::from_second(second).unwrap();
                if cap.has_room(told.iter().copied(), now) {
                    told.push(now);
                }
            }
            let window = i64::from(days) * 86_400;
            for first in &told {
                let within = told.iter().filter(|at| {
                    let since = at.as_second() - first.as_second();
                    (0..window).contains(&since)
                });
                prop_assert!(within.count() <= usize::from(times));
            }
        }
    }
}
