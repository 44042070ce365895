//! The scores of a target's items, a column in order of positions.

use crate::evidence::items::Row;
use crate::model::content::StandIns;
use crate::serving::admit::AdmittedTarget;

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
}

impl<'a> Scores<'a> {
    /// No score yet of the items of a target.
    #[must_use]
    pub fn none(target: &'a AdmittedTarget<'a>) -> Self {
        let (items, open) = (target.snapshot.len(), target.refusals.admitted());
        let (values, sources) = (vec![NO_SCORE; items], vec![NONE; items]);
        Self { target, values, sources, source: NONE, open }
    }

    /// Tells whose scores come next: of the source at a place, below 255, of the target's.
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
        let Self { target, values, sources, source, open } = self;
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
        for (position, stand_ins) in target.snapshot.described() {
            let is_open =
                target.refusals.reasons()[position].is_none() && sources[position] == NONE;
            if let Some(score) = is_open.then(|| of_stand_ins(stand_ins)).flatten() {
                (values[position], sources[position]) = (score, *source);
                *open -= 1;
            }
        }
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &'a AdmittedTarget<'a> {
        self.target
    }

    /// The scores in order of positions; negative infinity where there is none.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The score of an item, and the place of the source that it is by; without one, nobody knows
    /// the item and the score is 0.
    #[must_use]
    pub fn of(&self, position: usize) -> (f32, Option<usize>) {
        match self.sources[position] {
            NONE => (0.0, None),
            source => (self.values[position], Some(usize::from(source))),
        }
    }

    /// The positions of the items that may be served, ascending.
    pub fn admitted(&self) -> impl Iterator<Item = usize> {
        let reasons = self.target.refusals.reasons().iter().enumerate();
        reasons.filter(|(_, refusal)| refusal.is_none()).map(|(position, _)| position)
    }
}
