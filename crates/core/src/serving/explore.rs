//! Fifth stage: what is shown, and with what probability.
//!
//! Every random choice of a slate is made here, from the decision's seed alone, and
//! the probability of each is logged: without it nothing can be learnt from what
//! people did with a slate about another policy than the one that served it.

use crate::serving::blend::ScoredItem;

/// How a policy tries out what it is not sure of. One that draws must see to it that
/// [`crate::serving::replay`], which leaves out items that were not on a slate and changed
/// since, then draws the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exploration {
    /// Not at all: the arranged slate is shown.
    None,
}

/// An item at its position on the slate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedItem {
    /// The item.
    pub scored: ScoredItem,
    /// The probability with which the policy puts it at this position, above 0 up to 1.
    pub propensity: f64,
}

/// Draws the slate from the arranged one. The same seed draws the same slate.
#[must_use]
pub fn explore(exploration: Exploration, arranged: &[ScoredItem], _seed: u64) -> Vec<PlacedItem> {
    match exploration {
        // Nothing is drawn: the policy always puts these items here.
        Exploration::None => {
            arranged.iter().map(|&scored| PlacedItem { scored, propensity: 1.0 }).collect()
        }
    }
}
