//! Every port on maps in memory, for simulation and unit tests.

mod activity;
mod rekeying;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::digest::ShortDigest;
use crossfold_core::entities::event::{Event, to_millisecond};
use crossfold_core::entities::history::{
    Dismissal, EventPosition, History, MarkedItems, PastEvent, SeenItem,
};
use crossfold_core::entities::ids::{DomainId, EventId, ItemId, Pseudonym, RecommendationId};
use crossfold_core::entities::impressions::Impressions;
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite, VersionedEntry};
use crossfold_core::entities::ports::{
    Appended, CatalogueStore, Committed, DecisionStore, ETag, ErasedPage, EventStore, Logged,
    Object, ObjectStore, Page, Past, PastRange, PeopleStore, PutCondition, RecordStore,
    RekeyedPage, StoreError, StoreResult, Stores,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::records::RecordKind;
use sha2::{Digest, Sha256};

pub use activity::MemoryActivity;

/// Entries on one page of a scan.
const PAGE_ENTRIES: usize = 100;

/// Every port on its own empty map.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_core::entities::ports::PutCondition;
///
/// let stores = crossfold_storage::memory::stores();
/// stores.objects.put("models/note", "whole".into(), PutCondition::None).await?;
/// let stored = stores.objects.get("models/note").await?;
/// assert_eq!(stored.map(|object| object.bytes), Some("whole".into()));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn stores() -> Stores {
    Stores {
        events: Arc::new(MemoryEvents::default()),
        people: Arc::new(MemoryPeople::default()),
        catalogue: Arc::new(MemoryCatalogue::default()),
        decisions: Arc::new(MemoryDecisions::default()),
        records: Arc::new(MemoryRecords::default()),
        objects: Arc::new(MemoryObjects::default()),
        activity: Arc::new(MemoryActivity::default()),
    }
}

/// A panic elsewhere while the lock was held leaves the map as whole as ever:
/// no method here can panic between two changes of one write.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct UserRecords {
    events: BTreeMap<EventId, Event>,
    dismissed: MarkedItems,
    seen: MarkedItems,
    impressions: Impressions,
    /// Ids of erased events, of any life of the user whose first this is.
    erased: BTreeSet<ShortDigest>,
}

impl UserRecords {
    /// Newest first.
    fn ordered(&self) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.events.values().collect();
        events.sort_by_cached_key(|event| std::cmp::Reverse(EventPosition::of(event)));
        events
    }

    fn count(&self) -> u64 {
        let marked = self.dismissed.len() + self.seen.len() + self.impressions.len();
        (self.events.len() + marked) as u64
    }
}

/// [`EventStore`] in memory. Nothing expires.
#[derive(Default)]
pub struct MemoryEvents(Mutex<BTreeMap<Pseudonym, UserRecords>>);

#[async_trait]
impl EventStore for MemoryEvents {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        let mut users = lock(&self.0);
        let events = &mut users.entry(event.user.clone()).or_default().events;
        if events.contains_key(&event.event_id) {
            return Ok(Appended::Duplicate);
        }
        events.insert(event.event_id.clone(), event.clone());
        Ok(Appended::New)
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        let users = lock(&self.0);
        let Some(records) = users.get(user) else { return Ok(History::default()) };
        let ordered = records.ordered();
        let newest = &ordered[..limit.min(ordered.len())];
        let events = newest.iter().map(|event| (*event).clone()).collect();
        let history = History::new(events, []);
        let history = history
            .with_marked(records.dismissed.clone(), records.seen.clone())
            .with_impressions(records.impressions.clone());
        Ok(match newest.last().filter(|_| newest.len() == limit) {
            Some(last) => history.cut_at(EventPosition::of(last)),
            None => history,
        })
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        let users = lock(&self.0);
        let Some(records) = users.get(user) else { return Ok(Past::default()) };
        let is_asked_for = |event: &&Event| {
            EventPosition::of(event) < range.before && event.occurred_at >= range.since
        };
        let in_range: Vec<&Event> = records.ordered().into_iter().filter(is_asked_for).collect();
        let past = |event: &&Event| PastEvent::from(*event);
        let events = in_range.iter().take(range.limit).map(past).collect();
        Ok(Past { events, is_cut: in_range.len() > range.limit })
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        let mut users = lock(&self.0);
        users.entry(dismissal.user.clone()).or_default().dismissed.extend([dismissal.clone()]);
        Ok(())
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        lock(&self.0).entry(seen.user.clone()).or_default().seen.extend([seen.clone()]);
        Ok(())
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        let mut users = lock(&self.0);
        for (of, items) in impressions.sets() {
            let records = users.entry(of.by.user.clone()).or_default();
            records.impressions.add(of.clone(), items.iter());
        }
        Ok(())
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let users = lock(&self.0);
        let holds = |(user, id): &(Pseudonym, EventId)| {
            users.get(user).is_some_and(|records| records.events.contains_key(id))
        };
        Ok(events.iter().map(holds).collect())
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        Ok(rekeying::rekey_events(&mut lock(&self.0), keys, after.as_deref()))
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        let mut users = lock(&self.0);
        let Some(records) = users.get(user) else { return Ok(()) };
        let ids: Vec<ShortDigest> =
            records.events.keys().map(|id| ShortDigest::of(id.as_str())).collect();
        users.entry(user.own()).or_default().erased.extend(ids);
        Ok(())
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let users = lock(&self.0);
        let was_erased = |(user, id): &(Pseudonym, EventId)| {
            let kept = users.get(&user.own()).map(|records| &records.erased);
            kept.is_some_and(|kept| kept.contains(&ShortDigest::of(id.as_str())))
        };
        Ok(events.iter().map(was_erased).collect())
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        let mut users = lock(&self.0);
        let Some(mut records) = users.remove(user) else { return Ok(0) };
        let erased = std::mem::take(&mut records.erased);
        if !erased.is_empty() {
            users.insert(user.clone(), UserRecords { erased, ..UserRecords::default() });
        }
        Ok(records.count())
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        _after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        let mut records = 0;
        for of_user in lock(&self.0).values_mut() {
            let before = of_user.count();
            of_user.events.retain(|_, event| event.domain != *domain);
            of_user.dismissed.forget(domain);
            of_user.seen.forget(domain);
            of_user.impressions.forget(domain);
            records += before - of_user.count();
        }
        Ok(ErasedPage { records, next: None })
    }
}

