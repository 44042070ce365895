//! A ridge regression of people's target factors on their row of source items and on
//! their source factors: see [`crate::model::bridges::two_block`].
//!
//! Each linked person has the features `f = [x / |x| ; sqrt(w) p / |p|]`, and `z` is
//! their target vector; the regression minimises `sum |m + f W - z|^2 + r |W|^2` with
//! `m` the mean of all `z`. In its dual form (Saunders, Gammerman, Vovk, "Ridge
//! Regression Learning Algorithm in Dual Variables", 1998) `W = F'A` with
//! `(FF' + r I) A = Z - m`, which is solved for all factors at once by conjugate
//! gradients (Hestenes and Stiefel 1952): `FF'` is never made, a step costs the entries
//! of the linked people's source rows times the factors, twice. Predicting the deviation
//! from the mean keeps what is popular popular; the ridge counts in multiples of `1 + w`,
//! the diagonal of `FF'`.
//!
//! Bounds: 60 steps, [`MOST_ENTRIES`] entries (beyond, an even choice of
//! people). Memory: five times linked people x factors, and source items x factors.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use crate::maths::dense::{NotPositiveDefinite, add_scaled};
use crate::maths::sparse::SparseRows;
use crate::model::bridges::own_factors::OwnFactors;
use crate::model::bridges::two_block::{Coefficients, TwoBlock, norm};
use crate::model::bridges::{Carrier, Direction};
use crate::training::bridging::candidates::{Candidate, Needs, NotFitted};
use crate::training::bridging::own_fits::{
    DomainFit, FitGround, FitSettings, OwnFits, OwnSettings,
};

/// The ridges that are tried, each with what the block of factors weighs beside the row of
/// items: of twenty pairs tried on Douban by five folds, these were among the best in both
/// directions.
const SETTINGS: [(f32, f32); 2] = [(2.5, 0.3), (5.0, 1.0)];
/// Most steps of conjugate gradients; a ridge keeps the condition number near the number
/// of people who share an item, and this is enough for thousands.
const MOST_STEPS: usize = 60;
/// Residual, as a share of the right side's length, at which a column is solved.
const TOLERANCE: f64 = 1e-4;
/// Most entries of linked people's source rows: at 64 factors a step of so many takes
/// about a quarter of a second on two cores.
pub const MOST_ENTRIES: usize = 5_000_000;

/// It brings its own tables.
pub(super) const NEEDS: Needs = Needs { joint: false, people: false };

/// The settings that are tried.
pub(super) fn candidates(own: &OwnSettings) -> impl Iterator<Item = Candidate> {
    own.two_block.iter().flat_map(|&fit| {
        let of = move |(ridge, factor_weight)| Candidate::TwoBlock { fit, ridge, factor_weight };
        SETTINGS.into_iter().map(of)
    })
}

/// What tells settings of the fit apart while they are searched for.
pub(super) fn scout(fit: FitSettings) -> Candidate {
    let (ridge, factor_weight) = SETTINGS[1];
    Candidate::TwoBlock { fit, ridge, factor_weight }
}

/// What the candidates with tables of their own are fitted from, in one direction.
pub struct OwnSums<'a> {
    pub(super) ground: FitGround<'a>,
    pub(super) direction: &'a Direction,
    pub(super) fits: &'a OwnFits,
    /// Of the settings asked for last.
    regression: Option<(FitSettings, Regression)>,
}

impl<'a> OwnSums<'a> {
    /// From what everyone did, by these fits of it.
    #[must_use]
    pub fn new(ground: FitGround<'a>, direction: &'a Direction, fits: &'a OwnFits) -> Self {
        Self { ground, direction, fits, regression: None }
    }

