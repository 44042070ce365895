//! Reading the archived events, and erasing from archive and quarantine who was erased.
//!
//! A file that cannot be read is set aside, and keeps neither training from what can be
//! read nor erasure from the other files. It is counted wherever it was met.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::events::{decode_events, encode_events};
use crossfold_core::archive::keys::{EVENTS_PREFIX, QUARANTINE_PREFIX};
use crossfold_core::archive::quarantine::{decode_refused, encode_refused};
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{ObjectStore, PeopleStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::evidence::cleaning::RefusedEvent;
use crossfold_core::evidence::event_table::EventTable;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_storage::set_aside::move_file;
use futures::{StreamExt, TryStreamExt, stream};

/// Files read at the same time.
const CONCURRENT_READS: usize = 16;
/// Times that the archive is listed for one reading of it.
const MAX_LISTINGS: usize = 3;

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
    /// A file cannot be written anew without what was erased.
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
    /// Who knows the forms of pseudonyms that people are known by.
    pub(crate) canonical: &'a dyn PeopleStore,
    /// How many rows of erased lives were met.
    met: Mutex<BTreeMap<Pseudonym, u64>>,
}

impl<'a> Erased<'a> {
    pub(crate) fn new(
        people: &'a PeopleIndex,
        domains: &'a BTreeMap<DomainId, DomainDeletion>,
        canonical: &'a dyn PeopleStore,
    ) -> Self {
        Self { people, domains, canonical, met: Mutex::default() }
    }

    pub(crate) fn covers(&self, event: &Event) -> bool {
        if self.people.is_erased(&event.user) {
            count(&self.met, &event.user);
            return true;
        }
        let of_domain = self.domains.get(&event.domain);
        of_domain.is_some_and(|deletion| deletion.covers(event))
    }

