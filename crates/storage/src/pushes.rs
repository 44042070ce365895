//! Orders of pushes, and the log of each user's, as records: see
//! [`crossfold_core::entities::push`].
//!
//! A log names every order that there may be: it is written before an order is recorded, and after
//! one was deleted. So whoever erases a user finds all of theirs by the log, wherever a process
//! died in between. Only ordering makes a log, and only an erasure deletes one that says anything:
//! whoever carries an order out and finds none knows that its user was erased. Users are passed with
//! all forms of their pseudonyms, for while keys rotate a log may lie under any.

use std::collections::BTreeMap;

use crossfold_core::entities::ids::{Pseudonym, PushOrderId};
use crossfold_core::entities::ports::{Appended, Committed, RecordStore, StoreError, StoreResult};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::push::{
    MOST_LATE, MOST_OVERDUE, NotOrdered, PushLog, PushLogId, PushOrder,
};
use crossfold_core::entities::records::Record;
use jiff::Timestamp;

use crate::records;

/// How often a change that lost a race is tried again.
const MAX_TRIES: usize = 8;
/// Logs that are looked at in one read.
const PAGE: usize = 500;

/// Orders pushes of one user, each unless that was done, and says of each in its place why it was
/// not.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn order_all(
    store: &dyn RecordStore,
    user: &Pseudonym,
    orders: Vec<PushOrder>,
    now: Timestamp,
) -> StoreResult<Vec<Option<NotOrdered>>> {
    let Some(domain) = orders.first().map(|order| order.domain.clone()) else {
        return Ok(Vec::new());
    };
    let new = || Some(PushLog::new(domain.clone()));
    let note = |log: &mut PushLog| -> Vec<Result<PushOrderId, NotOrdered>> {
        orders.iter().map(|order| log.order(order, now)).collect()
    };
    let noted = change(store, user, new, note).await?.unwrap_or_default();
    let mut recorded = Vec::new();
    for (order, noted) in orders.iter().zip(&noted) {
        let Ok(id) = noted else { continue };
        let due_at = id.due_at().unwrap_or(order.due_at).max(order.due_at);
        records::create(store, id, &PushOrder { due_at, ..order.clone() }).await?;
        recorded.push(id);
    }
    if !recorded.is_empty() && log_of(store, user).await?.is_none() {
        // They were erased in between, and whoever erased them did not see these.
        for id in recorded {
            records::delete::<PushOrder>(store, id).await?;
        }
    }
    Ok(noted.into_iter().map(Result::err).collect())
}

/// Puts an order of a user off; one whose user was erased meanwhile is deleted.
///
/// # Errors
/// When the store fails; the order then stands under one of the two ids at least.
pub async fn put_off(
    store: &dyn RecordStore,
    user: &Pseudonym,
    (from, order): (&PushOrderId, &PushOrder),
) -> StoreResult<()> {
    let to = order.id();
    let noted = change_log(store, user, |log| log.will_wait(&to)).await?;
    if noted.is_some() {
        records::put(store, &to, order).await?;
        if log_of(store, user).await?.is_none() {
            records::delete::<PushOrder>(store, &to).await?;
        }
    }
    if noted.is_none() || to != *from {
        records::delete::<PushOrder>(store, from).await?;
    }
    change_log(store, user, |log| log.waits_as(&to, &order.push_id)).await.map(drop)
}

/// Takes out an order of a user, of which it is known what became.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn settle(
    store: &dyn RecordStore,
    user: &Pseudonym,
    (id, order): (&PushOrderId, &PushOrder),
    (told, now): (bool, Timestamp),
) -> StoreResult<()> {
    // First: an order that is found again is known to be settled.
    change_log(store, user, |log| log.settle(order, told, now)).await?;
    records::delete::<PushOrder>(store, id).await
}

/// Changes the log of a user; `None` where there is none, as of one who was erased. It is read and
/// written until nobody else wrote in between.
///
/// # Errors
/// When the store fails, or others write again and again.
pub async fn change_log<T>(
    store: &dyn RecordStore,
    user: &Pseudonym,
    make: impl Fn(&mut PushLog) -> T,
) -> StoreResult<Option<T>> {
    change(store, user, || None, make).await
}

async fn change<T>(
    store: &dyn RecordStore,
    user: &Pseudonym,
    new: impl Fn() -> Option<PushLog>,
    make: impl Fn(&mut PushLog) -> T,
) -> StoreResult<Option<T>> {
    for _ in 0..MAX_TRIES {
        let found = log_of(store, user).await?;
        let before = found.as_ref().map(|found| found.log.clone());
        let Some(mut log) = before.clone().or_else(&new) else { return Ok(None) };
        let made = make(&mut log);
        if before.as_ref() == Some(&log) {
            return Ok(Some(made));
        }
        let is_written = match found {
            Some(found) => {
                records::replace(store, &found.id, &found.version, &log).await? == Committed::Yes
            }
            None => {
                let id = PushLogId::of_new(user);
                records::create(store, &id, &log).await? == Appended::New
            }
        };
        if is_written {
            return Ok(Some(made));
        }
    }
    Err(in_a_race())
}

fn in_a_race() -> StoreError {
    StoreError::Unavailable("a user's pushes were changed by others at the same time".into())
}

/// A log, as it was read.
struct FoundLog {
    id: PushLogId,
    log: PushLog,
    version: records::Version,
}

async fn log_of(store: &dyn RecordStore, user: &Pseudonym) -> StoreResult<Option<FoundLog>> {
    for id in PushLogId::each_of(user) {
        if let Some((log, version)) = records::get_to_change::<PushLog>(store, &id).await? {
            return Ok(Some(FoundLog { id, log, version }));
        }
    }
    Ok(None)
}

