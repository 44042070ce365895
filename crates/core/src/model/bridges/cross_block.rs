//! A ridge regression of target items on source items, as it is served.

use crate::maths::sparse::SparseRows;

/// The score of every target item for a person with these source items, both
/// numbered within their domain.
#[must_use]
pub fn scores(block: &SparseRows, source_items: impl IntoIterator<Item = u32>) -> Vec<f32> {
    let mut scores = vec![0.0; block.columns()];
    for item in source_items {
        let (targets, values) = block.row(item as usize);
        targets.iter().zip(values).for_each(|(&target, value)| scores[target as usize] += value);
    }
    scores
}
