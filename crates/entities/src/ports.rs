//! What the domain needs from the world. Adapters live in `crossfold-storage`;
//! every one of them passes the same conformance suite.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::activity::{Activity, DomainDay};
use crate::catalogue::{ChangeNumber, Item};
use crate::decision::{Decision, Outcome};
use crate::event::Event;
use crate::history::{Dismissal, EventPosition, History, PastEvent, SeenItem};
use crate::ids::{DomainId, EventId, ItemId, Pseudonym, RecommendationId};
use crate::impressions::Impressions;
use crate::people::{PeopleWrite, VersionedEntry};
use crate::pseudonym::Pseudonymiser;
use crate::push::Push;
use crate::records::RecordKind;
use crate::retryable::Retryable;

/// An error of whatever kind, or a text in the place of one: both turn into it
/// by `into()`.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do what was asked. Its text holds those of all its
/// sources, so that a line in a log says everything.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, timed out, or throttled us: worth another try later.
    #[error("the store is unavailable: {}", Chain(&**.0))]
    Unavailable(#[source] BoxedError),
    /// It holds something that cannot be read.
    #[error("the store holds something unreadable: {}", Chain(&**.0))]
    Corrupt(#[source] BoxedError),
    /// It refused the call for a reason that another try will not change.
    #[error("the store refused the call: {}", Chain(&**.0))]
    Refused(#[source] BoxedError),
}

impl StoreError {
    /// It holds something that cannot be read: what, and why not.
    pub fn corrupt(what: impl Into<String>, why: impl Into<BoxedError>) -> Self {
        Self::Corrupt(Box::new(InContext { what: what.into(), source: why.into() }))
    }

    /// It could not be reached: what was being done, and why that failed.
    pub fn unavailable(what: impl Into<String>, why: impl Into<BoxedError>) -> Self {
        Self::Unavailable(Box::new(InContext { what: what.into(), source: why.into() }))
    }

    /// It refused the call: what was asked, and why it was refused.
    pub fn refused(what: impl Into<String>, why: impl Into<BoxedError>) -> Self {
        Self::Refused(Box::new(InContext { what: what.into(), source: why.into() }))
    }
}

impl Retryable for StoreError {
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// An error with what it happened to.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct InContext {
    what: String,
    source: BoxedError,
}

/// An error followed by its sources, as one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

/// Result of a store's call.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why a domain's definition was not found.
#[derive(Debug, thiserror::Error)]
pub enum NoDefinition {
    /// There is no such domain.
    #[error("there is no domain {0}")]
    Unknown(DomainId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a write that happens at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It was stored now.
    New,
    /// It had been stored before; nothing was changed.
    Duplicate,
}

/// What became of a write that rests on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// All of it was stored.
    Yes,
    /// Someone else wrote first; nothing was stored.
    Conflict,
}

/// Events, what was seen for ever, and dismissals, by user.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Stores an event unless one with the same identity is there: exactly one
    /// of any number of racing calls answers [`Appended::New`].
    async fn append(&self, event: &Event) -> StoreResult<Appended>;

    /// Stores several events, each as [`EventStore::append`] does, and answers for each
    /// in its place. When it fails midway, some of them may be stored.
    async fn append_all(&self, events: &[Event]) -> StoreResult<Vec<Appended>> {
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(self.append(event).await?);
        }
        Ok(answers)
    }

    /// Whether [`EventStore::append_all`] stores all events or none, so that it tells what
    /// became of each also when it fails.
    fn appends_all_or_none(&self) -> bool {
        false
    }

    /// The user's newest `limit` events, all their dismissals and all that they have seen
    /// for ever, as of now: a write acknowledged before is seen. It says where it was cut
    /// if there may be older events.
    async fn history(&self, user: &Pseudonym, limit: usize) -> StoreResult<History>;

    /// What is needed of a user's older events to tell what they have seen: those before a
    /// position and not before an instant, the newest `limit` of them, as of now.
    async fn past(&self, user: &Pseudonym, range: &PastRange) -> StoreResult<Past>;

    /// Stores a dismissal; storing it again changes nothing.
    async fn dismiss(&self, dismissal: &Dismissal) -> StoreResult<()>;

    /// Stores that an item counts as seen for ever; storing it again changes nothing.
    async fn mark_seen(&self, seen: &SeenItem) -> StoreResult<()>;

    /// Stores what users were shown; storing it again changes nothing. It may be forgotten when it is
    /// older than [`crate::fatigue::MAX_DAYS`].
    async fn note_impressions(&self, impressions: &Impressions) -> StoreResult<()>;

    /// Which of these events are stored, each in its place, as of now.
    async fn holds(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>>;

    /// Takes what lies under an earlier form of a pseudonym to its canonical one, on one page
    /// of everything there is; the next page begins at `next`. Each record is at every moment
    /// under one of the two; where the canonical form has one of its identity already, that
    /// one stands. Nothing of it is told to those who archive what is new.
    async fn rekey(&self, keys: &Pseudonymiser, after: Option<String>) -> StoreResult<RekeyedPage>;

    /// Keeps of the events that a user has, who is about to be erased, what their ids will be
    /// known by in a later life: see [`EventStore::were_erased`]. It is kept beside the user's
    /// first life, as digests, for as long as events are.
    async fn keep_erased_ids(&self, user: &Pseudonym) -> StoreResult<()>;

    /// Which of these events have ids that were kept of an earlier life of their user, each in
    /// its place, as of now.
    async fn were_erased(&self, events: &[(Pseudonym, EventId)]) -> StoreResult<Vec<bool>>;

    /// Deletes everything of a user and says how much that was: events, and items that
    /// were dismissed or seen for ever. What was kept of erased ids stays.
    async fn erase(&self, user: &Pseudonym) -> StoreResult<u64>;

    /// Deletes the events of a domain, and what was dismissed or seen by its users or
    /// of its items, whoever's it is, on one page of everything there is; the next page
    /// begins at `next`.
    async fn erase_domain(
        &self,
        domain: &DomainId,
        after: Option<String>,
    ) -> StoreResult<ErasedPage>;
}

/// What was deleted on one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedPage {
    /// How much was deleted: events, and items that were dismissed or seen for ever.
    pub records: u64,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

/// Which older events of a user are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRange {
    /// Only those before this position.
    pub before: EventPosition,
    /// Only those of this instant and later.
    pub since: Timestamp,
    /// At most so many, the newest.
    pub limit: usize,
}

