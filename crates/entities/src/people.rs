//! People and their linked users.
//!
//! A user that was never linked is a person of its own. Linking makes two users
//! one person: their consents become one ledger and their histories are read
//! together. Events stay under the user who did them, so an event resent after
//! a link is still recognised as a duplicate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::consent::{ConsentDecision, ConsentLedger};
use crate::ids::{DomainId, Pseudonym};

/// Most users of one person: who erases the first one writes all the others in one transaction,
/// of at most 100 entries on DynamoDB, and what is decided of all fits into one record
/// ([`shares`](crate::shares)).
pub const MAX_MEMBERS: usize = 48;
/// Most users of one platform who are one person, for whoever acts for that platform. It is the
/// limit that callers meet: how many users others have, they may not know. The one of
/// [`MAX_MEMBERS`] is met behind it by a person alone whom more than ten other platforms know by
/// as many users as this.
pub const MAX_OF_DOMAIN: usize = 4;

/// What a platform declares of a user: free attributes.
pub type Declared = BTreeMap<String, String>;

/// A user as part of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The user's pseudonym, of the life that they lead: [`Pseudonym::own`] of it is the
    /// key of what is stored of the user.
    pub user: Pseudonym,
    /// The platform whose user it is.
    pub domain: DomainId,
    /// What the platform declared of them, of the person's first user. That of the others stands
    /// under their own pseudonyms, so that no call about one user reads it of another; only
    /// earlier versions kept it here.
    #[serde(default, skip_serializing_if = "Declared::is_empty")]
    pub declared: Declared,
    /// Until when the user's earlier life lasted, if one was erased: what happened up to
    /// then belongs to it, and is not taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_until: Option<Timestamp>,
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
    /// The person whose first user this is. Its key is that user's own pseudonym.
    Person(Person),
    /// The user belongs to the person stored under `person`.
    Link {
        /// The own pseudonym of that person's first user.
        person: Pseudonym,
        /// The life that the user leads: that of their membership, told here as well so
        /// that whoever takes an event needs not look further.
        #[serde(default, skip_serializing_if = "is_first")]
        life: u32,
        /// Until when the user's earlier life lasted: as in their membership.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        erased_until: Option<Timestamp>,
        /// What the platform declared of them; `None` where an earlier version keeps it in
        /// their membership.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        declared: Option<Declared>,
    },
    /// The user was erased; nothing else is kept.
    Erased {
        /// The life that begins when something of the user is known again: as many lives
        /// were erased.
        #[serde(default = "one")]
        life: u32,
        /// Until when the life before it lasted: when it was erased, by the service's
        /// clock, or what was the newest in it, by its caller's, where that was later.
        #[serde(alias = "at")]
        until: Timestamp,
    },
}

fn is_first(life: &u32) -> bool {
    *life == 0
}

/// The life after the first.
fn one() -> u32 {
    1
}

/// Which life a user leads, and what is too old to be of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLife {
    /// The user's pseudonym in it.
    pub user: Pseudonym,
    /// Until when their earlier life lasted, if one was erased.
    pub erased_until: Option<Timestamp>,
    /// Whether nothing of it is known yet: it begins with what comes in now.
    pub is_erased: bool,
}

impl UserLife {
    /// The life of a user of whom nothing is stored.
    #[must_use]
    pub fn first(user: &Pseudonym) -> Self {
        Self { user: user.own(), erased_until: None, is_erased: false }
    }

    /// The life that the entry under a user's own pseudonym tells of.
    #[must_use]
    pub fn of(stored: &VersionedEntry) -> Self {
        let (life, erased_until, is_erased) = match &stored.entry {
            PeopleEntry::Person(person) => {
                let member = person.members.iter().find(|member| member.user.own() == stored.id);
                let erased_until = member.and_then(|member| member.erased_until);
                (member.map_or(0, |member| member.user.life()), erased_until, false)
            }
            PeopleEntry::Link { life, erased_until, .. } => (*life, *erased_until, false),
            PeopleEntry::Erased { life, until } => (*life, Some(*until), true),
        };
        Self { user: stored.id.in_life(life), erased_until, is_erased }
    }