    /// The regression of these settings.
    ///
    /// # Errors
    /// [`NotFitted`] when nobody has both, or numbers are too extreme.
    pub(super) fn two_block(
        &mut self,
        settings: FitSettings,
        ridge: f32,
        factor_weight: f32,
    ) -> Result<Carrier, NotFitted> {
        let of = |domain| self.fits.domain(self.ground, domain, settings);
        let (source, target) = (of(&self.direction.from)?, of(&self.direction.to)?);
        if self.regression.as_ref().is_none_or(|(known, _)| *known != settings) {
            let rows = self.ground.ranges.get(&self.direction.from).ok_or(NotFitted::Nobody)?;
            let row = |person: usize| {
                let (columns, confidences) = rows.entries_of(self.ground.matrix, person);
                let liked = columns.iter().zip(confidences).filter(|(_, c)| **c > 0.0);
                liked.map(|(column, c)| (column - rows.range.start as u32, *c)).collect()
            };
            let regression = Regression::new((&source, &target), rows.len(), row)?;
            self.regression = Some((settings, regression));
        }
        let Some((_, regression)) = &self.regression else { return Err(NotFitted::Nobody) };
        let coefficients = regression.solve(ridge, factor_weight)?;
        let own = OwnFactors::new(source.params, source.items.clone(), target.items.clone());
        Ok(Carrier::TwoBlock(Arc::new(TwoBlock::new(own, coefficients))))
    }
}

/// The features and targets of the linked people.
#[derive(Debug)]
struct Regression {
    /// `x / |x|`: people x source items.
    rows: SparseRows,
    by_item: SparseRows,
    /// `p / |p|`: people x factors.
    people: Array2<f32>,
    mean: Array1<f32>,
    /// `z - m`: people x factors.
    targets: Array2<f32>,
}

impl Regression {
    /// Of those who like something in both. `row` gives what a person likes in the source.
    fn new(
        (source, target): (&DomainFit, &DomainFit),
        items: usize,
        row: impl Fn(usize) -> Vec<(u32, f32)>,
    ) -> Result<Self, NotFitted> {
        let (from, to) = (&source.people, &target.people);
        let both: Vec<(usize, usize)> = (0..to.rows.len())
            .filter_map(|at| Some((from.rows.binary_search(&to.rows[at]).ok()?, at)))
            .filter(|&(from_at, at)| from.interactions[from_at] > 0 && to.interactions[at] > 0)
            .collect();
        let entries: usize = both.iter().map(|&(at, _)| from.interactions[at] as usize).sum();
        let stride = entries.div_ceil(MOST_ENTRIES).max(1);
        let both: Vec<(usize, usize)> = both.into_iter().step_by(stride).collect();
        if both.is_empty() {
            return Err(NotFitted::Nobody);
        }
        let unit = |mut entries: Vec<(u32, f32)>| {
            let length = norm(entries.iter().map(|(_, value)| value));
            entries.iter_mut().for_each(|(_, value)| *value /= length);
            entries
        };
        let rows = both.iter().map(|&(at, _)| unit(row(from.rows[at] as usize)));
        let rows = SparseRows::from_rows(items, rows);
        let (sources, at): (Vec<usize>, Vec<usize>) = both.into_iter().unzip();
        let mut people = from.factors.select(Axis(0), &sources);
        for mut person in people.rows_mut() {
            let length = norm(person.iter());
            if length > 0.0 {
                person /= length;
            }
        }
        let mut targets = to.factors.select(Axis(0), &at);
        let mean = targets.mean_axis(Axis(0)).ok_or(NotFitted::Nobody)?;
        targets -= &mean;
        Ok(Self { by_item: rows.transposed(), rows, people, mean, targets })
    }

