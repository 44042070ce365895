//! What serving asks of every item of a catalogue, a column each, in order of positions: so
//! that a rule or a score passes over plain numbers.

use std::sync::OnceLock;

use jiff::Timestamp;

use crate::entities::catalogue::{Item, ItemStatus};
use crate::entities::item_set::ItemDigest;
use crate::evidence::items::Row;
use crate::model::Model;

/// The row of an item that the model does not know.
const NO_ROW: u32 = u32::MAX;

/// The columns of a catalogue.
#[derive(Debug, Default)]
pub(super) struct Columns {
    rows: Vec<u32>,
    /// When each may be shown, in nanoseconds of the Unix epoch: from the first, and before the
    /// second. For one that may never be, the first is beyond all times.
    shown: Vec<(i64, i64)>,
    since: Vec<Timestamp>,
    /// Ascending; made when first asked for, as most people have no sets of items.
    digests: OnceLock<Vec<(ItemDigest, u32)>>,
}

impl Columns {
    /// The columns of items of one domain, which ascend by their ids.
    pub(super) fn of(items: &[Item], model: Option<&Model>) -> Self {
        Self {
            rows: rows(items, model),
            shown: items.iter().map(shown).collect(),
            since: items.iter().map(Item::since).collect(),
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

    /// Whether each item may be shown at an instant.
    pub(super) fn shown(&self, now: Timestamp) -> impl Iterator<Item = bool> {
        let now = nanoseconds(now);
        self.shown.iter().map(move |(from, until)| *from <= now && now < *until)
    }

    /// Since when an item has been there, as far as is known.
    pub(super) fn since(&self, position: usize) -> Timestamp {
        self.since[position]
    }

    /// The positions of the items with a digest.
    pub(super) fn with_digest(
        &self,
        items: &[Item],
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
fn rows(items: &[Item], model: Option<&Model>) -> Vec<u32> {
    let of_domain = || {
        let (index, domain) = (model?.index(), &items.first()?.domain);
        let range = index.ranges().get(domain)?.range.clone();
        Some((range.start, index.items().get(range)?))
    };
    let Some((start, known)) = of_domain() else { return vec![NO_ROW; items.len()] };
    let mut next = 0;
    let row = |item: &Item| {
        while known.get(next).is_some_and(|(_, id)| *id < item.item_id) {
            next += 1;
        }
        let is_known = known.get(next).is_some_and(|(_, id)| *id == item.item_id);
        if is_known { (start + next) as u32 } else { NO_ROW }
    };
    items.iter().map(row).collect()
}

/// As [`Item::is_available`].
fn shown(item: &Item) -> (i64, i64) {
    const NEVER: (i64, i64) = (i64::MAX, i64::MIN);
    let details = item.details.as_ref().filter(|details| details.status == ItemStatus::Active);
    details.map_or(NEVER, |details| {
        let from = details.available_from.map_or(i64::MIN, nanoseconds);
        (from, details.available_until.map_or(i64::MAX, nanoseconds))
    })
}

/// Exact from 1678 to 2262, which is more than is accepted of any item.
fn nanoseconds(instant: Timestamp) -> i64 {
    let nanoseconds = instant.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX - 1 })
}

fn digests(items: &[Item]) -> Vec<(ItemDigest, u32)> {
    let digest =
        |(position, item): (usize, &Item)| (ItemDigest::of(&item.item_id), position as u32);
    let mut digests: Vec<(ItemDigest, u32)> = items.iter().enumerate().map(digest).collect();
    digests.sort_unstable();
    digests
}
