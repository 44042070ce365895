//! The worker: carries out training runs, one after another.

use std::collections::BTreeSet;

use crossfold_core::als::{AlsOptions, InvalidOptions};
use crossfold_core::bridge::gate::GateOptions;
use crossfold_core::fold_in::UnobservedItems;
use crossfold_core::ids::{InvalidId, ModelId, TrainingRunId};
use crossfold_core::interactions::ItemKey;
use crossfold_core::model::{Artefact, ModelError};
use crossfold_core::ports::{StoreError, Stores};
use crossfold_core::training::{PeopleIndex, TrainingError, TrainingInput, TrainingReport, train};
use crossfold_core::training_run::{TrainingRun, TrainingRunState};
use crossfold_edge::clock::Clock;
use serde::Deserialize;

use crate::archive_reader::{ReadError, read_events};
use crate::new_run::new_run;
use crate::publish::{PublishError, publish};

/// What wakes the worker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// Records of new runs, from the stream of the table `control`.
    Stream {
        /// The records.
        #[serde(rename = "Records")]
        records: Vec<serde_json::Value>,
    },
    /// The schedule, with hyper-parameters if they differ from the defaults.
    Schedule {
        /// `"schedule"`.
        trigger: String,
        /// Hyper-parameters.
        #[serde(default)]
        options: AlsOptions,
    },
}

/// Why a run ended without a model.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be read.
    #[error("the archive cannot be read: {0}")]
    Archive(#[from] ReadError),
    /// Training failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// Hyper-parameters are out of range.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The model could not be encoded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A run's record cannot be used.
    #[error("the run cannot be identified: {0}")]
    Run(#[from] InvalidId),
    /// The thread that trained died.
    #[error("training was interrupted")]
    Interrupted,
}

impl WorkerError {
    /// Whether another try later may succeed.
    fn is_unavailability(&self) -> bool {
        let (Self::Store(error)
        | Self::Archive(ReadError::Store(error))
        | Self::Publish(PublishError::Store(error))) = self
        else {
            return false;
        };
        matches!(error, StoreError::Unavailable(_))
    }
}

/// Hears of finished iterations, of all those to do.
pub type Progress = std::sync::Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Carries out training runs.
#[derive(Clone)]
pub struct Worker {
    stores: Stores,
    clock: Clock,
    progress: Progress,
}

impl Worker {
    /// A worker over stores.
    #[must_use]
    pub fn new(stores: Stores, clock: Clock) -> Self {
        Self { stores, clock, progress: std::sync::Arc::new(|_, _| ()) }
    }

    /// The same worker, reporting progress.
    #[must_use]
    pub fn with_progress(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// Carries out what a trigger asks for. The schedule only records a run: the
    /// record's way through the stream is what carries it out, like any other,
    /// so runs never overlap. A run that fails by itself (nothing
    /// to train on, say) is recorded as failed and not tried again.
    ///
    /// # Errors
    /// When a store fails, so that the trigger is delivered again.
    pub async fn handle(&self, trigger: Trigger) -> Result<(), WorkerError> {
        match trigger {
            Trigger::Schedule { options, .. } => {
                let run = new_run(options, self.clock.now())?;
                self.stores.control.create_run(&run).await?;
            }
            Trigger::Stream { records } => {
                for record in records {
                    let Some(id) = queued_run(&record) else { continue };
                    self.carry_out_recorded(&TrainingRunId::parse(id)?).await?;
                }
            }
        }
        Ok(())
    }

    /// Carries out a recorded run, unless it has ended before: a trigger that is
    /// delivered twice trains once. One found running was left by a worker that
    /// died; it is carried out again.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn carry_out_recorded(&self, id: &TrainingRunId) -> Result<(), WorkerError> {
        match self.stores.control.run(id).await? {
            Some(run) if is_open(&run) => self.carry_out(run).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Carries out a run and records how it ended.
    ///
    /// # Errors
    /// When its record cannot be written.
    pub async fn carry_out(&self, mut run: TrainingRun) -> Result<TrainingRun, WorkerError> {
        run.state = TrainingRunState::Running { started_at: self.clock.now() };
        self.stores.control.update_run(&run).await?;
        run.state = match self.make_model(&run).await {
            Ok((model, report)) => {
                tracing::info!(run = %run.id, %model, "a model was published");
                let finished_at = self.clock.now();
                TrainingRunState::Succeeded { finished_at, model, report: Box::new(report) }
            }
            Err(error) if error.is_unavailability() => return Err(error),
            Err(error) => {
                tracing::error!(run = %run.id, %error, "a training run failed");
                let finished_at = self.clock.now();
                TrainingRunState::Failed { finished_at, reason: error.to_string() }
            }
        };
        self.stores.control.update_run(&run).await?;
        Ok(run)
    }

    async fn make_model(
        &self,
        run: &TrainingRun,
    ) -> Result<(ModelId, TrainingReport), WorkerError> {
        let input = self.gather(run).await?;
        let progress = self.progress.clone();
        let trained =
            tokio::task::spawn_blocking(move || train(input, &|done, of| progress(done, of))).await;
        let parts = trained.map_err(|_| WorkerError::Interrupted)??;
        let report = parts.report.clone();
        let artefact = Artefact::encode(parts)?;
        let model = publish(&*self.stores.objects, artefact, self.clock.now()).await?;
        Ok((model, report))
    }

    async fn gather(&self, run: &TrainingRun) -> Result<TrainingInput, WorkerError> {
        let definitions = self.stores.control.domains().await?;
        let mut people = PeopleIndex::default();
        let mut next = None;
        loop {
            let page = self.stores.people.scan(next).await?;
            people.extend(page.entries);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let mut items: BTreeSet<ItemKey> = BTreeSet::new();
        for domain in definitions.keys() {
            let listed = self.stores.catalogue.list(domain).await?;
            let kept = listed.into_iter().filter(|item| item.details.is_some());
            items.extend(kept.map(|item| (item.domain, item.item_id)));
        }
        Ok(TrainingInput {
            events: read_events(&self.stores.objects, &people).await?,
            people,
            definitions,
            items,
            params: run.options.check()?,
            unobserved_items: UnobservedItems::default(),
            gate: GateOptions::default(),
            training_run: run.id.clone(),
            now: self.clock.now(),
        })
    }
}

fn is_open(run: &TrainingRun) -> bool {
    matches!(run.state, TrainingRunState::Queued | TrainingRunState::Running { .. })
}

/// The run that a stream record announces: a new item of the partition `training-run`.
fn queued_run(record: &serde_json::Value) -> Option<&str> {
    let keys = &record["dynamodb"]["Keys"];
    let is_new_run = record["eventName"] == "INSERT" && keys["pk"]["S"] == "training-run";
    if is_new_run { keys["sk"]["S"].as_str() } else { None }
}
