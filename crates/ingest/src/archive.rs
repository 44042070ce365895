//! The archive function: the streams of the tables `events` and `decisions`
//! become Parquet files.
//!
//! A stream delivers at least once. A file is named after the first sequence
//! number of its batch, so a batch delivered again replaces its file; what is
//! delivered again in another batch is dropped where the archive is read.
//!
//! A record that cannot be read or encoded is set aside, and the others of its
//! batch are archived: another delivery would not make it readable, and would keep
//! the shard behind it waiting. What was set aside is taken in by `redrive`,
//! once a version of this function can read it.

mod redrive;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::decisions::encode_decisions;
use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::{
    DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX, batch_key, digest,
};
use crossfold_core::archive::outcomes::encode_outcomes;
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreResult};
use crossfold_storage::aws::changes::{NewEntry, StreamBatch, StreamRecord};
use crossfold_storage::set_aside::{SetAsideRecord, keep_record};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use redrive::Redriven;

/// Objects written at the same time.
const CONCURRENT_WRITES: usize = 16;

/// What wakes the archive function.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ArchiveTrigger {
    /// A stream.
    Stream(StreamBatch),
    /// An operator.
    Order {
        /// What is ordered.
        trigger: ArchiveOrder,
    },
}

/// What an operator may order of the archive function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveOrder {
    /// To archive what was set aside and can be read by now.
    Redrive,
}

/// What the archive function answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ArchiveAnswer {
    /// To a stream: from which record on to deliver again.
    #[serde(rename_all = "camelCase")]
    Stream {
        /// None when all is well.
        batch_item_failures: Vec<BatchItemFailure>,
    },
    /// To an order: what came of it.
    Redriven(Redriven),
}

/// The record of a stream from which on it is to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    item_identifier: String,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Archived {
    /// Records that are in the archive now.
    pub kept: usize,
    /// Records that were set aside.
    pub set_aside: usize,
}

/// Archives batches of stream records.
#[derive(Clone)]
pub struct Archiver {
    objects: Arc<dyn ObjectStore>,
}

/// A new entry with the record that told of it, which is what is kept of an entry
/// that cannot be encoded.
struct Told<T> {
    entry: T,
    record: StreamRecord,
}

/// A batch's new entries by kind, what cannot be read, and the name that its files get.
#[derive(Default)]
struct Batch {
    name: String,
    events: Vec<Told<Event>>,
    decisions: Vec<Told<Decision>>,
    outcomes: Vec<Told<Outcome>>,
    unreadable: Vec<SetAsideRecord>,
}

impl Batch {
    /// The name is the sequence number of the first new record: a batch that is
    /// delivered again begins where it began, even when it has grown or was cut in two.
    fn read(records: Vec<StreamRecord>) -> Self {
        let name = records.iter().find(|record| record.is_new()).map(name_of);
        let mut read = Self { name: name.unwrap_or_default(), ..Self::default() };
        for record in records {
            match record.new_entry() {
                Ok(Some(NewEntry::Event(entry))) => read.events.push(Told { entry, record }),
                Ok(Some(NewEntry::Decision(entry))) => {
                    read.decisions.push(Told { entry: *entry, record });
                }
                Ok(Some(NewEntry::Outcome(entry))) => read.outcomes.push(Told { entry, record }),
                Ok(None) => {}
                Err(error) => {
                    read.unreadable.push(SetAsideRecord { reason: error.to_string(), record });
                }
            }
        }
        read
    }
}

/// A name for the files of a batch that begins with this record. A stream numbers its
/// records; one without a number is named by what it holds.
fn name_of(first: &StreamRecord) -> String {
    match first.sequence_number() {
        Some(number) => number.to_owned(),
        None => digest(format!("{first:?}").as_bytes()),
    }
}

/// How entries of one kind are archived.
struct Filing<T> {
    prefix: &'static str,
    domain: fn(&T) -> &DomainId,
    arrived_at: fn(&T) -> Timestamp,
    encode: fn(&[T]) -> Result<Bytes, ColumnsError>,
}

const EVENTS: Filing<Event> = Filing {
    prefix: EVENTS_PREFIX,
    domain: |event| &event.domain,
    arrived_at: |event| event.received_at,
    encode: encode_events,
};

