//! Files that their owner alone may use: what people did is nobody else's business on a
//! shared machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// What their owner may do with a directory, and nobody else.
#[cfg(unix)]
const DIRECTORY_MODE: u32 = 0o700;
/// What their owner may do with a file, and nobody else.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;

/// Makes a directory, with those above it that are missing, for its owner alone. One that
/// exists stays as it is.
///
/// # Errors
/// Those of the file system.
pub fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, DIRECTORY_MODE);
    builder.create(path)
}

/// How to open a file that is made, should it be made, for its owner alone.
#[must_use]
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
    options
}

/// Makes a file for its owner alone, or empties the one that is there.
///
/// # Errors
/// Those of the file system.
pub fn create(path: &Path) -> io::Result<File> {
    options().write(true).create(true).truncate(true).open(path)
}

/// Takes from everyone but the owner what they may do with a file, or with a directory
/// and all that lies in it, as an earlier version or a copy may have left it. Links are
/// not followed. What is not there is left alone.
///
/// # Errors
/// Those of the file system.
pub fn close_to_others(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if metadata.is_symlink() {
        return Ok(());
    }
    close(path, &metadata)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            close_to_others(&entry?.path())?;
        }
    }
    Ok(())
}

/// The same for a directory alone, without what lies in it.
///
/// # Errors
/// Those of the file system, and when the directory is one that users share, as `/tmp` is.
pub fn close_directory(path: &Path) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if is_shared(&metadata) {
        let why = "it is shared among users; name a directory of its own";
        return Err(io::Error::new(ErrorKind::PermissionDenied, why));
    }
    close(path, &metadata)
}

#[cfg(unix)]
fn close(path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if metadata.is_dir() { DIRECTORY_MODE } else { FILE_MODE };
    if metadata.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn close(_: &Path, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Whether a directory has the mark of those in which everyone may make files.
#[cfg(unix)]
fn is_shared(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o1000 != 0
}

#[cfg(not(unix))]
fn is_shared(_: &fs::Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn open_to_all(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_was_open_to_others_is_closed_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("a"), directory.path().join("outside"));
        fs::create_dir_all(inside.join("b")).unwrap();
        fs::write(inside.join("b/file"), "x").unwrap();
        fs::write(&outside, "x").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        for (path, wide) in [
            (inside.clone(), 0o755),
            (inside.join("b"), 0o777),
            (inside.join("b/file"), 0o666),
            (outside.clone(), 0o644),
        ] {
            open_to_all(&path, wide);
        }
        close_to_others(&inside).unwrap();
        assert_eq!(mode(&inside), 0o700);
        assert_eq!(mode(&inside.join("b")), 0o700);
        assert_eq!(mode(&inside.join("b/file")), 0o600);
        assert_eq!(mode(&outside), 0o644);
        close_to_others(&directory.path().join("nothing")).unwrap();
    }

    #[test]
    fn a_directory_that_users_share_is_not_taken_from_them() {
        let directory = tempfile::tempdir().unwrap();
        open_to_all(directory.path(), 0o1777);
        assert!(close_directory(directory.path()).is_err());
        assert_eq!(mode(directory.path()), 0o1777);
        open_to_all(directory.path(), 0o755);
        close_directory(directory.path()).unwrap();
        assert_eq!(mode(directory.path()), 0o700);
    }
}
