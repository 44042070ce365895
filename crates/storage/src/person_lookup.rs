//! Finding the person behind a user.

use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{PeopleEntry, Person};
use crossfold_core::entities::ports::{PeopleStore, StoreError, StoreResult};
use jiff::Timestamp;

/// A stored person, with what a write needs to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPerson {
    /// The key: the pseudonym of the person's first user.
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
        /// When.
        at: Timestamp,
        /// The version to name in a write.
        version: u64,
    },
}

/// Reads that a link can race before we give up.
const MAX_READS: usize = 4;

/// Finds the person behind a user, following a link.
///
/// # Errors
/// When the store cannot be read, or holds a link that leads nowhere.
pub async fn find(store: &dyn PeopleStore, user: &Pseudonym) -> StoreResult<Found> {
    let mut key = user.clone();
    // A link made between two reads moves the person; then we read again.
    for _ in 0..MAX_READS {
        let Some(stored) = store.get(&key).await? else {
            if key == *user {
                return Ok(Found::Nobody);
            }
            key = user.clone();
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
            PeopleEntry::Erased { at } if key == *user => {
                return Ok(Found::Erased { at, version: stored.version });
            }
            PeopleEntry::Erased { .. } => key = user.clone(),
            PeopleEntry::Link { person } => key = person,
        }
    }
    Err(StoreError::Corrupt("a user's link leads nowhere".into()))
}
