//! `crossfold evaluate-transfer`: people without history in the target domain.
//!
//! Everyone's source and target history make one joint matrix, without the
//! target history of the cold and the validation people. These are folded in
//! from their source history alone, and every target item is ranked.
//! Hyper-parameters that are not given are chosen on the validation people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, bail};
use crossfold_core::als::{AlsOptions, AlsParams, Factors, fit};
use crossfold_core::dense::gram;
use crossfold_core::evaluation::{MetricSums, RankingCase, evaluate_common_scores, evaluate_factors};
use crossfold_core::fold_in::{FoldInBasis, FoldedPerson, UnobservedItems};
use crossfold_core::sparse::SparseRows;
use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cli::EvaluateTransferArgs;
use crate::data_set::{Numbering, Pairs, read_lines, read_pairs};
use crate::evaluate::options;
use crate::evaluation_report::EvaluationReport;
use crate::peak_memory::peak_rss_mb;
use crate::progress;

const UNOBSERVED_WEIGHTS: [f32; 3] = [0.1, 0.3, 1.0];
const REGULARISATIONS: [f32; 3] = [0.003, 0.01, 0.03];
const SHUFFLE_SEED: u64 = 1;

pub(crate) fn evaluate_transfer(args: &EvaluateTransferArgs) -> Result<()> {
    let data = Transfer::read(args)?;
    let (options, unobserved) = choose(args, &data)?;
    let params = options.check()?;
    let started = Instant::now();
    let factors = fit(&data.joint, &params, &|_| ())?;
    let fit_seconds = started.elapsed().as_secs_f64();
    let sums = data.measure(&data.cold, &factors, &params, unobserved)?;
    let popularity = evaluate_common_scores(&data.popularity(), &data.cold_cases());
    let mut hyperparameters = serde_json::to_value(options)?;
    hyperparameters["unobserved_items"] = serde_json::to_value(unobserved)?;
    let report = EvaluationReport {
        people: sums.people(),
        metrics: sums.means(),
        baselines: BTreeMap::from([("popularity", popularity.means())]),
        fold_in: None,
        fit_seconds,
        peak_rss_mb: peak_rss_mb(),
        hyperparameters,
    };
    report.print(args.json)
}

/// A person to fold in: source history, and held-out target items.
struct ColdPerson {
    history: Vec<(u32, f32)>,
    relevant: Vec<u32>,
}

/// Both domains in one matrix: source items first, then target items.
struct Transfer {
    joint: SparseRows,
    source_items: usize,
    cold: Vec<ColdPerson>,
    validation: Vec<ColdPerson>,
}

impl Transfer {
    fn read(args: &EvaluateTransferArgs) -> Result<Self> {
        let mut source = read_pairs(&args.source)?;
        let target = read_pairs(&args.target)?;
        let (cold, validation) = (read_lines(&args.cold_users)?, read_lines(&args.valid_users)?);
        if !cold.is_disjoint(&validation) {
            bail!("--cold-users and --valid-users must have no user in common");
        }
        if args.shuffle_links {
            source = shuffle_links(source);
        }
        let (mut source_numbers, mut target_numbers) = (Numbering::default(), Numbering::default());
        for item in source.values().flatten() {
            source_numbers.number(item);
        }
        let is_held_out = |user: &str| cold.contains(user) || validation.contains(user);
        let trained = target.iter().filter(|(user, _)| !is_held_out(user));
        for item in trained.flat_map(|(_, items)| items) {
            target_numbers.number(item);
        }
        let source_items = source_numbers.len();
        let users: BTreeSet<&String> = source.keys().chain(target.keys()).collect();
        let history = |user: &str| -> Vec<(u32, f32)> {
            let items = source.get(user).into_iter().flatten();
            items.filter_map(|item| Some((source_numbers.find(item)?, 1.0))).collect()
        };
        let rows = users.into_iter().map(|user| {
            let mut row = history(user);
            let own = target.get(user).filter(|_| !is_held_out(user)).into_iter().flatten();
            let in_joint = |item: u32| source_items as u32 + item;
            row.extend(own.filter_map(|item| Some((in_joint(target_numbers.find(item)?), 1.0))));
            row
        });
        let joint = SparseRows::from_rows(source_items + target_numbers.len(), rows);
        let people = |users: &BTreeSet<String>| -> Vec<ColdPerson> {
            users.iter().map(|user| ColdPerson {
                history: history(user),
                relevant: held_out(target.get(user), &target_numbers),
            }).collect()
        };
        Ok(Self { joint, source_items, cold: people(&cold), validation: people(&validation) })
    }

