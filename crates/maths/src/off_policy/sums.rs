//! Sums of several columns over observations, within clusters, and the ratio of two of them
//! with its interval.

use std::collections::BTreeMap;

use super::intervals::{Confidence, Estimate, Inestimable};

/// Denominators below this are none: their squares would be lost to underflow.
const SMALLEST_DENOMINATOR: f64 = 1e-100;

/// Sums of `D` columns. Observations of no cluster are kept as mean and co-moments (Chan, Golub,
/// LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979),
/// those of clusters as a sum each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClusteredSums<const D: usize> {
    observations: u64,
    totals: [f64; D],
    alone: u64,
    means: [f64; D],
    moments: [[f64; D]; D],
    clusters: BTreeMap<u64, [f64; D]>,
}

impl<const D: usize> ClusteredSums<D> {
    pub(super) fn new() -> Self {
        Self {
            observations: 0,
            totals: [0.0; D],
            alone: 0,
            means: [0.0; D],
            moments: [[0.0; D]; D],
            clusters: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, columns: [f64; D], cluster: Option<u64>) {
        self.observations += 1;
        add_to(&mut self.totals, &columns);
        match cluster {
            Some(cluster) => add_to(self.clusters.entry(cluster).or_insert([0.0; D]), &columns),
            None => self.merge_alone(1, &columns, &[[0.0; D]; D]),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.observations += other.observations;
        add_to(&mut self.totals, &other.totals);
        self.merge_alone(other.alone, &other.means, &other.moments);
        for (cluster, sums) in &other.clusters {
            add_to(self.clusters.entry(*cluster).or_insert([0.0; D]), sums);
        }
    }

    fn merge_alone(&mut self, count: u64, means: &[f64; D], moments: &[[f64; D]; D]) {
        if count == 0 {
            return;
        }
        let before = self.alone as f64;
        self.alone += count;
        let share = count as f64 / self.alone as f64;
        let apart: [f64; D] = std::array::from_fn(|at| means[at] - self.means[at]);
        for (row, own) in self.moments.iter_mut().enumerate() {
            for (column, moment) in own.iter_mut().enumerate() {
                *moment += moments[row][column] + before * share * apart[row] * apart[column];
            }
        }
        for (mean, apart) in self.means.iter_mut().zip(apart) {
            *mean += share * apart;
        }
    }

    pub(super) fn observations(&self) -> u64 {
        self.observations
    }

    pub(super) fn total(&self, column: usize) -> f64 {
        self.totals[column]
    }

    /// Clusters, and observations of none.
    fn units(&self) -> u64 {
        self.alone + self.clusters.len() as u64
    }

    /// The ratio of two columns' totals. Its variance is that of the linearised ratio (delta
    /// method: Cochran, "Sampling Techniques", 1977, section 6.3), summed within clusters:
    /// `G / (G - 1) sum_g (sum_{i in g} (y_i - ratio x_i))^2 / (sum_i x_i)^2` of `G` units.
    pub(super) fn ratio(
        &self,
        of: usize,
        to: usize,
        confidence: Confidence,
    ) -> Result<Estimate, Inestimable> {
        let units = self.units();
        if units < 2 {
            return Err(Inestimable::TooFewUnits { units });
        }
        let denominator = self.totals[to];
        if denominator < SMALLEST_DENOMINATOR {
            return Err(Inestimable::NoWeight);
        }
        let value = self.totals[of] / denominator;
        let residual = |sums: &[f64; D]| (sums[of] - value * sums[to]) / denominator;
        let alone = self.alone as f64 * residual(&self.means).powi(2);
        let spread = self.moments[of][of] - 2.0 * value * self.moments[of][to]
            + value * value * self.moments[to][to];
        let spread = spread.max(0.0) / (denominator * denominator);
        let clustered: f64 = self.clusters.values().map(|sums| residual(sums).powi(2)).sum();
        let variance = (alone + spread + clustered) * units as f64 / (units - 1) as f64;
        Ok(Estimate::about(value, variance, (self.observations, units), confidence))
    }
}

fn add_to<const D: usize>(sums: &mut [f64; D], columns: &[f64; D]) {
    sums.iter_mut().zip(columns).for_each(|(sum, column)| *sum += column);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_mean_is_the_classical_one() {
        let mut sums = ClusteredSums::<2>::new();
        for value in [1.0, 2.0, 3.0, 6.0] {
            sums.add([1.0, value], None);
        }
        let mean = sums.ratio(1, 0, Confidence::USUAL).unwrap();
        // Variance 14 / 3 of a value, a quarter of it of the mean.
        assert!((mean.value - 3.0).abs() < 1e-12);
        assert!((mean.standard_error - (14.0f64 / 12.0).sqrt()).abs() < 1e-12);
        assert!((mean.high - 3.0 - 3.182_446 * mean.standard_error).abs() < 1e-5);
    }

    #[test]
    fn clusters_of_one_are_as_observations_of_none() {
        let (mut apart, mut alone) = (ClusteredSums::<2>::new(), ClusteredSums::<2>::new());
        for (cluster, value) in [1.0, 2.0, 3.0, 6.0, 1e3].into_iter().enumerate() {
            apart.add([1.0 + value, value], Some(cluster as u64));
            alone.add([1.0 + value, value], None);
        }
        let of = |sums: ClusteredSums<2>| sums.ratio(1, 0, Confidence::USUAL).unwrap();
        let (apart, alone) = (of(apart), of(alone));
        assert!((apart.standard_error / alone.standard_error - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_one_cluster_says_again_makes_nothing_surer() {
        let (mut once, mut often) = (ClusteredSums::<2>::new(), ClusteredSums::<2>::new());
        for (cluster, value) in [1.0, 2.0, 3.0, 6.0].into_iter().enumerate() {
            once.add([1.0, value], Some(cluster as u64));
            (0..50).for_each(|_| often.add([1.0, value], Some(cluster as u64)));
        }
        let of = |sums: ClusteredSums<2>| sums.ratio(1, 0, Confidence::USUAL).unwrap();
        let (once, often) = (of(once), of(often));
        assert!((once.standard_error - often.standard_error).abs() < 1e-12);
        assert_eq!((often.observations, often.units), (200, 4));
    }

    #[test]
    fn too_little_is_said() {
        let mut sums = ClusteredSums::<2>::new();
        let ratio = |sums: &ClusteredSums<2>| sums.ratio(1, 0, Confidence::USUAL);
        assert_eq!(ratio(&sums), Err(Inestimable::TooFewUnits { units: 0 }));
        sums.add([0.0, 1.0], Some(4));
        sums.add([0.0, 1.0], Some(4));
        assert_eq!(ratio(&sums), Err(Inestimable::TooFewUnits { units: 1 }));
        sums.add([0.0, 1.0], None);
        assert_eq!(ratio(&sums), Err(Inestimable::NoWeight));
    }
}
