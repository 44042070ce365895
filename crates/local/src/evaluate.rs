//! `crossfold evaluate`: one domain, a given split, full ranking.
//!
//! Hyper-parameters that are not given are chosen on the training people alone:
//! a fifth of the items of some of them is held out, and each candidate is
//! fitted on the rest.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use crossfold_core::als::{AlsOptions, AlsParams, fit};
use crossfold_core::dense::gram;
use crossfold_core::evaluation::{RankingCase, evaluate_common_scores, evaluate_factors};
use crossfold_core::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_core::sparse::SparseRows;
use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cli::{EvaluateArgs, FitArgs};
use crate::data_set::{Numbering, Pairs, read_pairs};
use crate::evaluation_report::EvaluationReport;
use crate::peak_memory::peak_rss_mb;
use crate::progress;

/// Candidates of the weight of unobserved pairs.
const UNOBSERVED_WEIGHTS: [f32; 4] = [1.0, 0.3, 0.1, 0.03];
/// Candidates of the regularisation; the first is used while the weight is chosen.
const REGULARISATIONS: [f32; 3] = [0.003, 0.01, 0.001];
/// Iterations of a candidate's fit: enough to rank candidates.
const CANDIDATE_ITERATIONS: usize = 8;
/// People held out from to choose by.
const VALIDATION_PEOPLE: usize = 10_000;
const VALIDATION_SEED: u64 = 1;

pub(crate) fn evaluate(args: &EvaluateArgs) -> Result<()> {
    let split = Split::read(&args.train, Some(&args.test))?;
    let params = choose(&split.train, &args.fit)?;
    let bar = progress::bar("fitting", params.options().iterations as u64);
    let started = Instant::now();
    let factors = fit(&split.train, &params, &|done| bar.set_position(done as u64))?;
    let fit_seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let sums = evaluate_factors(factors.people.view(), factors.items.view(), &split.cases);
    let folded = fold_in_all(&split, factors.items.view(), &params)?;
    let folded = evaluate_factors(folded.view(), factors.items.view(), &split.cases);
    let counts: Vec<f32> = split.train.column_counts().into_iter().map(|c| c as f32).collect();
    let popularity = evaluate_common_scores(&counts, &split.cases);
    let report = EvaluationReport {
        people: sums.people(),
        metrics: sums.means(),
        baselines: BTreeMap::from([("popularity", popularity.means())]),
        fold_in: Some(folded.means()),
        fit_seconds,
        peak_rss_mb: peak_rss_mb(),
        hyperparameters: serde_json::to_value(params.options())?,
    };
    report.print(args.json)
}

/// The given split, numbered.
pub(crate) struct Split {
    pub(crate) train: SparseRows,
    pub(crate) cases: Vec<RankingCase>,
}

impl Split {
    /// Reads the pairs to train on and, if any are given, those held out.
    pub(crate) fn read(train: &Path, test: Option<&Path>) -> Result<Self> {
        let (train, held_out) = (read_pairs(train)?, test.map(read_pairs).transpose()?);
        if train.is_empty() || held_out.as_ref().is_some_and(Pairs::is_empty) {
            bail!("both --train and --test must have at least one pair");
        }
        let test = held_out.unwrap_or_default();
        let mut items = Numbering::default();
        for item in train.values().flatten() {
            items.number(item);
        }
        let rows: Vec<Vec<(u32, f32)>> = train
            .values()
            .map(|row| row.iter().filter_map(|item| Some((items.find(item)?, 1.0))).collect())
            .collect();
        let matrix = SparseRows::from_rows(items.len(), rows);
        let case = |(row, user): (usize, &String)| {
            let (seen, _) = matrix.row(row);
            let held_out = test.get(user)?.iter();
            // An item nobody has in training cannot be found: it counts as missed.
            let number = |(at, item): (usize, &String)| {
                items.find(item).unwrap_or((items.len() + at) as u32)
            };
            let mut relevant: Vec<u32> = held_out.enumerate().map(number).collect();
            relevant.sort_unstable();
            relevant.retain(|item| seen.binary_search(item).is_err());
            Some(RankingCase { row, seen: seen.to_vec(), relevant })
        };
        let cases = train.keys().enumerate().filter_map(case).collect();
        Ok(Self { train: matrix, cases })
    }
}

