//! Upkeep of the archive: what is past its time is deleted, and the small files of days that
//! are over become a few large ones.
//!
//! The archive function writes a file for each batch, domain and kind: some thousands a day,
//! each of which costs a reader a request. A run, which reads them all anyway and never beside
//! another run, merges those of finished days. No row is lost or doubled, wherever it is cut
//! short: what is to be merged is written down first (under `compaction/`), then the merged file,
//! and only then its parts are deleted. Whoever comes next finishes what was begun: it deletes
//! the parts if the merged file is there, and forgets about it if not.
//!
//! S3 tells the age of an object by when it was written, also of one that was merged or freed
//! of who was erased. So what is past its time is deleted here as well, by the day in its key.

use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::keys::{
    COMPACTED, COMPACTION_PREFIX, DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX, day_of_key,
    digest,
};
use crossfold_core::archive::table::{ArchiveWriter, Archived, decode};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ports::{
    ObjectStore, PeopleStore, PutCondition, StoreError, StoreResult, Stores,
};
use crossfold_registry::catalogues;
use crossfold_storage::definition_reader::definitions;
use crossfold_storage::pushes;
use crossfold_storage::set_aside::move_file;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::archive_reader::{OfUser, take_forward};
/// Requests made at the same time.
const CONCURRENT_REQUESTS: usize = 16;

/// How long archived rows are kept after the day on which they arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveRetention {
    /// Events.
    pub events: SignedDuration,
    /// Decisions and outcomes.
    pub decisions: SignedDuration,
}

/// How far one upkeep goes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Rows of a merged file, but for those of its last part.
    rows: usize,
    /// Bytes of the parts of a merged file, likewise: what readers fetch at once, and what
    /// merging holds of it.
    bytes: usize,
    /// Parts merged in all, that a run still has its time: about two minutes. The next run
    /// goes on.
    parts: usize,
}

const BOUNDS: Bounds = Bounds { rows: 200_000, bytes: 32 * 1024 * 1024, parts: 20_000 };

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Done {
    /// Small files that are gone.
    parts: usize,
    /// Files that were made of them.
    merged: usize,
    /// Files that were past their time.
    expired: usize,
}

/// Files of one kind.
struct Kind<T> {
    prefix: &'static str,
    /// What no two rows share.
    identity: fn(&T) -> [String; 2],
}

const EVENTS: Kind<Event> = Kind {
    prefix: EVENTS_PREFIX,
    identity: |event| [event.user.to_string(), event.event_id.to_string()],
};

const DECISIONS: Kind<Decision> = Kind {
    prefix: DECISIONS_PREFIX,
    identity: |decision| [decision.recommendation_id.to_string(), String::new()],
};

const OUTCOMES: Kind<Outcome> = Kind {
    prefix: OUTCOMES_PREFIX,
    identity: |outcome| [outcome.recommendation_id.to_string(), outcome.feedback_id.to_string()],
};

/// Keeps the archive up. A run goes on without it: what was not merged is only slower to read.
pub(crate) async fn keep_up(stores: &Stores, retention: Option<ArchiveRetention>, now: Timestamp) {
    let (objects, people) = (&*stores.objects, &*stores.people);
    let mut upkeep = Upkeep { objects, people, now, bounds: BOUNDS, done: Done::default() };
    let ended = upkeep.all(retention).await;
    let done = upkeep.done;
    match ended {
        Ok(()) if done == Done::default() => {}
        Ok(()) => tracing::info!(?done, "the archive was kept up"),
        Err(error) => tracing::error!(%error, ?done, "the archive could not be kept up"),
    }
    match pushes::forget_old(&*stores.records, now).await {
        Ok(0) => {}
        Ok(forgotten) => {
            tracing::info!(forgotten, "users who were told nothing of late are forgotten");
        }
        Err(error) => tracing::error!(%error, "what users were told could not be looked through"),
    }
    match forget_catalogues(stores).await {
        Ok(0) => {}
        Ok(forgotten) => tracing::info!(forgotten, "catalogues of deleted domains are forgotten"),
        Err(error) => tracing::error!(%error, "stored catalogues could not be looked through"),
    }
}

