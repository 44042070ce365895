//! The worker: carries out training runs, one after another.

use std::collections::BTreeSet;
use std::sync::Arc;

use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::ids::{DomainId, ModelId, TrainingRunId};
use crossfold_core::entities::ports::{ObjectStore, StoreError, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::model::{Manifest, Model};
use crossfold_core::release::champion::Promoter;
use crossfold_core::release::gate::GateRules;
use crossfold_core::release::retention::DEFAULT_KEPT;
use crossfold_core::release::run::{RunReport, TrainingRun, TrainingRunState};
use crossfold_core::training::tuning::{FunctionPrice, Tuner, TuningRequest};
use crossfold_core::training::{CleanedInput, NothingLeft, Trained, TrainingError, train_cleaned};
use crossfold_registry::load::{LoadError, load};
use crossfold_storage::aws::changes::StreamRecord;
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::{erasure, records};
use jiff::Timestamp;
use serde::Deserialize;

use crate::archive_reader::EventLimit;
use crate::drift_log::log_drift;
use crate::erasures::Standing;
use crate::new_run::{InvalidOrder, RunOrder, TuningOrder, new_run, scheduled_run};
use crate::old_samples;
use crate::pause::Pause;
use crate::rekeying::Rekeyer;
use crate::stored_tuner::StoredTuner;
use crate::training_input::{GatherError, Gathering, gather};
use crate::upkeep::{ArchiveRetention, keep_up};
use crossfold_registry::listing::champion_pointer;
use crossfold_registry::promotion::{Withdrawal, withdraw};
use crossfold_registry::publish::{PublishError, Published, publish};
use crossfold_registry::retention::clear_old_models;

/// What wakes the worker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// Records of new runs, from the stream of the table `control`.
    Stream {
        /// The records.
        #[serde(rename = "Records")]
        records: Vec<StreamRecord>,
    },
    /// A tick of the schedule, as EventBridge tells it: at least once.
    Tick {
        /// The tick.
        id: String,
        /// When it was.
        time: Timestamp,
        /// `"Scheduled Event"`.
        #[serde(rename = "detail-type")]
        kind: ScheduledEvent,
    },
    /// A schedule with an input of its own, with hyper-parameters if they differ from the
    /// defaults. Told twice, it orders two runs.
    Schedule {
        /// `"schedule"`.
        trigger: String,
        /// Hyper-parameters, and beside them what is said of a search for better ones:
        /// as in the body of `POST /v1/training-runs`.
        #[serde(default)]
        options: RunOrder,
        /// Bounds of a search; they count before what `options` say.
        #[serde(default)]
        tuning: Option<TuningRequest>,
    },
}

/// The kind of event that a schedule makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ScheduledEvent {
    /// The only one.
    #[serde(rename = "Scheduled Event")]
    Tick,
}

/// Why a run ended without a model.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What to train on cannot be gathered.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// Training failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The schedule's input is out of range.
    #[error(transparent)]
    Order(#[from] InvalidOrder),
    /// The model could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The thread that trained died.
    #[error("training was interrupted")]
    Interrupted,
    /// A run failed, and its record says so.
    #[error("the training run {run} failed: {reason}")]
    RunFailed {
        /// The run.
        run: TrainingRunId,
        /// Why.
        reason: String,
    },
}

impl Retryable for WorkerError {
    fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Store(error) => error.is_worth_another_try(),
            Self::Gather(error) => error.is_worth_another_try(),
            Self::Publish(error) => error.is_worth_another_try(),
            Self::Training(_) | Self::Order(_) | Self::Interrupted | Self::RunFailed { .. } => {
                false
            }
        }
    }
}

/// Hears of finished iterations, of all those to do.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Runs looked through for those that a dead worker left.
const RUNS_LOOKED_THROUGH: usize = 20;

/// Carries out training runs.
#[derive(Clone)]
pub struct Worker {
    stores: Stores,
    clock: Clock,
    progress: Progress,
    price: Option<FunctionPrice>,
    keep_models: usize,
    limit: EventLimit,
    tuning: TuningOrder,
    deadline: Option<Timestamp>,
    retention: Option<ArchiveRetention>,
    rekeyer: Option<Rekeyer>,
    pause: Pause,
}

impl Worker {
    /// A worker over stores.
    #[must_use]
    pub fn new(stores: Stores, clock: Clock) -> Self {
        Self {
            stores,
            clock,
            progress: Arc::new(|_, _| ()),
            price: None,
            keep_models: DEFAULT_KEPT,
            limit: EventLimit::NONE,
            tuning: TuningOrder::ByDefault,
            deadline: None,
            retention: None,
            rekeyer: None,
            pause: Pause::system(),
        }
    }

