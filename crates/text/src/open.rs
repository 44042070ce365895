//! Whatever encoder an artefact holds.

use crate::artefact::{Artefact, ArtefactError, malformed};
use crate::encoder::TextEncoder;

/// Longest vectors of an encoder: what is learned from them costs their cube.
pub const MOST_DIMENSIONS: usize = 1_024;

/// The encoder that an artefact holds, if this build reads its format.
///
/// # Errors
/// When it is torn, no encoder's, malformed, wider than [`MOST_DIMENSIONS`], or of a format that this build does not read: each
/// format stands behind a feature.
pub fn open(bytes: &[u8]) -> Result<Box<dyn TextEncoder>, ArtefactError> {
    let encoder = of_its_format(bytes)?;
    match encoder.dimensions() {
        0..=MOST_DIMENSIONS => Ok(encoder),
        more => Err(malformed(format_args!(
            "its vectors have {more} values, and {MOST_DIMENSIONS} at most are learned from"
        ))),
    }
}

fn of_its_format(bytes: &[u8]) -> Result<Box<dyn TextEncoder>, ArtefactError> {
    let format = Artefact::read(bytes)?.description.format;
    match format.as_str() {
        #[cfg(feature = "lexical")]
        crate::lexical::FORMAT => Ok(Box::new(crate::lexical::Lexical::from_artefact(bytes)?)),
        #[cfg(feature = "universal")]
        crate::universal::FORMAT => {
            Ok(Box::new(crate::universal::Universal::from_artefact(bytes)?))
        }
        #[cfg(feature = "model2vec")]
        crate::model2vec::FORMAT => {
            Ok(Box::new(crate::model2vec::Model2Vec::from_artefact(bytes)?))
        }
        #[cfg(feature = "bert")]
        crate::bert::FORMAT => Ok(Box::new(crate::bert::Bert::from_artefact(bytes)?)),
        _ => Err(ArtefactError::OtherFormat(format)),
    }
}

#[cfg(all(test, feature = "lexical"))]
mod tests {
    use super::*;
    use crate::artefact::{ArtefactWriter, Description};

    fn artefact_of(dimensions: usize) -> Result<Vec<u8>, ArtefactError> {
        let mut writer = ArtefactWriter::default();
        writer.bytes("terms", b"loan".to_vec());
        writer.floats("rarities", &[1], &[1.0]);
        writer.floats("projection", &[1, dimensions], &vec![0.1; dimensions]);
        let description = Description {
            format: crate::lexical::FORMAT.to_owned(),
            name: "wide".to_owned(),
            version: "1".to_owned(),
            source: "a test".to_owned(),
            licence: "none".to_owned(),
            licence_text: String::new(),
        };
        writer.write(&description)
    }

    #[test]
    fn an_encoder_whose_vectors_are_too_long_to_be_learned_from_is_refused() {
        assert!(open(&artefact_of(MOST_DIMENSIONS).unwrap()).is_ok());
        let refused = open(&artefact_of(MOST_DIMENSIONS + 1).unwrap()).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("1025 values"), "{refused}");
    }
}
