//! The second pass over the archive: what the users of an experiment did, before and after their
//! first exposure.
//!
//! | record | counts | when |
//! | --- | --- | --- |
//! | outcome | of a slate that was an exposure of the unit's own | when it was done within the window |
//! | outcome | of any slate of the user | when it was done in the days before |
//! | event | of the platform, in the experiment's life of it | the same two; and in the days of a retention |
//! | decision | of the platform, whatever made it | in the days before, and of a retention |
//!
//! Times are compared by the millisecond. The window begins with the first exposure and has its
//! last instant; the days before end before it. Under an allocation of learnt shares what is no
//! outcome of the unit's own slates counts until the next allocation began: then the same user is
//! another unit. Only the days of a retention are those of each.
//!
//! A record that comes again counts once: an outcome is known by its slate and its own id, an event
//! by its user and its id, a decision by its id. 16 bytes (and a tree's own) are kept of each that
//! counted, and 8 a unit for each thing that is counted.

use std::collections::BTreeSet;

use crate::entities::decision::{Decision, Outcome};
use crate::entities::event::Event;

use super::exposures::{Exposures, Unit};
use super::hashes::{hash_of, of_slate, of_user};
use super::observations::{Group, Observations};
use super::study::{Counted, DAY, Measure, Shape, Study, What, When};
use super::whole_sums::{MOST, parts_of};

/// Takes what users did, in any order, with any repeats.
#[derive(Debug)]
pub struct Acts<'a> {
    study: &'a Study<'a>,
    exposures: Exposures,
    /// Of one unit after the other, what [`Study::counted`] says.
    counts: Vec<u64>,
    /// Hashes of the records that counted.
    seen: BTreeSet<u128>,
    spans: Spans,
    /// What the record at hand adds, by place in `counts`; kept for its memory.
    added: Vec<(usize, u64)>,
}

/// From when to when things count, in milliseconds.
#[derive(Debug, Clone)]
struct Spans {
    as_of: i64,
    window: Option<i64>,
    past: i64,
    /// Until when each allocation holds, where shares are learnt.
    until: Vec<i64>,
}

/// A record as units are asked about it.
struct Act<'r> {
    user: u128,
    id: u128,
    at: i64,
    what: Kind<'r>,
}