/// Orders in the order in which they are due.
pub struct DueOrders {
    /// Those that are due by an instant; one that cannot be read is passed over.
    pub orders: Vec<(PushOrderId, PushOrder)>,
    /// The id behind which there may be more.
    pub next: Option<String>,
}

/// The first `limit` orders behind an id that are due by an instant.
///
/// # Errors
/// When the store fails.
pub async fn due(
    store: &dyn RecordStore,
    (after, now): (Option<&str>, Timestamp),
    limit: usize,
) -> StoreResult<DueOrders> {
    let first = store.first(PushOrder::KIND, after, limit).await?;
    let mut next = first.last().map(|(id, _)| id.clone()).filter(|_| first.len() == limit);
    let mut orders = Vec::with_capacity(first.len());
    for (id, json) in first {
        let Ok(known) = PushOrderId::parse(&id) else { continue };
        if known.due_at().is_some_and(|due| due > now) {
            next = None;
            break;
        }
        match serde_json::from_str::<PushOrder>(&json) {
            Ok(order) => orders.push((known, order)),
            Err(error) => forget_unreadable(store, &known, &error, now).await?,
        }
    }
    Ok(DueOrders { orders, next })
}

/// Another version may have written it, and may read it: it is deleted once it is too late for any.
async fn forget_unreadable(
    store: &dyn RecordStore,
    id: &PushOrderId,
    error: &serde_json::Error,
    now: Timestamp,
) -> StoreResult<()> {
    tracing::error!(%error, "an order of a push cannot be read");
    let is_over = id.due_at().is_some_and(|due| now.duration_since(due) > MOST_OVERDUE + MOST_LATE);
    if is_over { records::delete::<PushOrder>(store, id).await } else { Ok(()) }
}

/// Deletes what waits to be told to a life of a user, and what is known of what they were told.
/// Says how many records that were.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn erase(store: &dyn RecordStore, user: &Pseudonym) -> StoreResult<u64> {
    let mut erased = 0;
    for _ in 0..MAX_TRIES {
        let Some(found) = log_of(store, user).await? else { return Ok(erased) };
        for order in &found.log.waiting {
            records::delete::<PushOrder>(store, order).await?;
        }
        // Not one that names more by now.
        if records::remove::<PushLog>(store, &found.id, &found.version).await? == Committed::Yes {
            erased += 1 + found.log.waiting.len() as u64;
        }
    }
    Err(in_a_race())
}

/// Whether there is a log of a life of a user.
///
/// # Errors
/// When the store fails.
pub async fn has_log(store: &dyn RecordStore, user: &Pseudonym) -> StoreResult<bool> {
    Ok(log_of(store, user).await?.is_some())
}

/// Takes out of all logs what no bound on how often needs any more, and deletes those that then
/// say nothing. Says how many these were.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn forget_old(store: &dyn RecordStore, now: Timestamp) -> StoreResult<usize> {
    let (mut forgotten, mut after) = (0, None::<String>);
    loop {
        let page = store.first(PushLog::KIND, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(forgotten) };
        after = Some(last.clone());
        for (id, json) in &page {
            let Ok(mut log) = serde_json::from_str::<PushLog>(json) else { continue };
            let before = log.clone();
            log.forget(now);
            // Whoever changes it meanwhile forgets as well.
            if log.is_empty() {
                let removed = store.remove(PushLog::KIND, id, json).await?;
                forgotten += usize::from(removed == Committed::Yes);
            } else if log != before {
                let trimmed = records::encode(&log)?;
                store.replace(PushLog::KIND, id, json, trimmed).await?;
            }
        }
    }
}

/// Takes logs that lie under earlier forms of pseudonyms to the canonical ones. Says how many there
/// were, by the version of the key.
///
/// # Errors
/// When the store fails, or others write again and again; called again, it goes on.
pub async fn rekey(
    store: &dyn RecordStore,
    keys: &Pseudonymiser,
) -> StoreResult<BTreeMap<u32, u64>> {
    let (mut found, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let page = store.first(PushLog::KIND, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        let users = page.iter().filter_map(|(id, _)| Pseudonym::parse(id).ok());
        for user in users.filter(|user| keys.is_earlier(user)) {
            if let Some(version) = user.key_version().filter(|of| !keys.is_retired(*of)) {
                *found.entry(version).or_default() += 1;
            }
            take_forward(store, &user, &keys.forward(&user)).await?;
        }
    }
}

async fn take_forward(
    store: &dyn RecordStore,
    from: &Pseudonym,
    to: &Pseudonym,
) -> StoreResult<()> {
    for _ in 0..MAX_TRIES {
        let Some(found) = log_of(store, from).await? else { return Ok(()) };
        let id: PushLogId =
            to.as_str().parse().map_err(|error| StoreError::corrupt("a pseudonym", error))?;
        // The canonical one first: the same in two places is known twice, and forgotten nowhere.
        let standing = records::get_to_change::<PushLog>(store, &id).await?;
        let is_written = match standing {
            Some((mut log, version)) => {
                log.merge(found.log);
                records::replace(store, &id, &version, &log).await? == Committed::Yes
            }
            None => records::create(store, &id, &found.log).await? == Appended::New,
        };
        let is_moved = is_written
            && records::remove::<PushLog>(store, &found.id, &found.version).await?
                == Committed::Yes;
        if is_moved {
            return Ok(());
        }
    }
    Err(in_a_race())
}

#[cfg(test)]
mod tests;
