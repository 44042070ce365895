//! `crossfold bench gate`: how often the gate lets help and harm through.
//!
//! A gate errs in two ways. Both are counted by resampling: worlds are drawn again and
//! again, each is judged as a training run would, in both directions, and what would then
//! be served is measured on people who had no part in it. The worlds are
//!
//! - two domains of the same people from files, of whom some are linked and the others are
//!   two people each: links as they are, and links shuffled, by which nothing can be told;
//! - made-up ones with as much in common between the two domains as is asked for.
//!
//! Beside today's gate stands the rule that was in force before: two fifths of the hidden
//! people choose a candidate among the joint fit, maps and cross blocks with the run's
//! settings, the others judge this one alone.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use crossfold_core::maths::als::AlsParams;
use crossfold_core::maths::bootstrap::mean_intervals;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::bridges::{BridgeKind, Direction};
use crossfold_core::model::look_alikes::LookAlikes;
use crossfold_core::training::bridging::candidates::Candidate;
use crossfold_core::training::bridging::gate::{
    DirectionReport, GateOptions, Judged, judge, measure_all,
};
use crossfold_core::training::bridging::hiding::Hiding;
use crossfold_core::training::bridging::look_alike;
use crossfold_core::training::bridging::measures::{Measured, Measures};
use crossfold_core::training::bridging::trial::{Ground, Trial};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::args::BenchGateArgs;
use crate::gate_power_report::{GateReport, PowerRow, Rate};
use crate::planted_world::{PlantedWorld, planted};
use crate::progress;
use crate::transfer_data::{Side, TransferData};

/// Linked people whose history in one of the domains is held out to measure what is
/// served by, of each direction.
const COLD_PEOPLE: usize = 150;
/// What the two domains of made-up worlds have in common.
const IN_COMMON: [(&str, f64); 3] =
    [("made-up, nothing", 0.0), ("made-up, weak", 0.3), ("made-up, strong", 0.8)];

/// Draws, judges, measures, prints.
///
/// # Errors
/// When a file cannot be read, or a hyper-parameter is out of range.
pub fn run(args: &BenchGateArgs) -> Result<()> {
    let started = Instant::now();
    let params = args.fit.options().check()?;
    let files = args.source.as_deref().zip(args.target.as_deref());
    let files = files.map(|(source, target)| TransferData::read(source, target)).transpose()?;
    let mut rows = Vec::new();
    for people in args.links.iter().map(|people| *people as usize) {
        if let Some(data) = &files {
            for (name, is_shuffled) in
                [("files, links true", false), ("files, links shuffled", true)]
            {
                let draw = |seed| {
                    let shuffled = is_shuffled.then(|| data.with_shuffled_links(seed));
                    shuffled.as_ref().unwrap_or(data).clone()
                };
                rows.extend(World { name, people, draw: &draw }.power(args, &params)?);
            }
        }
        for (name, in_common) in IN_COMMON {
            let linked = people + 2 * COLD_PEOPLE;
            let draw = |seed| planted(PlantedWorld { linked, in_common, seed });
            rows.extend(World { name, people, draw: &draw }.power(args, &params)?);
        }
    }
    let report = GateReport { resamplings: args.resamplings, rows };
    report.print(args.json, started)
}

/// A world that is drawn again and again.
struct World<'a> {
    name: &'static str,
    /// How many stay linked.
    people: usize,
    draw: &'a dyn Fn(u64) -> TransferData,
}

/// What came of one direction of one draw.
struct Outcome {
    before: Option<BridgeKind>,
    now: Option<BridgeKind>,
    served_before: f64,
    served_now: f64,
    popularity: f64,
    by_kind: BTreeMap<BridgeKind, f64>,
}

