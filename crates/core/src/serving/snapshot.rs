//! A domain's catalogue at one moment, matched with a model's rows.

mod columns;
mod fields;
mod found;
mod refused_offers;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::entities::catalogue::{ChangeNumber, Item, ItemStatus};
use crate::entities::filter::{Filter, Schema};
use crate::entities::ids::{DomainId, ItemId};
use crate::entities::item_set::ItemDigest;
use crate::evidence::items::Row;
use crate::model::Model;
use crate::model::content::StandIns;
use crate::serving::catalogue_facts::CatalogueFacts;
use crate::serving::snapshot::columns::Columns;
use crate::serving::snapshot::fields::{FieldColumns, FilterTable};
use crate::serving::snapshot::refused_offers::RefusedOffers;

pub use found::{FoundItem, FoundItems};

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
    found: Option<Arc<FoundItems>>,
}

#[derive(Debug, Default)]
struct Entries {
    /// In order of ids. Catalogues of which one is the other with a few changes share the others.
    items: Vec<Arc<Item>>,
    columns: Columns,
    fields: FieldColumns,
    last_change: ChangeNumber,
    refused: RefusedOffers,
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
    /// What stands in for an item that the model does not know, where that is told by its text.
    pub stand_ins: Option<&'a StandIns>,
}

impl CatalogueSnapshot {
    /// Matches the items of one domain, in any order, with the model's rows.
    #[must_use]
    pub fn new(items: Vec<Item>, model: Option<&Model>) -> Self {
        Self::with_since(items, model, Item::since)
    }

    /// The same, where it is otherwise known since when each item has been there.
    #[must_use]
    pub fn with_since(
        mut items: Vec<Item>,
        model: Option<&Model>,
        since: impl Fn(&Item) -> Timestamp,
    ) -> Self {
        items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        Self::of_sorted(items.into_iter().map(Arc::new).collect(), model, since)
    }

    /// The same catalogue, none of it described, with entries put in the place of those with the same
    /// ids, matched with a model's rows. What did not change is shared and not copied.
    #[must_use]
    pub fn changed(&self, changes: impl IntoIterator<Item = Item>, model: Option<&Model>) -> Self {
        let changed: BTreeMap<ItemId, Item> =
            changes.into_iter().map(|item| (item.item_id.clone(), item)).collect();
        let mut changed = changed.into_values().map(Arc::new).peekable();
        let mut items = Vec::with_capacity(self.len() + changed.len());
        for item in &self.entries.items {
            while let Some(before) = changed.next_if(|other| other.item_id < item.item_id) {
                items.push(before);
            }
            let newer = changed.next_if(|other| other.item_id == item.item_id);
            items.push(newer.unwrap_or_else(|| item.clone()));
        }
        items.extend(changed);
        Self::of_sorted(items, model, Item::since)
    }

    fn of_sorted(
        items: Vec<Arc<Item>>,
        model: Option<&Model>,
        since: impl Fn(&Item) -> Timestamp,
    ) -> Self {
        let columns = Columns::of(&items, model, since);
        let last_change = items.iter().map(|item| item.change).max().unwrap_or_default();
        let (fields, refused) = (FieldColumns::default(), RefusedOffers::default());
        let entries =
            Entries { items, columns, fields, last_change, refused, facts: OnceLock::new() };
        Self { entries: Arc::new(entries), described: None, found: None }
    }

    /// The same, with new items described.
    #[must_use]
    pub fn described_by(&self, described: Arc<DescribedItems>) -> Self {
        Self { described: Some(described), ..self.clone() }
    }

    /// The same, with the items among its own that have the words of a question.
    #[must_use]
    pub fn searched(&self, found: Arc<FoundItems>) -> Self {
        Self { found: Some(found), ..self.clone() }
    }