/// What a record is.
#[derive(Clone, Copy)]
enum Kind<'r> {
    Outcome(&'r Outcome, u128),
    Event(&'r Event),
    Slate,
}

impl<'a> Acts<'a> {
    /// What these units did.
    #[must_use]
    pub fn new(study: &'a Study<'a>, exposures: Exposures) -> Self {
        let counts = vec![0; exposures.units.len() * study.counted.len()];
        let (seen, added, spans) = (BTreeSet::new(), Vec::new(), Spans::of(study));
        Self { study, exposures, counts, seen, spans, added }
    }

    /// Takes a decision.
    pub fn add_decision(&mut self, decision: &Decision) {
        if !self.study.is_own(decision) {
            return;
        }
        let id = of_slate(&decision.recommendation_id);
        let (user, at) = (of_user(&decision.user), decision.decided_at.as_millisecond());
        self.add(&Act { user, id, at, what: Kind::Slate });
    }

    /// Takes an outcome. Its user's pseudonym is of one platform alone, so no other's counts.
    pub fn add_outcome(&mut self, outcome: &Outcome) {
        let own = [outcome.recommendation_id.as_str(), outcome.feedback_id.as_str()];
        let slate = of_slate(&outcome.recommendation_id);
        self.add(&Act {
            user: of_user(&outcome.user),
            id: hash_of(&["outcome", own[0], own[1]]),
            at: outcome.occurred_at.as_millisecond(),
            what: Kind::Outcome(outcome, slate),
        });
    }

    /// Takes an event.
    pub fn add_event(&mut self, event: &Event) {
        let experiment = self.study.experiment;
        if event.domain != experiment.domain || event.domain_life != experiment.life {
            return;
        }
        self.add(&Act {
            user: of_user(&event.user),
            id: hash_of(&["event", event.user.as_str(), event.event_id.as_str()]),
            at: event.occurred_at.as_millisecond(),
            what: Kind::Event(event),
        });
    }

    fn add(&mut self, act: &Act<'_>) {
        let Self { study, exposures, counts, seen, spans, added } = self;
        if act.at > spans.as_of {
            return;
        }
        added.clear();
        let things = study.counted.len();
        for at in exposures.of_user(act.user) {
            let Some(unit) = exposures.units.get(at) else { continue };
            for (place, counted) in study.counted.iter().enumerate() {
                let amount = act.amount(counted);
                if amount > 0 && act.counts(counted, unit, exposures, spans) {
                    added.push((at * things + place, amount));
                }
            }
        }
        if added.is_empty() || !seen.insert(act.id) {
            return;
        }
        for (place, amount) in added.iter() {
            if let Some(count) = counts.get_mut(*place) {
                *count = count.saturating_add(*amount).min(MOST);
            }
        }
    }

    /// What all records together come to.
    #[must_use]
    pub fn finish(mut self) -> Observations {
        self.count_own_slates();
        let Self { study, exposures, counts, spans, .. } = &self;
        let mut observations = Observations::none(study);
        observations.crossed = exposures.crossed;
        let things = study.counted.len();
        for (at, unit) in exposures.units.iter().enumerate() {
            let group = Group { variant: unit.variant, allocation: unit.allocation };
            observations.add_exposure(group, unit.day(), unit.slates());
            let counts = counts.get(at * things..(at + 1) * things).unwrap_or_default();
            let is_ripe = |after: i64| unit.first.saturating_add(after) <= spans.as_of;
            for (place, measure) in study.measures.iter().enumerate() {
                if let Some(values) = measure.values(counts, is_ripe) {
                    observations.add(place, group, values);
                }
            }
            let primary = study.place_of(&study.experiment.definition.primary);
            let primary = primary.and_then(|place| study.measures.get(place));
            let Some(values) = primary.and_then(|of| of.values(counts, is_ripe)) else { continue };
            for by in &study.experiment.definition.segments {
                observations.add_segment(exposures.segment(unit, *by), group, values);
            }
        }
        observations
    }

    /// Slates that were exposures are known from the first pass.
    fn count_own_slates(&mut self) {
        let Self { study, exposures, counts, spans, .. } = self;
        let counted = Counted { what: What::Slates, when: When::Window };
        let Some(place) = study.counted.iter().position(|known| *known == counted) else { return };
        for (at, unit) in exposures.units.iter().enumerate() {
            let times = exposures.times(unit).iter();
            let within = times.filter(|at| spans.has(**at, When::Window, unit)).count();
            if let Some(count) = counts.get_mut(at * study.counted.len() + place) {
                *count = within as u64;
            }
        }
    }
}

impl Act<'_> {
    /// How much it adds to something that is counted, if it is of the time for it.
    fn amount(&self, counted: &Counted) -> u64 {
        match (&counted.what, self.what) {
            (What::Outcomes(kind), Kind::Outcome(outcome, _)) => u64::from(outcome.kind == *kind),
            (What::Events(of), Kind::Event(event)) => u64::from(event.event_type == *of),
            (What::Values(of), Kind::Event(event)) if event.event_type == *of => {
                event.value.map_or(0, parts_of)
            }
            (What::Presence, Kind::Event(_) | Kind::Slate) => 1,
            // Those of the window are known from the first pass.
            (What::Slates, Kind::Slate) => u64::from(counted.when != When::Window),
            _ => 0,
        }
    }

    /// Whether it is of a time, and of a slate, that count for a unit.
    fn counts(&self, counted: &Counted, unit: &Unit, of: &Exposures, spans: &Spans) -> bool {
        if !spans.has(self.at, counted.when, unit) {
            return false;
        }
        match (self.what, counted.when) {
            (Kind::Outcome(_, slate), When::Window) => of.has_slate(unit, slate),
            (Kind::Event(_), When::Window) => spans.is_before_next(self.at, unit),
            _ => true,
        }
    }
}

impl Spans {
    fn of(study: &Study<'_>) -> Self {
        let definition = &study.experiment.definition;
        let begun = study.experiment.allocations.iter();
        let until = match study.is_adaptive() {
            true => begun.map(|allocation| allocation.since.as_millisecond()).collect(),
            false => Vec::new(),
        };
        Self {
            as_of: study.as_of.as_millisecond(),
            window: definition.window_days.map(|days| i64::from(days) * DAY),
            past: i64::from(definition.past_days) * DAY,
            until,
        }
    }

    fn has(&self, at: i64, when: When, unit: &Unit) -> bool {
        let since = at.saturating_sub(unit.first);
        match when {
            When::Window => since >= 0 && self.window.is_none_or(|window| since <= window),
            When::Between(from, to) => (from..to).contains(&since),
            When::Past => (-self.past..0).contains(&since),
        }
    }

    /// Whether the allocation of a unit was still the last one.
    fn is_before_next(&self, at: i64, unit: &Unit) -> bool {
        // Allocations are counted from 1: that with the number of the unit's own ends it.
        let next = usize::try_from(unit.allocation).ok().and_then(|next| self.until.get(next));
        next.is_none_or(|next| at < *next)
    }
}

impl Measure {
    /// The number of a unit, with what is beside it; `None` when it is too early for one.
    fn values(&self, counts: &[u64], is_ripe: impl Fn(i64) -> bool) -> Option<(u64, u64)> {
        let of = counts.get(self.of).copied().unwrap_or(0);
        let beside = self.beside.and_then(|place| counts.get(place)).copied().unwrap_or(0);
        match self.shape {
            Shape::WhetherAfter(after) if !is_ripe(after) => None,
            Shape::Whether | Shape::WhetherAfter(_) => Some((of.min(1), beside.min(1))),
            Shape::Times | Shape::Value | Shape::Ratio => Some((of, beside)),
        }
    }
}
