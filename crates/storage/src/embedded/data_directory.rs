//! The data directory and the lock on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::{EmbeddedError, io_error};

/// A data directory that this process alone may use. The lock is the operating
/// system's, on an open file: it ends with the process, however that ends.
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory when there is none, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, EmbeddedError> {
        create_private(path).map_err(|source| io_error(path.display(), source))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|source| io_error(lock_path.display(), source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io_error(lock_path.display(), source)),
        }
    }

    pub(super) fn database_path(&self) -> PathBuf {
        self.path.join("dynamodb.sqlite")
    }

    pub(super) fn objects_path(&self) -> PathBuf {
        self.path.join("s3")
    }
}

/// What people did is nobody else's business on a shared machine.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
