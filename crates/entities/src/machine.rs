//! What a process gets from the machine it runs on, other than stores.

use crate::clock::{Clock, Stopwatch};
use crate::dice::Dice;
use crate::unique_id::Ids;

/// Time, chance and fresh identifiers, as wired by a `main`.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The time.
    pub clock: Clock,
    /// Spans of time.
    pub stopwatch: Stopwatch,
    /// Fresh identifiers.
    pub ids: Ids,
    /// Chance.
    pub dice: Dice,
}
