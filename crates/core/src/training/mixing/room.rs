//! What is left of the time and the memory that rankers may take in a run.

use super::sequence_fit::MOST_OPERATIONS;
use super::{MixtureChoice, RankerChoice};

/// Most weights of a model, over all its domains: 8 bytes each in the blob, and as many again
/// once it is read, in the memory of whatever serves it.
pub(super) const MOST_WEIGHTS: usize = 8_000_000;
/// Most pairs of items that people took both of, over all people and domains, of which weights
/// are made: a bound on the time, which grows with them.
pub(super) const MOST_PAIRS: u64 = 1_000_000_000;
/// Most items of a catalogue whose items are all regressed on each other: the time grows
/// with the cube of their number, some seconds here.
pub(super) const MOST_ITEMS_AT_ONCE: usize = 5_000;
/// Most cubes of numbers of items, over all domains whose items are all regressed on each
/// other: two catalogues of the most that are.
const MOST_CUBES: u64 = 2 * (MOST_ITEMS_AT_ONCE as u64).pow(3);

/// What is left of the time and the room that rankers may take, for all domains of a model
/// together. A kind of ranker is tried with all that it would have alone, or not at all: as long as
/// there is room for every domain, who is told of one learns nothing of how many others there are.
/// Where it is used up, that a kind was not tried tells that larger domains are there.
#[derive(Debug)]
pub(crate) struct Room {
    pub(super) pairs: u64,
    pub(super) cubes: u64,
    weights: usize,
    /// Of sequence models: see [`MOST_OPERATIONS`].
    operations: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            pairs: MOST_PAIRS,
            cubes: MOST_CUBES,
            weights: MOST_WEIGHTS,
            operations: MOST_OPERATIONS,
        }
    }
}

impl Room {
    /// Takes the operations of a domain's sequence model, if there are as many left.
    pub(super) fn take_operations(&mut self, needed: u64) -> bool {
        let left = self.operations.checked_sub(needed);
        self.operations = left.unwrap_or(self.operations);
        left.is_some()
    }

    /// Takes the room of a mixture's weights between so many items, if there is as much; two
    /// numbers of a sequence model take that of one weight.
    pub(super) fn take(&mut self, choice: &MixtureChoice, items: usize) -> bool {
        let kept = |ranker: &RankerChoice| match ranker {
            RankerChoice::ItemItem(method) => method.kept(),
            RankerChoice::Sequence(method) => method.numbers_of_item().div_ceil(2),
            RankerChoice::Factors | RankerChoice::Popularity | RankerChoice::RecentPopularity => 0,
        };
        let needed = choice.rankers.iter().map(kept).sum::<usize>().saturating_mul(items);
        let left = self.weights.checked_sub(needed);
        self.weights = left.unwrap_or(self.weights);
        left.is_some()
    }
}
