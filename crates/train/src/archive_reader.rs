//! Reading the archived events, and erasing from archive and quarantine who was erased.
//!
//! Files are fetched ahead within a bound, and decoded one group of rows after another: beside
//! the table of events, reading takes some 100 MB, however much there is.
//!
//! A file that cannot be read is set aside, and keeps neither training from what can be
//! read nor erasure from the other files. It is counted wherever it was met.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::keys::{COMPACTED, EVENTS_PREFIX, QUARANTINE_PREFIX, day_of_key};
use crossfold_core::archive::table::{ArchiveReader, ArchiveWriter, Archived};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{
    Object, ObjectStore, PeopleStore, PutCondition, StoreError, StoreResult,
};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::evidence::cleaning::RefusedEvent;
use crossfold_core::evidence::event_table::EventTable;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_storage::set_aside::move_file;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
        let of_domain = || self.domains.get(&event.domain);
        self.people.is_erased(&event.user)
            || of_domain().is_some_and(|deletion| deletion.covers(event))
    }

    /// Counts a row that was erased, if it was for its user's sake.
    pub(crate) fn count(&self, user: &Pseudonym) {
        if self.people.is_erased(user) {
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            *met.entry(user.clone()).or_default() += 1;
        }
    }

    /// How many rows of each erased life were met since this was last asked.
    pub(crate) fn take_met(&self) -> BTreeMap<Pseudonym, u64> {
        std::mem::take(&mut *self.met.lock().unwrap_or_else(PoisonError::into_inner))
    }
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

/// Reads every archived event, in order of days, a group of rows at a time. A file that holds events of
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
    let mut events = EventTable::default();
    let of_erased = |event: &Event| erased.covers(event);
    let rows = Rows { of_erased: &of_erased, people: erased.canonical };
    let mut keys = objects.list(EVENTS_PREFIX).await?;
    keys.sort_by_cached_key(|key| (day_of_key(key), key.clone()));
    let mut fetched = pin!(fetch(objects, keys));
    let mut all = Visited::default();
    while let Some(file) = fetched.try_next().await? {
        let Some(object) = file.object else {
            all.gone += 1;
            continue;
        };
        let before = events.len();
        let read = rows.read(object.bytes.clone(), limit.0 - before, |kept| events.extend(kept));
        if read.is_err() {
            events.truncate(before);
        }
        if matches!(read, Ok(Read::TooMany)) {
            return Err(ReadError::TooLarge(limit.0));
        }
        all.add(
            rows.settle(&**objects, (&file.key, object), read, &|user| erased.count(user)).await?,
        );
    }
    Ok((events, all))
}

/// Takes the events of erased lives out of everything in quarantine.
pub(crate) async fn erase_from_quarantine(
    objects: &Arc<dyn ObjectStore>,
    erased: &Erased<'_>,
) -> Result<Visited, ReadError> {
    let of_erased = |refused: &RefusedEvent| erased.covers(&refused.event);
    let rows = Rows { of_erased: &of_erased, people: erased.canonical };
    rows.erase(objects, QUARANTINE_PREFIX, &|user| erased.count(user)).await
}

/// Takes the rows of some lives out of every file under a prefix, and says how many of each
/// there were.
pub(crate) async fn erase_from<T: Archived + OfUser>(
    (objects, people): (&Arc<dyn ObjectStore>, &dyn PeopleStore),
    prefix: &str,
    users: &BTreeSet<Pseudonym>,
) -> Result<(Visited, BTreeMap<Pseudonym, u64>), ReadError> {
    let (met, mut before) = (Mutex::<BTreeMap<Pseudonym, u64>>::default(), Visited::default());
    let count = |user: &Pseudonym| {
        let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
        *met.entry(user.clone()).or_default() += 1;
    };
    let rows = Rows { of_erased: &|row: &T| users.contains(row.user()), people };
    for _ in 0..MAX_LISTINGS {
        let visited = rows.erase(objects, prefix, &count).await?;
        before.add(visited);
        if visited.gone == 0 {
            return Ok((before, met.into_inner().unwrap_or_else(PoisonError::into_inner)));
        }
    }
    let why = format!("the files of {prefix} change faster than they are read");
    Err(StoreError::Unavailable(why.into()).into())
}

