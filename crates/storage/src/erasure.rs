//! Erasing a life of a user, from its record on: each step may be the last before the
//! process dies, and whoever comes next goes on from there.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::erasure::{Erasure, FinishedErasure, PendingErasure, Place};
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::{Member, PeopleEntry, PeopleWrite};
use crossfold_core::entities::ports::{Appended, Committed, StoreError, StoreResult, Stores};
use crossfold_core::entities::records::RecordKind;
use jiff::Timestamp;

use crate::person_lookup::{Found, find, life};
use crate::records;

/// How often a change that lost a race is tried again.
const MAX_TRIES: usize = 8;

/// What became of a request to erase the life that a user leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The pseudonym of the life.
    pub user: Pseudonym,
    /// How far its erasure has come.
    pub erasure: Erasure,
}

/// Erases the life that a user leads: reads know nothing of it when this has ended, and its
/// events are deleted. What is kept elsewhere is visited by [`visit_tables`] and whoever reads
/// the archive.
///
/// # Errors
/// When a store fails. Where the record was made, the erasure goes on all the same.
pub async fn erase(
    stores: &Stores,
    (user, domain): (&Pseudonym, &DomainId),
    now: Timestamp,
) -> StoreResult<Requested> {
    let user = life(&*stores.people, user).await?.user;
    let pending = PendingErasure(Erasure::requested(domain.clone(), now));
    // The record first: were the user gone without it, nobody would look elsewhere.
    let created = records::create(&*stores.records, &user, &pending).await?;
    let mut erasure = match created {
        Appended::New => pending.0,
        Appended::Duplicate => match records::get::<PendingErasure>(&*stores.records, &user).await?
        {
            Some(PendingErasure(erasure)) => erasure,
            None => return Err(StoreError::Unavailable("an erasure ended meanwhile".into())),
        },
    };
    erasure.visit(Place::People, 1);
    erasure.visit(Place::Events, forget(stores, &user, now).await?);
    records::put(&*stores.records, &user, &PendingErasure(erasure.clone())).await?;
    Ok(Requested { user, erasure })
}

/// Takes a life out of its person and deletes its events, without a record: for whoever has
/// one that covers many. Says how many records were deleted.
///
/// # Errors
/// When a store fails.
pub async fn forget(stores: &Stores, user: &Pseudonym, now: Timestamp) -> StoreResult<u64> {
    take_out(stores, user, now).await?;
    stores.events.erase(user).await
}

/// Every erasure that is under way, by the pseudonym of the life.
///
/// # Errors
/// When the store fails.
pub async fn pending(stores: &Stores) -> StoreResult<BTreeMap<Pseudonym, Erasure>> {
    let listed = records::list::<PendingErasure>(&*stores.records).await?;
    Ok(listed.into_iter().map(|(user, PendingErasure(erasure))| (user, erasure)).collect())
}

/// Goes on with erasures in the tables: takes out who is not yet, and deletes what was on its
/// way when they were erased, and what is logged of them.
///
/// # Errors
/// When a store fails; then nothing counts as visited.
pub async fn visit_tables(
    stores: &Stores,
    erasures: &mut BTreeMap<Pseudonym, Erasure>,
    now: Timestamp,
) -> StoreResult<()> {
    for (user, erasure) in erasures.iter_mut() {
        take_out(stores, user, now).await?;
        if !erasure.visited.contains_key(&Place::People) {
            // Whoever took the user out may have died before it could say so.
            erasure.visit(Place::People, 1);
        }
        erasure.visit(Place::Events, stores.events.erase(user).await?);
    }
    visit_log(stores, erasures).await
}

