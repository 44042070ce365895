//! A linear map from the factors of one domain to those of another.
//!
//! Man, Shen, Jin, Cheng, "Cross-Domain Recommendation: An Embedding and Mapping
//! Approach" (EMCDR, 2017), with its linear variant: people who have both give
//! pairs of vectors `(x, z)`, and the map minimises
//! `sum w_u |x_u M - z_u|^2 + r |M|^2`. There is no constant term, so that every
//! score stays a sum over past items.
//!
//! Memory: `factors^2` numbers for each direction.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::maths::dense::{NotPositiveDefinite, cholesky, cholesky_solve};
use crate::model::bridges::Carrier;
use crate::model::bridges::mapping::LinearMap;
use crate::training::bridging::candidates::{Candidate, Needs, NotFitted};
use crate::training::bridging::domain_fits::DomainPeople;

/// The ridges that are tried.
const RIDGES: [f32; 3] = [0.3, 1.0, 3.0];
/// The weightings of people that are tried.
const WEIGHTINGS: [PeopleWeighting; 3] =
    [PeopleWeighting::Even, PeopleWeighting::Logarithm, PeopleWeighting::CappedCount];

/// The fits that a map is served with.
pub(super) const NEEDS: Needs = Needs { joint: false, people: true };

/// The settings that are tried.
pub(super) fn candidates() -> impl Iterator<Item = Candidate> {
    RIDGES.into_iter().flat_map(|ridge| {
        WEIGHTINGS.into_iter().map(move |weighting| Candidate::Mapping { ridge, weighting })
    })
}

/// How much a person counts when a map is fitted: the vector of someone with
/// much target history is known better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleWeighting {
    /// Everyone alike.
    Even,
    /// The logarithm of one plus the number of target items.
    Logarithm,
    /// The number of target items, at most [`COUNT_CAP`].
    CappedCount,
}

/// Target items beyond which a person counts no more.
pub const COUNT_CAP: u32 = 50;

impl PeopleWeighting {
    fn weight(self, target_items: u32) -> f32 {
        match self {
            Self::Even => 1.0,
            Self::Logarithm => (target_items as f32).ln_1p(),
            Self::CappedCount => target_items.min(COUNT_CAP) as f32,
        }
    }
}

/// The sums of a direction, each made when a candidate first asks for it.
pub struct MapSums<'a> {
    source: &'a DomainPeople,
    target: &'a DomainPeople,
    by_weighting: BTreeMap<PeopleWeighting, MapEquations>,
}

impl<'a> MapSums<'a> {
    /// Of these people's factors.
    #[must_use]
    pub fn new(source: &'a DomainPeople, target: &'a DomainPeople) -> Self {
        Self { source, target, by_weighting: BTreeMap::new() }
    }

    /// The map of these settings.
    ///
    /// # Errors
    /// [`NotFitted::Nobody`] without people who have both, [`NotFitted::Numerical`]
    /// when numbers are too extreme.
    pub fn carrier(
        &mut self,
        ridge: f32,
        weighting: PeopleWeighting,
    ) -> Result<Carrier, NotFitted> {
        let (source, target) = (self.source, self.target);
        let new = || MapEquations::new(source, target, weighting);
        let equations = self.by_weighting.entry(weighting).or_insert_with(new);
        if equations.people() == 0 {
            return Err(NotFitted::Nobody);
        }
        Ok(Carrier::Mapping(equations.solve(ridge)?))
    }
}

/// The weighted sums from which maps of any ridge follow.
#[derive(Debug, Clone)]
pub struct MapEquations {
    gram: Array2<f32>,
    product: Array2<f32>,
    people: usize,
}

/// People summed over at a time.
const BLOCK_PEOPLE: usize = 4096;

