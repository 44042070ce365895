//! People and what they consented to.

use crossfold_entities::consent::ConsentDecision;
use crossfold_entities::ids::{DomainId, Pseudonym};
use crossfold_entities::people::{Declared, Member, PeopleEntry, Person, VersionedEntry};
use crossfold_entities::purpose::Purpose;

use crate::ids::at;

/// A person with these users, each of a domain, and no decisions.
#[must_use]
pub fn person(members: impl IntoIterator<Item = (Pseudonym, DomainId)>) -> Person {
    let member =
        |(user, domain)| Member { user, domain, declared: Declared::new(), erased_until: None };
    Person { members: members.into_iter().map(member).collect(), consents: Vec::new().into() }
}

/// A person as the store has them, under their first user, written once.
///
/// # Panics
/// When the person has no user.
#[must_use]
pub fn stored(person: Person) -> VersionedEntry {
    let first = person.members.first().expect("a person has a user");
    VersionedEntry { id: first.user.clone(), entry: PeopleEntry::Person(person), version: 1 }
}

/// A grant of one direction for one purpose, given at the start of 1970, without an end.
///
/// # Panics
/// Never: the instant is fixed.
#[must_use]
pub fn consent(from: &DomainId, to: &DomainId, purpose: Purpose) -> ConsentDecision {
    ConsentDecision {
        from: from.clone(),
        to: to.clone(),
        purpose,
        granted: true,
        decided_at: at(0),
        expires_at: None,
        evidence: None,
    }
}

/// Grants of both directions between two domains for both purposes.
///
/// # Panics
/// Never: the instant is fixed.
#[must_use]
pub fn mutual_consent(one: &DomainId, other: &DomainId) -> Vec<ConsentDecision> {
    let directions = [(one, other), (other, one)];
    let grants = directions.into_iter().flat_map(|(from, to)| {
        [Purpose::Recommendation, Purpose::Training].map(|purpose| consent(from, to, purpose))
    });
    grants.collect()
}
