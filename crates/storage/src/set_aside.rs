//! What cannot be read is set aside in the bucket, whole and with the reason, so that it
//! neither stops what can be read nor is lost: [`keys`] says where.
//!
//! [`keys`]: crossfold_core::archive::keys

use bytes::Bytes;
use crossfold_core::archive::keys::{
    SET_ASIDE_FILES_PREFIX, SET_ASIDE_RECORDS_PREFIX, domain_of_key, set_aside_file_key,
    set_aside_record_key,
};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError, StoreResult};
use serde::{Deserialize, Serialize};

use crate::aws::changes::StreamRecord;

/// A stream record that could not be archived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAsideRecord {
    /// Why not, in words.
    pub reason: String,
    /// The record, as the stream handed it over.
    pub record: StreamRecord,
}

/// How much lies aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LyingAside {
    /// Stream records.
    pub records: u64,
    /// Files.
    pub files: u64,
}

/// Keeps a record that cannot be archived, and says where. Its alarm is the line in the log.
///
/// # Errors
/// When the bucket fails.
pub async fn keep_record(objects: &dyn ObjectStore, aside: &SetAsideRecord) -> StoreResult<String> {
    let refused = |error| StoreError::refused("a record cannot be written as JSON", error);
    let record = serde_json::to_vec(&aside.record).map_err(refused)?;
    let key = set_aside_record_key(aside.record.sequence_number(), &record);
    let bytes = serde_json::to_vec(aside).map_err(refused)?;
    objects.put(&key, bytes.into(), PutCondition::None).await?;
    // Not the reason: it may quote the record.
    tracing::error!(key, "a stream record was set aside");
    Ok(key)
}

/// The keys of the records that lie aside, in order.
///
/// # Errors
/// When the bucket fails.
pub async fn records(objects: &dyn ObjectStore) -> StoreResult<Vec<String>> {
    objects.list(SET_ASIDE_RECORDS_PREFIX).await
}

/// A record that lies aside; none when it is gone by now.
///
/// # Errors
/// When the bucket fails, or holds something else under the key.
pub async fn read_record(
    objects: &dyn ObjectStore,
    key: &str,
) -> StoreResult<Option<SetAsideRecord>> {
    let Some(object) = objects.get(key).await? else { return Ok(None) };
    let corrupt = |error| StoreError::corrupt(format!("the record {key}"), error);
    serde_json::from_slice(&object.bytes).map(Some).map_err(corrupt)
}

/// Moves a file that cannot be read out of the way of those that can, and says where to.
/// It is first written there, so that it is never nowhere; done again, it stays as it is.
///
/// # Errors
/// When the bucket fails.
pub async fn move_file(
    objects: &dyn ObjectStore,
    key: &str,
    bytes: Bytes,
    reason: &str,
) -> StoreResult<String> {
    let aside = set_aside_file_key(key, &bytes);
    objects.put(&aside, bytes, PutCondition::None).await?;
    objects.delete(key).await?;
    tracing::error!(key, aside, reason, "an archived file was set aside");
    Ok(aside)
}

/// The keys of the files that lie aside, in order.
///
/// # Errors
/// When the bucket fails.
pub async fn files(objects: &dyn ObjectStore) -> StoreResult<Vec<String>> {
    objects.list(SET_ASIDE_FILES_PREFIX).await
}

/// How many of the files that lie aside may hold rows of a domain: none can look.
///
/// # Errors
/// When the bucket fails.
pub async fn files_that_may_concern(
    objects: &dyn ObjectStore,
    domain: &DomainId,
) -> StoreResult<u64> {
    let may_concern = |key: &&String| domain_of_key(key).is_none_or(|of| of == *domain);
    Ok(files(objects).await?.iter().filter(may_concern).count() as u64)
}

/// How much lies aside of the domains that pass: of files alone, for whose a record is does
/// not show.
///
/// # Errors
/// When the bucket fails.
pub async fn count_of(
    objects: &dyn ObjectStore,
    is_of: impl Fn(&DomainId) -> bool,
) -> StoreResult<LyingAside> {
    let files = files(objects).await?;
    let own = files.iter().filter(|key| domain_of_key(key).is_some_and(|domain| is_of(&domain)));
    Ok(LyingAside { records: 0, files: own.count() as u64 })
}

/// How much lies aside.
///
/// # Errors
/// When the bucket fails.
pub async fn count(objects: &dyn ObjectStore) -> StoreResult<LyingAside> {
    let records = records(objects).await?.len() as u64;
    Ok(LyingAside { records, files: files(objects).await?.len() as u64 })
}

#[cfg(test)]
mod tests {
    use crossfold_core::archive::keys::key_before_set_aside;
    use serde_json::json;

    use super::*;
    use crate::memory;

    fn aside(reason: &str) -> SetAsideRecord {
        let record = json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": "7"}});
        SetAsideRecord { reason: reason.into(), record: serde_json::from_value(record).unwrap() }
    }

    #[tokio::test]
    async fn a_record_set_aside_again_replaces_itself_and_is_read_back() {
        let objects = memory::stores().objects;
        let key = keep_record(&*objects, &aside("first")).await.unwrap();
        assert_eq!(keep_record(&*objects, &aside("second")).await.unwrap(), key);
        assert_eq!(records(&*objects).await.unwrap(), [&*key]);
        assert_eq!(read_record(&*objects, &key).await.unwrap(), Some(aside("second")));
        assert_eq!(read_record(&*objects, "set-aside/records/none").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_file_is_moved_whole_and_two_torn_in_turn_under_one_key_are_both_kept() {
        let objects = memory::stores().objects;
        for torn in ["a", "b", "a"] {
            objects.put("events/1.parquet", torn.into(), PutCondition::None).await.unwrap();
            move_file(&*objects, "events/1.parquet", torn.into(), "torn").await.unwrap();
        }
        assert!(objects.get("events/1.parquet").await.unwrap().is_none());
        let kept = files(&*objects).await.unwrap();
        assert_eq!(kept.len(), 2);
        assert!(kept.iter().all(|key| key_before_set_aside(key) == Some("events/1.parquet")));
        let lying = count(&*objects).await.unwrap();
        assert_eq!(lying, LyingAside { records: 0, files: 2 });
    }

    #[tokio::test]
    async fn files_are_told_apart_by_the_domain_whose_rows_they_hold() {
        let objects = memory::stores().objects;
        for key in
            ["events/domain=films/x.parquet", "events/domain=books/x.parquet", "any/x.parquet"]
        {
            move_file(&*objects, key, "torn".into(), "torn").await.unwrap();
        }
        let films = DomainId::parse("films").unwrap();
        assert_eq!(files_that_may_concern(&*objects, &films).await.unwrap(), 2);
        let own = count_of(&*objects, |domain| *domain == films).await.unwrap();
        assert_eq!(own, LyingAside { records: 0, files: 1 });
    }
}
