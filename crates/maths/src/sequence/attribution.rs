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

impl SequenceModel {
    /// What leaving each of the newest `most` items of a history out changes in the score
    /// of `item`, newest first; without what is not looked at. Nothing for an item that
    /// training did not see. Costs a pass over the history for each.
    #[must_use]
    pub fn left_out(&self, history: &[u32], item: u32, most: usize) -> Vec<LeftOut> {
        let Some((embedding, _)) = self.item(item) else { return Vec::new() };
        let newest = history.iter().enumerate().rev().filter(|(_, item)| self.is_known(**item));
        let places: Vec<(usize, u32)> =
            newest.take(self.length()).map(|(position, item)| (position, *item)).collect();
        let whole = self.looked_at(history);
        let score = |history: &[u32]| -> f32 {
            let vector = self.vectors(&[history]);
            vector.iter().zip(embedding).map(|(a, b)| a * b).sum()
        };
        let all = score(&whole);
        let change = |(back, &(position, item)): (usize, &(usize, u32))| {
            let mut others = whole.clone();
            others.remove(whole.len() - 1 - back);
            LeftOut { position, item, change: all - score(&others) }
        };
        places.iter().enumerate().take(most).map(change).collect()
    }
}
