//! Stores that fail as a network lets them: for tests of what is built on them.
//!
//! A decorator over every port. Before each call a plan says which [`Fault`] it
//! meets: from a seed, at given rates, or as a function of the call. The same
//! seed and the same order of calls give the same faults. Nothing waits but what hangs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::entities::activity::{Activity, DomainDay};
use crossfold_core::entities::catalogue::{ChangeNumber, Item};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::{Dismissal, History, SeenItem};
use crossfold_core::entities::ids::{DomainId, EventId, ItemId, Pseudonym, RecommendationId};
use crossfold_core::entities::impressions::Impressions;
use crossfold_core::entities::people::{PeopleWrite, VersionedEntry};
use crossfold_core::entities::ports::{
    ActivityStore, Appended, CatalogueStore, Committed, DecisionStore, ETag, ErasedPage,
    EventStore, Logged, Object, ObjectStore, Page, Past, PastRange, PeopleStore, PutCondition,
    RecordStore, RekeyedPage, StoreError, StoreResult, Stores,
};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::records::RecordKind;
use jiff::civil::Date;

/// What befalls one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The store is unavailable before the call has any effect.
    Before,
    /// The call has its effect, and its answer is lost.
    AnswerLost,
    /// A read answers as it did when it was last made; a write is not befallen.
    Stale,
    /// The call has no effect and never ends.
    Hangs,
    /// The store refuses the call, as one without the permission for it.
    Denied,
    /// The store refuses the call, for what it is about was deleted.
    Gone,
}

impl Fault {
    /// What keeps a call from being made, if this does.
    async fn before(self, call: &Call) -> StoreResult<()> {
        let what = |why: &str| format!("{} {}: {why}", call.method, call.key).into();
        match self {
            Self::None | Self::AnswerLost | Self::Stale => Ok(()),
            Self::Before => Err(StoreError::Unavailable(what("not reached"))),
            Self::Denied => Err(StoreError::Refused(what("AccessDeniedException"))),
            Self::Gone => Err(StoreError::Refused(what("ResourceNotFoundException"))),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// A call: the port's method and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The port and its method, such as `objects.put`.
    pub method: &'static str,
    /// The key that is read or written: an object's key, a user, an item.
    pub key: String,
}

/// How often calls meet each fault: probabilities whose sum is at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FaultRates {
    /// Of [`Fault::Before`].
    pub before: f64,
    /// Of [`Fault::AnswerLost`].
    pub answer_lost: f64,
    /// Of [`Fault::Stale`].
    pub stale: f64,
}

/// Says what befalls each call.
#[derive(Clone)]
pub struct FaultPlan(Arc<dyn Fn(&Call) -> Fault + Send + Sync>);

impl FaultPlan {
    /// Faults as a function of the call.
    #[must_use]
    pub fn from_fn(fault: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Self {
        Self(Arc::new(fault))
    }

    /// Faults at random, by a seed.
    #[must_use]
    pub fn seeded(seed: u64, rates: FaultRates) -> Self {
        let calls = AtomicU64::new(0);
        Self::from_fn(move |_| {
            let roll = fraction(seed, calls.fetch_add(1, Ordering::Relaxed));
            if roll < rates.before {
                Fault::Before
            } else if roll < rates.before + rates.answer_lost {
                Fault::AnswerLost
            } else if roll < rates.before + rates.answer_lost + rates.stale {
                Fault::Stale
            } else {
                Fault::None
            }
        })
    }
}

/// The `index`th number from 0 up to 1 of a seed: `SplitMix64` (G. L. Steele et
/// al., "Fast Splittable Pseudorandom Number Generators", 2014).
fn fraction(seed: u64, index: u64) -> f64 {
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The same stores, befallen by what a plan says.
#[must_use]
pub fn faulty(stores: Stores, plan: &FaultPlan) -> Stores {
    Stores {
        events: Arc::new(Faulty::new(stores.events, plan)),
        people: Arc::new(Faulty::new(stores.people, plan)),
        catalogue: Arc::new(Faulty::new(stores.catalogue, plan)),
        decisions: Arc::new(Faulty::new(stores.decisions, plan)),
        records: Arc::new(Faulty::new(stores.records, plan)),
        objects: Arc::new(Faulty::new(stores.objects, plan)),
        activity: Arc::new(Faulty::new(stores.activity, plan)),
    }
}

/// What reads answered when they were last made, by call.
#[derive(Default)]
struct Remembered<T>(Mutex<BTreeMap<Call, T>>);

impl<T: Clone> Remembered<T> {
    fn recall(&self, call: &Call) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(call).cloned()
    }

    fn keep(&self, call: Call, answer: &T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(call, answer.clone());
    }
}

/// A store and what befalls it.
struct Faulty<S: ?Sized> {
    store: Arc<S>,
    plan: FaultPlan,
    objects: Remembered<Option<Object>>,
    people: Remembered<Option<VersionedEntry>>,
    items: Remembered<Vec<Item>>,
    records: Remembered<Option<String>>,
}

fn call(method: &'static str, key: &(impl ToString + ?Sized)) -> Call {
    Call { method, key: key.to_string() }
}

impl<S: ?Sized> Faulty<S> {
    fn new(store: Arc<S>, plan: &FaultPlan) -> Self {
        Self {
            store,
            plan: plan.clone(),
            objects: Remembered::default(),
            people: Remembered::default(),
            items: Remembered::default(),
            records: Remembered::default(),
        }
    }

