//! How many clusters the data carry: those that are found again in other points.
//!
//! A sample is split into halves, each half is clustered, and both clusterings say of every
//! point of the sample where it belongs. How far they agree, by the adjusted Rand index, is
//! the stability of this number of clusters (Ben-Hur, Elisseeff, Guyon, "A stability based
//! method for discovering structure in clustered data", 2002; by clustering one half as the
//! other one says as Tibshirani and Walther, "Cluster validation by prediction strength",
//! 2005, and Fang and Wang, "Selection of the number of clusters via the bootstrap
//! method", 2012).
//!
//! Points without clusters can be cut the same way again and again too, along their longest
//! axis. So the same is done with points of one cluster, drawn from the normal distribution
//! with the sample's covariance, and a number of clusters counts by how much better than
//! these it is found again, as a share of what is possible (the correction for chance of the
//! adjusted Rand index itself, with this null model). And clusters must leave less of the
//! variance within them than such points do (as Tibshirani, Walther, Hastie, "Estimating the
//! number of clusters in a data set via the gap statistic", 2001, compare), for two that lie
//! apart and one long one may both be cut at the same place every time.

use ndarray::ArrayView2;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distances::{Points, SideBySide, tiles};
use super::{ClusterOptions, ClusterParams, MOST_CLUSTERS, UnusablePoints, best_of_restarts};
use crate::measure::adjusted_rand_index;
use crate::options::{Rule, checked};

/// Fewest points of a half for each cluster that is tried: a mean of fewer is not found again.
const POINTS_OF_A_CLUSTER: usize = 10;
/// A number of clusters is not better than another by less than this share.
const INDIFFERENCE: f64 = 0.05;

/// Less above chance than this share of what is possible is no finding.
const LEAST_ABOVE_CHANCE: f64 = 0.5;
/// In no larger share of draws may points of one cluster be found again as well: loose, because
/// a long one is often cut at the same place.
const MOST_REACHED_BY_CHANCE: f64 = 0.25;
/// In no larger share of draws may points of one cluster lie as close to their centroids.
const MOST_AS_CLOSE_BY_CHANCE: f64 = 0.05;

/// How to choose a number of clusters, as a caller says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChoiceOptions {
    /// The most clusters that are tried, 2 to [`MOST_CLUSTERS`].
    pub most: usize,
    /// Splits into halves, 2 to 1,000.
    pub repetitions: usize,
    /// Most points that are looked at, drawn without replacement; 40 to 100,000.
    pub sample: usize,
    /// Below this adjusted Rand index of two halves no number is chosen; 0 to 1.
    pub least_agreement: f64,
    /// Runs of each clustering, of which the best is kept; 1 to 100.
    pub restarts: usize,
    /// Seed of sample, splits and clusterings.
    pub seed: u64,
}

impl Default for ChoiceOptions {
    fn default() -> Self {
        Self {
            most: 12,
            repetitions: 16,
            sample: 2_048,
            least_agreement: 0.6,
            restarts: 3,
            seed: 42,
        }
    }
}

/// Checked options; made by [`ChoiceOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ChoiceOptions", into = "ChoiceOptions")]
pub struct ChoiceParams(ChoiceOptions);

impl ChoiceOptions {
    fn rules(&self) -> [Rule; 5] {
        [
            ((2..=MOST_CLUSTERS).contains(&self.most), "most", "2 to 256"),
            ((2..=1_000).contains(&self.repetitions), "repetitions", "2 to 1,000"),
            ((40..=100_000).contains(&self.sample), "sample", "40 to 100,000"),
            ((0.0..=1.0).contains(&self.least_agreement), "least_agreement", "0 to 1"),
            ((1..=100).contains(&self.restarts), "restarts", "1 to 100"),
        ]
    }
}

checked!(ChoiceOptions, ChoiceParams);

