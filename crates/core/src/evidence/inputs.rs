//! What comes in, counted: the distributions that drift is judged by.
//!
//! Only events that may be used for training are counted, and only sums are kept.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entities::event::Event;
use crate::entities::ids::{DomainId, EventType};
use crate::evidence::items::{DomainRows, ItemIndex, Row};

/// Lengths of time that are counted, in days.
pub const WINDOW_DAYS: [u16; 3] = [1, 7, 30];
/// Bins of items by popularity.
const POPULARITY_BINS: usize = 10;
/// Bins of people by events: 1, 2 to 3, 4 to 7, and so on; the last is open.
const PEOPLE_BINS: usize = 12;
/// Most event types listed for a domain; the rest count as one more.
const MAX_TYPES: usize = 64;

/// What came in during one length of time, in one domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowInputs {
    /// How many days back from the newest event; one of [`WINDOW_DAYS`].
    pub days: u16,
    /// Events.
    pub events: u64,
    /// People with an event.
    pub people: u64,
    /// Events by type.
    pub types: BTreeMap<EventType, u64>,
    /// Events by the popularity of their item, least popular first.
    pub popularity: Vec<u64>,
    /// People by how many events they have: 1, 2 to 3, 4 to 7, and so on.
    pub events_per_person: Vec<u64>,
}

/// One domain's inputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DomainInputs {
    /// Popularities that part the bins, ascending: an item is in the bin of as
    /// many edges as are at most its popularity. An unknown item has popularity 0.
    pub popularity_edges: Vec<f32>,
    /// The lengths of time, shortest first.
    pub windows: Vec<WindowInputs>,
}

/// What a model was made from, as far as drift is judged by it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputDistribution {
    /// The newest event; absent when nothing was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// By domain.
    pub domains: BTreeMap<DomainId, DomainInputs>,
}

#[derive(Debug, Clone, Default)]
struct WindowCounts {
    types: BTreeMap<DomainId, BTreeMap<EventType, u64>>,
    items: HashMap<Row, u64>,
    events_per_person: BTreeMap<DomainId, Vec<u64>>,
}

/// Counts what comes in, person by person.
#[derive(Debug, Clone, Default)]
pub struct InputCounts {
    newest: Option<Timestamp>,
    windows: [WindowCounts; WINDOW_DAYS.len()],
}

impl InputCounts {
    /// The newest event; `None` when there is none.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// One domain's inputs in one of the windows (by its place in [`WINDOW_DAYS`]), with
    /// items binned by these edges and popularities; and how many of the events are
    /// about items without a popularity.
    pub(crate) fn inputs(
        &self,
        window: usize,
        domain: &DomainId,
        index: &ItemIndex,
        binning: (&[f32], &dyn Fn(Row) -> Option<f32>),
    ) -> (WindowInputs, u64) {
        self.windows[window].inputs(domain, WINDOW_DAYS[window], index, binning)
    }

    /// Counts back from `newest`.
    #[must_use]
    pub fn until(newest: Option<Timestamp>) -> Self {
        Self { newest, ..Self::default() }
    }

    /// Adds the events of one person (newest first or in any other order).
    pub fn add_person(&mut self, events: &[Event], index: &ItemIndex) {
        let Some(newest) = self.newest else { return };
        for (window, days) in self.windows.iter_mut().zip(WINDOW_DAYS) {
            let since = newest
                .checked_sub(SignedDuration::from_hours(24 * i64::from(days)))
                .unwrap_or(Timestamp::MIN);
            let within = events.iter().filter(|event| event.occurred_at > since);
            window.add_person(within, index);
        }
    }

    /// The distribution to keep with a model whose items have these popularities.
    #[must_use]
    pub fn distribution(&self, index: &ItemIndex, popularity: &[f32]) -> InputDistribution {
        let known = |row: Row| popularity.get(row.index()).copied();
        let of_domain = |(domain, rows): (&DomainId, &DomainRows)| {
            let edges = edges(&popularity[rows.range.clone()]);
            let windows = self.windows.iter().zip(WINDOW_DAYS);
            let windows = windows
                .map(|(window, days)| window.inputs(domain, days, index, (&edges, &known)).0)
                .collect();
            (domain.clone(), DomainInputs { popularity_edges: edges, windows })
        };
        InputDistribution {
            newest: self.newest,
            domains: index.ranges().iter().map(of_domain).collect(),
        }
    }
}

impl WindowCounts {
    fn add_person<'a>(&mut self, events: impl Iterator<Item = &'a Event>, index: &ItemIndex) {
        let mut of_person: BTreeMap<&DomainId, u64> = BTreeMap::new();
        for event in events {
            *of_person.entry(&event.domain).or_default() += 1;
            let types = self.types.entry(event.domain.clone()).or_default();
            *types.entry(event.event_type.clone()).or_default() += 1;
            if let Some(row) = index.row(&(event.domain.clone(), event.item_id.clone())) {
                *self.items.entry(row).or_default() += 1;
            }
        }
        for (domain, events) in of_person {
            let bins = self.events_per_person.entry(domain.clone()).or_default();
            bins.resize(PEOPLE_BINS, 0);
            bins[(events.ilog2() as usize).min(PEOPLE_BINS - 1)] += 1;
        }
    }

    /// One domain's inputs, with items binned by these edges and popularities;
    /// and how many of the events are about items without a popularity.
    fn inputs(
        &self,
        domain: &DomainId,
        days: u16,
        index: &ItemIndex,
        (edges, popularity): (&[f32], &dyn Fn(Row) -> Option<f32>),
    ) -> (WindowInputs, u64) {
        let mut bins = vec![0; edges.len() + 1];
        let mut unknown = 0;
        let rows = index.ranges().get(domain);
        for (&row, &events) in &self.items {
            if !rows.is_some_and(|rows| rows.contains(row)) {
                continue;
            }
            let known = popularity(row);
            unknown += if known.is_none() { events } else { 0 };
            bins[edges.partition_point(|edge| *edge <= known.unwrap_or(0.0))] += events;
        }
        let types = self.types.get(domain).cloned().unwrap_or_default();
        let people = self.events_per_person.get(domain).cloned().unwrap_or_default();
        let inputs = WindowInputs {
            days,
            events: types.values().sum(),
            people: people.iter().sum(),
            types: types.into_iter().take(MAX_TYPES).collect(),
            popularity: bins,
            events_per_person: people,
        };
        (inputs, unknown)
    }
}

/// Popularities that part a domain's items into bins of about the same sum of
/// popularity, that is, about as many interactions.
fn edges(popularity: &[f32]) -> Vec<f32> {
    let mut sorted = popularity.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let total: f64 = sorted.iter().copied().map(f64::from).sum();
    let mut edges: Vec<f32> = Vec::new();
    let (mut sum, mut begun) = (0.0, 0);
    for value in sorted {
        let bin = (sum / total * POPULARITY_BINS as f64) as usize;
        let is_new = edges.last().is_none_or(|last| *last < value);
        if bin > begun && bin < POPULARITY_BINS && is_new {
            edges.push(value);
            begun = bin;
        }
        sum += f64::from(value);
    }
    edges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn edges_ascend_and_are_few(
            values in proptest::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..1.0], 0..200),
        ) {
            let edges = edges(&values);
            prop_assert!(edges.len() < POPULARITY_BINS);
            prop_assert!(edges.is_sorted_by(|a, b| a < b));
        }
    }
}