    /// The same worker, knowing the keys of pseudonyms: it finds what is stored under earlier
    /// versions, and takes it forward.
    #[must_use]
    pub fn with_keys(self, keys: &Pseudonymiser) -> Self {
        let rekeyer = Some(Rekeyer::new(self.stores.clone(), keys.clone()));
        Self { stores: rekeyed(self.stores, keys), rekeyer, ..self }
    }

    /// The same worker, letting time pass in another way.
    #[must_use]
    pub fn pausing(self, pause: Pause) -> Self {
        Self { pause, ..self }
    }

    /// The same worker, deleting what the archive has kept for so long.
    #[must_use]
    pub fn retaining(self, retention: ArchiveRetention) -> Self {
        Self { retention: Some(retention), ..self }
    }

    /// The same worker, whose process is ended at a deadline: its runs say so, and who finds
    /// one of them running long after it knows that nobody is at it any more.
    #[must_use]
    pub fn until(self, deadline: Option<Timestamp>) -> Self {
        Self { deadline, ..self }
    }

    /// The same worker, whose schedule orders this of tuning.
    #[must_use]
    pub fn tuning_by_default(self, tuning: TuningOrder) -> Self {
        Self { tuning, ..self }
    }

    /// The same worker, refusing archives above a limit.
    #[must_use]
    pub fn with_limit(self, limit: EventLimit) -> Self {
        Self { limit, ..self }
    }

    /// The same worker, keeping so many models; the champion and the one before
    /// it are kept in any case.
    #[must_use]
    pub fn keeping_models(self, keep_models: usize) -> Self {
        Self { keep_models, ..self }
    }

