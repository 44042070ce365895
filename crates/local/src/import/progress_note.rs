//! A note beside a file that is being imported, so that an import that was killed goes on
//! where it was. Without the note nothing is lost: what was imported is a duplicate. Nor is
//! anything by it: it is of the file's content, and what it says was stored last is posted
//! again, for the store may be another one by now.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// What became of the rows so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Rows of the file that need not be looked at again.
    pub(crate) rows: u64,
    /// Events that were stored.
    pub(crate) accepted: u64,
    /// Events that had been stored before.
    pub(crate) duplicates: u64,
    /// Events that were found stored when they were sent again: by the first try, which was
    /// not answered in time, or before.
    #[serde(default)]
    pub(crate) sent_again: u64,
    /// Events of erased people, which were left out.
    pub(crate) of_erased: u64,
    /// Events that the API refused.
    pub(crate) refused: u64,
    /// Items that got a name.
    #[serde(default)]
    pub(crate) named_items: u64,
}

impl Done {
    /// Events that are stored, whoever stored them.
    pub(crate) fn stored(self) -> u64 {
        self.accepted + self.duplicates + self.sent_again
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    import: String,
    done: Done,
}

/// The note of one import of one file.
pub(crate) struct ProgressNote {
    path: PathBuf,
    /// What is imported where and how: a note of another import is not used.
    import: String,
}

impl ProgressNote {
    /// The note of an import: of this file as it is now, to `target`, with `options`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn new(file: &Path, target: &str, options: &str) -> Result<Self> {
        let mut hash = Sha256::new();
        for part in [target, options] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut reader = BufReader::with_capacity(1 << 16, File::open(file)?);
        loop {
            let read = reader.fill_buf()?;
            if read.is_empty() {
                break;
            }
            hash.update(read);
            let length = read.len();
            reader.consume(length);
        }
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".importing.json");
        let import = HEXLOWER.encode(&hash.finalize()[..16]);
        Ok(Self { path: file.with_file_name(name), import })
    }

    /// How far an earlier, killed import came.
    pub(crate) fn read(&self) -> Done {
        let note = std::fs::read(&self.path).ok();
        let note = note.and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        note.filter(|note| note.import == self.import).map(|note| note.done).unwrap_or_default()
    }

    /// Notes how far it came.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub(crate) fn write(&self, done: Done) -> io::Result<()> {
        let note = Note { import: self.import.clone(), done };
        let directory = self.path.parent().filter(|parent| *parent != Path::new(""));
        let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(&serde_json::to_vec(&note)?)?;
        file.persist(&self.path)?;
        Ok(())
    }

    /// Takes the note away: the import is complete.
    pub(crate) fn remove(&self) {
        // There may be none; and one that stays is of another import than the next.
        std::fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_by_the_same_import_of_the_same_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.csv");
        std::fs::write(&file, "user_id,item_id\n").unwrap();
        let note = |options: &str| ProgressNote::new(&file, "here", options).unwrap();
        let done = Done { rows: 500, accepted: 499, refused: 1, ..Done::default() };
        assert_eq!(note("").read(), Done::default());
        note("").write(done).unwrap();
        assert_eq!(note("").read(), done);
        assert_eq!(note("--type view").read(), Done::default());
        // Of the same length, and of the same time.
        let changed = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "user_id;item_id\n").unwrap();
        File::options().append(true).open(&file).unwrap().set_modified(changed).unwrap();
        assert_eq!(note("").read(), Done::default(), "the file is another one");
        note("").remove();
        note("").remove();
    }
}
