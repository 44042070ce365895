use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::RngExt;

use super::*;

fn params(clusters: usize) -> ClusterParams {
    ClusterOptions { clusters, ..ClusterOptions::default() }.check().unwrap()
}

/// Groups of points about corners, by turns.
fn grouped(points: usize, dimensions: usize, groups: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres =
        Array2::from_shape_simple_fn((groups, dimensions), || rng.random_range(-9.0..9.0f32));
    Array2::from_shape_fn((points, dimensions), |(row, column)| {
        centres[(row % groups, column)] + rng.random_range(-1.5..1.5f32)
    })
}

/// Lloyd's iteration in plain sight, from given centroids, until nothing moves.
fn plain_inertia(points: &Array2<f32>, mut centroids: Array2<f32>) -> f64 {
    let mut last = f64::INFINITY;
    loop {
        let nearest: Vec<Nearest> = points
            .outer_iter()
            .map(|point| super::nearest(centroids.view(), point).unwrap())
            .collect();
        let inertia: f64 = nearest.iter().map(|n| f64::from(n.squared_distance)).sum();
        if inertia >= last * (1.0 - 1e-9) {
            return inertia;
        }
        last = inertia;
        for cluster in 0..centroids.nrows() {
            let members: Vec<usize> =
                (0..nearest.len()).filter(|row| nearest[*row].cluster == cluster).collect();
            if !members.is_empty() {
                let mean = points.select(ndarray::Axis(0), &members).mean_axis(ndarray::Axis(0));
                centroids.row_mut(cluster).assign(&mean.unwrap());
            }
        }
    }
}

#[test]
fn the_bounds_change_nothing_of_what_lloyds_iteration_finds() {
    for (clusters, dimensions, seed) in [(5, 3, 1), (24, 6, 2), (40, 11, 3)] {
        let points = grouped(3_000, dimensions, clusters, seed);
        let options =
            ClusterOptions { clusters, restarts: 1, tolerance: 0.0, ..Default::default() };
        let found = fit(points.view(), &options.check().unwrap()).unwrap();
        let centred = Points::centred(points.view()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let seeds = seeding::seeds(&centred, clusters, &mut rng);
        let mut seeds = Array2::from_shape_vec((clusters, dimensions), seeds).unwrap();
        centred.uncentre(&mut seeds);
        let plain = plain_inertia(&points, seeds);
        let difference = (found.inertia - plain).abs() / plain;
        assert!(difference < 1e-4, "{} {plain}", found.inertia);
    }
}

#[test]
fn far_groups_are_found_whole() {
    let points = grouped(600, 4, 6, 11);
    let found = fit(points.view(), &params(6)).unwrap();
    let planted: Vec<u32> = (0..600).map(|row| row % 6).collect();
    let agreement = crate::measure::adjusted_rand_index(&found.assignments, &planted).unwrap();
    assert!(agreement > 0.99, "{agreement}");
    assert_eq!(found.sizes.iter().sum::<u32>(), 600);
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let points = grouped(5_000, 7, 20, 4);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(points.view(), &params(20)).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn what_is_far_from_zero_is_clustered_as_if_it_were_near() {
    let near = grouped(400, 3, 5, 8).mapv(|value| (value * 64.0).round() / 64.0);
    let far = near.mapv(|value| value + 4_096.0);
    let (near, far) = (fit(near.view(), &params(5)).unwrap(), fit(far.view(), &params(5)).unwrap());
    assert_eq!(near.assignments, far.assignments);
    assert!((near.inertia - far.inertia).abs() < 1e-3 * near.inertia);
}

#[test]
fn fewer_distinct_points_than_clusters_are_a_cluster_each() {
    let points = array![[1.0f32, 2.0], [1.0, 2.0], [3.0, 4.0], [1.0, 2.0]];
    let found = fit(points.view(), &params(4)).unwrap();
    assert_eq!(found.sizes, [3, 1]);
    assert_eq!(found.assignments, [0, 0, 1, 0]);
    assert_eq!(found.centroids, array![[1.0, 2.0], [3.0, 4.0]]);
    assert!(found.inertia == 0.0);
}

#[test]
fn a_cluster_that_loses_its_points_gets_the_farthest() {
    // Two seeds upon each other leave the second without points; the far point takes it.
    let points = array![[0.0f32], [0.1], [0.2], [40.0]];
    let centred = Points::centred(points.view()).unwrap();
    let mean = points.mean().unwrap();
    let seeds = vec![0.1 - mean, 0.1 - mean];
    let options = ClusterOptions { clusters: 2, ..ClusterOptions::default() };
    let found = lloyd::improve(&centred, seeds, &options);
    assert_eq!(found.assignments, [0, 0, 0, 1]);
}

#[test]
fn unusable_points_are_refused() {
    let refused = |points: Array2<f32>| fit(points.view(), &params(2)).unwrap_err();
    assert_eq!(refused(Array2::zeros((0, 3))), UnusablePoints::None);
    assert_eq!(refused(Array2::zeros((3, 0))), UnusablePoints::None);
    assert_eq!(refused(Array2::zeros((1, 5_000))), UnusablePoints::TooMany);
    for bad in [f32::NAN, f32::INFINITY, 1e16] {
        let mut points = Array2::zeros((3, 2));
        points[(2, 1)] = bad;
        assert_eq!(refused(points), UnusablePoints::Coordinate { row: 2, column: 1 });
    }
}

#[test]
fn options_out_of_range_are_named() {
    let named = |options: ClusterOptions| options.check().unwrap_err().name;
    assert_eq!(named(ClusterOptions { clusters: 0, ..Default::default() }), "clusters");
    assert_eq!(named(ClusterOptions { restarts: 0, ..Default::default() }), "restarts");
    assert_eq!(named(ClusterOptions { iterations: 0, ..Default::default() }), "iterations");
    assert_eq!(named(ClusterOptions { tolerance: f64::NAN, ..Default::default() }), "tolerance");
}

#[test]
fn the_nearest_of_no_centroids_is_none() {
    assert_eq!(nearest(Array2::zeros((0, 2)).view(), array![1.0, 2.0].view()), None);
    assert_eq!(nearest(Array2::zeros((2, 3)).view(), array![1.0, 2.0].view()), None);
    assert_eq!(nearest(Array2::zeros((2, 1)).view(), array![f32::NAN].view()), None);
}

proptest! {
    #[test]
    fn every_point_is_with_its_nearest_centroid_and_every_centroid_is_finite(
        values in proptest::collection::vec(prop_oneof![-3.0f32..3.0, -1e14f32..1e14, Just(0.0f32)], 2..120),
        clusters in 1usize..9,
    ) {
        let points = Array2::from_shape_vec((values.len() / 2, 2), values[..values.len() / 2 * 2].to_vec()).unwrap();
        let found = fit(points.view(), &params(clusters)).unwrap();
        prop_assert!(found.inertia.is_finite());
        prop_assert!(found.centroids.iter().all(|value| value.is_finite()));
        prop_assert!(found.sizes.iter().all(|size| *size > 0));
        for (point, own) in points.outer_iter().zip(&found.assignments) {
            let nearest = nearest(found.centroids.view(), point).unwrap();
            let own = super::nearest(found.centroids.slice(ndarray::s![*own as usize..=*own as usize, ..]), point).unwrap();
            let scale: f32 = point.iter().map(|v| v * v).sum::<f32>() + 1.0;
            prop_assert!(own.squared_distance <= nearest.squared_distance * 1.001 + 1e-5 * scale);
        }
    }
}
