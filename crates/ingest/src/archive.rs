//! The archive function: the streams of the tables `events` and `decisions`
//! become Parquet files.
//!
//! A stream delivers at least once. A file is named after the first sequence
//! number of its batch, so a batch delivered again replaces its file; what is
//! delivered again in another batch is dropped where the archive is read.

use std::sync::Arc;

use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord as StreamRecord};
use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::events::{
    DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX, by_domain, encode_decisions, encode_events,
    encode_outcomes, file_key,
};
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_storage::aws::{DecisionRecord, EventRecord};
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

/// A batch's records by kind.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    decisions: Vec<Decision>,
    outcomes: Vec<Outcome>,
}

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
    pub async fn archive(&self, batch: StreamEvent) -> Result<usize, ArchiveError> {
        let inserts: Vec<StreamRecord> =
            batch.records.into_iter().filter(|record| record.event_name == "INSERT").collect();
        let name = batch_name(&inserts);
        let batch = read_batch(inserts)?;
        let kept = batch.events.len() + batch.decisions.len() + batch.outcomes.len();
        for (domain, events) in by_domain(batch.events, |event| &event.domain) {
            let bytes = encode_events(&events)?;
            self.store(EVENTS_PREFIX, &domain, events[0].received_at, &name, bytes).await?;
        }
        for (domain, decisions) in by_domain(batch.decisions, |decision| &decision.domain) {
            let bytes = encode_decisions(&decisions)?;
            self.store(DECISIONS_PREFIX, &domain, decisions[0].decided_at, &name, bytes).await?;
        }
        for (domain, outcomes) in by_domain(batch.outcomes, |outcome| &outcome.domain) {
            let bytes = encode_outcomes(&outcomes)?;
            self.store(OUTCOMES_PREFIX, &domain, outcomes[0].occurred_at, &name, bytes).await?;
        }
        Ok(kept)
    }

    async fn store(
        &self,
        prefix: &str,
        domain: &DomainId,
        arrived_at: Timestamp,
        name: &str,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let key = file_key(prefix, domain, arrived_at, name);
        self.objects.put(&key, bytes, PutCondition::None).await?;
        Ok(())
    }
}

/// The batch's first sequence number: a batch that is delivered again begins
/// where it began, even when it has grown or was cut in two.
fn batch_name(records: &[StreamRecord]) -> String {
    let first = records.first().and_then(|record| record.change.sequence_number.clone());
    first.unwrap_or_default()
}

fn read_batch(records: Vec<StreamRecord>) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    for record in records {
        let image = record.change.new_image;
        if image.contains_key("record") {
            match DecisionRecord::parse(image)? {
                Some(DecisionRecord::Decision(decision)) => batch.decisions.push(*decision),
                Some(DecisionRecord::Outcome(outcome)) => batch.outcomes.push(outcome),
                None => {}
            }
        } else {
            batch.events.extend(EventRecord::parse(image)?.map(|record| record.event));
        }
    }
    Ok(batch)
}
