//! What every encoder can do.

use std::fmt;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

/// Which encoder made a vector, for manifests: vectors are comparable only within one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The encoder's name, such as `universal-sentence-encoder-multilingual`.
    pub name: String,
    /// The version of what it was made from.
    pub version: String,
    /// SHA-256 of its artefact, in hexadecimal.
    pub sha256: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, sha256 } = self;
        write!(formatter, "{name} {version} ({})", sha256.get(..12).unwrap_or(sha256))
    }
}

/// Something that makes vectors of texts.
pub trait TextEncoder: fmt::Debug + Send + Sync {
    /// Which encoder this is.
    fn identity(&self) -> &Identity;

    /// How long its vectors are; above 0.
    fn dimensions(&self) -> usize;

    /// A row for each text, in their order, of length 1: products of rows are cosines. A text
    /// without anything the encoder knows has a row of zeros, which is like nothing. Every value
    /// is finite, a text's row does not depend on the texts beside it (but for rounding), and
    /// the work a text takes is bounded: what goes beyond the encoder's limit is not read.
    fn encode(&self, texts: &[&str]) -> Array2<f32>;
}

/// The rows of many texts, so many at a time: encoders hold some kilobytes for each word of what
/// they are given at once.
///
/// # Panics
/// When `batch` is 0.
#[must_use]
pub fn encode_in_batches(encoder: &dyn TextEncoder, texts: &[&str], batch: usize) -> Array2<f32> {
    let mut vectors = Array2::zeros((texts.len(), encoder.dimensions()));
    let rows = vectors.axis_chunks_iter_mut(Axis(0), batch);
    texts.chunks(batch).zip(rows).for_each(|(texts, mut rows)| rows.assign(&encoder.encode(texts)));
    vectors
}

/// Gives a vector the length 1; one that has no direction, or none that is finite, becomes zeros.
pub(crate) fn normalise(row: &mut [f32]) {
    let squares: f64 = row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    let scale = squares.sqrt().recip();
    if scale.is_finite() && squares.is_finite() {
        row.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
    } else {
        row.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_without_direction_becomes_zeros() {
        for mut row in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            normalise(&mut row);
            assert_eq!(row, [0.0, 0.0]);
        }
        let mut huge = [3.0e38, 0.0];
        normalise(&mut huge);
        assert_eq!(huge, [1.0, 0.0]);
        let mut row = [3.0, 4.0];
        normalise(&mut row);
        assert_eq!(row, [0.6, 0.8]);
    }

    #[test]
    fn an_identity_is_short_to_read() {
        let identity =
            Identity { name: "lexical".into(), version: "1".into(), sha256: "ab".repeat(32) };
        assert_eq!(identity.to_string(), "lexical 1 (abababababab)");
    }
}
