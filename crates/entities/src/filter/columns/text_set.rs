//! Sets of texts by a dictionary: each text once, and the numbers of each row one behind
//! the other.

use super::text::{Dictionary, TextsInOrderOfArrival};
use crate::filter::bit_mask::BitMask;

/// A set of texts or none, one a row. A set may be empty, which is not the same as missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSetColumn {
    dictionary: Dictionary,
    /// Of all rows; those of a row are in order, and each stands once.
    codes: Vec<u32>,
    /// Where the codes of a row begin, and where those of the last one end.
    offsets: Vec<usize>,
    present: BitMask,
}

impl TextSetColumn {
    /// In which rows there is a value.
    #[must_use]
    pub fn present(&self) -> &BitMask {
        &self.present
    }

    pub(in crate::filter) fn dictionary(&self) -> &[String] {
        &self.dictionary.texts
    }

    /// The codes of a row, none where the set is missing. There must be such a row.
    pub(in crate::filter) fn codes(&self, row: usize) -> &[u32] {
        &self.codes[self.offsets[row]..self.offsets[row + 1]]
    }

    /// The texts in a row, in order; `None` where they are missing, or there is no such row.
    pub fn get(&self, row: usize) -> Option<impl Iterator<Item = &str>> {
        let codes = self.present.get(row).then(|| self.codes(row))?;
        Some(codes.iter().map(|code| self.dictionary.texts[*code as usize].as_str()))
    }
}

impl<T: AsRef<str>, S: IntoIterator<Item = T>> FromIterator<Option<S>> for TextSetColumn {
    /// # Panics
    /// With more than 2^32 different texts.
    fn from_iter<I: IntoIterator<Item = Option<S>>>(rows: I) -> Self {
        let mut texts = TextsInOrderOfArrival::default();
        let (mut codes, mut present) = (Vec::new(), Vec::new());
        for row in rows {
            present.push(row.is_some());
            let set = row.into_iter().flatten();
            codes.push(set.map(|text| texts.code(text.as_ref())).collect::<Vec<u32>>());
        }
        let (dictionary, in_order) = texts.into_dictionary();
        let (mut flat, mut offsets) = (Vec::new(), vec![0]);
        for mut row in codes {
            row.iter_mut().for_each(|code| *code = in_order[*code as usize]);
            row.sort_unstable();
            row.dedup();
            flat.append(&mut row);
            offsets.push(flat.len());
        }
        Self { dictionary, codes: flat, offsets, present: present.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_in_a_set_once_and_an_empty_set_is_not_missing() {
        let rows = [Some(vec!["b", "a", "b"]), None, Some(vec![])];
        let column: TextSetColumn = rows.into_iter().collect();
        let texts = |row| column.get(row).map(Iterator::collect::<Vec<_>>);
        assert_eq!(texts(0), Some(vec!["a", "b"]));
        assert_eq!((texts(1), texts(2), texts(3)), (None, Some(vec![]), None));
    }
}