/// [`PeopleStore`] in memory.
#[derive(Default)]
pub struct MemoryPeople(Mutex<BTreeMap<Pseudonym, (PeopleEntry, u64)>>);

#[async_trait]
impl PeopleStore for MemoryPeople {
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>> {
        let people = lock(&self.0);
        Ok(people.get(user).map(|stored| versioned(user, stored)))
    }

    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>> {
        let people = lock(&self.0);
        let found = users.iter().filter_map(|user| Some(versioned(user, people.get(user)?)));
        Ok(found.collect())
    }

    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed> {
        self.commit_unless(writes, &[]).await
    }

    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed> {
        Ok(rekeying::rekey_entry(&mut lock(&self.0), entry, to))
    }

    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed> {
        let mut people = lock(&self.0);
        let holds = |write: &PeopleWrite| {
            people.get(&write.id).map(|(_, version)| *version) == write.expected
        };
        let is_there = |user: &Pseudonym| people.contains_key(user);
        if !writes.iter().all(holds) || absent.iter().any(is_there) {
            return Ok(Committed::Conflict);
        }
        for write in writes {
            let version = write.expected.unwrap_or(0) + 1;
            people.insert(write.id.clone(), (write.entry.clone(), version));
        }
        Ok(Committed::Yes)
    }

    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>> {
        let after = after.map(|key| Pseudonym::parse(&key)).transpose();
        let after = after.map_err(|error| StoreError::Refused(error.into()))?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let people = lock(&self.0);
        let entries: Vec<_> = people
            .range((start, Bound::Unbounded))
            .take(PAGE_ENTRIES)
            .map(|(id, stored)| versioned(id, stored))
            .collect();
        let last = entries.last().filter(|_| entries.len() == PAGE_ENTRIES);
        let next = last.map(|entry| entry.id.to_string());
        Ok(Page { entries, next })
    }
}

fn versioned(id: &Pseudonym, (entry, version): &(PeopleEntry, u64)) -> VersionedEntry {
    VersionedEntry { id: id.clone(), entry: entry.clone(), version: *version }
}

/// One domain's entries, and how often it was changed.
#[derive(Default)]
struct DomainCatalogue {
    last: ChangeNumber,
    items: BTreeMap<ItemId, Item>,
}

impl DomainCatalogue {
    fn begin_change(&mut self) -> ChangeNumber {
        self.last.0 += 1;
        self.last
    }

    fn insert(&mut self, item: &Item) {
        let updated_at = to_millisecond(item.updated_at);
        let stored = Item { updated_at, change: self.last, ..item.clone() };
        self.items.insert(item.item_id.clone(), stored);
    }
}

/// [`CatalogueStore`] in memory.
#[derive(Default)]
pub struct MemoryCatalogue(Mutex<BTreeMap<DomainId, DomainCatalogue>>);

