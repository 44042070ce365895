//! Words that no item has as they are written: mistyped, or not yet typed out.

use std::collections::BTreeSet;

use super::TextIndex;
use super::query::QueryWord;

/// Fewest letters of a word that may be mistyped: of shorter ones, too many are one letter
/// from another that means something else.
const FEWEST_LETTERS_MISTYPED: usize = 5;

/// Most words that a mistyped one is compared with: some 20 nanoseconds each.
const MOST_COMPARED: usize = 50_000;

/// Most words that a beginning stands for: those of the most items.
const MOST_ENDINGS: usize = 8;

/// The words that one may be the beginning of, at most eight, of the most items.
pub(super) fn longer(index: &TextIndex, word: &QueryWord) -> Vec<usize> {
    if !word.is_unfinished {
        return Vec::new();
    }
    let mut words: Vec<usize> = index.vocabulary.starting_with(&word.word).collect();
    // They come in order, which decides among equals.
    words.sort_by_key(|word| std::cmp::Reverse(index.postings(*word).len()));
    words.truncate(MOST_ENDINGS);
    words
}

/// The word that was meant by one of five Latin letters or more: one edit away (a letter more,
/// less or another, or two that changed places: four of five errors are one of these; Damerau,
/// A technique for computer detection and correction of spelling errors, 1964), of the most
/// items. Only words that begin with the same letter are looked at, as few errors are in the
/// first, and of those the first 50,000.
pub(super) fn meant(index: &TextIndex, word: &str) -> Option<usize> {
    if word.len() < FEWEST_LETTERS_MISTYPED || !is_latin(word) {
        return None;
    }
    let likely = index.vocabulary.starting_with(&word[..1]).take(MOST_COMPARED);
    let near = likely.filter(|other| {
        let other = index.vocabulary.word(*other);
        is_one_edit_away(word.as_bytes(), other.as_bytes()) && is_latin(other)
    });
    near.min_by_key(|other| (std::cmp::Reverse(index.postings(*other).len()), *other))
}

/// Fewest letters of a word that has a plural.
const FEWEST_LETTERS_OF_PLURALS: usize = 3;

/// The plurals and singulars of a Latin word that items have, as English makes them by rule.
pub(super) fn forms(index: &TextIndex, word: &str) -> Vec<usize> {
    if word.len() < FEWEST_LETTERS_OF_PLURALS || !is_latin(word) {
        return Vec::new();
    }
    let mut forms = vec![format!("{word}es")];
    // Nor has a class one of that kind.
    if !word.ends_with('s') {
        forms.push(format!("{word}s"));
    }
    let singulars = [("y", "ies"), ("ies", "y"), ("es", ""), ("s", "")];
    forms.extend(singulars.iter().filter_map(|(end, other)| {
        let stem =
            word.strip_suffix(end).filter(|stem| stem.len() + 1 >= FEWEST_LETTERS_OF_PLURALS)?;
        // A class is no plural.
        (*end != "s" || !stem.ends_with('s')).then(|| format!("{stem}{other}"))
    }));
    let found: BTreeSet<usize> =
        forms.iter().filter_map(|form| index.vocabulary.find(form)).collect();
    found.into_iter().collect()
}

/// Whether a word has no letters but a to z, so that a byte is a letter.
fn is_latin(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether one edit makes the one the other; equal words are none apart.
fn is_one_edit_away(one: &[u8], other: &[u8]) -> bool {
    if one.len().abs_diff(other.len()) > 1 {
        return false;
    }
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    let same = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&one[..one.len() - same], &other[..other.len() - same]) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IndexedText, Query};
    use super::*;

    fn index() -> TextIndex {
        let titles = ["piano pianos", "pianos", "finance", "loans", "loan", "loaning", "大众"];
        TextIndex::build(
            titles.map(|title| IndexedText { title: title.into(), ..IndexedText::default() }),
        )
    }

    fn meant_by(word: &str) -> Option<String> {
        let index = index();
        meant(&index, word).map(|number| index.vocabulary.word(number).to_owned())
    }

    #[test]
    fn one_edit_is_found_and_two_are_not() {
        for word in ["finace", "fiinance", "finanse", "fniance", "financ"] {
            assert_eq!(meant_by(word).as_deref(), Some("finance"), "{word}");
        }
        for word in ["finansse", "fance", "inance", "ifnance", "loam", "大众汽车公司", "finançe"]
        {
            assert_eq!(meant_by(word), None, "{word}");
        }
        assert_eq!(meant_by("pianox").as_deref(), Some("pianos"), "that of more items");
    }

    #[test]
    fn plurals_and_singulars_stand_for_one_another() {
        let titles = ["car", "babies", "tax", "class", "loans", "gas"];
        let index = TextIndex::build(
            titles.map(|title| IndexedText { title: title.into(), ..IndexedText::default() }),
        );
        for (word, form) in
            [("cars", "car"), ("baby", "babies"), ("taxes", "tax"), ("loan", "loans")]
        {
            let found = forms(&index, word);
            let found: Vec<&str> = found.iter().map(|form| index.vocabulary.word(*form)).collect();
            assert_eq!(found, [form], "{word}");
        }
        for word in ["clas", "as", "ca", "ga", "汽车s"] {
            assert!(forms(&index, word).is_empty(), "{word}");
        }
    }

    #[test]
    fn edits_are_told_from_equal_words() {
        for (one, other, is_near) in [
            ("", "", false),
            ("a", "", true),
            ("ab", "ba", true),
            ("ab", "ab", false),
            ("aab", "ab", true),
            ("abc", "cba", false),
            ("abcd", "badc", false),
            ("abcde", "abc", false),
        ] {
            assert_eq!(
                is_one_edit_away(one.as_bytes(), other.as_bytes()),
                is_near,
                "{one} {other}"
            );
            assert_eq!(
                is_one_edit_away(other.as_bytes(), one.as_bytes()),
                is_near,
                "{other} {one}"
            );
        }
    }

    #[test]
    fn a_word_is_taken_further_only_while_it_is_typed() {
        let index = index();
        let longer = |text| {
            let query = Query::parse(text, "").unwrap();
            let words = longer(&index, query.words().last().unwrap());
            words.iter().map(|word| index.vocabulary.word(*word).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(longer("pia"), ["pianos", "piano"], "that of more items first");
        assert_eq!(longer("loa"), ["loan", "loaning", "loans"]);
        assert_eq!(longer("loa "), [""; 0]);
        assert_eq!(longer("xyz"), [""; 0]);
    }
}