/// How well a number of clusters is found again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// The number of clusters.
    pub clusters: usize,
    /// Adjusted Rand index of two halves' clusterings: mean over splits.
    pub agreement: f64,
    /// Its standard deviation over splits.
    pub deviation: f64,
    /// The same for points of one cluster with the same covariance.
    pub by_chance: f64,
    /// In what share of as many draws of such points the halves agreed as well.
    pub reached_by_chance: f64,
    /// What of the points' variance is left within clusters: mean over splits.
    pub within: f64,
    /// In what share of draws as little was left.
    pub as_close_by_chance: f64,
}

impl Stability {
    /// How much better than by chance, as a share of what is possible: 1 where the halves
    /// always agree, 0 where they do as much as without clusters, or where these always do.
    #[must_use]
    pub fn above_chance(&self) -> f64 {
        let possible = 1.0 - self.by_chance;
        if possible > 1e-9 { (self.agreement - self.by_chance) / possible } else { 0.0 }
    }

    fn is_found_again(&self, least_agreement: f64) -> bool {
        self.agreement >= least_agreement
            && self.reached_by_chance <= MOST_REACHED_BY_CHANCE
            && self.as_close_by_chance <= MOST_AS_CLOSE_BY_CHANCE
            && self.above_chance() >= LEAST_ABOVE_CHANCE
    }
}

/// The number of clusters that the data carry, and what was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberOfClusters {
    /// The number; 1 where no other is found again.
    pub clusters: usize,
    /// Each number that was tried, ascending from 2.
    pub tried: Vec<Stability>,
    /// Points that were looked at.
    pub sampled: usize,
}

/// Chooses a number of clusters for points (points x dimensions): of those that are found
/// again in other points, and better than in points without clusters, the best; and of
/// equals the largest, which says most. Fewer than 40 points carry one cluster.
///
/// The result depends on the seed and not on the number of threads.
///
/// # Errors
/// [`UnusablePoints`] as of [`super::fit`].
pub fn choose(
    points: ArrayView2<'_, f32>,
    params: &ChoiceParams,
) -> Result<NumberOfClusters, UnusablePoints> {
    let options = params.0;
    let points = Points::centred(points)?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let sample = points.picked(&drawn(points.count(), options.sample, &mut rng));
    let sampled = sample.count();
    let most = options.most.min(sampled / 2 / POINTS_OF_A_CLUSTER);
    let mut numbers = NumberOfClusters { clusters: 1, tried: Vec::new(), sampled };
    if most < 2 || sample.mean_variance() <= 0.0 {
        return Ok(numbers);
    }
    let one_cluster = OneCluster::like(&sample);
    let splits: Vec<[Vec<Split>; 2]> = (0..options.repetitions as u64)
        .into_par_iter()
        .map(|repetition| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(repetition + 1);
            let found = split(&sample, most, &options, &mut rng);
            [found, split(&one_cluster.drawn(&sample, &mut rng), most, &options, &mut rng)]
        })
        .collect();
    numbers.tried = (2..=most).map(|clusters| stability(clusters, &splits)).collect();
    numbers.clusters = chosen(&numbers.tried, options.least_agreement);
    Ok(numbers)
}

fn chosen(tried: &[Stability], least_agreement: f64) -> usize {
    let found = || tried.iter().filter(|tried| tried.is_found_again(least_agreement));
    let best = found().map(Stability::above_chance).fold(0.0, f64::max);
    let as_good = found().filter(|tried| tried.above_chance() >= best - INDIFFERENCE);
    as_good.map(|tried| tried.clusters).max().unwrap_or(1)
}

/// What two halves make of a number of clusters.
#[derive(Clone, Copy)]
struct Split {
    agreement: f64,
    within: f64,
}

/// Sums up splits: of each, for the data and for one cluster, those by numbers from 2.
fn stability(clusters: usize, splits: &[[Vec<Split>; 2]]) -> Stability {
    let of = |which: usize| splits.iter().map(move |split| split[which][clusters - 2]);
    let count = splits.len() as f64;
    let agreement = of(0).map(|split| split.agreement).sum::<f64>() / count;
    let within = of(0).map(|split| split.within).sum::<f64>() / count;
    let squares: f64 = of(0).map(|split| (split.agreement - agreement).powi(2)).sum();
    Stability {
        clusters,
        agreement,
        deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
        by_chance: of(1).map(|split| split.agreement).sum::<f64>() / count,
        reached_by_chance: of(1).filter(|s| s.agreement >= agreement).count() as f64 / count,
        within,
        as_close_by_chance: of(1).filter(|s| s.within <= within).count() as f64 / count,
    }
}

