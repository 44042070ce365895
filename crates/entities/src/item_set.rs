//! Sets of items in eight bytes an item: what someone dismissed, and what they have seen
//! for ever, which only grow and are asked for nothing but whether an item is among them.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::ids::ItemId;

/// Bytes of a digest. That an item is taken for another one has a chance of one in 2^64 for
/// each pair: for 5,000 items of a person and a catalogue of a million, one in 3.7 billion.
pub const DIGEST_BYTES: usize = 8;

/// An item within its domain, by the first bytes of the SHA-256 of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemDigest([u8; DIGEST_BYTES]);

impl ItemDigest {
    /// The digest of an item.
    ///
    /// ```
    /// use crossfold_entities::ids::ItemId;
    /// use crossfold_entities::item_set::ItemDigest;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let digest = ItemDigest::of(&ItemId::parse("abc")?);
    /// assert_eq!(digest.bytes(), [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(item: &ItemId) -> Self {
        let digest: [u8; 32] = Sha256::digest(item.as_str()).into();
        Self(std::array::from_fn(|at| digest[at]))
    }

    /// The digest with these bytes, as one was stored.
    #[must_use]
    pub fn of_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to store.
    #[must_use]
    pub fn bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
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
