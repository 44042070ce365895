//! What in a history moved a score.
//!
//! What attention makes of a history does not decompose into its items as a fold-in does:
//! they act on each other. So this is no share of a score: it says what the score would
//! have been without an item, the others as they are (leave one out). The changes do not
//! sum up to the score, and where two items say the same, each alone changes little.

use super::model::SequenceModel;

/// What leaving one past item out changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// Where in the history it stands, from 0, the oldest.
    pub position: usize,
    /// The item.
    pub item: u32,
    /// The score with the whole history, less that without this item: above 0 where it
    /// speaks for what was scored.
    pub change: f32,
}

/// What a history says whole, and without each of its newest items: what the changes in the
/// scores of many items are made from at once.
#[derive(Debug, Clone, PartialEq)]
pub struct WithoutEach {
    /// Where each item that is left out stands in the history, and it, newest first.
    places: Vec<(usize, u32)>,
    /// What the whole history says less what it says without each: items x dimensions.
    differences: Vec<f32>,
}

impl SequenceModel {
    /// What a history says without each of its newest `most` items that are looked at. Costs
    /// a pass over the history for each.
    #[must_use]
    pub fn without_each(&self, history: &[u32], most: usize) -> WithoutEach {
        let newest = history.iter().enumerate().rev().filter(|(_, item)| self.is_known(**item));
        let most = most.min(self.length());
        let places: Vec<(usize, u32)> =
            newest.take(most).map(|(position, item)| (position, *item)).collect();
        let whole = self.looked_at(history);
        let without = |back: usize| {
            let mut others = whole.clone();
            others.remove(whole.len() - 1 - back);
            others
        };
        let shortened: Vec<Vec<u32>> = (0..places.len()).map(without).collect();
        let shortened: Vec<&[u32]> = shortened.iter().map(Vec::as_slice).collect();
        let vector = self.vectors(&[&whole]);
        let mut differences = self.vectors(&shortened);
        for without in differences.chunks_exact_mut(self.dimensions()) {
            without
                .iter_mut()
                .zip(&vector)
                .for_each(|(without, whole)| *without = whole - *without);
        }
        WithoutEach { places, differences }
    }

    /// What leaving each of these items out changes in the score of `item`; nothing for an
    /// item that training did not see.
    #[must_use]
    pub fn changes(&self, without: &WithoutEach, item: u32) -> Vec<LeftOut> {
        let Some((embedding, _)) = self.item(item) else { return Vec::new() };
        let change =
            |difference: &[f32]| difference.iter().zip(embedding).map(|(a, b)| a * b).sum();
        let each = without.places.iter().zip(without.differences.chunks_exact(embedding.len()));
        let change = each.map(|(&(position, item), difference)| LeftOut {
            position,
            item,
            change: change(difference),
        });
        change.collect()
    }

    /// What leaving each of the newest `most` items of a history out changes in the score
    /// of `item`, newest first; without what is not looked at. Nothing for an item that
    /// training did not see. Costs a pass over the history for each.
    #[must_use]
    pub fn left_out(&self, history: &[u32], item: u32, most: usize) -> Vec<LeftOut> {
        self.changes(&self.without_each(history, most), item)
    }
}
