//! Implicit alternating least squares over the joint person x item matrix.
//!
//! The loss is that of iALS: Rendle, Krichene, Zhang, Koren, "Revisiting the
//! Performance of iALS on Item Recommendation Benchmarks" (2021), equations 1
//! to 4, with a confidence for each interaction as in Hu, Koren, Volinsky,
//! "Collaborative Filtering for Implicit Feedback Datasets" (2008):
//!
//! `L = sum_S |c_ui| (x_u'y_i - p_ui)^2 + a sum_{u,i} (x_u'y_i)^2
//!      + r (sum_u (C_u + a I)^n |x_u|^2 + sum_i (C_i + a U)^n |y_i|^2)`
//!
//! with `a` the unobserved weight, `r` the regularisation, `n` its frequency
//! exponent, `C` the sum of a row's confidences, `I` and `U` the numbers of
//! items and people. Each half-iteration is solved exactly.
//!
//! The preference `p_ui` is 1. A dislike is an entry below zero: preference 0, as of
//! what is unobserved, with a raised confidence, which is its magnitude (Hu, Koren,
//! Volinsky 2008, section 4, where the confidence in a preference of 0 may vary as
//! that of 1 does). So a fit pulls the score of what is disliked, and with it
//! those of similar items, towards 0.

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use crate::dense::NotPositiveDefinite;
pub use crate::options::InvalidOptions;
use crate::options::{Rule, checked, is_within};
use crate::sparse::SparseRows;
use half_step::{Effort, Equations};
use padded::PaddedRows;

mod eigenbasis;
mod exact;
pub mod half_step;
mod kernels;
mod padded;

pub use half_step::HalfStep;
pub use padded::padded_length;

/// Hyper-parameters as a caller gives them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlsOptions {
    /// Length of a factor vector, 1 to 1024.
    pub factors: usize,
    /// Iterations of two half-steps, 1 to 1000.
    pub iterations: usize,
    /// Weight of every person-item pair, observed or not; above 0.
    pub unobserved_weight: f32,
    /// Strength of the regularisation; above 0.
    pub regularisation: f32,
    /// Exponent of the frequency that scales it, 0 to 1.
    pub frequency_exponent: f32,
    /// Seed of the initial item factors.
    pub seed: u64,
    /// How rows are solved.
    pub solver: Solver,
}

/// How a half-iteration solves its rows: see [`half_step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// By what is cheapest for each row.
    #[default]
    Mixed,
    /// Every row by conjugate gradient.
    ConjugateGradient,
    /// Every row exactly.
    Cholesky,
}

impl Default for AlsOptions {
    fn default() -> Self {
        Self {
            factors: 64,
            iterations: 15,
            unobserved_weight: 0.3,
            regularisation: 0.03,
            frequency_exponent: 1.0,
            seed: 42,
            solver: Solver::default(),
        }
    }
}

/// Checked hyper-parameters; made by [`AlsOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AlsOptions", into = "AlsOptions")]
pub struct AlsParams(AlsOptions);

impl AlsOptions {
    fn rules(&self) -> [Rule; 5] {
        [
            ((1..=1024).contains(&self.factors), "factors", "1 to 1024"),
            ((1..=1000).contains(&self.iterations), "iterations", "1 to 1000"),
            (is_within(self.unobserved_weight, 1e-6, 1e3), "unobserved_weight", "1e-6 to 1000"),
            (is_within(self.regularisation, 1e-8, 1e3), "regularisation", "1e-8 to 1000"),
            (is_within(self.frequency_exponent, 0.0, 1.0), "frequency_exponent", "0 to 1"),
        ]
    }
}

checked!(AlsOptions, AlsParams);

/// The preference that an interaction of this confidence tells of: 1, or 0 for a
/// dislike (below zero).
#[inline(always)]
pub(crate) fn preference(confidence: f32) -> f32 {
    if confidence > 0.0 { 1.0 } else { 0.0 }
}

/// Factors of people (rows) and items (columns), one row each.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    /// people x factors.
    pub people: Array2<f32>,
    /// items x factors.
    pub items: Array2<f32>,
}

