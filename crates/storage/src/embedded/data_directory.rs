//! The data directory and the lock on it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::disk_s3::INCOMING;
use super::{EmbeddedError, io_error};
use crate::data_files::{DATABASE, OBJECTS};
use crate::private_files;

/// What SQLite and the database on it put beside the database's file.
const BESIDE_DATABASE: [&str; 4] =
    ["dynamodb.sqlite-wal", "dynamodb.sqlite-shm", "dynamodb.sqlite-journal", ".dynoxide"];
const LOCK: &str = "lock";
const SCRUB_DUE: &str = "scrub-due";

/// A data directory that this process alone may use. The lock is the operating
/// system's, on an open file: it ends with the process, however that ends.
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory when there is none, and locks it. It is its owner's alone from
    /// then on, with all that the storage keeps in it, whatever its mode was before.
    pub(super) fn lock(path: &Path) -> Result<Self, EmbeddedError> {
        let of_path = |source| io_error(path.display(), source);
        private_files::create_directory(path).map_err(of_path)?;
        private_files::close_directory(path).map_err(of_path)?;
        let lock_path = path.join(LOCK);
        let lock = private_files::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|source| io_error(lock_path.display(), source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io_error(lock_path.display(), source)),
        }
        for name in [LOCK, DATABASE, OBJECTS, SCRUB_DUE].into_iter().chain(BESIDE_DATABASE) {
            let path = path.join(name);
            private_files::close_to_others(&path)
                .map_err(|source| io_error(path.display(), source))?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(super) fn database_path(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Whether there are objects, but no tables. The tables are made first.
    pub(super) fn has_objects_alone(&self) -> Result<bool, EmbeddedError> {
        let database = self.database_path();
        let has_tables = match std::fs::metadata(&database) {
            Ok(metadata) => metadata.len() > 0,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(source) => return Err(io_error(database.display(), source)),
        };
        if has_tables {
            return Ok(false);
        }
        let objects = self.objects_path();
        has_files(&objects).map_err(|source| io_error(objects.display(), source))
    }

    pub(super) fn objects_path(&self) -> PathBuf {
        self.path.join(OBJECTS)
    }

    /// Where it stands that something was deleted and may still lie in the database's files.
    pub(super) fn scrub_due_path(&self) -> PathBuf {
        self.path.join(SCRUB_DUE)
    }
}

/// Whether there is a file anywhere in a folder.
fn has_files(folder: &Path) -> io::Result<bool> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // Half-written, and no object yet.
        if entry.file_name() == INCOMING {
            continue;
        }
        if !entry.file_type()?.is_dir() || has_files(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}
