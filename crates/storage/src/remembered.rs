//! Stores that are not asked again for what was read of them and not written since: for a process
//! that has them to itself, so that every write comes by here.
//!
//! What is remembered: the history of a user, what is stored under a user, records by their ids,
//! and that an object has not changed. A reader finds every write that was acknowledged before,
//! as of the store itself: whoever writes forgets what is known of the key when the write begins
//! and again when it ends, however it ends, and what was read meanwhile is not remembered. Small
//! things alone, and at most some thousands of them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, Pseudonym};
use crossfold_core::entities::impressions::Impressions;
use crossfold_core::entities::people::{PeopleWrite, VersionedEntry};
use crossfold_core::entities::ports::{
    Appended, Committed, ETag, ErasedPage, EventStore, Object, ObjectStore, Page, Past, PastRange,
    PeopleStore, PutCondition, RecordStore, RekeyedPage, StoreResult, Stores,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::records::RecordKind;

/// Parts that are locked apart from one another.
const SHARDS: usize = 64;
/// Most values in a part; when there are more, it begins anew. 2,048 in all.
const MOST: usize = 32;
/// Most records of a history that is remembered: with 2,048 of them some 60 MB.
const MOST_RECORDS: usize = 100;
/// Most bytes of a record that is remembered.
const MOST_BYTES: usize = 4_096;

/// The same stores, remembering.
#[must_use]
pub fn remembered(stores: Stores) -> Stores {
    Stores {
        events: Arc::new(RememberedEvents { store: stores.events, known: Remembered::new() }),
        people: Arc::new(RememberedPeople { store: stores.people, known: Remembered::new() }),
        records: Arc::new(RememberedRecords { store: stores.records, known: Remembered::new() }),
        objects: Arc::new(RememberedObjects { store: stores.objects, known: Remembered::new() }),
        ..stores
    }
}

/// Values by their keys, as far as nobody is writing them.
struct Remembered<V> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<V>>>,
}

struct Shard<V> {
    /// Goes up when a write of any key of the part begins, and when it ends.
    generation: u64,
    values: HashMap<String, V>,
}

/// The state of a part when something of it was read.
#[derive(Clone, Copy)]
struct ReadAt(u64);

impl<V: Clone> Remembered<V> {
    fn new() -> Self {
        let shard = || Mutex::new(Shard { generation: 0, values: HashMap::new() });
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard<V>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered; else what is needed to remember what is read now.
    fn get(&self, key: &str) -> Result<V, ReadAt> {
        let shard = self.shard(key);
        shard.values.get(key).cloned().ok_or(ReadAt(shard.generation))
    }

    /// Remembers what was read, unless something of its part was written meanwhile.
    fn put(&self, key: &str, value: V, ReadAt(generation): ReadAt) {
        let mut shard = self.shard(key);
        if shard.generation != generation {
            return;
        }
        if shard.values.len() >= MOST {
            shard.values.clear();
        }
        shard.values.insert(key.to_owned(), value);
    }

    fn forget(&self, key: &str) {
        let mut shard = self.shard(key);
        shard.generation += 1;
        shard.values.remove(key);
    }

    fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.generation += 1;
            shard.values.clear();
        }
    }

    /// To be held while keys are written.
    fn writing(&self, keys: impl IntoIterator<Item = String>) -> Writing<'_, V> {
        let keys: Vec<String> = keys.into_iter().collect();
        keys.iter().for_each(|key| self.forget(key));
        Writing { known: self, keys: Some(keys) }
    }

    /// To be held while any keys may be written.
    fn writing_all(&self) -> Writing<'_, V> {
        self.forget_all();
        Writing { known: self, keys: None }
    }
}

/// A write under way. What is known of its keys is forgotten again when this is dropped: when it
/// has ended, has failed, or nobody waits for it any more.
struct Writing<'a, V: Clone> {
    known: &'a Remembered<V>,
    /// `None`: any.
    keys: Option<Vec<String>>,
}

impl<V: Clone> Drop for Writing<'_, V> {
    fn drop(&mut self) {
        match &self.keys {
            Some(keys) => keys.iter().for_each(|key| self.known.forget(key)),
            None => self.known.forget_all(),
        }
    }
}

fn key_of(user: &Pseudonym) -> String {
    user.as_str().to_owned()
}

struct RememberedEvents {
    store: Arc<dyn EventStore>,
    /// By user, each with the limit that it was read by.
    known: Remembered<(usize, History)>,
}

#[async_trait]
impl EventStore for RememberedEvents {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        let _writing = self.known.writing([key_of(&event.user)]);
        self.store.append(event).await
    }

    async fn append_all(&self, events: &[Event]) -> StoreResult<Vec<Appended>> {
        let users: BTreeSet<String> = events.iter().map(|event| key_of(&event.user)).collect();
        let _writing = self.known.writing(users);
        self.store.append_all(events).await
    }

    fn appends_all_or_none(&self) -> bool {
        self.store.appends_all_or_none()
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        let key = key_of(user);
        let read_at = match self.known.get(&key) {
            Ok((of_limit, history)) if of_limit == limit => return Ok(history),
            Ok(_) => None,
            Err(read_at) => Some(read_at),
        };
        let history = self.store.history(user, limit).await?;
        if let Some(read_at) = read_at.filter(|_| history.records() <= MOST_RECORDS) {
            self.known.put(&key, (limit, history.clone()), read_at);
        }
        Ok(history)
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        self.store.past(user, range).await
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        let _writing = self.known.writing([key_of(&dismissal.user)]);
        self.store.dismiss(dismissal).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        let _writing = self.known.writing([key_of(&seen.user)]);
        self.store.mark_seen(seen).await
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        let users: Vec<_> = impressions.sets().map(|(of, _)| key_of(&of.by.user)).collect();
        let _writing = self.known.writing(users);
        self.store.note_impressions(impressions).await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        self.store.holds(events).await
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        let _writing = self.known.writing_all();
        self.store.rekey(keys, after).await
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        self.store.keep_erased_ids(user).await
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        self.store.were_erased(events).await
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        let _writing = self.known.writing([key_of(user)]);
        self.store.erase(user).await
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        let _writing = self.known.writing_all();
        self.store.erase_domain(domain, after).await
    }
}

