//! Erasing a life of a user, from its record on: each step may be the last before the
//! process dies, and whoever comes next goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossfold_core::entities::erasure::{Erasure, FinishedErasure, PendingErasure, Place, Revisit};
use crossfold_core::entities::ids::{DomainId, Pseudonym, TrainingRunId};
use crossfold_core::entities::people::{
    Declared, Member, PeopleEntry, PeopleWrite, Person, UserLife, VersionedEntry,
};
use crossfold_core::entities::ports::{
    Appended, Committed, PeopleStore, StoreError, StoreResult, Stores,
};
use crossfold_core::entities::records::RecordKind;
use jiff::Timestamp;

use crate::person_lookup::{Found, find, life};
use crate::{pushes, records};

/// How often a change that lost a race is tried again.
const MAX_TRIES: usize = 8;

/// The longest that a call may last which writes what its caller sent of users: the timeout of
/// every function that answers such calls (template.yaml).
pub const LONGEST_CALL: Duration = Duration::from_secs(15);

/// How long after it was asked for an erasure is not visited for good. Who erases may take the
/// [`LONGEST_CALL`] to take the life out, and who had looked it up before may take as long again to
/// write what is of it. Five seconds are for clocks of different machines.
pub const SETTLING: Duration = Duration::from_secs(2 * LONGEST_CALL.as_secs() + 5);

/// What became of a request to erase the life that a user leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The pseudonym of the life, as the erasure is recorded.
    pub user: Pseudonym,
    /// How far its erasure has come.
    pub erasure: Erasure,
}

/// Erases the life that a user leads: reads know nothing of it when this has ended, and its
/// events are deleted. What is kept elsewhere is visited by [`visit_tables`] and whoever reads
/// the archive. Asked for again before anything new came in, it is the same erasure.
///
/// # Errors
/// When a store fails. Where the record was made, the erasure goes on all the same.
pub async fn erase(
    stores: &Stores,
    (user, domain): (&Pseudonym, &DomainId),
    now: Timestamp,
) -> StoreResult<Requested> {
    let entry = stores.people.get(&user.own()).await?;
    let life = entry.as_ref().map_or_else(|| UserLife::first(user), UserLife::of);
    if life.is_erased
        && let Some(standing) = standing(stores, &life.user).await?
    {
        return Ok(standing);
    }
    let known = u64::from(entry.is_some() && !life.is_erased);
    let life = life.user;
    // By the oldest form: it is the same before and after keys rotate, and leads to the others.
    let user = life.oldest_form();
    let mut erasure = Erasure::requested(domain.clone(), now);
    // The record first, with what was found: were the user gone without it, nobody would look
    // elsewhere, and nobody would know that there was one.
    erasure.visit(Place::People, known);
    let created =
        records::create(&*stores.records, &user, &PendingErasure(erasure.clone())).await?;
    if created == Appended::Duplicate {
        erasure = match records::get::<PendingErasure>(&*stores.records, &user).await? {
            Some(PendingErasure(erasure)) => erasure,
            None => return Err(StoreError::Unavailable("an erasure ended meanwhile".into())),
        };
        erasure.visited.entry(Place::People).or_insert(known);
    }
    erasure.visit(Place::Events, forget(stores, &life, now).await?);
    records::put(&*stores.records, &user, &PendingErasure(erasure.clone())).await?;
    Ok(Requested { user, erasure })
}

/// The erasure of a life, and the form that it was recorded by.
async fn recorded_of(
    stores: &Stores,
    user: &Pseudonym,
) -> StoreResult<Option<(Pseudonym, Erasure)>> {
    let oldest = user.oldest_form();
    if let Some(erasure) = of_life(stores, &oldest).await? {
        return Ok(Some((oldest, erasure)));
    }
    // By a form whose key was retired meanwhile.
    let mut pending = pending(stores).await?.into_iter();
    Ok(pending.find(|(recorded, _)| stores.people.canonical(recorded) == *user))
}

/// The erasure of the life before one that has not begun; `None` when something came in since,
/// or when there is no record of it.
async fn standing(stores: &Stores, next: &Pseudonym) -> StoreResult<Option<Requested>> {
    let Some(before) = next.life().checked_sub(1) else { return Ok(None) };
    let user = next.own().in_life(before);
    let Some((recorded, mut erasure)) = recorded_of(stores, &user).await? else {
        return Ok(None);
    };
    if stores.events.history(next, 1).await?.records() > 0 {
        return Ok(None);
    }
    // Slates may have been served since. To look for them would be to read the whole log: the
    // next run, which reads it, deletes them.
    let revisit = Revisit { finished_by: None };
    records::create(&*stores.records, &next.oldest_form(), &revisit).await?;
    if erasure.finished_at.is_none() && !erasure.visited.contains_key(&Place::Events) {
        // Whoever was asked first died before it could say so.
        let deleted = erase_events(stores, &user).await?;
        let found = records::get_to_change::<PendingErasure>(&*stores.records, &recorded).await?;
        if let Some((PendingErasure(mut current), version)) = found {
            current.visit(Place::Events, deleted);
            let changed = PendingErasure(current.clone());
            // In a conflict a run has it in hand.
            records::replace(&*stores.records, &recorded, &version, &changed).await?;
            erasure = current;
        }
    }
    Ok(Some(Requested { user: recorded, erasure }))
}

