//! `crossfold train`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use crossfold_core::training_run::{TrainingRun, TrainingRunState};
use crossfold_train::new_run;
use jiff::Timestamp;

use crate::cli::TrainArgs;
use crate::evaluate::options;
use crate::local_world::LocalWorld;
use crate::progress;

pub(crate) async fn train(directory: &Path, args: &TrainArgs) -> Result<()> {
    let world = LocalWorld::open(directory).await?;
    let mut run = new_run(options(&args.fit), Timestamp::now())?;
    run.accept_fewer_events = args.accept_fewer_events;
    let run = train_world(&world, run).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&run)?);
    } else {
        print_run(&run);
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
    world.stores().control.create_run(&run).await?;
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

/// Prints what a run saw and measured.
pub(crate) fn print_run(run: &TrainingRun) {
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
        println!("  refused {count}: {reason:?}");
    }
    match report.split_at {
        Some(instant) => println!("held out from {instant} on, every item ranked:"),
        None => println!("not evaluated: the events do not spread over time"),
    }
    for (domain, evaluation) in &report.evaluation {
        let of = |metrics: &std::collections::BTreeMap<String, f64>, name: &str| {
            metrics.get(name).copied().unwrap_or(f64::NAN)
        };
        println!(
            "  {domain:<14} {} people  ndcg@20 {:.4} (popularity {:.4})  recall@20 {:.4} ({:.4})",
            evaluation.people,
            of(&evaluation.metrics, "ndcg@20"),
            of(&evaluation.popularity, "ndcg@20"),
            of(&evaluation.metrics, "recall@20"),
            of(&evaluation.popularity, "recall@20"),
        );
    }
}