/// Deletes what processes begin with of domains that are gone.
async fn forget_catalogues(stores: &Stores) -> StoreResult<usize> {
    let defined = definitions(&*stores.records).await?;
    catalogues::forget_undefined(&*stores.objects, &defined).await
}

/// A merge that was begun.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    /// What is made.
    merged: String,
    /// Of what.
    parts: Vec<String>,
}

/// A part that was read.
struct Part<T> {
    key: String,
    digest: String,
    bytes: usize,
    rows: Vec<T>,
}

/// A merged file that is being made: of its rows only what is compressed is held, and what
/// they are told apart by.
struct Merging<T: Archived> {
    writer: ArchiveWriter<T>,
    known: BTreeSet<[String; 2]>,
    keys: Vec<String>,
    digests: Vec<String>,
    rows: usize,
    bytes: usize,
}

impl<T: Archived> Merging<T> {
    fn new() -> Result<Self, ColumnsError> {
        Ok(Self {
            writer: ArchiveWriter::new()?,
            known: BTreeSet::new(),
            keys: Vec::new(),
            digests: Vec::new(),
            rows: 0,
            bytes: 0,
        })
    }

    fn add(&mut self, part: Part<T>, identity: fn(&T) -> [String; 2]) -> Result<(), ColumnsError> {
        self.rows += part.rows.len();
        self.bytes += part.bytes;
        self.keys.push(part.key);
        self.digests.push(part.digest);
        let known = &mut self.known;
        self.writer.extend(part.rows.into_iter().filter(|row| known.insert(identity(row))))
    }
}

/// What reading a part came to.
enum Read<T> {
    Part(Part<T>),
    /// It cannot be read, and lies aside.
    SetAside,
    /// Someone else is at it.
    Gone,
}

struct Upkeep<'a> {
    objects: &'a dyn ObjectStore,
    /// Who knows the forms that rows are compared by.
    people: &'a dyn PeopleStore,
    now: Timestamp,
    bounds: Bounds,
    done: Done,
}

impl Upkeep<'_> {
    async fn all(&mut self, retention: Option<ArchiveRetention>) -> StoreResult<()> {
        self.finish_begun().await?;
        let (events, decisions) =
            (retention.map(|kept| kept.events), retention.map(|kept| kept.decisions));
        self.of_kind(&EVENTS, events).await?;
        self.of_kind(&DECISIONS, decisions).await?;
        self.of_kind(&OUTCOMES, decisions).await
    }

    /// Ends the merges that were cut short.
    async fn finish_begun(&mut self) -> StoreResult<()> {
        for key in self.objects.list(COMPACTION_PREFIX).await? {
            let Some(object) = self.objects.get(&key).await? else { continue };
            let corrupt = |error| StoreError::corrupt(format!("the merge {key}"), error);
            let begun: Begun = serde_json::from_slice(&object.bytes).map_err(corrupt)?;
            if self.objects.get(&begun.merged).await?.is_some() {
                self.delete(begun.parts).await?;
            }
            self.objects.delete(&key).await?;
        }
        Ok(())
    }

    async fn of_kind<T: Archived + OfUser>(
        &mut self,
        kind: &Kind<T>,
        kept: Option<SignedDuration>,
    ) -> StoreResult<()> {
        let (mut expired, mut partitions) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
        for key in self.objects.list(kind.prefix).await? {
            let Some(day) = day_of_key(&key) else { continue };
            if kept.is_some_and(|kept| is_over(day, kept, self.now)) {
                expired.push(key);
            } else if is_over(day, SignedDuration::ZERO, self.now)
                && let Some((partition, name)) = key.rsplit_once('/')
                && !name.starts_with(COMPACTED)
            {
                partitions.entry(partition.to_owned()).or_default().push(key);
            }
        }
        self.done.expired += expired.len();
        self.delete(expired).await?;
        for (partition, parts) in partitions {
            self.merge_partition(kind, &partition, parts).await?;
        }
        Ok(())
    }

    async fn merge_partition<T: Archived + OfUser>(
        &mut self,
        kind: &Kind<T>,
        partition: &str,
        mut keys: Vec<String>,
    ) -> StoreResult<()> {
        keys.truncate(self.bounds.parts.saturating_sub(self.done.parts));
        if keys.len() < 2 {
            return Ok(());
        }
        let (objects, people) = (self.objects, self.people);
        let mut read = stream::iter(keys)
            .map(|key| read_part((objects, people), key))
            .buffered(CONCURRENT_REQUESTS);
        let mut merging = Merging::new().map_err(unmergeable)?;
        while let Some(part) = read.try_next().await? {
            let part = match part {
                Read::Part(part) => part,
                Read::SetAside => continue,
                Read::Gone => return Ok(()),
            };
            merging.add(part, kind.identity).map_err(unmergeable)?;
            if merging.rows >= self.bounds.rows || merging.bytes >= self.bounds.bytes {
                let next = Merging::new().map_err(unmergeable)?;
                self.merge(partition, std::mem::replace(&mut merging, next)).await?;
            }
        }
        self.merge(partition, merging).await
    }

    async fn merge<T: Archived>(
        &mut self,
        partition: &str,
        merging: Merging<T>,
    ) -> StoreResult<()> {
        let Merging { writer, keys, digests, .. } = merging;
        if keys.len() < 2 {
            return Ok(());
        }
        let name = digest(digests.join("\n").as_bytes());
        let merged = format!("{partition}/{COMPACTED}{name}.parquet");
        let bytes = writer.finish().map_err(unmergeable)?;
        let begun = Begun { merged: merged.clone(), parts: keys };
        let refused = |error| StoreError::refused("a merge cannot be written down", error);
        let note = serde_json::to_vec(&begun).map_err(refused)?;
        let note_key = format!("{COMPACTION_PREFIX}{}.json", digest(merged.as_bytes()));
        self.objects.put(&note_key, note.into(), PutCondition::None).await?;
        // Where it is already, it was made of the same parts: it bears the digest of them all.
        self.objects.put(&merged, bytes, PutCondition::Absent).await?;
        self.done.parts += begun.parts.len();
        self.done.merged += 1;
        self.delete(begun.parts).await?;
        self.objects.delete(&note_key).await
    }

    async fn delete(&self, keys: Vec<String>) -> StoreResult<()> {
        let delete = |key: String| async move { self.objects.delete(&key).await };
        stream::iter(keys).map(delete).buffer_unordered(CONCURRENT_REQUESTS).try_collect().await
    }
}

