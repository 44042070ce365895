//! SentencePiece with a unigram model: a text becomes the most likely sequence of known pieces.
//! Kudo, Subword Regularization (2018), section 3, for the model; Kudo and Richardson,
//! SentencePiece (2018), for the normalisation and the file.
//!
//! | to find | read |
//! | --- | --- |
//! | the file (a protocol buffer) | `protobuf`, `model` |
//! | how a text is normalised before | `normaliser` |
//! | which pieces begin at a place | `prefixes` |
//! | the most likely sequence | `viterbi` |

mod model;
mod normaliser;
mod prefixes;
mod protobuf;
mod viterbi;

#[cfg(test)]
pub(crate) mod test_model;

pub use model::ModelError;
use model::{Kind, Model};
use normaliser::{Normaliser, SPACE};
use prefixes::Prefixes;

/// Most characters of a text that are read. A piece has three or four, and encoders read a few
/// hundred pieces; white space and what normalises to nothing may take the rest.
pub const MAX_CHARACTERS: usize = 8192;

/// How much less likely than the least likely piece an unknown character is, in natural
/// logarithms: the constant of SentencePiece's implementation.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A tokenizer. Control pieces never come from a text: `<s>` in one is four characters.
#[derive(Debug)]
pub struct Tokenizer {
    normaliser: Normaliser,
    prefixes: Prefixes,
    scores: Vec<f32>,
    unknown: u32,
    unknown_score: f32,
    /// A space by itself, as it stands before what has no piece that begins with one.
    space: Option<u32>,
    begin: Option<u32>,
    end: Option<u32>,
}

impl Tokenizer {
    /// The tokenizer of a `.model` file.
    ///
    /// # Errors
    /// When the file is torn, or of a kind that this does not read: only unigram models
    /// without bytes as pieces.
    pub fn from_model(bytes: &[u8]) -> Result<Self, ModelError> {
        let Model { pieces, normalisation } = model::parse(bytes)?;
        let of_kind = |kind: Kind| pieces.iter().position(move |piece| piece.kind == kind);
        let unknown = of_kind(Kind::Unknown).ok_or(ModelError::Malformed("no unknown piece"))?;
        let control = |text: &str| {
            let is_it = |piece: &model::Piece| piece.kind == Kind::Control && piece.text == text;
            pieces.iter().position(is_it).map(|id| id as u32)
        };
        let (begin, end) = (control("<s>"), control("</s>"));
        let normal = || pieces.iter().filter(|piece| piece.kind == Kind::Normal);
        if normal().next().is_none() {
            return Err(ModelError::Malformed("no piece"));
        }
        let least = normal().map(|piece| piece.score).fold(f32::INFINITY, f32::min);
        let most = normal().map(|piece| piece.score).fold(f32::NEG_INFINITY, f32::max);
        let score = |piece: &model::Piece| match piece.kind {
            // As in SentencePiece: such a piece is always taken whole.
            Kind::UserDefined => piece.text.len() as f32 * most - 0.1,
            _ => piece.score,
        };
        let scores = pieces.iter().map(score).collect();
        let from_text = pieces.iter().enumerate().filter_map(|(id, piece)| {
            let is_text = matches!(piece.kind, Kind::Normal | Kind::UserDefined);
            is_text.then_some((piece.text.as_str(), id as u32))
        });
        Ok(Self {
            prefixes: Prefixes::new(from_text),
            normaliser: Normaliser::new(normalisation)?,
            scores,
            unknown: unknown as u32,
            unknown_score: least - UNKNOWN_PENALTY,
            space: pieces.iter().position(|piece| piece.text == SPACE).map(|id| id as u32),
            begin,
            end,
        })
    }

    /// How many pieces there are: ids are below.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.scores.len()
    }

    /// Whether a piece says something: what no piece covers does not, nor does a space.
    #[must_use]
    pub fn is_word(&self, id: u32) -> bool {
        id != self.unknown && Some(id) != self.space
    }

    /// The ids that stand before and after a sentence (`<s>`, `</s>`), where the model has them.
    #[must_use]
    pub fn ends(&self) -> (Option<u32>, Option<u32>) {
        (self.begin, self.end)
    }

    /// The ids of a text's pieces, without those of its ends; of no more than
    /// [`MAX_CHARACTERS`] of it. Each character that no piece covers is one unknown.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let end = text.char_indices().nth(MAX_CHARACTERS).map_or(text.len(), |(end, _)| end);
        let normalised = self.normaliser.normalise(&text[..end]);
        viterbi::most_likely(self, &normalised)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::test_model::{TestModel, piece};
    use super::*;

    fn tokenizer() -> Tokenizer {
        let model = TestModel {
            pieces: vec![
                piece("<unk>", 0.0, 2),
                piece("<s>", 0.0, 3),
                piece("</s>", 0.0, 3),
                piece("▁car", -1.0, 1),
                piece("▁", -2.0, 1),
                piece("c", -4.0, 1),
                piece("a", -4.0, 1),
                piece("r", -4.0, 1),
                piece("ar", -5.0, 1),
                piece("贷款", -3.0, 1),
                piece("▁never", -9.0, 5),
            ],
            ..TestModel::default()
        };
        Tokenizer::from_model(&model.bytes()).unwrap()
    }

    #[test]
    fn the_most_likely_pieces_are_taken() {
        let tokenizer = tokenizer();
        assert_eq!(tokenizer.encode("car"), [3]);
        assert_eq!(tokenizer.encode("  car   car "), [3, 3], "spaces are one space");
        assert_eq!(tokenizer.encode("ar"), [4, 8], "-7 is better than -10");
        assert_eq!(tokenizer.encode("car贷款"), [3, 9]);
    }

    #[test]
    fn what_no_piece_covers_is_unknown_character_by_character() {
        let tokenizer = tokenizer();
        assert_eq!(tokenizer.encode("😀é"), [4, 0, 0]);
        assert_eq!(
            tokenizer.encode("<s>"),
            [4, 0, 0, 0],
            "a control piece never comes from a text"
        );
        assert_eq!(tokenizer.encode("never"), [4, 0, 0, 0, 0, 7], "an unused piece is not used");
        for empty in ["", " ", "   "] {
            assert_eq!(tokenizer.encode(empty), [0; 0]);
        }
    }

    #[test]
    fn no_more_of_a_text_is_read_than_its_limit() {
        let tokenizer = tokenizer();
        let (whole, longer) = ("a".repeat(MAX_CHARACTERS), "a".repeat(MAX_CHARACTERS * 4));
        assert_eq!(tokenizer.encode(&whole), tokenizer.encode(&longer));
        assert_eq!(tokenizer.encode(&whole).len(), MAX_CHARACTERS + 1);
    }

    proptest! {
        #[test]
        fn any_text_has_pieces_below_their_number(text in "\\PC{0,40}") {
            let tokenizer = tokenizer();
            let ids = tokenizer.encode(&text);
            prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.pieces()));
        }

        #[test]
        fn any_bytes_are_a_model_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Tokenizer::from_model(&bytes);
        }

        #[test]
        fn a_model_that_was_hit_somewhere_still_answers(
            place in 0usize..200, value in any::<u8>(), text in "\\PC{0,20}",
        ) {
            let mut bytes = TestModel::with_charsmap().bytes();
            let place = place % bytes.len();
            bytes[place] = value;
            if let Ok(tokenizer) = Tokenizer::from_model(&bytes) {
                let ids = tokenizer.encode(&text);
                prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.pieces()));
            }
        }
    }
}
