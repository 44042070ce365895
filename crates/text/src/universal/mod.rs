//! Google's multilingual Universal Sentence Encoder, version 3: 512 numbers a text, the same
//! space for sixteen languages, Chinese and English among them. Yang et al., Multilingual
//! Universal Sentence Encoder for Semantic Retrieval (2019), the convolutional kind.
//!
//! The arithmetic is that of the package whose weights are read (`conversion` says which);
//! pieces come from SentencePiece, `network` has the layers.

mod network;
mod weights;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::artefact::{Artefact, ArtefactError, malformed};
use crate::encoder::{Identity, TextEncoder, normalise};
use crate::sentencepiece::Tokenizer;
use network::Network;
pub(crate) use weights::Weights;
#[cfg(feature = "conversion")]
pub(crate) use weights::{BRANCH_ORDERS, Branch, Layer, Norm};

/// What an artefact of this encoder says it is.
pub const FORMAT: &str = "universal/1";

/// Most pieces of a text that count: some 350 words, or 800 Chinese characters. Every piece
/// costs 1.7 million multiplications.
pub const MAX_PIECES: usize = 512;

/// Pieces that are computed at once: enough to use every weight often while it is in the cache.
const BATCH_PIECES: usize = 512;

/// The encoder.
#[derive(Debug)]
pub struct Universal {
    identity: Identity,
    tokenizer: Tokenizer,
    network: Network,
}

impl Universal {
    /// The encoder that an artefact holds.
    ///
    /// # Errors
    /// When it is torn, of another format, or its parts do not fit together.
    pub fn from_artefact(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let artefact = Artefact::read(bytes)?.of_format(FORMAT)?;
        let tokenizer = Tokenizer::from_model(artefact.bytes(weights::TOKENIZER)?);
        let tokenizer = tokenizer.map_err(malformed)?;
        let network = Network::new(Weights::read(&artefact)?)?;
        if tokenizer.pieces() > network.pieces() {
            return Err(malformed("the tokenizer has pieces that the table has not"));
        }
        Ok(Self { identity: artefact.identity(), tokenizer, network })
    }

    /// The ids of a text's pieces between those of its ends, as the network takes them; none of
    /// a text without any known piece.
    #[must_use]
    pub fn pieces(&self, text: &str) -> Vec<u32> {
        let mut pieces = self.tokenizer.encode(text);
        pieces.truncate(MAX_PIECES);
        if !pieces.iter().any(|piece| self.tokenizer.is_word(*piece)) {
            return Vec::new();
        }
        let (begin, end) = self.tokenizer.ends();
        begin.into_iter().chain(pieces).chain(end).collect()
    }
}

/// Where batches of sentences end, by their numbers of pieces.
fn batches(lengths: &[usize]) -> Vec<std::ops::Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut pieces) = (0, 0);
    for (index, length) in lengths.iter().enumerate() {
        if index > start && pieces + length > BATCH_PIECES {
            batches.push(start..index);
            (start, pieces) = (index, 0);
        }
        pieces += length;
    }
    if start < lengths.len() {
        batches.push(start..lengths.len());
    }
    batches
}

impl TextEncoder for Universal {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.network.dimensions()
    }

    fn encode(&self, texts: &[&str]) -> Array2<f32> {
        let sentences: Vec<Vec<u32>> = texts.par_iter().map(|text| self.pieces(text)).collect();
        let known: Vec<usize> =
            (0..texts.len()).filter(|index| !sentences[*index].is_empty()).collect();
        let lengths: Vec<usize> = known.iter().map(|index| sentences[*index].len()).collect();
        let encoded: Vec<Array2<f32>> = batches(&lengths)
            .into_par_iter()
            .map(|batch| {
                let batch = known[batch].iter().map(|index| &*sentences[*index]);
                self.network.encode(&batch.collect::<Vec<_>>())
            })
            .collect();
        let mut rows = Array2::zeros((texts.len(), self.dimensions()));
        let vectors = encoded.iter().flat_map(|batch| batch.axis_iter(Axis(0)));
        for (index, vector) in known.iter().zip(vectors) {
            let mut row = rows.row_mut(*index);
            row.assign(&vector);
            if let Some(row) = row.as_slice_mut() {
                normalise(row);
            }
        }
        rows
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::artefact::Description;
    use crate::sentencepiece::test_model::TestModel;

    pub(crate) fn description() -> Description {
        Description {
            format: FORMAT.into(),
            name: "tiny".into(),
            version: "0".into(),
            source: "a test".into(),
            licence: "MIT".into(),
            licence_text: String::new(),
        }
    }

    fn tiny() -> Vec<u8> {
        let weights = weights::tests::tiny(TestModel::default().pieces.len());
        weights.write(&TestModel::default().bytes(), &description()).unwrap()
    }

    #[test]
    fn rows_have_length_1_and_do_not_depend_on_their_neighbours() {
        let encoder = Universal::from_artefact(&tiny()).unwrap();
        let long = "a b ".repeat(MAX_PIECES);
        let texts = ["a", "ab a", "", "😀", "贷", &long, "b"];
        let rows = encoder.encode(&texts);
        assert_eq!(rows.dim(), (texts.len(), encoder.dimensions()));
        for (text, row) in texts.iter().zip(rows.axis_iter(Axis(0))) {
            let is_known = !["", "😀"].contains(text);
            let length = row.dot(&row);
            assert!((length - f32::from(u8::from(is_known))).abs() < 1e-5, "{text}: {length}");
            let alone = encoder.encode(&[text]);
            let apart = (&alone.row(0) - &row).iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(apart < 1e-5, "{text}: {apart}");
        }
        assert_eq!(encoder.encode(&[]).nrows(), 0);
    }

    #[test]
    fn what_goes_beyond_the_limit_is_not_read() {
        let encoder = Universal::from_artefact(&tiny()).unwrap();
        let long = "ab".repeat(MAX_PIECES);
        let longer = format!("{long}{long}");
        assert_eq!(encoder.encode(&[&long]), encoder.encode(&[&longer]));
        assert_eq!(encoder.pieces(&long).len(), MAX_PIECES + 2);
    }

    #[test]
    fn texts_fall_into_batches_by_their_pieces() {
        assert_eq!(batches(&[]), []);
        assert_eq!(batches(&[BATCH_PIECES * 2, 1, 1]), [0..1, 1..3]);
        assert_eq!(batches(&[BATCH_PIECES, BATCH_PIECES]), [0..1, 1..2]);
    }

    #[test]
    fn an_artefact_whose_parts_do_not_fit_is_refused() {
        let bytes = tiny();
        assert!(matches!(
            Universal::from_artefact(&bytes[..bytes.len() - 3]),
            Err(ArtefactError::Torn(_))
        ));
        let model = TestModel::default().bytes();
        let few = weights::tests::tiny(TestModel::default().pieces.len() - 4);
        let few = few.write(&model, &description()).unwrap();
        assert!(matches!(Universal::from_artefact(&few), Err(ArtefactError::Malformed(_))));
        let mut wide = weights::tests::tiny(8);
        wide.branches[1].first.weights = Array2::zeros((3, 2));
        let wide = wide.write(&model, &description()).unwrap();
        assert!(matches!(Universal::from_artefact(&wide), Err(ArtefactError::Malformed(_))));
    }
}
