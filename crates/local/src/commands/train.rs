//! `crossfold train`: one run on everything archived.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use crossfold_core::release::gate::Verdict;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::tuning::TuningRequest;
use crossfold_lab::{output, progress};
use crossfold_registry::listing::find_record;
use crossfold_registry::load::load_report;
use crossfold_storage::records;
use crossfold_train::{Pause, RunOrder, TuningOrder, new_run};
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::args::TrainArgs;
use crate::commands::ordered_run;
use crate::local_world::LocalWorld;
use crate::place::Place;
use crate::printer::{self, TrainingRunText};

pub(crate) async fn train(directory: &Path, args: &TrainArgs) -> Result<()> {
    let place = Place::open(directory, &args.server).await?;
    let order = RunOrder { options: args.fit.options(), tuning: tuning(args) };
    let mut run = new_run(order, Timestamp::now())?;
    run.accept_fewer_events = args.accept_fewer_events;
    let run = match &place {
        Place::Directory(world) => train_world(world, run).await?,
        Place::Server(client) => ordered_run::order_and_follow(client, &run).await?,
    };
    let report = match &place {
        Place::Directory(world) => report_of(world, &run).await?,
        Place::Server(client) => ordered_run::report_of(client, &run).await?,
    };
    if args.json {
        let verdict = match &place {
            Place::Directory(world) => verdict_of(world, &run).await?,
            Place::Server(client) => ordered_run::verdict_of(client, &run).await?,
        };
        printer::json(&in_full(&run, report, verdict.as_ref())?)?;
    } else {
        print_run(&run, report.as_ref());
    }
    match run.state {
        TrainingRunState::Failed { reason, .. } => bail!("no model was made: {reason}"),
        // Why, was told.
        TrainingRunState::Refused { .. } => {
            bail!("the model was refused; what served before serves on")
        }
        _ => Ok(()),
    }
}

fn tuning(args: &TrainArgs) -> TuningOrder {
    let is_given = args.fit.unobserved_weight.is_some() || args.fit.regularisation.is_some();
    if args.no_tune || (is_given && !args.tune) {
        return TuningOrder::Off;
    }
    TuningOrder::Within(TuningRequest::of_seconds(args.budget_seconds))
}

const MINUTE: Duration = Duration::from_secs(60);

/// Why a run waits before it begins.
pub(super) const WHY_IT_WAITS: &str = "someone was erased a moment ago, and what of them was on \
                                       its way then has to arrive before it can be deleted";

/// Carries everything posted to the archive, trains on it, and publishes.
pub(crate) async fn train_world(world: &LocalWorld, run: TrainingRun) -> Result<TrainingRun> {
    world.carry_streams().await?;
    records::create(&*world.stores().records, &run.id, &run).await?;
    let bar = progress::bar("training", 0);
    let shown = bar.clone();
    if bar.is_hidden() {
        // Into a file or a log: a line now and then, for a run may take minutes.
        output::warn(format_args!("Training: run {}.", run.id));
    }
    let tenths = AtomicU64::new(0);
    let worker = world.worker().clone().with_progress(Arc::new(move |done, total| {
        shown.set_length(total as u64);
        shown.set_position(done as u64);
        let tenth = (10 * done as u64 / (total as u64).max(1)).min(9);
        if shown.is_hidden() && tenths.fetch_max(tenth, Ordering::Relaxed) < tenth {
            output::warn(format_args!("Training: {tenth}0% of the steps of fits are done."));
        }
    }));
    let beside = bar.clone();
    let worker = worker.pausing(Pause::from_fn(move |span| {
        let seconds = span.as_secs_f64().ceil();
        beside.suspend(|| output::warn(format_args!("Waiting for {seconds} s: {WHY_IT_WAITS}.")));
        Box::pin(tokio::time::sleep(span))
    }));
    let run = telling_each_minute(worker.carry_out(run), &bar).await?;
    bar.finish_and_clear();
    Ok(run)
}

