//! K-means: points into clusters about their means.
//!
//! Seeded by k-means++ (Arthur, Vassilvitskii, "k-means++: The Advantages of Careful
//! Seeding", 2007) in its greedy form, which tries a few draws at each step and keeps
//! the best (their section 6), then improved by Lloyd's iteration ("Least squares
//! quantization in PCM", 1982) with the two bounds a point of Hamerly ("Making k-means
//! even faster", 2010), and the best of some restarts. How many clusters the data carry
//! is what [`choose`] asks.
//!
//! The result depends on the seed, and neither on the number of threads nor on the width
//! of the processor's vectors: every sum has one order.

mod distances;
mod lloyd;
mod matching;
mod seeding;
mod stability;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::options::{Rule, checked};
use distances::Points;

pub use matching::best_matching;
pub use stability::{ChoiceOptions, ChoiceParams, NumberOfClusters, Stability, choose};

/// Most clusters: what is told apart is to be described, one by one.
pub const MOST_CLUSTERS: usize = 256;
/// Most coordinates of a point.
pub const MOST_DIMENSIONS: usize = 4_096;
/// Largest magnitude of a coordinate: squares of so many still add up to a finite `f32`.
pub const LARGEST_COORDINATE: f32 = 1e15;

/// How to cluster, as a caller says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterOptions {
    /// Clusters, 1 to [`MOST_CLUSTERS`].
    pub clusters: usize,
    /// Runs from other seeds, of which the best is kept; 1 to 100.
    pub restarts: usize,
    /// Most iterations of a run, 1 to 10,000.
    pub iterations: usize,
    /// A run ends when the squared distance that all centroids moved is at most this times
    /// the mean variance of a coordinate; 0 to 1.
    pub tolerance: f64,
    /// Seed of the initial centroids.
    pub seed: u64,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { clusters: 8, restarts: 4, iterations: 300, tolerance: 1e-4, seed: 42 }
    }
}

/// Checked options; made by [`ClusterOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ClusterOptions", into = "ClusterOptions")]
pub struct ClusterParams(ClusterOptions);

impl ClusterOptions {
    fn rules(&self) -> [Rule; 4] {
        [
            ((1..=MOST_CLUSTERS).contains(&self.clusters), "clusters", "1 to 256"),
            ((1..=100).contains(&self.restarts), "restarts", "1 to 100"),
            ((1..=10_000).contains(&self.iterations), "iterations", "1 to 10,000"),
            ((0.0..=1.0).contains(&self.tolerance), "tolerance", "0 to 1"),
        ]
    }
}

checked!(ClusterOptions, ClusterParams);

impl ClusterParams {
    /// The same for another number of clusters, from 1 to [`MOST_CLUSTERS`].
    #[must_use]
    pub(crate) fn with(&self, clusters: usize, seed: u64) -> Self {
        Self(ClusterOptions { clusters: clusters.clamp(1, MOST_CLUSTERS), seed, ..self.0 })
    }
}

/// Why points cannot be clustered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusablePoints {
    /// There are none, or they have no coordinates.
    #[error("there are no points")]
    None,
    /// They have more coordinates than [`MOST_DIMENSIONS`], or are 2^32 or more.
    #[error("there are too many points, or they have too many coordinates")]
    TooMany,
    /// A coordinate is no number, or larger than [`LARGEST_COORDINATE`].
    #[error("coordinate {column} of point {row} is no usable number")]
    Coordinate {
        /// The point.
        row: usize,
        /// Its coordinate.
        column: usize,
    },
}

/// Points in clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// clusters x dimensions, the largest cluster first. Fewer than were asked for where
    /// fewer points are distinct; none is empty.
    pub centroids: Array2<f32>,
    /// The cluster of each point.
    pub assignments: Vec<u32>,
    /// The points of each cluster.
    pub sizes: Vec<u32>,
    /// Sum of squared distances of points to their centroids.
    pub inertia: f64,
    /// Iterations of the run that was kept.
    pub iterations: usize,
}

/// The centroid nearest to a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// The cluster.
    pub cluster: usize,
    /// Squared distance to its centroid.
    pub squared_distance: f32,
}

/// The nearest of some centroids (clusters x dimensions); the first among equals. `None`
/// without centroids, where lengths differ, and where no distance is a number.
#[must_use]
pub fn nearest(centroids: ArrayView2<'_, f32>, point: ArrayView1<'_, f32>) -> Option<Nearest> {
    if centroids.ncols() != point.len() {
        return None;
    }
    let mut best: Option<Nearest> = None;
    for (cluster, centroid) in centroids.outer_iter().enumerate() {
        let squared = |(a, b): (&f32, &f32)| (a - b) * (a - b);
        let squared_distance: f32 = centroid.iter().zip(point).map(squared).sum();
        let is_better = match best {
            Some(best) => squared_distance < best.squared_distance,
            None => squared_distance.is_finite(),
        };
        if is_better {
            best = Some(Nearest { cluster, squared_distance });
        }
    }
    best
}

/// Clusters points (points x dimensions).
///
/// Memory: a copy of the points, 12 bytes a point, and for each of at most 256 parts of
/// them 8 bytes a coordinate of every centroid.
///
/// # Errors
/// [`UnusablePoints`] without points, or where a coordinate is not usable.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::clusters::{ClusterOptions, fit};
/// use ndarray::array;
///
/// let points = array![[0.0, 0.1], [9.0, 9.1], [0.1, 0.0], [9.1, 9.0], [0.0, 0.0]];
/// let params = ClusterOptions { clusters: 2, ..ClusterOptions::default() }.check()?;
/// let clusters = fit(points.view(), &params)?;
/// assert_eq!(clusters.assignments, [0, 1, 0, 1, 0]);
/// # Ok(())
/// # }
/// ```
pub fn fit(
    points: ArrayView2<'_, f32>,
    params: &ClusterParams,
) -> Result<Clusters, UnusablePoints> {
    let points = Points::centred(points)?;
    let mut clusters = best_of_restarts(&points, params);
    points.uncentre(&mut clusters.centroids);
    Ok(clusters)
}

/// As [`fit`], with centroids about the points' mean.
fn best_of_restarts(points: &Points, params: &ClusterParams) -> Clusters {
    let options = params.options();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut run = || {
        let centroids = seeding::seeds(points, options.clusters, &mut rng);
        lloyd::improve(points, centroids, options)
    };
    let mut best = run();
    for _ in 1..options.restarts {
        let other = run();
        if other.inertia < best.inertia {
            best = other;
        }
    }
    best
}

#[cfg(test)]
mod tests;
