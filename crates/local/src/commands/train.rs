//! `crossfold train`: one run on everything archived.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::tuning::TuningRequest;
use crossfold_lab::progress;
use crossfold_registry::load::load_report;
use crossfold_storage::records;
use crossfold_train::{RunOrder, new_run};
use jiff::Timestamp;
use serde_json::Value;

use crate::args::TrainArgs;
use crate::local_world::LocalWorld;
use crate::printer::{self, TrainingRunText};

pub(crate) async fn train(directory: &Path, args: &TrainArgs) -> Result<()> {
    let world = LocalWorld::open(directory).await?;
    let tuning = args.tune.then(|| TuningRequest::of_seconds(args.budget_seconds));
    let order = RunOrder { options: args.fit.options(), tuning };
    let mut run = new_run(order, Timestamp::now())?;
    run.accept_fewer_events = args.accept_fewer_events;
    let run = train_world(&world, run).await?;
    let report = report_of(&world, &run).await?;
    if args.json {
        printer::json(&with_report(&run, report.as_ref())?)?;
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

/// Prints what a run saw and measured; nothing of one that made no model.
pub(crate) fn print_run(run: &TrainingRun, whole: Option<&TrainingReport>) {
    if let Some(seen) = run.state.report() {
        printer::text(TrainingRunText { run, seen, whole });
    }
}
