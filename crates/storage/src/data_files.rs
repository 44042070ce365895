//! What lies in the data directory of a world of one's own.

use std::path::Path;

/// The tables.
pub(crate) const DATABASE: &str = "dynamodb.sqlite";
/// The objects, in a directory for each bucket.
pub(crate) const OBJECTS: &str = "s3";

/// Whether a directory has data, of whatever time.
///
/// # Errors
/// Those of the file system.
pub fn are_in(directory: &Path) -> std::io::Result<bool> {
    Ok(directory.join(DATABASE).try_exists()? || directory.join(OBJECTS).try_exists()?)
}