    /// Whether what happened at an instant is of a life that was erased.
    #[must_use]
    pub fn is_before(&self, instant: Timestamp) -> bool {
        self.erased_until.is_some_and(|until| instant <= until)
    }
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
    /// Together they would have too many users of one platform, or in all.
    #[error("a person can have at most {MAX_OF_DOMAIN} users of a platform")]
    TooManyMembers,
}

impl Person {
    /// A person with one user and no decisions.
    #[must_use]
    pub fn of_one(user: Pseudonym, domain: DomainId) -> Self {
        let member = Member { user, domain, declared: Declared::new(), erased_until: None };
        Self { members: vec![member], consents: ConsentLedger::default() }
    }

    /// A user's membership, by any of their pseudonyms.
    #[must_use]
    pub fn member(&self, user: &Pseudonym) -> Option<&Member> {
        let own = user.own();
        self.members.iter().find(|member| member.user.own() == own)
    }

    /// The same, to be changed.
    pub fn member_mut(&mut self, user: &Pseudonym) -> Option<&mut Member> {
        let own = user.own();
        self.members.iter_mut().find(|member| member.user.own() == own)
    }

    /// The domains that both this person and another one have users of: one person with them
    /// would have several there.
    pub fn domains_of_both<'p>(&'p self, other: &'p Self) -> BTreeSet<&'p DomainId> {
        let others: BTreeSet<&DomainId> =
            other.members.iter().map(|member| &member.domain).collect();
        let domains = self.members.iter().map(|member| &member.domain);
        domains.filter(|domain| others.contains(domain)).collect()
    }

    /// Joins `other` to this person: members and consents of both. What was declared of its
    /// users is for the caller to keep under their own pseudonyms. Users are counted of those
    /// domains that whoever links them acts for.
    ///
    /// # Errors
    /// [`LinkError::TooManyMembers`]; nothing is changed then.
    pub fn join(
        &mut self,
        other: Self,
        acts_for: impl Fn(&DomainId) -> bool,
    ) -> Result<(), LinkError> {
        let members = || self.members.iter().chain(&other.members);
        let mut of_domain: BTreeMap<&DomainId, usize> = BTreeMap::new();
        for member in members().filter(|member| acts_for(&member.domain)) {
            *of_domain.entry(&member.domain).or_default() += 1;
        }
        if members().count() > MAX_MEMBERS || of_domain.values().any(|users| *users > MAX_OF_DOMAIN)
        {
            return Err(LinkError::TooManyMembers);
        }
        let joined = other.members.into_iter();
        self.members.extend(joined.map(|member| Member { declared: Declared::new(), ..member }));
        self.consents.merge(other.consents);
        Ok(())
    }

