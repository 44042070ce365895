//! `crossfold evaluate`: one domain, a given split, full ranking.
//!
//! Hyper-parameters that are not given are chosen on the training people alone,
//! by successive halving: a fifth of the items of some of them is held out, and
//! each candidate is fitted on the rest.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use crossfold_core::evidence::scaling::EvidenceScaling;
use crossfold_core::maths::als::{AlsOptions, AlsParams, Factors, fit};
use crossfold_core::maths::dense::gram;
use crossfold_core::maths::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_core::maths::measure::{
    Catalogue, DomainEvaluation, Metrics, RankingCase, evaluate_factors, rank_by_common_scores,
    rank_by_factors, summarise,
};
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::training::tuning::{
    Candidate, Fidelity, Search, SearchSpace, TuningRequest, score_interactions,
};
use ndarray::{Array2, ArrayView2};

use crate::args::{EvaluateArgs, FitArgs};
use crate::data_set::{Numbering, Pairs, read_pairs};
use crate::evaluation_report::{EvaluationDetails, EvaluationReport};
use crate::peak_memory::peak_rss_mb;
use crate::progress;
use crate::seed_variation::SeedVariation;

/// Where the search begins.
const BASE_UNOBSERVED_WEIGHT: f32 = 0.2;
const BASE_REGULARISATION: f32 = 0.01;
/// Iterations of a candidate's longest fit: enough to rank candidates.
const CANDIDATE_ITERATIONS: usize = 8;
/// Factors by which a hyper-parameter is moved after the search.
const CLIMB_STEPS: [f32; 2] = [1.6, 1.3];
/// Moves of one hyper-parameter in one direction.
const MOST_MOVES: usize = 4;
/// The search: no more work than a dozen fits of [`CANDIDATE_ITERATIONS`].
const SEARCH: TuningRequest =
    TuningRequest { budget_seconds: 86_400.0, budget_usd: None, candidates: 9, seed: 1 };

pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    let split = Split::read(&args.train, Some(&args.test))?;
    let choosing = Instant::now();
    let params = choose(&split.train, &args.fit)?;
    let choice_seconds = choosing.elapsed().as_secs_f64();
    let bar = progress::bar("fitting", params.options().iterations as u64);
    let started = Instant::now();
    let factors = fit(&split.train, &params, &|done| bar.set_position(done as u64))?;
    let fit_seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let evaluation = split.evaluate(&factors);
    let folded = fold_in_all(&split, factors.items.view(), &params)?;
    let folded = evaluate_factors(folded.view(), factors.items.view(), &split.cases);
    let seeds = vary_seeds(&split, &params, &evaluation.metrics, args.seeds)?;
    let details = EvaluationDetails {
        choice_seconds,
        intervals: evaluation.intervals,
        lift: evaluation.lift,
        lists: evaluation.lists,
        popularity_lists: evaluation.popularity_lists,
        buckets: evaluation.buckets,
        seeds: SeedVariation::of(&seeds),
    };
    let report = EvaluationReport {
        people: evaluation.people,
        metrics: evaluation.metrics,
        baselines: BTreeMap::from([("popularity", evaluation.popularity)]),
        fold_in: Some(folded.means()),
        fit_seconds,
        peak_rss_mb: peak_rss_mb(),
        hyperparameters: serde_json::to_value(params.options())?,
        details: Some(details),
    };
    report.print(args.json)
}