    /// The same worker, reporting progress.
    #[must_use]
    pub fn with_progress(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// The same worker, knowing what it costs: a search may then be bounded by cost.
    #[must_use]
    pub fn with_price(self, price: Option<FunctionPrice>) -> Self {
        Self { price, ..self }
    }

    /// Carries out what a trigger asks for. The schedule only records a run: the
    /// record's way through the stream is what carries it out, like any other,
    /// so runs never overlap. A run that fails by itself (nothing
    /// to train on, say) is recorded as failed; delivered again, it is not tried again.
    ///
    /// # Errors
    /// When a store fails, so that the trigger is delivered again; and, once all that was
    /// asked for has been done, when a run of it failed, so that the failure is seen.
    pub async fn handle(&self, trigger: Trigger) -> Result<(), WorkerError> {
        match trigger {
            Trigger::Tick { id, time, .. } => {
                let order = RunOrder::default().or_by_default(self.tuning);
                let run = scheduled_run(order, &id, time)?;
                records::create(&*self.stores.records, &run.id, &run).await?;
            }
            Trigger::Schedule { options, tuning, .. } => {
                let tuning = tuning.map_or(options.tuning, TuningOrder::Within);
                let options = RunOrder { tuning, ..options };
                let run = new_run(options.or_by_default(self.tuning), self.clock.now())?;
                records::create(&*self.stores.records, &run.id, &run).await?;
            }
            Trigger::Stream { records } => {
                let mut ids = BTreeSet::new();
                for record in records {
                    ids.extend(record.created::<TrainingRun>()?);
                }
                let (mut failed, mut carried_out) = (None, false);
                for id in &ids {
                    let Some(run) = self.carry_out_recorded(id).await? else { continue };
                    carried_out = true;
                    if let TrainingRunState::Failed { reason, .. } = run.state {
                        failed = failed.or(Some(WorkerError::RunFailed { run: run.id, reason }));
                    }
                }
                // A record that cannot be read must not keep the runs after it from being made.
                if carried_out && let Err(error) = self.fail_abandoned(&ids).await {
                    tracing::error!(%error, "runs left by their workers could not be looked for");
                }
                return failed.map_or(Ok(()), Err);
            }
        }
        Ok(())
    }

    /// Records of the last runs, but for these, that they failed where their worker's time is
    /// long over.
    async fn fail_abandoned(&self, but: &BTreeSet<TrainingRunId>) -> Result<(), WorkerError> {
        let records = &*self.stores.records;
        let now = self.clock.now();
        for run in records::last::<TrainingRun>(records, None, RUNS_LOOKED_THROUGH).await? {
            if but.contains(&run.id) || run.clone().as_of(now) == run {
                continue;
            }
            let found = records::get_to_change::<TrainingRun>(records, &run.id).await?;
            let Some((found, version)) = found else { continue };
            let failed = found.as_of(now);
            if !failed.is_open() {
                tracing::error!(run = %failed.id, "a training run was left by its worker");
                // In a conflict it has ended meanwhile.
                records::replace(records, &failed.id, &version, &failed).await?;
            }
        }
        Ok(())
    }

    /// Carries out a recorded run, unless it has ended before (then: none): a trigger
    /// that is delivered twice trains once. One found running was left by a worker that
    /// died; it is carried out again.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn carry_out_recorded(
        &self,
        id: &TrainingRunId,
    ) -> Result<Option<TrainingRun>, WorkerError> {
        match records::get::<TrainingRun>(&*self.stores.records, id).await? {
            Some(run) if run.is_open() => self.carry_out(run).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Carries out a run and records how it ended.
    ///
    /// # Errors
    /// When a store fails. The run is then open, for the trigger to be delivered again, and
    /// counts as failed once the worker's deadline is long over.
    pub async fn carry_out(&self, mut run: TrainingRun) -> Result<TrainingRun, WorkerError> {
        let (started_at, deadline) = (self.clock.now(), self.deadline);
        run.state = TrainingRunState::Running { started_at, deadline, waits_until: None };
        records::put(&*self.stores.records, &run.id, &run).await?;
        run.state = match self.make_model(&run).await {
            Ok(end) => end,
            Err(error) if error.is_worth_another_try() => return Err(error),
            Err(error) => {
                tracing::error!(run = %run.id, %error, "a training run failed");
                TrainingRunState::failed(self.clock.now(), error.to_string())
            }
        };
        records::put(&*self.stores.records, &run.id, &run).await?;
        clear_models(&self.stores, self.keep_models, self.clock.now()).await;
        Ok(run)
    }

    async fn make_model(&self, run: &TrainingRun) -> Result<TrainingRunState, WorkerError> {
        let objects = &*self.stores.objects;
        let serving = Serving::read(objects).await?;
        let champion = serving.model.clone();
        let now = self.clock.now();
        keep_up(&self.stores, self.retention, now).await;
        if let Some(rekeyer) = &self.rekeyer {
            rekeyer.go_on(&self.clock).await;
        }
        let gathering = Gathering { now, limit: self.limit, pause: &self.pause };
        let cleaned = gather(&self.stores, run, champion.clone(), gathering).await?;
        let erasures = cleaned.erasures();
        let trained = self.train(run, cleaned).await;
        let now = self.clock.now();
        let trained = match trained {
            Err(WorkerError::Training(TrainingError::NothingToTrainOn(left))) => {
                return end_without_events(&self.stores, run, (serving, erasures), left, now).await;
            }
            trained => trained?,
        };
        publish_trained(&self.stores, run, trained, champion.as_deref(), now).await
    }

    async fn train(
        &self,
        run: &TrainingRun,
        cleaned: CleanedInput,
    ) -> Result<Trained, WorkerError> {
        let mut tuner = run.tuning.map(|request| self.tuner(run, request));
        let progress = self.progress.clone();
        let train = move || {
            let chosen_by = tuner.as_mut().map(|tuner| tuner as &mut dyn Tuner);
            let trained = train_cleaned(cleaned, chosen_by, &|done, of| progress(done, of));
            (trained, tuner.and_then(|tuner| tuner.failure))
        };
        let finished = tokio::task::spawn_blocking(train).await;
        match finished.map_err(|_| WorkerError::Interrupted)? {
            (_, Some(failure)) => Err(failure.into()),
            (trained, None) => Ok(trained?),
        }
    }

    fn tuner(&self, run: &TrainingRun, request: TuningRequest) -> StoredTuner {
        StoredTuner {
            price: self.price,
            progress: self.progress.clone(),
            ..StoredTuner::new(&self.stores, &self.clock, &run.id, request)
        }
    }
}

/// What serves when a run begins.
pub(crate) struct Serving {
    /// The champion that the pointer names.
    pub(crate) champion: Option<ModelId>,
    /// It, or the model before it when it is broken.
    pub(crate) model: Option<Arc<Model>>,
}

impl Serving {
    pub(crate) async fn read(objects: &dyn ObjectStore) -> Result<Self, StoreError> {
        let Some(pointer) = champion_pointer(objects).await? else {
            return Ok(Self { champion: None, model: None });
        };
        let champion = pointer.model;
        for id in [champion.clone(), pointer.previous].into_iter().flatten() {
            match load(objects, &id).await {
                Ok(model) => return Ok(Self { champion, model: Some(Arc::new(model)) }),
                Err(LoadError::Store(error)) => return Err(error),
                Err(error) => tracing::error!(model = %id, %error, "a model is broken"),
            }
        }
        Ok(Self { champion, model: None })
    }
}

/// Ends a run that found nothing to train on. Where that is for what was erased, the champion
/// knows what must be known no more: it is withdrawn, and the erasures are complete. The same
/// for every way of training.
pub(crate) async fn end_without_events(
    stores: &Stores,
    run: &TrainingRun,
    (serving, erasures): (Serving, u64),
    left: NothingLeft,
    now: Timestamp,
) -> Result<TrainingRunState, WorkerError> {
    let standing = Standing::of(stores, erasures, 0, now).await?;
    let deleted = deleted_since(stores, serving.model.as_deref()).await?;
    let knew = serving.model.iter().flat_map(|model| &model.manifest().domains);
    let knew_deleted = knew.into_iter().any(|table| deleted.contains(&table.domain));
    if !standing.is_any && !knew_deleted {
        return Err(TrainingError::NothingToTrainOn(left).into());
    }
    let reason = format!("{left}; what else there was has been erased, so that no model serves");
    tracing::warn!(run = %run.id, model = ?serving.champion, reason, "the champion is withdrawn");
    let order = Withdrawal {
        by: Promoter::TrainingRun { id: run.id.clone() },
        expected: serving.champion.clone(),
        reason: reason.clone(),
        erasures,
        at: now,
    };
    withdraw(&*stores.objects, order).await.map_err(PublishError::from)?;
    let finished = erasure::finish(stores, &run.id, erasures, now).await?;
    Ok(TrainingRunState::withdrawn(now, serving.champion, reason).completing(finished))
}

/// The domains that were deleted, or are being, by a deletion that the champion knows nothing
/// of.
async fn deleted_since(
    stores: &Stores,
    champion: Option<&Model>,
) -> Result<BTreeSet<DomainId>, StoreError> {
    let Some(champion) = champion else { return Ok(BTreeSet::new()) };
    let Manifest { created_at, deletions: known, .. } = champion.manifest();
    let deletions = records::list::<DomainDeletion>(&*stores.records).await?.into_iter();
    let later = deletions.filter(|(domain, deletion)| match deletion.number {
        // Of before deletions were numbered: all that there is to go by is the clock.
        0 => deletion.finished_at.is_none_or(|finished_at| finished_at >= *created_at),
        number => known.get(domain).is_none_or(|known| *known < number),
    });
    Ok(later.map(|(domain, _)| domain).collect())
}

/// Publishes what a run made if the gate lets it; gives how that ends the run. The
/// same for every way of training.
pub(crate) async fn publish_trained(
    stores: &Stores,
    run: &TrainingRun,
    trained: Trained,
    champion: Option<&Model>,
    now: Timestamp,
) -> Result<TrainingRunState, WorkerError> {
    let Trained { parts, report } = trained;
    report.drift.iter().for_each(log_drift);
    let erasures = parts.provenance.erasures;
    let known = champion.map_or(0, |champion| champion.manifest().erasures);
    let standing = Standing::of(stores, erasures, known, now).await?;
    let rules = GateRules {
        accept_fewer_events: run.accept_fewer_events,
        deleted: deleted_since(stores, champion).await?,
        erased: standing.erased,
        is_erasure_overdue: standing.is_overdue,
    };
    let published = publish(&*stores.objects, &parts, &report, champion, &rules, now).await?;
    let Published { model, verdict, report: object } = published;
    let state = TrainingRunState::judged(now, model, &verdict, RunReport::new(&report, object));
    match &state {
        TrainingRunState::Refused { model, reasons, .. } => {
            let refused = model.as_ref().map(tracing::field::display);
            tracing::error!(run = %run.id, model = refused, ?reasons, "a model was refused");
        }
        _ => {
            tracing::info!(run = %run.id, "a model was published");
            let finished = erasure::finish(stores, &run.id, erasures, now).await?;
            if finished > 0 {
                tracing::info!(run = %run.id, finished, "erasures are complete");
            }
            return Ok(state.completing(finished));
        }
    }
    Ok(state)
}

/// Clears old models away, and what old records name of events. A run that made a model is
/// not undone by what could not be cleared.
pub(crate) async fn clear_models(stores: &Stores, keep: usize, now: Timestamp) {
    if let Err(error) = old_samples::strip(stores).await {
        tracing::error!(%error, "old records of runs could not be written anew");
    }
    match clear_old_models(&*stores.objects, keep, now).await {
        Ok(cleared) if cleared.is_empty() => {}
        Ok(cleared) => tracing::info!(models = ?cleared, "old models were cleared away"),
        Err(error) => tracing::error!(%error, "old models could not be cleared away"),
    }
}
