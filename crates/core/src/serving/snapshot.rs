//! A domain's catalogue at one moment, matched with a model's rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::entities::catalogue::{ChangeNumber, Item, ItemStatus};
use crate::entities::ids::{DomainId, ItemId};
use crate::entities::item_set::ItemDigest;
use crate::evidence::items::Row;
use crate::model::Model;
use crate::model::content::StandIns;
use crate::serving::catalogue_facts::CatalogueFacts;

/// Catalogues by domain.
pub type Catalogues = BTreeMap<DomainId, Arc<CatalogueSnapshot>>;

/// Most items of a catalogue that are described: of more, those of the newest changes. At the 2
/// to 15 milliseconds that a slow encoder takes for a text, seconds.
pub const MOST_DESCRIBED: usize = 500;

/// Items of a catalogue that a model does not know, by those that stand in for them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DescribedItems {
    /// The last change of the catalogue when they were described: entries that changed later are
    /// not here as they are now.
    pub until: ChangeNumber,
    /// The first change of what is described, where there was more than is; what changed before
    /// is not here, though it be new.
    pub from: Option<ChangeNumber>,
    items: BTreeMap<ItemId, (ChangeNumber, Option<StandIns>)>,
}

/// Described items by domain.
pub type Descriptions = BTreeMap<DomainId, Arc<DescribedItems>>;

impl DescribedItems {
    /// Entries with what stands in for each, if anything does, of a catalogue whose last change
    /// this is, and from which change on where there are more.
    #[must_use]
    pub fn new(
        (from, until): (Option<ChangeNumber>, ChangeNumber),
        items: impl IntoIterator<Item = (ItemId, ChangeNumber, Option<StandIns>)>,
    ) -> Self {
        let items = items.into_iter().map(|(id, change, stand_ins)| (id, (change, stand_ins)));
        Self { until, from, items: items.collect() }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What stands in for an entry as it is now; `None` where it was not described.
    #[must_use]
    pub fn of(&self, item: &Item) -> Option<&Option<StandIns>> {
        let (change, stand_ins) = self.items.get(&item.item_id)?;
        (*change == item.change).then_some(stand_ins)
    }
}

/// A domain's catalogue at one moment, matched with a model's rows. A clone shares its entries.
#[derive(Debug, Clone, Default)]
pub struct CatalogueSnapshot {
    entries: Arc<Entries>,
    described: Option<Arc<DescribedItems>>,
}

#[derive(Debug, Default)]
struct Entries {
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
    /// What stands in for an item that the model does not know, where that is told by its text.
    pub stand_ins: Option<&'a StandIns>,
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
        let entries = Entries { items, rows, digests, positions, last_change, facts };
        Self { entries: Arc::new(entries), described: None }
    }

    /// The same, with new items described.
    #[must_use]
    pub fn described_by(&self, described: Arc<DescribedItems>) -> Self {
        Self { entries: self.entries.clone(), described: Some(described) }
    }

    /// The last change up to which new items are described; `None` where none is.
    #[must_use]
    pub fn described_until(&self) -> Option<ChangeNumber> {
        self.described.as_ref().map(|described| described.until)
    }

    /// The first change of what is described; `None` where everything new is, or nothing.
    #[must_use]
    pub fn described_from(&self) -> Option<ChangeNumber> {
        self.described.as_ref()?.from
    }

    /// The entries of a range of changes that the model does not know, that have a text and that
    /// their platform does not hide, at most [`MOST_DESCRIBED`], the last changed first; and from
    /// which change on, where there are more. Those of one change are all among them, or none, as
    /// long as one has no more than that.
    #[must_use]
    pub fn to_describe(
        &self,
        changes: &RangeInclusive<ChangeNumber>,
    ) -> (Vec<&Item>, Option<ChangeNumber>) {
        let known = self.entries.items.iter().zip(&self.entries.rows);
        let is_new = |(item, row): &(&Item, &Option<Row>)| {
            let details = item.details.as_ref();
            let is_shown = details.is_some_and(|details| details.status == ItemStatus::Active);
            row.is_none() && is_shown && changes.contains(&item.change)
        };
        let mut items: Vec<&Item> = known.filter(is_new).map(|(item, _)| item).collect();
        items.sort_by_key(|item| (Reverse(item.change), &item.item_id));
        let Some(beyond) = items.get(MOST_DESCRIBED).map(|item| item.change) else {
            return (items, None);
        };
        let whole = items.partition_point(|item| item.change > beyond);
        items.truncate(if whole > 0 { whole } else { MOST_DESCRIBED });
        let from = items.last().map(|item| item.change);
        (items, from)
    }

    /// What the catalogue is like as a whole.
    #[must_use]
    pub fn facts(&self) -> &CatalogueFacts {
        self.entries.facts.get_or_init(|| CatalogueFacts::of(&self.entries.items))
    }

    /// The last change that made an entry what it is here; 0 without entries.
    #[must_use]
    pub fn last_change(&self) -> ChangeNumber {
        self.entries.last_change
    }

    /// Every item with its position, in order of ids.
    pub fn entries(&self) -> impl Iterator<Item = (usize, CatalogueEntry<'_>)> {
        (0..self.entries.items.len()).map(|position| (position, self.entry(position)))
    }

    /// The item at a position that this snapshot gave.
    ///
    /// # Panics
    /// When the position is another snapshot's, beyond this one's end.
    #[must_use]
    pub fn entry(&self, position: usize) -> CatalogueEntry<'_> {
        let (item, row) = (&self.entries.items[position], self.entries.rows[position]);
        let described = self.described.as_ref().filter(|_| row.is_none());
        CatalogueEntry {
            item,
            row,
            digest: self.entries.digests[position],
            stand_ins: described.and_then(|described| described.of(item)?.as_ref()),
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
        self.entries.positions.get(id).map(|&position| self.entry(position))
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