fn unmergeable(error: ColumnsError) -> StoreError {
    StoreError::refused("files of a day cannot be merged", error)
}

async fn read_part<T: Archived + OfUser>(
    (objects, people): (&dyn ObjectStore, &dyn PeopleStore),
    key: String,
) -> StoreResult<Read<T>> {
    let Some(object) = objects.get(&key).await? else { return Ok(Read::Gone) };
    match decode::<T>(object.bytes.clone()) {
        Ok(mut rows) => {
            for row in &mut rows {
                take_forward(people, row);
            }
            let (digest, bytes) = (digest(&object.bytes), object.bytes.len());
            Ok(Read::Part(Part { key, digest, bytes, rows }))
        }
        Err(error) => {
            move_file(objects, &key, object.bytes, &error.to_string()).await?;
            Ok(Read::SetAside)
        }
    }
}

/// Whether a day is over for so long, and one day more: a stream remembers its records for a
/// day, so that until then a batch of that day may still be archived.
fn is_over(day: Date, for_so_long: SignedDuration, now: Timestamp) -> bool {
    let over = day.checked_add(2.days()).map(|day| day.at(0, 0, 0, 0));
    let over = over.and_then(|over| TimeZone::UTC.to_timestamp(over));
    over.is_ok_and(|over| now.duration_since(over) >= for_so_long)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crossfold_core::entities::ids::{DomainId, EventId};
    use crossfold_core::entities::ports::Stores;
    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    use crossfold_storage::{memory, set_aside};
    use crossfold_testing::{event_at, event_id};
    use serde_json::json;

    use super::*;

    const DAY: &str = "2026-01-01";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn event(number: usize) -> Event {
        Event { event_id: event_id(&format!("e{number:03}")), ..event_at(number as i64) }
    }

    fn decision(number: usize) -> Decision {
        serde_json::from_value(json!({
            "recommendation_id": format!("r{number}"), "user": "v1_u", "domain": "knowledge",
            "decided_at": "2026-01-01T00:00:00Z", "policy": "ranked/1", "seed": 7,
            "personalised": false, "degraded": ["no_model"], "slate": [],
        }))
        .unwrap()
    }

    fn outcome(number: usize) -> Outcome {
        serde_json::from_value(json!({
            "feedback_id": format!("f{number}"), "recommendation_id": "r1", "user": "v1_u",
            "kind": "click", "domain": "knowledge", "item_id": "i",
            "occurred_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    async fn put<T: Archived + Clone>(
        stores: &Stores,
        kind: &Kind<T>,
        day: &str,
        name: &str,
        rows: &[T],
    ) {
        let key = format!("{}domain=knowledge/date={day}/{name}.parquet", kind.prefix);
        let mut writer = ArchiveWriter::new().unwrap();
        writer.extend(rows.iter().cloned()).unwrap();
        let bytes = writer.finish().unwrap();
        stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
    }

    /// A finished day of eight files of events, one of which is in two of them, and three files
    /// each of decisions and outcomes, of which one is there twice.
    async fn a_day() -> Stores {
        let stores = memory::stores();
        for file in 0..8 {
            let first = file * 3;
            let again = (file == 1).then_some(0);
            let rows: Vec<Event> = (first..first + 3).chain(again).map(event).collect();
            put(&stores, &EVENTS, DAY, &format!("{file:03}"), &rows).await;
        }
        for (file, number) in [("a", 1), ("b", 1), ("c", 2)] {
            put(&stores, &DECISIONS, DAY, file, &[decision(number)]).await;
            put(&stores, &OUTCOMES, DAY, file, &[outcome(number)]).await;
        }
        stores
    }

    /// Every row's identity, in order, as often as it is there.
    async fn rows<T: Archived>(stores: &Stores, kind: &Kind<T>) -> Vec<String> {
        let mut found = Vec::new();
        for key in stores.objects.list(kind.prefix).await.unwrap() {
            let object = stores.objects.get(&key).await.unwrap().unwrap();
            let rows: Vec<T> = decode(object.bytes).unwrap();
            found.extend(rows.iter().map(|row| (kind.identity)(row).concat()));
        }
        found.sort();
        found
    }

    async fn run(stores: &Stores, bounds: Bounds, now: &str) -> StoreResult<Done> {
        let (objects, people, now) = (&*stores.objects, &*stores.people, at(now));
        let mut upkeep = Upkeep { objects, people, now, bounds, done: Done::default() };
        let kept = SignedDuration::from_hours(24 * 100);
        upkeep.all(Some(ArchiveRetention { events: kept, decisions: kept })).await?;
        Ok(upkeep.done)
    }

    async fn assert_whole(stores: &Stores) {
        let identity = |number| (EVENTS.identity)(&event(number)).concat();
        let events: Vec<String> = (0..24).map(identity).collect();
        assert_eq!(rows(stores, &EVENTS).await, events);
        assert_eq!(rows(stores, &DECISIONS).await, ["r1", "r2"]);
        assert_eq!(rows(stores, &OUTCOMES).await, ["r1f1", "r1f2"]);
        assert_eq!(stores.objects.list(COMPACTION_PREFIX).await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn small_files_of_a_finished_day_become_one_with_each_row_once() {
        let stores = a_day().await;
        let before = stores.objects.list("").await.unwrap();
        // A batch of that day may still come.
        run(&stores, BOUNDS, "2026-01-02T23:59:59Z").await.unwrap();
        assert_eq!(stores.objects.list("").await.unwrap(), before);
        let done = run(&stores, BOUNDS, "2026-01-03T00:00:00Z").await.unwrap();
        assert_eq!(done, Done { parts: 14, merged: 3, expired: 0 });
        assert_whole(&stores).await;
        assert_eq!(stores.objects.list("").await.unwrap().len(), 3);
        let again = run(&stores, BOUNDS, "2026-01-03T00:00:00Z").await.unwrap();
        assert_eq!(again, Done::default());
        // One that comes late waits for another one.
        put(&stores, &EVENTS, DAY, "late", &[event(99)]).await;
        assert_eq!(run(&stores, BOUNDS, "2026-01-04T00:00:00Z").await.unwrap(), Done::default());
    }

    #[tokio::test]
    async fn merged_files_and_the_work_of_one_upkeep_are_bounded() {
        let stores = memory::stores();
        for file in 0..12 {
            put(&stores, &EVENTS, DAY, &format!("{file:03}"), &[event(file)]).await;
        }
        let bounds = Bounds { rows: 4, parts: 10, ..BOUNDS };
        let done = run(&stores, bounds, "2026-02-01T00:00:00Z").await.unwrap();
        assert_eq!(done, Done { parts: 10, merged: 3, expired: 0 });
        assert_eq!(stores.objects.list("").await.unwrap().len(), 5);
        run(&stores, bounds, "2026-02-01T00:00:00Z").await.unwrap();
        assert_eq!(rows(&stores, &EVENTS).await.len(), 12);
        assert_eq!(stores.objects.list("").await.unwrap().len(), 4);
    }

    /// Cut short at every call, with and without the call's effect, and gone on with.
    #[tokio::test]
    async fn no_row_is_lost_or_doubled_wherever_it_is_cut_short() {
        let mut cuts = 0;
        let small = Bounds { rows: 9, ..BOUNDS };
        for (bounds, fault) in [
            (BOUNDS, Fault::Before),
            (BOUNDS, Fault::AnswerLost),
            (small, Fault::Before),
            (small, Fault::AnswerLost),
        ] {
            for cut in 0.. {
                let stores = a_day().await;
                let calls = Arc::new(AtomicUsize::new(0));
                let counted = calls.clone();
                let plan = FaultPlan::from_fn(move |_| {
                    // The process dies: no later call is made either.
                    match counted.fetch_add(1, Ordering::Relaxed).cmp(&cut) {
                        std::cmp::Ordering::Less => Fault::None,
                        std::cmp::Ordering::Equal => fault,
                        std::cmp::Ordering::Greater => Fault::Before,
                    }
                });
                let failing = faulty(stores.clone(), &plan);
                let cut_short = run(&failing, bounds, "2026-02-01T00:00:00Z").await;
                run(&stores, bounds, "2026-02-01T00:00:00Z").await.unwrap();
                assert_whole(&stores).await;
                if cut_short.is_ok() {
                    break;
                }
                cuts += 1;
            }
        }
        assert!(cuts > 100, "{cuts}");
    }

    #[tokio::test]
    async fn a_torn_part_is_set_aside_and_the_others_are_merged() {
        let stores = a_day().await;
        let torn = format!("{EVENTS_PREFIX}domain=knowledge/date={DAY}/000-torn.parquet");
        stores.objects.put(&torn, "PAR1".into(), PutCondition::None).await.unwrap();
        run(&stores, BOUNDS, "2026-01-03T00:00:00Z").await.unwrap();
        assert_whole(&stores).await;
        assert_eq!(set_aside::count(&*stores.objects).await.unwrap().files, 1);
    }

    #[tokio::test]
    async fn what_is_past_its_time_is_deleted_by_its_day_whenever_it_was_written() {
        let stores = a_day().await;
        put(&stores, &EVENTS, "2026-01-02", "x", &[event(1)]).await;
        let last = "2026-04-12T23:59:59Z";
        run(&stores, BOUNDS, last).await.unwrap();
        assert_eq!(stores.objects.list("").await.unwrap().len(), 4);
        let done = run(&stores, BOUNDS, "2026-04-13T00:00:00Z").await.unwrap();
        assert_eq!(done.expired, 3);
        let left = stores.objects.list("").await.unwrap();
        assert_eq!(left, ["events/domain=knowledge/date=2026-01-02/x.parquet"]);
    }

    #[test]
    fn an_id_and_a_user_make_an_identity_and_neither_alone() {
        let one = event(1);
        let other = Event { user: crossfold_testing::user("other"), ..one.clone() };
        let next = Event { event_id: EventId::parse("next").unwrap(), ..one.clone() };
        let again = Event { domain: DomainId::parse("travel").unwrap(), ..one.clone() };
        let identities: Vec<_> = [&one, &other, &next].map(EVENTS.identity).into();
        assert_eq!(BTreeSet::from_iter(identities).len(), 3);
        assert_eq!((EVENTS.identity)(&one), (EVENTS.identity)(&again));
    }
}
