//! `crossfold evaluate-transfer`: people without history in the target domain.
//!
//! The same code as in a training run (`core::training::bridging`) tries every candidate:
//! the joint fit, the linear map, the cross block. The validation and the
//! training people are cut into folds; each in turn has its target history
//! hidden. A part of all these people chooses hyper-parameters and settings; the
//! gate judges on the other part. Then all is fitted without the target history
//! of the cold and the validation people, and the cold people are measured. They
//! have no part in any choice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::evidence::items::DomainRanges;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::bootstrap::{Interval, paired_difference};
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::maths::measure::Metrics;
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::model::bridges::{BridgeKind, Direction};
use crossfold_core::model::look_alikes::LookAlikes;
use crossfold_core::training::bridging::candidates::{Candidate, candidates};
use crossfold_core::training::bridging::gate::{DirectionReport, GateOptions, Parts, judge};
use crossfold_core::training::bridging::hiding::Hiding;
use crossfold_core::training::bridging::look_alike;
use crossfold_core::training::bridging::measures::{METRIC, Measured, Measures};
use crossfold_core::training::bridging::trial::{Ground, Trial};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::args::EvaluateTransferArgs;
use crate::data_set::{Numbering, Pairs, read_lines, read_pairs};
use crate::peak_memory::peak_rss_mb;
use crate::progress;

// Few, for the more is tried on few people, the more chance chooses.
const UNOBSERVED_WEIGHTS: [f32; 2] = [0.1, 0.3];
const REGULARISATIONS: [f32; 2] = [0.01, 0.02];
/// Parts of the people whose target history is hidden in turn while choosing.
const FOLDS: usize = 4;
const CHOICE_SEED: u64 = 2;
const SHUFFLE_SEED: u64 = 1;
/// Seed of the intervals on the cold people.
const COLD_SEED: u64 = 3;

/// Reads both domains, chooses, lets the gate judge, measures the cold people, prints.
///
/// # Errors
/// When a file cannot be read, or a hyper-parameter is out of range.
pub fn evaluate_transfer(args: &EvaluateTransferArgs) -> Result<()> {
    let started = Instant::now();
    let data = Transfer::read(args)?;
    let without_cold = data.matrix(|role| role != Role::Cold);
    let found = look_alike::find(
        &data.matrix(|role| role == Role::Training),
        &data.ranges,
        GateOptions::default().look_alikes,
    );
    let look_alikes = LookAlikes::new(found.iter().map(|pair| (pair.first, pair.second)));
    let ground = Ground { matrix: &without_cold, ranges: &data.ranges, look_alikes: &look_alikes };
    let choice = choose(args, &data, ground)?;
    let with_cold = data.matrix(|role| role != Role::Validation);
    let ground = Ground { matrix: &with_cold, ..ground };
    let cold = measure_cold(&data, ground, &choice)?;
    let popularity = cold.popularity.iter().sum::<f64>() / cold.popularity.len().max(1) as f64;
    let served = choice.report.verdict.served().map(|candidate| candidate.kind());
    let of_served = cold.candidates.iter().find(|cold| Some(cold.kind) == served);
    let report = TransferReport {
        cold_people: cold.popularity.len(),
        popularity,
        served: of_served.map_or(popularity, |cold| cold.metrics[METRIC]),
        cold: cold.candidates,
        look_alikes: found.len(),
        gate: choice.report,
        seconds: started.elapsed().as_secs_f64(),
        peak_rss_mb: peak_rss_mb(),
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
    target: Vec<(u32, f32)>,
}

/// Both domains: source items first, then target items.
struct Transfer {
    people: Vec<Person>,
    ranges: DomainRanges,
    direction: Direction,
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
        source.values().flatten().for_each(|item| _ = source_numbers.number(item));
        // Items that no training person has are numbered too: they count as relevant, and as missed.
        target.values().flatten().for_each(|item| _ = target_numbers.number(item));
        let offset = source_numbers.len();
        let users: BTreeSet<&String> = source.keys().chain(target.keys()).collect();
        let entries = |pairs: &Pairs, user: &String, numbers: &Numbering, offset: usize| {
            let items = pairs.get(user).into_iter().flatten();
            items.filter_map(|item| Some((numbers.find(item)? + offset as u32, 1.0))).collect()
        };
        let person = |user: &String| Person {
            role: role(user),
            source: entries(&source, user, &source_numbers, 0),
            target: entries(&target, user, &target_numbers, offset),
        };
        let direction =
            Direction { from: DomainId::parse("source")?, to: DomainId::parse("target")? };
        let ranges = DomainRanges::from([
            (direction.from.clone(), 0..offset),
            (direction.to.clone(), offset..offset + target_numbers.len()),
        ]);
        Ok(Self { people: users.into_iter().map(person).collect(), ranges, direction })
    }

    /// The joint matrix, with the target history of some roles.
    fn matrix(&self, has_target: impl Fn(Role) -> bool) -> SparseRows {
        let items = self.ranges.items();
        let rows = self.people.iter().map(|person| {
            let mut row = person.source.clone();
            if has_target(person.role) {
                row.extend(&person.target);
            }
            row
        });
        SparseRows::from_rows(items, rows)
    }

    fn hiding(&self, is_hidden: impl Fn(usize, &Person) -> bool) -> Hiding {
        let people = self.people.iter().enumerate();
        let hidden = people.filter(|(row, person)| is_hidden(*row, person)).map(|(row, _)| row);
        Hiding::of(self.people.len(), &self.direction.to, hidden)
    }
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

/// How a kind of bridge is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Settings {
    options: AlsOptions,
    unobserved_items: UnobservedItems,
    candidate: Candidate,
}