/// So many of `count` numbers, or all, in random order.
fn drawn(count: usize, most: usize, rng: &mut impl Rng) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..count as u32).collect();
    let kept = count.min(most);
    for at in 0..kept {
        let other = rng.random_range(at..count);
        rows.swap(at, other);
    }
    rows.truncate(kept);
    rows
}

/// Splits points into halves and clusters both, for each number of clusters from 2.
fn split(points: &Points, most: usize, options: &ChoiceOptions, rng: &mut impl Rng) -> Vec<Split> {
    let order = drawn(points.count(), points.count(), rng);
    let (first, second) = order.split_at(order.len() / 2);
    let halves = [points.picked(first), points.picked(second)];
    let params = ClusterOptions { restarts: options.restarts, ..ClusterOptions::default() };
    let seeds: [u64; 2] = [rng.random(), rng.random()];
    let whole = points.mean_variance() * points.values().len() as f64;
    let of = |clusters: usize| {
        let found = [0, 1].map(|half| {
            let params = ClusterParams(params).with(clusters, seeds[half]);
            best_of_restarts(&halves[half], &params)
        });
        let [one, other] = [0, 1].map(|half: usize| {
            let centroids: Vec<f32> = found[half].centroids.iter().copied().collect();
            labels(points, &SideBySide::new(&centroids, points.dimensions()))
        });
        let agreement = adjusted_rand_index(&one, &other).unwrap_or(0.0);
        Split { agreement, within: (found[0].inertia + found[1].inertia) / whole }
    };
    (2..=most).map(of).collect()
}

/// The nearest centroid of each point.
fn labels(points: &Points, centroids: &SideBySide) -> Vec<u32> {
    let arch = pulp::Arch::new();
    let mut room = centroids.room();
    let rows: Vec<&[f32]> = points.values().chunks_exact(points.dimensions()).collect();
    let mut labels = Vec::with_capacity(rows.len());
    for (count, tile) in tiles(&rows) {
        centroids.measure(arch, tile, &mut room);
        for at in 0..count {
            let distances = centroids.distances(&room, at).iter().enumerate();
            let nearest = distances.min_by(|(_, a), (_, b)| a.total_cmp(b));
            labels.push(nearest.map_or(0, |(cluster, _)| cluster as u32));
        }
    }
    labels
}

/// The normal distribution with the covariance of some points: the lower triangle of its
/// Cholesky factor, row by row.
struct OneCluster {
    factor: Vec<f64>,
    dimensions: usize,
}

impl OneCluster {
    fn like(points: &Points) -> Self {
        let d = points.dimensions();
        let mut covariance = vec![0.0f64; d * d];
        let mean = mean(points);
        let rows = points.values().chunks_exact(d);
        for point in rows {
            let about: Vec<f64> =
                point.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect();
            for i in 0..d {
                let target = &mut covariance[i * d..=i * d + i];
                target.iter_mut().zip(&about).for_each(|(sum, value)| *sum += about[i] * value);
            }
        }
        covariance.iter_mut().for_each(|sum| *sum /= points.count() as f64);
        Self { factor: semidefinite_factor(covariance, d), dimensions: d }
    }

    /// As many points as there are.
    fn drawn(&self, points: &Points, rng: &mut impl Rng) -> Points {
        let d = self.dimensions;
        let mut values = Vec::with_capacity(points.values().len());
        for _ in 0..points.count() {
            let normal: Vec<f64> = (0..d).map(|_| rng.sample(StandardNormal)).collect();
            values.extend((0..d).map(|i| {
                let row = &self.factor[i * d..=i * d + i];
                row.iter().zip(&normal).map(|(a, b)| a * b).sum::<f64>() as f32
            }));
        }
        points.replaced(values)
    }
}

