//! The machine's own time, chance and identifiers: what a `main` passes in where
//! a test passes its own. Nothing else asks the machine for them.

use std::time::Instant;

use crossfold_entities::clock::{Clock, Stopwatch};
use crossfold_entities::dice::Dice;
use crossfold_entities::machine::Machine;
use crossfold_entities::unique_id::{Ids, UniqueId};
use jiff::Timestamp;

/// The machine's clock.
#[must_use]
pub fn clock() -> Clock {
    Clock::from_fn(Timestamp::now)
}

/// A stopwatch on the machine's monotonic clock, started now.
#[must_use]
pub fn stopwatch() -> Stopwatch {
    let started = Instant::now();
    Stopwatch::from_fn(move || started.elapsed())
}

/// UUIDs of version 7: the time in milliseconds, then 74 random bits.
#[must_use]
pub fn ids() -> Ids {
    Ids::from_fn(|| UniqueId::from_u128(uuid::Uuid::now_v7().as_u128()))
}

/// Numbers of the thread's cryptographic generator, seeded by the machine.
#[must_use]
pub fn dice() -> Dice {
    Dice::from_fn(rand::random::<u64>)
}

/// All of it.
#[must_use]
pub fn machine() -> Machine {
    Machine { clock: clock(), stopwatch: stopwatch(), ids: ids(), dice: dice() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_the_time_and_repeats_no_id() {
        let machine = machine();
        let reading = machine.stopwatch.read();
        assert!(machine.stopwatch.read() >= reading);
        assert!(machine.clock.now() > Timestamp::UNIX_EPOCH);
        let ids: std::collections::BTreeSet<_> = (0..1_000).map(|_| machine.ids.fresh()).collect();
        assert_eq!(ids.len(), 1_000);
        let id = machine.ids.fresh();
        let as_uuid = uuid::Uuid::from_u128(id.as_u128());
        assert_eq!(
            (id.to_string(), id.simple()),
            (as_uuid.to_string(), as_uuid.simple().to_string())
        );
        assert_eq!(as_uuid.get_version_num(), 7);
        assert_ne!(machine.dice.roll(), machine.dice.roll());
    }
}
