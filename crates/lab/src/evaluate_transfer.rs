//! `crossfold evaluate-transfer`: people without history in the target domain.
//!
//! What a training run does, on files, by the same code: hyper-parameters are searched
//! for, the candidates for a bridge are judged on everyone who has both domains, in
//! folds, and what was chosen is fitted on everything but the target history of the
//! people who are measured. These have no part in any choice. Three ways to say who
//! they are:
//!
//! - the ids in a file;
//! - everyone with both domains, a fold at a time (`--folds`): as many people as there
//!   are to tell differences by;
//! - a random fifth of them, drawn anew many times (`--resamplings`): how often is the
//!   gate right?

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_core::maths::als::{AlsOptions, AlsParams, InvalidOptions};
use crossfold_core::maths::bootstrap::{Interval, mean_interval, paired_difference};
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::bridges::BridgeKind;
use crossfold_core::model::look_alikes::LookAlikes;
use crossfold_core::training::bridging::candidates::Candidate;
use crossfold_core::training::bridging::gate::{DirectionReport, GateOptions, judge_all};
use crossfold_core::training::bridging::hiding::Hiding;
use crossfold_core::training::bridging::look_alike;
use crossfold_core::training::bridging::measures::Measured;
use crossfold_core::training::bridging::trial::{Ground, Trial};
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::args::EvaluateTransferArgs;
use crate::choosing::choose;
use crate::data_set::read_lines;
use crate::peak_memory::peak_rss_mb;
use crate::progress;
use crate::transfer_data::{Side, TransferData};
use crate::transfer_report::{
    BestKind, ColdFigures, FoldsReport, NotMeasured, PooledFigures, ResamplingReport,
    TransferReport,
};

const SHUFFLE_SEED: u64 = 1;
/// Seed of folds and resamplings.
const PARTS_SEED: u64 = 2;
/// Seed of the intervals on the people who are measured.
const COLD_SEED: u64 = 3;
/// A resampling holds out one in so many of those who have both domains.
const HELD_OUT_OF: usize = 5;

/// Reads both domains, chooses, lets the gate judge, measures, prints.
///
/// # Errors
/// When a file cannot be read, nobody of those who are to be measured can be, or a
/// hyper-parameter is out of range.
pub fn evaluate_transfer(args: &EvaluateTransferArgs) -> Result<()> {
    let started = Instant::now();
    let mut data = TransferData::read(&args.source, &args.target)?;
    if args.shuffle_links {
        data = data.with_shuffled_links(SHUFFLE_SEED);
    }
    if let Some(folds) = args.folds {
        return by_folds(args, &data, folds as usize)?.print(args.json, started);
    }
    if let Some(resamplings) = args.resamplings {
        return by_resampling(args, &data, resamplings)?.print(args.json, started);
    }
    cold(args, &data, None)?.print(args.json, started)
}

/// What the people of `--cold-users` are served.
pub struct ServedToCold {
    /// The kind of bridge that the gate let through.
    pub kind: Option<BridgeKind>,
    /// How many they are.
    pub people: usize,
    /// Their mean NDCG@20.
    pub served: f64,
    /// The same under popularity.
    pub popularity: f64,
    /// What was fitted with.
    pub options: AlsOptions,
}

/// What [`evaluate_transfer`] finds for given cold people; of a run that chose these
/// options and lets this candidate be served, if it is given.
///
/// # Errors
/// As [`evaluate_transfer`].
pub fn served_to_cold(
    args: &EvaluateTransferArgs,
    run: Option<(AlsOptions, Option<Candidate>)>,
) -> Result<ServedToCold> {
    let check =
        |(options, served): (AlsOptions, _)| Ok::<_, InvalidOptions>((options.check()?, served));
    let run = run.map(check).transpose()?;
    let report = cold(args, &TransferData::read(&args.source, &args.target)?, run)?;
    Ok(ServedToCold {
        kind: report.gate.verdict.served().map(|candidate| candidate.kind()),
        people: report.cold_people,
        served: report.served,
        popularity: report.popularity,
        options: report.options,
    })
}