struct RememberedPeople {
    store: Arc<dyn PeopleStore>,
    known: Remembered<Option<VersionedEntry>>,
}

impl RememberedPeople {
    fn writing(&self, writes: &[PeopleWrite]) -> Writing<'_, Option<VersionedEntry>> {
        self.known.writing(writes.iter().map(|write| key_of(&write.id)))
    }
}

#[async_trait]
impl PeopleStore for RememberedPeople {
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>> {
        let key = key_of(user);
        let read_at = match self.known.get(&key) {
            Ok(entry) => return Ok(entry),
            Err(read_at) => read_at,
        };
        let entry = self.store.get(user).await?;
        self.known.put(&key, entry.clone(), read_at);
        Ok(entry)
    }

    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>> {
        let (mut entries, mut unknown) = (Vec::with_capacity(users.len()), Vec::new());
        for user in users {
            match self.known.get(&key_of(user)) {
                Ok(entry) => entries.extend(entry),
                Err(_) => unknown.push(user.clone()),
            }
        }
        if !unknown.is_empty() {
            entries.extend(self.store.get_all(&unknown).await?);
        }
        Ok(entries)
    }

    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed> {
        let _writing = self.writing(writes);
        self.store.commit(writes).await
    }

    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed> {
        let _writing = self.writing(writes);
        self.store.commit_unless(writes, absent).await
    }

    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed> {
        let _writing = self.known.writing([key_of(&entry.id), key_of(to)]);
        self.store.rekey(entry, to).await
    }

    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>> {
        self.store.scan(after).await
    }

    fn canonical(&self, user: &Pseudonym) -> Pseudonym {
        self.store.canonical(user)
    }
}

struct RememberedRecords {
    store: Arc<dyn RecordStore>,
    /// By kind and id.
    known: Remembered<Option<String>>,
}

fn key_of_record(kind: RecordKind, id: &str) -> String {
    format!("{kind} {id}")
}

#[async_trait]
impl RecordStore for RememberedRecords {
    async fn create(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<Appended> {
        let _writing = self.known.writing([key_of_record(kind, id)]);
        self.store.create(kind, id, json).await
    }

    async fn put(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<()> {
        let _writing = self.known.writing([key_of_record(kind, id)]);
        self.store.put(kind, id, json).await
    }

    async fn replace(
        &self,
        kind: RecordKind,
        id: &str,
        expected: &str,
        json: String,
    ) -> StoreResult<Committed> {
        let _writing = self.known.writing([key_of_record(kind, id)]);
        self.store.replace(kind, id, expected, json).await
    }

    async fn delete(&self, kind: RecordKind, id: &str) -> StoreResult<()> {
        let _writing = self.known.writing([key_of_record(kind, id)]);
        self.store.delete(kind, id).await
    }

    async fn remove(&self, kind: RecordKind, id: &str, expected: &str) -> StoreResult<Committed> {
        let _writing = self.known.writing([key_of_record(kind, id)]);
        self.store.remove(kind, id, expected).await
    }

    async fn get(&self, kind: RecordKind, id: &str) -> StoreResult<Option<String>> {
        let key = key_of_record(kind, id);
        let read_at = match self.known.get(&key) {
            Ok(record) => return Ok(record),
            Err(read_at) => read_at,
        };
        let record = self.store.get(kind, id).await?;
        if record.as_ref().is_none_or(|json| json.len() <= MOST_BYTES) {
            self.known.put(&key, record.clone(), read_at);
        }
        Ok(record)
    }

    async fn list(&self, kind: RecordKind) -> StoreResult<Vec<(String, String)>> {
        self.store.list(kind).await
    }

    async fn first(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        self.store.first(kind, after, limit).await
    }

    async fn last(
        &self,
        kind: RecordKind,
        before: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        self.store.last(kind, before, limit).await
    }
}

struct RememberedObjects {
    store: Arc<dyn ObjectStore>,
    /// The version that an object was found to have still.
    known: Remembered<ETag>,
}

#[async_trait]
impl ObjectStore for RememberedObjects {
    async fn get(&self, key: &str) -> StoreResult<Option<Object>> {
        self.store.get(key).await
    }

    async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>> {
        let read_at = match self.known.get(key) {
            Ok(version) if version == *known => return Ok(None),
            Ok(_) => None,
            Err(read_at) => Some(read_at),
        };
        let changed = self.store.get_if_changed(key, known).await?;
        if let Some(read_at) = read_at.filter(|_| changed.is_none()) {
            self.known.put(key, known.clone(), read_at);
        }
        Ok(changed)
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> StoreResult<Option<ETag>> {
        let _writing = self.known.writing([key.to_owned()]);
        self.store.put(key, bytes, condition).await
    }

    async fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
        self.store.list(prefix).await
    }

    async fn delete(&self, key: &str) -> StoreResult<()> {
        let _writing = self.known.writing([key.to_owned()]);
        self.store.delete(key).await
    }
}

#[cfg(test)]
mod tests;
