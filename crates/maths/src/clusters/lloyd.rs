//! Lloyd's iteration with the bounds of Hamerly (2010, algorithm 1).
//!
//! Each point keeps an upper bound of the distance to its centroid and a lower bound of
//! that to any other. While the upper one is below the lower one, or below half of the
//! distance from its centroid to the next, the point is not looked at.

use ndarray::Array2;
use pulp::Arch;
use rayon::prelude::*;

use super::distances::{Points, SideBySide, squared_distance, tiles};
use super::{ClusterOptions, Clusters};

/// Fewest points that one task looks at.
const CHUNK: usize = 1_024;
/// Most tasks: each holds sums for all centroids.
const TASKS: usize = 256;
/// Bounds give way by this share of what they are moved by: sums of rounded distances must
/// stay bounds.
const SLACK: f32 = 1e-5;
/// From so many centroids on it is worth measuring a point's own distance before all.
const TIGHTENED_FROM: usize = 17;

#[derive(Clone, Copy)]
struct Place {
    cluster: u32,
    upper: f32,
    lower: f32,
}

/// What the points of a cluster add up to, for all clusters.
struct Sums {
    values: Vec<f64>,
    counts: Vec<u32>,
    moved: bool,
}

/// Improves centroids (rows of the points' dimensions) until they rest.
pub(super) fn improve(
    points: &Points,
    mut centroids: Vec<f32>,
    options: &ClusterOptions,
) -> Clusters {
    let unplaced = Place { cluster: 0, upper: f32::INFINITY, lower: 0.0 };
    let mut places = vec![unplaced; points.count()];
    let at_rest = options.tolerance * points.mean_variance();
    let mut iterations = 0;
    while iterations < options.iterations {
        iterations += 1;
        let mut sums = place(points, &centroids, &mut places);
        let filled = fill_empty(points, &mut sums, &mut places);
        let moves = move_centroids(&mut centroids, &sums, points.dimensions());
        loosen(&mut places, &moves);
        let squares: f64 = moves.iter().map(|by| f64::from(*by).powi(2)).sum();
        if !filled && (!sums.moved || squares <= at_rest) {
            break;
        }
    }
    places.fill(unplaced);
    place(points, &centroids, &mut places);
    finish(points, &centroids, &places, iterations)
}

/// Places every point whose bounds do not say that it stays.
fn place(points: &Points, centroids: &[f32], places: &mut [Place]) -> Sums {
    let dimensions = points.dimensions();
    let side_by_side = SideBySide::new(centroids, dimensions);
    let half_to_next = half_distances_to_next(centroids, &side_by_side, dimensions);
    let chunk = CHUNK.max(points.count().div_ceil(TASKS));
    let place_chunk = |(values, places): (&[f32], &mut [Place])| {
        let moved = place_points((values, centroids), &side_by_side, &half_to_next, places);
        let mut sums = Sums {
            values: vec![0.0; centroids.len()],
            counts: vec![0; side_by_side.count()],
            moved,
        };
        for (point, place) in values.chunks_exact(dimensions).zip(places) {
            let start = place.cluster as usize * dimensions;
            let target = &mut sums.values[start..start + dimensions];
            target.iter_mut().zip(point).for_each(|(sum, value)| *sum += f64::from(*value));
            sums.counts[place.cluster as usize] += 1;
        }
        sums
    };
    let chunks: Vec<Sums> = points
        .values()
        .par_chunks(chunk * dimensions)
        .zip(places.par_chunks_mut(chunk))
        .map(place_chunk)
        .collect();
    let mut all = Sums {
        values: vec![0.0; centroids.len()],
        counts: vec![0; side_by_side.count()],
        moved: false,
    };
    for sums in chunks {
        all.values.iter_mut().zip(&sums.values).for_each(|(sum, value)| *sum += value);
        all.counts.iter_mut().zip(&sums.counts).for_each(|(sum, count)| *sum += count);
        all.moved |= sums.moved;
    }
    all
}

/// Whether any of the points moved to another cluster.
fn place_points(
    (values, centroids): (&[f32], &[f32]),
    side_by_side: &SideBySide,
    half_to_next: &[f32],
    places: &mut [Place],
) -> bool {
    let dimensions = values.len() / places.len();
    let mut unsure: Vec<u32> = Vec::new();
    let mut rows: Vec<&[f32]> = Vec::new();
    for (at, (point, place)) in values.chunks_exact(dimensions).zip(places.iter_mut()).enumerate() {
        let cluster = place.cluster as usize;
        let enough = place.lower.max(half_to_next[cluster]);
        if place.upper < enough {
            continue;
        }
        if side_by_side.count() >= TIGHTENED_FROM && place.upper.is_finite() {
            let own = &centroids[cluster * dimensions..(cluster + 1) * dimensions];
            place.upper = squared_distance(point, own).sqrt();
            if place.upper < enough {
                continue;
            }
        }
        unsure.push(at as u32);
        rows.push(point);
    }
    let arch = Arch::new();
    let mut room = side_by_side.room();
    let mut unsure = unsure.into_iter();
    let mut moved = false;
    for (count, tile) in tiles(&rows) {
        side_by_side.measure(arch, tile, &mut room);
        for (at, row) in unsure.by_ref().take(count).enumerate() {
            let (cluster, nearest, next) = two_nearest(side_by_side.distances(&room, at));
            let place = &mut places[row as usize];
            moved |= place.cluster != cluster || !place.upper.is_finite();
            *place = Place { cluster, upper: nearest.sqrt(), lower: next.sqrt() };
        }
    }
    moved
}

