//! Whatever encoder an artefact holds.

use crate::artefact::{Artefact, ArtefactError};
use crate::encoder::TextEncoder;

/// The encoder that an artefact holds, if this build reads its format.
///
/// # Errors
/// When it is torn, no encoder's, malformed, or of a format that this build does not read: each
/// format stands behind a feature.
pub fn open(bytes: &[u8]) -> Result<Box<dyn TextEncoder>, ArtefactError> {
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