impl MemoryCatalogue {
    fn filtered(&self, domain: &DomainId, keep: impl Fn(&Item) -> bool) -> Vec<Item> {
        let domains = lock(&self.0);
        let items = domains.get(domain).into_iter().flat_map(|known| known.items.values());
        items.filter(|item| keep(item)).cloned().collect()
    }
}

#[async_trait]
impl CatalogueStore for MemoryCatalogue {
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber> {
        let mut domains = lock(&self.0);
        let known = domains.entry(domain.clone()).or_default();
        let change = known.begin_change();
        items.iter().for_each(|item| known.insert(item));
        Ok(change)
    }

    async fn create_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>> {
        let mut domains = lock(&self.0);
        let known = domains.entry(domain.clone()).or_default();
        known.begin_change();
        let mut create = |item: &Item| {
            if known.items.contains_key(&item.item_id) {
                return Appended::Duplicate;
            }
            known.insert(item);
            Appended::New
        };
        Ok(items.iter().map(&mut create).collect())
    }

    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>> {
        Ok(lock(&self.0).get(domain).and_then(|known| known.items.get(item)).cloned())
    }

    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>> {
        Ok(self.filtered(domain, |_| true))
    }

    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>> {
        Ok(self.filtered(domain, |item| item.change >= since))
    }
}

#[derive(Default)]
struct DecisionLog {
    decisions: BTreeMap<RecommendationId, Decision>,
    outcomes: BTreeMap<RecommendationId, BTreeMap<EventId, Outcome>>,
}

/// [`DecisionStore`] in memory. Nothing expires.
#[derive(Default)]
pub struct MemoryDecisions(Mutex<DecisionLog>);

#[async_trait]
impl DecisionStore for MemoryDecisions {
    async fn record(&self, decision: &Decision) -> StoreResult<()> {
        let mut log = lock(&self.0);
        let id = decision.recommendation_id.clone();
        log.decisions.entry(id).or_insert_with(|| decision.clone());
        Ok(())
    }

    async fn get(&self, id: &RecommendationId) -> StoreResult<Option<Decision>> {
        Ok(lock(&self.0).decisions.get(id).cloned())
    }

    async fn append_outcome(&self, outcome: &Outcome) -> StoreResult<Appended> {
        let mut log = lock(&self.0);
        let outcomes = log.outcomes.entry(outcome.recommendation_id.clone()).or_default();
        if outcomes.contains_key(&outcome.feedback_id) {
            return Ok(Appended::Duplicate);
        }
        outcomes.insert(outcome.feedback_id.clone(), outcome.clone());
        Ok(Appended::New)
    }

    async fn outcomes(&self, id: &RecommendationId) -> StoreResult<Vec<Outcome>> {
        let log = lock(&self.0);
        Ok(log.outcomes.get(id).into_iter().flat_map(BTreeMap::values).cloned().collect())
    }

    async fn outcome(
        &self,
        id: &RecommendationId,
        feedback: &EventId,
    ) -> StoreResult<Option<Outcome>> {
        let log = lock(&self.0);
        Ok(log.outcomes.get(id).and_then(|outcomes| outcomes.get(feedback)).cloned())
    }

    async fn logged_of(
        &self,
        users: &BTreeSet<Pseudonym>,
        _after: Option<String>,
    ) -> StoreResult<Page<Logged>> {
        let log = lock(&self.0);
        let decisions = log.decisions.values().map(|decision| Logged {
            user: decision.user.clone(),
            recommendation: decision.recommendation_id.clone(),
            feedback: None,
        });
        let outcomes = log.outcomes.values().flat_map(BTreeMap::values).map(|outcome| Logged {
            user: outcome.user.clone(),
            recommendation: outcome.recommendation_id.clone(),
            feedback: Some(outcome.feedback_id.clone()),
        });
        let entries = decisions.chain(outcomes).filter(|one| users.contains(&one.user)).collect();
        Ok(Page { entries, next: None })
    }

    async fn logged_users(&self, _after: Option<String>) -> StoreResult<Page<Pseudonym>> {
        let log = lock(&self.0);
        let decisions = log.decisions.values().map(|decision| &decision.user);
        let outcomes = log.outcomes.values().flat_map(BTreeMap::values);
        let users = decisions.chain(outcomes.map(|outcome| &outcome.user));
        let users: BTreeSet<Pseudonym> = users.cloned().collect();
        Ok(Page { entries: users.into_iter().collect(), next: None })
    }

    async fn delete(&self, logged: &[Logged]) -> StoreResult<()> {
        let mut log = lock(&self.0);
        for Logged { recommendation, feedback, .. } in logged {
            match feedback {
                None => drop(log.decisions.remove(recommendation)),
                Some(feedback) => {
                    let outcomes = log.outcomes.get_mut(recommendation);
                    outcomes.and_then(|outcomes| outcomes.remove(feedback));
                }
            }
        }
        Ok(())
    }
}

