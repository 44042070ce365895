//! Identifiers of events whose file has none: made of what a row says, so that importing it
//! again, in any order and beside other rows, adds nothing.
//!
//! Where a row tells no time of day, saying the same again means doing it again: such rows
//! are counted, and the count is part of the identifier. Where it does, the same again is
//! the same.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::event_rows::EventDraft;
use super::times::TimeForm;

/// Most different rows that are counted, at about 30 bytes each. In a file with more of
/// them and without times of day, a repeat of the others is taken for the same event.
const MAX_COUNTED: usize = 4_000_000;

/// Makes identifiers.
#[derive(Default)]
pub(crate) struct EventIds {
    seen: HashMap<u64, u32>,
}

impl EventIds {
    /// The identifier of the next row.
    pub(crate) fn next(&mut self, draft: &EventDraft) -> String {
        if let Some(id) = &draft.event_id {
            return id.clone();
        }
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(&draft.user_id);
        part(&draft.item_id);
        part(draft.type_name.as_deref().unwrap_or_default());
        let decimals = [draft.value, draft.rating, draft.dwell_seconds.map(Into::into)];
        for decimal in decimals {
            part(&decimal.map(|decimal| decimal.normalize().to_string()).unwrap_or_default());
        }
        // The time that a row was given is the file's, which changes when it is copied.
        if draft.time_form.is_some() {
            part(&draft.occurred_at.to_string());
        }
        if draft.time_form.is_none_or(TimeForm::is_coarse) {
            part(&self.repeat(draft).to_string());
        }
        HEXLOWER.encode(&hash.finalize()[..16])
    }

    /// How often the same was said before.
    fn repeat(&mut self, draft: &EventDraft) -> u32 {
        let mut hasher = DefaultHasher::new();
        (&draft.user_id, &draft.item_id, &draft.type_name, draft.value, draft.rating)
            .hash(&mut hasher);
        (draft.dwell_seconds, draft.time_form.map(|_| draft.occurred_at)).hash(&mut hasher);
        let key = hasher.finish();
        if self.seen.len() >= MAX_COUNTED && !self.seen.contains_key(&key) {
            return 0;
        }
        let count = self.seen.entry(key).or_default();
        *count += 1;
        *count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(item: &str, time_form: Option<TimeForm>) -> EventDraft {
        EventDraft {
            user_id: "u".into(),
            item_id: item.into(),
            type_name: None,
            occurred_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            time_form,
            value: None,
            rating: None,
            dwell_seconds: None,
            event_id: None,
        }
    }

    fn ids(drafts: &[EventDraft]) -> Vec<String> {
        let mut ids = EventIds::default();
        drafts.iter().map(|draft| ids.next(draft)).collect()
    }

    #[test]
    fn the_same_rows_have_the_same_ids_in_any_order() {
        let drafts = ["a", "b", "a", "c"].map(|item| draft(item, None));
        let mut first = ids(&drafts);
        let mut turned = drafts;
        turned.reverse();
        let mut second = ids(&turned);
        first.sort();
        second.sort();
        assert_eq!(first, second);
        first.dedup();
        assert_eq!(first.len(), 4, "a repeat without a time of day is one more event");
    }

    #[test]
    fn a_repeat_at_the_same_time_of_day_is_the_same_event() {
        let found = ids(&["a", "a"].map(|item| draft(item, Some(TimeForm::Seconds))));
        assert_eq!(found[0], found[1]);
        let days = ids(&["a", "a"].map(|item| draft(item, Some(TimeForm::Date))));
        assert_ne!(days[0], days[1]);
    }

    #[test]
    fn the_time_that_a_row_was_given_is_no_part_of_it() {
        let mut later = draft("a", None);
        later.occurred_at = "2026-02-02T00:00:00Z".parse().unwrap();
        assert_eq!(ids(&[draft("a", None)]), ids(&[later]));
    }

    #[test]
    fn an_id_of_the_file_holds() {
        let own = EventDraft { event_id: Some("e-1".into()), ..draft("a", None) };
        assert_eq!(ids(&[own]), ["e-1"]);
    }
}
