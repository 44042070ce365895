//! Texts by a dictionary: each text once, and a number a row.

use std::collections::BTreeMap;

use crate::filter::bit_mask::BitMask;

/// A text or none, one a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextColumn {
    dictionary: Dictionary,
    codes: Vec<u32>,
    present: BitMask,
}

impl TextColumn {
    /// In which rows there is a value.
    #[must_use]
    pub fn present(&self) -> &BitMask {
        &self.present
    }

    pub(in crate::filter) fn dictionary(&self) -> &[String] {
        &self.dictionary.texts
    }

    /// Places in the dictionary; 0 where a text is missing.
    pub(in crate::filter) fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// What is in a row; `None` where it is missing, or there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let code = self.present.get(row).then(|| self.codes[row] as usize)?;
        self.dictionary().get(code).map(String::as_str)
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for TextColumn {
    /// # Panics
    /// With more than 2^32 different texts.
    fn from_iter<I: IntoIterator<Item = Option<T>>>(rows: I) -> Self {
        let mut texts = TextsInOrderOfArrival::default();
        let codes: Vec<Option<u32>> =
            rows.into_iter().map(|row| row.map(|text| texts.code(text.as_ref()))).collect();
        let (dictionary, in_order) = texts.into_dictionary();
        let code = |code: &Option<u32>| code.map_or(0, |code| in_order[code as usize]);
        Self {
            codes: codes.iter().map(code).collect(),
            present: codes.iter().map(Option::is_some).collect(),
            dictionary,
        }
    }
}

/// Different texts in the order of their code points, so that one is found by halving.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Dictionary {
    pub(super) texts: Vec<String>,
}

/// Texts that are numbered as they come.
#[derive(Default)]
pub(super) struct TextsInOrderOfArrival {
    codes: BTreeMap<String, u32>,
}

impl TextsInOrderOfArrival {
    pub(super) fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        assert!(self.codes.len() < u32::MAX as usize, "too many texts for a dictionary");
        let code = self.codes.len() as u32;
        self.codes.insert(text.into(), code);
        code
    }

    /// The texts in order, and the place of each by its number of arrival.
    pub(super) fn into_dictionary(self) -> (Dictionary, Vec<u32>) {
        let mut places = vec![0; self.codes.len()];
        let mut texts = Vec::with_capacity(places.len());
        for (place, (text, code)) in (0..).zip(self.codes) {
            places[code as usize] = place;
            texts.push(text);
        }
        (Dictionary { texts }, places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_kept_once_in_order() {
        let rows = [Some("课"), Some("b"), None, Some("a"), Some("b"), Some("")];
        let column: TextColumn = rows.into_iter().collect();
        assert_eq!(column.dictionary(), ["", "a", "b", "课"]);
        assert_eq!(column.codes(), [3, 2, 0, 1, 2, 0]);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|row| column.get(row)), rows);
        assert_eq!(column.get(6), None);
    }
}