impl World<'_> {
    /// Both directions, over all draws.
    fn power(&self, args: &BenchGateArgs, params: &AlsParams) -> Result<Vec<PowerRow>> {
        let bar = progress::bar(self.name, args.resamplings);
        let mut outcomes: BTreeMap<Direction, Vec<Outcome>> = BTreeMap::new();
        for number in 0..args.resamplings {
            let seed = args.draw_seed + number;
            for (direction, outcome) in drawn((self.draw)(seed), self.people, params, seed)? {
                outcomes.entry(direction).or_default().push(outcome);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(outcomes.iter().map(|(direction, all)| self.row(direction, all)).collect())
    }

    fn row(&self, direction: &Direction, all: &[Outcome]) -> PowerRow {
        let mean = |of: &dyn Fn(&Outcome) -> f64| {
            all.iter().map(of).sum::<f64>() / all.len().max(1) as f64
        };
        let count = |of: &dyn Fn(&Outcome) -> bool| all.iter().filter(|one| of(one)).count();
        let mut sums: BTreeMap<BridgeKind, (f64, usize)> = BTreeMap::new();
        let mut kinds_served: BTreeMap<BridgeKind, usize> = BTreeMap::new();
        for outcome in all {
            for (kind, value) in &outcome.by_kind {
                let (sum, times) = sums.entry(*kind).or_default();
                (*sum, *times) = (*sum + value, *times + 1);
            }
            outcome.now.iter().for_each(|kind| *kinds_served.entry(*kind).or_default() += 1);
        }
        let by_kind: BTreeMap<BridgeKind, f64> =
            sums.into_iter().map(|(kind, (sum, times))| (kind, sum / times as f64)).collect();
        PowerRow {
            world: self.name,
            direction: format!("{} -> {}", direction.from, direction.to),
            linked: self.people,
            before: Rate::of(count(&|one| one.before.is_some()), all.len()),
            now: Rate::of(count(&|one| one.now.is_some()), all.len()),
            kinds_served,
            popularity: mean(&|one| one.popularity),
            served_before: mean(&|one| one.served_before),
            served_now: mean(&|one| one.served_now),
            best: by_kind
                .iter()
                .map(|(kind, mean)| (*kind, *mean))
                .max_by(|one, other| one.1.total_cmp(&other.1)),
            by_kind,
        }
    }
}

/// Judges one draw and measures what would be served.
fn drawn(
    data: TransferData,
    people: usize,
    params: &AlsParams,
    seed: u64,
) -> Result<Vec<(Direction, Outcome)>> {
    let mut linked = data.linked();
    linked.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let cold = COLD_PEOPLE.min(linked.len() / 4);
    let mut hidden = vec![None; data.people()];
    linked.iter().take(cold).for_each(|row| hidden[*row] = Some(Side::Target));
    linked.iter().skip(cold).take(cold).for_each(|row| hidden[*row] = Some(Side::Source));
    let kept: Vec<usize> = linked.into_iter().take(2 * cold + people).collect();
    let (data, hidden) = data.with_links_of(&kept, &hidden);
    let known = data.matrix_without(|row| hidden[row]);
    let (options, unobserved) =
        (GateOptions { seed, ..GateOptions::default() }, UnobservedItems::default());
    let found = look_alike::find(&known, &data.ranges, options.look_alikes);
    let look_alikes = LookAlikes::new(found.iter().map(|pair| (pair.first, pair.second)));
    let ground = Ground {
        matrix: &known,
        ranges: &data.ranges,
        look_alikes: &look_alikes,
        likenesses: None,
    };
    let judged = measure_all(ground, params, unobserved, &options, &|| ())?;
    let everything = data.matrix_without(|_| None);
    let ground = Ground { matrix: &everything, ..ground };
    let rows = |side| {
        hidden.iter().enumerate().filter(move |(_, at)| **at == Some(side)).map(|(row, _)| row)
    };
    let hiding = Hiding::of(data.people(), &data.direction.to, rows(Side::Target))
        .and(&Hiding::of(data.people(), &data.direction.from, rows(Side::Source)));
    let trial = Trial::fit(ground, &hiding, params, &|| ())?;
    judged.iter().map(|judged| outcome(judged, &trial, (&options, unobserved))).collect()
}

fn outcome(
    judged: &Judged,
    trial: &Trial<'_>,
    (options, unobserved): (&GateOptions, UnobservedItems),
) -> Result<(Direction, Outcome)> {
    let report: DirectionReport = judge(&judged.measures, &judged.scouted, options);
    let before = before(&judged.measures, options);
    let now = report.verdict.served();
    let mut candidates: Vec<Candidate> = report.candidates.iter().map(|f| f.candidate).collect();
    candidates.extend(before.filter(|candidate| !candidates.contains(candidate)));
    let measures = trial.measure(&report.direction, &candidates, unobserved)?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let popularity = mean(&measures.popularity);
    let of = |candidate: Option<Candidate>| {
        let measured = measures.measured.iter().find(|m| Some(m.candidate) == candidate);
        measured.map_or(popularity, |measured| mean(&measured.values))
    };
    let figures = report.candidates.iter().map(|f| (f.candidate.kind(), of(Some(f.candidate))));
    let outcome = Outcome {
        before: before.map(|candidate| candidate.kind()),
        now: now.map(|candidate| candidate.kind()),
        served_before: of(before),
        served_now: of(now),
        popularity,
        by_kind: figures.collect(),
    };
    Ok((report.direction, outcome))
}

/// Share of the hidden people who chose by the rule before.
const CHOOSING: f64 = 0.4;

/// What the rule before would serve.
fn before(measures: &Measures, options: &GateOptions) -> Option<Candidate> {
    let people = measures.popularity.len();
    if people < options.minimum_people {
        return None;
    }
    let mut order: Vec<usize> = (0..people).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
    let judging = order.split_off((people as f64 * CHOOSING).round() as usize);
    let is_old = |measured: &&Measured| measured.candidate.own_fit().is_none();
    let chosen_mean =
        |measured: &Measured| order.iter().map(|&at| measured.values[at]).sum::<f64>();
    let best = measures.measured.iter().filter(is_old).max_by(|a, b| {
        // Of equals the first.
        chosen_mean(a).total_cmp(&chosen_mean(b)).then(std::cmp::Ordering::Greater)
    })?;
    let over = |baseline: &[f64]| -> Vec<f64> {
        judging.iter().map(|&at| best.values[at] - baseline[at]).collect()
    };
    let columns = [over(&measures.popularity), over(&measures.target_only)];
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let all = mean_intervals(&columns, options.seed)?;
    all.iter().all(|interval| interval.low > 0.0).then_some(best.candidate)
}
