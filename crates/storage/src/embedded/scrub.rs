//! Nothing that was deleted stays in the database's files.
//!
//! SQLite overwrites what is deleted (`SQLITE_SECURE_DELETE`, see `.cargo/config.toml`). Two
//! kinds of copies are left: where rows were moved from page to page, in parts of pages that
//! are out of use; and in the write-ahead log, until it is begun anew. So after a deletion
//! the database is written anew and the log emptied, without anybody's asking: within
//! moments, and after a kill in between at the next start, for a file says that it is due.
//!
//! Everyone waits while the database is written anew, a second for some hundred megabytes.
//! So that is done at most for one twentieth of the time.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use dynoxide::Database;
use rusqlite::Connection;
use tokio::sync::Notify;

use super::{EmbeddedError, database_error, io_error};
use crate::private_files;

/// How long to wait for readers and writers of the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long deletions gather: a user's events are many calls.
const GATHERING: Duration = Duration::from_secs(1);

/// How much longer than a scrub took the next one waits.
const REST: u32 = 19;

/// How long to wait after a scrub that failed, for a full disk most likely.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Knows whether something was deleted, and scrubs the files.
pub(super) struct Scrubber {
    database: Database,
    connection: Mutex<Connection>,
    /// There while a scrub is due.
    mark: PathBuf,
    is_due: AtomicBool,
    /// Read by who deletes, written by who scrubs: what a scrub did not see stays due.
    gate: RwLock<()>,
    deleted: Notify,
}

/// Held while something is deleted.
pub(super) struct Deleting<'a> {
    _gate: RwLockReadGuard<'a, ()>,
}

impl Scrubber {
    /// Opens a connection of its own to a database that is open, and so made. What an
    /// earlier process left to do is due.
    pub(super) fn new(
        database: Database,
        path: &Path,
        mark: PathBuf,
    ) -> Result<Self, EmbeddedError> {
        let connection = Connection::open(path).map_err(database_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(database_error)?;
        let is_due = mark.try_exists().map_err(|source| io_error(mark.display(), source))?;
        Ok(Self {
            database,
            connection: Mutex::new(connection),
            mark,
            is_due: AtomicBool::new(is_due),
            gate: RwLock::default(),
            deleted: Notify::new(),
        })
    }

    /// To be held while something is deleted, from before it is.
    ///
    /// # Errors
    /// Those of the file system. Then nothing may be deleted.
    pub(super) fn deleting(&self) -> io::Result<Deleting<'_>> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        if !self.is_due.load(Ordering::Acquire) {
            private_files::create(&self.mark)?;
            self.is_due.store(true, Ordering::Release);
        }
        self.deleted.notify_one();
        Ok(Deleting { _gate: gate })
    }

    /// Leaves nothing of what was deleted in the database's files. It waits for the disk.
    ///
    /// # Errors
    /// [`EmbeddedError`]; it stays due then.
    pub(super) fn scrub(&self) -> Result<(), EmbeddedError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.database.vacuum().map_err(database_error)?;
        self.empty_log()?;
        self.is_due.store(false, Ordering::Release);
        match fs::remove_file(&self.mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(io_error(self.mark.display(), error))
            }
            _ => Ok(()),
        }
    }

    /// Brings what is in the write-ahead log to the database's file, and empties it.
    fn empty_log(&self) -> Result<(), EmbeddedError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
            .map_err(database_error)?;
        if is_busy {
            return Err(database_error("the write-ahead log is in use and cannot be emptied"));
        }
        Ok(())
    }

    fn scrub_if_due(&self) -> Result<(), EmbeddedError> {
        if self.is_due.load(Ordering::Acquire) { self.scrub() } else { Ok(()) }
    }
}

/// Scrubs whenever something was deleted.
pub(super) async fn scrub_for_ever(scrubber: Arc<Scrubber>) {
    loop {
        if !scrubber.is_due.load(Ordering::Acquire) {
            scrubber.deleted.notified().await;
        }
        tokio::time::sleep(GATHERING).await;
        let started = Instant::now();
        let scrubbing = Arc::clone(&scrubber);
        let scrubbed = tokio::task::spawn_blocking(move || scrubbing.scrub_if_due()).await;
        let rest = match scrubbed {
            Ok(Ok(())) => started.elapsed() * REST,
            Ok(Err(error)) => {
                tracing::error!(%error, "what was deleted may still be in the database's files");
                REST_AFTER_FAILURE
            }
            Err(_) => return,
        };
        tokio::time::sleep(rest).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_is_overwritten_whoever_opens_the_database() {
        let connection = Connection::open_in_memory().unwrap();
        let overwrites: i64 =
            connection.query_row("PRAGMA secure_delete", [], |row| row.get(0)).unwrap();
        assert_eq!(overwrites, 1);
    }
}
