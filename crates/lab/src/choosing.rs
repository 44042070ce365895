//! Choosing the hyper-parameters of one domain's fit, on the training people alone.
//!
//! By successive halving: a fifth of the items of some people is held out, and each
//! candidate is fitted on the rest. What that coarse search chose is then bettered at
//! full length.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use crossfold_core::evidence::scaling::EvidenceScaling;
use crossfold_core::maths::als::{AlsOptions, AlsParams};
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::training::tuning::{
    Candidate, Fidelity, Search, SearchSpace, TuningRequest, score_interactions,
};

use crate::args::FitArgs;
use crate::progress;

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

/// Searches by successive halving for what is not given.
///
/// # Errors
/// When a given hyper-parameter is out of range.
pub(crate) fn choose(train: &SparseRows, args: &FitArgs) -> Result<AlsParams> {
    let given = args.options();
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