    /// Makes a call that is never stale.
    async fn make<T>(
        &self,
        call: Call,
        effect: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        let fault = (self.plan.0)(&call);
        fault.before(&call).await?;
        let done = effect.await?;
        if fault == Fault::AnswerLost {
            let why = format!("{} {}: the answer was lost", call.method, call.key);
            return Err(StoreError::Unavailable(why.into()));
        }
        Ok(done)
    }

    /// Makes a read, which may be stale.
    async fn read<T: Clone>(
        &self,
        call: Call,
        remembered: &Remembered<T>,
        effect: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        let fault = (self.plan.0)(&call);
        if fault == Fault::Stale
            && let Some(answer) = remembered.recall(&call)
        {
            return Ok(answer);
        }
        fault.before(&call).await?;
        if fault == Fault::AnswerLost {
            return Err(StoreError::Unavailable(format!("{} {}", call.method, call.key).into()));
        }
        let answer = effect.await?;
        remembered.keep(call, &answer);
        Ok(answer)
    }
}

#[async_trait]
impl EventStore for Faulty<dyn EventStore> {
    async fn append(&self, event: &Event) -> StoreResult<Appended> {
        self.make(call("events.append", &event.event_id), self.store.append(event)).await
    }

    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History> {
        self.make(call("events.history", user), self.store.history(user, limit)).await
    }

    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past> {
        self.make(call("events.past", user), self.store.past(user, range)).await
    }

    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()> {
        self.make(call("events.dismiss", &dismissal.user), self.store.dismiss(dismissal)).await
    }

    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()> {
        self.make(call("events.mark_seen", &seen.user), self.store.mark_seen(seen)).await
    }

    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()> {
        let first = impressions.sets().next().map(|(of, _)| of.by.user.to_string());
        let call = call("events.note_impressions", &first.unwrap_or_default());
        self.make(call, self.store.note_impressions(impressions)).await
    }

    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let first = events.first().map(|(user, _)| user.to_string()).unwrap_or_default();
        self.make(call("events.holds", &first), self.store.holds(events)).await
    }

    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage> {
        let key = after.clone().unwrap_or_default();
        self.make(call("events.rekey", &key), self.store.rekey(keys, after)).await
    }

    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()> {
        self.make(call("events.keep_erased_ids", user), self.store.keep_erased_ids(user)).await
    }

    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>> {
        let first = events.first().map(|(user, _)| user.to_string()).unwrap_or_default();
        self.make(call("events.were_erased", &first), self.store.were_erased(events)).await
    }

    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64> {
        self.make(call("events.erase", user), self.store.erase(user)).await
    }

    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage> {
        let call = call("events.erase_domain", domain);
        self.make(call, self.store.erase_domain(domain, after)).await
    }
}

#[async_trait]
impl PeopleStore for Faulty<dyn PeopleStore> {
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>> {
        self.read(call("people.get", user), &self.people, self.store.get(user)).await
    }

    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>> {
        let first = users.first().map(ToString::to_string).unwrap_or_default();
        self.make(call("people.get_all", &first), self.store.get_all(users)).await
    }

    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed> {
        let first = writes.first().map(|write| write.id.to_string()).unwrap_or_default();
        self.make(call("people.commit", &first), self.store.commit(writes)).await
    }

    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed> {
        let first = writes.first().map(|write| write.id.to_string()).unwrap_or_default();
        self.make(call("people.commit", &first), self.store.commit_unless(writes, absent)).await
    }

    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed> {
        self.make(call("people.rekey", &entry.id), self.store.rekey(entry, to)).await
    }

