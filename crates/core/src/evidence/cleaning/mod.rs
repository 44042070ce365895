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

use std::collections::{BTreeSet, HashMap, HashSet};

pub use ledger::{Adjustment, CleaningLedger, MAX_SAMPLES, Refusal, Sample, UnknownRefusal};

use crate::entities::definition::Definitions;
use crate::entities::event::{Event, MAX_CLOCK_SKEW};
use crate::entities::ids::{DomainId, Pseudonym};
use crate::evidence::event_table::{EventTable, Kind};
use crate::evidence::items::ItemKey;
use crate::evidence::people_index::is_erased;
use robots::PeakRates;

/// What an event is judged by.
#[derive(Debug, Clone, Copy)]
pub struct CleaningRules<'a> {
    /// The domains.
    pub definitions: &'a Definitions,
    /// Every item of the catalogues that was not deleted.
    pub items: &'a BTreeSet<ItemKey>,
    /// The lives that users lead who had one erased: what is of an earlier one is refused.
    pub lives: &'a HashMap<Pseudonym, u32>,
}

/// An event that is not used, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedEvent {
    /// The event.
    pub event: Event,
    /// Why.
    pub reason: Refusal,
}

/// Events that are not used, each with its reason.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefusedEvents {
    events: EventTable,
    reasons: Vec<Refusal>,
}

impl RefusedEvents {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.reasons.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The events, ordered by user, time and id.
    pub fn iter(&self) -> impl Iterator<Item = RefusedEvent> + '_ {
        let events = self.events.iter().zip(&self.reasons);
        events.map(|(event, reason)| RefusedEvent { event, reason: *reason })
    }

    /// Those that were refused for one reason, in the same order.
    pub fn of(&self, reason: Refusal) -> impl Iterator<Item = RefusedEvent> + '_ {
        let places = (0..self.len()).filter(move |place| self.reasons[*place] == reason);
        places.map(move |place| RefusedEvent { event: self.events.event(place), reason })
    }
}

/// What cleaning made of the archive.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cleaned {
    /// Events fit for training, ordered by user, time and id.
    pub kept: EventTable,
    /// The others, for quarantine, in the same order; events of erased users are
    /// counted in the ledger and handed to nobody.
    pub refused: RefusedEvents,
    /// What was done, in figures.
    pub ledger: CleaningLedger,
}

/// Keeps the events fit for training, adjusts outliers, and counts all of it.
#[must_use]
pub fn clean(mut events: EventTable, rules: CleaningRules<'_>) -> Cleaned {
    let mut ledger = CleaningLedger { read: events.len() as u64, ..CleaningLedger::default() };
    events.sort();
    let mut reasons: Vec<Option<Refusal>> = Vec::with_capacity(events.len());
    let names = KnownNames::new(&events, rules);
    let mut rates = PeakRates::default();
    for (user, part) in events.users() {
        let of_erased = is_erased(rules.lives, user);
        let start = reasons.len();
        let of_user = events.part(part);
        for (place, event) in of_user.iter().enumerate() {
            let before = place.checked_sub(1).map(|before| &of_user[before]);
            let after = (before, reasons.last().copied().flatten());
            reasons.push(judge(event, after, of_erased, names.refusal(&events, start + place)));
        }
        let kept = of_user.iter().zip(&reasons[start..]).filter(|(_, reason)| reason.is_none());
        rates.add(user, kept.map(|(event, _)| event));
    }
    let robots = rates.robots(&mut ledger.most_events_an_hour);
    refuse_robots(&events, &robots, &mut reasons);
    let is_kept = |place: usize| reasons[place].is_none();
    outliers::winsorise(&mut events, is_kept, |kind| rules.is_rating(kind), &mut ledger);
    let (refused, reasons) = events.take_marked(&reasons);
    let refused = without_erased(refused, reasons, &mut ledger);
    refused.iter().for_each(|refused| ledger.refuse(&refused));
    ledger.kept = events.len() as u64;
    Cleaned { kept: events, refused, ledger }
}

