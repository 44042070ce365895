//! Reading and trimming the streams of the embedded tables.
//!
//! The embedded database keeps stream records for ever and looks up the last
//! one on every write, by a scan. An index of our own makes that look-up
//! constant in time, and trimming does what the real service does after a day.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dynoxide::Database;
use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::{shard_id, stream_arn};
use rusqlite::Connection;

use super::scrub::Scrubber;
use super::{EmbeddedError, database_error};
use crate::aws::changes::StreamRecord;

/// How long to wait while the database is being written to.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Records deleted in one transaction: writers wait for it.
const TRIM_BATCH: usize = 1_000;

/// Names the stream in its ARN, where the real service has a time.
const STREAM_LABEL: &str = "embedded";

/// What a sequence number as shown adds to the one stored.
const SEQUENCE_NUMBER_OFFSET: u128 = 100_000_000_000_000_000_000;

const CREATE_INDEX: &str = "CREATE INDEX IF NOT EXISTS crossfold_stream_sequence \
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// The last record stays: the database numbers the next one after it.
const TRIM: &str = "DELETE FROM _stream_records WHERE id IN (\
    SELECT id FROM _stream_records \
    WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2 \
    AND CAST(sequence_number AS INTEGER) < (\
        SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1) \
    ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?3)";

/// Whether what is trimmed tells of a deletion: then what was deleted lies in the stream too.
const TELLS_OF_DELETION: &str = "SELECT EXISTS (SELECT 1 FROM _stream_records \
    WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2 AND event_name = 'REMOVE' \
    AND keys_json <> '{}')";

/// The last record stays for its number alone: what it told was carried.
const EMPTY_LAST: &str = "UPDATE _stream_records \
    SET event_name = 'REMOVE', keys_json = '{}', new_image = NULL, old_image = NULL \
    WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2";

/// The streams of the embedded tables. Its calls wait for the disk: async code
/// makes them through `tokio::task::spawn_blocking`.
pub struct StreamTail {
    database: Database,
    connection: Mutex<Connection>,
    scrubber: Arc<Scrubber>,
}

impl StreamTail {
    /// Opens a connection of its own to a database that is open, and so made.
    pub(super) fn new(
        database: Database,
        path: &Path,
        scrubber: Arc<Scrubber>,
    ) -> Result<Self, EmbeddedError> {
        let connection = Connection::open(path).map_err(database_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(database_error)?;
        connection.execute_batch(CREATE_INDEX).map_err(database_error)?;
        Ok(Self { database, connection: Mutex::new(connection), scrubber })
    }

    /// The records of a table's stream after a sequence number, or from the
    /// first one kept, in order, at most `limit` and at most 1,000.
    ///
    /// # Errors
    /// [`EmbeddedError::Database`].
    pub fn records_after(
        &self,
        table: &str,
        sequence_number: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, EmbeddedError> {
        let kind = if sequence_number.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
        let iterator = self.database.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: stream_arn(table, STREAM_LABEL),
            shard_id: shard_id(table),
            shard_iterator_type: kind.into(),
            sequence_number: sequence_number.map(str::to_owned),
        });
        let shard_iterator = iterator.map_err(database_error)?.shard_iterator.unwrap_or_default();
        let request = GetRecordsRequest { shard_iterator, limit: Some(limit) };
        let records = self.database.get_records(request).map_err(database_error)?.records;
        records.iter().map(stream_record).collect()
    }

    /// Deletes the records of a table's stream up to a sequence number, and says how many
    /// that were. The very last one of the stream stays, but tells nothing any more.
    ///
    /// # Errors
    /// [`EmbeddedError::Database`].
    pub fn trim(&self, table: &str, up_to: &str) -> Result<usize, EmbeddedError> {
        let stored = stored_number(up_to)?;
        let of_records = rusqlite::params![table, stored];
        let tells_of_deletion = self
            .connection()
            .query_row(TELLS_OF_DELETION, of_records, |row| row.get(0))
            .map_err(database_error)?;
        let _deleting = match tells_of_deletion {
            true => Some(self.scrubber.deleting().map_err(database_error)?),
            false => None,
        };
        let mut trimmed = 0;
        loop {
            let count = self
                .connection()
                .execute(TRIM, rusqlite::params![table, stored, TRIM_BATCH])
                .map_err(database_error)?;
            trimmed += count;
            if count < TRIM_BATCH {
                break;
            }
        }
        self.connection().execute(EMPTY_LAST, of_records).map_err(database_error)?;
        Ok(trimmed)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number that the database stores for a sequence number as shown.
fn stored_number(sequence_number: &str) -> Result<i64, EmbeddedError> {
    let shown: Option<u128> = sequence_number.parse().ok();
    shown
        .and_then(|shown| shown.checked_sub(SEQUENCE_NUMBER_OFFSET))
        .and_then(|stored| i64::try_from(stored).ok())
        .ok_or_else(|| database_error(format!("{sequence_number} is no sequence number")))
}

/// A record in the shape in which a function gets it.
fn stream_record(record: &Record) -> Result<StreamRecord, EmbeddedError> {
    serde_json::to_value(record).and_then(serde_json::from_value).map_err(database_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of the database that run on every write and every read of a stream.
    const LAST: &str = "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 \
        FROM _stream_records WHERE table_name = ?1";
    const NEXT: &str = "SELECT event_name FROM _stream_records \
        WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3 \
        ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4";

    fn plan(tail: &StreamTail, statement: &str) -> String {
        let connection = tail.connection.lock().unwrap();
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let values = vec![rusqlite::types::Null; explained.parameter_count()];
        let rows = explained
            .query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>("detail"));
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_look_up_in_a_stream_goes_by_the_index_and_without_a_sort() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dynamodb.sqlite");
        let database = Database::new(path.to_str().unwrap()).unwrap();
        let mark = directory.path().join("scrub-due");
        let scrubber = Arc::new(Scrubber::new(database.clone(), &path, mark).unwrap());
        let tail = StreamTail::new(database, &path, scrubber).unwrap();
        for statement in [LAST, NEXT, TRIM, TELLS_OF_DELETION, EMPTY_LAST] {
            let plan = plan(&tail, statement);
            assert!(plan.contains("crossfold_stream_sequence"), "{statement}: {plan}");
            assert!(!plan.contains("SCAN _stream_records"), "{statement}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }

    #[test]
    fn only_a_sequence_number_is_taken_for_one() {
        assert_eq!(stored_number("100000000000000000042").unwrap(), 42);
        for wrong in ["", "42", "x", "-100000000000000000042"] {
            assert!(stored_number(wrong).is_err(), "{wrong}");
        }
    }
}