const DECISIONS: Filing<Decision> = Filing {
    prefix: DECISIONS_PREFIX,
    domain: |decision| &decision.domain,
    arrived_at: |decision| decision.decided_at,
    encode: encode_decisions,
};

const OUTCOMES: Filing<Outcome> = Filing {
    prefix: OUTCOMES_PREFIX,
    domain: |outcome| &outcome.domain,
    arrived_at: Outcome::arrived_at,
    encode: encode_outcomes,
};

/// A file to be written.
type Put = (String, Bytes);

impl<T> Filing<T> {
    /// One file for each domain, in the partition of the day on which its first entry
    /// arrived. An entry that cannot be encoded is taken out of its file.
    fn files(&self, name: &str, told: Vec<Told<T>>, aside: &mut Vec<SetAsideRecord>) -> Vec<Put> {
        let mut groups: BTreeMap<DomainId, Vec<Told<T>>> = BTreeMap::new();
        for told in told {
            groups.entry((self.domain)(&told.entry).clone()).or_default().push(told);
        }
        let file = |(domain, told): (DomainId, Vec<Told<T>>)| {
            let arrived_at = (self.arrived_at)(&told.first()?.entry);
            let bytes = self.encode(told, aside)?;
            Some((batch_key(self.prefix, &domain, arrived_at, name), bytes))
        };
        groups.into_iter().filter_map(file).collect()
    }

    /// Encodes entries, without those that cannot be encoded even alone.
    fn encode(&self, told: Vec<Told<T>>, aside: &mut Vec<SetAsideRecord>) -> Option<Bytes> {
        let (mut entries, records): (Vec<T>, Vec<StreamRecord>) =
            told.into_iter().map(|told| (told.entry, told.record)).unzip();
        let error = match (self.encode)(&entries) {
            Ok(bytes) => return Some(bytes),
            Err(error) => error.to_string(),
        };
        let mut bad: Vec<bool> = Vec::with_capacity(entries.len());
        for entry in &entries {
            bad.push((self.encode)(std::slice::from_ref(entry)).is_err());
        }
        // Each is fit alone, and all of them are not: then none of them can be told from another.
        if !bad.contains(&true) {
            bad.fill(true);
        }
        let set_aside = records.into_iter().zip(&bad).filter(|(_, is_bad)| **is_bad);
        aside.extend(set_aside.map(|(record, _)| SetAsideRecord { reason: error.clone(), record }));
        let mut is_bad = bad.iter();
        entries.retain(|_| is_bad.next() == Some(&false));
        if entries.is_empty() { None } else { (self.encode)(&entries).ok() }
    }
}

impl Archiver {
    /// Archives to a bucket.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Carries out what a trigger asks for. A batch that could not be written is named in
    /// the answer by its first record, so that all of it is delivered again as it was, and
    /// its files replaced: halved, as after a failed invocation, it would leave its rows in
    /// files of two names. The line in the log is the alarm of it.
    ///
    /// # Errors
    /// When the bucket fails an order, or a batch that cannot be named.
    pub async fn handle(&self, trigger: ArchiveTrigger) -> StoreResult<ArchiveAnswer> {
        let records = match trigger {
            ArchiveTrigger::Stream(StreamBatch { records }) => records,
            ArchiveTrigger::Order { trigger: ArchiveOrder::Redrive } => {
                return self.redrive().await.map(ArchiveAnswer::Redriven);
            }
        };
        let first = records.first().and_then(StreamRecord::sequence_number).map(str::to_owned);
        let failed = match (self.archive(StreamBatch { records }).await, first) {
            (Ok(_), _) => None,
            (Err(error), Some(first)) => {
                tracing::error!(%error, first, "a batch could not be archived");
                Some(BatchItemFailure { item_identifier: first })
            }
            (Err(error), None) => return Err(error),
        };
        Ok(ArchiveAnswer::Stream { batch_item_failures: failed.into_iter().collect() })
    }

