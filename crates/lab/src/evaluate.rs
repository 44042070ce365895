//! `crossfold evaluate`: one domain, a given split, full ranking.
//!
//! Hyper-parameters that are not given are chosen on the training people alone.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::maths::als::{AlsOptions, AlsParams, fit};
use crossfold_core::maths::dense::gram;
use crossfold_core::maths::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_core::maths::measure::{Metrics, evaluate_common_scores, evaluate_factors, measure};
use crossfold_core::training::mixing::{MixtureReport, choose_on};
use ndarray::{Array2, ArrayView2};

use crate::args::EvaluateArgs;
use crate::choosing::{Chosen, choose};
use crate::evaluation_report::{EvaluationDetails, EvaluationReport};
use crate::peak_memory::peak_rss_mb;
use crate::progress;
use crate::seed_variation::SeedVariation;
use crate::split::Split;

/// Reads the split, chooses, fits, measures, prints.
///
/// # Errors
/// When a file cannot be read, nothing is held out of anybody, or a hyper-parameter is out
/// of range.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    report(args)?.print(args.json)
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
        None => (chosen(&split, args)?.params, None),
    };
    let found = match ranking {
        Some(ranking) => vec![MixtureReport { domain: domain()?, ..ranking }],
        None => choose_on(&split.train, &split.ranges()?, &params, &|| ())?,
    };
    let served = measure(&split.lists_served(&params, &found)?, &split.cases);
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

fn chosen(split: &Split, args: &EvaluateArgs) -> Result<Chosen> {
    choose(&split.train, &split.ranges()?, &args.fit)
}

/// The name of the only domain.
pub(crate) fn domain() -> Result<DomainId> {
    Ok(DomainId::parse("domain")?)
}

/// What was chosen on the training people, and how long that took.
struct Choice {
    params: AlsParams,
    choice_cut_short: bool,
    rankings: Vec<MixtureReport>,
    choice_seconds: f64,
    mixing_seconds: f64,
}

fn report(args: &EvaluateArgs) -> Result<EvaluationReport> {
    let split = Split::read_in_order(&args.train, &args.test)?;
    let choosing = Instant::now();
    let Chosen { params, was_cut_short: choice_cut_short } = chosen(&split, args)?;
    let choice_seconds = choosing.elapsed().as_secs_f64();
    let mixing = Instant::now();
    let bar = progress::spinner("trying rankers");
    let rankings = choose_on(&split.train, &split.ranges()?, &params, &|| ())?;
    bar.finish_and_clear();
    let mixing_seconds = mixing.elapsed().as_secs_f64();
    let choice = Choice { params, choice_cut_short, rankings, choice_seconds, mixing_seconds };
    measured(&split, choice, args.seeds)
}

/// Fits with what was chosen, and measures what is served of it; the factors alone beside it.
fn measured(split: &Split, choice: Choice, seeds: u64) -> Result<EvaluationReport> {
    let params = choice.params;
    let bar = progress::bar("fitting", params.options().iterations as u64);
    let started = Instant::now();
    let factors = fit(&split.train, &params, &|done| bar.set_position(done as u64))?;
    let fit_seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let (people, items) = (factors.people.view(), factors.items.view());
    let alone = evaluate_factors(people, items, &split.cases).means();
    let folded = fold_in_all(split, items, &params)?;
    let folded = evaluate_factors(folded.view(), items, &split.cases);
    let lists = split.lists_served(&params, &choice.rankings)?;
    let evaluation = split.evaluate(&lists, items);
    let seeds = vary_seeds(split, &params, &alone, seeds)?;
    let details = EvaluationDetails {
        choice_seconds: choice.choice_seconds,
        choice_cut_short: choice.choice_cut_short,
        mixing_seconds: choice.mixing_seconds,
        rankings: choice.rankings,
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
        factors: alone,
        fold_in: folded.means(),
        baselines: BTreeMap::from([("popularity", evaluation.popularity)]),
        fit_seconds,
        peak_rss_mb: peak_rss_mb(),
        hyperparameters: *params.options(),
        details,
    })
}

