//! Items of different domains that look like one thing sold on both.

use std::collections::BTreeMap;

/// The twins of each item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Twins {
    of: BTreeMap<u32, Vec<u32>>,
}

impl Twins {
    /// From pairs of rows.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (first, second) in pairs {
            of.entry(first).or_default().push(second);
            of.entry(second).or_default().push(first);
        }
        for twins in of.values_mut() {
            twins.sort_unstable();
            twins.dedup();
        }
        Self { of }
    }

    /// The items that look like this one.
    #[must_use]
    pub fn of(&self, row: u32) -> &[u32] {
        self.of.get(&row).map_or(&[], Vec::as_slice)
    }

    /// Whether two items look alike.
    #[must_use]
    pub fn are(&self, a: u32, b: u32) -> bool {
        self.of(a).binary_search(&b).is_ok()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Each pair once, the lower row first, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let all = self.of.iter().flat_map(|(&a, twins)| twins.iter().map(move |&b| (a, b)));
        all.filter(|(a, b)| a < b)
    }
}