    fn canonical(&self, user: &Pseudonym) -> Pseudonym {
        self.store.canonical(user)
    }

    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>> {
        let key = after.clone().unwrap_or_default();
        self.make(call("people.scan", &key), self.store.scan(after)).await
    }
}

#[async_trait]
impl CatalogueStore for Faulty<dyn CatalogueStore> {
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber> {
        self.make(call("catalogue.put_all", domain), self.store.put_all(domain, items)).await
    }

    async fn create_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>> {
        self.make(call("catalogue.create_all", domain), self.store.create_all(domain, items)).await
    }

    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>> {
        self.make(call("catalogue.get", item), self.store.get(domain, item)).await
    }

    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>> {
        self.read(call("catalogue.list", domain), &self.items, self.store.list(domain)).await
    }

    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>> {
        let key = format!("{domain} {}", since.0);
        self.read(call("catalogue.changes", &key), &self.items, self.store.changes(domain, since))
            .await
    }
}

#[async_trait]
impl DecisionStore for Faulty<dyn DecisionStore> {
    async fn record(&self, decision: &Decision) -> StoreResult<()> {
        let call = call("decisions.record", &decision.recommendation_id);
        self.make(call, self.store.record(decision)).await
    }

    async fn get(&self, id: &RecommendationId) -> StoreResult<Option<Decision>> {
        self.make(call("decisions.get", id), self.store.get(id)).await
    }

    async fn append_outcome(&self, outcome: &Outcome) -> StoreResult<Appended> {
        let call = call("decisions.append_outcome", &outcome.feedback_id);
        self.make(call, self.store.append_outcome(outcome)).await
    }

    async fn outcomes(&self, id: &RecommendationId) -> StoreResult<Vec<Outcome>> {
        self.make(call("decisions.outcomes", id), self.store.outcomes(id)).await
    }

    async fn outcome(
        &self,
        id: &RecommendationId,
        feedback: &EventId,
    ) -> StoreResult<Option<Outcome>> {
        self.make(call("decisions.outcome", feedback), self.store.outcome(id, feedback)).await
    }

    async fn logged_of(
        &self,
        users: &BTreeSet<Pseudonym>,
        after: Option<String>,
    ) -> StoreResult<Page<Logged>> {
        let key = after.clone().unwrap_or_default();
        self.make(call("decisions.logged_of", &key), self.store.logged_of(users, after)).await
    }

    async fn logged_users(&self, after: Option<String>) -> StoreResult<Page<Pseudonym>> {
        let key = after.clone().unwrap_or_default();
        self.make(call("decisions.logged_users", &key), self.store.logged_users(after)).await
    }

