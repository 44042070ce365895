//! Whose events are whose: from pseudonyms to people.

use std::collections::HashMap;
use std::ops::Range;

use jiff::Timestamp;

use crate::entities::consent::{ConsentContext, ConsentLedger, ConsentedHistory};
use crate::entities::definition::Definitions;
use crate::entities::history::History;
use crate::entities::ids::Pseudonym;
use crate::entities::people::{PeopleEntry, VersionedEntry};
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::event_table::EventTable;

/// Which person each user belongs to, what people decided, and who was erased.
#[derive(Debug, Clone, Default)]
pub struct PeopleIndex {
    person_of: HashMap<Pseudonym, usize>,
    pub(crate) ledgers: Vec<ConsentLedger>,
    /// The life that each user leads who had one erased, by their own pseudonyms.
    pub(crate) lives: HashMap<Pseudonym, u32>,
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
                        self.note_life(&member.user);
                        self.person_of.insert(member.user, number);
                    }
                }
                PeopleEntry::Erased { life, .. } => self.note_life(&stored.id.in_life(life)),
                // The person's own entry lists the user.
                PeopleEntry::Link { .. } => {}
            }
        }
    }

    fn note_life(&mut self, user: &Pseudonym) {
        if user.life() > 0 {
            self.lives.insert(user.own(), user.life());
        }
    }

    /// Whether a pseudonym is of a life that was erased.
    #[must_use]
    pub fn is_erased(&self, user: &Pseudonym) -> bool {
        is_erased(&self.lives, user)
    }

    /// The people whose events a sorted table holds. Users without an entry are
    /// people of their own without decisions.
    pub(crate) fn histories<'a>(&'a self, events: &'a EventTable) -> Histories<'a> {
        let mut people: Vec<PersonEvents> = Vec::new();
        let mut place_of: HashMap<usize, usize> = HashMap::new();
        for (user, part) in events.users() {
            let person = self.person_of.get(user).copied();
            match person.and_then(|number| place_of.get(&number)) {
                Some(place) => people[*place].parts.push(part),
                None => {
                    place_of.extend(person.map(|number| (number, people.len())));
                    people.push(PersonEvents { number: person, parts: vec![part] });
                }
            }
        }
        Histories { events, ledgers: &self.ledgers, nobodys: ConsentLedger::default(), people }
    }
}

/// Whether a pseudonym is of a life before the one that its user leads.
pub(crate) fn is_erased(lives: &HashMap<Pseudonym, u32>, user: &Pseudonym) -> bool {
    !lives.is_empty() && lives.get(&user.own()).is_some_and(|life| user.life() < *life)
}

/// Where a person's events are in a table.
struct PersonEvents {
    number: Option<usize>,
    parts: Vec<Range<usize>>,
}

/// The histories of people, made one at a time: in order of each person's first
/// pseudonym, so that neither the order in which a store lists people nor that of the
/// archive's files changes the model.
pub(crate) struct Histories<'a> {
    events: &'a EventTable,
    ledgers: &'a [ConsentLedger],
    nobodys: ConsentLedger,
    people: Vec<PersonEvents>,
}

impl Histories<'_> {
    /// How many people there are.
    pub(crate) fn len(&self) -> usize {
        self.people.len()
    }

    /// The newest evidence that may be used for training at `now`: of all, and of what
    /// happened before an instant.
    pub(crate) fn newest(
        &self,
        (definitions, now): (&Definitions, Timestamp),
        before: Option<Timestamp>,
    ) -> (NewestEvidence, NewestEvidence) {
        let (mut of_all, mut of_before) = <(NewestEvidence, NewestEvidence)>::default();
        for (ledger, history) in self.iter() {
            let context = ConsentContext { ledger, definitions, now };
            let newest = |before| ConsentedHistory::newest_for_training(&history, context, before);
            newest(None).into_iter().for_each(|(domain, at)| of_all.note(domain, at));
            if before.is_some() {
                newest(before).into_iter().for_each(|(domain, at)| of_before.note(domain, at));
            }
        }
        (of_all, of_before)
    }

    /// Each person's decisions and history.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ConsentLedger, History)> {
        self.people.iter().map(|person| {
            let ledger = person.number.map_or(&self.nobodys, |number| &self.ledgers[number]);
            let events = person.parts.iter().flat_map(|part| self.events.part(part.clone()));
            (ledger, History::new(events.collect(), []))
        })
    }
}