/// Says each minute that a run is still at work, where no bar shows it: choosing what ranks the
/// items of a large domain takes minutes in which no step of a fit ends.
async fn telling_each_minute<T>(work: impl Future<Output = T>, bar: &ProgressBar) -> T {
    let mut work = std::pin::pin!(work);
    let mut minutes = 0;
    loop {
        if let Ok(done) = tokio::time::timeout(MINUTE, &mut work).await {
            return done;
        }
        minutes += 1;
        if bar.is_hidden() {
            let ending = if minutes == 1 { "" } else { "s" };
            output::warn(format_args!("Training: at work for {minutes} minute{ending}."));
        }
    }
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

/// Every check of the gate; none when the run made no model that could be stored.
async fn verdict_of(world: &LocalWorld, run: &TrainingRun) -> Result<Option<Verdict>> {
    let Some(model) = run.state.model() else { return Ok(None) };
    let record = find_record(&*world.stores().objects, model).await?;
    Ok(record.and_then(|record| record.verdict))
}

/// A run in JSON, with its whole report and verdict where its record has their sums.
fn in_full(
    run: &TrainingRun,
    report: Option<TrainingReport>,
    verdict: Option<&Verdict>,
) -> Result<Value> {
    let mut json = as_printed(run)?;
    if let (Some(mut whole), Some(kept)) = (report, run.state.report()) {
        // A report has no samples where it is stored; the record has.
        whole.cleaning.samples = kept.cleaning.samples.clone();
        whole.cleaning.adjusted_samples = kept.cleaning.adjusted_samples.clone();
        if let (Some(kept), Value::Object(whole)) =
            (json["report"].as_object_mut(), as_printed(&whole)?)
        {
            kept.extend(whole);
        }
    }
    if let Some(verdict) = verdict {
        json["verdict"] = as_printed(verdict)?;
    }
    Ok(json)
}

/// By way of the text, in which a single precision number has no more digits than it means.
fn as_printed(value: &impl Serialize) -> Result<Value> {
    Ok(serde_json::from_str(&serde_json::to_string(value)?)?)
}

/// Prints how a run ended, what it saw and measured; nothing of one that failed.
pub(crate) fn print_run(run: &TrainingRun, whole: Option<&TrainingReport>) {
    printer::text(TrainingRunText { run, whole });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use crossfold_core::entities::ids::{DomainId, ItemId};
    use crossfold_core::evidence::cleaning::{MAX_SAMPLES, Refusal, Sample};
    use crossfold_core::release::run::RunReport;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_in_full_has_the_report_the_samples_and_every_check() {
        let domain = DomainId::parse("knowledge").unwrap();
        let sample = Sample {
            domain: domain.clone(),
            event_type: None,
            item_id: Some(ItemId::parse("i1").unwrap()),
        };
        let mut report = TrainingReport::default();
        report.cleaning.most_events_an_hour.insert(domain, 90);
        let mut seen = report.clone();
        seen.cleaning.samples.insert(Refusal::Robot, vec![sample; MAX_SAMPLES]);
        let record: TrainingRun = serde_json::from_value(json!({
            "id": "run", "requested_at": "2026-01-01T00:00:00Z",
            "options": {"regularisation": 0.3},
            "status": "succeeded", "finished_at": "2026-01-01T00:01:00Z",
            "model": "a".repeat(64), "report": RunReport::new(&seen, None),
            "verdict": {"passed": true, "checks_passed": 1},
        }))
        .unwrap();
        let verdict = json!({
            "passed": true, "checks": [{"outcome": "passed", "check": "artefact"}],
        });
        let checks: Verdict = serde_json::from_value(verdict.clone()).unwrap();
        let full = in_full(&record, Some(report), Some(&checks)).unwrap();
        assert_eq!(full["report"]["cleaning"]["most_events_an_hour"]["knowledge"], 90);
        assert_eq!(full["report"]["cleaning"]["samples"]["robot"][0]["item_id"], "i1");
        assert_eq!(full["report"]["domains_evaluated"], 0);
        assert_eq!(full["report"]["evaluation"], json!({}));
        assert_eq!((&full["verdict"], full["model"].as_str()), (&verdict, Some(&*"a".repeat(64))));
        assert_eq!(full["options"]["regularisation"].to_string(), "0.3");
        let record = serde_json::from_value::<TrainingRun>(in_full(&record, None, None).unwrap());
        assert!(record.is_ok(), "without them, the record alone");
    }
}
