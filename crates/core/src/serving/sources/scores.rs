//! The scores of a target's items, a column in order of positions.

use crate::evidence::items::Row;
use crate::model::content::StandIns;
use crate::model::item_scores::BoundedScores;
use crate::serving::admit::AdmittedTarget;
use crate::serving::best::kth_greatest;
use crate::serving::request::Words;
use crate::serving::snapshot::{FoundItem, FoundItems};
use crate::serving::sources::words::worth;

/// The source of an item that none has scored.
const NONE: u8 = u8::MAX;
/// The value of an item that has no score: less than any.
const NO_SCORE: f32 = f32::NEG_INFINITY;

/// One score for each item that may be served, and which source it is by.
pub struct Scores<'a> {
    target: &'a AdmittedTarget<'a>,
    values: Vec<f32>,
    sources: Vec<u8>,
    /// The source whose turn it is.
    source: u8,
    /// Items that may be served and that none has scored.
    open: usize,
    /// How many of the best are wanted.
    wanted: usize,
}

impl<'a> Scores<'a> {
    /// No score yet of the items of a target, of which so many of the best are wanted.
    #[must_use]
    pub fn none(target: &'a AdmittedTarget<'a>, wanted: usize) -> Self {
        // Of what is multiplied or added to later any may be among the best.
        let is_changed = target.multipliers.is_some() || target.snapshot.found().is_some();
        let wanted = if is_changed { usize::MAX } else { wanted };
        let (items, open) = (target.snapshot.len(), target.refusals.admitted());
        let (values, sources) = (vec![NO_SCORE; items], vec![NONE; items]);
        Self { target, values, sources, source: NONE, open, wanted }
    }

    /// Tells whose scores come next: of the source at a place of the target's. A policy has few; of
    /// one beyond the 255th nothing would be known.
    pub fn by(&mut self, source: usize) {
        self.source = u8::try_from(source).unwrap_or(NONE);
    }

    /// Scores every item that may be served, that none has scored, and that the model knows, by
    /// its row; and every new one, by those that stand in for it. `None` leaves an item to the
    /// next source.
    pub fn put(
        &mut self,
        of_row: impl Fn(Row) -> Option<f32>,
        of_stand_ins: impl Fn(&StandIns) -> Option<f32>,
    ) {
        if self.open == 0 {
            return;
        }
        let Self { target, values, sources, source, open, .. } = self;
        let columns = values.iter_mut().zip(sources.iter_mut());
        let items = columns.zip(target.refusals.reasons()).zip(target.snapshot.rows());
        for (((value, by), refusal), row) in items {
            if let (None, NONE, Some(row)) = (refusal, *by, row)
                && let Some(score) = of_row(row)
            {
                (*value, *by) = (score, *source);
                *open -= 1;
            }
        }
        self.put_described(of_stand_ins);
    }

    /// The same, where it is known what each item scores at least and at most: only what may be
    /// among the best is given its score. The others keep the least that they may have, which is
    /// below all of the best.
    pub(super) fn put_best(
        &mut self,
        bounded: &BoundedScores<'_>,
        of_row: impl Fn(Row) -> f32,
        of_stand_ins: impl Fn(&StandIns) -> Option<f32>,
    ) {
        self.put(|row| bounded.at_least(row), of_stand_ins);
        let least = kth_greatest(&self.values, self.wanted);
        let rows = self.target.snapshot.rows().zip(&self.sources);
        for (value, (row, source)) in self.values.iter_mut().zip(rows) {
            // Few are so near, and only of these it is asked how near they are.
            if *value + bounded.range() >= least
                && let Some(row) = row.filter(|_| *source == self.source)
                && bounded.range_of(row).is_some_and(|range| *value + range >= least)
            {
                *value = of_row(row);
            }
        }
    }

    /// Scores the new items that known ones stand in for.
    fn put_described(&mut self, of_stand_ins: impl Fn(&StandIns) -> Option<f32>) {
        for (position, stand_ins) in self.target.snapshot.described() {
            let is_admitted = self.target.refusals.reasons()[position].is_none();
            let is_open = is_admitted && self.sources[position] == NONE;
            if let Some(score) = is_open.then(|| of_stand_ins(stand_ins)).flatten() {
                (self.values[position], self.sources[position]) = (score, self.source);
                self.open -= 1;
            }
        }
    }

    /// Scores what has the words that are looked for and that none before has scored: by them alone.
    pub(super) fn put_found(&mut self) {
        let found = self.target.snapshot.found().into_iter().flat_map(FoundItems::items);
        for position in found.map(|item| item.position) {
            let is_admitted = self.target.refusals.reasons()[position].is_none();
            if is_admitted && self.sources[position] == NONE {
                (self.values[position], self.sources[position]) = (0.0, self.source);
                self.open -= 1;
            }
        }
    }

    /// Adds to every score what the words that are looked for make of it.
    pub(in crate::serving) fn add_words(&mut self, words: &Words) {
        let found = self.target.snapshot.found().into_iter().flat_map(FoundItems::items);
        for FoundItem { position, relevance, .. } in found {
            if self.sources[*position] != NONE {
                self.values[*position] += worth(words, *relevance);
            }
        }
    }

    /// Makes every score count as the caller and, unless it is for anyone, fatigue say.
    pub(in crate::serving) fn boost(&mut self, is_for_anyone: bool) {
        let Some(multipliers) = self.target.multipliers_for(is_for_anyone) else { return };
        for (position, (value, source)) in self.values.iter_mut().zip(&self.sources).enumerate() {
            if *source != NONE {
                *value = multipliers.boosted(position, *value);
            }
        }
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &'a AdmittedTarget<'a> {
        self.target
    }

    /// The scores in order of positions: negative infinity where there is none, and no more than the
    /// score of an item that is not among the best that are wanted.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The score of an item that is among the best that are wanted, and the place of the source that
    /// it is by; without one, nobody knows the item and the score is 0.
    #[must_use]
    pub fn of(&self, position: usize) -> (f32, Option<usize>) {
        match self.sources[position] {
            NONE => (0.0, None),
            source => (self.values[position], Some(usize::from(source))),
        }
    }

    /// Whether the model knows an item, and not its text alone.
    #[must_use]
    pub fn knows(&self, position: usize) -> bool {
        self.target.snapshot.entry(position).row.is_some()
    }

    /// The positions of the items that may be served, ascending.
    pub fn admitted(&self) -> impl Iterator<Item = usize> {
        let reasons = self.target.refusals.reasons().iter().enumerate();
        reasons.filter(|(_, refusal)| refusal.is_none()).map(|(position, _)| position)
    }
}
