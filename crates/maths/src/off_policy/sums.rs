//! Sums of several columns over observations, within clusters, and the ratio of two of them
//! with its interval.

use std::collections::BTreeMap;

use super::intervals::{Confidence, Estimate, Inestimable};
use super::joint_moments::{JointMoments, PowerSums};

/// Denominators below this are none: their squares would be lost to underflow.
const SMALLEST_DENOMINATOR: f64 = 1e-100;

/// Sums of `D` columns. Observations of no cluster are kept as their joint moments, those of
/// clusters as a sum each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClusteredSums<const D: usize> {
    observations: u64,
    totals: [f64; D],
    alone: JointMoments<D>,
    clusters: BTreeMap<u64, [f64; D]>,
}

impl<const D: usize> ClusteredSums<D> {
    pub(super) fn new() -> Self {
        Self {
            observations: 0,
            totals: [0.0; D],
            alone: JointMoments::none(),
            clusters: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, columns: [f64; D], cluster: Option<u64>) {
        self.observations += 1;
        add_to(&mut self.totals, &columns);
        match cluster {
            Some(cluster) => add_to(self.clusters.entry(cluster).or_insert([0.0; D]), &columns),
            None => self.alone.add(columns),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.observations += other.observations;
        add_to(&mut self.totals, &other.totals);
        self.alone.merge(&other.alone);
        for (cluster, sums) in &other.clusters {
            add_to(self.clusters.entry(*cluster).or_insert([0.0; D]), sums);
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
        self.alone.count() + self.clusters.len() as u64
    }

    /// The ratio of two columns' totals. Its variance is that of the linearised ratio (delta
    /// method: Cochran, "Sampling Techniques", 1977, section 6.3), summed within clusters:
    /// `G / (G - 1) sum_g u_g^2 / (sum_i x_i)^2` of `G` units, where
    /// `u_g = sum_{i in g} (y_i - ratio x_i)`; its skewness `sum_g u_g^3 / (sum_g u_g^2)^(3/2)`.
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
        let PowerSums { mut second, mut third } = self.alone.residuals(of, to, value);
        for sums in self.clusters.values() {
            let residual = sums[of] - value * sums[to];
            second += residual * residual;
            third += residual.powi(3);
        }
        let skewness = third / second.powf(1.5);
        let variance = second / denominator / denominator * units as f64 / (units - 1) as f64;
        let about = Estimate::about(value, variance, (self.observations, units), confidence);
        // Nothing that varies is not skewed.
        Ok(Estimate { skewness: if skewness.is_finite() { skewness } else { 0.0 }, ..about })
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
        assert!((mean.skewness - 18.0 / 14.0f64.powf(1.5)).abs() < 1e-12);
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
        assert!((apart.skewness - alone.skewness).abs() < 1e-6);
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