impl CleaningRules<'_> {
    /// Whether an event type's value is a rating: none of them lies too far out, and
    /// drawn in beyond the neutral point it would say the opposite.
    fn is_rating(&self, (domain, event_type): &Kind) -> bool {
        let definition = self.definitions.get(domain);
        let event_type = definition.and_then(|definition| definition.event_types.get(event_type));
        event_type.is_some_and(|event_type| event_type.neutral_value.is_some())
    }
}

/// Not even a sample is kept of an erased life.
fn without_erased(
    mut events: EventTable,
    mut reasons: Vec<Refusal>,
    ledger: &mut CleaningLedger,
) -> RefusedEvents {
    let is_erased = |reason: &Refusal| *reason == Refusal::ErasedUser;
    let marks: Vec<Option<()>> =
        reasons.iter().map(|reason| is_erased(reason).then_some(())).collect();
    let erased = events.take_marked(&marks).1.len();
    (0..erased).for_each(|_| ledger.count(Refusal::ErasedUser));
    reasons.retain(|reason| !is_erased(reason));
    RefusedEvents { events, reasons }
}

fn refuse_robots(
    events: &EventTable,
    robots: &HashSet<(DomainId, Pseudonym)>,
    reasons: &mut [Option<Refusal>],
) {
    if robots.is_empty() {
        return;
    }
    for (_, part) in events.users() {
        let reasons = &mut reasons[part.clone()];
        for (event, reason) in events.part(part).into_iter().zip(reasons) {
            if reason.is_none() && robots.contains(&(event.domain, event.user)) {
                *reason = Some(Refusal::Robot);
            }
        }
    }
}

/// Which kinds and items the definitions and catalogues know, by number.
struct KnownNames {
    kinds: Vec<Option<Refusal>>,
    items: Vec<bool>,
}

impl KnownNames {
    fn new(events: &EventTable, rules: CleaningRules<'_>) -> Self {
        let refusal = |(domain, event_type): &Kind| match rules.definitions.get(domain) {
            None => Some(Refusal::UnknownDomain),
            Some(definition) if !definition.event_types.contains_key(event_type) => {
                Some(Refusal::UnknownEventType)
            }
            Some(_) => None,
        };
        Self {
            kinds: events.kind_names().map(refusal).collect(),
            items: events.item_names().map(|item| rules.items.contains(item)).collect(),
        }
    }

    /// Why an event's names refuse it: what its kind says, and whether it is an orphan.
    fn refusal(&self, events: &EventTable, event: usize) -> (Option<Refusal>, bool) {
        let (kind, item) = events.kind_and_item(event);
        (self.kinds[kind], !self.items[item])
    }
}

fn is_same(a: &Event, b: &Event) -> bool {
    (&a.user, a.occurred_at, &a.event_id) == (&b.user, b.occurred_at, &b.event_id)
}

/// Erasure comes before all else: a copy of an erased event is erased too. `before` is the
/// event before this one and why it was refused.
fn judge(
    event: &Event,
    (before, refusal_before): (Option<&Event>, Option<Refusal>),
    of_erased: bool,
    (of_kind, is_orphan): (Option<Refusal>, bool),
) -> Option<Refusal> {
    if of_erased {
        return Some(Refusal::ErasedUser);
    }
    let is_copy = before.is_some_and(|before| is_same(before, event));
    if is_copy && refusal_before != Some(Refusal::ErasedUser) {
        return Some(Refusal::Duplicate);
    }
    if of_kind.is_some() {
        return of_kind;
    }
    if event.occurred_at.duration_since(event.received_at) > MAX_CLOCK_SKEW {
        return Some(Refusal::ClockSkew);
    }
    is_orphan.then_some(Refusal::OrphanItem)
}

#[cfg(test)]
mod tests;
