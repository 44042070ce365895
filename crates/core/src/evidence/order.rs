//! In which order a person did things.
//!
//! An item stands where the newest thing that was done with it does. What was done at one
//! instant shares a place: nothing tells which of it came first, so neither the order in
//! which events arrived nor how ties are sorted changes anything. Of a file without times
//! everything is of one instant, and stands at one place.

use jiff::Timestamp;

use crate::entities::consent::ConsentedHistory;
use crate::evidence::items::{ItemIndex, Weighted};

/// The same interactions, which ascend by row, each with its place in the order of the
/// history that they were made from.
#[must_use]
pub fn in_order(
    history: &ConsentedHistory,
    index: &ItemIndex,
    interactions: Vec<Weighted>,
) -> Vec<Weighted> {
    let mut ordered = interactions;
    let mut is_placed = vec![false; ordered.len()];
    let mut last: Option<(Timestamp, u16)> = None;
    // Newest first: the first of an item is its newest.
    for event in history.events() {
        let Some(row) = index.row_of((&event.domain, &event.item_id)) else {
            continue;
        };
        let Ok(at) = ordered.binary_search_by_key(&row, |known| known.row) else { continue };
        if std::mem::replace(&mut is_placed[at], true) {
            continue;
        }
        let place = match last {
            Some((instant, place)) if instant == event.occurred_at => place,
            // Further back than can be told everything shares a place.
            Some((_, place)) => place.saturating_add(1),
            None => 0,
        };
        last = Some((event.occurred_at, place));
        ordered[at].place = place;
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::entities::consent::{ConsentContext, ConsentLedger};
    use crate::entities::definition::Definitions;
    use crate::entities::event::Event;
    use crate::entities::history::History;
    use crossfold_testing::{at, definition, domain, event_at, event_id, item, item_key};

    /// The places of the items 0 to 5 where they were done with at these instants.
    fn places(done: &[(usize, i64)]) -> BTreeMap<u32, u16> {
        let event = |(number, (of, instant)): (usize, &(usize, i64))| Event {
            event_id: event_id(&format!("e{number}")),
            item_id: item(&format!("i{of}")),
            ..event_at(*instant)
        };
        let events = done.iter().enumerate().map(event).collect();
        let definitions = Definitions::from([(domain("knowledge"), definition())]);
        let ledger = ConsentLedger::default();
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now: at(0) };
        let history = ConsentedHistory::for_training(&History::new(events, []), context).remove(0);
        let index =
            ItemIndex::new((0..6).map(|n| item_key("knowledge", &format!("i{n}"))).collect());
        let known = done.iter().map(|(of, _)| (item_key("knowledge", &format!("i{of}")), 1.0));
        let interactions = index.rows_of(&known.collect());
        let ordered = in_order(&history, &index, interactions);
        ordered.into_iter().map(|known| (known.row.0, known.place)).collect()
    }

    #[test]
    fn an_item_stands_where_its_newest_event_does_and_an_instant_is_one_place() {
        let placed = places(&[(0, 10), (1, 20), (2, 20), (0, 30), (3, 5)]);
        assert_eq!(placed, BTreeMap::from([(0, 0), (1, 1), (2, 1), (3, 2)]));
    }

    #[test]
    fn what_is_all_of_one_instant_stands_at_one_place() {
        assert!(places(&[(0, 7), (1, 7), (5, 7)]).values().all(|place| *place == 0));
    }

    proptest! {
        #[test]
        fn in_what_order_events_come_in_changes_no_place(
            done in proptest::collection::vec((0..6usize, 0..4i64), 1..12), turned in 0..12usize,
        ) {
            let mut otherwise = done.clone();
            otherwise.rotate_left(turned % done.len());
            otherwise.reverse();
            prop_assert_eq!(places(&done), places(&otherwise));
        }
    }
}
