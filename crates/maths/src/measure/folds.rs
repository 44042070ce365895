//! K-fold validation over people's interactions: each interaction of a person is
//! held out in one of the folds, and the person is judged by what remains.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::RankingCase;
use crate::sparse::SparseRows;

/// Which part of whose interactions is held out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fold {
    /// The fold, below `of`.
    pub number: usize,
    /// How many folds there are, at least 2.
    pub of: usize,
    /// Most people that something is held out from (about: they are drawn).
    pub people: usize,
    /// Seed of the draw of people and of the division into folds.
    pub seed: u64,
}

/// The matrix without the fold, and the people it was held out from. For one
/// seed, every fold has the same people, each item that they like is held out
/// in exactly one fold, and each of them keeps at least one. People who like a
/// single item are never held out from; what is disliked always stays.
#[must_use]
pub fn hold_out(matrix: &SparseRows, fold: Fold) -> (SparseRows, Vec<RankingCase>) {
    let share = (fold.people as f64 / matrix.rows().max(1) as f64).min(1.0);
    let mut cases = Vec::new();
    let mut rows = Vec::with_capacity(matrix.rows());
    for row in 0..matrix.rows() {
        // A generator of its own for each row: folds agree whatever else they draw.
        let mut rng = ChaCha8Rng::seed_from_u64(fold.seed);
        rng.set_stream(row as u64);
        let (items, confidences) = matrix.row(row);
        let liked: Vec<usize> = (0..items.len()).filter(|at| confidences[*at] > 0.0).collect();
        let is_chosen = rng.random_bool(share) && liked.len() > 1;
        let folds = if is_chosen { divide(liked.len(), fold.of, &mut rng) } else { Vec::new() };
        let is_held_out = |at: usize| {
            liked.binary_search(&at).is_ok_and(|at| folds.get(at) == Some(&fold.number))
        };
        let kept = |at: &usize| !is_held_out(*at);
        rows.push((0..items.len()).filter(kept).map(|at| (items[at], confidences[at])).collect());
        let relevant: Vec<u32> =
            (0..items.len()).filter(|at| is_held_out(*at)).map(|at| items[at]).collect();
        if !relevant.is_empty() {
            let seen = (0..items.len()).filter(kept).map(|at| items[at]).collect();
            cases.push(RankingCase { person: row, seen, relevant });
        }
    }
    (SparseRows::from_rows(matrix.columns(), rows), cases)
}

/// The fold of each of `count` interactions: as even as can be, in random
/// order, beginning at a random fold so that short rows fall into all of them.
fn divide(count: usize, folds: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let first = rng.random_range(0..folds);
    let mut numbers: Vec<usize> = (0..count).map(|at| (first + at) % folds).collect();
    numbers.shuffle(rng);
    numbers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_interaction_is_held_out_once_and_everyone_keeps_something(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..20, 0..9), 1..12),
            of in 2usize..6, seed in 0u64..5,
        ) {
            let rows: Vec<Vec<(u32, f32)>> =
                rows.into_iter().map(|row| row.into_iter().map(|item| (item, 1.5)).collect()).collect();
            let matrix = SparseRows::from_rows(20, rows);
            let mut held_out = BTreeSet::new();
            for number in 0..of {
                let (rest, cases) = hold_out(&matrix, Fold { number, of, people: 100, seed });
                for case in cases {
                    prop_assert_eq!(rest.row(case.person).0, &case.seen[..]);
                    prop_assert!(!case.seen.is_empty());
                    for item in case.relevant {
                        prop_assert!(held_out.insert((case.person, item)));
                    }
                }
            }
            let many = (0..matrix.rows()).map(|row| matrix.row(row).0.len()).filter(|n| *n > 1);
            prop_assert_eq!(held_out.len(), many.sum::<usize>());
        }
    }

    #[test]
    fn only_about_as_many_people_as_asked_for_are_held_out_from() {
        let matrix = SparseRows::from_rows(9, vec![(0..9).map(|i| (i, 1.0)).collect(); 4_000]);
        let (_, cases) = hold_out(&matrix, Fold { number: 1, of: 3, people: 1_000, seed: 3 });
        assert!((900..1_100).contains(&cases.len()), "{}", cases.len());
        assert!(cases.iter().all(|case| case.relevant.len() == 3));
    }

    #[test]
    fn what_is_disliked_is_never_to_be_found() {
        let row = || (0..9).map(|item| (item, if item % 3 == 0 { -1.0 } else { 1.0 })).collect();
        let matrix = SparseRows::from_rows(9, (0..20).map(|_| row()));
        for number in 0..3 {
            let (rest, cases) = hold_out(&matrix, Fold { number, of: 3, people: 100, seed: 3 });
            assert_eq!(cases.len(), 20);
            assert!(cases.iter().all(|case| case.relevant.iter().all(|item| item % 3 > 0)));
            assert!((0..20).all(|row| [0, 3, 6].iter().all(|item| rest.row(row).0.contains(item))));
        }
    }
}