/// What was taken to the canonical form on one page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RekeyedPage {
    /// How many records there were of each earlier version.
    pub found: BTreeMap<u32, u64>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

/// Older events of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// They, newest first.
    pub events: Vec<PastEvent>,
    /// Whether there may be more in the range than were asked for.
    pub is_cut: bool,
}

/// One page of a long listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

/// People, by their users' own pseudonyms.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// What is stored under a user, as of now.
    async fn get(&self, user: &Pseudonym) -> StoreResult<Option<VersionedEntry>>;

    /// What is stored under several users, as of now, in no particular order; nothing of
    /// those without an entry. Each at most once.
    async fn get_all(&self, users: &[Pseudonym]) -> StoreResult<Vec<VersionedEntry>>;

    /// Stores all writes or none. At most [`crate::people::MAX_MEMBERS`] + 1 writes,
    /// each to a different key.
    async fn commit(&self, writes: &[PeopleWrite]) -> StoreResult<Committed>;

    /// Stores all writes or none, provided that nothing is stored under `absent`.
    /// At most 100 writes and absent ones in all.
    async fn commit_unless(
        &self,
        writes: &[PeopleWrite],
        absent: &[Pseudonym],
    ) -> StoreResult<Committed>;

    /// Takes an entry to another key, unless it was changed since or something is there.
    /// Its versions go on, so that who read it before cannot overwrite a change made between.
    async fn rekey(&self, entry: &VersionedEntry, to: &Pseudonym) -> StoreResult<Committed>;

    /// Everything, page by page, in no particular order.
    async fn scan(&self, after: Option<String>) -> StoreResult<Page<VersionedEntry>>;

    /// The form of a pseudonym, read from wherever, that others are compared with.
    fn canonical(&self, user: &Pseudonym) -> Pseudonym {
        user.clone()
    }
}