/// Takes a life out of its person and deletes its events, without a record: for whoever has
/// one that covers many. Says how many records were deleted.
///
/// # Errors
/// When a store fails.
pub async fn forget(stores: &Stores, user: &Pseudonym, now: Timestamp) -> StoreResult<u64> {
    take_out(stores, user, now).await?;
    erase_events(stores, user).await
}

/// Deletes the events of a life, and what by them it is to be told of. What they are known by is
/// kept first: of those that claim no time, or another one when they are sent again, nothing else
/// would tell that they are of it.
async fn erase_events(stores: &Stores, user: &Pseudonym) -> StoreResult<u64> {
    stores.events.keep_erased_ids(user).await?;
    pushes::erase(&*stores.records, user).await?;
    stores.events.erase(user).await
}

/// Every erasure that is under way, by the pseudonym of the life, as it was recorded.
///
/// # Errors
/// When the store fails.
pub async fn pending(stores: &Stores) -> StoreResult<BTreeMap<Pseudonym, Erasure>> {
    let listed = records::list::<PendingErasure>(&*stores.records).await?;
    Ok(listed.into_iter().map(|(user, PendingErasure(erasure))| (user, erasure)).collect())
}

/// Takes out of their people whom an erasure that was cut short left there, and says how long
/// from now on something of any of these lives may still be written by who looked it up before.
///
/// # Errors
/// When a store fails.
pub async fn take_all_out(
    stores: &Stores,
    erasures: &mut BTreeMap<Pseudonym, Erasure>,
    now: Timestamp,
) -> StoreResult<Duration> {
    let mut left = Duration::ZERO;
    for (recorded, erasure) in erasures.iter_mut() {
        let taken = take_out(stores, &stores.people.canonical(recorded), now).await?;
        if !erasure.visited.contains_key(&Place::People) {
            // Of before the record said at once what was found.
            erasure.visit(Place::People, u64::from(taken == TakenOut::Now));
        }
        let since = if taken == TakenOut::Now { now } else { erasure.requested_at };
        // A clock that was set back makes nobody wait for longer than that.
        let age = now.duration_since(since).try_into().unwrap_or(Duration::ZERO);
        left = left.max(SETTLING.saturating_sub(age));
    }
    Ok(left)
}

/// Lives whose erasure is complete, to be visited once more by this run: all but those of
/// which it said so itself.
///
/// # Errors
/// When the store fails.
pub async fn to_revisit(stores: &Stores, run: &TrainingRunId) -> StoreResult<BTreeSet<Pseudonym>> {
    let listed = records::list::<Revisit>(&*stores.records).await?;
    let due = listed.into_iter().filter(|(_, revisit)| revisit.finished_by.as_ref() != Some(run));
    Ok(due.map(|(user, _)| user).collect())
}

/// Notes that lives were visited once more.
///
/// # Errors
/// When the store fails.
pub async fn revisited(stores: &Stores, users: &BTreeSet<Pseudonym>) -> StoreResult<()> {
    for user in users {
        records::delete::<Revisit>(&*stores.records, user).await?;
    }
    Ok(())
}

/// Goes on with erasures in the tables: deletes what was on its way when they were erased,
/// what is logged of them, and what came in of `again` after their erasure was complete.
///
/// # Errors
/// When a store fails; then nothing counts as visited.
pub async fn visit_tables(
    stores: &Stores,
    erasures: &mut BTreeMap<Pseudonym, Erasure>,
    again: &BTreeSet<Pseudonym>,
) -> StoreResult<()> {
    for (recorded, erasure) in erasures.iter_mut() {
        let user = stores.people.canonical(recorded);
        erasure.visit(Place::Events, erase_events(stores, &user).await?);
    }
    for recorded in again {
        let user = &stores.people.canonical(recorded);
        // Of a life that goes on, slates alone are deleted: those of before it was erased.
        if life(&*stores.people, user).await?.user.life() <= user.life() {
            continue;
        }
        tell_of_late("events", erase_events(stores, user).await?);
    }
    visit_log(stores, erasures, again).await
}

/// Something that was written later than anything should be is worth a look.
fn tell_of_late(what: &str, records: u64) {
    if records > 0 {
        tracing::warn!(what, records, "deleted what came in after an erasure was complete");
    }
}

