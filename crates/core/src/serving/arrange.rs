//! Fourth stage: the best of all targets, in order. Diversity, quotas by domain and
//! other ways to arrange a slate have their place here.

use crate::maths::rank::top_k;
use crate::serving::blend::ScoredItem;

/// The `limit` items with the highest scores, best first; of equal ones the one that
/// comes first in `scored`.
#[must_use]
pub fn arrange(scored: &[ScoredItem], limit: usize) -> Vec<ScoredItem> {
    let scores: Vec<f32> = scored.iter().map(|item| item.score).collect();
    top_k(&scores, limit).into_iter().map(|at| scored[at as usize]).collect()
}