impl MapEquations {
    /// Sums over the people who like something in both.
    #[must_use]
    pub fn new(source: &DomainPeople, target: &DomainPeople, weighting: PeopleWeighting) -> Self {
        let both: Vec<(usize, usize, f32)> = target
            .rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| {
                let from = source.rows.binary_search(row).ok()?;
                // Of who likes nothing on one side, factors say nothing.
                let likes = source.interactions[from] > 0 && target.interactions[at] > 0;
                likes.then(|| (from, at, weighting.weight(target.interactions[at])))
            })
            .collect();
        let (from, to) = (source.factors.ncols(), target.factors.ncols());
        let (mut gram, mut product) = (Array2::zeros((from, from)), Array2::zeros((from, to)));
        // Block by block: a copy of everybody's factors may not fit.
        for block in both.chunks(BLOCK_PEOPLE) {
            let mut x = Array2::zeros((block.len(), from));
            let mut z = Array2::zeros((block.len(), to));
            for (at, &(from, to, weight)) in block.iter().enumerate() {
                let root = weight.sqrt();
                x.row_mut(at).assign(&(&source.factors.row(from) * root));
                z.row_mut(at).assign(&(&target.factors.row(to) * root));
            }
            gram += &x.t().dot(&x);
            product += &x.t().dot(&z);
        }
        Self { gram, product, people: both.len() }
    }

    /// People summed over.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people
    }

    /// The map for a ridge given as a multiple of the Gram matrix's mean diagonal.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] without people, or when numbers are too extreme.
    pub fn solve(&self, ridge: f32) -> Result<LinearMap, NotPositiveDefinite> {
        let f = self.gram.nrows();
        let mean = self.gram.diag().sum() / f as f32;
        let mut factor = self.gram.clone();
        factor.diag_mut().iter_mut().for_each(|value| *value += ridge * mean);
        let mut factor = factor.into_raw_vec_and_offset().0;
        cholesky(&mut factor, f)?;
        let mut matrix = Array2::zeros(self.product.dim());
        let mut column = vec![0.0; f];
        for (at, product) in self.product.columns().into_iter().enumerate() {
            column.iter_mut().zip(product).for_each(|(to, from)| *to = *from);
            cholesky_solve(&factor, f, &mut column);
            matrix.column_mut(at).assign(&ArrayView1::from(&column));
        }
        Ok(LinearMap::new(matrix))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    /// People of whom each has one interaction more than the number of their row.
    fn people(rows: Vec<u32>, factors: Array2<f32>) -> DomainPeople {
        let interactions = rows.iter().map(|row| row + 1).collect();
        DomainPeople { rows, interactions, factors }
    }

    #[test]
    fn a_linear_relation_is_found_from_the_people_who_have_both() {
        let true_map = array![[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]];
        let source = Array2::from_shape_fn((30, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 - 5.0);
        let target = source.dot(&true_map);
        // The target knows the even rows alone.
        let even: Vec<usize> = (0..30).step_by(2).collect();
        let target = people(
            even.iter().map(|row| *row as u32).collect(),
            target.select(ndarray::Axis(0), &even),
        );
        let source = people((0..30).collect(), source);
        for weighting in [PeopleWeighting::Even, PeopleWeighting::CappedCount] {
            let equations = MapEquations::new(&source, &target, weighting);
            assert_eq!(equations.people(), 15);
            let map = equations.solve(1e-6).unwrap();
            let error = (map.matrix() - &true_map).mapv(f32::abs).sum();
            assert!(error < 1e-2, "{error}");
        }
    }

    #[test]
    fn people_with_more_history_count_more_and_nobody_makes_no_map() {
        // Two people of one source vector disagree; the map lies nearer to who did more.
        let source = people(vec![0, 1], array![[1.0], [1.0]]);
        let mut target = people(vec![0, 1], array![[0.0], [1.0]]);
        target.interactions = vec![1, 9];
        let at = |weighting| {
            let equations = MapEquations::new(&source, &target, weighting);
            equations.solve(1e-6).unwrap().matrix()[(0, 0)]
        };
        assert!((at(PeopleWeighting::Even) - 0.5).abs() < 1e-3);
        assert!((at(PeopleWeighting::CappedCount) - 0.9).abs() < 1e-3);
        let logarithm = at(PeopleWeighting::Logarithm);
        assert!(logarithm > 0.6 && logarithm < 0.9, "{logarithm}");
        let nobody = people(vec![], Array2::zeros((0, 1)));
        let none = MapEquations::new(&source, &nobody, PeopleWeighting::Even);
        assert_eq!(none.solve(1.0).unwrap_err(), NotPositiveDefinite);
    }

    proptest! {
        #[test]
        fn pulling_back_gives_the_same_product(
            matrix in proptest::collection::vec(-1.0f32..1.0, 6),
            x in proptest::collection::vec(-1.0f32..1.0, 2), y in proptest::collection::vec(-1.0f32..1.0, 3),
        ) {
            let map = LinearMap::new(Array2::from_shape_vec((2, 3), matrix).unwrap());
            let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let mapped = map.map(ArrayView1::from(&x));
            let pulled = map.pull_back(ArrayView1::from(&y));
            prop_assert!((product(&mapped, &y) - product(&x, &pulled)).abs() < 1e-5);
        }
    }
}
