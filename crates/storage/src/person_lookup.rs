//! Finding the person behind a user.

use std::collections::BTreeMap;

use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{PeopleEntry, Person, UserLife, VersionedEntry};
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

/// Reads that a link can race before we give up.
const MAX_READS: usize = 4;

/// Finds the person behind a user, by any of their pseudonyms, following a link.
///
/// # Errors
/// When the store cannot be read, or holds a link that leads nowhere.
pub async fn find(store: &dyn PeopleStore, user: &Pseudonym) -> StoreResult<Found> {
    let own = user.own();
    let mut key = own.clone();
    // A link made between two reads moves the person; then we read again.
    for _ in 0..MAX_READS {
        let Some(stored) = store.get(&key).await? else {
            if key == own {
                return Ok(Found::Nobody);
            }
            key = own.clone();
            continue;
        };
        match stored.entry {
            PeopleEntry::Person(person) => {
                return Ok(Found::Person(StoredPerson {
                    id: key,
                    person,
                    version: stored.version,
                }));
            }
            PeopleEntry::Erased { life, until } if key == own => {
                return Ok(Found::Erased { life, until, version: stored.version });
            }
            PeopleEntry::Erased { .. } => key = own.clone(),
            PeopleEntry::Link { person, .. } => key = person,
        }
    }
    Err(StoreError::Corrupt("a user's link leads nowhere".into()))
}

/// As [`find`], by two reads one after another, whoever the user is: one who is linked to
/// others, one who is not, and one whom nobody knows. Without that, who waits for the
/// answer could tell a linked user by the time it takes to follow the link.
///
/// # Errors
/// As [`find`].
pub async fn find_in_even_time(store: &dyn PeopleStore, user: &Pseudonym) -> StoreResult<Found> {
    let own = user.own();
    let first = store.get(&own).await?;
    let key = match first.map(|stored| stored.entry) {
        Some(PeopleEntry::Link { person, .. }) => person,
        _ => own.clone(),
    };
    match store.get(&key).await? {
        None if key == own => Ok(Found::Nobody),
        Some(VersionedEntry { entry: PeopleEntry::Person(person), version, .. }) => {
            Ok(Found::Person(StoredPerson { id: key, person, version }))
        }
        Some(VersionedEntry { entry: PeopleEntry::Erased { life, until }, version, .. })
            if key == own =>
        {
            Ok(Found::Erased { life, until, version })
        }
        // A link was made or undone between the two.
        _ => find(store, user).await,
    }
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

    #[tokio::test]
    async fn it_takes_two_reads_whoever_the_user_is_and_finds_what_a_search_finds() {
        let stores = memory::stores();
        let domain = DomainId::parse("knowledge").unwrap();
        let mut person = Person::of_one(user("first"), domain.clone());
        person.join(Person::of_one(user("linked"), domain.clone())).unwrap();
        let entries = [
            ("first", PeopleEntry::Person(person)),
            ("linked", PeopleEntry::Link { person: user("first"), life: 0, erased_until: None }),
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
        for name in ["first", "linked", "alone", "erased", "stranger"] {
            reads.store(0, Ordering::Relaxed);
            let found = find_in_even_time(&*counting, &user(name)).await.unwrap();
            assert_eq!(reads.load(Ordering::Relaxed), 2, "{name}");
            assert_eq!(found, find(&*stores.people, &user(name)).await.unwrap(), "{name}");
        }
    }
}
