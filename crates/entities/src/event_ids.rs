//! Event ids packed together, for who holds millions of them.

use crate::ids::EventId;

/// How many low bits of a [`PackedId`] say how long the id is.
const LENGTH_BITS: u32 = 10;
const LENGTH_MASK: u64 = (1 << LENGTH_BITS) - 1;

/// Where an id lies in its [`EventIds`]: meaningful for those alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedId(u64);

/// Ids one after another, at the price of their bytes and 8 more each.
#[derive(Debug, Clone, Default)]
pub struct EventIds {
    text: String,
}

impl EventIds {
    /// Adds an id, and says where it lies.
    pub fn push(&mut self, id: &EventId) -> PackedId {
        let start = self.text.len() as u64;
        self.text.push_str(id.as_str());
        // An id of 128 characters has at most 512 bytes, which is below 1,024.
        PackedId(start << LENGTH_BITS | id.as_str().len() as u64)
    }

    /// The text of an id.
    ///
    /// # Panics
    /// When the id is not of these.
    #[must_use]
    pub fn text(&self, PackedId(place): PackedId) -> &str {
        let start = (place >> LENGTH_BITS) as usize;
        &self.text[start..start + (place & LENGTH_MASK) as usize]
    }

    /// An id.
    ///
    /// # Panics
    /// When the id is not of these.
    #[must_use]
    pub fn get(&self, id: PackedId) -> EventId {
        EventId::of_checked(self.text(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_out_as_they_went_in() {
        let longest = "😀".repeat(crate::ids::MAX_ID_CHARS);
        let ids = ["e1", "课程 #1", longest.as_str(), "e1"].map(|id| EventId::parse(id).unwrap());
        let mut packed = EventIds::default();
        let places = ids.each_ref().map(|id| packed.push(id));
        assert_eq!(places.map(|place| packed.get(place)), ids);
    }
}