    /// How many rows of each erased life were met since this was last asked.
    pub(crate) fn take_met(&self) -> BTreeMap<Pseudonym, u64> {
        std::mem::take(&mut *self.met.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn count(met: &Mutex<BTreeMap<Pseudonym, u64>>, user: &Pseudonym) {
    let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
    *met.entry(user.clone()).or_default() += 1;
}

/// What came of visiting files to read them and to erase from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Visited {
    /// Files that were read.
    pub(crate) files: u64,
    /// Rows that were erased from them.
    pub(crate) erased: u64,
    /// Files that could not be read, nor erased from, and lie aside now.
    pub(crate) set_aside: u64,
    /// Files that were gone when it was their turn.
    pub(crate) gone: u64,
}

impl Visited {
    pub(crate) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.erased += other.erased;
        self.set_aside += other.set_aside;
        self.gone += other.gone;
    }
}

/// Reads every archived event, in order of files. A file that holds events of
/// an erased life is written anew without them: after a run, the archive is free of them.
///
/// Another run may merge files meanwhile (the state machine starts runs whether one is under
/// way or not). What it merged is then in a file that was not listed: all are read anew.
pub(crate) async fn read_events(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
    limit: EventLimit,
) -> Result<(EventTable, Visited), ReadError> {
    let mut before = Visited::default();
    for _ in 0..MAX_LISTINGS {
        let (events, visited) = read_listed(objects, erased, limit).await?;
        before.add(visited);
        if visited.gone == 0 {
            return Ok((events, before));
        }
    }
    let why = format!("the files of {EVENTS_PREFIX} change faster than they are read");
    Err(StoreError::Unavailable(why.into()).into())
}

async fn read_listed(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
    limit: EventLimit,
) -> Result<(EventTable, Visited), ReadError> {
    let keys = objects.list(EVENTS_PREFIX).await?;
    let read = |key: String| async move {
        let of_erased = |event: &Event| erased.covers(event);
        let format = Format {
            user: |event: &mut Event| &mut event.user,
            decode: decode_events,
            encode: encode_events,
        };
        read_without((&**objects, erased.canonical), &key, format, of_erased).await
    };
    stream::iter(keys)
        .map(read)
        .buffered(CONCURRENT_READS)
        .try_fold(
            (EventTable::default(), Visited::default()),
            async |(mut events, mut all), file| {
                let (rows, visited) = file;
                events.extend(rows);
                all.add(visited);
                if events.len() > limit.0 {
                    Err(ReadError::TooLarge(limit.0))
                } else {
                    Ok((events, all))
                }
            },
        )
        .await
}

/// Takes the events of erased lives out of everything in quarantine.
pub(crate) async fn erase_from_quarantine(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
) -> Result<Visited, ReadError> {
    let keys = objects.list(QUARANTINE_PREFIX).await?;
    let erase = |key: String| async move {
        let format = Format {
            user: |refused: &mut RefusedEvent| &mut refused.event.user,
            decode: decode_refused,
            encode: encode_refused,
        };
        let stores = (&**objects, erased.canonical);
        read_without(stores, &key, format, |refused| erased.covers(&refused.event))
            .await
            .map(|(_, visited)| visited)
    };
    stream::iter(keys)
        .map(erase)
        .buffered(CONCURRENT_READS)
        .try_fold(Visited::default(), async |mut all, visited| {
            all.add(visited);
            Ok(all)
        })
        .await
}

/// Takes rows out of every file under a prefix: those that `of_erased` says a life of. Gives
/// how many of each life there were.
pub(crate) async fn erase_from<T: Send>(
    (objects, people): (&Arc<dyn ObjectStore>, &dyn PeopleStore),
    prefix: &str,
    format: Format<T>,
    of_erased: &(dyn Fn(&T) -> Option<Pseudonym> + Sync),
) -> Result<(Visited, BTreeMap<Pseudonym, u64>), ReadError> {
    let (met, mut before) = (Mutex::default(), Visited::default());
    let is_erased = |row: &T| {
        let user = of_erased(row);
        user.iter().for_each(|user| count(&met, user));
        user.is_some()
    };
    let is_erased = &is_erased;
    for _ in 0..MAX_LISTINGS {
        let erase = |key: String| async move {
            let stores = (&**objects, people);
            read_without(stores, &key, format, is_erased).await.map(|(_, visited)| visited)
        };
        let visited = stream::iter(objects.list(prefix).await?)
            .map(erase)
            .buffered(CONCURRENT_READS)
            .try_fold(Visited::default(), async |mut all, visited| {
                all.add(visited);
                Ok(all)
            })
            .await?;
        before.add(visited);
        if visited.gone == 0 {
            let met = met.into_inner().unwrap_or_else(PoisonError::into_inner);
            return Ok((before, met));
        }
    }
    let why = format!("the files of {prefix} change faster than they are read");
    Err(StoreError::Unavailable(why.into()).into())
}

/// How a file's rows are read and written, and whose each is.
pub(crate) struct Format<T> {
    pub(crate) user: fn(&mut T) -> &mut Pseudonym,
    pub(crate) decode: fn(Bytes) -> Result<Vec<T>, ColumnsError>,
    pub(crate) encode: fn(&[T]) -> Result<Bytes, ColumnsError>,
}

impl<T> Clone for Format<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Format<T> {}

/// Takes rows of earlier versions of pseudonyms to the canonical form; says whether there were
/// any.
fn take_forward<'a>(
    people: &dyn PeopleStore,
    users: impl Iterator<Item = &'a mut Pseudonym>,
) -> bool {
    let mut is_any = false;
    for user in users {
        let canonical = people.canonical(user);
        is_any |= canonical != *user;
        *user = canonical;
    }
    is_any
}

/// Reads a file's rows without those of erased lives; where there are any, or rows of earlier versions
/// of pseudonyms, the file is written anew, or deleted when nothing is left. No rows of one that cannot be
/// read: it is set aside.
async fn read_without<T>(
    (objects, people): (&dyn ObjectStore, &dyn PeopleStore),
    key: &str,
    format: Format<T>,
    of_erased: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Visited), ReadError> {
    let Some(object) = objects.get(key).await? else {
        return Ok((Vec::new(), Visited { gone: 1, ..Visited::default() }));
    };
    let in_file = |error| ReadError::File { key: key.to_owned(), error };
    let mut rows = match (format.decode)(object.bytes.clone()) {
        Ok(rows) => rows,
        Err(error) => {
            move_file(objects, key, object.bytes, &error.to_string()).await?;
            return Ok((Vec::new(), Visited { set_aside: 1, ..Visited::default() }));
        }
    };
    let before = rows.len();
    let is_rekeyed = take_forward(people, rows.iter_mut().map(format.user));
    rows.retain(|row| !of_erased(row));
    let erased = (before - rows.len()) as u64;
    if rows.is_empty() {
        objects.delete(key).await?;
    } else if rows.len() < before || is_rekeyed {
        let bytes: Bytes = (format.encode)(&rows).map_err(in_file)?;
        objects.put(key, bytes, PutCondition::Matches(object.etag)).await?;
    }
    Ok((rows, Visited { files: 1, erased, ..Visited::default() }))
}