/// The nearest, the first among equals, with its distance and that of the next.
fn two_nearest(distances: &[f32]) -> (u32, f32, f32) {
    let (mut cluster, mut nearest, mut next) = (0, f32::INFINITY, f32::INFINITY);
    for (at, &distance) in distances.iter().enumerate() {
        if distance < nearest {
            next = nearest;
            (cluster, nearest) = (at as u32, distance);
        } else if distance < next {
            next = distance;
        }
    }
    (cluster, nearest, next)
}

/// Of each centroid: half the distance to the next one.
fn half_distances_to_next(
    centroids: &[f32],
    side_by_side: &SideBySide,
    dimensions: usize,
) -> Vec<f32> {
    let rows: Vec<&[f32]> = centroids.chunks_exact(dimensions).collect();
    let mut room = side_by_side.room();
    let mut halves = Vec::with_capacity(rows.len());
    for (count, tile) in tiles(&rows) {
        side_by_side.measure(Arch::new(), tile, &mut room);
        for at in 0..count {
            let own = halves.len();
            let to = side_by_side.distances(&room, at).iter().enumerate();
            let next = to.filter(|(other, _)| *other != own).map(|(_, d)| *d);
            halves.push(next.fold(f32::INFINITY, f32::min).sqrt() * 0.5 * (1.0 - SLACK));
        }
    }
    halves
}

/// Gives each cluster without points the point that lies farthest from its centroid, from a
/// cluster of more; whether there was any.
fn fill_empty(points: &Points, sums: &mut Sums, places: &mut [Place]) -> bool {
    let empty: Vec<usize> =
        (0..sums.counts.len()).filter(|cluster| sums.counts[*cluster] == 0).collect();
    if empty.is_empty() {
        return false;
    }
    let mut farthest: Vec<u32> = (0..places.len() as u32).collect();
    farthest.sort_by(|a, b| places[*b as usize].upper.total_cmp(&places[*a as usize].upper));
    let mut farthest = farthest.into_iter();
    let dimensions = points.dimensions();
    let mut filled = false;
    for cluster in empty {
        let is_free = |row: &u32| {
            let place = places[*row as usize];
            place.upper > 0.0 && sums.counts[place.cluster as usize] > 1
        };
        let Some(row) = farthest.by_ref().find(is_free) else { break };
        let from = places[row as usize].cluster as usize;
        for (at, value) in points.row(row as usize).iter().enumerate() {
            sums.values[from * dimensions + at] -= f64::from(*value);
            sums.values[cluster * dimensions + at] = f64::from(*value);
        }
        sums.counts[from] -= 1;
        sums.counts[cluster] = 1;
        // Its bounds say nothing now: it is placed anew.
        places[row as usize] = Place { cluster: cluster as u32, upper: f32::INFINITY, lower: 0.0 };
        filled = true;
    }
    filled
}

/// Moves centroids to the means of their points; by how much each.
fn move_centroids(centroids: &mut [f32], sums: &Sums, dimensions: usize) -> Vec<f32> {
    let all = centroids.chunks_exact_mut(dimensions).zip(sums.values.chunks_exact(dimensions));
    all.zip(&sums.counts)
        .map(|((centroid, sums), &count)| {
            if count == 0 {
                return 0.0;
            }
            let mut squares = 0.0f64;
            for (value, sum) in centroid.iter_mut().zip(sums) {
                let mean = (sum / f64::from(count)) as f32;
                squares += (f64::from(mean) - f64::from(*value)).powi(2);
                *value = mean;
            }
            squares.sqrt() as f32
        })
        .collect()
}

/// Keeps the bounds true after the centroids moved.
fn loosen(places: &mut [Place], moves: &[f32]) {
    let farthest = (0..moves.len()).max_by(|a, b| moves[*a].total_cmp(&moves[*b])).unwrap_or(0);
    let of_others = |cluster: usize| {
        let others = moves.iter().enumerate().filter(|(other, _)| *other != cluster);
        others.map(|(_, by)| *by).fold(0.0f32, f32::max)
    };
    let second = of_others(farthest);
    places.par_iter_mut().with_min_len(CHUNK).for_each(|place| {
        let cluster = place.cluster as usize;
        let others = if cluster == farthest { second } else { moves[farthest] };
        place.upper = (place.upper + moves[cluster]) * (1.0 + SLACK);
        place.lower = ((place.lower - others) * (1.0 - SLACK)).max(0.0);
    });
}

/// The clusters that have points, the largest first.
fn finish(points: &Points, centroids: &[f32], places: &[Place], iterations: usize) -> Clusters {
    let dimensions = points.dimensions();
    let mut counts = vec![0u32; centroids.len() / dimensions];
    places.iter().for_each(|place| counts[place.cluster as usize] += 1);
    let mut order: Vec<usize> = (0..counts.len()).filter(|c| counts[*c] > 0).collect();
    order.sort_by_key(|cluster| std::cmp::Reverse(counts[*cluster]));
    let mut numbers = vec![0u32; counts.len()];
    order.iter().enumerate().for_each(|(number, cluster)| numbers[*cluster] = number as u32);
    let kept =
        |(number, dimension): (usize, usize)| centroids[order[number] * dimensions + dimension];
    let squares = |(row, place): (usize, &Place)| -> f64 {
        let centroid = &centroids[place.cluster as usize * dimensions..][..dimensions];
        let differences = points.row(row).iter().zip(centroid);
        differences.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    };
    Clusters {
        centroids: Array2::from_shape_fn((order.len(), dimensions), kept),
        assignments: places.iter().map(|place| numbers[place.cluster as usize]).collect(),
        sizes: order.iter().map(|cluster| counts[*cluster]).collect(),
        inertia: places.iter().enumerate().map(squares).sum(),
        iterations,
    }
}