fn cold(
    args: &EvaluateTransferArgs,
    data: &TransferData,
    run: Option<(AlsParams, Option<Candidate>)>,
) -> Result<TransferReport> {
    let users = |path: &Option<_>| path.as_deref().map(read_lines).transpose();
    let cold = users(&args.cold_users)?.unwrap_or_default();
    let validation = users(&args.valid_users)?.unwrap_or_default();
    if !cold.is_disjoint(&validation) {
        bail!("--cold-users and --valid-users must have no user in common");
    }
    let (is_cold, is_validation) = (data.are_among(&cold), data.are_among(&validation));
    let not_measured = NotMeasured::of(data, &cold);
    if not_measured.people() == cold.len() {
        bail!("nobody of --cold-users can be measured: {not_measured}");
    }
    let params = run.map(|(params, _)| params);
    let also = run.and_then(|(_, served)| served);
    let given = Given { is_left_out: &is_validation, params, also, tells: true };
    let part = Part::measure(args, data, &is_cold, given)?;
    let figures = |measured: &Measured| ColdFigures {
        kind: measured.candidate.kind(),
        candidate: measured.candidate,
        metrics: measured.means.clone(),
        over_popularity: paired_difference(&measured.values, &part.popularity, COLD_SEED)
            .unwrap_or_default(),
    };
    let served = match run {
        Some((_, served)) => part.of(served),
        None => part.served(),
    };
    Ok(TransferReport {
        cold_people: part.popularity.len(),
        not_measured,
        popularity: mean(&part.popularity),
        served: mean(served),
        served_interval: mean_interval(served, COLD_SEED).unwrap_or_default(),
        options: *part.params.options(),
        cold: part.measured.iter().map(figures).collect(),
        look_alikes: part.look_alikes,
        gate: part.gate,
        peak_rss_mb: peak_rss_mb(),
    })
}