/// Catalogue entries, by domain. The store numbers the changes of each domain; what an
/// item given to it says of its change is left aside.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// Stores entries of one domain, each in the place of any that was there, as one
    /// change, and gives its number. Of two calls that overlap, either may stand for an
    /// item, and the same for every reader; a call that begins after another has ended
    /// stands. A deleted item is stored as an entry without details, so that readers of
    /// changes learn of it. Each item at most once; when it fails, some may be stored.
    async fn put_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<ChangeNumber>;

    /// Stores entries of one domain as one change, each unless one is there, be it one of
    /// a deleted item, and answers for each in its place.
    async fn create_all(&self, domain: &DomainId, items: &[Item]) -> StoreResult<Vec<Appended>>;

    /// Stores one entry, as [`CatalogueStore::put_all`] does.
    async fn put(&self, item: &Item) -> StoreResult<ChangeNumber> {
        self.put_all(&item.domain, std::slice::from_ref(item)).await
    }

    /// One entry, as of now.
    async fn get(&self, domain: &DomainId, item: &ItemId) -> StoreResult<Option<Item>>;

    /// Every entry of a domain, in no particular order.
    async fn list(&self, domain: &DomainId) -> StoreResult<Vec<Item>>;

    /// Entries whose change is `since` or a later one, in no particular order. May lag
    /// behind writes by a few seconds. A change may be complete when a later one is
    /// already seen.
    async fn changes(&self, domain: &DomainId, since: ChangeNumber) -> StoreResult<Vec<Item>>;
}

/// The log of decisions and their outcomes.
#[async_trait]
pub trait DecisionStore: Send + Sync {
    /// Logs a decision.
    async fn record(&self, decision: &Decision) -> StoreResult<()>;

    /// A logged decision.
    async fn get(&self, id: &RecommendationId) -> StoreResult<Option<Decision>>;

    /// Logs an outcome unless one with the same recommendation and feedback id is there.
    async fn append_outcome(&self, outcome: &Outcome) -> StoreResult<Appended>;

    /// The outcomes logged for a recommendation, in no particular order: as many as its
    /// caller sent.
    async fn outcomes(&self, id: &RecommendationId) -> StoreResult<Vec<Outcome>>;

    /// One outcome logged for a recommendation, as of now.
    async fn outcome(
        &self,
        id: &RecommendationId,
        feedback: &EventId,
    ) -> StoreResult<Option<Outcome>> {
        let logged = self.outcomes(id).await?;
        Ok(logged.into_iter().find(|outcome| outcome.feedback_id == *feedback))
    }

    /// What is logged of some users, decisions and outcomes, on one page of everything
    /// there is, as of now. It reads all of it: users have no index here, for that would
    /// cost a write with every slate.
    async fn logged_of(
        &self,
        users: &BTreeSet<Pseudonym>,
        after: Option<String>,
    ) -> StoreResult<Page<Logged>>;

    /// Whose decisions and outcomes are logged, under the pseudonyms they are logged under, on
    /// one page of everything there is, as of now; nobody's more often than there are records.
    async fn logged_users(&self, after: Option<String>) -> StoreResult<Page<Pseudonym>>;

    /// Deletes a decision or an outcome; an absent one is no error.
    async fn delete(&self, logged: &[Logged]) -> StoreResult<()>;
}

/// A decision or an outcome in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Logged {
    /// Whose it is.
    pub user: Pseudonym,
    /// The decision, or that of the outcome.
    pub recommendation: RecommendationId,
    /// The outcome's id; `None` for the decision itself.
    pub feedback: Option<EventId>,
}

