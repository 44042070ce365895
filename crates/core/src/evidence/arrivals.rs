//! How long items have been there, counted in what people did since.
//!
//! An item that few took may be one that nobody wants, or one that came yesterday. What tells is
//! its *lifetime* so far: of everything that people did in the domain, the share that was done on the day
//! the item came, or later. An item came when its platform first offered it, as far as that is
//! told, and at the latest with the first event about it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::entities::event::Event;
use crate::entities::ids::DomainId;
use crate::evidence::item_facts::CatalogueFacts;
use crate::evidence::items::{ItemIndex, Row};

const DAY_SECONDS: i64 = 86_400;

type Day = i64;

fn day_of(at: Timestamp) -> Day {
    at.as_second().div_euclid(DAY_SECONDS)
}

/// When items came, and how much was done on which day.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals {
    /// By row, the first day of an event about the item.
    first: BTreeMap<Row, Day>,
    domains: BTreeMap<DomainId, Doing>,
}

/// What people did in a domain.
#[derive(Debug, Clone, Default)]
struct Doing {
    /// Events by day.
    days: BTreeMap<Day, u64>,
    /// Events that are held out as the newest.
    held_out: u64,
}

/// The lifetimes of items so far, 0 to 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lifetimes {
    /// By row; 1 where nothing is known.
    pub(crate) of_items: Vec<f32>,
    /// By domain, the share of what was done that is held out as the newest.
    pub(crate) held_out: BTreeMap<DomainId, f32>,
}

impl Arrivals {
    /// Adds the events of one person, of which those since `split_at` are held out.
    pub(crate) fn add(&mut self, events: &[Event], index: &ItemIndex, split_at: Option<Timestamp>) {
        for event in events {
            let day = day_of(event.occurred_at);
            if !self.domains.contains_key(&event.domain) {
                self.domains.insert(event.domain.clone(), Doing::default());
            }
            let Some(doing) = self.domains.get_mut(&event.domain) else { continue };
            *doing.days.entry(day).or_default() += 1;
            doing.held_out += u64::from(split_at.is_some_and(|at| event.occurred_at >= at));
            if let Some(row) = index.row(&(event.domain.clone(), event.item_id.clone())) {
                self.first.entry(row).and_modify(|first| *first = day.min(*first)).or_insert(day);
            }
        }
    }

    /// The lifetime of each item, of which catalogues say this.
    pub(crate) fn lifetimes(&self, index: &ItemIndex, facts: &CatalogueFacts) -> Lifetimes {
        let mut lifetimes =
            Lifetimes { of_items: vec![1.0; index.len()], held_out: BTreeMap::new() };
        for (domain, rows) in index.ranges() {
            let Some(doing) = self.domains.get(domain) else { continue };
            let all: u64 = doing.days.values().sum();
            lifetimes.held_out.insert(domain.clone(), doing.held_out as f32 / all as f32);
            let since = doing.since_each_day();
            for row in rows.rows() {
                let Some(first) = self.first.get(&row) else { continue };
                let offered = index.item(row).and_then(|item| facts.get(item)?.available_from);
                let came = offered.map_or(*first, |at| day_of(at).min(*first));
                let done = since.range(came..).next().map_or(0, |(_, done)| *done);
                lifetimes.of_items[row.index()] = done as f32 / all as f32;
            }
        }
        lifetimes
    }
}

impl Doing {
    /// How many events there are of each day or later.
    fn since_each_day(&self) -> BTreeMap<Day, u64> {
        let mut sum = 0;
        let mut summed = |(day, events): (&Day, &u64)| {
            sum += events;
            (*day, sum)
        };
        self.days.iter().rev().map(&mut summed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::item_facts::ItemFacts;
    use crossfold_testing::{domain, event_at, item, item_key};

    const DAY: i64 = DAY_SECONDS;

    fn index() -> ItemIndex {
        let keys = ["old", "new", "late"].map(|id| item_key("knowledge", id));
        ItemIndex::new(keys.into_iter().collect())
    }

    /// One event a day of ten days about `old`, of the last two about `new` as well, and of the
    /// last about `late`.
    fn events() -> Vec<Event> {
        let about = |id: &str, day: i64| Event { item_id: item(id), ..event_at(day * DAY + 5) };
        let old = (0..10).map(|day| about("old", day));
        let others = [about("new", 8), about("new", 9), about("late", 9)];
        old.chain(others).collect()
    }

    fn lifetimes(facts: &CatalogueFacts, split_at: Option<i64>) -> Lifetimes {
        let mut arrivals = Arrivals::default();
        let split_at = split_at.map(|second| Timestamp::from_second(second).unwrap());
        arrivals.add(&events(), &index(), split_at);
        arrivals.lifetimes(&index(), facts)
    }

    #[test]
    fn an_items_lifetime_is_what_was_done_since_the_first_event_about_it() {
        let index = index();
        let found = lifetimes(&CatalogueFacts::new(), Some(9 * DAY));
        let of = |id: &str| found.of_items[index.row(&item_key("knowledge", id)).unwrap().index()];
        assert_eq!((of("old"), of("new"), of("late")), (1.0, 5.0 / 13.0, 3.0 / 13.0));
        assert_eq!(found.held_out[&domain("knowledge")], 3.0 / 13.0);
    }

    #[test]
    fn the_lifetime_of_an_item_that_was_offered_before_anybody_took_it_begins_then() {
        let offered = |day: i64| {
            let available_from = Some(Timestamp::from_second(day * DAY + 9).unwrap());
            let facts = ItemFacts { available_from, ..ItemFacts::default() };
            let facts = CatalogueFacts::from([(item_key("knowledge", "late"), facts)]);
            lifetimes(&facts, None).of_items[0]
        };
        // Rows are in order of ids: `late` is the first.
        assert_eq!(offered(7), 6.0 / 13.0);
        assert_eq!(offered(-100), 1.0);
        assert_eq!(offered(20), 3.0 / 13.0, "whoever took it was offered it");
    }
}
