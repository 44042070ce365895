//! The joint matrix, whole and without what is held out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::entities::consent::{ConsentContext, ConsentedHistory};
use crate::entities::definition::Definitions;
use crate::entities::ids::DomainId;
use crate::evidence::confidences::confidences;
use crate::evidence::inputs::InputCounts;
use crate::evidence::items::{DomainRows, ItemIndex, Row, Weighted};
use crate::evidence::people_index::Histories;
use crate::maths::sparse::SparseRows;

/// Share of the events, the newest, that is held out for evaluation.
const HELD_OUT: f64 = 0.1;

/// The instant that leaves the newest tenth of the events held out, unless so
/// many share one instant that less than half would be left to train on.
pub(crate) fn split_instant(times: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = times.collect();
    times.sort_unstable();
    let at = (times.len() as f64 * (1.0 - HELD_OUT)) as usize;
    let instant = *times.get(at)?;
    let before = times.partition_point(|time| *time < instant);
    (before * 2 >= times.len()).then_some(instant)
}

/// About how many people the last item is held out from: enough for a narrow
/// interval, and few enough that the rest is nearly the whole matrix.
const LAST_OUT_PEOPLE: f64 = 20_000.0;
/// Seed of their draw.
const LAST_OUT_SEED: u64 = 3;

/// The rows of the joint matrix, whole and split by time.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) all: SparseRows,
    pub(crate) before: SparseRows,
    pub(crate) held_out: Vec<Vec<u32>>,
    /// The last item of each domain, of the rows drawn for leave-last-out.
    pub(crate) last: Vec<Vec<u32>>,
    /// The part of `held_out` that the champion was trained on; empty without one that was.
    pub(crate) held_out_seen: Vec<Vec<u32>>,
    pub(crate) people: usize,
    pub(crate) consented_events: u64,
    pub(crate) inputs: InputCounts,
}

pub(crate) struct RowBuilder<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) index: &'a ItemIndex,
    pub(crate) now: Timestamp,
    pub(crate) split_at: Option<Timestamp>,
    /// The instant before which the champion has seen held-out events.
    pub(crate) seen_before: Option<Timestamp>,
}

impl RowBuilder<'_> {
    pub(crate) fn build(&self, histories: &Histories<'_>, inputs: InputCounts) -> Rows {
        let (mut all, mut before) = (Vec::new(), Vec::new());
        let mut rows = Rows { inputs, ..Rows::default() };
        let mut drawn = ChaCha8Rng::seed_from_u64(LAST_OUT_SEED);
        let share = (LAST_OUT_PEOPLE / histories.len().max(1) as f64).min(1.0);
        for (ledger, history) in histories.iter() {
            let context = ConsentContext { ledger, definitions: self.definitions, now: self.now };
            let groups = ConsentedHistory::for_training(&history, context);
            rows.people += usize::from(!groups.is_empty());
            for group in groups {
                rows.consented_events += group.events().len() as u64;
                rows.inputs.add_person(group.events(), self.index);
                let row = self.interactions(&group, self.now);
                let is_drawn = drawn.random_bool(share);
                rows.last.push(if is_drawn { self.last_items(&group, &row) } else { vec![] });
                all.push(entries(row));
                if let Some(instant) = self.split_at {
                    before.push(entries(self.interactions(&group.before(instant), instant)));
                    let later = group.since(instant);
                    rows.held_out.push(self.items(&later));
                    let seen = self.seen_before.map(|seen| self.items(&later.before(seen)));
                    rows.held_out_seen.extend(seen);
                }
            }
        }
        rows.all = SparseRows::from_rows(self.index.len(), all);
        rows.before = SparseRows::from_rows(self.index.len(), before);
        rows
    }

    /// The item of the newest event about a liked item in each domain where the row
    /// likes another item too.
    fn last_items(&self, history: &ConsentedHistory, row: &[Weighted]) -> Vec<u32> {
        let is_liked = |known: &&Weighted| known.is_liked();
        let is_known = |item: &Row| row.iter().filter(is_liked).any(|known| known.row == *item);
        let last = |rows: &DomainRows| {
            let liked = row.iter().filter(is_liked);
            let items = liked.filter(|known| rows.contains(known.row)).count();
            let newest_first = history.events().iter();
            let newest = newest_first
                .filter_map(|e| self.index.row(&(e.domain.clone(), e.item_id.clone())))
                .find(|item| rows.contains(*item) && is_known(item));
            newest.filter(|_| items > 1).map(|item| item.0)
        };
        self.index.ranges().values().filter_map(last).collect()
    }

    /// What of a history should have been recommended: the items that it likes.
    fn items(&self, history: &ConsentedHistory) -> Vec<u32> {
        let liked = self.interactions(history, self.now).into_iter().filter(Weighted::is_liked);
        liked.map(|known| known.row.0).collect()
    }

    fn interactions(&self, history: &ConsentedHistory, now: Timestamp) -> Vec<Weighted> {
        self.index.rows_of(&confidences(history, self.definitions, now))
    }
}

/// A person's row of the joint matrix.
fn entries(interactions: Vec<Weighted>) -> Vec<(u32, f32)> {
    interactions.into_iter().map(Into::into).collect()
}

/// Share of each domain's people who like each item, and how many people that is.
pub(crate) fn popularity(
    rows: &SparseRows,
    index: &ItemIndex,
) -> (Vec<f32>, BTreeMap<DomainId, u64>) {
    let mut shares: Vec<f32> = rows.column_counts().into_iter().map(|count| count as f32).collect();
    let mut people = BTreeMap::new();
    let active = index.ranges().people(rows);
    for ((domain, of_domain), active) in index.ranges().iter().zip(active) {
        let active = active.len();
        let shares = &mut shares[of_domain.range.clone()];
        shares.iter_mut().for_each(|share| *share /= active.max(1) as f32);
        people.insert(domain.clone(), active as u64);
    }
    (shares, people)
}