    async fn delete(&self, logged: &[Logged]) -> StoreResult<()> {
        let first = logged.first().map(|one| one.recommendation.to_string()).unwrap_or_default();
        self.make(call("decisions.delete", &first), self.store.delete(logged)).await
    }
}

#[async_trait]
impl RecordStore for Faulty<dyn RecordStore> {
    async fn create(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<Appended> {
        let key = format!("{kind}/{id}");
        self.make(call("records.create", &key), self.store.create(kind, id, json)).await
    }

    async fn put(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<()> {
        let key = format!("{kind}/{id}");
        self.make(call("records.put", &key), self.store.put(kind, id, json)).await
    }

    async fn replace(
        &self,
        kind: RecordKind,
        id: &str,
        expected: &str,
        json: String,
    ) -> StoreResult<Committed> {
        let call = call("records.replace", &format!("{kind}/{id}"));
        self.make(call, self.store.replace(kind, id, expected, json)).await
    }

    async fn delete(&self, kind: RecordKind, id: &str) -> StoreResult<()> {
        let key = format!("{kind}/{id}");
        self.make(call("records.delete", &key), self.store.delete(kind, id)).await
    }

    async fn remove(&self, kind: RecordKind, id: &str, expected: &str) -> StoreResult<Committed> {
        self.make(call("records.remove", id), self.store.remove(kind, id, expected)).await
    }

    async fn get(&self, kind: RecordKind, id: &str) -> StoreResult<Option<String>> {
        let key = format!("{kind}/{id}");
        self.read(call("records.get", &key), &self.records, self.store.get(kind, id)).await
    }

    async fn list(&self, kind: RecordKind) -> StoreResult<Vec<(String, String)>> {
        self.make(call("records.list", kind), self.store.list(kind)).await
    }

    async fn first(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        self.make(call("records.first", kind), self.store.first(kind, after, limit)).await
    }

    async fn last(
        &self,
        kind: RecordKind,
        before: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>> {
        self.make(call("records.last", kind), self.store.last(kind, before, limit)).await
    }
}

#[async_trait]
impl ActivityStore for Faulty<dyn ActivityStore> {
    async fn add(&self, day: Date, domain: &DomainId, activity: &Activity) -> StoreResult<()> {
        self.make(call("activity.add", domain), self.store.add(day, domain, activity)).await
    }

    async fn since(&self, day: Date) -> StoreResult<Vec<DomainDay>> {
        self.make(call("activity.since", &day), self.store.since(day)).await
    }
}

#[async_trait]
impl ObjectStore for Faulty<dyn ObjectStore> {
    async fn get(&self, key: &str) -> StoreResult<Option<Object>> {
        self.read(call("objects.get", key), &self.objects, self.store.get(key)).await
    }

    async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>> {
        self.make(call("objects.get_if_changed", key), self.store.get_if_changed(key, known)).await
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> StoreResult<Option<ETag>> {
        self.make(call("objects.put", key), self.store.put(key, bytes, condition)).await
    }

    async fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
        self.make(call("objects.list", prefix), self.store.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> StoreResult<()> {
        self.make(call("objects.delete", key), self.store.delete(key)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;

    /// Puts `count` objects into stores that fail, and says which answers came.
    async fn puts(seed: u64, rates: FaultRates, count: usize) -> (Vec<bool>, usize) {
        let stores = memory::stores();
        let failing = faulty(stores.clone(), &FaultPlan::seeded(seed, rates));
        let mut answered = Vec::new();
        for index in 0..count {
            let key = index.to_string();
            let put = failing.objects.put(&key, "x".into(), PutCondition::None);
            answered.push(put.await.is_ok());
        }
        (answered, stores.objects.list("").await.unwrap().len())
    }

    #[tokio::test]
    async fn a_seed_gives_the_same_faults_again_and_another_others() {
        let rates = FaultRates { before: 0.3, ..FaultRates::default() };
        let first = puts(1, rates, 200).await;
        assert_eq!(puts(1, rates, 200).await, first);
        assert_ne!(puts(2, rates, 200).await, first);
        let failures = first.0.iter().filter(|answered| !**answered).count();
        assert!((40..80).contains(&failures), "{failures} of 200 failed");
    }

    #[tokio::test]
    async fn a_fault_before_leaves_nothing_and_a_lost_answer_leaves_the_effect() {
        let all = |before, answer_lost| FaultRates { before, answer_lost, stale: 0.0 };
        assert_eq!(puts(1, all(1.0, 0.0), 3).await, (vec![false; 3], 0));
        assert_eq!(puts(1, all(0.0, 1.0), 3).await, (vec![false; 3], 3));
    }

    #[tokio::test]
    async fn a_stale_read_answers_as_the_last_one_did() {
        let stale = FaultRates { stale: 1.0, ..FaultRates::default() };
        let failing = faulty(memory::stores(), &FaultPlan::seeded(1, stale));
        assert!(failing.objects.get("k").await.unwrap().is_none());
        failing.objects.put("k", "x".into(), PutCondition::None).await.unwrap();
        assert!(failing.objects.get("k").await.unwrap().is_none());
        assert!(failing.objects.get("other").await.unwrap().is_none());
    }
}
