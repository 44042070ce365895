//! How people behave on a platform: what segments and topics are made from, and what a person
//! is placed by at request time. Evidence alone: nothing that a person declared enters.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::items::{DomainRanges, DomainRows, Row, Weighted};
use crate::entities::consent::ConsentedHistory;
use crate::entities::ids::DomainId;

/// Most people of a domain who are kept: clusters and topics change no more with others, and
/// it bounds time and memory (4 KB a person at most).
const PEOPLE: usize = 10_000;
/// Most items of a person: what they like most.
const ITEMS: usize = 500;
/// Most events of a person in a domain that count, the newest: as many as are read of a user to
/// serve them, so that who does much is placed by as much as they were found by.
pub const MOST_EVENTS: usize = 1_000;
/// Seed of the draw of people.
const SEED: u64 = 17;

/// What a person did in one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// Events; at least one, at most [`MOST_EVENTS`].
    pub events: u32,
    /// Days (UTC) with one of them.
    pub days: u32,
    /// The newest event.
    pub newest: Timestamp,
    /// The items that the person likes and the model knows, ascending.
    pub items: Vec<Row>,
}

impl Behaviour {
    /// What of a consented history was done in a domain, with the person's interactions (of any
    /// domain). `None` where nothing was.
    #[must_use]
    pub fn of(
        history: &ConsentedHistory,
        interactions: &[Weighted],
        rows: &DomainRows,
    ) -> Option<Self> {
        let times = || {
            let events = history.events().iter();
            let here = events.filter(|event| event.domain == rows.domain);
            here.take(MOST_EVENTS).map(|event| event.occurred_at)
        };
        let newest = times().max()?;
        let days: BTreeSet<i64> = times().map(|at| at.as_second().div_euclid(86_400)).collect();
        let liked =
            interactions.iter().filter(|known| known.is_liked() && rows.contains(known.row));
        let mut liked: Vec<Weighted> = liked.copied().collect();
        liked.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.row.cmp(&b.row)));
        liked.truncate(ITEMS);
        let mut items: Vec<Row> = liked.iter().map(|known| known.row).collect();
        items.sort_unstable();
        items.dedup();
        let events = u32::try_from(times().count()).unwrap_or(u32::MAX);
        Some(Self { events, days: days.len() as u32, newest, items })
    }
}

/// People of a domain, drawn evenly.
#[derive(Debug, Clone)]
pub(crate) struct DrawnPeople {
    pub(crate) behaviours: Vec<Behaviour>,
    /// Of so many.
    pub(crate) of: u64,
    rng: ChaCha8Rng,
}

/// People of each domain, drawn evenly.
#[derive(Debug, Clone, Default)]
pub(crate) struct BehaviourSample(pub(crate) BTreeMap<DomainId, DrawnPeople>);

impl BehaviourSample {
    /// Offers a person: a group of domains that may share a row (reservoir sampling, Vitter
    /// 1985, algorithm R).
    pub(crate) fn offer(
        &mut self,
        group: &ConsentedHistory,
        interactions: &[Weighted],
        ranges: &DomainRanges,
    ) {
        for (domain, rows) in ranges.iter() {
            let Some(behaviour) = Behaviour::of(group, interactions, rows) else { continue };
            let drawn = self.0.entry(domain.clone()).or_insert_with(|| DrawnPeople {
                behaviours: Vec::new(),
                of: 0,
                rng: ChaCha8Rng::seed_from_u64(SEED),
            });
            drawn.of += 1;
            if drawn.behaviours.len() < PEOPLE {
                drawn.behaviours.push(behaviour);
                continue;
            }
            let place = drawn.rng.random_range(0..drawn.of) as usize;
            if let Some(kept) = drawn.behaviours.get_mut(place) {
                *kept = behaviour;
            }
        }
    }
}
