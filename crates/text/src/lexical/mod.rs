//! TF-IDF over words, reduced to a few hundred dimensions: what needs no weights of others. It
//! is fitted from the texts themselves, by latent semantic analysis (Deerwester et al., Indexing
//! by Latent Semantic Analysis, 1990): words that stand in the same texts become alike, so
//! catalogues with titles in two languages bring the languages together as well.
//!
//! | to find | read |
//! | --- | --- |
//! | what counts as a word | `words` |
//! | vocabulary, weights, and their reduction | `fitting` |

mod fitting;
pub mod words;

use ndarray::{Array1, Array2, Axis};

use crate::artefact::{Artefact, ArtefactError, malformed};
use crate::encoder::{Identity, TextEncoder, normalise};
pub use fitting::{LexicalError, LexicalOptions, LexicalParams, fit};

/// What an artefact of this encoder says it is.
pub const FORMAT: &str = "lexical/1";

const TERMS: &str = "terms";
const RARITIES: &str = "rarities";
const PROJECTION: &str = "projection";

/// The encoder.
#[derive(Debug)]
pub struct Lexical {
    identity: Identity,
    /// In order, to be searched.
    terms: Vec<String>,
    rarities: Array1<f32>,
    projection: Array2<f32>,
}

impl Lexical {
    /// The encoder that an artefact holds.
    ///
    /// # Errors
    /// When it is torn, of another format, or its parts do not fit together.
    pub fn from_artefact(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let artefact = Artefact::read(bytes)?.of_format(FORMAT)?;
        let terms = str::from_utf8(artefact.bytes(TERMS)?).map_err(malformed)?;
        let terms: Vec<String> = terms.split('\n').map(str::to_owned).collect();
        if !terms.is_sorted_by(|a, b| a < b) {
            return Err(malformed("the terms are not in order"));
        }
        let rarities = artefact.vector(RARITIES)?;
        let projection = artefact.matrix(PROJECTION)?;
        if rarities.len() != terms.len() || projection.nrows() != terms.len() {
            return Err(malformed("terms, rarities and projection differ in number"));
        }
        Ok(Self { identity: artefact.identity(), terms, rarities, projection })
    }

    /// How many terms it knows.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.terms.len()
    }
}

impl TextEncoder for Lexical {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.projection.ncols()
    }

    fn encode(&self, texts: &[&str]) -> Array2<f32> {
        let mut rows = Array2::zeros((texts.len(), self.dimensions()));
        for (mut row, text) in rows.axis_iter_mut(Axis(0)).zip(texts) {
            for (word, times) in words::counted(text) {
                if let Ok(term) = self.terms.binary_search(&word) {
                    let weight = fitting::weight(times, self.rarities[term]);
                    row.scaled_add(weight, &self.projection.row(term));
                }
            }
            if let Some(row) = row.as_slice_mut() {
                normalise(row);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 8] = [
        "首次购车贷款 First car loan",
        "二手车贷款 Used car loan",
        "汽车租赁 Car lease",
        "钢琴入门 Piano for beginners",
        "钢琴进阶 Piano in practice",
        "小提琴入门 Violin for beginners",
        "葡萄酒品鉴 Tasting wine",
        "",
    ];

    fn fitted() -> Lexical {
        let params = LexicalOptions { dimensions: 6, ..LexicalOptions::default() }.check().unwrap();
        Lexical::from_artefact(&fit(&TEXTS, &params).unwrap()).unwrap()
    }

    fn nearest(encoder: &Lexical, query: &str) -> &'static str {
        let similarities = encoder.encode(&TEXTS).dot(&encoder.encode(&[query]).row(0));
        let best = (0..TEXTS.len()).max_by(|a, b| similarities[*a].total_cmp(&similarities[*b]));
        TEXTS[best.unwrap()]
    }

    #[test]
    fn a_query_finds_its_text_in_either_language() {
        let encoder = fitted();
        for (query, text) in [
            ("first car loan", TEXTS[0]),
            ("首次购车贷款", TEXTS[0]),
            ("FIRST  ＣＡＲ", TEXTS[0]),
            ("wine", TEXTS[6]),
            ("葡萄酒", TEXTS[6]),
        ] {
            assert_eq!(nearest(&encoder, query), text, "{query}");
        }
        let rows = encoder.encode(&["piano", "钢琴", "wine"]);
        assert!(rows.row(0).dot(&rows.row(1)) > 0.8, "they stand in the same texts");
        assert!(rows.row(0).dot(&rows.row(2)) < 0.2);
    }

    #[test]
    fn rows_have_length_1_or_are_zeros() {
        let encoder = fitted();
        let rows = encoder.encode(&["piano piano", "unheard of", "", "😀", "\u{0}"]);
        let lengths: Vec<f32> = rows.axis_iter(Axis(0)).map(|row| row.dot(&row)).collect();
        assert!((lengths[0] - 1.0).abs() < 1e-5);
        assert_eq!(lengths[2..], [0.0; 3]);
        assert_eq!(encoder.encode(&[]).dim(), (0, encoder.dimensions()));
    }

    #[test]
    fn an_artefact_whose_parts_do_not_fit_is_refused() {
        let write = |terms: &str, rarities: &[f32]| {
            let mut writer = crate::artefact::ArtefactWriter::default();
            writer.bytes(TERMS, terms.as_bytes().to_vec());
            writer.floats(RARITIES, &[rarities.len()], rarities);
            writer.floats(PROJECTION, &[2, 1], &[1.0, 2.0]);
            writer.write(&fitting::description(3)).unwrap()
        };
        assert!(Lexical::from_artefact(&write("a\nb", &[1.0, 1.0])).is_ok());
        for (terms, rarities) in [("b\na", &[1.0, 1.0][..]), ("a\nb", &[1.0]), ("a", &[1.0])] {
            let refused = Lexical::from_artefact(&write(terms, rarities));
            assert!(matches!(refused, Err(ArtefactError::Malformed(_))), "{terms}");
        }
    }
}
