//! A domain's catalogue at one moment, matched with a model's rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::entities::catalogue::{ChangeNumber, Item};
use crate::entities::ids::{DomainId, ItemId};
use crate::entities::item_set::ItemDigest;
use crate::evidence::items::Row;
use crate::model::Model;
use crate::serving::catalogue_facts::CatalogueFacts;

/// Catalogues by domain.
pub type Catalogues = BTreeMap<DomainId, Arc<CatalogueSnapshot>>;

/// A domain's catalogue at one moment, matched with a model's rows.
#[derive(Debug, Clone, Default)]
pub struct CatalogueSnapshot {
    items: Vec<Item>,
    rows: Vec<Option<Row>>,
    digests: Vec<ItemDigest>,
    positions: HashMap<ItemId, usize>,
    last_change: ChangeNumber,
    /// Made when they are first asked for: slates do without.
    facts: OnceLock<CatalogueFacts>,
}

/// An item of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueEntry<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its row in the model; `None` when the model does not know it.
    pub row: Option<Row>,
    /// The item as sets of items have it.
    pub digest: ItemDigest,
}

impl CatalogueSnapshot {
    /// Matches a domain's items, in order of their ids, with the model's rows.
    #[must_use]
    pub fn new(mut items: Vec<Item>, model: Option<&Model>) -> Self {
        items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        let row = |item: &Item| model?.index().row(&(item.domain.clone(), item.item_id.clone()));
        let rows = items.iter().map(row).collect();
        let positions =
            items.iter().enumerate().map(|(at, item)| (item.item_id.clone(), at)).collect();
        let last_change = items.iter().map(|item| item.change).max().unwrap_or_default();
        let digests = items.iter().map(|item| ItemDigest::of(&item.item_id)).collect();
        let facts = OnceLock::new();
        Self { items, rows, digests, positions, last_change, facts }
    }

    /// What the catalogue is like as a whole.
    #[must_use]
    pub fn facts(&self) -> &CatalogueFacts {
        self.facts.get_or_init(|| CatalogueFacts::of(&self.items))
    }

    /// The last change that made an entry what it is here; 0 without entries.
    #[must_use]
    pub fn last_change(&self) -> ChangeNumber {
        self.last_change
    }

    /// Every item with its position, in order of ids.
    pub fn entries(&self) -> impl Iterator<Item = (usize, CatalogueEntry<'_>)> {
        (0..self.items.len()).map(|position| (position, self.entry(position)))
    }

    /// The item at a position that this snapshot gave.
    ///
    /// # Panics
    /// When the position is another snapshot's, beyond this one's end.
    #[must_use]
    pub fn entry(&self, position: usize) -> CatalogueEntry<'_> {
        CatalogueEntry {
            item: &self.items[position],
            row: self.rows[position],
            digest: self.digests[position],
        }
    }

    /// The title of an item, unless it is not there or was deleted.
    #[must_use]
    pub fn title(&self, id: &ItemId) -> Option<&str> {
        self.find(id)?.title()
    }

    /// The title of an item that may be shown to people at `now`: none of one that its
    /// platform hides, deleted or does not offer.
    #[must_use]
    pub fn title_to_show(&self, id: &ItemId, now: Timestamp) -> Option<&str> {
        self.find(id).filter(|entry| entry.item.is_available(now))?.title()
    }

    /// The entry of an item.
    #[must_use]
    pub fn find(&self, id: &ItemId) -> Option<CatalogueEntry<'_>> {
        self.positions.get(id).map(|&position| self.entry(position))
    }
}

impl<'a> CatalogueEntry<'a> {
    /// Since when it has been there, as far as is known: from when it may be shown, or
    /// when its entry last changed.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        let available_from = self.item.details.as_ref().and_then(|details| details.available_from);
        available_from.unwrap_or(self.item.updated_at)
    }

    /// The item's title; `None` once it was deleted.
    #[must_use]
    pub fn title(&self) -> Option<&'a str> {
        self.item.details.as_ref().map(|details| details.title.as_str())
    }
}
