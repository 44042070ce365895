//! Orders of pushes, and the log of each user's, as records: see
//! [`crossfold_core::entities::push`].
//!
//! A log is written before the order that it names, and after one that is gone. So whoever erases
//! a user finds all of theirs by the log alone, wherever a process died in between. Only ordering
//! makes a log; whoever carries orders out and finds none knows that the user was erased.

use crossfold_core::entities::ids::{Pseudonym, PushOrderId};
use crossfold_core::entities::ports::{Appended, Committed, RecordStore, StoreError, StoreResult};
use crossfold_core::entities::push::{NotOrdered, PushLog, PushLogId, PushOrder};
use crossfold_core::entities::records::Record;
use jiff::Timestamp;

use crate::records;

/// How often a change that lost a race is tried again.
const MAX_TRIES: usize = 8;
/// Logs that are looked at in one read.
const PAGE: usize = 500;

/// Orders a push, unless that was done. An order that is there already stands.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn order(
    store: &dyn RecordStore,
    order: &PushOrder,
) -> StoreResult<Result<(), NotOrdered>> {
    let new = || Some(PushLog::new(order.domain.clone()));
    let noted = change(store, &order.user, new, |log| log.order(order)).await?;
    let Some(Ok(())) = noted else { return Ok(noted.unwrap_or(Ok(()))) };
    records::create(store, &order.id(), order).await?;
    take_back_unless_noted(store, order).await.map(Ok)
}

/// Puts an order off; one whose user was erased meanwhile is deleted.
///
/// # Errors
/// When the store fails; the order then stands under one of the two ids at least.
pub async fn put_off(
    store: &dyn RecordStore,
    (from, order): (&PushOrderId, &PushOrder),
) -> StoreResult<()> {
    let to = order.id();
    let noted = change_log(store, &order.user, |log| log.put_off(from, &to)).await?;
    if noted.is_some() {
        records::put(store, &to, order).await?;
        take_back_unless_noted(store, order).await?;
    }
    if noted.is_none() || to != *from {
        records::delete::<PushOrder>(store, from).await?;
    }
    Ok(())
}

/// Deletes an order that was just recorded, where its user's log is gone: they were erased between
/// the two, and whoever erased them did not see it.
async fn take_back_unless_noted(store: &dyn RecordStore, order: &PushOrder) -> StoreResult<()> {
    let log = records::get::<PushLog>(store, &PushLogId::of(&order.user)).await?;
    match log {
        Some(_) => Ok(()),
        None => records::delete::<PushOrder>(store, &order.id()).await,
    }
}

/// Takes out an order of which it is known what became.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn settle(
    store: &dyn RecordStore,
    (id, order): (&PushOrderId, &PushOrder),
    now: Timestamp,
) -> StoreResult<()> {
    records::delete::<PushOrder>(store, id).await?;
    change_log(store, &order.user, |log| log.settle((id, order), now)).await.map(drop)
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
    let id = PushLogId::of(user);
    for _ in 0..MAX_TRIES {
        let read = records::get_to_change::<PushLog>(store, &id).await?;
        let (log, version) = match read {
            Some((log, version)) => (Some(log), Some(version)),
            None => (new(), None),
        };
        let Some(mut log) = log else { return Ok(None) };
        let before = log.clone();
        let made = make(&mut log);
        if log == before {
            return Ok(Some(made));
        }
        let is_written = match version {
            Some(version) => records::replace(store, &id, &version, &log).await? == Committed::Yes,
            None => records::create(store, &id, &log).await? == Appended::New,
        };
        if is_written {
            return Ok(Some(made));
        }
    }
    Err(StoreError::Unavailable("a user's pushes were changed by others at the same time".into()))
}

/// The first orders that are due by an instant, those that are due first before the others.
///
/// # Errors
/// When the store fails. An order that cannot be read is passed over, and said to be so.
pub async fn due(
    store: &dyn RecordStore,
    now: Timestamp,
    limit: usize,
) -> StoreResult<Vec<(PushOrderId, PushOrder)>> {
    let first = store.first(PushOrder::KIND, None, limit).await?;
    let mut due = Vec::new();
    for (id, json) in first {
        let read = PushOrderId::parse(&id).ok().zip(serde_json::from_str::<PushOrder>(&json).ok());
        match read {
            Some((id, order)) if order.due_at <= now => due.push((id, order)),
            Some(_) => break,
            None => {
                // It would be the first for ever.
                tracing::error!("an order of a push cannot be read, and is deleted");
                store.delete(PushOrder::KIND, &id).await?;
            }
        }
    }
    Ok(due)
}

/// Deletes what waits to be told to a life of a user, and what is known of what they were told.
/// Says how many records that were.
///
/// # Errors
/// When the store fails; called again, it goes on.
pub async fn erase(store: &dyn RecordStore, user: &Pseudonym) -> StoreResult<u64> {
    let id = PushLogId::of(user);
    let Some(log) = records::get::<PushLog>(store, &id).await? else { return Ok(0) };
    for order in &log.waiting {
        records::delete::<PushOrder>(store, order).await?;
    }
    records::delete::<PushLog>(store, &id).await?;
    Ok(1 + log.waiting.len() as u64)
}

/// Takes out of all logs what no bound on how often needs any more, and deletes those that then
/// say nothing. Says how many these were. Should somebody order something in the instant between
/// the last look at a log and its deletion, it is due as ever; an erasure then finds it only when it is.
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
            log.forget(now);
            if log.is_empty() && store.get(PushLog::KIND, id).await?.as_ref() == Some(json) {
                store.delete(PushLog::KIND, id).await?;
                forgotten += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
