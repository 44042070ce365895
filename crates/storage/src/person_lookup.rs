//! Finding the person behind a user.

use std::collections::BTreeMap;

use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{Declared, PeopleEntry, Person, UserLife, VersionedEntry};
use crossfold_core::entities::ports::{PeopleStore, StoreError, StoreResult};
use jiff::Timestamp;

/// A stored person, with what a write needs to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPerson {
    /// The key: the own pseudonym of the person's first user.
    pub id: Pseudonym,
    /// The person.
    pub person: Person,
    /// The version to name in a write.
    pub version: u64,
    /// What stands under the user who was looked for, where that is not the first one.
    pub link: Option<StoredLink>,
}

/// What stands under a user who is linked to a person's first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLink {
    /// The version to name in a write of it.
    pub version: u64,
    /// What the user's platform declared of them; `None` where an earlier version of this keeps
    /// it in the person.
    pub declared: Option<Declared>,
}

impl StoredPerson {
    /// A person who is not stored yet, of one user.
    #[must_use]
    pub fn fresh(person: Person, id: Pseudonym) -> Self {
        Self { id, person, version: 0, link: None }
    }

    /// What was declared of the user who was looked for.
    #[must_use]
    pub fn declared(&self, user: &Pseudonym) -> Declared {
        let of_link = self.link.as_ref().and_then(|link| link.declared.clone());
        let of_member = || self.person.member(user).map(|member| member.declared.clone());
        of_link.or_else(of_member).unwrap_or_default()
    }
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing: never registered.
    Nobody,
    /// The person the user belongs to.
    Person(StoredPerson),
    /// The user was erased and not registered again.
    Erased {
        /// The life that begins with what comes in now.
        life: u32,
        /// Until when the one before lasted.
        until: Timestamp,
        /// The version to name in a write.
        version: u64,
    },
}

/// The lives that users lead, by their own pseudonyms: those of whom nothing is stored lead
/// their first.
///
/// # Errors
/// When the store cannot be read.
pub async fn lives(
    store: &dyn PeopleStore,
    users: impl IntoIterator<Item = Pseudonym>,
) -> StoreResult<BTreeMap<Pseudonym, UserLife>> {
    let mut lives: BTreeMap<Pseudonym, UserLife> =
        users.into_iter().map(|user| (user.own(), UserLife::first(&user))).collect();
    let asked: Vec<Pseudonym> = lives.keys().cloned().collect();
    for stored in store.get_all(&asked).await? {
        lives.insert(stored.id.clone(), UserLife::of(&stored));
    }
    Ok(lives)
}

/// The life that one user leads.
///
/// # Errors
/// When the store cannot be read.
pub async fn life(store: &dyn PeopleStore, user: &Pseudonym) -> StoreResult<UserLife> {
    let stored = store.get(&user.own()).await?;
    Ok(stored.map_or_else(|| UserLife::first(user), |stored| UserLife::of(&stored)))
}

/// How often a search that a change ran into is made again.
const MAX_TRIES: usize = 4;

/// Finds the person behind a user, by any of their pseudonyms. It takes two reads, one after
/// another, whoever the user is: one who is linked to others, one who is not, and one whom
/// nobody knows. Without that, who waits for the answer could tell a linked user by the time
/// that it takes to follow the link.
///
/// # Errors
/// When the store cannot be read, or holds a link that leads nowhere.
pub async fn find(store: &dyn PeopleStore, user: &Pseudonym) -> StoreResult<Found> {
    let own = user.own();
    for _ in 0..MAX_TRIES {
        let (key, link) = match store.get(&own).await? {
            Some(VersionedEntry {
                entry: PeopleEntry::Link { person, declared, .. },
                version,
                ..
            }) => (person, Some(StoredLink { version, declared })),
            _ => (own.clone(), None),
        };
        match store.get(&key).await? {
            None if link.is_none() => return Ok(Found::Nobody),
            Some(VersionedEntry { entry: PeopleEntry::Person(person), version, .. }) => {
                return Ok(Found::Person(StoredPerson { id: key, person, version, link }));
            }
            Some(VersionedEntry {
                entry: PeopleEntry::Erased { life, until }, version, ..
            }) if link.is_none() => {
                return Ok(Found::Erased { life, until, version });
            }
            // A link was made or undone between the two.
            _ => {}
        }
    }
    Err(StoreError::Corrupt("a user's link leads nowhere".into()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crossfold_core::entities::ids::DomainId;
    use crossfold_core::entities::people::PeopleWrite;

    use super::*;
    use crate::faults::{Fault, FaultPlan, faulty};
    use crate::memory;

    fn user(name: &str) -> Pseudonym {
        Pseudonym::parse(name).unwrap()
    }

    fn link(first: &str) -> PeopleEntry {
        PeopleEntry::Link { person: user(first), life: 0, erased_until: None, declared: None }
    }

    #[tokio::test]
    async fn it_takes_two_reads_whoever_the_user_is() {
        let stores = memory::stores();
        let domain = DomainId::parse("knowledge").unwrap();
        let mut person = Person::of_one(user("first"), domain.clone());
        person.join(Person::of_one(user("linked"), domain.clone()), |_| true).unwrap();
        let entries = [
            ("first", PeopleEntry::Person(person)),
            ("linked", link("first")),
            ("lost", link("nobody")),
            ("alone", PeopleEntry::Person(Person::of_one(user("alone"), domain))),
            ("erased", PeopleEntry::Erased { life: 1, until: Timestamp::UNIX_EPOCH }),
        ];
        for (name, entry) in entries {
            let write = PeopleWrite { id: user(name), entry, expected: None };
            stores.people.commit(&[write]).await.unwrap();
        }
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        let plan = FaultPlan::from_fn(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Fault::None
        });
        let counting = faulty(stores.clone(), &plan).people;
        let person = |found| match found {
            Found::Person(StoredPerson { id, .. }) => Some(id),
            Found::Nobody | Found::Erased { .. } => None,
        };
        for (name, first) in [
            ("first", Some("first")),
            ("linked", Some("first")),
            ("alone", Some("alone")),
            ("erased", None),
            ("stranger", None),
        ] {
            reads.store(0, Ordering::Relaxed);
            let found = find(&*counting, &user(name)).await.unwrap();
            assert_eq!(reads.load(Ordering::Relaxed), 2, "{name}");
            assert_eq!(person(found), first.map(user), "{name}");
        }
        let lost = find(&*counting, &user("lost")).await;
        assert!(matches!(lost, Err(StoreError::Corrupt(_))), "{lost:?}");
    }
}