/// The metrics under each seed, those of the first already known.
fn vary_seeds(
    split: &Split,
    params: &AlsParams,
    first: &Metrics,
    seeds: u64,
) -> Result<Vec<Metrics>> {
    let mut all = vec![first.clone()];
    let bar = progress::bar("fitting with other seeds", seeds.saturating_sub(1));
    for other in 1..seeds {
        let seed = params.options().seed.wrapping_add(other);
        let params = AlsOptions { seed, ..*params.options() }.check()?;
        let factors = fit(&split.train, &params, &|_| ())?;
        let items = factors.items.view();
        all.push(evaluate_factors(factors.people.view(), items, &split.cases).means());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// The given split, numbered.
pub struct Split {
    pub train: SparseRows,
    pub cases: Vec<RankingCase>,
}

impl Split {
    /// Reads the pairs to train on and, if any are given, those held out.
    pub fn read(train: &Path, test: Option<&Path>) -> Result<Self> {
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
            Some(RankingCase { person: row, seen: seen.to_vec(), relevant })
        };
        let cases = train.keys().enumerate().filter_map(case).collect();
        Ok(Self { train: matrix, cases })
    }

    /// The model beside popularity.
    fn evaluate(&self, factors: &Factors) -> DomainEvaluation {
        let people = self.train.rows();
        let counts = self.train.column_counts();
        let popularity: Vec<f32> =
            counts.into_iter().map(|count| count as f32 / people.max(1) as f32).collect();
        let items = factors.items.view();
        let model = rank_by_factors(factors.people.view(), items, &self.cases);
        let popular = rank_by_common_scores(&popularity, &self.cases);
        let catalogue =
            Catalogue { factors: items, popularity: &popularity, people: people as u64 };
        summarise(&model, &popular, &self.cases, catalogue)
    }
}

/// Options from the command line over the defaults.
pub fn options(args: &FitArgs) -> AlsOptions {
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

/// Searches by successive halving for what is not given.
fn choose(train: &SparseRows, args: &FitArgs) -> Result<AlsParams> {
    let given = options(args);
    if args.unobserved_weight.is_some() && args.regularisation.is_some() {
        return Ok(given.check()?);
    }
    let base = AlsOptions {
        iterations: given.iterations.min(CANDIDATE_ITERATIONS),
        unobserved_weight: args.unobserved_weight.unwrap_or(BASE_UNOBSERVED_WEIGHT),
        regularisation: args.regularisation.unwrap_or(BASE_REGULARISATION),
        ..given
    };
    let space = SearchSpace { base, tune_factors: false, event_types: BTreeMap::new() };
    let mut search = Search::new(SEARCH, &space, None)?;
    for candidate in &mut search.candidates {
        let options = &mut candidate.options;
        options.unobserved_weight = args.unobserved_weight.unwrap_or(options.unobserved_weight);
        options.regularisation = args.regularisation.unwrap_or(options.regularisation);
    }
    let bar = progress::bar("choosing hyper-parameters", search.progress().1 as u64);
    while let Some(task) = search.begin() {
        let started = Instant::now();
        let candidate = &search.candidates[task.candidate];
        let score = score_interactions(train, candidate, &task.fidelity);
        search.finish(task, score, started.elapsed().as_secs_f64());
        bar.set_position(search.progress().0 as u64);
    }
    bar.finish_and_clear();
    let chosen = search.chosen_candidate().options;
    let chosen = climb(train, AlsOptions { iterations: given.iterations, ..chosen }, args);
    Ok(chosen.check()?)
}

/// Betters what a coarse search chose, at full length: multiplies and divides one
/// hyper-parameter at a time as long as that helps.
fn climb(train: &SparseRows, start: AlsOptions, args: &FitArgs) -> AlsOptions {
    let fidelity = Fidelity { iterations: start.iterations, people: 1.0, fold: 0, seed: 1 };
    let score = |options: AlsOptions| {
        let candidate = Candidate { options, evidence: EvidenceScaling::default() };
        score_interactions(train, &candidate, &fidelity).map_or(f64::NEG_INFINITY, |s| s.value)
    };
    let mut moves: Vec<fn(&mut AlsOptions, f32)> = Vec::new();
    if args.unobserved_weight.is_none() {
        moves.push(|options, factor| options.unobserved_weight *= factor);
    }
    if args.regularisation.is_none() {
        moves.push(|options, factor| options.regularisation *= factor);
    }
    let (mut best, mut best_score) = (start, score(start));
    for step in CLIMB_STEPS {
        for change in &moves {
            for factor in [step, 1.0 / step] {
                let before = best_score;
                for _ in 0..MOST_MOVES {
                    let mut next = best;
                    change(&mut next, factor);
                    let next_score = score(next);
                    if next_score <= best_score {
                        break;
                    }
                    (best, best_score) = (next, next_score);
                }
                if best_score > before {
                    break; // The other way is where it came from.
                }
            }
        }
    }
    best
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
        let (columns, confidences) = split.train.row(case.person);
        let history: Vec<(u32, f32)> =
            columns.iter().copied().zip(confidences.iter().copied()).collect();
        let person = FoldedPerson::solve(basis, &history)?;
        people.row_mut(case.person).assign(&ndarray::aview1(person.vector()));
    }
    Ok(people)
}