/// A file that was fetched.
struct Fetched {
    key: String,
    /// `None` when it is gone.
    object: Option<Object>,
    /// Its share of what may be in memory, until it is dropped.
    _share: OwnedSemaphorePermit,
}

/// Shares of memory that files take while they wait to be read.
const SHARES: u32 = 16;
/// Those of a merged file, which has up to 32 MB and a part; any other is a batch of a stream.
const SHARES_OF_MERGED: u32 = SHARES / 2;

/// Fetches files ahead of being read, in order: two merged ones, or sixteen others.
fn fetch(
    objects: &Arc<dyn ObjectStore>,
    keys: Vec<String>,
) -> impl Stream<Item = StoreResult<Fetched>> {
    let shares = Arc::new(Semaphore::new(SHARES as usize));
    // Shares are given in the order in which they are asked for, which is that of the keys:
    // the file that is read next always has its own.
    let get = move |key: String| {
        let (objects, shares) = (Arc::clone(objects), Arc::clone(&shares));
        async move {
            let is_merged = key.rsplit('/').next().is_some_and(|name| name.starts_with(COMPACTED));
            let needed = if is_merged { SHARES_OF_MERGED } else { 1 };
            let closed = |error| StoreError::unavailable("a share of memory", error);
            let share = shares.acquire_many_owned(needed).await.map_err(closed)?;
            let object = objects.get(&key).await?;
            Ok(Fetched { key, object, _share: share })
        }
    };
    stream::iter(keys).map(get).buffered(SHARES as usize)
}

/// What reading a file's rows came to.
enum Read {
    /// All were read. Those of erased lives were of these users; some may have been under
    /// an earlier form of their user's pseudonym.
    Whole { erased: Vec<Pseudonym>, is_rekeyed: bool },
    /// There are more rows than may be read.
    TooMany,
}

/// A row that is of a user.
pub(crate) trait OfUser {
    /// Whose it is.
    fn user(&self) -> &Pseudonym;
    /// The same, to be taken forward.
    fn user_mut(&mut self) -> &mut Pseudonym;
}

macro_rules! of_user {
    ($($row:ty: $($field:ident).+;)+) => {$(
        impl OfUser for $row {
            fn user(&self) -> &Pseudonym {
                &self.$($field).+
            }

            fn user_mut(&mut self) -> &mut Pseudonym {
                &mut self.$($field).+
            }
        }
    )+};
}

of_user! {
    Event: user;
    Decision: user;
    Outcome: user;
    RefusedEvent: event.user;
}

/// Takes a row to the form of its user's pseudonym that others are compared with; says
/// whether it was under another one.
pub(crate) fn take_forward<T: OfUser>(people: &dyn PeopleStore, row: &mut T) -> bool {
    let canonical = people.canonical(row.user());
    let is_other = canonical != *row.user();
    if is_other {
        *row.user_mut() = canonical;
    }
    is_other
}

/// How rows are told to be of erased lives, and whose they are.
struct Rows<'a, T> {
    of_erased: &'a (dyn Fn(&T) -> bool + Sync),
    people: &'a dyn PeopleStore,
}

