//! Erasing from the stream records that were set aside, as far as they say whose they are.

use std::sync::Arc;

use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, EventId, EventType, ItemId, Pseudonym};
use crossfold_core::entities::ports::{ObjectStore, StoreError, StoreResult};
use crossfold_storage::aws::changes::{NewEntry, StreamRecord};
use crossfold_storage::set_aside;
use jiff::Timestamp;

use crate::archive_reader::{Erased, Visited};

/// Deletes the records of erased lives, and of deleted domains, from what was set aside. A
/// record that does not even say whose it is stays; it expires as events do.
pub(crate) async fn erase_from_set_aside(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
) -> StoreResult<Visited> {
    let mut visited = Visited::default();
    for key in set_aside::records(&**objects).await? {
        let kept = match set_aside::read_record(&**objects, &key).await {
            Ok(Some(kept)) => kept,
            Ok(None) | Err(StoreError::Corrupt(_)) => continue,
            Err(error) => return Err(error),
        };
        visited.files += 1;
        if of_erased(&kept.record, erased) {
            objects.delete(&key).await?;
            visited.erased += 1;
        }
    }
    Ok(visited)
}

fn of_erased(record: &StreamRecord, erased: &Erased<'_>) -> bool {
    match record.new_entry() {
        Ok(Some(NewEntry::Event(event))) => {
            let user = erased.canonical.canonical(&event.user);
            let event = Event { user, ..event };
            counted(&event, erased.covers(&event), erased)
        }
        _ => record
            .user()
            .map(|user| erased.canonical.canonical(&user))
            .and_then(|user| stand_in(record, user))
            .is_some_and(|event| {
                let deletion = record.domain().and_then(|domain| erased.domains.get(&domain));
                let of_domain = || deletion.is_some_and(|one| one.covers_until(event.received_at));
                counted(&event, erased.people.is_erased(&event.user) || of_domain(), erased)
            }),
    }
}

fn counted(event: &Event, is_erased: bool, erased: &Erased<'_>) -> bool {
    if is_erased {
        erased.count(&event.user);
    }
    is_erased
}

/// An event of the same user and time as a record that is none, or cannot be read, to be asked
/// about in its place. One that does not say when it was written counts as the oldest of its
/// user's: rather is too much erased than too little.
fn stand_in(record: &StreamRecord, user: Pseudonym) -> Option<Event> {
    let written_at = record.written_at().unwrap_or(Timestamp::UNIX_EPOCH);
    let domain = record.domain().map_or_else(|| DomainId::parse("unknown"), Ok);
    Some(Event {
        event_id: EventId::parse("unknown").ok()?,
        user,
        domain: domain.ok()?,
        event_type: EventType::parse("unknown").ok()?,
        item_id: ItemId::parse("unknown").ok()?,
        occurred_at: written_at,
        received_at: written_at,
        domain_life: 0,
        value: None,
        dwell_seconds: None,
    })
}
