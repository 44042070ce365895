//! Seeded synthetic interactions with the skew of real ones, for benchmarks:
//! few people and few items have most of them. They hold no taste to be found.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use crossfold_core::maths::sparse::SparseRows;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};

/// Mean interactions of a person, as in MovieLens 20M.
const MEAN_LENGTH: f64 = 144.0;
/// Spread of the logarithm of a person's interactions, as in MovieLens 20M.
const LENGTH_SPREAD: f64 = 1.1;
/// Items of a set of 20 million interactions; it grows with the root of the size.
const ITEMS_AT_20_M: f64 = 27_000.0;
/// Exponent of the items' popularity by rank.
const POPULARITY_EXPONENT: f64 = 0.8;
/// Draws for each wanted item before a person is left with fewer.
const DRAWS: usize = 8;

/// About `interactions` pairs of confidence 1. The same for the same seed.
///
/// # Errors
/// Never in practice: the distributions' parameters are in range.
pub(crate) fn power_law(interactions: u64, seed: u64) -> Result<SparseRows> {
    let items = (ITEMS_AT_20_M * (interactions as f64 / 20e6).sqrt()).max(64.0).round();
    let people = (interactions as f64 / MEAN_LENGTH).ceil() as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let popularity = Zipf::new(items, POPULARITY_EXPONENT).context("no items to draw from")?;
    // A log-normal of mean `MEAN_LENGTH`.
    let location = MEAN_LENGTH.ln() - LENGTH_SPREAD * LENGTH_SPREAD / 2.0;
    let length = LogNormal::new(location, LENGTH_SPREAD).context("no lengths to draw from")?;
    // Ids do not tell popularity in real data either.
    let mut number_of_rank: Vec<u32> = (0..items as u32).collect();
    number_of_rank.shuffle(&mut rng);
    let row = |_| {
        let wanted = (length.sample(&mut rng).round() as usize).clamp(1, items as usize / 4);
        let mut row = BTreeSet::new();
        for _ in 0..wanted * DRAWS {
            row.insert(number_of_rank[popularity.sample(&mut rng) as usize - 1]);
            if row.len() == wanted {
                break;
            }
        }
        row.into_iter().map(|item| (item, 1.0)).collect()
    };
    Ok(SparseRows::from_rows(items as usize, (0..people).map(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_has_the_wanted_size_and_skew_and_is_the_same_for_a_seed() {
        let matrix = power_law(200_000, 1).unwrap();
        assert_eq!(matrix, power_law(200_000, 1).unwrap());
        assert_ne!(matrix, power_law(200_000, 2).unwrap());
        let entries = matrix.entries() as f64;
        assert!((entries / 200_000.0 - 1.0).abs() < 0.2, "{entries}");
        let mut counts = matrix.column_counts();
        counts.sort_unstable();
        let tenth = counts.len() / 10;
        let head: u32 = counts[counts.len() - tenth..].iter().sum();
        assert!(f64::from(head) > 0.25 * entries, "{head} of {entries}");
    }
}