/// Options from the command line over the defaults.
pub(crate) fn options(args: &FitArgs) -> AlsOptions {
    let default = AlsOptions::default();
    AlsOptions {
        factors: args.factors.unwrap_or(default.factors),
        iterations: args.iterations.unwrap_or(default.iterations),
        unobserved_weight: args.unobserved_weight.unwrap_or(default.unobserved_weight),
        regularisation: args.regularisation.unwrap_or(default.regularisation),
        frequency_exponent: default.frequency_exponent,
        seed: args.seed.unwrap_or(default.seed),
        solver: default.solver,
    }
}

/// Chooses the weight of unobserved pairs first, then the regularisation.
fn choose(train: &SparseRows, args: &FitArgs) -> Result<AlsParams> {
    let mut best = options(args);
    let weights = args.unobserved_weight.map_or(UNOBSERVED_WEIGHTS.to_vec(), |given| vec![given]);
    let ridges = args.regularisation.map_or(REGULARISATIONS.to_vec(), |given| vec![given]);
    best.regularisation = ridges[0];
    let (rest, cases) = hold_out(train);
    let bar = progress::bar("choosing hyper-parameters", (weights.len() + ridges.len() - 1) as u64);
    let score = |options: AlsOptions| -> Result<f64> {
        let options =
            AlsOptions { iterations: options.iterations.min(CANDIDATE_ITERATIONS), ..options };
        let factors = fit(&rest, &options.check()?, &|_| ())?;
        bar.inc(1);
        let sums = evaluate_factors(factors.people.view(), factors.items.view(), &cases);
        Ok(sums.means().get("ndcg@20").copied().unwrap_or(0.0))
    };
    let mut best_score = f64::NEG_INFINITY;
    if weights.len() * ridges.len() == 1 {
        bar.finish_and_clear();
        best.unobserved_weight = weights[0];
        return Ok(best.check()?);
    }
    for &unobserved_weight in &weights {
        let candidate = AlsOptions { unobserved_weight, ..best };
        let candidate_score = score(candidate)?;
        if candidate_score > best_score {
            (best, best_score) = (candidate, candidate_score);
        }
    }
    for &regularisation in &ridges[1..] {
        let candidate = AlsOptions { regularisation, ..best };
        let candidate_score = score(candidate)?;
        if candidate_score > best_score {
            (best, best_score) = (candidate, candidate_score);
        }
    }
    bar.finish_and_clear();
    Ok(best.check()?)
}

/// Holds out a fifth of the items of some people, at least one, and leaves at
/// least one. The same people and items at every call.
fn hold_out(train: &SparseRows) -> (SparseRows, Vec<RankingCase>) {
    let mut rng = ChaCha8Rng::seed_from_u64(VALIDATION_SEED);
    let share = VALIDATION_PEOPLE as f64 / train.rows() as f64;
    let mut cases = Vec::new();
    let mut rows = Vec::with_capacity(train.rows());
    for row in 0..train.rows() {
        let (items, _) = train.row(row);
        let chosen = rng.random_bool(share.min(1.0)) && items.len() >= 2;
        let held_out: Vec<u32> =
            if chosen { pick(items, (items.len() / 5).max(1), &mut rng) } else { Vec::new() };
        let kept: Vec<u32> =
            items.iter().copied().filter(|item| held_out.binary_search(item).is_err()).collect();
        rows.push(kept.iter().map(|&item| (item, 1.0)).collect());
        if chosen {
            cases.push(RankingCase { row, seen: kept, relevant: held_out });
        }
    }
    (SparseRows::from_rows(train.columns(), rows), cases)
}

fn pick(items: &[u32], count: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut pool = items.to_vec();
    for at in 0..count {
        let other = rng.random_range(at..pool.len());
        pool.swap(at, other);
    }
    pool.truncate(count);
    pool.sort_unstable();
    pool
}

/// Every person folded in from their training history.
fn fold_in_all(
    split: &Split,
    items: ArrayView2<'_, f32>,
    params: &AlsParams,
) -> Result<Array2<f32>> {
    let gram = gram(items);
    let basis = FoldInBasis { items, gram: &gram, unobserved: items.nrows(), params };
    let mut people = Array2::zeros((split.train.rows(), items.ncols()));
    for case in &split.cases {
        let (columns, confidences) = split.train.row(case.row);
        let history: Vec<(u32, f32)> =
            columns.iter().copied().zip(confidences.iter().copied()).collect();
        let person = FoldedPerson::solve(basis, &history)?;
        people.row_mut(case.row).assign(&ndarray::aview1(person.vector()));
    }
    Ok(people)
}