/// Records: small JSON documents by kind and id, such as domain definitions and
/// training runs. What a kind holds is the business of whoever owns it: see
/// [`crate::records::Record`].
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Stores a new record; [`Appended::Duplicate`] when its id is taken.
    async fn create(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<Appended>;

    /// Stores a record, replacing an older one.
    async fn put(&self, kind: RecordKind, id: &str, json: String) -> StoreResult<()>;

    /// Stores a record in the place of one whose text is exactly `expected`;
    /// [`Committed::Conflict`] when there is another one, or none.
    async fn replace(
        &self,
        kind: RecordKind,
        id: &str,
        expected: &str,
        json: String,
    ) -> StoreResult<Committed>;

    /// Deletes a record; an absent one is no error.
    async fn delete(&self, kind: RecordKind, id: &str) -> StoreResult<()>;

    /// Deletes a record whose text is exactly `expected`; [`Committed::Conflict`] when there is
    /// another one, or none.
    async fn remove(&self, kind: RecordKind, id: &str, expected: &str) -> StoreResult<Committed>;

    /// A record, as of now.
    async fn get(&self, kind: RecordKind, id: &str) -> StoreResult<Option<String>>;

    /// Every record of a kind with its id, as of now, in order of ids.
    async fn list(&self, kind: RecordKind) -> StoreResult<Vec<(String, String)>>;

    /// The `limit` records of a kind with the least ids, least first; only those above `after`
    /// when it is given.
    async fn first(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>>;

    /// The `limit` records of a kind with the greatest ids, greatest first; only those
    /// below `before` when it is given.
    async fn last(
        &self,
        kind: RecordKind,
        before: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<(String, String)>>;
}

/// Where platforms are handed what to tell their users of.
#[async_trait]
pub trait PushChannel: Send + Sync {
    /// Hands a push over. When it fails, it may have been handed over all the same, and is handed
    /// over again: receivers tell by [`Push::push_id`] that they had it before.
    async fn deliver(&self, push: &Push) -> StoreResult<()>;
}

/// Activity, by day and domain: half a kilobyte each, kept as long as the table.
#[async_trait]
pub trait ActivityStore: Send + Sync {
    /// Adds to the counts of a domain's day; of any number of racing additions each
    /// counts. The refused elements that are remembered replace those of their kind.
    async fn add(&self, day: Date, domain: &DomainId, activity: &Activity) -> StoreResult<()>;

    /// Every domain's activity from a day on, in order of days, then domains.
    async fn since(&self, day: Date) -> StoreResult<Vec<DomainDay>>;
}

/// The version of an object, to name in a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub String);

/// An object and its version.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its content.
    pub bytes: Bytes,
    /// Its version.
    pub etag: ETag,
}

/// What a write demands of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutCondition {
    /// Nothing: replace whatever is there.
    None,
    /// There must be no such object.
    Absent,
    /// The object must have this version.
    Matches(ETag),
}

/// Files: the archive, the models.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// An object, as of now.
    async fn get(&self, key: &str) -> StoreResult<Option<Object>>;

    /// An object if its version is not `known`; `Ok(None)` when it still is.
    /// An absent object is [`StoreError::Refused`].
    async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>>;

    /// Writes an object whole: readers see the old or the new one, never a part.
    /// `Ok(None)` when the condition did not hold; exactly one of any number of
    /// racing conditional writes succeeds.
    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> StoreResult<Option<ETag>>;

    /// Keys under a prefix, in order.
    async fn list(&self, prefix: &str) -> StoreResult<Vec<String>>;

    /// Deletes an object; an absent one is no error.
    async fn delete(&self, key: &str) -> StoreResult<()>;
}

/// Every store, as wired by a `main`.
#[derive(Clone)]
pub struct Stores {
    /// Events and dismissals.
    pub events: std::sync::Arc<dyn EventStore>,
    /// People.
    pub people: std::sync::Arc<dyn PeopleStore>,
    /// Catalogue entries.
    pub catalogue: std::sync::Arc<dyn CatalogueStore>,
    /// Decisions and outcomes.
    pub decisions: std::sync::Arc<dyn DecisionStore>,
    /// Domain definitions, training runs.
    pub records: std::sync::Arc<dyn RecordStore>,
    /// The archive and the models.
    pub objects: std::sync::Arc<dyn ObjectStore>,
    /// Activity in numbers.
    pub activity: std::sync::Arc<dyn ActivityStore>,
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a socket closed")]
    struct Closed(#[source] std::io::Error);

    #[test]
    fn an_error_keeps_its_sources_and_tells_them_all() {
        let closed = Closed(std::io::Error::other("reset by peer"));
        let error = StoreError::unavailable("reading models/current.json", closed);
        assert_eq!(
            error.to_string(),
            "the store is unavailable: reading models/current.json: a socket closed: reset by peer"
        );
        let source = error.source().and_then(Error::source).unwrap();
        assert!(source.is::<Closed>());
    }

    #[test]
    fn an_error_is_made_of_a_text_as_well() {
        let error = StoreError::Refused("there is no object x".into());
        assert_eq!(error.to_string(), "the store refused the call: there is no object x");
    }

    #[test]
    fn only_an_unavailable_store_is_worth_another_try() {
        assert!(StoreError::Unavailable("throttled".into()).is_worth_another_try());
        assert!(!StoreError::Corrupt("torn".into()).is_worth_another_try());
        assert!(!StoreError::Refused("absent".into()).is_worth_another_try());
    }
}
