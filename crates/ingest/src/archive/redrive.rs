//! Taking in what was set aside, once it can be read.
//!
//! Each record and each file is archived before it is deleted where it lay, under a name
//! that it gives itself: cut short anywhere and begun anew, nothing is lost, and nothing is
//! there twice. What still cannot be read stays.

use bytes::Bytes;
use crossfold_core::archive::columns::ColumnsError;
use crossfold_core::archive::decisions::decode_decisions;
use crossfold_core::archive::events::decode_events;
use crossfold_core::archive::keys::{
    DECISIONS_PREFIX, EVENTS_PREFIX, OUTCOMES_PREFIX, QUARANTINE_PREFIX, digest,
    key_before_set_aside,
};
use crossfold_core::archive::outcomes::decode_outcomes;
use crossfold_core::archive::quarantine::decode_refused;
use crossfold_core::entities::ports::{PutCondition, StoreError, StoreResult};
use crossfold_storage::set_aside;
use serde::Serialize;

use super::{Archiver, Batch, DECISIONS, EVENTS, OUTCOMES};

/// What a redrive took in, and what it left where it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// Records that are in the archive now.
    pub records_taken: u64,
    /// Records that still cannot be archived.
    pub records_left: u64,
    /// Files that are back in the archive.
    pub files_taken: u64,
    /// Files that still cannot be read.
    pub files_left: u64,
}

impl Archiver {
    /// Archives what was set aside and can be read by now.
    ///
    /// # Errors
    /// When the bucket fails. What was taken in before stays taken in.
    pub async fn redrive(&self) -> StoreResult<Redriven> {
        let mut redriven = Redriven::default();
        for key in set_aside::records(&*self.objects).await? {
            match self.redrive_record(&key).await? {
                true => redriven.records_taken += 1,
                false => redriven.records_left += 1,
            }
        }
        for key in set_aside::files(&*self.objects).await? {
            match self.redrive_file(&key).await? {
                true => redriven.files_taken += 1,
                false => redriven.files_left += 1,
            }
        }
        tracing::info!(?redriven, "what was set aside was tried again");
        Ok(redriven)
    }

    /// Archives a record in files of its own, if it can be read.
    async fn redrive_record(&self, key: &str) -> StoreResult<bool> {
        let kept = match set_aside::read_record(&*self.objects, key).await {
            Ok(Some(kept)) => kept,
            // Another redrive took it.
            Ok(None) => return Ok(true),
            Err(StoreError::Corrupt(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Batch { events, decisions, outcomes, unreadable: mut left, .. } =
            Batch::read(vec![kept.record]);
        let name = format!("redriven-{}", digest(key.as_bytes()));
        let mut files = EVENTS.files(&name, events, &mut left);
        files.extend(DECISIONS.files(&name, decisions, &mut left));
        files.extend(OUTCOMES.files(&name, outcomes, &mut left));
        if !left.is_empty() {
            return Ok(false);
        }
        self.put(files).await?;
        self.objects.delete(key).await?;
        Ok(true)
    }

    /// Puts a file back where it lay, or beside it where there is another one by now, if it
    /// can be read.
    async fn redrive_file(&self, key: &str) -> StoreResult<bool> {
        let Some(object) = self.objects.get(key).await? else { return Ok(true) };
        let Some(before) = key_before_set_aside(key) else { return Ok(false) };
        if !reads(before, &object.bytes) {
            return Ok(false);
        }
        let put = |to: String| {
            let bytes = object.bytes.clone();
            async move { self.objects.put(&to, bytes, PutCondition::Absent).await }
        };
        let is_back = match put(before.to_owned()).await? {
            Some(_) => true,
            None => {
                let there = self.objects.get(before).await?;
                there.is_some_and(|there| there.bytes == object.bytes)
            }
        };
        if !is_back {
            let stem = before.strip_suffix(".parquet").unwrap_or(before);
            put(format!("{stem}-redriven-{}.parquet", digest(&object.bytes))).await?;
        }
        self.objects.delete(key).await?;
        Ok(true)
    }
}

/// Whether a file reads as what lies where it lay.
fn reads(key: &str, bytes: &Bytes) -> bool {
    fn rows<T>(decode: fn(Bytes) -> Result<Vec<T>, ColumnsError>, bytes: &Bytes) -> bool {
        decode(bytes.clone()).is_ok()
    }
    match key {
        key if key.starts_with(EVENTS_PREFIX) => rows(decode_events, bytes),
        key if key.starts_with(DECISIONS_PREFIX) => rows(decode_decisions, bytes),
        key if key.starts_with(OUTCOMES_PREFIX) => rows(decode_outcomes, bytes),
        key if key.starts_with(QUARANTINE_PREFIX) => rows(decode_refused, bytes),
        _ => false,
    }
}
