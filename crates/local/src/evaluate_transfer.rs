//! `crossfold evaluate-transfer`: people without history in the target domain.
//!
//! Everyone's source and target history make one joint matrix, without the
//! target history of the cold and the validation people. The cold people are
//! folded in from their source history alone, and every target item is ranked.
//!
//! Hyper-parameters that are not given are chosen on the validation people and,
//! since these are few, on training people whose target history is hidden while
//! choosing. The cold people have no part in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, bail};
use crossfold_core::als::{AlsOptions, AlsParams, Factors, fit};
use crossfold_core::dense::gram;
use crossfold_core::evaluation::{
    Measurements, RankingCase, evaluate_common_scores, evaluate_factors,
};
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

const UNOBSERVED_WEIGHTS: [f32; 3] = [0.1, 0.2, 0.3];
const REGULARISATIONS: [f32; 4] = [0.005, 0.01, 0.02, 0.03];
/// Share of the training people whose target history is hidden while choosing.
const HIDDEN_WHILE_CHOOSING: f64 = 0.25;
const CHOICE_SEED: u64 = 2;
const SHUFFLE_SEED: u64 = 1;

pub(crate) fn evaluate_transfer(args: &EvaluateTransferArgs) -> Result<()> {
    let data = Transfer::read(args)?;
    let (options, unobserved) = choose(args, &data)?;
    let params = options.check()?;
    let joint = data.joint(&BTreeSet::new());
    let started = Instant::now();
    let factors = fit(&joint, &params, &|_| ())?;
    let fit_seconds = started.elapsed().as_secs_f64();
    let cold = data.with_role(Role::Cold);
    let sums = data.measure(&cold, &factors, &params, unobserved)?;
    let counts: Vec<f32> = joint.column_counts().into_iter().map(|count| count as f32).collect();
    let popularity = evaluate_common_scores(&counts[data.source_items..], &cases(&cold));
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
        details: None,
    };
    report.print(args.json)
}

/// What a person's target history is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Training,
    Validation,
    Cold,
}

struct Person {
    role: Role,
    source: Vec<(u32, f32)>,
    /// Target items, sorted; those that no training person has are numbered
    /// beyond the catalogue, and count as missed.
    target: Vec<u32>,
}

/// Both domains: source items first, then target items.
struct Transfer {
    people: Vec<Person>,
    source_items: usize,
    target_items: usize,
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
        let role = |user: &str| match (cold.contains(user), validation.contains(user)) {
            (true, _) => Role::Cold,
            (_, true) => Role::Validation,
            _ => Role::Training,
        };
        let (mut source_numbers, mut target_numbers) = (Numbering::default(), Numbering::default());
        for item in source.values().flatten() {
            source_numbers.number(item);
        }
        let trained = target.iter().filter(|(user, _)| role(user) == Role::Training);
        for item in trained.flat_map(|(_, items)| items) {
            target_numbers.number(item);
        }
        let users: BTreeSet<&String> = source.keys().chain(target.keys()).collect();
        let person = |user: &String| Person {
            role: role(user),
            source: of(&source, user)
                .filter_map(|item| Some((source_numbers.find(item)?, 1.0)))
                .collect(),
            target: target_of(of(&target, user), &target_numbers),
        };
        Ok(Self {
            people: users.into_iter().map(person).collect(),
            source_items: source_numbers.len(),
            target_items: target_numbers.len(),
        })
    }

    fn with_role(&self, role: Role) -> Vec<&Person> {
        self.people.iter().filter(|person| person.role == role).collect()
    }

    /// The joint matrix, without the target history of cold, validation and hidden people.
    fn joint(&self, hidden: &BTreeSet<usize>) -> SparseRows {
        let rows = self.people.iter().enumerate().map(|(number, person)| {
            let mut row = person.source.clone();
            if person.role == Role::Training && !hidden.contains(&number) {
                row.extend(person.target.iter().map(|item| (self.source_items as u32 + item, 1.0)));
            }
            row
        });
        SparseRows::from_rows(self.source_items + self.target_items, rows)
    }

    /// Folds people in from their source history and ranks all target items.
    fn measure(
        &self,
        people: &[&Person],
        factors: &Factors,
        params: &AlsParams,
        unobserved: UnobservedItems,
    ) -> Result<Measurements> {
        let items = factors.items.view();
        let counted = match unobserved {
            UnobservedItems::All => items,
            UnobservedItems::OfObservedDomains => items.slice(s![..self.source_items, ..]),
        };
        let gram = gram(counted);
        let basis = FoldInBasis { items, gram: &gram, unobserved: counted.nrows(), params };
        let mut vectors = Array2::zeros((people.len(), items.ncols()));
        for (row, person) in people.iter().enumerate() {
            let folded = FoldedPerson::solve(basis, &person.source)?;
            vectors.row_mut(row).assign(&ndarray::aview1(folded.vector()));
        }
        let targets = items.slice(s![self.source_items.., ..]);
        Ok(evaluate_factors(vectors.view(), targets, &cases(people)))
    }
}

fn of<'a>(pairs: &'a Pairs, user: &str) -> impl Iterator<Item = &'a String> {
    pairs.get(user).into_iter().flatten()
}

fn target_of<'a>(items: impl Iterator<Item = &'a String>, numbers: &Numbering) -> Vec<u32> {
    let number =
        |(at, item): (usize, &String)| numbers.find(item).unwrap_or((numbers.len() + at) as u32);
    let mut target: Vec<u32> = items.enumerate().map(number).collect();
    target.sort_unstable();
    target
}

fn cases(people: &[&Person]) -> Vec<RankingCase> {
    let case = |(row, person): (usize, &&Person)| RankingCase {
        row,
        seen: Vec::new(),
        relevant: person.target.clone(),
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

fn choose(args: &EvaluateTransferArgs, data: &Transfer) -> Result<(AlsOptions, UnobservedItems)> {
    let given = options(&args.fit);
    let weights =
        args.fit.unobserved_weight.map_or(UNOBSERVED_WEIGHTS.to_vec(), |weight| vec![weight]);
    let ridges = args.fit.regularisation.map_or(REGULARISATIONS.to_vec(), |ridge| vec![ridge]);
    let hidden = hidden_while_choosing(data);
    let joint = data.joint(&hidden);
    let mut people = data.with_role(Role::Validation);
    people.extend(hidden.iter().map(|&number| &data.people[number]));
    let bar = progress::bar("choosing hyper-parameters", (weights.len() * ridges.len()) as u64);
    let mut best = (given, UnobservedItems::default());
    let mut best_score = f64::NEG_INFINITY;
    for &unobserved_weight in &weights {
        for &regularisation in &ridges {
            let options = AlsOptions { unobserved_weight, regularisation, ..given };
            let params = options.check()?;
            let factors = fit(&joint, &params, &|_| ())?;
            for unobserved in [UnobservedItems::OfObservedDomains, UnobservedItems::All] {
                let sums = data.measure(&people, &factors, &params, unobserved)?;
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

/// Training people with history on both sides, the same at every call.
fn hidden_while_choosing(data: &Transfer) -> BTreeSet<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(CHOICE_SEED);
    let is_on_both = |person: &Person| {
        person.role == Role::Training && !person.source.is_empty() && !person.target.is_empty()
    };
    let people = data.people.iter().enumerate();
    people
        .filter(|(_, person)| is_on_both(person) && rng.random_bool(HIDDEN_WHILE_CHOOSING))
        .map(|(number, _)| number)
        .collect()
}
