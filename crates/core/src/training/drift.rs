//! Drift: whether what comes in now still looks like what a model was made from.
//!
//! Three distributions for each domain: event types, popularity of the items
//! concerned, events for each person. They are compared by the population
//! stability index, `sum (q - p) ln(q / p)` over bins with reference shares `p`
//! and live shares `q` (Siddiqi, "Credit Risk Scorecards", 2006, chapter 8, where
//! 0.1 to 0.25 is a small and above 0.25 a major shift). Without any drift its
//! expectation is about `(B - 1)(1/n + 1/m)` for `B` bins and samples of `n` and
//! `m` (Yurdakul and Naranjo, "Statistical properties of the population stability
//! index", 2020): an index that such noise explains is not called drift.
//!
//! Both sides count the same length of time (a day, a week, or a month, up to
//! their newest event), since a longer one holds more events of each person.
//! Only events that may be used for training are counted, and only sums are kept.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, EventType, ModelId};
use crate::evidence::inputs::{
    DomainInputs, InputCounts, InputDistribution, WINDOW_DAYS, WindowInputs,
};
use crate::evidence::items::{ItemIndex, Row};

/// From this index on, inputs have drifted.
pub const DRIFT_THRESHOLD: f64 = 0.25;
/// Fewest events (or people, for events of each person) to compare by.
pub const MIN_COUNT: u64 = 100;
/// A share is not taken to be less, so that an empty bin gives no infinite index.
const LEAST_SHARE: f64 = 1e-4;

/// Whether one domain's inputs have drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftStatus {
    /// There is too little on one side to judge by.
    Unresolved,
    /// They look as they did.
    Stable,
    /// They do not.
    Drifted,
}

/// A population stability index with what noise alone would give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StabilityIndex {
    /// The index; 0 when both sides are alike.
    pub psi: f64,
    /// What it may be without drift: expectation and three standard deviations.
    pub noise: f64,
}

impl StabilityIndex {
    fn is_drift(&self) -> bool {
        self.psi > DRIFT_THRESHOLD && self.psi > self.noise
    }
}

/// One domain's live inputs against the model's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainDrift {
    /// The conclusion.
    pub status: DriftStatus,
    /// Events compared on the live side.
    pub events: u64,
    /// Their people.
    pub people: u64,
    /// Share of the live events about items that the model does not know, 0 to 1.
    pub new_items: f64,
    /// Event types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<StabilityIndex>,
    /// Popularity of the items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub popularity: Option<StabilityIndex>,
    /// Events for each person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_person: Option<StabilityIndex>,
}

impl DomainDrift {
    fn indexes(&self) -> impl Iterator<Item = StabilityIndex> {
        [self.event_types, self.popularity, self.events_per_person].into_iter().flatten()
    }

    /// The largest index; absent when none could be taken.
    #[must_use]
    pub fn largest(&self) -> Option<f64> {
        self.indexes().map(|index| index.psi).reduce(f64::max)
    }
}

/// Live inputs against those of the champion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// The champion.
    pub model: ModelId,
    /// The live side's newest event.
    pub until: Timestamp,
    /// The length of time compared, in days.
    pub days: u16,
    /// By domain of the champion.
    pub domains: BTreeMap<DomainId, DomainDrift>,
}

/// Compares what was counted with what `model` was made from; `popularity` tells
/// its popularity of one of the counted items. `None` when there is nothing to compare.
#[must_use]
pub fn drift_from(
    counts: &InputCounts,
    (model, reference): (&ModelId, &InputDistribution),
    index: &ItemIndex,
    popularity: &dyn Fn(Row) -> Option<f32>,
) -> Option<DriftReport> {
    let (until, trained_until) = (counts.newest()?, reference.newest?);
    let at = window_for(until.duration_since(trained_until));
    let days = WINDOW_DAYS[at];
    let of_domain = |(domain, inputs): (&DomainId, &DomainInputs)| {
        let reference = inputs.windows.iter().find(|window| window.days == days)?;
        let edges = &inputs.popularity_edges;
        let (live, new) = counts.inputs(at, domain, index, (edges, popularity));
        Some((domain.clone(), compare(reference, &live, new)))
    };
    let domains = reference.domains.iter().filter_map(of_domain).collect();
    Some(DriftReport { model: model.clone(), until, days, domains })
}