    /// The items that have the words of a question; `None` where it was not looked.
    #[must_use]
    pub fn found(&self) -> Option<&FoundItems> {
        self.found.as_deref()
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
        let known = self.entries.items.iter().zip(self.entries.columns.rows());
        let is_new = |(item, row): &(&Item, Option<Row>)| {
            let details = item.details.as_ref();
            let is_shown = details.is_some_and(|details| details.status == ItemStatus::Active);
            row.is_none() && is_shown && changes.contains(&item.change)
        };
        let mut items: Vec<&Item> =
            known.map(|(item, row)| (&**item, row)).filter(is_new).map(|(item, _)| item).collect();
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
        self.entries
            .facts
            .get_or_init(|| CatalogueFacts::of(self.entries.items.iter().map(|item| &**item)))
    }

    /// The last change that made an entry what it is here; 0 without entries.
    #[must_use]
    pub fn last_change(&self) -> ChangeNumber {
        self.entries.last_change
    }

    /// Whether another one is of the same state of the same catalogue, whatever was found out about its
    /// entries.
    #[must_use]
    pub fn has_entries_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.items.is_empty()
    }

    /// Every item with its position, in order of ids.
    pub fn entries(&self) -> impl Iterator<Item = (usize, CatalogueEntry<'_>)> {
        (0..self.len()).map(|position| (position, self.entry(position)))
    }

    /// The item at a position that this snapshot gave.
    ///
    /// # Panics
    /// When the position is another snapshot's, beyond this one's end.
    #[must_use]
    pub fn entry(&self, position: usize) -> CatalogueEntry<'_> {
        let (item, row) = (&self.entries.items[position], self.entries.columns.row(position));
        let described = self.described.as_ref().filter(|_| row.is_none());
        let stand_ins = described.and_then(|described| described.of(item)?.as_ref());
        CatalogueEntry { item, row, stand_ins }
    }

    /// The model's row of each item, in order of positions.
    pub fn rows(&self) -> impl Iterator<Item = Option<Row>> {
        self.entries.columns.rows()
    }

    /// The positions of the items that may not be shown at an instant; some twice.
    pub fn not_shown(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        self.entries.columns.not_shown(now)
    }

    /// The positions of the items that carry an offer, ascending.
    pub fn with_offers(&self) -> impl Iterator<Item = usize> {
        self.entries.columns.with_offers()
    }

    /// The positions of the items whose offers nobody can have, by rules of a digest on a day: as they
    /// were found before, or as they are found now.
    pub(super) fn refused_offers(
        &self,
        (rules, on): (String, Date),
        find: impl FnOnce() -> Vec<u32>,
    ) -> Arc<[u32]> {
        self.entries.refused.of((rules, on), find)
    }

    /// Since when the item at a position has been there, as far as is known: from when it may be
    /// shown, or when its entry last changed.
    ///
    /// # Panics
    /// When the position is another snapshot's, beyond this one's end.
    #[must_use]
    pub fn since(&self, position: usize) -> Timestamp {
        self.entries.columns.since(position)
    }

    /// The positions of the new items that known ones stand in for, with these.
    pub fn described(&self) -> impl Iterator<Item = (usize, &StandIns)> {
        let described = self.described.iter().flat_map(|described| described.items.keys());
        described.filter_map(|id| {
            let position = self.position(id)?;
            Some((position, self.entry(position).stand_ins?))
        })
    }

    /// What a filter reads of the items, in order of positions.
    #[must_use]
    pub fn table(&self, filter: &Filter, schema: &Schema) -> FilterTable {
        self.entries.fields.of(&self.entries.items, filter, schema)
    }

    /// The position of an item.
    #[must_use]
    pub fn position(&self, id: &ItemId) -> Option<usize> {
        self.entries.items.binary_search_by(|item| item.item_id.cmp(id)).ok()
    }

    /// The positions of the items that a set has by this digest: one, but by the rarest chance.
    pub fn with_digest(&self, digest: ItemDigest) -> impl Iterator<Item = usize> {
        self.entries.columns.with_digest(&self.entries.items, digest)
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
        self.position(id).map(|position| self.entry(position))
    }
}

impl<'a> CatalogueEntry<'a> {
    /// The item's title; `None` once it was deleted.
    #[must_use]
    pub fn title(&self) -> Option<&'a str> {
        self.item.details.as_ref().map(|details| details.title.as_str())
    }
}
