//! How long it takes to choose a list from 200 candidates of 64 features and 20 categories.
//!
//! ```text
//! cargo run --release -p crossfold-maths --example diversity
//! ```

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use crossfold_maths::diversity::{
    Candidates, Categorised, Grouped, TradeOff, calibrated, dpp, mmr, within_quotas,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CANDIDATES: usize = 200;
const WIDTH: usize = 64;
const CATEGORIES: usize = 20;
const RUNS: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let relevance: Vec<f32> = (0..CANDIDATES).map(|_| rng.random_range(0.0..1.0)).collect();
    let mut features: Vec<f32> =
        (0..CANDIDATES * WIDTH).map(|_| rng.random_range(-1.0..1.0)).collect();
    for row in features.chunks_exact_mut(WIDTH) {
        let length = row.iter().map(|one| one * one).sum::<f32>().sqrt();
        row.iter_mut().for_each(|one| *one /= length);
    }
    let mut few = vec![0.0f32; CANDIDATES * CATEGORIES];
    let groups: Vec<[u32; 1]> =
        (0..CANDIDATES).map(|_| [rng.random_range(0..CATEGORIES as u32)]).collect();
    for (row, group) in few.chunks_exact_mut(CATEGORIES).zip(&groups) {
        row[group[0] as usize] = 1.0;
        row[rng.random_range(0..CATEGORIES)] += 1.0;
    }
    let all: Vec<f32> = (0..CANDIDATES * CATEGORIES).map(|_| rng.random_range(0.0..1.0)).collect();
    let interests: Vec<f32> = (0..CATEGORIES).map(|_| rng.random_range(0.0..1.0)).collect();
    let most = [Some(2); CATEGORIES];
    let half = TradeOff::new(0.5)?;
    let candidates = || Candidates::new(&relevance, &features, WIDTH);

    println!("median microseconds, with the check of what is chosen from");
    for k in [10, 20] {
        let mmr = median(|| Ok(mmr(candidates()?, half, k)))?;
        let dpp = median(|| Ok(dpp(candidates()?, half, k)))?;
        let calibrated_by = |weights: &[f32]| {
            median(|| {
                Ok(calibrated(&Categorised::new(candidates()?, weights, &interests)?, half, k))
            })
        };
        let (few, all) = (calibrated_by(&few)?, calibrated_by(&all)?);
        let quotas =
            median(|| Ok(within_quotas(&Grouped::new(candidates()?, &groups, &most)?, None, k)))?;
        println!("k = {k}: mmr {mmr:.0}, dpp {dpp:.0}, quotas {quotas:.0}");
        println!("  calibrated by two categories each {few:.0}, by all twenty {all:.0}");
    }
    Ok(())
}

fn median(
    mut choose: impl FnMut() -> Result<Vec<u32>, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = Instant::now();
        black_box(choose()?);
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}
