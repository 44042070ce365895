//! The archive function: the streams of the tables `events` and `decisions`
//! become Parquet files.
//!
//! A stream delivers at least once. A file is named after the first sequence
//! number of its batch, so a batch delivered again replaces its file; what is
//! delivered again in another batch is dropped where the archive is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::decisions::encode_decisions;
use crossfold_core::archive::events::encode_events;
use crossfold_core::archive::keys::{DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX, batch_key};
use crossfold_core::archive::outcomes::encode_outcomes;
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError, StoreResult};
use crossfold_storage::aws::changes::{NewEntry, StreamBatch};
use jiff::Timestamp;

/// Why a batch could not be archived. The stream delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A record cannot be read, or the bucket cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records cannot be encoded.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
}

/// Archives batches of stream records.
#[derive(Clone)]
pub struct Archiver {
    objects: Arc<dyn ObjectStore>,
}

/// A batch's new entries by kind, and the name that its files get.
#[derive(Default)]
struct Batch {
    name: String,
    events: Vec<Event>,
    decisions: Vec<Decision>,
    outcomes: Vec<Outcome>,
}

impl Batch {
    /// The name is the sequence number of the first new record: a batch that is
    /// delivered again begins where it began, even when it has grown or was cut in two.
    fn read(batch: StreamBatch) -> StoreResult<Self> {
        let first = batch.records.iter().find(|record| record.is_new());
        let name = first.and_then(|record| record.sequence_number());
        let mut read = Self { name: name.unwrap_or_default().to_owned(), ..Self::default() };
        for record in batch.records {
            match record.new_entry()? {
                Some(NewEntry::Event(event)) => read.events.push(event),
                Some(NewEntry::Decision(decision)) => read.decisions.push(*decision),
                Some(NewEntry::Outcome(outcome)) => read.outcomes.push(outcome),
                None => {}
            }
        }
        Ok(read)
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

impl Archiver {
    /// Archives to a bucket.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Archives one batch and says how many records of it were kept. Only new
    /// records are: what TTL or an erasure removes stays out of the archive's way.
    ///
    /// # Errors
    /// [`ArchiveError`]; then nothing of the batch counts as archived.
    pub async fn archive(&self, batch: StreamBatch) -> Result<usize, ArchiveError> {
        let Batch { name, events, decisions, outcomes } = Batch::read(batch)?;
        let kept = events.len() + decisions.len() + outcomes.len();
        self.file(&name, events, EVENTS).await?;
        self.file(&name, decisions, DECISIONS).await?;
        self.file(&name, outcomes, OUTCOMES).await?;
        Ok(kept)
    }

    /// Writes one file for each domain, in the partition of the day on which its
    /// first entry arrived.
    async fn file<T>(
        &self,
        name: &str,
        entries: Vec<T>,
        filing: Filing<T>,
    ) -> Result<(), ArchiveError> {
        for (domain, entries) in by_domain(entries, filing.domain) {
            let Some(arrived_at) = entries.first().map(filing.arrived_at) else { continue };
            let bytes = (filing.encode)(&entries)?;
            let key = batch_key(filing.prefix, &domain, arrived_at, name);
            self.objects.put(&key, bytes, PutCondition::None).await?;
        }
        Ok(())
    }
}

fn by_domain<T>(entries: Vec<T>, domain: fn(&T) -> &DomainId) -> BTreeMap<DomainId, Vec<T>> {
    let mut groups: BTreeMap<DomainId, Vec<T>> = BTreeMap::new();
    for entry in entries {
        groups.entry(domain(&entry).clone()).or_default().push(entry);
    }
    groups
}

#[cfg(test)]
mod tests {
    use crossfold_core::archive::outcomes::decode_outcomes;
    use crossfold_storage::memory;
    use serde_json::json;

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
            assert_eq!(archiver.archive(batch).await.unwrap(), 1);
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
}