/// The longest window that the live events since training fill (nearly); a day
/// when they fill none, though part of it is then from before the training.
fn window_for(since_training: SignedDuration) -> usize {
    let hours = since_training.as_hours();
    let fills = |days: &u16| i64::from(*days) * 24 * 4 <= hours * 5;
    WINDOW_DAYS.iter().rposition(fills).unwrap_or(0)
}

fn compare(reference: &WindowInputs, live: &WindowInputs, new: u64) -> DomainDrift {
    let is_enough = |a: u64, b: u64| a.min(b) >= MIN_COUNT;
    let by_events = is_enough(reference.events, live.events);
    let by_people = is_enough(reference.people, live.people);
    let mut drift = DomainDrift {
        status: DriftStatus::Unresolved,
        events: live.events,
        people: live.people,
        new_items: new as f64 / live.events.max(1) as f64,
        event_types: by_events.then(|| types_index(reference, live)),
        popularity: by_events.then(|| stability(&reference.popularity, &live.popularity)),
        events_per_person: by_people
            .then(|| stability(&reference.events_per_person, &live.events_per_person)),
    };
    if drift.indexes().any(|index| index.is_drift()) {
        drift.status = DriftStatus::Drifted;
    } else if by_events {
        drift.status = DriftStatus::Stable;
    }
    drift
}