    /// Takes a user out, and the consents that they gave; what others decided stands. A decision
    /// of which nobody who stays is known to have taken it counts as the user's if it concerns
    /// their platform and nobody else of it stays.
    pub fn leave(&mut self, user: &Pseudonym) {
        let own = user.own();
        let Some(place) = self.members.iter().position(|member| member.user.own() == own) else {
            return;
        };
        let left = self.members.remove(place);
        let Self { members, consents } = self;
        let others_stay = members.iter().any(|member| member.domain == left.domain);
        let concerns =
            |decision: &ConsentDecision| decision.from == left.domain || decision.to == left.domain;
        consents.leave(
            &own,
            |by| members.iter().any(|member| member.user.own() == *by),
            |decision| !others_stay && concerns(decision),
        );
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
            person.join(one(&format!("m{index}")), |_| false).unwrap();
        }
        let before = person.clone();
        assert_eq!(person.join(one("z"), |_| false), Err(LinkError::TooManyMembers));
        assert_eq!(person, before);
    }

    #[test]
    fn only_users_of_platforms_that_the_caller_acts_for_count_towards_their_limit() {
        let [knowledge, travel] = ["knowledge", "travel"].map(|id| DomainId::parse(id).unwrap());
        let of_travel = |name: &str| {
            Person::of_one(Pseudonym::parse(name).unwrap(), DomainId::parse("travel").unwrap())
        };
        let mut person = one("a");
        for index in 0..MAX_OF_DOMAIN + 2 {
            person.join(of_travel(&format!("t{index}")), |domain| *domain == knowledge).unwrap();
        }
        for index in 1..MAX_OF_DOMAIN {
            person.join(one(&format!("k{index}")), |domain| *domain == knowledge).unwrap();
        }
        let full = person.join(one("z"), |domain| *domain == knowledge);
        assert_eq!(full, Err(LinkError::TooManyMembers));
        let full = person.join(of_travel("z"), |domain| *domain == travel);
        assert_eq!(full, Err(LinkError::TooManyMembers));
    }

    #[test]
    fn what_is_declared_of_a_user_does_not_come_along_into_the_person_they_join() {
        let mut other = one("b");
        other.members[0].declared = Declared::from([("plan".into(), "gold".into())]);
        let mut person = one("a");
        person.join(other, |_| true).unwrap();
        assert!(!stored(&person).contains("gold"));
    }

    fn decision(granted: bool, evidence: &str) -> ConsentDecision {
        serde_json::from_value(serde_json::json!({
            "from": "knowledge", "to": "travel", "purpose": "training", "granted": granted,
            "decided_at": "2026-06-01T00:00:00Z", "evidence": evidence,
        }))
        .unwrap()
    }

    /// `a` of knowledge and `b` of travel.
    fn linked() -> (Person, Pseudonym, Pseudonym) {
        let mut person = one("a");
        let travel = DomainId::parse("travel").unwrap();
        let [a, b] = ["a", "b"].map(|name| Pseudonym::parse(name).unwrap());
        person.join(Person::of_one(b.clone(), travel), |_| true).unwrap();
        (person, a, b)
    }

    fn stored(person: &Person) -> String {
        serde_json::to_string(person).unwrap()
    }

    #[test]
    fn who_leaves_takes_their_grants_along_and_leaves_refusals_that_tell_nothing() {
        for granted in [true, false] {
            let (mut person, a, _) = linked();
            // In their second life, as well.
            person.consents.record_by(&a.in_life(1), decision(granted, "ticket 7 of a"));
            person.leave(&a.in_life(1));
            let kept: Vec<&ConsentDecision> = person.consents.decisions().collect();
            assert_eq!(kept.len(), usize::from(!granted), "{kept:?}");
            let text = stored(&person);
            assert!(!text.contains("ticket") && !text.contains("\"a\""), "{text}");
        }
    }

    #[test]
    fn who_leaves_takes_no_decision_of_others_along() {
        let (mut person, a, b) = linked();
        person.consents.record_by(&b, decision(true, "of b"));
        person.leave(&a);
        assert!(stored(&person).contains("of b"));
    }

    #[test]
    fn a_decision_of_nobody_known_goes_with_the_last_member_of_a_platform_that_it_concerns() {
        let (mut person, a, b) = linked();
        person.consents.record(decision(true, "of somebody"));
        let mut other = person.clone();
        other.join(one("c"), |_| true).unwrap();
        for leaving in [&a, &b] {
            let mut person = person.clone();
            person.leave(leaving);
            assert_eq!(person.consents.decisions().count(), 0);
        }
        other.leave(&a);
        assert_eq!(other.consents.decisions().count(), 1, "another of the platform stays");
    }

    #[test]
    fn an_entry_survives_json() {
        let entry = PeopleEntry::Person(one("a"));
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<PeopleEntry>(&text).unwrap(), entry);
    }
}
