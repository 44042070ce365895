//! Ageing: evidence counts half after each half-life, counted back from the newest.
//!
//! Not from the clock: what matters is how much older one thing is than another. So
//! evidence that ages together changes nothing, neither in training nor when nobody
//! trains for a while, and an archive of past years is worth what it was. Each domain
//! is counted back from its own newest evidence; a domain that nothing happens in any
//! more does not fade beside the others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::event::Event;
use crate::entities::ids::DomainId;

/// The newest evidence of each domain: age is counted back from there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NewestEvidence(BTreeMap<DomainId, Timestamp>);

impl NewestEvidence {
    /// The newest of these events, by domain.
    #[must_use]
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut newest = Self::default();
        events.into_iter().for_each(|event| newest.note(&event.domain, event.occurred_at));
        newest
    }

    /// Takes in evidence of a domain.
    pub fn note(&mut self, domain: &DomainId, at: Timestamp) {
        match self.0.get_mut(domain) {
            Some(newest) => *newest = at.max(*newest),
            None => _ = self.0.insert(domain.clone(), at),
        }
    }

    /// The newest evidence of a domain.
    #[must_use]
    pub fn in_domain(&self, domain: &DomainId) -> Option<Timestamp> {
        self.0.get(domain).copied()
    }

    /// The same, with later instants where `of` has them.
    #[must_use]
    pub fn raised(mut self, of: impl Fn(&DomainId) -> Option<Timestamp>) -> Self {
        for (domain, newest) in &mut self.0 {
            *newest = of(domain).map_or(*newest, |at| at.max(*newest));
        }
        self
    }

    /// Whether an event is of the so many days before the newest evidence of its domain.
    #[must_use]
    pub fn is_within(&self, event: &Event, days: u16) -> bool {
        let newest = self.in_domain(&event.domain).unwrap_or(event.occurred_at);
        newest.duration_since(event.occurred_at).as_secs() < i64::from(days) * 86_400
    }

    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left of an event's weight: a half after each half-life before the newest
    /// evidence of its domain. 1 of a domain without any, and for what is newer.
    #[must_use]
    pub fn recency(&self, event: &Event, half_life_days: f32) -> f32 {
        let newest = self.in_domain(&event.domain).unwrap_or(event.occurred_at);
        recency(newest, event.occurred_at, half_life_days)
    }
}

/// What is left of the weight of something at `newest`: a half after each half-life.
pub(crate) fn recency(newest: Timestamp, occurred_at: Timestamp, half_life_days: f32) -> f32 {
    let age_days = newest.duration_since(occurred_at).as_secs_f32().max(0.0) / 86_400.0;
    0.5f32.powf(age_days / half_life_days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossfold_testing::{at, domain, event_at};

    const DAY: i64 = 86_400;

    fn event_in(name: &str, day: i64) -> Event {
        Event { domain: domain(name), ..event_at(day * DAY) }
    }

    #[test]
    fn age_is_counted_back_from_the_newest_of_the_domain() {
        let events = [event_in("a", 10), event_in("a", 30), event_in("b", 5)];
        let newest = NewestEvidence::of(&events);
        assert_eq!(newest.in_domain(&domain("a")), Some(at(30 * DAY)));
        let recencies = events.each_ref().map(|event| newest.recency(event, 20.0));
        assert_eq!(recencies, [0.5, 1.0, 1.0]);
        // Newer than what was known, and of a domain of which nothing was.
        assert_eq!(newest.recency(&event_in("a", 40), 20.0), 1.0);
        assert_eq!(newest.recency(&event_in("c", 0), 20.0), 1.0);
    }
}