fn mean(points: &Points) -> Vec<f64> {
    let mut mean = vec![0.0f64; points.dimensions()];
    for point in points.values().chunks_exact(points.dimensions()) {
        mean.iter_mut().zip(point).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= points.count() as f64);
    mean
}

/// The Cholesky factor of a covariance (lower triangle); a coordinate that the ones before
/// it explain adds nothing of its own.
fn semidefinite_factor(mut matrix: Vec<f64>, d: usize) -> Vec<f64> {
    for column in 0..d {
        let variance = matrix[column * d + column];
        let explained = |row: usize, matrix: &[f64]| -> f64 {
            let (a, b) = (&matrix[row * d..row * d + column], &matrix[column * d..]);
            a.iter().zip(b).map(|(a, b)| a * b).sum()
        };
        let left = variance - explained(column, &matrix);
        let pivot = if left > 1e-9 * variance { left.sqrt() } else { 0.0 };
        matrix[column * d + column] = pivot;
        for row in column + 1..d {
            let left = matrix[row * d + column] - explained(row, &matrix);
            matrix[row * d + column] = if pivot > 0.0 { left / pivot } else { 0.0 };
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand_distr::{Distribution, Normal};

    use super::*;

    fn normal_points(centres: &[&[f32]], of_each: usize, deviation: f32, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let normal = Normal::new(0.0f32, deviation).unwrap();
        let shape = (centres.len() * of_each, centres[0].len());
        Array2::from_shape_fn(shape, |(row, column)| {
            centres[row / of_each][column] + normal.sample(&mut rng)
        })
    }

    fn chosen_for(points: &Array2<f32>) -> NumberOfClusters {
        let params = ChoiceOptions { most: 8, ..ChoiceOptions::default() }.check().unwrap();
        choose(points.view(), &params).unwrap()
    }

    #[test]
    fn planted_clusters_are_counted() {
        let centres: [&[f32]; 6] = [
            &[0.0, 0.0, 0.0],
            &[6.0, 0.0, 1.0],
            &[0.0, 6.0, -1.0],
            &[6.0, 6.0, 5.0],
            &[-6.0, 2.0, 5.0],
            &[1.0, -6.0, 3.0],
        ];
        for planted in 2..=6 {
            for seed in 0..3 {
                let found = chosen_for(&normal_points(&centres[..planted], 60, 1.0, seed));
                assert_eq!(found.clusters, planted, "{found:#?}");
            }
        }
    }

    #[test]
    fn one_cloud_is_one_cluster_however_long() {
        for seed in 0..4 {
            let round = normal_points(&[&[0.0, 0.0, 0.0, 0.0]], 400, 1.0, seed);
            let found = chosen_for(&round);
            assert_eq!(found.clusters, 1, "{found:#?}");
            let mut long = round;
            long.column_mut(0).mapv_inplace(|value| value * 6.0);
            let found = chosen_for(&long);
            assert_eq!(found.clusters, 1, "{found:#?}");
        }
    }

    #[test]
    fn few_points_and_equal_points_are_one_cluster() {
        let few = normal_points(&[&[0.0], &[50.0]], 15, 1.0, 1);
        assert_eq!(chosen_for(&few).clusters, 1);
        assert_eq!(chosen_for(&Array2::from_elem((500, 3), 2.5)).clusters, 1);
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_choice() {
        let points = normal_points(&[&[0.0, 1.0], &[4.0, 0.0], &[2.0, 5.0]], 50, 1.0, 9);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| chosen_for(&points))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn a_coordinate_that_others_explain_is_drawn_from_them() {
        let mut points = normal_points(&[&[0.0, 0.0, 0.0]], 300, 1.0, 5);
        for mut point in points.outer_iter_mut() {
            point[2] = point[0] - 2.0 * point[1];
        }
        let points = Points::centred(points.view()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn = OneCluster::like(&points).drawn(&points, &mut rng);
        for point in drawn.values().chunks_exact(3) {
            assert!((point[2] - (point[0] - 2.0 * point[1])).abs() < 1e-3);
        }
    }
}
