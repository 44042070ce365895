//! Ranking a catalogue for people, and measuring against what they went on to do.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, s};
use rayon::prelude::*;

use super::{LIST_LENGTH, Measurements};
use crate::rank::{rank_unseen, top_k};
use crate::sparse::SparseRows;

/// One person to evaluate. Items are numbered as those that are ranked: from 0,
/// the first of the range that the cases were made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RankingCase {
    /// The person: their row of the matrix that the cases were made from, which is
    /// that of their factors where these were fitted to it.
    pub person: usize,
    /// Items that must not be ranked (seen in training), sorted.
    pub seen: Vec<u32>,
    /// Items that should be ranked high, sorted.
    pub relevant: Vec<u32>,
}

/// The people who did something new in the items `range` (numbered from its
/// start) and of whom something is known, in any domain. `held_out` has an
/// entry, sorted or not, for each row of `train`.
#[must_use]
pub fn cases_of(
    train: &SparseRows,
    held_out: &[Vec<u32>],
    range: &Range<usize>,
) -> Vec<RankingCase> {
    let within = |items: &[u32]| -> Vec<u32> {
        let inside = items.iter().filter(|item| range.contains(&(**item as usize)));
        inside.map(|item| item - range.start as u32).collect()
    };
    let case = |(person, held_out): (usize, &Vec<u32>)| {
        let (known, _) = train.row(person);
        let seen = within(known);
        let mut relevant = within(held_out);
        relevant.sort_unstable();
        relevant.retain(|item| seen.binary_search(item).is_err());
        let is_case = !known.is_empty() && !relevant.is_empty();
        is_case.then_some(RankingCase { person, seen, relevant })
    };
    held_out.iter().enumerate().filter_map(case).collect()
}

/// People scored at a time: one matrix product for each block.
const BLOCK: usize = 64;

/// For each case the best unseen items by `people[case.person] . items`, best
/// first, as many as the last cut-off asks for where the catalogue allows.
///
/// # Panics
/// When a case's person has no row in `people`.
#[must_use]
pub fn rank_by_factors(
    people: ArrayView2<'_, f32>,
    items: ArrayView2<'_, f32>,
    cases: &[RankingCase],
) -> Vec<Vec<u32>> {
    let rank_block = |block: &[RankingCase]| -> Vec<Vec<u32>> {
        let mut vectors = Array2::zeros((block.len(), people.ncols()));
        for (at, case) in block.iter().enumerate() {
            vectors.slice_mut(s![at, ..]).assign(&people.row(case.person));
        }
        let scores = vectors.dot(&items.t());
        let ranked = |(case, scores): (&RankingCase, ArrayView1<'_, f32>)| match scores.as_slice() {
            Some(scores) => rank_unseen(scores, &case.seen, LIST_LENGTH),
            None => rank_unseen(&scores.to_vec(), &case.seen, LIST_LENGTH),
        };
        block.iter().zip(scores.rows()).map(ranked).collect()
    };
    let blocks: Vec<Vec<Vec<u32>>> = cases.par_chunks(BLOCK).map(rank_block).collect();
    blocks.into_iter().flatten().collect()
}

/// For each case what [`rank_unseen`] makes of one score for all people
/// (popularity). All items are put in order once, not for each case.
#[must_use]
pub fn rank_by_common_scores(scores: &[f32], cases: &[RankingCase]) -> Vec<Vec<u32>> {
    let most_seen = cases.iter().map(|case| case.seen.len()).max().unwrap_or(0);
    let order = top_k(scores, LIST_LENGTH + most_seen);
    let rank = |case: &RankingCase| {
        let unseen = order.iter().filter(|item| case.seen.binary_search(item).is_err());
        unseen.copied().take(LIST_LENGTH).collect()
    };
    cases.iter().map(rank).collect()
}

/// Measures ranked lists, one for each case.
#[must_use]
pub fn measure(lists: &[Vec<u32>], cases: &[RankingCase]) -> Measurements {
    let mut all = Measurements::default();
    lists.iter().zip(cases).for_each(|(list, case)| all.add(list, &case.relevant));
    all
}

/// Ranks every item for every case by `people[case.person] . items` and measures.
///
/// # Panics
/// When a case's person has no row in `people`.
#[must_use]
pub fn evaluate_factors(
    people: ArrayView2<'_, f32>,
    items: ArrayView2<'_, f32>,
    cases: &[RankingCase],
) -> Measurements {
    measure(&rank_by_factors(people, items, cases), cases)
}

/// Ranks every item for every case by one score for all people (popularity).
#[must_use]
pub fn evaluate_common_scores(scores: &[f32], cases: &[RankingCase]) -> Measurements {
    measure(&rank_by_common_scores(scores, cases), cases)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seen_items_are_not_ranked_and_people_without_relevant_items_do_not_count() {
        let items = array![[3.0], [2.0], [1.0]];
        let people = array![[1.0], [1.0]];
        let cases = [
            RankingCase { person: 0, seen: vec![0], relevant: vec![1] },
            RankingCase { person: 1, seen: vec![], relevant: vec![] },
        ];
        let lists = rank_by_factors(people.view(), items.view(), &cases);
        assert_eq!(lists, [vec![1, 2], vec![0, 1, 2]]);
        assert_eq!(rank_by_common_scores(&[3.0, 2.0, 1.0], &cases), lists);
        let sums = evaluate_factors(people.view(), items.view(), &cases);
        assert_eq!(sums.people(), 1);
        assert_eq!(sums.means()["ndcg@10"], 1.0);
        assert_eq!(evaluate_common_scores(&[3.0, 2.0, 1.0], &cases), sums);
    }

    proptest! {
        #[test]
        fn one_score_for_all_ranks_as_it_would_for_each(
            scores in proptest::collection::vec(-3i8..3, 0..60),
            seen in proptest::collection::vec(proptest::collection::btree_set(0u32..60, 0..50), 0..5),
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let case = |seen: std::collections::BTreeSet<u32>| RankingCase {
                seen: seen.into_iter().collect(),
                ..RankingCase::default()
            };
            let cases: Vec<RankingCase> = seen.into_iter().map(case).collect();
            let lists = rank_by_common_scores(&scores, &cases);
            for (list, case) in lists.iter().zip(&cases) {
                prop_assert_eq!(list, &rank_unseen(&scores, &case.seen, LIST_LENGTH));
            }
        }
    }

    #[test]
    fn a_case_is_someone_known_who_did_something_new_in_the_range() {
        let rows = [vec![(0, 1.0), (3, 1.0)], vec![(1, 1.0)], vec![], vec![(2, 1.0)]];
        let train = SparseRows::from_rows(5, rows);
        let held_out = [vec![4, 3], vec![3], vec![4], vec![0]];
        let cases = cases_of(&train, &held_out, &(2..5));
        let case = |person, seen, relevant| RankingCase { person, seen, relevant };
        assert_eq!(cases, [case(0, vec![1], vec![2]), case(1, vec![], vec![1])]);
    }
}
