//! What a model's file says: `ModelProto` of `sentencepiece_model.proto`.

use super::protobuf::{Fields, Value};

/// Why a file is no model that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It is cut off, or no protocol buffer.
    #[error("the SentencePiece model is torn")]
    Torn,
    /// It can be read, but not be used.
    #[error("the SentencePiece model is malformed: {0}")]
    Malformed(&'static str),
    /// A model that is not read here.
    #[error("the SentencePiece model is of another kind: {0}")]
    Other(&'static str),
}

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
}

/// A piece; its place among the pieces is its id.
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: Kind,
}

/// How texts are normalised.
#[derive(Debug)]
pub(super) struct Normalisation {
    /// Length of a double array, the array, and the texts that its values point into.
    pub(super) characters: Vec<u8>,
    pub(super) adds_space_before: bool,
    pub(super) removes_extra_spaces: bool,
    pub(super) escapes_spaces: bool,
}

pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    pub(super) normalisation: Normalisation,
}

/// The only kind of model that is read: `TrainerSpec.ModelType.UNIGRAM`.
const UNIGRAM: u64 = 1;

pub(super) fn parse(bytes: &[u8]) -> Result<Model, ModelError> {
    let mut pieces = Vec::new();
    let mut normalisation = Normalisation {
        characters: Vec::new(),
        adds_space_before: true,
        removes_extra_spaces: true,
        escapes_spaces: true,
    };
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(message)) => pieces.push(piece(message)?),
            (2, Value::Bytes(message)) => check_training(message)?,
            (3, Value::Bytes(message)) => read_normalisation(message, &mut normalisation)?,
            _ => {}
        }
    }
    if u32::try_from(pieces.len()).is_err() {
        return Err(ModelError::Malformed("more pieces than ids"));
    }
    Ok(Model { pieces, normalisation })
}

fn piece(message: &[u8]) -> Result<Piece, ModelError> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    for field in Fields::of(message) {
        match field? {
            (1, Value::Bytes(text)) => {
                let text = str::from_utf8(text);
                piece.text = text.map_err(|_| ModelError::Malformed("a piece is no text"))?.into();
            }
            (2, Value::Float(score)) if score.is_finite() => piece.score = score,
            (2, _) => return Err(ModelError::Malformed("a score is no finite number")),
            (3, Value::Number(kind)) => {
                piece.kind = match kind {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => Kind::UserDefined,
                    5 => Kind::Unused,
                    _ => return Err(ModelError::Other("pieces that stand for bytes")),
                }
            }
            _ => {}
        }
    }
    let comes_from_text = matches!(piece.kind, Kind::Normal | Kind::UserDefined);
    if comes_from_text && piece.text.is_empty() {
        return Err(ModelError::Malformed("an empty piece"));
    }
    Ok(piece)
}

/// Refuses what was not trained as a unigram model.
fn check_training(message: &[u8]) -> Result<(), ModelError> {
    for field in Fields::of(message) {
        if let (3, Value::Number(kind)) = field?
            && kind != UNIGRAM
        {
            return Err(ModelError::Other("no unigram model"));
        }
    }
    Ok(())
}

fn read_normalisation(message: &[u8], read: &mut Normalisation) -> Result<(), ModelError> {
    for field in Fields::of(message) {
        match field? {
            (2, Value::Bytes(characters)) => read.characters = characters.to_vec(),
            (3, Value::Number(flag)) => read.adds_space_before = flag != 0,
            (4, Value::Number(flag)) => read.removes_extra_spaces = flag != 0,
            (5, Value::Number(flag)) => read.escapes_spaces = flag != 0,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_model::{TestModel, piece};
    use super::*;

    #[test]
    fn models_of_other_kinds_and_torn_ones_are_refused() {
        let model = TestModel::with_charsmap();
        assert_eq!(parse(&model.bytes()).unwrap().pieces.len(), model.pieces.len());
        let other = TestModel { model_type: 2, ..TestModel::with_charsmap() };
        assert!(matches!(parse(&other.bytes()), Err(ModelError::Other(_))));
        for (text, score, kind) in [("", -1.0, 1), ("a", f32::NAN, 1), ("<0x41>", 0.0, 6)] {
            let mut model = TestModel::default();
            model.pieces.push(piece(text, score, kind));
            assert!(parse(&model.bytes()).is_err(), "{text}");
        }
        let bytes = model.bytes();
        assert!(matches!(parse(&bytes[..bytes.len() - 1]), Err(ModelError::Torn)));
    }
}
