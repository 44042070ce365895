//! Fitting: which words are known, how much each tells, and how they are reduced.

use std::collections::BTreeMap;

use crossfold_maths::sparse::SparseRows;
use crossfold_maths::svd;

use super::{FORMAT, PROJECTION, RARITIES, TERMS, words};
use crate::artefact::{ArtefactError, ArtefactWriter, Description};

/// What is fitted, before it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LexicalOptions {
    /// How long vectors are at most, 1 to 512; fewer where the texts have no more to tell.
    pub dimensions: usize,
    /// How many words are known at most, 1 to 200,000: those of the most texts. Each takes
    /// 4 bytes a dimension.
    pub max_terms: usize,
    /// The seed of the reduction.
    pub seed: u64,
}

impl Default for LexicalOptions {
    fn default() -> Self {
        Self { dimensions: 128, max_terms: 20_000, seed: 0 }
    }
}

/// What is fitted, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LexicalParams(LexicalOptions);

/// Why nothing can be fitted.
#[derive(Debug, thiserror::Error)]
pub enum LexicalError {
    /// An option is out of its range.
    #[error("{0} must be between 1 and {1}")]
    OutOfRange(&'static str, usize),
    /// No text has a word.
    #[error("no text has a word")]
    NoWords,
    /// The artefact cannot be written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

const MAX_DIMENSIONS: usize = 512;
const MAX_TERMS: usize = 200_000;

impl LexicalOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// When an option is out of its range.
    pub fn check(self) -> Result<LexicalParams, LexicalError> {
        if !(1..=MAX_DIMENSIONS).contains(&self.dimensions) {
            return Err(LexicalError::OutOfRange("dimensions", MAX_DIMENSIONS));
        }
        if !(1..=MAX_TERMS).contains(&self.max_terms) {
            return Err(LexicalError::OutOfRange("max_terms", MAX_TERMS));
        }
        Ok(LexicalParams(self))
    }
}

/// What a word that stands so often in a text weighs there: Salton and Buckley, Term-weighting
/// approaches in automatic text retrieval (1988), with the logarithm of the number.
pub(super) fn weight(times: u32, rarity: f32) -> f32 {
    (1.0 + (times as f32).ln()) * rarity
}

pub(super) fn description(texts: usize) -> Description {
    Description {
        format: FORMAT.into(),
        name: "lexical".into(),
        version: "1".into(),
        source: format!("fitted from {texts} texts"),
        licence: String::new(),
        licence_text: String::new(),
    }
}

/// The artefact of an encoder that is fitted from these texts. The same for the same texts in
/// the same order, whatever the number of threads.
///
/// # Errors
/// When no text has a word.
pub fn fit(texts: &[&str], params: &LexicalParams) -> Result<Vec<u8>, LexicalError> {
    let LexicalOptions { dimensions, max_terms, seed } = params.0;
    let counted: Vec<BTreeMap<String, u32>> =
        texts.iter().map(|text| words::counted(text)).collect();
    let terms = vocabulary(&counted, max_terms);
    if terms.is_empty() {
        return Err(LexicalError::NoWords);
    }
    let rarities: Vec<f32> = terms
        .values()
        .map(|(_, texts_with)| {
            // As if one more text had every word: no logarithm of 0, and nothing weighs nothing.
            ((1.0 + texts.len() as f32) / (1.0 + *texts_with as f32)).ln() + 1.0
        })
        .collect();
    let rows = counted.iter().map(|words| row(words, &terms, &rarities));
    let matrix = SparseRows::from_rows(terms.len(), rows.collect::<Vec<_>>());
    let reduced = svd::truncated(&matrix, dimensions, seed).map_err(crate::artefact::malformed)?;
    let mut writer = ArtefactWriter::default();
    let names: Vec<&str> = terms.keys().map(|term| &**term).collect();
    writer.bytes(TERMS, names.join("\n").into_bytes());
    writer.floats(RARITIES, &[rarities.len()], &rarities);
    let projection: Vec<f32> = reduced.right.iter().copied().collect();
    writer.floats(PROJECTION, reduced.right.shape(), &projection);
    Ok(writer.write(&description(texts.len()))?)
}

/// The words of the most texts, with their column and in how many texts they stand.
fn vocabulary(counted: &[BTreeMap<String, u32>], most: usize) -> BTreeMap<&str, (u32, u32)> {
    let mut texts_with: BTreeMap<&str, u32> = BTreeMap::new();
    for word in counted.iter().flat_map(BTreeMap::keys) {
        *texts_with.entry(word).or_default() += 1;
    }
    let mut terms: Vec<(&str, u32)> = texts_with.into_iter().collect();
    // They come in their own order, which decides among equals.
    terms.sort_by_key(|(_, texts)| std::cmp::Reverse(*texts));
    terms.truncate(most);
    terms.sort_unstable();
    (0..).zip(terms).map(|(column, (term, texts))| (term, (column, texts))).collect()
}

/// A text's weights, of length 1: long texts count no more than short ones.
fn row(
    words: &BTreeMap<String, u32>,
    terms: &BTreeMap<&str, (u32, u32)>,
    rarities: &[f32],
) -> Vec<(u32, f32)> {
    let known = words.iter().filter_map(|(word, times)| {
        let (column, _) = terms.get(&**word)?;
        Some((*column, weight(*times, rarities[*column as usize])))
    });
    let mut row: Vec<(u32, f32)> = known.collect();
    let length = row.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    row.iter_mut().for_each(|(_, value)| *value /= length);
    row
}

#[cfg(test)]
mod tests {
    use super::super::Lexical;
    use super::*;

    #[test]
    fn the_vocabulary_is_bounded_and_keeps_the_words_of_most_texts() {
        let params = LexicalOptions { max_terms: 2, ..LexicalOptions::default() }.check().unwrap();
        let artefact = fit(&["a b", "c b", "c d b"], &params).unwrap();
        let encoder = Lexical::from_artefact(&artefact).unwrap();
        assert_eq!(encoder.terms(), 2);
        use crate::encoder::TextEncoder;
        let rows = encoder.encode(&["a", "b", "c", "d"]);
        let known: Vec<bool> = rows.rows().into_iter().map(|row| row.dot(&row) > 0.5).collect();
        assert_eq!(known, [false, true, true, false]);
    }

    #[test]
    fn the_same_texts_give_the_same_bytes() {
        let params = LexicalOptions::default().check().unwrap();
        let texts = ["汽车贷款", "car loan", "first loan"];
        assert_eq!(fit(&texts, &params).unwrap(), fit(&texts, &params).unwrap());
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        let params = LexicalOptions::default().check().unwrap();
        for texts in [&[][..], &[""], &["😀", " "]] {
            assert!(matches!(fit(texts, &params), Err(LexicalError::NoWords)));
        }
        for options in [
            LexicalOptions { dimensions: 0, ..LexicalOptions::default() },
            LexicalOptions { dimensions: 513, ..LexicalOptions::default() },
            LexicalOptions { max_terms: 0, ..LexicalOptions::default() },
        ] {
            assert!(matches!(options.check(), Err(LexicalError::OutOfRange(..))));
        }
    }
}