    /// The coefficients for a ridge and a weight of the factors.
    fn solve(&self, ridge: f32, factor_weight: f32) -> Result<Coefficients, NotPositiveDefinite> {
        let diagonal = ridge * (1.0 + factor_weight);
        if !(diagonal > 0.0 && diagonal.is_finite() && factor_weight >= 0.0) {
            return Err(NotPositiveDefinite);
        }
        let weights = self.conjugate_gradients(diagonal, factor_weight);
        let by_factor = self.people.t().dot(&weights) * factor_weight;
        let by_item = transposed_product(&self.by_item, &weights);
        let is_finite = |table: &Array2<f32>| table.iter().all(|value| value.is_finite());
        if !is_finite(&by_item) || !is_finite(&by_factor) {
            return Err(NotPositiveDefinite);
        }
        Ok(Coefficients { mean: self.mean.clone(), by_item, by_factor })
    }

    /// `A` of `(FF' + d I) A = Z - m`, each column by steps of its own.
    fn conjugate_gradients(&self, diagonal: f32, factor_weight: f32) -> Array2<f32> {
        let mut solution = Array2::zeros(self.targets.dim());
        let mut residual = self.targets.clone();
        let mut search = residual.clone();
        let mut lengths = products(&residual, &residual);
        let stops: Vec<f64> = lengths.iter().map(|length| length * TOLERANCE * TOLERANCE).collect();
        for _ in 0..MOST_STEPS {
            if lengths.iter().zip(&stops).all(|(length, stop)| length <= stop) {
                break;
            }
            let image = self.apply(&search, diagonal, factor_weight);
            let along = products(&search, &image);
            let step = |column: usize| {
                let is_open = lengths[column] > stops[column] && along[column] > 0.0;
                if is_open { (lengths[column] / along[column]) as f32 } else { 0.0 }
            };
            let steps: Array1<f32> = (0..lengths.len()).map(step).collect();
            solution += &(&search * &steps);
            residual -= &(&image * &steps);
            let new = products(&residual, &residual);
            let turn = |(new, old): (&f64, &f64)| if *old > 0.0 { (new / old) as f32 } else { 0.0 };
            let turns: Array1<f32> = new.iter().zip(&lengths).map(turn).collect();
            search *= &turns;
            search += &residual;
            lengths = new;
        }
        solution
    }

    /// `(FF' + d I) A`.
    fn apply(&self, weights: &Array2<f32>, diagonal: f32, factor_weight: f32) -> Array2<f32> {
        let of_items = transposed_product(&self.by_item, weights);
        let of_factors = self.people.t().dot(weights);
        let mut image = self.people.dot(&of_factors) * factor_weight;
        image += &(weights * diagonal);
        image += &transposed_product(&self.rows, &of_items);
        image
    }
}

/// The product of a sparse matrix, given by its rows, with a dense one.
fn transposed_product(rows: &SparseRows, dense: &Array2<f32>) -> Array2<f32> {
    let factors = dense.ncols();
    let mut product = Array2::zeros((rows.rows(), factors));
    let Some(values) = product.as_slice_mut() else { unreachable!("made in standard layout") };
    values.par_chunks_mut(factors.max(1)).enumerate().for_each(|(at, out)| {
        let (columns, weights) = rows.row(at);
        for (&column, &weight) in columns.iter().zip(weights) {
            let row = dense.row(column as usize);
            row.as_slice().into_iter().for_each(|row| add_scaled(out, weight, row));
        }
    });
    product
}