    fn cold_cases(&self) -> Vec<RankingCase> {
        cases(&self.cold)
    }

    fn popularity(&self) -> Vec<f32> {
        let counts = self.joint.column_counts().into_iter().map(|count| count as f32);
        counts.skip(self.source_items).collect()
    }

    /// Folds people in from their source history and ranks all target items.
    fn measure(
        &self,
        people: &[ColdPerson],
        factors: &Factors,
        params: &AlsParams,
        unobserved: UnobservedItems,
    ) -> Result<MetricSums> {
        let items = factors.items.view();
        let counted = match unobserved {
            UnobservedItems::All => items,
            UnobservedItems::OfObservedDomains => items.slice(s![..self.source_items, ..]),
        };
        let gram = gram(counted);
        let basis = FoldInBasis { items, gram: &gram, unobserved: counted.nrows(), params };
        let mut vectors = Array2::zeros((people.len(), items.ncols()));
        for (row, person) in people.iter().enumerate() {
            let folded = FoldedPerson::solve(basis, &person.history)?;
            vectors.row_mut(row).assign(&ndarray::aview1(folded.vector()));
        }
        let targets = items.slice(s![self.source_items.., ..]);
        Ok(evaluate_factors(vectors.view(), targets, &cases(people)))
    }
}

/// Held-out items by number; an item that nobody else has counts as missed.
fn held_out(items: Option<&BTreeSet<String>>, numbers: &Numbering) -> Vec<u32> {
    let items = items.into_iter().flatten().enumerate();
    let number = |(at, item): (usize, &String)| {
        numbers.find(item).unwrap_or((numbers.len() + at) as u32)
    };
    let mut relevant: Vec<u32> = items.map(number).collect();
    relevant.sort_unstable();
    relevant
}

fn cases(people: &[ColdPerson]) -> Vec<RankingCase> {
    let case = |(row, person): (usize, &ColdPerson)| RankingCase {
        row,
        seen: Vec::new(),
        relevant: person.relevant.clone(),
    };
    people.iter().enumerate().map(case).collect()
}

/// Gives every source history to another, random person (Sattolo's algorithm:
/// nobody keeps their own).
fn shuffle_links(source: Pairs) -> Pairs {
    let (users, mut histories): (Vec<_>, Vec<_>) = source.into_iter().unzip();
    let mut rng = ChaCha8Rng::seed_from_u64(SHUFFLE_SEED);
    for at in (1..histories.len()).rev() {
        let other = rng.random_range(0..at);
        histories.swap(at, other);
    }
    users.into_iter().zip(histories).collect()
}

fn choose(
    args: &EvaluateTransferArgs,
    data: &Transfer,
) -> Result<(AlsOptions, UnobservedItems)> {
    let given = options(&args.fit);
    let weights =
        args.fit.unobserved_weight.map_or(UNOBSERVED_WEIGHTS.to_vec(), |weight| vec![weight]);
    let ridges = args.fit.regularisation.map_or(REGULARISATIONS.to_vec(), |ridge| vec![ridge]);
    let bar = progress::bar("choosing hyper-parameters", (weights.len() * ridges.len()) as u64);
    let mut best = (given, UnobservedItems::default());
    let mut best_score = f64::NEG_INFINITY;
    for &unobserved_weight in &weights {
        for &regularisation in &ridges {
            let options = AlsOptions { unobserved_weight, regularisation, ..given };
            let params = options.check()?;
            let factors = fit(&data.joint, &params, &|_| ())?;
            for unobserved in [UnobservedItems::OfObservedDomains, UnobservedItems::All] {
                let sums = data.measure(&data.validation, &factors, &params, unobserved)?;
                let score = sums.means().get("ndcg@20").copied().unwrap_or(0.0);
                if score > best_score {
                    (best, best_score) = ((options, unobserved), score);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(best)
}
