//! `crossfold evaluate`: one domain, a given split, full ranking.
//!
//! Hyper-parameters that are not given are chosen on the training people alone.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::maths::als::{AlsOptions, AlsParams, fit};
use crossfold_core::maths::bootstrap::mean_interval;
use crossfold_core::maths::dense::gram;
use crossfold_core::maths::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_core::maths::measure::{Metrics, evaluate_common_scores, evaluate_factors};
use crossfold_core::training::mixing::{MixtureReport, choose_on};
use ndarray::{Array2, ArrayView2};

use crate::args::EvaluateArgs;
use crate::choosing::choose;
use crate::evaluation_report::{EvaluationDetails, EvaluationReport};
use crate::peak_memory::peak_rss_mb;
use crate::progress;
use crate::seed_variation::SeedVariation;
use crate::split::Split;

/// Reads the split, chooses, fits, measures, prints.
///
/// # Errors
/// When a file cannot be read, or a hyper-parameter is out of range.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    measure(args)?.print(args.json)
}

/// NDCG@20 by person.
pub struct ByPerson {
    /// What the model was fitted with.
    pub options: AlsOptions,
    /// Under the model, as they are served.
    pub model: BTreeMap<String, f64>,
    /// Under popularity.
    pub popularity: BTreeMap<String, f64>,
}

/// What a run chose, to be measured with.
pub struct RunChoice<'a> {
    /// Hyper-parameters of its fit.
    pub options: AlsOptions,
    /// What it found of the domain's rankers; chosen anew where it is not given.
    pub ranking: Option<&'a MixtureReport>,
}

/// What [`evaluate`] finds, person by person, for those with something held out; with
/// what a run chose, if that is given.
///
/// # Errors
/// As [`evaluate`].
pub fn by_person(args: &EvaluateArgs, run: Option<RunChoice<'_>>) -> Result<ByPerson> {
    let split = Split::read(&args.train, Some(&args.test))?;
    let (params, ranking) = match run {
        Some(run) => (run.options.check()?, run.ranking.cloned()),
        None => (chosen(&split, args)?, None),
    };
    let found = match ranking {
        Some(ranking) => vec![MixtureReport { domain: domain()?, ..ranking }],
        None => choose_on(&split.train, &split.ranges()?, &params, &|| ())?,
    };
    let served = split.evaluate_served(&params, &found)?;
    let counts = split.train.column_counts();
    let counts: Vec<f32> = counts.into_iter().map(|count| count as f32).collect();
    // Without a relevant item nobody is measured.
    let measured = split.cases.iter().filter(|case| !case.relevant.is_empty());
    let users: Vec<&String> = measured.map(|case| &split.users[case.person]).collect();
    let named = |values: &[f64]| -> BTreeMap<String, f64> {
        users.iter().map(|user| (*user).clone()).zip(values.iter().copied()).collect()
    };
    let popularity = evaluate_common_scores(&counts, &split.cases);
    Ok(ByPerson {
        options: *params.options(),
        model: named(served.of("ndcg@20")),
        popularity: named(popularity.of("ndcg@20")),
    })
}

fn chosen(split: &Split, args: &EvaluateArgs) -> Result<AlsParams> {
    choose(&split.train, &split.ranges()?, &args.fit)
}

/// The name of the only domain.
pub(crate) fn domain() -> Result<DomainId> {
    Ok(DomainId::parse("domain")?)
}

fn measure(args: &EvaluateArgs) -> Result<EvaluationReport> {
    let split = Split::read_in_order(&args.train, &args.test)?;
    let choosing = Instant::now();
    let params = chosen(&split, args)?;
    let choice_seconds = choosing.elapsed().as_secs_f64();
    let bar = progress::bar("fitting", params.options().iterations as u64);
    let started = Instant::now();
    let factors = fit(&split.train, &params, &|done| bar.set_position(done as u64))?;
    let fit_seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let evaluation = split.evaluate(&factors);
    let folded = fold_in_all(&split, factors.items.view(), &params)?;
    let folded = evaluate_factors(folded.view(), factors.items.view(), &split.cases);
    let mixing = Instant::now();
    let found = choose_on(&split.train, &split.ranges()?, &params, &|| ())?;
    let mixing_seconds = mixing.elapsed().as_secs_f64();
    let served = split.evaluate_served(&params, &found)?;
    let served_interval = mean_interval(served.of("ndcg@20"), params.options().seed);
    let seeds = vary_seeds(&split, &params, &evaluation.metrics, args.seeds)?;
    let details = EvaluationDetails {
        choice_seconds,
        mixing_seconds,
        served_interval: served_interval.unwrap_or_default(),
        rankings: found,
        intervals: evaluation.intervals,
        lift: evaluation.lift,
        lists: evaluation.lists,
        popularity_lists: evaluation.popularity_lists,
        buckets: evaluation.buckets,
        seeds: SeedVariation::of(&seeds),
    };
    Ok(EvaluationReport {
        people: evaluation.people,
        metrics: evaluation.metrics,
        baselines: BTreeMap::from([("popularity", evaluation.popularity)]),
        served: Some(served.means()),
        fold_in: Some(folded.means()),
        fit_seconds,
        peak_rss_mb: peak_rss_mb(),
        hyperparameters: serde_json::to_value(params.options())?,
        details: Some(details),
    })
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
