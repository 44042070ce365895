//! Robots: users whose rate of events only a machine has.
//!
//! A user's rate is the most events within any hour. Rates spread over orders of
//! magnitude, so the robust z-score is taken of their logarithm.
//!
//! Events at one and the same instant count once. Nobody acts twice within a
//! millisecond, so such a time is that of a day or of an import, and tells no rate:
//! who has a thousand events at one midnight may have done them all day long.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::robust::median_and_reach;
use crate::entities::event::Event;
use crate::entities::ids::{DomainId, Pseudonym};

/// Fewest users of a domain from whose rates a limit is drawn.
pub const MIN_USERS: usize = 50;
/// However slow the others are, nobody is a robot up to this many events in an
/// hour: two a minute, kept up for the hour.
pub const NEVER_ROBOTS_UP_TO: u64 = 120;
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Each user's most instants with an event within an hour, by domain.
#[derive(Debug, Default)]
pub(super) struct PeakRates(BTreeMap<DomainId, BTreeMap<Pseudonym, u64>>);

impl PeakRates {
    /// Adds a user, with their events in order of time.
    pub(super) fn add<'a>(&mut self, user: &Pseudonym, events: impl Iterator<Item = &'a Event>) {
        let mut times: BTreeMap<&DomainId, Vec<Timestamp>> = BTreeMap::new();
        for event in events {
            let times = times.entry(&event.domain).or_default();
            if times.last() != Some(&event.occurred_at) {
                times.push(event.occurred_at);
            }
        }
        for (domain, times) in times {
            let users = self.0.entry(domain.clone()).or_default();
            users.insert(user.clone(), most_within_an_hour(&times));
        }
    }

    /// Which users of which domains are robots; notes the limit of each domain that has one.
    pub(super) fn robots(
        self,
        limits: &mut BTreeMap<DomainId, u64>,
    ) -> HashSet<(DomainId, Pseudonym)> {
        let mut robots = HashSet::new();
        for (domain, users) in self.0 {
            let Some(most) = limit(users.values().copied()) else { continue };
            let too_fast = users.into_iter().filter(|(_, rate)| *rate > most);
            robots.extend(too_fast.map(|(user, _)| (domain.clone(), user)));
            limits.insert(domain, most);
        }
        robots
    }

    /// The rates in one domain.
    #[cfg(test)]
    pub(super) fn of(&self, domain: &DomainId) -> impl Iterator<Item = u64> + '_ {
        self.0.get(domain).into_iter().flat_map(|users| users.values().copied())
    }
}

/// Of ascending times.
fn most_within_an_hour(times: &[Timestamp]) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (last, time) in times.iter().enumerate() {
        while time.duration_since(times[first]) >= WINDOW {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as u64
}

/// The most events an hour that are no outlier; `None` when users are too few
/// or all alike.
fn limit(rates: impl ExactSizeIterator<Item = u64>) -> Option<u64> {
    if rates.len() < MIN_USERS {
        return None;
    }
    let mut logarithms: Vec<Decimal> =
        rates.filter_map(|rate| Decimal::from_f64((rate as f64).ln())).collect();
    let (median, reach) = median_and_reach(&mut logarithms)?;
    let limit = (median + reach).to_f64()?.exp();
    // A cast of a float saturates.
    Some((limit as u64).max(NEVER_ROBOTS_UP_TO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_most_within_any_hour() {
        let at = |minutes: &[i64]| -> Vec<Timestamp> {
            minutes.iter().map(|m| Timestamp::from_second(m * 60).unwrap()).collect()
        };
        assert_eq!(most_within_an_hour(&at(&[0, 50, 59, 60, 70, 200])), 4);
        assert_eq!(most_within_an_hour(&at(&[0, 60, 120])), 1);
        assert_eq!(most_within_an_hour(&at(&[])), 0);
    }

    #[test]
    fn the_limit_follows_the_users_and_needs_enough_of_them() {
        let slow = (0..60u32).map(|user| u64::from(1 + user % 9));
        assert_eq!(limit(slow.clone()), Some(NEVER_ROBOTS_UP_TO));
        assert_eq!(limit(slow.take(49).collect::<Vec<_>>().into_iter()), None);
        // Median 200, half of the users within a factor of two of it: e^(ln 200 + 5.19 ln 2).
        let fast = [100, 200, 400].repeat(20);
        let most = limit(fast.into_iter()).unwrap();
        assert!((7_280..7_310).contains(&most), "{most}");
        assert_eq!(limit(vec![3; 80].into_iter()), None);
    }
}
