//! What a catalogue says of an item, as far as people are described by what they took.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::items::ItemKey;
use crate::entities::catalogue::{ItemDetails, ItemStatus};

/// Cuts a text into words, in lower case. What cuts Chinese by a dictionary is passed in from
/// outside; [`plain_words`] needs none.
pub type Tokenise = fn(&str) -> Vec<String>;

/// Longest title of an item in a report.
const MOST_TITLE_CHARACTERS: usize = 100;
/// Most words of an item that count: a title has some ten.
const MOST_WORDS: usize = 32;
/// Most categories of an item that count, the most important ones.
const MOST_CATEGORIES: usize = 4;

/// What a catalogue says of an item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemFacts {
    /// Its title, by which a report calls it, at most 100 characters; empty where people are shown
    /// none.
    #[serde(default)]
    pub title: String,
    /// Its categories, the most important first; at most 4.
    pub categories: Vec<String>,
    /// The words of its title; at most 32.
    pub words: Vec<String>,
    /// From when on it is offered, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_from: Option<Timestamp>,
}

/// What catalogues say, by item; an item may be missing.
pub type CatalogueFacts = BTreeMap<ItemKey, ItemFacts>;

impl ItemFacts {
    /// Of a catalogue entry.
    #[must_use]
    pub fn of(details: &ItemDetails, tokenise: Tokenise) -> Self {
        let mut words = tokenise(&details.title);
        words.truncate(MOST_WORDS);
        Self {
            title: match details.status {
                ItemStatus::Hidden => String::new(),
                _ => details.title.chars().take(MOST_TITLE_CHARACTERS).collect(),
            },
            categories: details.categories.iter().take(MOST_CATEGORIES).cloned().collect(),
            words,
            available_from: details.available_from,
        }
    }
}

/// Words without a dictionary: runs of letters and digits in lower case, and of Chinese,
/// Japanese and Korean characters each two that follow one another (one that stands alone
/// stays), which is what search engines do where they know no words.
#[must_use]
pub fn plain_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut run = String::new();
    let mut is_of_characters = false;
    for character in text.chars().chain([' ']) {
        let is_character = is_cjk(character);
        if character.is_alphanumeric() && (run.is_empty() || is_character == is_of_characters) {
            is_of_characters = is_character;
            run.extend(character.to_lowercase());
            continue;
        }
        end_run(&std::mem::take(&mut run), is_of_characters, &mut words);
        if character.is_alphanumeric() {
            is_of_characters = is_character;
            run.extend(character.to_lowercase());
        }
    }
    words
}

fn end_run(run: &str, is_of_characters: bool, words: &mut Vec<String>) {
    let characters: Vec<char> = run.chars().collect();
    match characters.len() {
        0 => {}
        1 if !is_of_characters => {}
        2.. if is_of_characters => {
            words.extend(characters.windows(2).map(|pair| pair.iter().collect::<String>()));
        }
        _ => words.push(run.to_owned()),
    }
}

fn is_cjk(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_scripts_are_found() {
        let found = plain_words("充电桩安装·24期 (Installing a Charger)");
        let expected = ["充电", "电桩", "桩安", "安装", "24", "期", "installing", "charger"];
        assert_eq!(found, expected);
        assert!(plain_words(" · ").is_empty());
    }
}
