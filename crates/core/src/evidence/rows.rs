//! The joint matrix, whole and without what is held out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::entities::consent::{ConsentContext, ConsentedHistory};
use crate::entities::definition::Definitions;
use crate::evidence::ageing::NewestEvidence;
use crate::evidence::arrivals::Arrivals;
use crate::evidence::behaviours::BehaviourSample;
use crate::evidence::confidences::confidences;
use crate::evidence::inputs::InputCounts;
use crate::evidence::items::{DomainRows, ItemIndex, Row, Weighted};
use crate::evidence::order::in_order;
use crate::evidence::people_index::Histories;
use crate::evidence::popularity::{Popularity, PopularityCount, Taken, taken};
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
/// Seed of which items of one instant are held out to choose by.
const CHOOSING_SEED: u64 = 7;
/// Most interactions whose order is kept, 2 bytes each: nothing goes by it beyond.
pub(crate) const MOST_ORDERED: usize = 60_000_000;

/// The rows of the joint matrix, whole and split by time.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) all: SparseRows,
    pub(crate) before: SparseRows,
    pub(crate) held_out: Vec<Vec<u32>>,
    /// The last item of each domain, of the rows drawn for leave-last-out.
    pub(crate) last: Vec<Vec<u32>>,
    /// The part of `last` that the champion was trained on; empty without one that was.
    pub(crate) last_seen: Vec<Vec<u32>>,
    /// The part of `held_out` that the champion was trained on; empty without one that was.
    pub(crate) held_out_seen: Vec<Vec<u32>>,
    /// Of `all`, of `before`, and of `all` without `last`.
    pub(crate) popularity: Popularity,
    pub(crate) popularity_before: Popularity,
    pub(crate) popularity_without_last: Popularity,
    /// What is held out once more, from what is trained on to be measured on the newest
    /// events, else on last items: the newest fifth of each domain, of the rows drawn for
    /// leave-last-out. To choose by.
    pub(crate) choosing: Vec<Vec<u32>>,
    /// Of what is left then.
    pub(crate) popularity_choosing: Popularity,
    pub(crate) people: usize,
    pub(crate) consented_events: u64,
    pub(crate) inputs: InputCounts,
    pub(crate) arrivals: Arrivals,
    /// People of each domain, drawn evenly.
    pub(crate) behaviours: BehaviourSample,
}

pub(crate) struct RowBuilder<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) index: &'a ItemIndex,
    /// The newest evidence, of all and of what happened before the split: age is
    /// counted back from there.
    pub(crate) newest: &'a NewestEvidence,
    pub(crate) newest_before: &'a NewestEvidence,
    /// The instant as of which consent is judged.
    pub(crate) now: Timestamp,
    pub(crate) split_at: Option<Timestamp>,
    /// The instant before which the champion has seen events.
    pub(crate) seen_before: Option<Timestamp>,
}