/// Standard deviation of an initial score: each factor is drawn with this over
/// the root of the number of factors (Rendle et al. 2021, section 4.1).
const INITIAL_DEVIATION: f32 = 0.1;

/// Fits factors to a person x item matrix. The result depends on the seed, and
/// not on the number of threads. `progress` hears of each finished iteration.
///
/// Memory: the matrix and its transpose, 8 bytes an entry each, and 4 bytes a
/// factor of every person and item, rows filled up to multiples of 16 factors.
///
/// # Errors
/// [`NotPositiveDefinite`] when a confidence is no finite number. Any others are fitted,
/// however few or extreme they are.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_maths::als::{AlsOptions, fit};
/// use crossfold_maths::sparse::SparseRows;
///
/// // Even people took two of the items 0 to 2, odd people two of the items 3 to 5.
/// let rows = (0..12u32).map(|person| {
///     let first = person % 2 * 3;
///     vec![(first + person % 3, 1.0), (first + (person + 1) % 3, 1.0)]
/// });
/// let matrix = SparseRows::from_rows(6, rows);
/// let params = AlsOptions { factors: 2, ..AlsOptions::default() }.check()?;
/// let factors = fit(&matrix, &params, &|_| ())?;
///
/// let score = |person: usize, item: usize| -> f32 {
///     factors.people.row(person).dot(&factors.items.row(item))
/// };
/// // The first person took the items 0 and 1; of the others, 2 is to their taste.
/// assert!(score(0, 2) > score(0, 3) + 0.1);
/// # Ok(())
/// # }
/// ```
pub fn fit(
    matrix: &SparseRows,
    params: &AlsParams,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Factors, NotPositiveDefinite> {
    let options = params.options();
    let by_item = matrix.transposed();
    let mut people = PaddedRows::zeros(matrix.rows(), padded_length(options.factors));
    let mut items = PaddedRows::from_view(initial_items(matrix.columns(), params).view());
    for iteration in 1..=options.iterations {
        let equations = Equations::prepare(&mut items, people.rows(), params);
        equations.solve(&items, matrix, &mut people, Effort::Usual)?;
        let equations = Equations::prepare(&mut people, items.rows(), params);
        equations.solve(&people, &by_item, &mut items, Effort::Usual)?;
        progress(iteration);
    }
    // People last, so that they are what a fold-in would give.
    let equations = Equations::prepare(&mut items, people.rows(), params);
    equations.solve(&items, matrix, &mut people, Effort::Converged)?;
    Ok(Factors {
        people: people.into_array(options.factors),
        items: items.into_array(options.factors),
    })
}

/// The item factors that a fit begins with (items x factors).
#[must_use]
pub fn initial_items(items: usize, params: &AlsParams) -> Array2<f32> {
    let options = params.options();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let deviation = INITIAL_DEVIATION / (options.factors as f32).sqrt();
    let Ok(normal) = Normal::new(0.0f32, deviation) else {
        unreachable!("a positive deviation makes a distribution");
    };
    Array2::from_shape_simple_fn((items, options.factors), || normal.sample(&mut rng))
}

/// The loss that [`fit`] minimises, evaluated in double precision.
#[must_use]
pub fn loss(matrix: &SparseRows, factors: &Factors, params: &AlsParams) -> f64 {
    let options = params.options();
    let score = |person: usize, item: usize| -> f64 {
        let (x, y) = (factors.people.row(person), factors.items.row(item));
        x.iter().zip(y).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let observed: f64 = (0..matrix.rows())
        .map(|person| {
            let (items, confidences) = matrix.row(person);
            items
                .iter()
                .zip(confidences)
                .map(|(&item, &c)| {
                    let error = score(person, item as usize) - f64::from(preference(c));
                    f64::from(c.abs()) * error.powi(2)
                })
                .sum::<f64>()
        })
        .sum();
    let all: f64 = (0..matrix.rows())
        .flat_map(|person| (0..matrix.columns()).map(move |item| (person, item)))
        .map(|(person, item)| score(person, item).powi(2))
        .sum();
    let ridge = |rows: &SparseRows, vectors: &Array2<f32>| -> f64 {
        (0..rows.rows())
            .map(|row| {
                let mass: f32 = rows.row(row).1.iter().map(|c| c.abs()).sum::<f32>()
                    + options.unobserved_weight * rows.columns() as f32;
                let norm: f64 = vectors.row(row).iter().map(|v| f64::from(*v).powi(2)).sum();
                f64::from(mass).powf(f64::from(options.frequency_exponent)) * norm
            })
            .sum()
    };
    observed
        + f64::from(options.unobserved_weight) * all
        + f64::from(options.regularisation)
            * (ridge(matrix, &factors.people) + ridge(&matrix.transposed(), &factors.items))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(factors: usize, iterations: usize) -> AlsParams {
        AlsOptions { factors, iterations, ..AlsOptions::default() }.check().unwrap()
    }

    fn matrices() -> impl Strategy<Value = SparseRows> {
        let confidence = prop_oneof![4 => 0.2f32..5.0, 1 => -5.0f32..-0.2];
        let row = proptest::collection::btree_map(0..12u32, confidence, 0..12);
        let row = row.prop_map(|row| row.into_iter().collect::<Vec<_>>());
        proptest::collection::vec(row, 1..15).prop_map(|rows| SparseRows::from_rows(12, rows))
    }

    proptest! {
        #[test]
        fn no_nudge_of_a_solved_person_lowers_the_loss(
            matrix in matrices(), factor in 0usize..4, person in 0usize..15, nudge in -0.2f32..0.2,
        ) {
            let params = params(4, 2);
            let fitted = fit(&matrix, &params, &|_| ()).unwrap();
            let person = person % matrix.rows();
            prop_assume!(!matrix.row(person).0.is_empty());
            let best = loss(&matrix, &fitted, &params);
            let mut nudged = fitted;
            nudged.people[(person, factor)] += nudge;
            prop_assert!(loss(&matrix, &nudged, &params) >= best - 1e-4 * best.abs());
        }

        #[test]
        fn the_loss_never_rises_with_more_iterations(matrix in matrices()) {
            let at = |iterations| {
                let params = params(4, iterations);
                loss(&matrix, &fit(&matrix, &params, &|_| ()).unwrap(), &params)
            };
            let (one, three) = (at(1), at(3));
            prop_assert!(three <= one * (1.0 + 1e-4) + 1e-4, "{one} {three}");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
        let rows = (0..200u32).map(|u| (0..10).map(|k| ((u * 7 + k * k) % 50, 1.0)).collect());
        let matrix = SparseRows::from_rows(50, rows);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&matrix, &params(8, 3), &|_| ()).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    /// Two tastes: even people take even items; each has left some of them.
    fn tastes() -> Vec<Vec<(u32, f32)>> {
        let is_liked = |u: u32, i: u32| !(i * 3 + u).is_multiple_of(4);
        let likes = |u: u32| (0..10).filter(move |i| is_liked(u, *i)).map(move |i| i * 2 + u % 2);
        (0..40).map(|u| likes(u).map(|item| (item, 1.0)).collect()).collect()
    }

    #[test]
    fn a_dislike_lowers_the_score_of_the_item_and_of_similar_ones_in_a_fit() {
        let without = tastes();
        let disliked = (0..20).find(|i| i % 2 == 0 && !without[0].contains(&(*i, 1.0))).unwrap();
        let mut with = without.clone();
        with[0].push((disliked, -3.0));
        let scores = |rows: Vec<Vec<(u32, f32)>>| {
            let fitted = fit(&SparseRows::from_rows(20, rows), &params(4, 10), &|_| ()).unwrap();
            fitted.items.dot(&fitted.people.row(0)).to_vec()
        };
        let (before, after) = (scores(without), scores(with));
        assert!(after[disliked as usize] < 0.5 * before[disliked as usize]);
        let similar: Vec<usize> =
            (0..20).filter(|i| i % 2 == 0 && *i != disliked as usize).collect();
        let mean = |scores: &[f32]| similar.iter().map(|&i| scores[i]).sum::<f32>();
        assert!(mean(&after) < mean(&before));
    }

    #[test]
    fn who_only_dislikes_is_told_nothing() {
        for solver in [Solver::Mixed, Solver::Cholesky, Solver::ConjugateGradient] {
            let mut rows = tastes();
            rows[3] = (0..12).map(|item| (item, -1.0)).collect();
            rows[5] = vec![(7, -2.0)];
            let params =
                AlsOptions { factors: 4, solver, ..AlsOptions::default() }.check().unwrap();
            let fitted = fit(&SparseRows::from_rows(20, rows), &params, &|_| ()).unwrap();
            for person in [3, 5] {
                assert!(fitted.people.row(person).iter().all(|value| *value == 0.0));
            }
        }
    }

    #[test]
    fn people_and_items_without_interactions_are_zero() {
        let matrix = SparseRows::from_rows(3, [vec![(0, 1.0)], vec![]]);
        let fitted = fit(&matrix, &params(4, 2), &|_| ()).unwrap();
        assert!(fitted.people.row(1).iter().all(|v| *v == 0.0));
        assert!(fitted.items.row(2).iter().all(|v| *v == 0.0));
        assert!(fitted.people.iter().chain(&fitted.items).all(|v| v.is_finite()));
    }

    /// Confidences over the whole range of single precision.
    fn extreme_matrices() -> impl Strategy<Value = SparseRows> {
        let row = proptest::collection::vec((0..12u32, -36.0f32..1.7), 0..12);
        let confident = |row: Vec<(u32, f32)>| {
            let items: std::collections::BTreeMap<u32, f32> = row.into_iter().collect();
            items.into_iter().map(|(item, power)| (item, 10f32.powf(power))).collect()
        };
        let rows = proptest::collection::vec(row.prop_map(confident), 1..15);
        rows.prop_map(|rows: Vec<Vec<(u32, f32)>>| SparseRows::from_rows(12, rows))
    }

    fn extreme_options() -> impl Strategy<Value = AlsParams> {
        let solver = prop_oneof![
            Just(Solver::Mixed),
            Just(Solver::Cholesky),
            Just(Solver::ConjugateGradient)
        ];
        let numbers = (1usize..70, -6.0f32..3.0, -8.0f32..3.0, 0.0f32..1.0);
        (numbers, solver).prop_map(|((factors, weight, regularisation, exponent), solver)| {
            let options = AlsOptions {
                factors,
                iterations: 4,
                unobserved_weight: 10f32.powf(weight).clamp(1e-6, 1e3),
                regularisation: 10f32.powf(regularisation).clamp(1e-8, 1e3),
                frequency_exponent: exponent,
                solver,
                ..AlsOptions::default()
            };
            options.check().unwrap()
        })
    }

    proptest! {
        #[test]
        fn whatever_confidences_and_options_there_are_something_finite_is_fitted(
            matrix in extreme_matrices(), params in extreme_options(),
        ) {
            let fitted = fit(&matrix, &params, &|_| ()).unwrap();
            prop_assert!(fitted.people.iter().chain(&fitted.items).all(|value| value.is_finite()));
        }
    }

    #[test]
    fn one_interaction_is_enough_for_any_number_of_factors() {
        for solver in [Solver::Mixed, Solver::Cholesky, Solver::ConjugateGradient] {
            for confidence in [f32::MIN_POSITIVE * 2.0, 1e-20, 1e-9, 1.0, 50.0] {
                let matrix = SparseRows::from_rows(1, [vec![(0, confidence)]]);
                let options = AlsOptions { solver, ..AlsOptions::default() };
                let fitted = fit(&matrix, &options.check().unwrap(), &|_| ());
                let is_finite = fitted.is_ok_and(|fitted| {
                    fitted.people.iter().chain(&fitted.items).all(|value| value.is_finite())
                });
                assert!(is_finite, "{solver:?} {confidence}");
            }
        }
    }

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        let wrong = AlsOptions { regularisation: f32::NAN, ..AlsOptions::default() };
        assert_eq!(wrong.check().unwrap_err().name, "regularisation");
        let wrong = AlsOptions { factors: 0, ..AlsOptions::default() };
        assert_eq!(wrong.check().unwrap_err().name, "factors");
    }
}
