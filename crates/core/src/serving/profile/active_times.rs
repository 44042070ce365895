//! When a person is active: hours of the day and days of the week.
//!
//! What counts is when sessions begin, not events: a hundred events of one evening are one evening.

use jiff::civil::Weekday;
use jiff::tz::Offset;
use serde::Serialize;

use crate::entities::event::Event;
use crate::maths::small_samples::{Cycle, Usual, cycle, share, stands_out};
use crate::serving::profile::evidence::{DomainEvents, Evidence, Line, Measured, rounded};
use crate::serving::profile::sessions::Session;
use crate::serving::profile::text;
use crate::serving::reason::Locale;

/// Fewest sessions from which hours are told.
pub const FEWEST_SESSIONS: usize = 8;
/// Fewest active days, and days between the first and the last, from which weekdays are told.
pub const FEWEST_DAYS: usize = 10;
/// Days that must lie between the first and the last of them: three weeks.
pub const FEWEST_DAYS_BETWEEN: i64 = 21;
/// Hours that are told together.
const WINDOW: usize = 4;
/// Sessions that a day without habits weighs: one for each window that does not overlap.
const DAY_WEIGHT: f64 = 6.0;
/// How probable a mean hour may be by chance.
const MOST_CHANCE: f64 = 0.01;

/// The hours at which a person is most active.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveHours {
    /// The hour at which the busiest four begin, 0 to 23.
    pub from_hour: u8,
    /// The hour at which they end, 0 to 23.
    pub until_hour: u8,
    /// The share of sessions that begin within them.
    pub share: Measured,
    /// How many sessions begin within them.
    pub within: usize,
    /// The mean time of day in hours, where sessions gather around one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_hour: Option<f64>,
    /// How near to it they are, 0 to 1: the mean resultant length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concentration: Option<f64>,
    /// How many sessions there are.
    pub sessions: usize,
    /// The clock: the offset that the platform declares of its user, else UTC.
    pub utc_offset: String,
}

/// The days of the week on which a person is most active.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveWeekdays {
    /// Days beyond one in seven, from Monday (1) to Sunday (7).
    pub weekdays: Vec<u8>,
    /// The share of active days that are Saturdays or Sundays; two in seven without habits.
    pub weekend: Measured,
    /// How many days the person was active.
    pub days: usize,
    /// How many of them were Saturdays or Sundays.
    pub weekend_days: usize,
    /// The clock, as for hours.
    pub utc_offset: String,
}

fn events_of<'s, 'e: 's>(sessions: &'s [Session<'e>]) -> impl Iterator<Item = &'e Event> + 's {
    sessions.iter().flat_map(|session| session.events.iter().map(|done| done.event))
}

pub(super) fn hours(
    events: &DomainEvents<'_>,
    sessions: &[Session<'_>],
    (offset, locale): (Option<Offset>, Locale),
) -> Option<Line<ActiveHours>> {
    if sessions.len() < FEWEST_SESSIONS {
        return None;
    }
    let clock = offset.unwrap_or(Offset::UTC);
    let mut by_hour = [0usize; 24];
    let mut places = Vec::with_capacity(sessions.len());
    for session in sessions {
        let time = clock.to_datetime(session.from).time();
        by_hour[usize::from(time.hour().unsigned_abs()).min(23)] += 1;
        places.push((f64::from(time.hour()) + f64::from(time.minute()) / 60.0) / 24.0);
    }
    let within = |from: usize| (from..from + WINDOW).map(|hour| by_hour[hour % 24]).sum::<usize>();
    let around: Option<Cycle> = cycle(places);
    // Of windows with as many sessions the one that lies about the mean.
    let off_centre = |from: usize| {
        let Some(around) = around else { return 0.0 };
        let middle = (from + WINDOW / 2) as f64;
        let apart = (middle - around.mean * 24.0).rem_euclid(24.0);
        apart.min(24.0 - apart)
    };
    let busiest = (0..24).min_by(|one, other| {
        let by_sessions = within(*other).cmp(&within(*one));
        by_sessions.then(off_centre(*one).total_cmp(&off_centre(*other)))
    })?;
    let usual = Usual { share: WINDOW as f64 / 24.0, weight: DAY_WEIGHT };
    let (hits, trials) = (within(busiest) as f64, sessions.len() as f64);
    if !stands_out(hits, trials, usual.share, by_hour.len()) {
        return None;
    }
    let around = around.filter(|cycle| cycle.chance < MOST_CHANCE);
    let finding = ActiveHours {
        from_hour: busiest as u8,
        until_hour: ((busiest + WINDOW) % 24) as u8,
        share: share(hits, trials, usual).into(),
        within: within(busiest),
        mean_hour: around.map(|cycle| rounded(cycle.mean * 24.0) % 24.0),
        concentration: around.map(|cycle| rounded(cycle.concentration)),
        sessions: sessions.len(),
        utc_offset: clock_name(clock),
    };
    let evidence = Evidence::of(events.domain, events_of(sessions));
    Some(Line { text: text::active_hours(&finding, locale), finding, evidence })
}

pub(super) fn weekdays(
    events: &DomainEvents<'_>,
    sessions: &[Session<'_>],
    (offset, locale): (Option<Offset>, Locale),
) -> Option<Line<ActiveWeekdays>> {
    let clock = offset.unwrap_or(Offset::UTC);
    // In order of time, so each day once.
    let mut dates: Vec<_> =
        sessions.iter().map(|session| clock.to_datetime(session.from).date()).collect();
    dates.dedup();
    let between = dates.last()?.since(*dates.first()?).ok()?.get_days();
    if dates.len() < FEWEST_DAYS || i64::from(between) < FEWEST_DAYS_BETWEEN {
        return None;
    }
    let mut by_day = [0usize; 7];
    for date in &dates {
        by_day[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs()).min(6)] += 1;
    }
    let trials = dates.len() as f64;
    let is_told = |day: &usize| stands_out(by_day[*day] as f64, trials, 1.0 / 7.0, by_day.len());
    let weekdays: Vec<u8> = (0..7).filter(is_told).map(|day| day as u8 + 1).collect();
    let weekend_days = [Weekday::Saturday, Weekday::Sunday]
        .map(|day| by_day[usize::from(day.to_monday_zero_offset().unsigned_abs()).min(6)]);
    let usual = Usual { share: 2.0 / 7.0, weight: 7.0 };
    let weekend_days: usize = weekend_days.iter().sum();
    let weekend = share(weekend_days as f64, trials, usual);
    let is_like_any = (weekend.low..=weekend.high).contains(&usual.share);
    if weekdays.is_empty() && is_like_any {
        return None;
    }
    let finding = ActiveWeekdays {
        weekdays,
        weekend: weekend.into(),
        days: dates.len(),
        weekend_days,
        utc_offset: clock_name(clock),
    };
    let evidence = Evidence::of(events.domain, events_of(sessions));
    Some(Line { text: text::active_weekdays(&finding, locale), finding, evidence })
}

fn clock_name(clock: Offset) -> String {
    let minutes = clock.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}
