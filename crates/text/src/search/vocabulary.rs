//! The different words of an index, in order, in one piece of text.

use std::ops::Range;

/// Words in order of their bytes, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Vocabulary {
    text: String,
    /// Where each word ends in the text.
    ends: Vec<usize>,
}

impl Vocabulary {
    /// Adds a word, which comes after all that are there.
    pub(super) fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.ends.push(self.text.len());
    }

    /// Gives back what room was kept for more words.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn word(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        &self.text[start..self.ends[number]]
    }

    /// The number of a word.
    pub(super) fn find(&self, word: &str) -> Option<usize> {
        let number = self.first_that_is_not(|other| other < word);
        (number < self.len() && self.word(number) == word).then_some(number)
    }

    /// The words that begin with these letters.
    pub(super) fn starting_with(&self, letters: &str) -> Range<usize> {
        let start = self.first_that_is_not(|word| word < letters);
        let end = self.first_that_is_not(|word| word < letters || word.starts_with(letters));
        start..end
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }

    /// The first word of which this does not hold; it holds of all before.
    fn first_that_is_not(&self, holds: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(self.word(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_by_their_beginning() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(vocabulary.find("car"), None);
        let words = ["36", "car", "cargo", "cars", "loan", "车", "车贷"];
        words.iter().for_each(|word| vocabulary.push(word));
        for (number, word) in words.iter().enumerate() {
            assert_eq!(vocabulary.find(word), Some(number));
            assert_eq!(vocabulary.word(number), *word);
        }
        for missing in ["", "3", "carg", "zoo", "贷"] {
            assert_eq!(vocabulary.find(missing), None, "{missing}");
        }
        assert_eq!(vocabulary.starting_with("car"), 1..4);
        assert_eq!(vocabulary.starting_with("车"), 5..7);
        assert_eq!(vocabulary.starting_with("d"), 4..4);
        assert_eq!(vocabulary.starting_with(""), 0..7);
    }
}
