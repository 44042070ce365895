//! What serving asks of every item of a catalogue, a column each, in order of positions: so
//! that a rule or a score passes over plain numbers.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::entities::catalogue::{Item, ItemDetails, ItemStatus};
use crate::entities::item_set::ItemDigest;
use crate::evidence::items::Row;
use crate::model::Model;

/// The row of an item that the model does not know.
const NO_ROW: u32 = u32::MAX;

/// The columns of a catalogue.
#[derive(Debug, Default)]
pub(super) struct Columns {
    rows: Vec<u32>,
    /// Positions of the items that may not be shown at any time.
    never_shown: Vec<u32>,
    /// From when, and until when, others may be shown, where that is said: the first first.
    shown_from: Vec<(Timestamp, u32)>,
    shown_until: Vec<(Timestamp, u32)>,
    since: Vec<Timestamp>,
    /// Positions of the items that carry an offer.
    offers: Vec<u32>,
    /// Ascending; made when first asked for, as most people have no sets of items.
    digests: OnceLock<Vec<(ItemDigest, u32)>>,
}

impl Columns {
    /// The columns of items of one domain, which ascend by their ids.
    pub(super) fn of(
        items: &[Arc<Item>],
        model: Option<&Model>,
        since: impl Fn(&Item) -> Timestamp,
    ) -> Self {
        Self {
            rows: rows(items, model),
            never_shown: never_shown(items),
            shown_from: instants(items, |details| details.available_from),
            shown_until: instants(items, |details| details.available_until),
            since: items.iter().map(|item| since(item)).collect(),
            offers: positions(items, |details| details.offer.is_some()),
            digests: OnceLock::new(),
        }
    }

    /// The row of an item in the model.
    pub(super) fn row(&self, position: usize) -> Option<Row> {
        known(*self.rows.get(position)?)
    }

    /// The rows of all items.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<Row>> {
        self.rows.iter().map(|row| known(*row))
    }

    /// The positions of the items that may not be shown at an instant, as
    /// [`Item::is_available`] has it; some twice.
    pub(super) fn not_shown(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        let later = self.shown_from.partition_point(|(from, _)| *from <= now);
        let over = self.shown_until.partition_point(|(until, _)| *until <= now);
        let at_times = self.shown_from[later..].iter().chain(&self.shown_until[..over]);
        let at_times = at_times.map(|(_, position)| position);
        self.never_shown.iter().chain(at_times).map(|position| *position as usize)
    }

    /// The positions of the items that carry an offer, ascending.
    pub(super) fn with_offers(&self) -> impl Iterator<Item = usize> {
        self.offers.iter().map(|position| *position as usize)
    }

    /// Since when an item has been there, as far as is known.
    pub(super) fn since(&self, position: usize) -> Timestamp {
        self.since[position]
    }

    /// The positions of the items with a digest.
    pub(super) fn with_digest(
        &self,
        items: &[Arc<Item>],
        digest: ItemDigest,
    ) -> impl Iterator<Item = usize> {
        let digests = self.digests.get_or_init(|| digests(items));
        let first = digests.partition_point(|(other, _)| *other < digest);
        let same = digests[first..].iter().take_while(move |(other, _)| *other == digest);
        same.map(|(_, position)| *position as usize)
    }
}

fn known(row: u32) -> Option<Row> {
    (row != NO_ROW).then_some(Row(row))
}

/// Both the catalogue and the model ascend by ids: one pass over both.
fn rows(items: &[Arc<Item>], model: Option<&Model>) -> Vec<u32> {
    let of_domain = || {
        let (index, domain) = (model?.index(), &items.first()?.domain);
        let range = index.ranges().get(domain)?.range.clone();
        Some((range.start, index.items().get(range)?))
    };
    let Some((start, known)) = of_domain() else { return vec![NO_ROW; items.len()] };
    let mut next = 0;
    let row = |item: &Arc<Item>| {
        while known.get(next).is_some_and(|(_, id)| *id < item.item_id) {
            next += 1;
        }
        let is_known = known.get(next).is_some_and(|(_, id)| *id == item.item_id);
        if is_known { (start + next) as u32 } else { NO_ROW }
    };
    items.iter().map(row).collect()
}

fn never_shown(items: &[Arc<Item>]) -> Vec<u32> {
    let is_offered = |item: &Arc<Item>| {
        item.details.as_ref().is_some_and(|details| details.status == ItemStatus::Active)
    };
    let numbered = items.iter().enumerate();
    numbered.filter(|(_, item)| !is_offered(item)).map(|(position, _)| position as u32).collect()
}

/// The positions of the items of whose details something is true.
fn positions(items: &[Arc<Item>], is_true: impl Fn(&ItemDetails) -> bool) -> Vec<u32> {
    let numbered = items.iter().enumerate();
    let is_true = |item: &Arc<Item>| item.details.as_ref().is_some_and(&is_true);
    numbered.filter(|(_, item)| is_true(item)).map(|(position, _)| position as u32).collect()
}

fn instants(
    items: &[Arc<Item>],
    of: impl Fn(&ItemDetails) -> Option<Timestamp>,
) -> Vec<(Timestamp, u32)> {
    let instant = |(position, item): (usize, &Arc<Item>)| {
        Some((of(item.details.as_ref()?)?, position as u32))
    };
    let mut instants: Vec<(Timestamp, u32)> =
        items.iter().enumerate().filter_map(instant).collect();
    instants.sort_unstable();
    instants
}

fn digests(items: &[Arc<Item>]) -> Vec<(ItemDigest, u32)> {
    let digest =
        |(position, item): (usize, &Arc<Item>)| (ItemDigest::of(&item.item_id), position as u32);
    let mut digests: Vec<(ItemDigest, u32)> = items.iter().enumerate().map(digest).collect();
    digests.sort_unstable();
    digests
}
