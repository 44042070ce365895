//! Cleaning the archive before training, with a ledger of what was refused and
//! adjusted.
//!
//! Whatever order events are read in, the same ones are kept. Three passes:
//! events are judged one by one (duplicates, orphans, clock skew...), then users
//! whose rate only a machine has are refused whole ([`robots`]), and what is left
//! has its extreme values and dwell times drawn in ([`outliers`]).

mod ledger;
pub mod outliers;
pub mod robots;
mod robust;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use rayon::prelude::*;

pub use ledger::{Adjustment, CleaningLedger, MAX_SAMPLES, Refusal, Sample, UnknownRefusal};

use crate::entities::definition::Definitions;
use crate::entities::event::{Event, MAX_CLOCK_SKEW};
use crate::entities::ids::Pseudonym;
use crate::evidence::items::ItemKey;

/// What an event is judged by.
#[derive(Debug, Clone, Copy)]
pub struct CleaningRules<'a> {
    /// The domains.
    pub definitions: &'a Definitions,
    /// Every item of the catalogues that was not deleted.
    pub items: &'a BTreeSet<ItemKey>,
    /// Users that were erased, and when: what was received up to then is refused.
    pub erased: &'a HashMap<Pseudonym, Timestamp>,
}

/// An event that is not used, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedEvent {
    /// The event.
    pub event: Event,
    /// Why.
    pub reason: Refusal,
}

/// What cleaning made of the archive.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cleaned {
    /// Events fit for training, ordered by user, time and id.
    pub kept: Vec<Event>,
    /// The others, for quarantine, in the same order; events of erased users are
    /// counted in the ledger and handed to nobody.
    pub refused: Vec<RefusedEvent>,
    /// What was done, in figures.
    pub ledger: CleaningLedger,
}

/// Keeps the events fit for training, adjusts outliers, and counts all of it.
#[must_use]
pub fn clean(mut events: Vec<Event>, rules: CleaningRules<'_>) -> Cleaned {
    let mut ledger = CleaningLedger { read: events.len() as u64, ..CleaningLedger::default() };
    events.par_sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    let mut refused = Vec::new();
    let mut judged: Vec<Event> = Vec::with_capacity(events.len());
    for event in events {
        let reason = judge(&event, judged.last(), refused.last(), rules);
        match reason {
            // Not even a sample is kept of an erased life.
            Some(Refusal::ErasedUser) => ledger.count(Refusal::ErasedUser),
            Some(reason) => refused.push(RefusedEvent { event, reason }),
            None => judged.push(event),
        }
    }
    let (mut kept, of_robots) = robots::part(judged, &mut ledger.most_events_an_hour);
    refused
        .extend(of_robots.into_iter().map(|event| RefusedEvent { event, reason: Refusal::Robot }));
    refused.sort_by(|a, b| order(&a.event).cmp(&order(&b.event)));
    refused.iter().for_each(|refused| ledger.refuse(refused));
    outliers::winsorise(&mut kept, &mut ledger);
    ledger.kept = kept.len() as u64;
    Cleaned { kept, refused, ledger }
}

/// Identity first, then everything else, so that of two events with one identity
/// the same one comes first whatever order they were read in.
fn order(event: &Event) -> impl Ord + '_ {
    (
        (event.user.as_str(), event.occurred_at, event.event_id.as_str()),
        (event.received_at, event.domain.as_str(), event.event_type.as_str()),
        (event.item_id.as_str(), event.value, event.dwell_seconds),
    )
}

fn is_same(a: &Event, b: &Event) -> bool {
    (&a.user, a.occurred_at, &a.event_id) == (&b.user, b.occurred_at, &b.event_id)
}

/// Erasure comes before all else: a copy of an erased event is erased too.
fn judge(
    event: &Event,
    last_kept: Option<&Event>,
    last_refused: Option<&RefusedEvent>,
    rules: CleaningRules<'_>,
) -> Option<Refusal> {
    if rules.erased.get(&event.user).is_some_and(|at| event.received_at <= *at) {
        return Some(Refusal::ErasedUser);
    }
    if last_kept.is_some_and(|last| is_same(last, event))
        || last_refused.is_some_and(|last| is_same(&last.event, event))
    {
        return Some(Refusal::Duplicate);
    }
    let Some(definition) = rules.definitions.get(&event.domain) else {
        return Some(Refusal::UnknownDomain);
    };
    if !definition.event_types.contains_key(&event.event_type) {
        return Some(Refusal::UnknownEventType);
    }
    if event.occurred_at.duration_since(event.received_at) > MAX_CLOCK_SKEW {
        return Some(Refusal::ClockSkew);
    }
    let item = (event.domain.clone(), event.item_id.clone());
    (!rules.items.contains(&item)).then_some(Refusal::OrphanItem)
}

#[cfg(test)]
mod tests;