/// The inner product of each column of one matrix with that of another.
fn products(a: &Array2<f32>, b: &Array2<f32>) -> Vec<f64> {
    let mut sums = vec![0.0; a.ncols()];
    for (a, b) in a.rows().into_iter().zip(b.rows()) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::maths::als::AlsOptions;
    use crate::training::bridging::domain_fits::DomainPeople;
    use crate::training::bridging::trial::tests::{direction, params, ranges, world};

    fn fitted(rows: Vec<u32>, items: usize, factors: Array2<f32>) -> DomainFit {
        let options = AlsOptions { factors: factors.ncols(), ..AlsOptions::default() };
        let interactions = vec![1; rows.len()];
        let people = DomainPeople { rows, interactions, factors };
        DomainFit {
            params: options.check().unwrap(),
            items: Array2::zeros((items, people.factors.ncols())),
            people,
        }
    }

    proptest! {
        #[test]
        fn the_coefficients_solve_the_equations_of_the_ridge(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..6, 1..5), 2..14),
            values in proptest::collection::vec(-1.0f32..1.0, 4 * 14),
            ridge in 0.5f32..4.0, factor_weight in 0.0f32..2.0,
        ) {
            let n = rows.len();
            let factors = |start: usize| {
                Array2::from_shape_fn((n, 2), |(i, j)| values[start + 2 * i + j])
            };
            let source = fitted((0..n as u32).collect(), 6, factors(0));
            let target = fitted((0..n as u32).collect(), 3, factors(28));
            let row = |person: usize| rows[person].iter().map(|item| (*item, 2.0)).collect();
            let regression = Regression::new((&source, &target), 6, row).unwrap();
            let Coefficients { mean, by_item, by_factor } =
                regression.solve(ridge, factor_weight).unwrap();
            // F, whole.
            let mut features = Array2::<f32>::zeros((n, 8));
            for (at, row) in rows.iter().enumerate() {
                for &item in row {
                    features[(at, item as usize)] = 1.0 / (row.len() as f32).sqrt();
                }
                let person = source.people.factors.row(at);
                let length = norm(person.iter()).max(1e-12);
                for k in 0..2 {
                    features[(at, 6 + k)] = factor_weight.sqrt() * person[k] / length;
                }
            }
            // The second block is served without the root of its weight, which W2 has.
            let mut coefficients = Array2::zeros((8, 2));
            coefficients.slice_mut(ndarray::s![..6, ..]).assign(&by_item);
            let root = factor_weight.sqrt();
            let second = if root > 0.0 { by_factor / root } else { by_factor };
            coefficients.slice_mut(ndarray::s![6.., ..]).assign(&second);
            // F'(F W - (Z - m)) + r W = 0.
            let error = features.dot(&coefficients) - (&target.people.factors - &mean);
            let gradient =
                features.t().dot(&error) + &coefficients * (ridge * (1.0 + factor_weight));
            let most = gradient.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            prop_assert!(most < 2e-3, "{most}");
        }
    }

    #[test]
    fn nobody_in_both_gives_none_and_a_ridge_out_of_range_is_refused() {
        let source = fitted(vec![0, 1], 3, Array2::ones((2, 2)));
        let apart = fitted(vec![2, 3], 3, Array2::ones((2, 2)));
        let row = |_: usize| vec![(0, 1.0)];
        let none = Regression::new((&source, &apart), 3, row).unwrap_err();
        assert_eq!(none, NotFitted::Nobody);
        let both = Regression::new((&source, &source), 3, row).unwrap();
        assert!(both.solve(0.0, 1.0).is_err());
        assert!(both.solve(f32::NAN, 1.0).is_err());
        // All alike: nobody deviates from the mean.
        let coefficients = both.solve(1.0, 1.0).unwrap();
        assert!(coefficients.by_item.iter().all(|value| *value == 0.0));
        assert_eq!(coefficients.mean.to_vec(), [1.0, 1.0]);
    }

    #[test]
    fn one_settings_sums_serve_several_candidates_and_another_settings_has_its_own() {
        let (matrix, ranges, params) = (world(60, true, 1), ranges(), params());
        let ground = FitGround { matrix: &matrix, ranges: &ranges };
        let (fits, direction) = (OwnFits::new(params), direction("a", "b"));
        let mut sums = OwnSums::new(ground, &direction, &fits);
        let run = FitSettings::of(&params);
        let other = FitSettings { unobserved_weight: 0.01, ..run };
        let first = sums.two_block(run, 1.0, 1.0).unwrap();
        assert_ne!(first, sums.two_block(run, 5.0, 1.0).unwrap());
        assert_ne!(first, sums.two_block(other, 1.0, 1.0).unwrap());
        assert_eq!(first, sums.two_block(run, 1.0, 1.0).unwrap());
    }
}
