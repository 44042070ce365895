//! The items of a catalogue that have the words of a question.

/// An item that has a word of what is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundItem {
    /// Its position in the snapshot that was searched.
    pub position: usize,
    /// How well it matches, above 0 to 1.
    pub relevance: f32,
    /// Whether it has something of what is asked, and not of the context alone.
    pub is_asked_for: bool,
}

/// The items of one snapshot that have words of what is looked for, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundItems(Vec<FoundItem>);

impl FoundItems {
    /// Items in any order.
    #[must_use]
    pub fn new(mut items: Vec<FoundItem>) -> Self {
        items.sort_by_key(|item| item.position);
        items.dedup_by_key(|item| item.position);
        Self(items)
    }

    /// They, in order of positions.
    #[must_use]
    pub fn items(&self) -> &[FoundItem] {
        &self.0
    }

    /// How well the item at a position matches; 0 where it has none of the words.
    #[must_use]
    pub fn relevance(&self, position: usize) -> f32 {
        let found = self.0.binary_search_by_key(&position, |item| item.position);
        found.map_or(0.0, |at| self.0[at].relevance)
    }
}