    /// Archives one batch, sets aside what of it cannot be, and says how much that was. Only
    /// new records are archived: what TTL or an erasure removes stays out of its way.
    ///
    /// # Errors
    /// When the bucket fails; then nothing of the batch counts as archived.
    pub async fn archive(&self, batch: StreamBatch) -> StoreResult<Archived> {
        let Batch { name, events, decisions, outcomes, unreadable: mut aside } =
            Batch::read(batch.records);
        let told = events.len() + decisions.len() + outcomes.len() + aside.len();
        let mut files = EVENTS.files(&name, events, &mut aside);
        files.extend(DECISIONS.files(&name, decisions, &mut aside));
        files.extend(OUTCOMES.files(&name, outcomes, &mut aside));
        self.put(files).await?;
        let set_aside = aside.len();
        let kept =
            aside.iter().map(|aside| async { keep_record(&*self.objects, aside).await.map(drop) });
        stream::iter(kept).buffer_unordered(CONCURRENT_WRITES).try_collect::<()>().await?;
        Ok(Archived { kept: told - set_aside, set_aside })
    }

    async fn put(&self, files: Vec<Put>) -> StoreResult<()> {
        let put = |(key, bytes): Put| async move {
            self.objects.put(&key, bytes, PutCondition::None).await.map(drop)
        };
        stream::iter(files).map(put).buffer_unordered(CONCURRENT_WRITES).try_collect().await
    }
}

#[cfg(test)]
mod tests {
    use crossfold_core::archive::decisions::decode_decisions;
    use crossfold_core::archive::events::decode_events;
    use crossfold_core::archive::outcomes::decode_outcomes;
    use crossfold_storage::faults::{Fault, FaultPlan, faulty};
    use crossfold_storage::{memory, set_aside};
    use serde_json::{Value, json};

    use super::*;

