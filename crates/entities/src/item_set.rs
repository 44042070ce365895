//! Sets of items in eight bytes an item: what someone dismissed, and what they have seen
//! for ever, which only grow and are asked for nothing but whether an item is among them.

use std::collections::BTreeSet;

use crate::digest::{DIGEST_BYTES, ShortDigest};
use crate::ids::ItemId;

/// An item within its domain, by the digest of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemDigest(ShortDigest);

impl ItemDigest {
    /// The digest of an item.
    #[must_use]
    pub fn of(item: &ItemId) -> Self {
        Self(ShortDigest::of(item.as_str()))
    }

    /// The digest with these bytes, as one was stored.
    #[must_use]
    pub fn of_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(ShortDigest::of_bytes(bytes))
    }

    /// Its bytes, to store.
    #[must_use]
    pub fn bytes(self) -> [u8; DIGEST_BYTES] {
        self.0.bytes()
    }
}

impl From<&ItemId> for ItemDigest {
    fn from(item: &ItemId) -> Self {
        Self::of(item)
    }
}

/// Items of one domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemSet(BTreeSet<ItemDigest>);

impl ItemSet {
    /// Whether an item is among them.
    #[must_use]
    pub fn contains(&self, item: ItemDigest) -> bool {
        self.0.contains(&item)
    }

    /// Takes one out.
    pub fn remove(&mut self, item: ItemDigest) {
        self.0.remove(&item);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them once, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = ItemDigest> {
        self.0.iter().copied()
    }
}

impl Extend<ItemDigest> for ItemSet {
    fn extend<T: IntoIterator<Item = ItemDigest>>(&mut self, items: T) {
        self.0.extend(items);
    }
}

impl FromIterator<ItemDigest> for ItemSet {
    fn from_iter<T: IntoIterator<Item = ItemDigest>>(items: T) -> Self {
        Self(items.into_iter().collect())
    }
}
