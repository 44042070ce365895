//! Where something is asked for in words, what has none of them is not recommended.

use crate::serving::request::Words;
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// Refuses items that have no word of a question. Of a catalogue that could not be searched it
/// refuses none: which of its items have them is not known.
pub(super) struct Found {
    is_asked: bool,
}

impl Found {
    /// What a request asks for in words, if it asks for anything.
    pub(super) fn by_words(words: Option<&Words>) -> Self {
        Self { is_asked: matches!(words, Some(Words::Query(_))) }
    }
}

impl Rule for Found {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let Some(found) = catalogue.found().filter(|_| self.is_asked) else { return };
        let asked_for = found.items().iter().filter(|item| item.is_asked_for);
        let mut asked_for = asked_for.map(|item| item.position).peekable();
        for position in 0..catalogue.len() {
            if asked_for.next_if_eq(&position).is_none() {
                refusals.refuse(position, Ineligible::NotFound);
            }
        }
    }
}