    fn stream_of_outcome(occurred_at: &str, received_at: Option<&str>) -> StreamBatch {
        let outcome = json!({
            "feedback_id": "f1", "recommendation_id": "r1", "user": "v1_u", "kind": "click",
            "domain": "knowledge", "item_id": "i", "occurred_at": occurred_at,
            "received_at": received_at,
        });
        let record = json!({
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": {"pk": {"S": "r1"}, "sk": {"S": "outcome#f1"}},
                "NewImage": {
                    "pk": {"S": "r1"}, "sk": {"S": "outcome#f1"}, "ttl": {"N": "1"},
                    "record": {"S": outcome.to_string()},
                },
                "SequenceNumber": "42",
            },
        });
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    }

    #[tokio::test]
    async fn an_outcome_is_filed_under_the_day_it_arrived_whatever_its_callers_clock_says() {
        let objects = memory::stores().objects;
        let archiver = Archiver::new(objects.clone());
        let arrived = Some("2026-11-25T10:00:00Z");
        for batch in [
            stream_of_outcome("1970-01-02T00:00:00Z", arrived),
            stream_of_outcome("1970-01-02T00:00:00Z", arrived),
            stream_of_outcome("2026-06-01T00:00:00Z", None),
        ] {
            assert_eq!(archiver.archive(batch).await.unwrap().kept, 1);
        }
        let keys = objects.list("outcomes/").await.unwrap();
        let expected = [
            "outcomes/domain=knowledge/date=2026-06-01/42.parquet",
            "outcomes/domain=knowledge/date=2026-11-25/42.parquet",
        ];
        assert_eq!(keys, expected);
        let file = objects.get(&keys[1]).await.unwrap().unwrap();
        let outcomes = decode_outcomes(file.bytes).unwrap();
        assert_eq!(outcomes[0].arrived_at().to_string(), "2026-11-25T10:00:00Z");
    }

    /// A stream's record of an event of the domain `knowledge`.
    fn of_event(number: usize) -> Value {
        let (id, sk) = (format!("e{number}"), format!("event#e{number}"));
        json!({
            "eventName": "INSERT",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_780_272_001.0,
                "Keys": {"pk": {"S": "v1_u"}, "sk": {"S": sk}},
                "NewImage": {
                    "pk": {"S": "v1_u"}, "sk": {"S": sk}, "by_time": {"S": id},
                    "ttl": {"N": "1843344001"}, "event_id": {"S": id}, "user": {"S": "v1_u"},
                    "domain": {"S": "knowledge"}, "event_type": {"S": "view"},
                    "item_id": {"S": "i"}, "occurred_at": {"S": "2026-06-01T00:00:00Z"},
                    "received_at": {"S": "2026-06-01T00:00:01Z"},
                },
                "SequenceNumber": (100 + number).to_string(),
            },
        })
    }

    fn batch(records: impl IntoIterator<Item = Value>) -> StreamBatch {
        let records: Vec<Value> = records.into_iter().collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    /// A hundred events, of which these are what no version knows.
    fn hundred_with(strange: &[(usize, Value)]) -> StreamBatch {
        let mut records: Vec<Value> = (0..100).map(of_event).collect();
        strange.iter().for_each(|(at, record)| records[*at] = record.clone());
        batch(records)
    }

    fn torn(number: usize) -> Value {
        let mut record = of_event(number);
        record["dynamodb"]["NewImage"]["received_at"] = json!({"S": "noon"});
        record
    }

    async fn archived_events(objects: &Arc<dyn ObjectStore>) -> Vec<String> {
        let mut ids = Vec::new();
        for key in objects.list("events/").await.unwrap() {
            let file = objects.get(&key).await.unwrap().unwrap();
            let events = decode_events(file.bytes).unwrap();
            ids.extend(events.into_iter().map(|event| event.event_id.to_string()));
        }
        ids
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_set_aside_and_the_rest_of_its_batch_archived() {
        let objects = memory::stores().objects;
        let archiver = Archiver::new(objects.clone());
        let strange = [(0, torn(0)), (40, json!({"eventName": "INSERT"})), (99, json!(null))];
        let expected = Archived { kept: 97, set_aside: 3 };
        for _ in 0..2 {
            let archived = archiver.archive(hundred_with(&strange)).await.unwrap();
            assert_eq!(archived, expected);
        }
        assert_eq!(archived_events(&objects).await.len(), 97);
        let keys = set_aside::records(&*objects).await.unwrap();
        assert_eq!(keys.len(), 3, "delivered again, each replaces itself: {keys:?}");
        let kept = set_aside::read_record(&*objects, &keys[0]).await.unwrap().unwrap();
        assert_eq!(serde_json::to_value(&kept.record).unwrap(), torn(0));
        assert!(kept.reason.contains("an event"), "{}", kept.reason);
    }

    #[tokio::test]
    async fn a_record_of_another_shape_does_not_keep_the_function_from_being_woken() {
        let event = json!({"Records": [of_event(1), "not a record", {"dynamodb": 7}]});
        let trigger: ArchiveTrigger = serde_json::from_value(event).unwrap();
        let objects = memory::stores().objects;
        let answer = Archiver::new(objects.clone()).handle(trigger).await.unwrap();
        assert_eq!(serde_json::to_value(answer).unwrap(), json!({"batchItemFailures": []}));
        assert_eq!(archived_events(&objects).await, ["e1"]);
        assert_eq!(set_aside::count(&*objects).await.unwrap().records, 2);
    }

    #[tokio::test]
    async fn a_bucket_that_fails_has_the_whole_batch_delivered_again_from_its_first_record() {
        let stores = memory::stores();
        for failing in ["events/", "set-aside/"] {
            let plan = FaultPlan::from_fn(move |call| {
                if call.key.starts_with(failing) { Fault::Before } else { Fault::None }
            });
            let archiver = Archiver::new(faulty(stores.clone(), &plan).objects);
            let trigger = ArchiveTrigger::Stream(hundred_with(&[(3, torn(3))]));
            let answer = archiver.handle(trigger).await.unwrap();
            let expected = json!({"batchItemFailures": [{"itemIdentifier": "100"}]});
            assert_eq!(serde_json::to_value(answer).unwrap(), expected, "{failing}");
        }
        let unnamed = batch([json!({"eventName": "INSERT"})]);
        let plan = FaultPlan::from_fn(|_| Fault::Before);
        let archiver = Archiver::new(faulty(stores, &plan).objects);
        assert!(archiver.handle(ArchiveTrigger::Stream(unnamed)).await.is_err());
    }

    #[test]
    fn an_entry_that_cannot_be_encoded_is_taken_out_of_its_file() {
        let encode = |events: &[Event]| match events {
            events if events.iter().any(|event| event.event_id.as_str() == "e2") => {
                Err(ColumnsError::MissingColumn("e2".into()))
            }
            events => encode_events(events),
        };
        let told = Batch::read(batch((0..5).map(of_event)).records).events;
        let mut aside = Vec::new();
        let files = Filing { encode, ..EVENTS }.files("n", told, &mut aside);
        let events = decode_events(files[0].1.clone()).unwrap();
        let ids: Vec<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
        assert_eq!((files.len(), ids), (1, vec!["e0", "e1", "e3", "e4"]));
        assert_eq!(aside[0].record.sequence_number(), Some("102"));
        assert!(aside.len() == 1 && aside[0].reason.contains("e2"), "{aside:?}");
    }

    #[tokio::test]
    async fn a_slate_that_was_empty_is_archived_with_what_was_degraded() {
        let decision = json!({
            "recommendation_id": "r1", "user": "v1_u", "domain": "knowledge",
            "decided_at": "2026-06-01T00:00:00Z", "policy": "ranked/1", "seed": 7,
            "personalised": false, "degraded": ["catalogue_unavailable"], "slate": [],
        });
        let record = json!({
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": {"pk": {"S": "r1"}, "sk": {"S": "decision"}},
                "NewImage": {
                    "pk": {"S": "r1"}, "sk": {"S": "decision"}, "ttl": {"N": "1"},
                    "record": {"S": decision.to_string()},
                },
                "SequenceNumber": "42",
            },
        });
        let objects = memory::stores().objects;
        Archiver::new(objects.clone()).archive(batch([record])).await.unwrap();
        let key = "decisions/domain=knowledge/date=2026-06-01/42.parquet";
        let file = objects.get(key).await.unwrap().unwrap();
        let decisions = decode_decisions(file.bytes).unwrap();
        assert_eq!(decisions[0].degraded, ["catalogue_unavailable"]);
        assert!(decisions.len() == 1 && decisions[0].slate.is_empty());
    }

    #[tokio::test]
    async fn what_was_set_aside_is_archived_once_it_can_be_read_and_the_rest_stays() {
        let stores = memory::stores();
        let objects = stores.objects.clone();
        let archiver = Archiver::new(objects.clone());
        let aside = |record: Value| SetAsideRecord {
            reason: "a version that could not".into(),
            record: serde_json::from_value(record).unwrap(),
        };
        for record in [of_event(1), of_event(2), torn(3)] {
            keep_record(&*objects, &aside(record)).await.unwrap();
        }
        // At whichever call it is cut short, it goes on where it was.
        for cut in 0..12 {
            let calls = std::sync::atomic::AtomicUsize::new(0);
            let plan = FaultPlan::from_fn(move |_| {
                let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if call == cut { Fault::AnswerLost } else { Fault::None }
            });
            let _ = Archiver::new(faulty(stores.clone(), &plan).objects).redrive().await;
        }
        let redriven = archiver.redrive().await.unwrap();
        assert_eq!((redriven.records_taken, redriven.records_left), (0, 1));
        assert_eq!(archived_events(&objects).await, ["e1", "e2"]);
        let left = set_aside::records(&*objects).await.unwrap();
        assert!(left.len() == 1 && left[0].contains("/103-"), "{left:?}");
    }

    #[tokio::test]
    async fn a_file_that_was_set_aside_goes_back_where_it_lay_once_it_can_be_read() {
        let stores = memory::stores();
        let objects = stores.objects.clone();
        let archiver = Archiver::new(objects.clone());
        archiver.archive(batch([of_event(1)])).await.unwrap();
        let key = objects.list("events/").await.unwrap().remove(0);
        let whole = objects.get(&key).await.unwrap().unwrap().bytes;
        set_aside::move_file(&*objects, &key, whole.clone(), "by an older version").await.unwrap();
        set_aside::move_file(&*objects, "events/torn.parquet", "PAR1".into(), "torn")
            .await
            .unwrap();
        set_aside::move_file(&*objects, "strange/torn", "PAR1".into(), "torn").await.unwrap();
        // In its place is another one by now.
        archiver.archive(batch([of_event(1), of_event(2)])).await.unwrap();
        let redriven = archiver.redrive().await.unwrap();
        assert_eq!((redriven.files_taken, redriven.files_left), (1, 2));
        let keys = objects.list("events/").await.unwrap();
        assert_eq!(keys.len(), 2, "beside the one that is there now: {keys:?}");
        assert!(keys.contains(&key));
        let mut ids = archived_events(&objects).await;
        ids.sort();
        assert_eq!(ids, ["e1", "e1", "e2"]);
        // Where nothing is in its place, it goes back under its own name.
        let again = keys.iter().find(|other| **other != key).unwrap();
        set_aside::move_file(&*objects, again, whole, "torn").await.unwrap();
        archiver.redrive().await.unwrap();
        assert_eq!(objects.list("events/").await.unwrap(), keys);
    }
}
