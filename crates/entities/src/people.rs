//! People and their linked users.
//!
//! A user that was never linked is a person of its own. Linking makes two users
//! one person: their consents become one ledger and their histories are read
//! together. Events stay under the user who did them, so an event resent after
//! a link is still recognised as a duplicate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::consent::ConsentLedger;
use crate::ids::{DomainId, Pseudonym};

/// Most users of one person: a link writes them all in one transaction.
pub const MAX_MEMBERS: usize = 32;

/// A user as part of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The user's pseudonym.
    pub user: Pseudonym,
    /// The platform whose user it is.
    pub domain: DomainId,
    /// What the platform declared of them (free attributes).
    #[serde(default)]
    pub declared: BTreeMap<String, String>,
    /// When the user's earlier life was erased, if it was: nothing received up
    /// to then may be used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
}

/// A person: linked users and their common consents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The users, the first being the one whose pseudonym is the person's.
    pub members: Vec<Member>,
    /// What the person decided.
    pub consents: ConsentLedger,
}

/// What is stored under a user's pseudonym.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PeopleEntry {
    /// The person whose first user this is.
    Person(Person),
    /// The user belongs to the person stored under `person`.
    Link {
        /// The pseudonym of that person's first user.
        person: Pseudonym,
    },
    /// The user was erased; nothing else is kept.
    Erased {
        /// When.
        at: Timestamp,
    },
}

/// An entry with the version that a write must name to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedEntry {
    /// Its key.
    pub id: Pseudonym,
    /// The entry.
    pub entry: PeopleEntry,
    /// Counts the writes of this entry, from 1.
    pub version: u64,
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleWrite {
    /// The entry's key.
    pub id: Pseudonym,
    /// The entry to store.
    pub entry: PeopleEntry,
    /// The version it must have now; `None`: it must not exist.
    pub expected: Option<u64>,
}

/// Why two people cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Together they would have too many users.
    #[error("a person can have at most {MAX_MEMBERS} users")]
    TooManyMembers,
}

impl Person {
    /// A person with one user and no decisions.
    #[must_use]
    pub fn of_one(user: Pseudonym, domain: DomainId) -> Self {
        let member = Member { user, domain, declared: BTreeMap::new(), erased_at: None };
        Self { members: vec![member], consents: ConsentLedger::default() }
    }

    /// The user's membership.
    pub fn member_mut(&mut self, user: &Pseudonym) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.user == *user)
    }

    /// Joins `other` to this person: members and consents of both.
    ///
    /// # Errors
    /// [`LinkError::TooManyMembers`]; nothing is changed then.
    pub fn join(&mut self, other: Self) -> Result<(), LinkError> {
        if self.members.len() + other.members.len() > MAX_MEMBERS {
            return Err(LinkError::TooManyMembers);
        }
        self.members.extend(other.members);
        self.consents.merge(other.consents);
        Ok(())
    }

    /// Takes a user out; consents stay with those who remain.
    pub fn leave(&mut self, user: &Pseudonym) {
        self.members.retain(|member| member.user != *user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> Person {
        let domain = DomainId::parse("knowledge").unwrap();
        Person::of_one(Pseudonym::parse(name).unwrap(), domain)
    }

    #[test]
    fn joining_keeps_every_member_and_is_bounded() {
        let mut person = one("a");
        for index in 1..MAX_MEMBERS {
            person.join(one(&format!("m{index}"))).unwrap();
        }
        let before = person.clone();
        assert_eq!(person.join(one("z")), Err(LinkError::TooManyMembers));
        assert_eq!(person, before);
    }

    #[test]
    fn an_entry_survives_json() {
        let entry = PeopleEntry::Person(one("a"));
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<PeopleEntry>(&text).unwrap(), entry);
    }
}
