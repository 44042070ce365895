//! How much a person finishes of what they start.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::entities::definition::Step;
use crate::maths::small_samples::{Usual, share};
use crate::serving::profile::evidence::{DomainEvents, Done, Evidence, Line, Measured};
use crate::serving::profile::text;
use crate::serving::reason::Locale;

/// Fewest items that were completed, or started long enough ago.
pub const FEWEST_ITEMS: usize = 3;
/// What was last worked on within this time may yet be completed, and is counted neither way.
pub const STILL_OPEN: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How much a person finishes of what they start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completion {
    /// The share of items that were completed of those that were started.
    pub share: Measured,
    /// How many items were completed.
    pub completed: usize,
    /// How many were started, and completed or left alone for two weeks.
    pub started: usize,
    /// How many were started beside that, and may yet be completed.
    pub open: usize,
}

/// How far a person came with an item.
#[derive(Clone, Copy)]
struct Way {
    is_completed: bool,
    last_at: Timestamp,
}

pub(super) fn completion(
    events: &DomainEvents<'_>,
    (now, locale): (Timestamp, Locale),
) -> Option<Line<Completion>> {
    // Without a type of event that completes, nothing could ever be completed.
    let mut kinds = events.definition.event_types.values();
    if !kinds.any(|kind| kind.is(Step::Completed)) {
        return None;
    }
    let is_step = |done: &&Done<'_>| done.kind.is(Step::Started) || done.kind.is(Step::Completed);
    let mut ways: Vec<Option<Way>> = vec![None; events.items.len()];
    for done in events.done.iter().filter(is_step) {
        let last_at = done.event.occurred_at;
        let way = ways[done.item].get_or_insert(Way { is_completed: false, last_at });
        way.is_completed |= done.kind.is(Step::Completed);
        way.last_at = last_at;
    }
    let ways: Vec<Way> = ways.into_iter().flatten().collect();
    let is_open = |way: &Way| !way.is_completed && now.duration_since(way.last_at) < STILL_OPEN;
    let open = ways.iter().filter(|way| is_open(way)).count();
    let completed = ways.iter().filter(|way| way.is_completed).count();
    let started = ways.len() - open;
    if started < FEWEST_ITEMS {
        return None;
    }
    let share = share(completed as f64, started as f64, Usual::UNKNOWN).into();
    let finding = Completion { share, completed, started, open };
    let steps = events.done.iter().filter(is_step).map(|done| done.event);
    let evidence = Evidence::of(events.domain, steps);
    Some(Line { text: text::completion(&finding, locale), finding, evidence })
}
