//! What a process did in numbers, added up in memory and written from time to time:
//! a write for each request would cost more than the numbers are worth.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfold_core::entities::activity::{Activity, INTAKES, day_of};
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::ActivityStore;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

/// How long counts are held back at most while requests come in. A function that is
/// frozen for ever meanwhile takes them with it.
const HELD_BACK: SignedDuration = SignedDuration::from_secs(10);

/// How long a request waits for them to be written.
const PATIENCE: Duration = Duration::from_millis(250);

#[derive(Default)]
struct Pending {
    written_at: Option<Timestamp>,
    days: BTreeMap<(Date, DomainId), Activity>,
    /// The last refused elements of each domain, also those that were written before: a
    /// write replaces what the store remembers.
    refused: BTreeMap<DomainId, Activity>,
}

/// Adds up what a process did. A clone adds to the same sum.
#[derive(Clone)]
pub struct ActivityLog {
    store: Arc<dyn ActivityStore>,
    clock: Clock,
    pending: Arc<Mutex<Pending>>,
}

impl ActivityLog {
    /// A log with nothing in it yet.
    #[must_use]
    pub fn new(store: Arc<dyn ActivityStore>, clock: Clock) -> Self {
        Self { store, clock, pending: Arc::default() }
    }

    /// Adds what happened in a domain now. Writes the sum if the last time was long ago;
    /// a failure to write is no failure of the request, nor is it waited for long.
    pub async fn note(&self, domain: &DomainId, activity: Activity) {
        self.note_within(domain, activity, PATIENCE).await;
    }

    /// As [`ActivityLog::note`], waiting no longer than that; what is being written then
    /// goes on being written.
    pub async fn note_within(&self, domain: &DomainId, activity: Activity, wait: Duration) {
        let now = self.clock.now();
        let is_due = {
            let mut pending = self.lock();
            pending.days.entry((day_of(now), domain.clone())).or_default().add(activity);
            pending.written_at.is_none_or(|at| now.duration_since(at) >= HELD_BACK)
        };
        if is_due {
            let log = self.clone();
            // A task of its own: cut off in the middle, it would lose what it took.
            let writing = tokio::spawn(async move { log.write().await });
            if timeout(wait.min(PATIENCE), writing).await.is_err() {
                tracing::warn!("activity is being written still");
            }
        }
    }

    /// Writes the sum now. What cannot be written is held back and tried again.
    pub async fn write(&self) {
        let days = {
            let mut pending = self.lock();
            pending.written_at = Some(self.clock.now());
            std::mem::take(&mut pending.days)
        };
        for ((day, domain), activity) in days {
            let activity = self.with_earlier_refusals(&domain, activity);
            if let Err(error) = self.store.add(day, &domain, &activity).await {
                tracing::warn!(%error, "activity could not be written");
                self.hold_back((day, domain), activity);
            }
        }
    }

    /// The same counts with the last refused elements that this process met, not only those
    /// since the last write.
    fn with_earlier_refusals(&self, domain: &DomainId, mut activity: Activity) -> Activity {
        let mut pending = self.lock();
        let remembered = pending.refused.entry(domain.clone()).or_default();
        for kind in INTAKES {
            let (Some(known), Some(new)) = (remembered.intake_mut(kind), activity.intake_mut(kind))
            else {
                continue;
            };
            if !new.last_refused.is_empty() {
                let new_ones = std::mem::take(&mut new.last_refused);
                // What could not be written before comes again.
                let unknown: Vec<_> = new_ones
                    .into_iter()
                    .filter(|element| !known.last_refused.contains(element))
                    .collect();
                unknown.into_iter().for_each(|element| known.remember(element));
                new.last_refused = known.last_refused.clone();
            }
        }
        activity
    }

    /// Puts what could not be written before what came in meanwhile.
    fn hold_back(&self, key: (Date, DomainId), mut activity: Activity) {
        let mut pending = self.lock();
        let later = pending.days.remove(&key).unwrap_or_default();
        activity.add(later);
        pending.days.insert(key, activity);
    }

    /// No panic can happen between two changes of the sum.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    use crossfold_core::entities::activity::RefusedElement;

    use super::*;
    use crate::faults::{Fault, FaultPlan, faulty};
    use crate::memory;

    #[tokio::test]
    async fn the_last_refusals_are_those_of_all_writes() {
        let stores = memory::stores();
        let log = ActivityLog::new(stores.activity.clone(), Clock::from_fn(Timestamp::default));
        let domain = DomainId::parse("knowledge").unwrap();
        for index in 0..3 {
            let mut one = Activity::default();
            let element = RefusedElement::new(Timestamp::default(), index, "invalid_id", "why");
            one.events.refuse(element);
            log.note(&domain, one).await;
            log.write().await;
        }
        let events = &stores.activity.since(Date::MIN).await.unwrap()[0].activity.events;
        let indexes: Vec<usize> = events.last_refused.iter().map(|element| element.index).collect();
        assert_eq!((indexes, events.refused["invalid_id"]), (vec![0, 1, 2], 3));
    }

    #[tokio::test]
    async fn counts_are_written_at_once_then_every_ten_seconds_and_kept_when_that_fails() {
        let (seconds, fails) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let (shown, failing) = (seconds.clone(), fails.clone());
        let now = move || Timestamp::from_second(shown.load(Ordering::Relaxed)).unwrap_or_default();
        let plan = FaultPlan::from_fn(move |call| {
            let breaks = failing.load(Ordering::Relaxed) && call.method == "activity.add";
            if breaks { Fault::Before } else { Fault::None }
        });
        let stores = memory::stores();
        let store = faulty(stores.clone(), &plan).activity;
        let log = ActivityLog::new(store, Clock::from_fn(now));
        let domain = DomainId::parse("knowledge").unwrap();
        for (second, failure, written) in
            [(0, false, 1), (9, false, 1), (10, true, 1), (15, false, 1), (20, false, 5)]
        {
            seconds.store(second, Ordering::Relaxed);
            fails.store(failure, Ordering::Relaxed);
            let mut one = Activity::default();
            one.slates.served = 1;
            log.note(&domain, one).await;
            let days = stores.activity.since(Date::MIN).await.unwrap();
            assert_eq!(days[0].activity.slates.served, written, "at {second} s");
        }
    }
}