impl RowBuilder<'_> {
    pub(crate) fn build(&self, histories: &Histories<'_>, inputs: InputCounts) -> Rows {
        let (mut all, mut before) = (MatrixRows::default(), MatrixRows::default());
        let mut rows = Rows { inputs, ..Rows::default() };
        let count = || PopularityCount::new(self.index);
        let (mut of_all, mut of_before, mut without_last) = (count(), count(), count());
        let mut of_choosing = count();
        let mut drawn = ChaCha8Rng::seed_from_u64(LAST_OUT_SEED);
        let share = (LAST_OUT_PEOPLE / histories.len().max(1) as f64).min(1.0);
        let seen_before = self.seen_before;
        // A champion from before the split has seen nothing of what is held out there.
        let newest_seen = seen_before.filter(|seen| self.split_at.is_some_and(|at| *seen > at));
        for (ledger, history) in histories.iter() {
            let context = ConsentContext { ledger, definitions: self.definitions, now: self.now };
            let groups = ConsentedHistory::for_training(&history, context);
            rows.people += usize::from(!groups.is_empty());
            for group in groups {
                rows.consented_events += group.events().len() as u64;
                rows.inputs.add_person(group.events(), self.index);
                rows.arrivals.add(group.events(), self.index, self.split_at);
                let row = self.in_order(&group, self.newest);
                rows.behaviours.offer(&group, &row, self.index.ranges());
                let is_drawn = drawn.random_bool(share);
                let last = if is_drawn { self.last_items(&group, &row, all.len()) } else { vec![] };
                let is_seen = |at: &Timestamp| seen_before.is_some_and(|seen| *at < seen);
                let seen = last.iter().filter(|(_, at)| is_seen(at));
                rows.last_seen.push(seen.map(|(item, _)| *item).collect());
                let last: Vec<u32> = last.into_iter().map(|(item, _)| item).collect();
                let taken = self.taken(&group, &row, self.newest);
                of_all.add(&taken, &[]);
                without_last.add(&taken, &last);
                if self.split_at.is_none() {
                    let choosing = self.newest_fifth(&group, &row, (&last, all.len()), is_drawn);
                    let left_out: Vec<u32> = last.iter().chain(&choosing).copied().collect();
                    of_choosing.add(&taken, &left_out);
                    rows.choosing.push(choosing);
                }
                rows.last.push(last);
                all.push(row);
                if let Some(instant) = self.split_at {
                    let earlier = group.before(instant);
                    let row = self.in_order(&earlier, self.newest_before);
                    let taken = self.taken(&earlier, &row, self.newest_before);
                    let number = before.len();
                    let choosing = self.newest_fifth(&earlier, &row, (&[], number), is_drawn);
                    of_choosing.add(&taken, &choosing);
                    rows.choosing.push(choosing);
                    of_before.add(&taken, &[]);
                    before.push(row);
                    let later = group.since(instant);
                    rows.held_out.push(self.items(&later));
                    let seen = newest_seen.map(|seen| self.items(&later.before(seen)));
                    rows.held_out_seen.extend(seen);
                }
            }
        }
        if rows.last_seen.iter().all(Vec::is_empty) {
            rows.last_seen.clear();
        }
        rows.all = all.finish(self.index.len());
        rows.before = before.finish(self.index.len());
        rows.popularity = of_all.finish();
        rows.popularity_before = of_before.finish();
        rows.popularity_without_last = without_last.finish();
        rows.popularity_choosing = of_choosing.finish();
        rows
    }

    /// The item of the newest event about a liked item, and its time, in each domain
    /// where the row likes another item too. Of several at that instant (a file without times, or with one
    /// a day), any: their order says nothing.
    fn last_items(
        &self,
        history: &ConsentedHistory,
        row: &[Weighted],
        number: usize,
    ) -> Vec<(u32, Timestamp)> {
        let mut rng = ChaCha8Rng::seed_from_u64(LAST_OUT_SEED);
        // A generator of its own for each row: what one draws changes no other.
        rng.set_stream(1 + number as u64);
        let is_liked = |known: &&Weighted| known.is_liked();
        let is_known = |item: &Row| row.iter().filter(is_liked).any(|known| known.row == *item);
        let mut last = |rows: &DomainRows| {
            let liked = row.iter().filter(is_liked);
            let items = liked.filter(|known| rows.contains(known.row)).count();
            if items < 2 {
                return None;
            }
            let newest_first = history.events().iter().filter_map(|event| {
                let item = self.index.row(&(event.domain.clone(), event.item_id.clone()))?;
                let is_candidate = rows.contains(item) && is_known(&item);
                is_candidate.then_some((item, event.occurred_at))
            });
            let mut newest_first = newest_first.peekable();
            let (_, newest) = *newest_first.peek()?;
            let of_newest = newest_first.take_while(|(_, at)| *at == newest);
            let mut newest_items: Vec<Row> = of_newest.map(|(item, _)| item).collect();
            newest_items.sort_unstable();
            newest_items.dedup();
            let chosen = newest_items.get(rng.random_range(0..newest_items.len().max(1)))?;
            Some((chosen.0, newest))
        };
        self.index.ranges().values().filter_map(&mut last).collect()
    }

    /// Of the liked items of each domain, but for those `left_out` before, the fifth whose
    /// newest event is newest, one at least, where another is left; of what is of one
    /// instant, any. Nothing of a row that was not drawn.
    fn newest_fifth(
        &self,
        history: &ConsentedHistory,
        row: &[Weighted],
        (left_out, number): (&[u32], usize),
        is_drawn: bool,
    ) -> Vec<u32> {
        if !is_drawn {
            return Vec::new();
        }
        let mut rng = ChaCha8Rng::seed_from_u64(CHOOSING_SEED);
        rng.set_stream(1 + number as u64);
        let is_known = |item: &Row| {
            let at = row.binary_search_by_key(item, |known| known.row);
            at.is_ok_and(|at| row[at].is_liked()) && !left_out.contains(&item.0)
        };
        let mut newest: BTreeMap<Row, Timestamp> = BTreeMap::new();
        for event in history.events() {
            let item = self.index.row(&(event.domain.clone(), event.item_id.clone()));
            if let Some(item) = item.filter(is_known) {
                newest.entry(item).or_insert(event.occurred_at); // Newest first.
            }
        }
        let mut of_domain = |rows: &DomainRows| {
            let known = newest.iter().filter(|(item, _)| rows.contains(**item));
            let mut order: Vec<(Timestamp, u64, u32)> =
                known.map(|(item, at)| (*at, rng.random(), item.0)).collect();
            order.sort_unstable_by(|a, b| b.cmp(a));
            let held_out = (order.len() / 5).max(usize::from(order.len() > 1));
            order.into_iter().take(held_out).map(|(.., item)| item).collect::<Vec<_>>()
        };
        self.index.ranges().values().flat_map(&mut of_domain).collect()
    }

    /// What of a history should have been recommended: the items that it likes.
    fn items(&self, history: &ConsentedHistory) -> Vec<u32> {
        let liked = self.interactions(history, self.newest).into_iter().filter(Weighted::is_liked);
        liked.map(|known| known.row.0).collect()
    }

    fn interactions(&self, history: &ConsentedHistory, newest: &NewestEvidence) -> Vec<Weighted> {
        self.index.rows_of(&confidences(history, self.definitions, newest))
    }

    /// The interactions of a history, each with its place in its order.
    fn in_order(&self, history: &ConsentedHistory, newest: &NewestEvidence) -> Vec<Weighted> {
        in_order(history, self.index, self.interactions(history, newest))
    }

    fn taken(
        &self,
        history: &ConsentedHistory,
        interactions: &[Weighted],
        newest: &NewestEvidence,
    ) -> Vec<Taken> {
        taken(history, interactions, (self.index, self.definitions, newest))
    }
}

/// The rows of a matrix while they are gathered.
#[derive(Default)]
struct MatrixRows {
    rows: Vec<Vec<(u32, f32)>>,
    entries: usize,
    /// One for each entry, while they are few enough.
    places: Vec<u16>,
}

impl MatrixRows {
    /// Adds what a person did, ascending by row.
    fn push(&mut self, interactions: Vec<Weighted>) {
        debug_assert!(interactions.is_sorted_by(|one, other| one.row < other.row));
        self.entries += interactions.len();
        if self.entries <= MOST_ORDERED {
            self.places.extend(interactions.iter().map(|known| known.place));
        } else {
            self.places = Vec::new();
        }
        self.rows.push(interactions.into_iter().map(Into::into).collect());
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn finish(self, columns: usize) -> SparseRows {
        SparseRows::from_rows(columns, self.rows).with_places(self.places)
    }
}
