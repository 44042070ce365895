//! Whose events are whose: from pseudonyms to people.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::entities::consent::ConsentLedger;
use crate::entities::event::Event;
use crate::entities::history::History;
use crate::entities::ids::Pseudonym;
use crate::entities::people::{PeopleEntry, VersionedEntry};

/// Which person each user belongs to, what people decided, and who was erased.
#[derive(Debug, Clone, Default)]
pub struct PeopleIndex {
    person_of: HashMap<Pseudonym, usize>,
    pub(crate) ledgers: Vec<ConsentLedger>,
    pub(crate) erased: HashMap<Pseudonym, Timestamp>,
}

impl PeopleIndex {
    /// Takes in stored entries.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = VersionedEntry>) {
        for stored in entries {
            match stored.entry {
                PeopleEntry::Person(person) => {
                    let number = self.ledgers.len();
                    self.ledgers.push(person.consents);
                    for member in person.members {
                        let erased = member.erased_at.map(|at| (member.user.clone(), at));
                        self.erased.extend(erased);
                        self.person_of.insert(member.user, number);
                    }
                }
                PeopleEntry::Erased { at } => {
                    self.erased.insert(stored.id, at);
                }
                // The person's own entry lists the user.
                PeopleEntry::Link { .. } => {}
            }
        }
    }

    /// Whether an archived event belongs to a life that was erased.
    #[must_use]
    pub fn is_erased(&self, event: &Event) -> bool {
        self.erased.get(&event.user).is_some_and(|at| event.received_at <= *at)
    }

    /// The events of each person, with what they decided. Users without an
    /// entry are people of their own without decisions. In order of each person's
    /// first pseudonym, so that neither the order in which a store lists people
    /// nor that of the archive's files changes the model.
    pub(crate) fn histories(&self, events: Vec<Event>) -> Vec<(ConsentLedger, History)> {
        let mut by_person: HashMap<Result<usize, Pseudonym>, Vec<Event>> = HashMap::new();
        for event in events {
            let person = self.person_of.get(&event.user).copied();
            by_person.entry(person.ok_or_else(|| event.user.clone())).or_default().push(event);
        }
        let first = |events: &[Event]| events.iter().map(|event| event.user.clone()).min();
        let mut people: Vec<_> = by_person
            .into_iter()
            .map(|(person, events)| (first(&events), person, events))
            .collect();
        people.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        people
            .into_iter()
            .map(|(_, person, events)| {
                let ledger = person.map(|number| self.ledgers[number].clone()).unwrap_or_default();
                (ledger, History::new(events, []))
            })
            .collect()
    }
}