fn types_index(reference: &WindowInputs, live: &WindowInputs) -> StabilityIndex {
    let mut names: Vec<&EventType> = reference.types.keys().chain(live.types.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let counts = |inputs: &WindowInputs| -> Vec<u64> {
        let listed = names.iter().map(|name| inputs.types.get(*name).copied().unwrap_or(0));
        let listed: Vec<u64> = listed.collect();
        let rest = inputs.events - listed.iter().sum::<u64>().min(inputs.events);
        listed.into_iter().chain([rest]).collect()
    };
    stability(&counts(reference), &counts(live))
}

/// The population stability index of two histograms over the same bins; a bin
/// that is empty on both sides counts for nothing.
fn stability(reference: &[u64], live: &[u64]) -> StabilityIndex {
    let (n, m) = (sum(reference), sum(live));
    let bins: Vec<(u64, u64)> = (0..reference.len().max(live.len()))
        .map(|at| (count(reference, at), count(live, at)))
        .filter(|pair| *pair != (0, 0))
        .collect();
    let share = |count: u64, of: f64| (count as f64 / of).max(LEAST_SHARE);
    let term = |&(p, q): &(u64, u64)| {
        let (p, q) = (share(p, n), share(q, m));
        (q - p) * (q / p).ln()
    };
    let freedom = bins.len().saturating_sub(1) as f64;
    let noise = (1.0 / n + 1.0 / m) * (freedom + 3.0 * (2.0 * freedom).sqrt());
    StabilityIndex { psi: bins.iter().map(term).sum(), noise }
}

fn sum(counts: &[u64]) -> f64 {
    counts.iter().sum::<u64>().max(1) as f64
}

fn count(counts: &[u64], at: usize) -> u64 {
    counts.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entities::event::Event;
    use crate::entities::ids::ItemId;
    use crossfold_testing::event_at;

    const DAY: i64 = 86_400;

    fn knowledge() -> DomainId {
        DomainId::parse("knowledge").unwrap()
    }

    fn model() -> ModelId {
        ModelId::parse(&"a".repeat(64)).unwrap()
    }

    fn event(event_type: &str, item: usize, second: i64) -> Event {
        Event {
            event_type: EventType::parse(event_type).unwrap(),
            item_id: ItemId::parse(&format!("i{item:02}")).unwrap(),
            ..event_at(second)
        }
    }

    fn index(items: std::ops::Range<usize>) -> ItemIndex {
        let key = |item: usize| (knowledge(), ItemId::parse(&format!("i{item:02}")).unwrap());
        ItemIndex::new(items.map(key).collect())
    }

    /// Popularity falls from item to item.
    fn popularity() -> Vec<f32> {
        (0..20).map(|item| 1.0 / (item + 1) as f32).collect()
    }

    fn counted(people: &[Vec<Event>], index: &ItemIndex) -> InputCounts {
        let newest = people.iter().flatten().map(|event| event.occurred_at).max();
        let mut counts = InputCounts::until(newest);
        people.iter().for_each(|events| counts.add_person(events, index));
        counts
    }

    /// 200 people with three events each, spread over items as `item` says.
    fn people(from: i64, event_type: &str, item: impl Fn(usize) -> usize) -> Vec<Vec<Event>> {
        let nth = |n: usize| event(event_type, item(n), from + n as i64 * (7 * DAY / 600));
        (0..200).map(|person| (person * 3..person * 3 + 3).map(nth).collect()).collect()
    }

    fn drift(live: &[Vec<Event>]) -> DomainDrift {
        let index = index(0..20);
        let trained = counted(&people(0, "view", |n| n % 20), &index);
        let reference = trained.distribution(&index, &popularity());
        let known = |row: Row| Some(popularity()[row.index()]);
        let report =
            drift_from(&counted(live, &index), (&model(), &reference), &index, &known).unwrap();
        assert_eq!(report.days, 7);
        report.domains[&knowledge()].clone()
    }

    #[test]
    fn the_same_inputs_a_week_on_are_stable() {
        let drift = drift(&people(7 * DAY, "view", |n| n % 20));
        assert_eq!(drift.status, DriftStatus::Stable);
        assert!(drift.largest().unwrap() < 0.01, "{drift:?}");
        assert_eq!(drift.new_items, 0.0);
    }

    #[test]
    fn other_types_other_items_and_other_habits_are_each_found() {
        let types = drift(&people(7 * DAY, "enrol", |n| n % 20));
        assert_eq!(types.status, DriftStatus::Drifted);
        assert!(types.event_types.unwrap().psi > 1.0 && types.popularity.unwrap().psi < 0.01);
        let items = drift(&people(7 * DAY, "view", |_| 19));
        assert_eq!(items.status, DriftStatus::Drifted);
        assert!(items.popularity.unwrap().psi > 1.0 && items.event_types.unwrap().psi < 0.01);
        let many: Vec<Vec<Event>> =
            people(7 * DAY, "view", |n| n % 20).into_iter().map(|e| vec![e; 20].concat()).collect();
        let habits = drift(&many);
        assert_eq!(habits.status, DriftStatus::Drifted);
        assert!(habits.events_per_person.unwrap().psi > 1.0);
    }

    #[test]
    fn a_handful_of_events_settles_nothing_and_nothing_is_no_report() {
        let few = &people(7 * DAY, "enrol", |_| 3)[..20];
        let mut few = few.to_vec();
        few.push(vec![event("enrol", 3, 14 * DAY)]);
        assert_eq!(drift(&few).status, DriftStatus::Unresolved);
        let nothing = InputCounts::until(None);
        let empty = InputDistribution::default();
        let report = drift_from(&nothing, (&model(), &empty), &index(0..1), &|_| None);
        assert_eq!(report, None);
    }

    #[test]
    fn events_of_items_that_the_model_does_not_know_are_counted_as_such() {
        let small = index(0..20);
        let trained = counted(&people(0, "view", |n| n % 20), &small);
        let reference = trained.distribution(&small, &popularity());
        let large = index(0..40);
        let live = counted(&people(7 * DAY, "view", |n| n % 40), &large);
        let known = |row: Row| small.row(large.item(row)?).map(|row| popularity()[row.index()]);
        let report = drift_from(&live, (&model(), &reference), &large, &known).unwrap();
        assert!((report.domains[&knowledge()].new_items - 0.5).abs() < 0.02);
    }

    #[test]
    fn the_index_is_as_by_hand() {
        let index = stability(&[50, 50], &[80, 20]);
        let by_hand = 0.3 * (0.8f64 / 0.5).ln() + 0.3 * (0.5f64 / 0.2).ln();
        assert!((index.psi - by_hand).abs() < 1e-12, "{index:?}");
        assert!((index.noise - 0.02 * (1.0 + 3.0 * 2f64.sqrt())).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn an_index_is_finite_symmetric_and_never_negative(
            a in proptest::collection::vec(0u64..1_000, 0..12),
            b in proptest::collection::vec(0u64..1_000, 0..12),
        ) {
            let (there, back) = (stability(&a, &b), stability(&b, &a));
            prop_assert!(there.psi.is_finite() && there.noise.is_finite());
            prop_assert!(there.psi >= 0.0);
            prop_assert!((there.psi - back.psi).abs() < 1e-9);
            prop_assert!(stability(&a, &a).psi < 1e-12);
        }
    }
}