impl<T: Archived + OfUser> Rows<'_, T> {
    /// Hands on a file's rows that are not of erased lives, a group at a time. After an error
    /// what was handed on is not to be used.
    fn read(
        &self,
        bytes: Bytes,
        most: usize,
        mut keep: impl FnMut(Vec<T>),
    ) -> Result<Read, ColumnsError> {
        let groups = ArchiveReader::<T>::open(bytes)?;
        if groups.rows() > most {
            return Ok(Read::TooMany);
        }
        let (mut erased, mut is_rekeyed) = (Vec::new(), false);
        for rows in groups {
            let mut rows = rows?;
            rows.retain_mut(|row| {
                is_rekeyed |= take_forward(self.people, row);
                let is_erased = (self.of_erased)(row);
                if is_erased {
                    erased.push(row.user().clone());
                }
                !is_erased
            });
            keep(rows);
        }
        Ok(Read::Whole { erased, is_rekeyed })
    }

    /// Does with a file what reading it came to: one with rows of erased lives is written
    /// anew without them, or deleted when nothing is left, and one with rows under earlier
    /// forms with the canonical ones; one that cannot be read is set aside.
    async fn settle(
        &self,
        objects: &dyn ObjectStore,
        (key, object): (&str, Object),
        read: Result<Read, ColumnsError>,
        count: &(dyn Fn(&Pseudonym) + Sync),
    ) -> Result<Visited, ReadError> {
        let (erased, is_rekeyed) = match read {
            Ok(Read::Whole { erased, is_rekeyed }) => (erased, is_rekeyed),
            Ok(Read::TooMany) => (Vec::new(), false),
            Err(error) => {
                move_file(objects, key, object.bytes, &error.to_string()).await?;
                return Ok(Visited { set_aside: 1, ..Visited::default() });
            }
        };
        if is_rekeyed || !erased.is_empty() {
            let in_file = |error| ReadError::File { key: key.to_owned(), error };
            match self.without(object.bytes).map_err(in_file)? {
                Some(bytes) => {
                    objects.put(key, bytes, PutCondition::Matches(object.etag)).await?;
                }
                None => objects.delete(key).await?,
            }
            erased.iter().for_each(count);
        }
        Ok(Visited { files: 1, erased: erased.len() as u64, ..Visited::default() })
    }

    /// A file without the rows of erased lives; `None` when there are no others.
    fn without(&self, bytes: Bytes) -> Result<Option<Bytes>, ColumnsError> {
        let (mut writer, mut is_empty) = (ArchiveWriter::<T>::new()?, true);
        for rows in ArchiveReader::<T>::open(bytes)? {
            let mut rows = rows?;
            rows.retain_mut(|row| {
                take_forward(self.people, row);
                !(self.of_erased)(row)
            });
            is_empty &= rows.is_empty();
            writer.extend(rows)?;
        }
        Ok(if is_empty { None } else { Some(writer.finish()?) })
    }

    /// Takes the rows of erased lives out of every file under a prefix.
    async fn erase(
        &self,
        objects: &Arc<dyn ObjectStore>,
        prefix: &str,
        count: &(dyn Fn(&Pseudonym) + Sync),
    ) -> Result<Visited, ReadError> {
        let mut fetched = pin!(fetch(objects, objects.list(prefix).await?));
        let mut all = Visited::default();
        while let Some(file) = fetched.try_next().await? {
            let Some(object) = file.object else {
                all.gone += 1;
                continue;
            };
            let read = self.read(object.bytes.clone(), usize::MAX, drop);
            all.add(self.settle(&**objects, (&file.key, object), read, count).await?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use crossfold_core::archive::table::GROUP_ROWS;
    use crossfold_core::entities::ports::ETag;
    use crossfold_storage::{memory, set_aside};
    use crossfold_testing::{event_at, event_id};

    use super::*;

    fn events(count: usize) -> impl Iterator<Item = Event> {
        (0..count).map(|number| Event {
            event_id: event_id(&format!("e{number:06}")),
            ..event_at(number as i64)
        })
    }

    fn file(events: impl Iterator<Item = Event>) -> Bytes {
        let mut writer = ArchiveWriter::new().unwrap();
        writer.extend(events).unwrap();
        writer.finish().unwrap()
    }

    fn key(day: u32, name: &str) -> String {
        format!("{EVENTS_PREFIX}domain=knowledge/date=2026-06-{day:02}/{name}.parquet")
    }

    async fn put(objects: &dyn ObjectStore, key: &str, bytes: Bytes) {
        objects.put(key, bytes, PutCondition::None).await.unwrap();
    }

    async fn read(
        objects: &Arc<dyn ObjectStore>,
        limit: EventLimit,
    ) -> Result<(EventTable, Visited), ReadError> {
        let (people, domains) = (PeopleIndex::default(), BTreeMap::new());
        let stores = memory::stores();
        read_events(objects, &Erased::new(&people, &domains, &*stores.people), limit).await
    }

    #[tokio::test]
    async fn a_file_that_tears_midway_is_set_aside_and_leaves_none_of_its_rows() {
        let objects = memory::stores().objects;
        put(&*objects, &key(1, "a"), file(events(3))).await;
        let mut torn = file(events(GROUP_ROWS + 500)).to_vec();
        // In the last group: the footer, and the first group, are whole.
        let near_the_end = torn.len() * 9 / 10;
        torn[near_the_end - 200..near_the_end].fill(0xff);
        put(&*objects, &key(2, "b"), torn.into()).await;
        let (table, visited) = read(&objects, EventLimit::NONE).await.unwrap();
        assert_eq!((table.len(), visited.files, visited.set_aside), (3, 1, 1));
        assert!(table.iter().eq(events(3)));
        assert_eq!(set_aside::count(&*objects).await.unwrap().files, 1);
    }

    #[tokio::test]
    async fn days_are_read_in_their_order_whatever_their_files_are_called() {
        let objects = memory::stores().objects;
        let at = |number: usize| events(9).skip(number).take(1);
        put(&*objects, &key(2, "a"), file(at(1))).await;
        let other = key(1, "z").replace("knowledge", "travel");
        put(&*objects, &other, file(at(0))).await;
        put(&*objects, &key(3, "compacted-b"), file(at(2))).await;
        let (table, _) = read(&objects, EventLimit::NONE).await.unwrap();
        assert!(table.iter().eq(events(3)));
    }

    #[tokio::test]
    async fn more_events_than_memory_is_for_are_refused_by_what_the_footer_says() {
        let objects = memory::stores().objects;
        put(&*objects, &key(1, "a"), file(events(10))).await;
        assert_eq!(read(&objects, EventLimit(10)).await.unwrap().0.len(), 10);
        let refused = read(&objects, EventLimit(9)).await;
        assert!(matches!(refused, Err(ReadError::TooLarge(9))));
        assert_eq!(set_aside::count(&*objects).await.unwrap().files, 0);
    }

    /// Objects that take a while, and count how many are being fetched.
    struct Slow {
        objects: Arc<dyn ObjectStore>,
        fetched_now: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl ObjectStore for Slow {
        async fn get(&self, key: &str) -> StoreResult<Option<Object>> {
            let now = self.fetched_now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.fetched_now.fetch_sub(1, Ordering::SeqCst);
            self.objects.get(key).await
        }
        async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>> {
            self.objects.get_if_changed(key, known).await
        }
        async fn put(
            &self,
            key: &str,
            bytes: Bytes,
            condition: PutCondition,
        ) -> StoreResult<Option<ETag>> {
            self.objects.put(key, bytes, condition).await
        }
        async fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
            self.objects.list(prefix).await
        }
        async fn delete(&self, key: &str) -> StoreResult<()> {
            self.objects.delete(key).await
        }
    }

    #[tokio::test]
    async fn as_many_files_are_fetched_ahead_as_memory_is_for() {
        for (name, most) in [("", 16), (COMPACTED, 2)] {
            let objects = memory::stores().objects;
            for number in 0..40 {
                put(&*objects, &key(1, &format!("{name}{number:02}")), file(events(1))).await;
            }
            let slow = Arc::new(Slow {
                objects,
                fetched_now: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
            });
            let counted: Arc<dyn ObjectStore> = slow.clone();
            assert_eq!(read(&counted, EventLimit::NONE).await.unwrap().0.len(), 40);
            assert_eq!(slow.most.load(Ordering::SeqCst), most, "{name}");
        }
    }
}
