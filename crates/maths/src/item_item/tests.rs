//! What holds for every method.

use nalgebra::DMatrix;
use proptest::prelude::*;

use super::*;
use crate::options::InvalidOptions;

const ITEMS: usize = 9;

type Fit = fn(&SparseRows, usize, ConfidenceUse) -> Result<SparseRows, FitError>;

fn by_ease(
    people: &SparseRows,
    kept: usize,
    values: ConfidenceUse,
) -> Result<SparseRows, FitError> {
    let options =
        ease::EaseOptions { ridge: 2.0, dropout: 0.2, activity_exponent: 0.3, kept, values };
    ease::fit(people, &options.check().unwrap())
}

fn by_local_ridge(
    people: &SparseRows,
    kept: usize,
    values: ConfidenceUse,
) -> Result<SparseRows, FitError> {
    let options = local_ridge::LocalRidgeOptions {
        ridge: 2.0,
        dropout: 0.2,
        activity_exponent: 0.3,
        candidates: 5,
        kept,
        values,
    };
    local_ridge::fit(people, &options.check().unwrap())
}

fn by_walks(
    people: &SparseRows,
    kept: usize,
    values: ConfidenceUse,
) -> Result<SparseRows, FitError> {
    let options = walks::WalkOptions { alpha: 1.2, beta: 0.4, kept, values };
    walks::fit(people, &options.check().unwrap())
}

fn by_cosine(
    people: &SparseRows,
    kept: usize,
    values: ConfidenceUse,
) -> Result<SparseRows, FitError> {
    let options = cosine::CosineOptions { exponent: 0.8, kept, values, ..Default::default() };
    cosine::fit(people, &options.check().unwrap())
}

const METHODS: [(&str, Fit); 4] = [
    ("ease", by_ease),
    ("local ridge", by_local_ridge),
    ("walks", by_walks),
    ("cosine", by_cosine),
];

fn rows(confidence: impl Strategy<Value = f32>) -> impl Strategy<Value = Vec<Vec<(u32, f32)>>> {
    let row = proptest::collection::btree_map(0..ITEMS as u32, confidence, 0..ITEMS);
    proptest::collection::vec(row.prop_map(|row| row.into_iter().collect()), 0..12)
}

fn usual() -> impl Strategy<Value = f32> {
    prop_oneof![4 => 0.2f32..5.0, 1 => -5.0f32..-0.2]
}

/// Confidences over the whole range of single precision.
fn extreme() -> impl Strategy<Value = f32> {
    (any::<bool>(), -44.0f32..38.5).prop_map(|(liked, power)| {
        let magnitude = 10f32.powf(power).clamp(f32::MIN_POSITIVE, f32::MAX);
        if liked { magnitude } else { -magnitude }
    })
}

fn uses() -> impl Strategy<Value = ConfidenceUse> {
    use ConfidenceUse::{Binary, Logarithmic, Saturated};
    prop_oneof![Just(Binary), Just(Saturated), Just(Logarithmic)]
}

fn dense(weights: &SparseRows) -> DMatrix<f64> {
    let mut matrix = DMatrix::zeros(weights.rows(), weights.columns());
    for row in 0..weights.rows() {
        let (columns, values) = weights.row(row);
        columns.iter().zip(values).for_each(|(c, v)| matrix[(row, *c as usize)] = f64::from(*v));
    }
    matrix
}

fn assert_close(a: &DMatrix<f64>, b: &DMatrix<f64>, what: &str) {
    let scale = b.abs().max().max(1.0);
    assert!((a - b).abs().max() < 2e-4 * scale, "{what}: {a} {b}");
}

/// Values as the methods see them.
fn values_of(rows: &[Vec<(u32, f32)>], values: ConfidenceUse) -> DMatrix<f64> {
    let mut matrix = DMatrix::zeros(rows.len().max(1), ITEMS);
    for (person, row) in rows.iter().enumerate() {
        row.iter().for_each(|(item, c)| {
            matrix[(person, *item as usize)] = f64::from(values.value(*c));
        });
    }
    matrix
}