/// Most bytes of a record: what an item of a DynamoDB table holds, less its key.
const MAX_RECORD_BYTES: usize = 400_000;

fn check_length(json: &str) -> StoreResult<()> {
    if json.len() <= MAX_RECORD_BYTES {
        return Ok(());
    }
    Err(StoreError::Refused(format!("a record of {} bytes is too large", json.len()).into()))
}

/// [`RecordStore`] in memory.
#[derive(Default)]
pub struct MemoryRecords(Mutex<BTreeMap<(RecordKind, String), String>>);

#[async_trait]
impl RecordStore for MemoryRecords {
    async fn create(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<Appended> {
        check_length(&json)?;
        match lock(&self.0).entry((kind, id.to_owned())) {
            Entry::Occupied(_) => Ok(Appended::Duplicate),
            Entry::Vacant(vacant) => {
                vacant.insert(json);
                Ok(Appended::New)
            }
        }
    }

    async fn put(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<()> {
        check_length(&json)?;
        lock(&self.0).insert((kind, id.to_owned()), json);
        Ok(())
    }

    async fn replace(
        &self,
        kind: RecordKind,
        id: &str,
        expected: &str,
        json: String,
    ) -> StoreResult<Committed> {
        check_length(&json)?;
        match lock(&self.0).get_mut(&(kind, id.to_owned())) {
            Some(stored) if stored == expected => {
                *stored = json;
                Ok(Committed::Yes)
            }
            _ => Ok(Committed::Conflict),
        }
    }

    async fn delete(&self, kind: RecordKind, id: &str) -> StoreResult<()> {
        lock(&self.0).remove(&(kind, id.to_owned()));
        Ok(())
    }

    async fn remove(&self, kind: RecordKind, id: &str, expected: &str) -> StoreResult<Committed> {
        let mut records = lock(&self.0);
        let key = (kind, id.to_owned());
        if records.get(&key).map(String::as_str) != Some(expected) {
            return Ok(Committed::Conflict);
        }
        records.remove(&key);
        Ok(Committed::Yes)
    }

    async fn get(&self, kind: RecordKind, id: &str) -> StoreResult<Option<String>> {
        Ok(lock(&self.0).get(&(kind, id.to_owned())).cloned())
    }

    async fn list(&self, kind: RecordKind) -> StoreResult<Vec<(String, String)>> {
        let records = lock(&self.0);
        let of_kind = records.iter().filter(|((of, _), _)| *of == kind);
        Ok(of_kind.map(|((_, id), json)| (id.clone(), json.clone())).collect())
    }

    async fn first(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        let records = lock(&self.0);
        let of_kind = records
            .iter()
            .filter(|((of, id), _)| *of == kind && after.is_none_or(|after| id.as_str() > after));
        Ok(of_kind.take(limit).map(|((_, id), json)| (id.clone(), json.clone())).collect())
    }

    async fn last(
        &self,
        kind: RecordKind,
        before: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        let records = lock(&self.0);
        let of_kind = records.iter().rev().filter(|((of, id), _)| {
            *of == kind && before.is_none_or(|before| id.as_str() < before)
        });
        let found = of_kind.map(|((_, id), json)| (id.clone(), json.clone()));
        Ok(found.take(limit).collect())
    }
}

/// [`ObjectStore`] in memory. As on S3, the same content has the same version.
#[derive(Default)]
pub struct MemoryObjects(Mutex<BTreeMap<String, Object>>);

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn get(&self, key: &str) -> StoreResult<Option<Object>> {
        Ok(lock(&self.0).get(key).cloned())
    }

    async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>> {
        let objects = lock(&self.0);
        let absent = || StoreError::Refused(format!("there is no object {key}").into());
        let object = objects.get(key).ok_or_else(absent)?;
        Ok((object.etag != *known).then(|| object.clone()))
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> StoreResult<Option<ETag>> {
        let etag = ETag(data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
        let mut objects = lock(&self.0);
        let stored = objects.get(key).map(|object| &object.etag);
        let holds = match &condition {
            PutCondition::None => true,
            PutCondition::Absent => stored.is_none(),
            PutCondition::Matches(expected) => stored == Some(expected),
        };
        if !holds {
            return Ok(None);
        }
        objects.insert(key.to_owned(), Object { bytes, etag: etag.clone() });
        Ok(Some(etag))
    }

    async fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
        let objects = lock(&self.0);
        let from = objects.range(prefix.to_owned()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn delete(&self, key: &str) -> StoreResult<()> {
        lock(&self.0).remove(key);
        Ok(())
    }
}