/// Deletes the decisions and outcomes of lives that are being erased. It reads the whole log.
async fn visit_log(
    stores: &Stores,
    erasures: &mut BTreeMap<Pseudonym, Erasure>,
) -> StoreResult<()> {
    let users: BTreeSet<Pseudonym> = erasures.keys().cloned().collect();
    if users.is_empty() {
        return Ok(());
    }
    erasures.values_mut().for_each(|erasure| erasure.visit(Place::Decisions, 0));
    let mut after = None;
    loop {
        let page = stores.decisions.logged_of(&users, after).await?;
        stores.decisions.delete(&page.entries).await?;
        for logged in &page.entries {
            if let Some(erasure) = erasures.get_mut(&logged.user) {
                erasure.visit(Place::Decisions, 1);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Stores how far erasures have come.
///
/// # Errors
/// When the store fails.
pub async fn save(stores: &Stores, erasures: &BTreeMap<Pseudonym, Erasure>) -> StoreResult<()> {
    for (user, erasure) in erasures {
        records::put(&*stores.records, user, &PendingErasure(erasure.clone())).await?;
    }
    Ok(())
}

/// The key of how many erasures were counted: a number that only grows. It is no record of a
/// type.
const COUNTED: (RecordKind, &str) = ("erasures", "counted");

/// How many erasures have been counted.
///
/// # Errors
/// When the store fails, or holds something that is no number.
pub async fn counted(stores: &Stores) -> StoreResult<u64> {
    let text = stores.records.get(COUNTED.0, COUNTED.1).await?;
    text.map_or(Ok(0), |text| number_of(&text))
}

/// Counts on, and gives the number that erasures which were found before may have.
///
/// # Errors
/// When the store fails, or holds something that is no number.
pub async fn count_on(stores: &Stores) -> StoreResult<u64> {
    for _ in 0..MAX_TRIES {
        let before = stores.records.get(COUNTED.0, COUNTED.1).await?;
        let number = before.as_deref().map_or(Ok(0), number_of)? + 1;
        let is_written = match &before {
            None => {
                let first = stores.records.create(COUNTED.0, COUNTED.1, number.to_string()).await?;
                first == Appended::New
            }
            Some(before) => {
                let next = number.to_string();
                let next = stores.records.replace(COUNTED.0, COUNTED.1, before, next).await?;
                next == Committed::Yes
            }
        };
        if is_written {
            return Ok(number);
        }
    }
    Err(StoreError::Unavailable("erasures were counted by others at the same time".into()))
}

fn number_of(text: &str) -> StoreResult<u64> {
    text.parse().map_err(|error| StoreError::corrupt("the number of erasures", error))
}

/// Completes the erasures of which nothing but the model was left, now that none serves that
/// is not free of so many. A receipt that is there stays as it is.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn finish(stores: &Stores, erasures: u64, now: Timestamp) -> StoreResult<usize> {
    let mut finished = 0;
    for (user, mut erasure) in pending(stores).await? {
        if !erasure.is_among(erasures) || !erasure.left().eq([Place::Model]) {
            continue;
        }
        erasure.visit(Place::Model, 1);
        erasure.finished_at = Some(now);
        records::create(&*stores.records, &user, &FinishedErasure(erasure)).await?;
        records::delete::<PendingErasure>(&*stores.records, &user).await?;
        finished += 1;
    }
    Ok(finished)
}

/// The erasure of a life, under way or complete.
///
/// # Errors
/// When the store fails.
pub async fn of_life(stores: &Stores, user: &Pseudonym) -> StoreResult<Option<Erasure>> {
    if let Some(FinishedErasure(erasure)) = records::get(&*stores.records, user).await? {
        return Ok(Some(erasure));
    }
    let pending = records::get::<PendingErasure>(&*stores.records, user).await?;
    Ok(pending.map(|PendingErasure(erasure)| erasure))
}

/// Takes a life out of its person and leaves a tombstone, unless that was done.
async fn take_out(stores: &Stores, erased: &Pseudonym, now: Timestamp) -> StoreResult<()> {
    for _ in 0..MAX_TRIES {
        let standing = life(&*stores.people, erased).await?;
        if standing.user.life() > erased.life() {
            return Ok(());
        }
        // Its own events may claim to be of later than the clock says, or the clock may
        // have been set back: whatever is sent again of them must not be a new life's.
        let newest = stores.events.history(erased, 1).await?.newest_at();
        let until = [newest, standing.erased_until].into_iter().flatten().fold(now, Ord::max);
        let Some(writes) = erasure_writes(stores, erased, until).await? else { continue };
        if stores.people.commit(&writes).await? == Committed::Yes {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable("the person was changed by others at the same time".into()))
}

/// The writes that take a user out of its person and leave a tombstone; `None`
/// when an entry was changed meanwhile. Users that were never registered get
/// one too: their events must not be trained on.
async fn erasure_writes(
    stores: &Stores,
    erased: &Pseudonym,
    until: Timestamp,
) -> StoreResult<Option<Vec<PeopleWrite>>> {
    let id = erased.own();
    let tombstone = |expected| PeopleWrite {
        id: id.clone(),
        entry: PeopleEntry::Erased { life: erased.life() + 1, until },
        expected,
    };
    let mut stored = match find(&*stores.people, erased).await? {
        Found::Nobody if erased.life() == 0 => return Ok(Some(vec![tombstone(None)])),
        Found::Erased { version, life, .. } if life == erased.life() => {
            return Ok(Some(vec![tombstone(Some(version))]));
        }
        Found::Person(stored)
            if stored.person.member(erased).is_some_and(|member| member.user == *erased) =>
        {
            stored
        }
        _ => return Ok(None),
    };
    stored.person.leave(erased);
    let person = |id: &Pseudonym, expected| PeopleWrite {
        id: id.clone(),
        entry: PeopleEntry::Person(stored.person.clone()),
        expected: Some(expected),
    };
    if stored.id != id {
        let Some(link) = stores.people.get(&id).await? else {
            return Ok(None);
        };
        return Ok(Some(vec![person(&stored.id, stored.version), tombstone(Some(link.version))]));
    }
    // The person was stored under this user: it moves to its next one.
    let mut writes = vec![tombstone(Some(stored.version))];
    let members = &stored.person.members;
    let Some(heir) = members.first().map(|member| member.user.own()) else {
        return Ok(Some(writes));
    };
    for member in members {
        let id = member.user.own();
        let Some(current) = stores.people.get(&id).await? else {
            return Ok(None);
        };
        writes.push(if id == heir {
            person(&heir, current.version)
        } else {
            let expected = Some(current.version);
            PeopleWrite { id, entry: link_of(member, &heir), expected }
        });
    }
    Ok(Some(writes))
}

/// What stands under a user who belongs to a person stored under another one.
#[must_use]
pub fn link_of(member: &Member, person: &Pseudonym) -> PeopleEntry {
    PeopleEntry::Link {
        person: person.clone(),
        life: member.user.life(),
        erased_until: member.erased_until,
    }
}