/// The metrics of the factors alone under each seed, those of the first already known.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use crossfold_core::maths::bootstrap::Interval;
    use crossfold_core::training::mixing::{MixtureChoice, MixtureVerdict, RankerChoice};

    use super::*;
    use crate::planted_world::{PlantedWorld, planted};

    /// The planted people, the last item of each held out.
    fn split() -> Split {
        let world = planted(PlantedWorld { linked: 60, in_common: 1.0, seed: 3 });
        let folder = tempfile::tempdir().unwrap();
        let [train, test] = ["train.csv", "test.csv"].map(|name| folder.path().join(name));
        let mut texts = ["user_id,item_id\n".to_owned(), "user_id,item_id\n".to_owned()];
        for person in &world.people {
            for (at, (item, _)) in person.source.iter().enumerate() {
                let is_last = at + 1 == person.source.len();
                texts[usize::from(is_last)] += &format!("{},i{item:03}\n", person.user);
            }
        }
        std::fs::write(&train, &texts[0]).unwrap();
        std::fs::write(&test, &texts[1]).unwrap();
        Split::read(&train, Some(&test)).unwrap()
    }

    /// A mixture of popularity alone.
    fn popularity(verdict: MixtureVerdict) -> MixtureReport {
        MixtureReport {
            domain: domain().unwrap(),
            choosing_people: 60,
            judging_people: 40,
            tried: Vec::new(),
            chosen: Some(MixtureChoice {
                rankers: vec![RankerChoice::Popularity],
                shares: [(); 3].map(|()| vec![1.0]),
                unit: 1.0,
            }),
            factors: 0.1,
            mixed: 0.2,
            over_factors: Interval { mean: 0.1, low: 0.05, high: 0.15 },
            verdict,
        }
    }

    fn report_of(verdict: MixtureVerdict) -> EvaluationReport {
        let options = AlsOptions { factors: 4, iterations: 3, ..AlsOptions::default() };
        let choice = Choice {
            params: options.check().unwrap(),
            rankings: vec![popularity(verdict)],
            choice_seconds: 0.0,
            choice_cut_short: false,
            mixing_seconds: 0.0,
        };
        measured(&split(), choice, 1).unwrap()
    }

    #[test]
    fn every_table_is_of_what_is_served() {
        let served = report_of(MixtureVerdict::Served);
        assert_eq!(served.metrics, served.baselines["popularity"]);
        assert_eq!(served.details.lists, served.details.popularity_lists);
        for lift in served.details.lift.values() {
            assert_eq!((lift.mean, lift.low, lift.high), (0.0, 0.0, 0.0));
        }
        let refused = report_of(MixtureVerdict::NotBetter);
        assert_eq!(refused.factors, served.factors);
        assert_eq!(refused.metrics, refused.fold_in);
        assert_ne!(refused.metrics, served.metrics);
        for report in [&served, &refused] {
            let mean = report.details.intervals["ndcg@20"].mean;
            assert!((mean - report.metrics["ndcg@20"]).abs() < 1e-12);
        }
    }

    #[test]
    fn where_what_is_held_out_is_not_what_a_mixture_was_chosen_by_that_is_said() {
        let mut served = report_of(MixtureVerdict::Served);
        let said = "the factors alone find more than what is served";
        served.factors.insert("ndcg@20".to_owned(), served.details.intervals["ndcg@20"].high + 0.1);
        assert!(served.to_string().contains(said), "{served}");
        served.factors.insert("ndcg@20".to_owned(), 0.0);
        assert!(!served.to_string().contains(said), "{served}");
    }

    #[test]
    fn what_serves_is_said_in_words_and_why() {
        let served = report_of(MixtureVerdict::Served).to_string();
        let refused = report_of(MixtureVerdict::NotBetter).to_string();
        let few = report_of(MixtureVerdict::TooFewPeople).to_string();
        assert!(served.contains("the mixture serves: better than the factors alone by +0.1000"));
        assert!(refused.contains("the factors serve: the mixture is not better beyond doubt"));
        assert!(few.contains("the factors serve: too few people have enough"), "{few}");
        assert!(served.contains("1.00   1.00   1.00  popularity"), "{served}");
        for text in [served, refused, few] {
            assert!(!text.contains(['{', '"']), "{text}");
            for raw in ["NotBetter", "TooFewPeople", "Served"] {
                assert!(!text.contains(raw), "{text}");
            }
        }
    }
}
