//! What a text is found by: its words, and, of what is written in Chinese, its parts.
//!
//! Where a word of Chinese begins and ends depends on what stands around it: the same two characters are a
//! word in one title and parts of two in another. So beside the words that the dictionary finds, every
//! character and every two that follow one another are terms too, as search engines for Chinese have it
//! (Nie, Gao, Zhang, Zhou, *On the use of words and n-grams for Chinese information retrieval*, 2000).
//! Accents of Latin, Greek and Cyrillic letters do not count: they are written or not as keyboards have
//! them.

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use crate::lexical::words::{is_han, words};

/// Ends the alphabets whose accents do not count, but for more Latin letters with accents.
const FOLDED: char = '\u{52f}';
/// Latin letters with accents.
const ACCENTED: std::ops::RangeInclusive<char> = '\u{1e00}'..='\u{1eff}';

/// The words of a text, in order.
pub(super) fn words_of(text: &str) -> Vec<String> {
    words(&without_accents(text))
}

/// The characters of the Chinese in a text and every two that follow one another, in order.
pub(super) fn han_parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut before: Option<char> = None;
    for character in text.chars() {
        if !is_han(character) {
            before = None;
            continue;
        }
        parts.push(character.to_string());
        parts.extend(before.map(|before| [before, character].iter().collect()));
        before = Some(character);
    }
    parts
}

/// Whether all of a word is Chinese.
pub(super) fn is_of_han(word: &str) -> bool {
    word.chars().all(is_han)
}

/// The same with plain letters in place of those with accents.
fn without_accents(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match character <= FOLDED || ACCENTED.contains(&character) {
            true => decompose_canonical(character, |part| {
                if !is_combining_mark(part) {
                    folded.push(part);
                }
            }),
            false => folded.push(character),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_do_not_count_however_they_are_written() {
        for (text, expected) in [
            ("Müller", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("García", "garcia"),
            ("Đặng", "đang"),
            ("Ёлка", "елка"),
            ("Άλφα", "αλφα"),
        ] {
            assert_eq!(words_of(text), [expected], "{text}");
        }
        assert_eq!(words_of("ガイド"), ["ガイド"], "a mark that makes another letter");
        assert_eq!(words_of("한국"), ["한국"]);
    }

    #[test]
    fn chinese_has_its_characters_and_every_two_in_a_row() {
        assert_eq!(han_parts("投入门a车 险"), ["投", "入", "投入", "门", "入门", "车", "险"]);
        assert_eq!(han_parts("loan 36"), [""; 0]);
    }
}