/// Everyone who has both domains, a fold at a time.
fn by_folds(args: &EvaluateTransferArgs, data: &TransferData, folds: usize) -> Result<FoldsReport> {
    let bar = progress::bar("folds", folds as u64);
    let mut parts = Vec::new();
    let linked = shuffled(data.linked(), PARTS_SEED);
    for fold in 0..folds {
        let mut hidden = vec![None; data.people()];
        let cold = || linked.iter().skip(fold).step_by(folds).copied();
        cold().for_each(|row| hidden[row] = Some(Side::Target));
        let others = linked.iter().copied().filter(|row| hidden[*row].is_none());
        let others = others.take(args.links.unwrap_or(usize::MAX));
        let kept: Vec<usize> = cold().chain(others).collect();
        let (data, hidden) = data.with_links_of(&kept, &hidden);
        let is_cold: Vec<bool> = hidden.iter().map(Option::is_some).collect();
        parts.push(Part::measure(args, &data, &is_cold, Given::default())?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let pooled = Pooled::of(&parts);
    let served = parts.iter().filter(|part| part.gate.verdict.served().is_some()).count();
    Ok(FoldsReport {
        people: pooled.popularity.len(),
        links: args.links,
        folds,
        folds_served: served,
        popularity: mean_interval(&pooled.popularity, COLD_SEED).unwrap_or_default(),
        target_only: mean_interval(&pooled.target_only, COLD_SEED).unwrap_or_default(),
        candidates: pooled.figures(),
        against: pooled.against(),
        served: pooled.figures_of(&pooled.served),
        peak_rss_mb: peak_rss_mb(),
    })
}

/// A fifth of those who have both domains, again and again; hyper-parameters are
/// searched for once.
fn by_resampling(
    args: &EvaluateTransferArgs,
    data: &TransferData,
    resamplings: u64,
) -> Result<ResamplingReport> {
    let params = choose(&data.matrix(|_| true), &data.ranges, &args.fit)?.params;
    let bar = progress::bar("resamplings", resamplings);
    let mut parts = Vec::new();
    for number in 0..resamplings {
        let seed = PARTS_SEED + number;
        let anew = args.shuffle_links.then(|| data.with_shuffled_links(SHUFFLE_SEED + number));
        let data = anew.as_ref().unwrap_or(data);
        let mut linked = shuffled(data.linked(), seed);
        linked.truncate(linked.len() / HELD_OUT_OF);
        let mut is_cold = vec![false; data.people()];
        linked.into_iter().for_each(|row| is_cold[row] = true);
        let given = Given { params: Some(params), ..Given::default() };
        parts.push(Part::measure(args, data, &is_cold, given)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let passed = |part: &&Part| part.gate.verdict.served().is_some();
    let pooled = Pooled::of(&parts);
    let gain = paired_difference(&pooled.chosen, &pooled.popularity, COLD_SEED);
    Ok(ResamplingReport {
        resamplings: parts.len(),
        are_links_shuffled: args.shuffle_links,
        served: parts.iter().filter(passed).count(),
        refused: parts.len() - parts.iter().filter(passed).count(),
        gain: gain.unwrap_or_default(),
        peak_rss_mb: peak_rss_mb(),
    })
}

fn shuffled(mut rows: Vec<usize>, seed: u64) -> Vec<usize> {
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    rows
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// What a part need not find out.
#[derive(Clone, Copy, Default)]
struct Given<'a> {
    /// People whose target history the last fit does without.
    is_left_out: &'a [bool],
    /// The hyper-parameters.
    params: Option<AlsParams>,
    /// A candidate to measure beside those of the gate.
    also: Option<Candidate>,
    /// Whether to show what is being done.
    tells: bool,
}

impl Given<'_> {
    fn shown(&self, label: &str) -> ProgressBar {
        if self.tells { progress::spinner(label) } else { ProgressBar::hidden() }
    }
}

/// Some people without target history, and what a run on everyone else's makes for them.
struct Part {
    params: AlsParams,
    gate: DirectionReport,
    look_alikes: usize,
    popularity: Vec<f64>,
    target_only: Vec<f64>,
    measured: Vec<Measured>,
}

impl Part {
    fn measure(
        args: &EvaluateTransferArgs,
        data: &TransferData,
        is_cold: &[bool],
        given: Given<'_>,
    ) -> Result<Self> {
        let known = data.matrix(|row| !is_cold[row]);
        let params = match given.params {
            Some(params) => params,
            None => choose(&known, &data.ranges, &args.fit)?.params,
        };
        let (options, unobserved) = (GateOptions::default(), UnobservedItems::default());
        let found = look_alike::find(&known, &data.ranges, options.look_alikes);
        let look_alikes = LookAlikes::new(found.iter().map(|pair| (pair.first, pair.second)));
        let ground = Ground {
            matrix: &known,
            ranges: &data.ranges,
            look_alikes: &look_alikes,
            likenesses: None,
        };
        let bar = given.shown("judging bridges");
        let verdicts = judge_all(ground, &params, unobserved, &options, &|| bar.inc(1))?;
        bar.finish_and_clear();
        let gate = verdicts.into_iter().find(|report| report.direction == data.direction);
        let gate = gate.context("nobody who has both domains is left to judge by")?;
        let mut candidates: Vec<Candidate> = gate.candidates.iter().map(|f| f.candidate).collect();
        candidates.extend(given.also.filter(|candidate| !candidates.contains(candidate)));
        let left_out = |row: usize| given.is_left_out.get(row).copied().unwrap_or(false);
        let everything = data.matrix(|row| !left_out(row));
        let ground = Ground { matrix: &everything, ..ground };
        let cold = (0..data.people()).filter(|row| is_cold[*row]);
        let hiding = Hiding::of(data.people(), &data.direction.to, cold);
        let bar = given.shown("measuring the cold people");
        let trial = Trial::fit(ground, &hiding, &params, &|| bar.inc(1))?;
        let measures = trial.measure(&data.direction, &candidates, unobserved)?;
        bar.finish_and_clear();
        Ok(Self {
            params,
            gate,
            look_alikes: found.len(),
            popularity: measures.popularity,
            target_only: measures.target_only,
            measured: measures.measured,
        })
    }

    /// NDCG@20 of what the gate lets be served to each of them.
    fn served(&self) -> &[f64] {
        self.of(self.gate.verdict.served())
    }

    /// NDCG@20 of what the gate chose, whether it is served or not.
    fn chosen(&self) -> &[f64] {
        self.of(self.gate.verdict.chosen())
    }

    fn of(&self, candidate: Option<Candidate>) -> &[f64] {
        let measured = self.measured.iter().find(|measured| Some(measured.candidate) == candidate);
        measured.map_or(&self.popularity, |measured| &measured.values)
    }
}

/// The people of several parts together.
#[derive(Default)]
struct Pooled {
    popularity: Vec<f64>,
    target_only: Vec<f64>,
    by_kind: BTreeMap<BridgeKind, Vec<f64>>,
    served: Vec<f64>,
    chosen: Vec<f64>,
}

impl Pooled {
    fn of(parts: &[Part]) -> Self {
        let mut pooled = Self::default();
        for part in parts {
            pooled.popularity.extend(&part.popularity);
            pooled.target_only.extend(&part.target_only);
            pooled.served.extend(part.served());
            pooled.chosen.extend(part.chosen());
            for measured in &part.measured {
                let kind = pooled.by_kind.entry(measured.candidate.kind()).or_default();
                kind.extend(&measured.values);
            }
        }
        // A kind that was not tried in some part cannot be paired.
        let people = pooled.popularity.len();
        pooled.by_kind.retain(|_, values| values.len() == people);
        pooled
    }

    fn figures(&self) -> BTreeMap<BridgeKind, PooledFigures> {
        self.by_kind.iter().map(|(kind, values)| (*kind, self.figures_of(values))).collect()
    }

    /// The kind with the highest mean, against each other.
    fn against(&self) -> Option<BestKind> {
        let mean_of = |values: &Vec<f64>| mean(values);
        let (best, values) =
            self.by_kind.iter().max_by(|a, b| mean_of(a.1).total_cmp(&mean_of(b.1)))?;
        let others = self.by_kind.iter().filter(|(kind, _)| *kind != best);
        let over = others.map(|(kind, other)| {
            (*kind, paired_difference(values, other, COLD_SEED).unwrap_or_default())
        });
        Some(BestKind { kind: *best, over: over.collect() })
    }

    fn figures_of(&self, values: &[f64]) -> PooledFigures {
        let over = |other: &[f64]| -> Interval {
            paired_difference(values, other, COLD_SEED).unwrap_or_default()
        };
        PooledFigures {
            ndcg: mean_interval(values, COLD_SEED).unwrap_or_default(),
            over_popularity: over(&self.popularity),
            over_target_only: over(&self.target_only),
        }
    }
}
