//! Cleaning the archive before training, with a count for every refusal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::Definitions;
use crate::event::{Event, MAX_CLOCK_SKEW};
use crate::ids::{EventId, Pseudonym};
use crate::interactions::ItemKey;

/// Why an archived event is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The same event was archived before (streams deliver at least once).
    Duplicate,
    /// Its domain has no definition any more.
    UnknownDomain,
    /// Its domain no longer knows its type.
    UnknownEventType,
    /// Its item is not in the catalogue.
    OrphanItem,
    /// Its user was erased.
    ErasedUser,
    /// It claims to have happened after it was received, beyond the tolerated skew.
    ClockSkew,
}

/// How many events cleaning saw, and how many it refused, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleaningLedger {
    /// Events read from the archive.
    pub read: u64,
    /// Events kept.
    pub kept: u64,
    /// Events refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
}

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

/// Keeps the events fit for training and counts the others.
#[must_use]
pub fn clean(events: Vec<Event>, rules: CleaningRules<'_>) -> (Vec<Event>, CleaningLedger) {
    let mut ledger = CleaningLedger { read: events.len() as u64, ..CleaningLedger::default() };
    let mut seen: HashSet<(Pseudonym, Timestamp, EventId)> = HashSet::with_capacity(events.len());
    let mut kept = Vec::with_capacity(events.len());
    for event in events {
        let identity = (event.user.clone(), event.occurred_at, event.event_id.clone());
        let refusal =
            if seen.insert(identity) { judge(&event, rules) } else { Some(Refusal::Duplicate) };
        match refusal {
            Some(reason) => *ledger.refused.entry(reason).or_default() += 1,
            None => kept.push(event),
        }
    }
    ledger.kept = kept.len() as u64;
    (kept, ledger)
}

fn judge(event: &Event, rules: CleaningRules<'_>) -> Option<Refusal> {
    if rules.erased.get(&event.user).is_some_and(|at| event.received_at <= *at) {
        return Some(Refusal::ErasedUser);
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
mod tests {
    use super::*;
    use crate::domain::tests::definition;
    use crate::ids::{DomainId, EventType, ItemId};

    #[test]
    fn every_refusal_is_counted_by_its_reason() {
        let event = Event {
            event_id: EventId::parse("e").unwrap(),
            user: Pseudonym::parse("u").unwrap(),
            domain: DomainId::parse("knowledge").unwrap(),
            event_type: EventType::parse("view").unwrap(),
            item_id: ItemId::parse("i").unwrap(),
            occurred_at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            value: None,
            dwell_seconds: None,
        };
        let mut events = vec![event.clone(), event.clone()];
        let mut number = 0;
        let mut add = |change: &dyn Fn(&mut Event)| {
            let mut other = event.clone();
            number += 1;
            other.event_id = EventId::parse(&format!("e{number}")).unwrap();
            change(&mut other);
            events.push(other);
        };
        add(&|e| e.domain = DomainId::parse("travel").unwrap());
        add(&|e| e.event_type = EventType::parse("gone").unwrap());
        add(&|e| e.item_id = ItemId::parse("gone").unwrap());
        add(&|e| e.user = Pseudonym::parse("erased").unwrap());
        add(&|e| e.occurred_at = "2030-01-01T00:00:00Z".parse().unwrap());
        let definitions = Definitions::from([(event.domain.clone(), definition())]);
        let items = BTreeSet::from([(event.domain.clone(), event.item_id.clone())]);
        let erased = HashMap::from([(Pseudonym::parse("erased").unwrap(), Timestamp::UNIX_EPOCH)]);
        let rules = CleaningRules { definitions: &definitions, items: &items, erased: &erased };
        let (kept, ledger) = clean(events, rules);
        assert_eq!(kept, [event]);
        assert_eq!((ledger.read, ledger.kept), (7, 1));
        assert_eq!(ledger.refused.len(), 6);
        assert!(ledger.refused.values().all(|count| *count == 1));
    }
}