/// Deletes the decisions and outcomes of lives that are being erased. It reads the whole log.
async fn visit_log(
    stores: &Stores,
    erasures: &mut BTreeMap<Pseudonym, Erasure>,
    again: &BTreeSet<Pseudonym>,
) -> StoreResult<()> {
    let users = erasures.keys().chain(again).map(|recorded| stores.people.canonical(recorded));
    let users: BTreeSet<Pseudonym> = users.collect();
    if users.is_empty() {
        return Ok(());
    }
    let (mut found, mut after) = (BTreeMap::<Pseudonym, u64>::new(), None);
    loop {
        let page = stores.decisions.logged_of(&users, after).await?;
        stores.decisions.delete(&page.entries).await?;
        for logged in page.entries {
            *found.entry(logged.user).or_default() += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for (recorded, erasure) in erasures {
        let of_life = found.get(&stores.people.canonical(recorded)).copied();
        erasure.visit(Place::Decisions, of_life.unwrap_or_default());
    }
    Ok(())
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

/// Completes the erasures of which nothing but the model was left, now that by a run none
/// serves that is not free of so many. A receipt that is there stays as it is.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn finish(
    stores: &Stores,
    run: &TrainingRunId,
    erasures: u64,
    now: Timestamp,
) -> StoreResult<usize> {
    let mut finished = 0;
    for (user, mut erasure) in pending(stores).await? {
        if !erasure.is_among(erasures) || !erasure.left().eq([Place::Model]) {
            continue;
        }
        erasure.visit(Place::Model, 1);
        erasure.finished_at = Some(now);
        // First: without it nobody would come again.
        let revisit = Revisit { finished_by: Some(run.clone()) };
        records::put(&*stores.records, &user, &revisit).await?;
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
    let finished = records::get::<FinishedErasure>(&*stores.records, user);
    if let Some(FinishedErasure(erasure)) = finished.await? {
        return Ok(Some(erasure));
    }
    if let Some(PendingErasure(erasure)) = records::get(&*stores.records, user).await? {
        return Ok(Some(erasure));
    }
    // It may have ended between the two reads.
    let finished = records::get::<FinishedErasure>(&*stores.records, user).await?;
    Ok(finished.map(|FinishedErasure(erasure)| erasure))
}

/// When a life was taken out of its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenOut {
    Before,
    Now,
}

/// Takes a life out of its person and leaves a tombstone, unless that was done.
async fn take_out(stores: &Stores, erased: &Pseudonym, now: Timestamp) -> StoreResult<TakenOut> {
    for _ in 0..MAX_TRIES {
        let standing = life(&*stores.people, erased).await?;
        if standing.user.life() > erased.life() {
            return Ok(TakenOut::Before);
        }
        // Its own events may claim to be of later than the clock says, or the clock may
        // have been set back: whatever is sent again of them must not be a new life's.
        let newest = stores.events.history(erased, 1).await?.newest_at();
        let until = [newest, standing.erased_until].into_iter().flatten().fold(now, Ord::max);
        let Some(writes) = erasure_writes(stores, erased, until).await? else { continue };
        if stores.people.commit(&writes).await? == Committed::Yes {
            return Ok(TakenOut::Now);
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
    let person = |id: &Pseudonym, person: Person, expected| PeopleWrite {
        id: id.clone(),
        entry: PeopleEntry::Person(person),
        expected: Some(expected),
    };
    if let Some(link) = stored.link {
        let of_others = person(&stored.id, stored.person, stored.version);
        return Ok(Some(vec![of_others, tombstone(Some(link.version))]));
    }
    // The person was stored under this user: it moves to its next one.
    let mut writes = vec![tombstone(Some(stored.version))];
    let Some(heir) = stored.person.members.first().map(|member| member.user.own()) else {
        return Ok(Some(writes));
    };
    let Some(links) = links_of(&*stores.people, &stored.person.members).await? else {
        return Ok(None);
    };
    for (place, Link { member, version, declared }) in links.into_iter().enumerate() {
        if place == 0 {
            stored.person.members[0].declared = declared;
            writes.push(person(&heir, stored.person.clone(), version));
        } else {
            let entry = link_to(&heir, &member, declared);
            writes.push(PeopleWrite { id: member.user.own(), entry, expected: Some(version) });
        }
    }
    Ok(Some(writes))
}

/// A member with what stands under them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The member.
    pub member: Member,
    /// The version that a write of their entry must name.
    pub version: u64,
    /// What was declared of them.
    pub declared: Declared,
}

/// What stands under members who are not the first of their person, in the same order; `None`
/// when one of them is linked no more.
///
/// # Errors
/// When the store fails.
pub async fn links_of(
    people: &dyn PeopleStore,
    members: &[Member],
) -> StoreResult<Option<Vec<Link>>> {
    if members.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let users: Vec<Pseudonym> = members.iter().map(|member| member.user.own()).collect();
    let mut standing = BTreeMap::new();
    for VersionedEntry { id, entry, version } in people.get_all(&users).await? {
        if let PeopleEntry::Link { declared, .. } = entry {
            standing.insert(id, (declared, version));
        }
    }
    let link = |member: &Member| {
        let (declared, version) = standing.remove(&member.user.own())?;
        let declared = declared.unwrap_or_else(|| member.declared.clone());
        Some(Link { member: member.clone(), version, declared })
    };
    Ok(members.iter().map(link).collect())
}

/// What stands under a user who belongs to a person stored under another one.
#[must_use]
pub fn link_to(person: &Pseudonym, member: &Member, declared: Declared) -> PeopleEntry {
    PeopleEntry::Link {
        person: person.clone(),
        life: member.user.life(),
        erased_until: member.erased_until,
        declared: Some(declared),
    }
}
