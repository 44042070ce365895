//! Where the events went of a run that has none to train on.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use crate::evidence::cleaning::{CleaningLedger, Refusal};

/// Where the events went of a run that has none to train on. In words, what took most
/// of them comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NothingLeft {
    /// How many events the archive held.
    pub read: u64,
    /// How many may not be used for training, by the people's decisions or the
    /// defaults of the domains.
    pub without_consent: u64,
    /// How many cleaning refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
}

impl NothingLeft {
    /// Of what cleaning left, so many may be used.
    pub(super) fn new(cleaning: &CleaningLedger, consented: u64) -> Self {
        Self {
            read: cleaning.read,
            without_consent: cleaning.kept.saturating_sub(consented),
            refused: cleaning.refused.clone(),
        }
    }
}

impl fmt::Display for NothingLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.read == 0 {
            return f.write_str("there is nothing to train on: the archive holds no event");
        }
        let refused = self.refused.iter().map(|(reason, count)| (*count, reason.in_words()));
        let mut gone: Vec<(u64, &str)> = refused.collect();
        gone.push((self.without_consent, "may not be used for training without consent"));
        let weightless =
            self.read - gone.iter().map(|(count, _)| count).sum::<u64>().min(self.read);
        gone.push((weightless, "tell for no item"));
        gone.retain(|(count, _)| *count > 0);
        gone.sort_by_key(|(count, _)| Reverse(*count));
        let parts: Vec<String> =
            gone.into_iter().map(|(count, why)| format!("{count} {why}")).collect();
        write!(f, "there is nothing to train on: of {} events, {}", self.read, parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_that_took_most_is_named_first_and_all_are_counted() {
        let left = NothingLeft {
            read: 12,
            without_consent: 3,
            refused: [(Refusal::Duplicate, 2), (Refusal::OrphanItem, 7)].into(),
        };
        assert_eq!(
            left.to_string(),
            "there is nothing to train on: of 12 events, 7 are about items that are not in the \
             catalogue, 3 may not be used for training without consent, 2 are duplicates"
        );
        let none = NothingLeft { read: 0, without_consent: 0, refused: BTreeMap::new() };
        assert!(none.to_string().ends_with("holds no event"));
        assert!(NothingLeft { read: 1, ..none }.to_string().ends_with("1 tell for no item"));
    }
}
