//! `crossfold train`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use crossfold_core::maths::bootstrap::Interval;
use crossfold_core::maths::measure::{DomainEvaluation, Metrics};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::bridging::gate::{DirectionReport, Verdict};
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::tuning::TuningRequest;
use crossfold_registry::load::load_report;
use crossfold_storage::records;
use crossfold_train::{RunOrder, new_run};
use jiff::Timestamp;
use serde_json::Value;

use crate::args::TrainArgs;
use crate::local_world::LocalWorld;
use crossfold_lab::evaluate::options;
use crossfold_lab::progress;

pub(crate) async fn train(directory: &Path, args: &TrainArgs) -> Result<()> {
    let world = LocalWorld::open(directory).await?;
    let tuning = args.tune.then(|| TuningRequest::of_seconds(args.budget_seconds));
    let order = RunOrder { options: options(&args.fit), tuning };
    let mut run = new_run(order, Timestamp::now())?;
    run.accept_fewer_events = args.accept_fewer_events;
    let run = train_world(&world, run).await?;
    let report = report_of(&world, &run).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&with_report(&run, report.as_ref())?)?);
    } else {
        print_run(&run, report.as_ref());
    }
    match run.state {
        TrainingRunState::Failed { reason, .. } => bail!("no model was made: {reason}"),
        TrainingRunState::Refused { reasons, .. } => {
            bail!("the model was refused, the last one serves on: {}", reasons.join("; "))
        }
        _ => Ok(()),
    }
}

/// Carries everything posted to the archive, trains on it, and publishes.
pub(crate) async fn train_world(world: &LocalWorld, run: TrainingRun) -> Result<TrainingRun> {
    world.carry_streams().await?;
    records::create(&*world.stores().records, &run.id, &run).await?;
    let bar = progress::bar("training", 0);
    let shown = bar.clone();
    let worker = world.worker().clone().with_progress(Arc::new(move |done, total| {
        shown.set_length(total as u64);
        shown.set_position(done as u64);
    }));
    let run = worker.carry_out(run).await?;
    bar.finish_and_clear();
    Ok(run)
}

/// The whole report of a run; none when it made no model that could be stored.
pub(crate) async fn report_of(
    world: &LocalWorld,
    run: &TrainingRun,
) -> Result<Option<TrainingReport>> {
    match run.state.report().and_then(|report| report.object.as_ref()) {
        Some(object) => Ok(load_report(&*world.stores().objects, object).await?),
        None => Ok(None),
    }
}

/// A run in JSON, with its whole report in the place of the sums that its record keeps.
fn with_report(run: &TrainingRun, report: Option<&TrainingReport>) -> Result<Value> {
    let mut json = serde_json::to_value(run)?;
    if let (Some(whole), Some(kept)) = (report, json["report"].as_object_mut()) {
        let Value::Object(mut whole) = serde_json::to_value(whole)? else { return Ok(json) };
        whole.remove("cleaning"); // The record's has samples.
        kept.extend(whole);
    }
    Ok(json)
}

/// Prints what a run saw and measured.
pub(crate) fn print_run(run: &TrainingRun, whole: Option<&TrainingReport>) {
    let (model, report, standing) = match &run.state {
        TrainingRunState::Succeeded { model, report, .. } => (Some(model), report, ""),
        TrainingRunState::Refused { model, report, .. } => (model.as_ref(), report, " (refused)"),
        _ => return,
    };
    if let Some(model) = model {
        println!("model {model}{standing}");
    }
    if let TrainingRunState::Refused { reasons, .. } = &run.state {
        reasons.iter().for_each(|reason| println!("refused: {reason}"));
    }
    println!(
        "{} of {} events kept, {} without consent; {} people in {} rows, {} items, {} interactions",
        report.cleaning.kept,
        report.cleaning.read,
        report.without_consent,
        report.people,
        report.rows,
        report.items,
        report.interactions,
    );
    for (reason, count) in &report.cleaning.refused {
        println!("  refused {count}: {}", reason.as_str());
    }
    for (adjustment, count) in &report.cleaning.adjusted {
        println!("  drawn in {count}: {adjustment:?}");
    }
    let Some(report) = whole else { return };
    if let Some(tuning) = &report.tuning {
        println!(
            "candidate {} of {} chosen in {:.0} s of search: {}",
            tuning.chosen,
            tuning.candidates.len(),
            tuning.seconds,
            serde_json::to_string(&tuning.candidate).unwrap_or_default(),
        );
    }
    match report.split_at {
        Some(instant) => println!("held out from {instant} on, every item ranked:"),
        None => println!("not evaluated: the events do not spread over time"),
    }
    for (domain, evaluation) in &report.evaluation {
        print_evaluation(domain.as_str(), evaluation);
        if let Some(last) = &evaluation.leave_last_out {
            print_evaluation("  last item out", last);
        }
    }
    report.bridges.iter().for_each(print_bridge);
    if report.look_alikes.pairs > 0 {
        println!(
            "{} pairs of items look alike: no evidence for each other",
            report.look_alikes.pairs
        );
    }
}

/// Prints what a direction's candidates scored and which is served.
fn print_bridge(report: &DirectionReport) {
    let direction = &report.direction;
    let verdict = match &report.verdict {
        Verdict::Passed { chosen } => format!("{:?} is served", chosen.kind()),
        Verdict::NotBetter { chosen } => {
            format!("{:?} is not better with certainty: target-only", chosen.kind())
        }
        Verdict::TooFewPeople { needed } => {
            format!("fewer than {needed} people to judge by: target-only")
        }
    };
    println!("bridge {} -> {}: {verdict}", direction.from, direction.to);
    if matches!(report.verdict, Verdict::TooFewPeople { .. }) {
        return;
    }
    println!(
        "  {} of {} people, their target history hidden: ndcg@20 popularity {:.4}, target-only {:.4}",
        report.judging_people, report.people, report.popularity, report.target_only
    );
    let interval = |i: &Interval| format!("{:+.4} [{:+.4}, {:+.4}]", i.mean, i.low, i.high);
    for figures in &report.candidates {
        println!(
            "  {:<10} {:.4}, over popularity {}, over target-only {}",
            format!("{:?}", figures.candidate.kind()),
            figures.judging.mean,
            interval(&figures.over_popularity),
            interval(&figures.over_target_only),
        );
    }
}

fn print_evaluation(name: &str, evaluation: &DomainEvaluation) {
    let of = |metrics: &Metrics, name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
    let interval = evaluation.intervals.get("ndcg@20").copied().unwrap_or_default();
    println!(
        "  {name:<14} {} people  ndcg@20 {:.4} [{:.4}, {:.4}] (popularity {:.4})  recall@20 {:.4} ({:.4})",
        evaluation.people,
        of(&evaluation.metrics, "ndcg@20"),
        interval.low,
        interval.high,
        of(&evaluation.popularity, "ndcg@20"),
        of(&evaluation.metrics, "recall@20"),
        of(&evaluation.popularity, "recall@20"),
    );
}