/// The settings of each kind, and what the gate made of them.
struct Choice {
    settings: BTreeMap<BridgeKind, Settings>,
    report: DirectionReport,
}

/// Tries every combination on the hidden people, keeps the best of each kind by
/// the choosing part of them, and lets the gate judge.
fn choose(args: &EvaluateTransferArgs, data: &Transfer, ground: Ground<'_>) -> Result<Choice> {
    let given = args.fit.options();
    let weights =
        args.fit.unobserved_weight.map_or(UNOBSERVED_WEIGHTS.to_vec(), |weight| vec![weight]);
    let ridges = args.fit.regularisation.map_or(REGULARISATIONS.to_vec(), |ridge| vec![ridge]);
    let folds = folds(data);
    let fits = (weights.len() * ridges.len() * FOLDS) as u64;
    let bar = progress::bar("choosing settings", fits);
    let mut best = Best::default();
    for &unobserved_weight in &weights {
        for &regularisation in &ridges {
            let options = AlsOptions { unobserved_weight, regularisation, ..given };
            let mut measured: BTreeMap<bool, Vec<Measures>> = BTreeMap::new();
            for hiding in &folds {
                let trial = Trial::fit(ground, hiding, &options.check()?, &|| ())?;
                for counts_all in [false, true] {
                    let tried = tried(counts_all, best.measures.is_none());
                    let measures =
                        trial.measure(&data.direction, &tried, unobserved_items(counts_all))?;
                    measured.entry(counts_all).or_default().push(measures);
                }
                bar.inc(1);
            }
            for (counts_all, of_folds) in measured {
                let Some(measures) = Measures::pooled(of_folds) else { continue };
                let unobserved_items = unobserved_items(counts_all);
                best.take(measures, |candidate| Settings { options, unobserved_items, candidate });
            }
        }
    }
    bar.finish_and_clear();
    best.judged()
}

/// The best of each kind so far.
#[derive(Default)]
struct Best {
    settings: BTreeMap<BridgeKind, (f64, Settings, Measured)>,
    measures: Option<Measures>,
}

impl Best {
    fn take(&mut self, measures: Measures, settings: impl Fn(Candidate) -> Settings) {
        let parts = Parts::cut(measures.popularity.len(), &GateOptions::default());
        for measured in &measures.measured {
            let mean = parts.choosing_mean(&measured.values);
            let kind = measured.candidate.kind();
            if self.settings.get(&kind).is_none_or(|(other, ..)| mean > *other) {
                let kept = (mean, settings(measured.candidate), measured.clone());
                self.settings.insert(kind, kept);
            }
        }
        // The baseline is the best one too.
        let is_better = |other: &Measures| {
            parts.choosing_mean(&measures.target_only) > parts.choosing_mean(&other.target_only)
        };
        if self.measures.as_ref().is_none_or(is_better) {
            self.measures = Some(measures);
        }
    }

    fn judged(self) -> Result<Choice> {
        let measures = self.measures.context("nothing was tried")?;
        let measured = self.settings.values().map(|(_, _, measured)| measured.clone()).collect();
        let report = judge(&Measures { measured, ..measures }, &GateOptions::default());
        let settings = self.settings.into_iter().map(|(kind, (_, settings, _))| (kind, settings));
        Ok(Choice { settings: settings.collect(), report })
    }
}

fn unobserved_items(counts_all: bool) -> UnobservedItems {
    if counts_all { UnobservedItems::All } else { UnobservedItems::OfObservedDomains }
}

