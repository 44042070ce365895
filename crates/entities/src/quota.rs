//! At most so many of a kind on one slate: of a target's items, of those that pass a filter, or of
//! each category.
//!
//! A quota never makes a slate shorter: where nothing else is left that may be shown, what it counts
//! is shown after all, at the end.

use crate::filter::Filter;

/// Most quotas of one request.
pub const MAX_QUOTAS: usize = 10;

/// At most so many of some items.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    /// Which items; `None` for all of the target.
    pub filter: Option<Filter>,
    /// Whether so many of each category are meant, and not of all these items together. An item of
    /// several categories counts in each, and one of none in none.
    pub each_category: bool,
    /// How many, 1 or more.
    pub most: usize,
}

impl Quota {
    /// Whether it tells items of a target apart by what they are like, and not by whose they are.
    #[must_use]
    pub fn tells_apart(&self) -> bool {
        self.each_category || self.filter.is_some()
    }
}
