//! Reading the archived events, and erasing from archive and quarantine who was erased.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::events::{decode_events, encode_events};
use crossfold_core::archive::keys::{EVENTS_PREFIX, QUARANTINE_PREFIX};
use crossfold_core::archive::quarantine::{decode_refused, encode_refused};
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::evidence::event_table::EventTable;
use crossfold_core::evidence::people_index::PeopleIndex;
use futures::{StreamExt, TryStreamExt, stream};

/// Files read at the same time.
const CONCURRENT_READS: usize = 16;

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bucket cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is more of it than this function's memory holds.
    #[error(
        "it holds more than the {0} events that this function's memory is good for: give the \
         function more memory, or train with the state machine (RetrainWith=state-machine)"
    )]
    TooLarge(usize),
    /// A file is torn or breaks its schema.
    #[error("{key}: {error}")]
    File {
        /// The file.
        key: String,
        /// What is wrong with it.
        error: ColumnsError,
    },
}

impl Retryable for ReadError {
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_worth_another_try())
    }
}

/// Bytes of memory that training takes for each archived event, at its peak, evaluation
/// included: 128 were measured (`crossfold bench run --people 1000000 --items 100000
/// --events 50000000`: 6.4 GB), and half as many again are for longer identifiers and fewer
/// events a person.
const EVENT_BYTES: usize = 200;

/// Most events that may be read. Reading more would end the process without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLimit(pub usize);

impl EventLimit {
    /// No limit: for a machine whose memory nobody knows.
    pub const NONE: Self = Self(usize::MAX);

    /// What a function with so many bytes of memory can train on.
    #[must_use]
    pub fn of_memory(bytes: u64) -> Self {
        Self(usize::try_from(bytes).unwrap_or(usize::MAX) / EVENT_BYTES)
    }
}

/// What must be in no file any more: the events of erased users, and of domains
/// that were deleted, up to then.
pub(crate) struct Erased<'a> {
    pub(crate) people: &'a PeopleIndex,
    pub(crate) domains: &'a BTreeMap<DomainId, DomainDeletion>,
}

impl Erased<'_> {
    fn covers(&self, event: &Event) -> bool {
        let of_domain = self.domains.get(&event.domain);
        self.people.is_erased(&event.user)
            || of_domain.is_some_and(|deletion| deletion.covers(event))
    }
}

/// Reads every archived event, in order of files. A file that holds events of
/// an erased life is written anew without them: after a run, the archive is free of them.
pub(crate) async fn read_events(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
    limit: EventLimit,
) -> Result<EventTable, ReadError> {
    let keys = objects.list(EVENTS_PREFIX).await?;
    let read = |key: String| async move {
        let of_erased = |event: &Event| erased.covers(event);
        read_without(
            &**objects,
            &key,
            Format { decode: decode_events, encode: encode_events },
            of_erased,
        )
        .await
    };
    stream::iter(keys)
        .map(read)
        .buffered(CONCURRENT_READS)
        .try_fold(EventTable::default(), async |mut events, file| {
            events.extend(file);
            if events.len() > limit.0 { Err(ReadError::TooLarge(limit.0)) } else { Ok(events) }
        })
        .await
}

/// Takes the events of erased lives out of everything in quarantine.
pub(crate) async fn erase_from_quarantine(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
) -> Result<(), ReadError> {
    let keys = objects.list(QUARANTINE_PREFIX).await?;
    let erase = |key: String| async move {
        let format = Format { decode: decode_refused, encode: encode_refused };
        read_without(&**objects, &key, format, |refused| erased.covers(&refused.event))
            .await
            .map(drop)
    };
    stream::iter(keys).map(erase).buffered(CONCURRENT_READS).try_collect().await
}

/// How a file's rows are read and written.
struct Format<T> {
    decode: fn(Bytes) -> Result<Vec<T>, ColumnsError>,
    encode: fn(&[T]) -> Result<Bytes, ColumnsError>,
}

/// Reads a file's rows without those of erased lives; where there are any, the
/// file is written anew, or deleted when nothing is left.
async fn read_without<T>(
    objects: &dyn ObjectStore,
    key: &str,
    format: Format<T>,
    of_erased: impl Fn(&T) -> bool,
) -> Result<Vec<T>, ReadError> {
    let Some(object) = objects.get(key).await? else {
        return Ok(Vec::new());
    };
    let in_file = |error| ReadError::File { key: key.to_owned(), error };
    let mut rows = (format.decode)(object.bytes).map_err(in_file)?;
    let before = rows.len();
    rows.retain(|row| !of_erased(row));
    if rows.is_empty() {
        objects.delete(key).await?;
    } else if rows.len() < before {
        let bytes: Bytes = (format.encode)(&rows).map_err(in_file)?;
        objects.put(key, bytes, PutCondition::Matches(object.etag)).await?;
    }
    Ok(rows)
}
