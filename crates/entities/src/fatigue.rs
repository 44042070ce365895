//! How what a user was shown often, and did not take, sinks on their slates.
//!
//! An item that was shown on `after` days of the last `days` before today, since the user took it or ever, counts for
//! `factor` of its score; with each further day for `factor` of that again. With `after` 1 a slate
//! rotates: what was shown yesterday makes room today.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Most days that are looked back: what was shown before is forgotten.
pub const MAX_DAYS: u8 = 14;

/// How much less an item counts the more often it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Fatigue {
    after: u8,
    factor: f32,
    days: u8,
}

/// Its factor is always a number.
impl Eq for Fatigue {}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "fatigue: an object with after, and with factor and days where they are others than \
                 usual"
)]
struct Written {
    after: u8,
    #[serde(default = "usual_factor")]
    factor: f32,
    #[serde(default = "usual_days")]
    days: u8,
}

fn usual_factor() -> f32 {
    0.5
}

fn usual_days() -> u8 {
    7
}

/// Numbers are no fatigue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFatigue {
    /// The days that are looked back.
    #[error("the days of fatigue must be 1 to {MAX_DAYS}")]
    Days,
    /// After how many it begins.
    #[error("fatigue must begin after 1 of its days, up to all of them")]
    After,
    /// How much less an item counts.
    #[error("the factor of fatigue must be 0.1 to 0.95")]
    Factor,
}

impl TryFrom<Written> for Fatigue {
    type Error = InvalidFatigue;

    fn try_from(Written { after, factor, days }: Written) -> Result<Self, InvalidFatigue> {
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(InvalidFatigue::Days);
        }
        if !(1..=days).contains(&after) {
            return Err(InvalidFatigue::After);
        }
        match (0.1..=0.95).contains(&factor) {
            true => Ok(Self { after, factor, days }),
            false => Err(InvalidFatigue::Factor),
        }
    }
}

impl From<Fatigue> for Written {
    fn from(Fatigue { after, factor, days }: Fatigue) -> Self {
        Self { after, factor, days }
    }
}

impl Fatigue {
    /// What an item's score counts for that was shown on so many days: 1 before it begins, then
    /// `factor` to the power of the days from then on.
    #[must_use]
    pub fn multiplier(self, days_shown: usize) -> f32 {
        let beyond = (days_shown + 1).saturating_sub(usize::from(self.after));
        self.factor.powi(i32::try_from(beyond).unwrap_or(i32::MAX))
    }

    /// The first and the last day that are looked at from an instant, in UTC: they end with the day
    /// before, so that a slate is the same all day, and what is reported of it changes no replay.
    #[must_use]
    pub fn window(self, now: Timestamp) -> (Date, Date) {
        let days_ago = |days: i64| day_of(now).saturating_sub(days.days());
        (days_ago(i64::from(self.days)), days_ago(1))
    }
}

/// The day of an instant, in UTC.
#[must_use]
pub fn day_of(instant: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(instant).date()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(written: Value) -> Result<Fatigue, String> {
        serde_json::from_value(written).map_err(|error| error.to_string())
    }

    #[test]
    fn it_has_bounds_and_what_is_usual() {
        let usual = read(json!({"after": 3})).unwrap();
        assert_eq!(read(json!({"after": 3, "factor": 0.5, "days": 7})), Ok(usual));
        for (wrong, why) in [
            (json!({"after": 0}), "after 1 of its days"),
            (json!({"after": 8}), "after 1 of its days"),
            (json!({"after": 1, "days": 0}), "1 to 14"),
            (json!({"after": 1, "days": 15}), "1 to 14"),
            (json!({"after": 1, "factor": 0.0}), "0.1 to 0.95"),
            (json!({"after": 1, "factor": 1.0}), "0.1 to 0.95"),
            (json!({"factor": 0.5}), "after"),
            (json!({"after": 1, "per": 2}), "unknown field `per`"),
        ] {
            let told = read(wrong.clone()).unwrap_err();
            assert!(told.contains(why), "{wrong}: {told}");
        }
    }

    #[test]
    fn an_item_sinks_the_deeper_the_more_days_it_was_shown() {
        let fatigue = read(json!({"after": 2})).unwrap();
        let multipliers = [0, 1, 2, 3, 4].map(|days| fatigue.multiplier(days));
        assert_eq!(multipliers, [1.0, 1.0, 0.5, 0.25, 0.125]);
    }

    #[test]
    fn the_window_ends_before_today_and_has_so_many_days() {
        let fatigue = read(json!({"after": 1, "days": 3})).unwrap();
        let window = fatigue.window("2026-03-01T23:59:59Z".parse().unwrap());
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(window, (date("2026-02-26"), date("2026-02-28")));
    }
}
