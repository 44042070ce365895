//! Initial centroids: each drawn in proportion to the squared distance from those before.

use pulp::Arch;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::distances::{Points, SideBySide, squared_distance, tiles};

/// Points that one task measures; of their number nothing else depends.
const CHUNK: usize = 1_024;

/// Up to so many distinct points, one after another; fewer where fewer are distinct.
pub(super) fn seeds(points: &Points, clusters: usize, rng: &mut impl Rng) -> Vec<f32> {
    let first = points.row(rng.random_range(0..points.count()));
    let mut seeds = first.to_vec();
    // Of each point, to the nearest seed.
    let mut distances: Vec<f32> = points
        .values()
        .par_chunks(points.dimensions())
        .map(|p| squared_distance(p, first))
        .collect();
    // As many draws a step as scikit-learn tries.
    let draws = 2 + (clusters as f64).ln() as usize;
    for _ in 1..clusters {
        let candidates = drawn(points, &distances, draws, rng);
        let Some(best) = best_candidate(points, &candidates, &distances) else { break };
        distances
            .par_iter_mut()
            .zip(points.values().par_chunks(points.dimensions()))
            .for_each(|(nearest, point)| *nearest = nearest.min(squared_distance(point, best)));
        seeds.extend_from_slice(best);
    }
    seeds
}

/// Points, each drawn with a chance in proportion to its distance; none where all are 0.
fn drawn<'a>(
    points: &'a Points,
    distances: &[f32],
    draws: usize,
    rng: &mut impl Rng,
) -> Vec<&'a [f32]> {
    let mut ends = Vec::with_capacity(distances.len());
    let mut total = 0.0f64;
    for distance in distances {
        total += f64::from(*distance);
        ends.push(total);
    }
    if total <= 0.0 {
        return Vec::new();
    }
    let mut draw = || {
        let at = rng.random::<f64>() * total;
        let row = ends.partition_point(|end| *end <= at);
        points.row(row.min(points.count() - 1))
    };
    (0..draws).map(|_| draw()).collect()
}

/// The candidate that leaves the least distance; the first among equals.
fn best_candidate<'a>(
    points: &Points,
    candidates: &[&'a [f32]],
    distances: &[f32],
) -> Option<&'a [f32]> {
    let all = SideBySide::new(&candidates.concat(), points.dimensions());
    let arch = Arch::new();
    let left_by_chunk = |(values, distances): (&[f32], &[f32])| -> Vec<f64> {
        let mut left = vec![0.0f64; candidates.len()];
        let mut room = all.room();
        let rows: Vec<&[f32]> = values.chunks_exact(points.dimensions()).collect();
        let mut distances = distances.iter();
        for (count, tile) in tiles(&rows) {
            all.measure(arch, tile, &mut room);
            for (at, nearest) in distances.by_ref().take(count).enumerate() {
                let to = all.distances(&room, at);
                left.iter_mut().zip(to).for_each(|(sum, d)| *sum += f64::from(d.min(*nearest)));
            }
        }
        left
    };
    let by_chunk: Vec<Vec<f64>> = points
        .values()
        .par_chunks(CHUNK * points.dimensions())
        .zip(distances.par_chunks(CHUNK))
        .map(left_by_chunk)
        .collect();
    let left = |candidate: usize| by_chunk.iter().map(|left| left[candidate]).sum::<f64>();
    let lefts: Vec<f64> = (0..candidates.len()).map(left).collect();
    let best = (0..candidates.len()).min_by(|a, b| lefts[*a].total_cmp(&lefts[*b]))?;
    Some(candidates[best])
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn every_far_group_gets_a_seed() {
        let points = Array2::from_shape_fn((60, 2), |(row, column)| {
            (row % 6) as f32 * 100.0 * [1.0, -1.0][column] + (row / 6) as f32 * 0.1
        });
        let points = Points::centred(points.view()).unwrap();
        let seeds = seeds(&points, 6, &mut ChaCha8Rng::seed_from_u64(3));
        let groups: std::collections::BTreeSet<i32> =
            seeds.chunks_exact(2).map(|seed| (seed[0] / 50.0).round() as i32).collect();
        assert_eq!(groups.len(), 6);
    }

    #[test]
    fn no_point_is_a_seed_twice() {
        let points = Array2::from_shape_fn((40, 1), |(row, _)| (row % 3) as f32);
        let points = Points::centred(points.view()).unwrap();
        let seeds = seeds(&points, 10, &mut ChaCha8Rng::seed_from_u64(3));
        assert_eq!(seeds.len(), 3);
    }
}