proptest! {
    #[test]
    fn renaming_the_items_renames_the_weights(
        rows in rows(usual()), names in Just((0..ITEMS as u32).collect::<Vec<_>>()).prop_shuffle(),
        values in uses(),
    ) {
        let renamed = |row: &Vec<(u32, f32)>| {
            row.iter().map(|(item, c)| (names[*item as usize], *c)).collect()
        };
        let there = SparseRows::from_rows(ITEMS, rows.iter().map(renamed));
        let here = SparseRows::from_rows(ITEMS, rows);
        for (name, fit) in METHODS {
            if name == "local ridge" {
                // Of candidates that are tied for the last place the lower item wins.
                continue;
            }
            let (here, there) = (dense(&fit(&here, ITEMS, values).unwrap()), dense(&fit(&there, ITEMS, values).unwrap()));
            let named = |i: usize| names[i] as usize;
            let back = DMatrix::from_fn(ITEMS, ITEMS, |i, j| there[(named(i), named(j))]);
            assert_close(&back, &here, name);
        }
    }

    #[test]
    fn whatever_the_confidences_weights_are_finite_sparse_and_have_no_diagonal(
        rows in rows(extreme()), kept in 1usize..ITEMS, values in uses(),
    ) {
        let people = SparseRows::from_rows(ITEMS, rows);
        for (name, fit) in METHODS {
            let weights = fit(&people, kept, values).unwrap();
            prop_assert_eq!((weights.rows(), weights.columns()), (ITEMS, ITEMS), "{}", name);
            for item in 0..ITEMS {
                let (scored, row) = weights.row(item);
                prop_assert!(scored.len() <= kept && !scored.contains(&(item as u32)), "{}", name);
                prop_assert!(row.iter().all(|weight| weight.is_finite()), "{} {:?}", name, row);
            }
        }
    }

    #[test]
    fn what_is_disliked_counts_as_absent(rows in rows(usual()), values in uses()) {
        let people = SparseRows::from_rows(ITEMS, rows);
        let liked = people.liked().into_owned();
        for (name, fit) in METHODS {
            prop_assert_eq!(fit(&people, 4, values).unwrap(), fit(&liked, 4, values).unwrap(), "{}", name);
        }
    }

    #[test]
    fn fewer_kept_are_the_strongest_of_all(rows in rows(usual()), kept in 1usize..ITEMS) {
        let people = SparseRows::from_rows(ITEMS, rows);
        for (name, fit) in METHODS {
            let whole = fit(&people, ITEMS, ConfidenceUse::Binary).unwrap();
            let cut = fit(&people, kept, ConfidenceUse::Binary).unwrap();
            for item in 0..ITEMS {
                let (scored, weights) = whole.row(item);
                let row = scored.iter().copied().zip(weights.iter().copied()).collect();
                let (scored, weights) = cut.row(item);
                let cut: Vec<_> = scored.iter().copied().zip(weights.iter().copied()).collect();
                prop_assert_eq!(cut, strongest::strongest(row, kept), "{}", name);
            }
        }
    }

    #[test]
    fn ease_is_what_a_plain_inverse_gives(
        rows in rows(usual()), values in uses(), ridge in 0.5f32..20.0, dropout in 0.0f32..0.9,
        activity_exponent in 0.0f32..1.0,
    ) {
        let options = ease::EaseOptions { ridge, dropout, activity_exponent, values, ..Default::default() };
        let people = SparseRows::from_rows(ITEMS, rows.clone());
        let weights = dense(&ease::fit(&people, &options.check().unwrap()).unwrap());
        let x = values_of(&rows, values);
        let mut weighted = x.clone();
        for u in 0..x.nrows() {
            let count = x.row(u).iter().filter(|value| **value > 0.0).count().max(1) as f64;
            weighted.row_mut(u).iter_mut().for_each(|v| *v *= count.powf(-f64::from(activity_exponent)));
        }
        let mut gram = x.transpose() * weighted;
        for i in 0..ITEMS {
            gram[(i, i)] *= 1.0 + f64::from(dropout / (1.0 - dropout));
            gram[(i, i)] += f64::from(ridge);
        }
        let inverse = gram.try_inverse().unwrap();
        let expected = DMatrix::from_fn(ITEMS, ITEMS, |i, j| {
            if i == j { 0.0 } else { -inverse[(i, j)] / inverse[(j, j)] }
        });
        assert_close(&weights, &expected, "ease");
    }

    #[test]
    fn a_local_ridge_on_all_items_is_ease(rows in rows(usual()), values in uses(), ridge in 0.5f32..20.0) {
        let people = SparseRows::from_rows(ITEMS, rows);
        let exact = ease::EaseOptions { ridge, values, dropout: 0.3, activity_exponent: 0.4, ..Default::default() };
        let local = local_ridge::LocalRidgeOptions {
            ridge, values, dropout: 0.3, activity_exponent: 0.4, candidates: ITEMS, ..Default::default()
        };
        // Items that share no one with another are no candidates, though they may speak for
        // each other by way of a third; so everybody else has an item in common here.
        let joined = people.rows();
        let all = SparseRows::from_rows(ITEMS, (0..=joined).map(|person| {
            if person == joined { return (0..ITEMS as u32).map(|item| (item, 1.0)).collect(); }
            let (items, confidences) = people.row(person);
            items.iter().copied().zip(confidences.iter().copied()).collect()
        }));
        let exact = dense(&ease::fit(&all, &exact.check().unwrap()).unwrap());
        let local = dense(&local_ridge::fit(&all, &local.check().unwrap()).unwrap());
        assert_close(&local, &exact, "local ridge");
    }

    #[test]
    fn walks_are_products_of_the_matrices_of_their_steps(
        rows in rows(usual()), values in uses(), alpha in 0.0f32..2.0, beta in 0.0f32..1.5,
    ) {
        let options = walks::WalkOptions { values, alpha, beta, ..Default::default() };
        let people = SparseRows::from_rows(ITEMS, rows.clone());
        let weights = dense(&walks::fit(&people, &options.check().unwrap()).unwrap());
        let x = values_of(&rows, values);
        let step = |value: f64, mass: f64| {
            if value > 0.0 { (value / mass).powf(f64::from(alpha)) } else { 0.0 }
        };
        let to_person = DMatrix::from_fn(ITEMS, x.nrows(), |i, u| step(x[(u, i)], x.column(i).sum()));
        let to_item = DMatrix::from_fn(x.nrows(), ITEMS, |u, j| step(x[(u, j)], x.row(u).sum()));
        let mut expected = to_person * to_item;
        for j in 0..ITEMS {
            let count = x.column(j).iter().filter(|value| **value > 0.0).count().max(1) as f64;
            expected.column_mut(j).iter_mut().for_each(|w| *w /= count.powf(f64::from(beta)));
            expected[(j, j)] = 0.0;
        }
        assert_close(&weights, &expected, "walks");
    }

    #[test]
    fn a_cosine_is_at_most_one_symmetric_and_that_of_its_columns(rows in rows(usual()), values in uses()) {
        let options = cosine::CosineOptions {
            // All of BM25 but the weight of people is off.
            saturation: 1e3, length_normalisation: 0.0, shrinkage: 0.0, values, ..Default::default()
        };
        let people = SparseRows::from_rows(ITEMS, rows.clone());
        let weights = dense(&cosine::fit(&people, &options.check().unwrap()).unwrap());
        let mut x = values_of(&rows, values);
        for u in 0..x.nrows() {
            let count = x.row(u).iter().filter(|value| **value > 0.0).count() as f64;
            let idf = ((ITEMS + 1) as f64 / (1.0 + count)).ln_1p();
            x.row_mut(u).iter_mut().for_each(|v| *v *= idf * 1001.0 / (*v + 1000.0));
        }
        let product = x.transpose() * &x;
        let expected = DMatrix::from_fn(ITEMS, ITEMS, |i, j| {
            let both: f64 = (product[(i, i)] * product[(j, j)]).sqrt();
            if i == j || both == 0.0 { 0.0 } else { product[(i, j)] / both }
        });
        assert_close(&weights, &expected, "cosine");
        prop_assert!(weights.max() <= 1.0 + 1e-6);
    }

    #[test]
    fn shares_sum_up_to_the_score(rows in rows(usual()), past in rows(usual())) {
        let weights = by_ease(&SparseRows::from_rows(ITEMS, rows), 5, ConfidenceUse::Binary).unwrap();
        for past in past {
            let mut all = [0.0; ITEMS];
            scores(&weights, &past, &mut all);
            for (item, score) in all.iter().enumerate() {
                let shares = contributions(&weights, &past, item as u32);
                let sum: f32 = shares.iter().map(|(_, share)| share).sum();
                prop_assert!((sum - score).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn values_grow_with_confidence_and_are_bounded(a in extreme(), b in extreme(), values in uses()) {
        let (a, b) = (a.min(b), a.max(b));
        prop_assert!(values.value(a) <= values.value(b) && (0.0..89.0).contains(&values.value(b)));
        prop_assert_eq!(values.value(a) > 0.0, a > 0.0);
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_weights() {
    let row = |u: u32| (0..10).map(|k| ((u * 7 + k * k) % 250, 1.0 + (u % 3) as f32)).collect();
    let people = SparseRows::from_rows(250, (0..400u32).map(row));
    for (name, fit) in METHODS {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&people, 20, ConfidenceUse::Saturated).unwrap())
        };
        assert!(with(1) == with(3), "{name}");
    }
}

#[test]
fn nothing_one_item_and_constant_columns_have_an_answer() {
    for (name, fit) in METHODS {
        let of = |items, rows: Vec<Vec<(u32, f32)>>| {
            fit(&SparseRows::from_rows(items, rows), 4, ConfidenceUse::Binary).unwrap()
        };
        assert_eq!(of(0, vec![]).rows(), 0, "{name}");
        assert_eq!(of(3, vec![vec![], vec![]]).entries(), 0, "{name}");
        assert_eq!(of(1, vec![vec![(0, 1.0)]; 5]).entries(), 0, "{name}");
        // Everybody took both: each speaks for the other, and for the third nobody does.
        let weights = of(3, vec![vec![(0, 1.0), (1, 1.0)]; 50]);
        assert_eq!((weights.row(0).0, weights.row(1).0), (&[1][..], &[0][..]), "{name}");
        assert!(weights.row(0).1[0] > 0.0 && weights.row(2).0.is_empty(), "{name}");
    }
}

#[test]
fn a_confidence_that_is_no_number_is_refused() {
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let people = SparseRows::from_rows(2, [vec![(0, wrong), (1, 1.0)]]);
        for (name, fit) in METHODS {
            assert_eq!(fit(&people, 4, ConfidenceUse::Binary), Err(FitError::NotFinite), "{name}");
        }
    }
}

#[test]
fn a_catalogue_that_does_not_fit_is_refused_by_the_exact_method() {
    let people = SparseRows::from_rows(ease::MOST_ITEMS + 1, [vec![(0, 1.0)]]);
    let error = FitError::TooManyItems { items: ease::MOST_ITEMS + 1, limit: ease::MOST_ITEMS };
    assert_eq!(by_ease(&people, 4, ConfidenceUse::Binary), Err(error));
    assert_eq!(by_walks(&people, 4, ConfidenceUse::Binary).unwrap().entries(), 0);
}

#[test]
fn a_ridge_that_drowns_in_rounding_still_has_an_answer() {
    // Columns that are one and the same, and a ridge far below their rounding.
    let row = || (0..400).map(|item| (item, 1.0)).collect();
    let people = SparseRows::from_rows(400, (0..500).map(|_| row()));
    let options = ease::EaseOptions { ridge: 1e-3, kept: 400, ..Default::default() };
    let weights = ease::fit(&people, &options.check().unwrap()).unwrap();
    let mut all = [0.0; 400];
    scores(&weights, &(1..400).map(|item| (item, 1.0)).collect::<Vec<_>>(), &mut all);
    assert!((all[0] - 1.0).abs() < 0.05, "{}", all[0]);
}

#[test]
fn options_out_of_their_ranges_are_named() {
    let name = |problem: Option<InvalidOptions>| problem.map(|problem| problem.name);
    let ease = |options: ease::EaseOptions| name(options.check().err());
    assert_eq!(ease(ease::EaseOptions { ridge: f32::NAN, ..Default::default() }), Some("ridge"));
    assert_eq!(ease(ease::EaseOptions { dropout: 1.0, ..Default::default() }), Some("dropout"));
    assert_eq!(ease(ease::EaseOptions { kept: 0, ..Default::default() }), Some("kept"));
    assert_eq!(ease(ease::EaseOptions::default()), None);
    let walks = walks::WalkOptions { beta: -0.1, ..Default::default() };
    assert_eq!(name(walks.check().err()), Some("beta"));
    let local = local_ridge::LocalRidgeOptions { candidates: 2000, ..Default::default() };
    assert_eq!(name(local.check().err()), Some("candidates"));
    let json = r#"{"shrinkage": -1.0}"#;
    assert!(serde_json::from_str::<cosine::CosineParams>(json).is_err());
    let params = cosine::CosineOptions::default().check().unwrap();
    let again: cosine::CosineParams =
        serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
    assert_eq!(again, params);
}