/// What there is to try: only the joint fit depends on what counts as
/// unobserved, and the cross block on no hyper-parameter at all.
fn tried(counts_all: bool, is_first: bool) -> Vec<Candidate> {
    let is_new = |candidate: &Candidate| match candidate.kind() {
        BridgeKind::Joint => true,
        BridgeKind::Mapping => !counts_all,
        BridgeKind::CrossBlock => !counts_all && is_first,
    };
    candidates().into_iter().filter(is_new).collect()
}

/// For each fold, the people whose target history is hidden: everyone with both
/// but the cold people stands in one. The same at every call.
fn folds(data: &Transfer) -> Vec<Hiding> {
    let mut rng = ChaCha8Rng::seed_from_u64(CHOICE_SEED);
    let of_person: Vec<Option<usize>> = data
        .people
        .iter()
        .map(|person| {
            let fold = rng.random_range(0..FOLDS);
            let is_on_both = !person.source.is_empty() && !person.target.is_empty();
            (is_on_both && person.role != Role::Cold).then_some(fold)
        })
        .collect();
    (0..FOLDS).map(|fold| data.hiding(|row, _| of_person[row] == Some(fold))).collect()
}

/// A kind of bridge on the cold people.
#[derive(Serialize)]
struct ColdFigures {
    kind: BridgeKind,
    settings: Settings,
    metrics: Metrics,
    /// NDCG@20 less that of popularity.
    over_popularity: Interval,
}

struct Cold {
    popularity: Vec<f64>,
    candidates: Vec<ColdFigures>,
}

/// Fits without the target history of the cold people, as was chosen, and measures.
fn measure_cold(data: &Transfer, ground: Ground<'_>, choice: &Choice) -> Result<Cold> {
    let hiding = data.hiding(|_, person| person.role == Role::Cold);
    let mut cold = Cold { popularity: Vec::new(), candidates: Vec::new() };
    for (kind, settings) in &choice.settings {
        let trial = Trial::fit(ground, &hiding, &settings.options.check()?, &|| ())?;
        let measures =
            trial.measure(&data.direction, &[settings.candidate], settings.unobserved_items)?;
        cold.popularity = measures.popularity;
        for measured in measures.measured {
            let over_popularity = paired_difference(&measured.values, &cold.popularity, COLD_SEED);
            cold.candidates.push(ColdFigures {
                kind: *kind,
                settings: *settings,
                metrics: measured.means,
                over_popularity: over_popularity.unwrap_or_default(),
            });
        }
    }
    Ok(cold)
}

/// What is printed.
#[derive(Serialize)]
struct TransferReport {
    cold_people: usize,
    /// NDCG@20 of popularity on the cold people.
    popularity: f64,
    /// NDCG@20 of what the gate lets be served to them.
    served: f64,
    cold: Vec<ColdFigures>,
    /// Pairs of items that look alike; left out everywhere.
    look_alikes: usize,
    gate: DirectionReport,
    seconds: f64,
    peak_rss_mb: Option<f64>,
}

impl TransferReport {
    fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let gate = &self.gate;
        println!(
            "{} people have both; {} hidden people chose, {} judged; {} pairs of items look alike",
            gate.people, gate.choosing_people, gate.judging_people, self.look_alikes
        );
        println!(
            "\nndcg@20      chose   judged  over popularity {:.4}      over target-only {:.4}     cold people",
            gate.popularity, gate.target_only
        );
        let interval = |i: &Interval| format!("{:+.4} [{:+.4}, {:+.4}]", i.mean, i.low, i.high);
        for figures in &gate.candidates {
            let cold = self.cold.iter().find(|cold| cold.kind == figures.candidate.kind());
            println!(
                "{:<12} {:.4}  {:.4}  {}  {}  {:.4}",
                format!("{:?}", figures.candidate.kind()),
                figures.choosing,
                figures.judging.mean,
                interval(&figures.over_popularity),
                interval(&figures.over_target_only),
                cold.map_or(f64::NAN, |cold| cold.metrics[METRIC]),
            );
        }
        if let Some(why) = &gate.cross_block_refused {
            println!("no cross block: {why}");
        }
        println!("\ngate: {}", serde_json::to_string(&gate.verdict)?);
        println!(
            "{} cold people are served ndcg@20 {:.4} (popularity {:.4})",
            self.cold_people, self.served, self.popularity
        );
        for cold in &self.cold {
            println!(
                "{:?}: recall@20 {:.4}, ndcg@10 {:.4}, over popularity {}; {}",
                cold.kind,
                cold.metrics["recall@20"],
                cold.metrics["ndcg@10"],
                interval(&cold.over_popularity),
                serde_json::to_string(&cold.settings)?,
            );
        }
        let memory = self.peak_rss_mb.map_or(String::new(), |mb| format!(", peak {mb} MB"));
        println!("{:.1} s{memory}", self.seconds);
        Ok(())
    }
}
