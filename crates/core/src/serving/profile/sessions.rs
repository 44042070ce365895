//! Sessions, and how often and how fast a person goes about things.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::entities::definition::Step;
use crate::maths::small_samples::{median, rate};
use crate::serving::profile::evidence::{DomainEvents, Done, Line, Measured};
use crate::serving::profile::text;
use crate::serving::reason::Locale;

/// What lies between two sessions at least, as web analytics has it.
pub const GAP: SignedDuration = SignedDuration::from_mins(30);
/// The longest that one event is taken to have lasted: a film or a lecture, not a page left open.
const LONGEST_EVENT: SignedDuration = SignedDuration::from_hours(4);
/// Fewest sessions with a length from which lengths are told.
pub const FEWEST_LENGTHS: usize = 6;
/// Fewest sessions from which a pace is told.
pub const FEWEST_FOR_PACE: usize = 3;
/// The least time that a pace is told of, in weeks: one busy day is no daily habit.
pub const FEWEST_WEEKS: f64 = 2.0;
/// The longest that somebody may have been away of whom a pace is told, in weeks: who has not come
/// for a year does not come.
pub const LONGEST_QUIET: f64 = 53.0;
/// Fewest items that were started and completed from which the days between are told.
pub const FEWEST_COMPLETED: usize = 6;

const MINUTES: f64 = 60.0;
const DAYS: f64 = 86_400.0;

/// Events with less than [`GAP`] between the end of one and the beginning of the next.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) from: Timestamp,
    until: Timestamp,
    pub(super) events: &'a [Done<'a>],
}

/// How long a person stays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sessions {
    /// The median length in minutes, of the sessions that have one.
    pub minutes: Measured,
    /// How many sessions there are.
    pub sessions: usize,
    /// Of how many the length is known: from two events, or the time spent on one.
    pub measured: usize,
}

/// How often a person comes, and how soon they finish what they start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pace {
    /// Sessions a week, from the first event until now.
    pub sessions_per_week: Measured,
    /// The median of days from the start of an item to its completion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_to_complete: Option<Measured>,
}

/// The sessions of a domain, oldest first.
pub(super) fn sessions_of<'a>(events: &'a DomainEvents<'_>) -> Vec<Session<'a>> {
    let mut sessions = Vec::new();
    let (mut first, mut until) = (0, Timestamp::MIN);
    for (at, done) in events.done.iter().enumerate() {
        let begins = done.event.occurred_at;
        if at > first && begins.duration_since(until) >= GAP {
            sessions.extend(session(&events.done[first..at], until));
            (first, until) = (at, Timestamp::MIN);
        }
        until = until.max(end_of(done));
    }
    sessions.extend(session(&events.done[first..], until));
    sessions
}

fn session<'a>(events: &'a [Done<'a>], until: Timestamp) -> Option<Session<'a>> {
    events.first().map(|done| Session { from: done.event.occurred_at, until, events })
}

fn end_of(done: &Done<'_>) -> Timestamp {
    let spent = SignedDuration::from_secs(i64::from(done.event.dwell_seconds.unwrap_or(0)));
    let begins = done.event.occurred_at;
    begins.checked_add(spent.min(LONGEST_EVENT)).unwrap_or(begins)
}

pub(super) fn lengths(
    events: &DomainEvents<'_>,
    sessions: &[Session<'_>],
    locale: Locale,
) -> Option<Line<Sessions>> {
    let length = |session: &Session<'_>| session.until.duration_since(session.from).as_secs_f64();
    let lengths = sessions.iter().map(length).filter(|seconds| *seconds > 0.0);
    let mut minutes: Vec<f64> = lengths.map(|seconds| seconds / MINUTES).collect();
    if minutes.len() < FEWEST_LENGTHS {
        return None;
    }
    let measured = minutes.len();
    let finding =
        Sessions { minutes: median(&mut minutes)?.into(), sessions: sessions.len(), measured };
    let text = text::sessions(&finding, locale);
    Some(Line { text, finding, evidence: events.evidence() })
}

pub(super) fn pace(
    events: &DomainEvents<'_>,
    sessions: &[Session<'_>],
    (now, locale): (Timestamp, Locale),
) -> Option<Line<Pace>> {
    let first = sessions.first()?.from;
    let weeks_since = |at| now.duration_since(at).as_secs_f64() / DAYS / 7.0;
    let (weeks, quiet) = (weeks_since(first), weeks_since(sessions.last()?.until));
    if sessions.len() < FEWEST_FOR_PACE || weeks < FEWEST_WEEKS || quiet > LONGEST_QUIET {
        return None;
    }
    let finding = Pace {
        sessions_per_week: rate(sessions.len() as u64, weeks)?.into(),
        days_to_complete: days_to_complete(events),
    };
    let text = text::pace(&finding, locale);
    Some(Line { text, finding, evidence: events.evidence() })
}

/// From the first start of each item to the first completion after it.
fn days_to_complete(events: &DomainEvents<'_>) -> Option<Measured> {
    // Whether it was started, and since when, until it was completed.
    let mut started: Vec<Option<Option<Timestamp>>> = vec![None; events.items.len()];
    let mut days = Vec::new();
    for done in &events.done {
        let (started, at) = (&mut started[done.item], done.event.occurred_at);
        if done.kind.is(Step::Started) {
            started.get_or_insert(Some(at));
        }
        // Taken, so that what is completed again counts once.
        let since = started.as_mut().filter(|_| done.kind.is(Step::Completed));
        if let Some(since) = since.and_then(Option::take) {
            days.push(at.duration_since(since).as_secs_f64() / DAYS);
        }
    }
    if days.len() < FEWEST_COMPLETED {
        return None;
    }
    median(&mut days).map(Measured::from)
}
