//! Choosing the best of many scores.

/// The indices of the `k` highest scores, best first; ties go to the lower
/// index, so the answer does not depend on anything but the scores. A NaN is
/// never chosen before a number.
///
/// ```
/// use crossfold_maths::rank::top_k;
///
/// assert_eq!(top_k(&[0.1, 0.9, f32::NAN, 0.9], 3), [1, 3, 0]);
/// ```
#[must_use]
pub fn top_k(scores: &[f32], k: usize) -> Vec<u32> {
    let mut indices: Vec<u32> = (0..scores.len() as u32).collect();
    let rank = |index: &u32| {
        let score = scores[*index as usize];
        (std::cmp::Reverse(OrderedScore(score)), *index)
    };
    if k < indices.len() && k > 0 {
        indices.select_nth_unstable_by_key(k - 1, rank);
    }
    indices.truncate(k);
    indices.sort_unstable_by_key(rank);
    indices
}

/// A score with a total order in which NaN is the least.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OrderedScore(f32);

impl Eq for OrderedScore {}

impl PartialOrd for OrderedScore {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedScore {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |score: f32| if score.is_nan() { f32::NEG_INFINITY } else { score + 0.0 };
        key(self.0).total_cmp(&key(other.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_full_sort(scores in proptest::collection::vec(-3i8..3, 0..50), k in 0usize..60) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut all: Vec<u32> = (0..scores.len() as u32).collect();
            all.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
            all.truncate(k);
            prop_assert_eq!(top_k(&scores, k), all);
        }
    }

    #[test]
    fn a_nan_comes_last() {
        assert_eq!(top_k(&[f32::NAN, -1.0, f32::INFINITY], 3), [2, 1, 0]);
    }
}
