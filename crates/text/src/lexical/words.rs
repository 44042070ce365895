//! What counts as a word: Chinese by jieba's dictionary, anything else between what is neither
//! letter nor digit.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jieba_rs::Jieba;

/// Most characters of a text that are read: some 4,000 words.
pub(crate) const MAX_CHARACTERS: usize = 8192;

/// Most characters of a word: what is longer is an address or an accident, and is cut.
const MAX_WORD_CHARACTERS: usize = 40;

/// The segmenter, whose dictionary is read once a process, by who needs it first.
static SEGMENTER: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// A character as it is compared: full-width forms, which Chinese keyboards write, are the
/// plain ones.
fn folded(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        '\u{3000}' => ' ',
        other => other,
    }
}

/// Whether a character is written without spaces between words, and jieba has words of it.
pub(crate) fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The words of a text, in order. Long Chinese words are given beside their parts, so that a
/// part finds the whole.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let text: String = text.chars().take(MAX_CHARACTERS).map(folded).collect();
    let text = text.to_lowercase();
    let mut words = Vec::new();
    for run in text.split(|character: char| !character.is_alphanumeric()) {
        let mut rest = run;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|character| is_han(character) != is_han(first));
            let (same, others) = rest.split_at(end.unwrap_or(rest.len()));
            rest = others;
            if is_han(first) {
                let found = SEGMENTER.cut_for_search(same, true);
                words.extend(found.iter().map(|token| token.word.to_owned()));
            } else {
                words.push(same.chars().take(MAX_WORD_CHARACTERS).collect());
            }
        }
    }
    words
}

/// The words of a text that may say what it is about: those of two characters or more. A single one
/// is a particle or a measure (的, 期), a digit or a letter.
///
/// ```
/// use crossfold_text::lexical::words::telling_words;
///
/// assert_eq!(telling_words("新能源汽车·36期 (loan)"), ["能源", "新能源", "汽车", "36", "loan"]);
/// ```
#[must_use]
pub fn telling_words(text: &str) -> Vec<String> {
    let mut words = words(text);
    words.retain(|word| word.chars().nth(1).is_some());
    words
}

/// The words of a text, with how often each stands there.
pub(super) fn counted(text: &str) -> BTreeMap<String, u32> {
    let mut counted = BTreeMap::new();
    for word in words(text) {
        *counted.entry(word).or_default() += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chinese_is_cut_by_meaning_and_the_rest_between_signs() {
        assert_eq!(words("新能源汽车 loan"), ["能源", "新能源", "汽车", "loan"]);
        assert_eq!(words("Excel数据分析"), ["excel", "数据", "分析", "数据分析"]);
        assert_eq!(words("ＳＵＶ，36期!"), ["suv", "36", "期"]);
        assert_eq!(words("naïve—ЁЖ straße"), ["naïve", "ёж", "straße"]);
        assert_eq!(words(" \u{3000}😀、 "), [""; 0]);
    }

    #[test]
    fn words_and_texts_are_cut_at_their_limits() {
        assert_eq!(words(&"x".repeat(99)), ["x".repeat(MAX_WORD_CHARACTERS)]);
        assert_eq!(words(&"a ".repeat(MAX_CHARACTERS)).len(), MAX_CHARACTERS / 2);
    }

    proptest! {
        #[test]
        fn no_word_is_empty_or_has_a_line_end(text in "\\PC{0,60}|[\\s\\w贷款汽车]{0,60}") {
            for (word, times) in counted(&text) {
                prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace));
                prop_assert!(times > 0);
            }
        }
    }
}
