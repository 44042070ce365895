//! The shard worker: carries out the tasks of training beyond one machine. The
//! state machine in `infra/retrain.asl.yaml` decides which, in what order.
//!
//! Every task may be repeated, at any time and by any number of workers at
//! once: what is written under a key does not depend on who writes it, but for
//! how processors of different kinds round.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ids::{ModelId, TrainingRunId};
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::maths::als::initial_items;
use crossfold_core::release::retention::DEFAULT_KEPT;
use crossfold_core::release::run::{TrainingRun, TrainingRunState};
use crossfold_core::training::sharding::plan::{
    EvaluationRecord, FORMAT, INITIAL_ITEMS, ShardBounds, ShardPlan, Side, step_key,
};
use crossfold_core::training::sharding::shard::{FactorShard, MatrixShard};
use crossfold_core::training::tuning::Tuner;
use crossfold_core::training::{
    CleanedInput, FitPurpose, ModelOutline, PendingFit, Prepared, Recipe, TrainingError, prepare,
};
use crossfold_registry::load::load;
use crossfold_storage::records;
use ndarray::{Array2, s};
use serde::{Deserialize, Serialize};

use crate::archive_reader::EventLimit;
use crate::half_iteration::Half;
use crate::pause::Pause;
use crate::rekeying::Rekeyer;
use crate::shard_error::ShardWorkerError;
use crate::shard_fits::{Planner, fitted, ranker_tables};
use crate::stored_tuner::StoredTuner;
use crate::training_input::{Gathering, gather};
use crate::upkeep::{ArchiveRetention, keep_up};
use crate::worker::{Serving, clear_models, end_without_events, publish_trained};
use crate::working_files::{WorkingFileError, WorkingFiles};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_storage::rekeying::rekeyed;

/// A task that the state machine sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShardTask {
    /// Reads the archive and writes the plan, the matrices and every step's tasks.
    Prepare {
        /// The run.
        run: TrainingRunId,
    },
    /// Solves the rows of one shard in one half-iteration.
    Solve {
        /// The run.
        run: TrainingRunId,
        /// The half-iteration, from 0.
        step: usize,
        /// The fit, from 0.
        fit: usize,
        /// The shard of the side that is solved, from 0.
        shard: usize,
    },
    /// Evaluates, publishes, records, and deletes the working files.
    Finish {
        /// The run.
        run: TrainingRunId,
    },
}

impl ShardTask {
    fn run(&self) -> &TrainingRunId {
        let (Self::Prepare { run } | Self::Solve { run, .. } | Self::Finish { run }) = self;
        run
    }
}

/// News that an execution of the state machine ended without success.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionEnded {
    execution_arn: String,
    status: String,
    #[serde(default)]
    input: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

/// What wakes the shard worker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ShardTrigger {
    /// The state machine.
    Task(ShardTask),
    /// EventBridge.
    Ended {
        /// Which execution, and how.
        detail: ExecutionEnded,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ShardOutcome {
    /// The run can be fitted.
    Prepared {
        /// The run.
        run: TrainingRunId,
        /// How many half-iterations there are to do, in turn; 0 when the run has ended before.
        steps: usize,
    },
    /// The shard's factors are there.
    Solved {
        /// Whether this task computed them, rather than finding them.
        computed: bool,
    },
    /// The model is made, and published if the gate let it.
    Finished {
        /// The model; none when it does not verify.
        model: Option<ModelId>,
    },
    /// The run's record says how it ended.
    Recorded,
}

/// What came of preparing.
enum Made {
    Plan(ShardPlan),
    /// There was nothing to plan for.
    End(TrainingRunState),
}

/// Which shard a task solves.
#[derive(Clone, Copy)]
struct Place {
    step: usize,
    fit: usize,
    shard: usize,
}

/// Carries out tasks.
#[derive(Clone)]
pub struct ShardWorker {
    stores: Stores,
    clock: Clock,
    bounds: ShardBounds,
    limit: EventLimit,
    keep_models: usize,
    retention: Option<ArchiveRetention>,
    rekeyer: Option<Rekeyer>,
    pause: Pause,
}

impl ShardWorker {
    /// A worker over stores that cuts shards within bounds.
    #[must_use]
    pub fn new(stores: Stores, clock: Clock, bounds: ShardBounds, limit: EventLimit) -> Self {
        let (keep_models, retention, rekeyer) = (DEFAULT_KEPT, None, None);
        let pause = Pause::system();
        Self { stores, clock, bounds, limit, keep_models, retention, rekeyer, pause }
    }

    /// The same worker, keeping so many models; the champion and the one before
    /// it are kept in any case.
    #[must_use]
    pub fn keeping_models(self, keep_models: usize) -> Self {
        Self { keep_models, ..self }
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

    /// Carries out what a trigger asks for. A failure that another try cannot
    /// mend is recorded as the run's.
    ///
    /// # Errors
    /// [`ShardWorkerError`]; what was finished before stays finished.
    pub async fn handle(&self, trigger: ShardTrigger) -> Result<ShardOutcome, ShardWorkerError> {
        match trigger {
            ShardTrigger::Task(task) => {
                let outcome = self.carry_out(&task).await;
                if let Err(error) = &outcome
                    && !error.is_worth_another_try()
                {
                    tracing::error!(run = %task.run(), %error, "a task failed");
                    self.record_failure(task.run(), error.to_string()).await?;
                }
                outcome
            }
            ShardTrigger::Ended { detail } => self.record_end(detail).await,
        }
    }

    async fn carry_out(&self, task: &ShardTask) -> Result<ShardOutcome, ShardWorkerError> {
        match task {
            ShardTask::Prepare { run } => self.prepare(run).await,
            ShardTask::Solve { run, step, fit, shard } => {
                self.solve(run, Place { step: *step, fit: *fit, shard: *shard }).await
            }
            ShardTask::Finish { run } => self.finish(run).await,
        }
    }

    fn files(&self, run: &TrainingRunId) -> WorkingFiles {
        WorkingFiles::new(self.stores.objects.clone(), run.clone())
    }

    async fn run(&self, id: &TrainingRunId) -> Result<TrainingRun, ShardWorkerError> {
        let run = records::get::<TrainingRun>(&*self.stores.records, id).await?;
        run.ok_or_else(|| ShardWorkerError::NoRun(id.clone()))
    }

    // ---- Preparing ----------------------------------------------------------------------

    async fn prepare(&self, id: &TrainingRunId) -> Result<ShardOutcome, ShardWorkerError> {
        let mut run = self.run(id).await?;
        if model_of(&run.state).is_some() {
            return Ok(ShardOutcome::Prepared { run: run.id, steps: 0 });
        }
        let started_at = self.clock.now();
        run.state = TrainingRunState::Running { started_at, deadline: None, waits_until: None };
        records::put(&*self.stores.records, &run.id, &run).await?;
        let files = self.files(id);
        let plan = match files.plan().await? {
            Some(plan) => plan,
            None => match self.make_plan(&files, &run).await? {
                Made::Plan(plan) => files.decide_on(&plan).await?,
                Made::End(state) => {
                    run.state = state;
                    records::put(&*self.stores.records, &run.id, &run).await?;
                    return Ok(ShardOutcome::Prepared { run: run.id, steps: 0 });
                }
            },
        };
        // All that follows is given by the plan, so whoever repeats this writes the same.
        self.write_initial_items(&files, &plan).await?;
        let steps = plan.steps();
        for (number, step) in steps.iter().enumerate() {
            let solve =
                |(fit, shard)| ShardTask::Solve { run: id.clone(), step: number, fit, shard };
            let tasks: Vec<ShardTask> = plan.tasks(*step).into_iter().map(solve).collect();
            let tasks = serde_json::to_vec(&tasks)
                .map_err(|error| WorkingFileError::Json { key: step_key(id, number), error })?;
            files.put_once(&step_key(id, number), tasks.into()).await?;
        }
        Ok(ShardOutcome::Prepared { run: run.id, steps: steps.len() })
    }

    async fn make_plan(
        &self,
        files: &WorkingFiles,
        run: &TrainingRun,
    ) -> Result<Made, ShardWorkerError> {
        let serving = Serving::read(&*self.stores.objects).await?;
        let champion = serving.model.clone();
        keep_up(&self.stores, self.retention, self.clock.now()).await;
        if let Some(rekeyer) = &self.rekeyer {
            rekeyer.go_on(&self.clock).await;
        }
        let now = self.clock.now();
        let gathering = Gathering { now, limit: self.limit, pause: &self.pause };
        let cleaned = gather(&self.stores, run, champion, gathering).await?;
        let erasures = cleaned.erasures();
        let prepared = match self.tuned(run, cleaned).await {
            Err(ShardWorkerError::Training(TrainingError::NothingToTrainOn(left))) => {
                let now = self.clock.now();
                let end = end_without_events(&self.stores, run, (serving, erasures), left, now);
                return Ok(Made::End(end.await?));
            }
            prepared => prepared?,
        };
        let options = *prepared.outline.provenance.params.options();
        let (rows, columns) = prepared.pending.shape();
        self.bounds.check(rows, columns, options.factors)?;
        let Prepared { outline, mut pending, .. } = self.judged(files, prepared).await?;
        let mut plan = ShardPlan {
            format: FORMAT,
            run: run.id.clone(),
            options,
            fits: Vec::new(),
            purposes: BTreeMap::new(),
            outline: files.put_json("outline", &outline).await?,
        };
        let planner = Planner { files, bounds: self.bounds, outline: &outline };
        for purpose in FitPurpose::ALL {
            let Some(PendingFit { matrix, set, .. }) = pending.take(purpose) else {
                continue;
            };
            let planned = planner.add(&mut plan, purpose, &matrix).await?;
            if let Some(set) = set {
                let known = MatrixShard::encode_with_places(&set.known, 0..set.known.rows())?;
                let known = files.put_addressed("matrix", known).await?;
                let record = EvaluationRecord::new(set, known);
                planned.evaluation = Some(files.put_json("evaluation", &record).await?);
            }
        }
        Ok(Made::Plan(plan))
    }

    /// Prepares, with what a search finds best if the run is to have one: on so many
    /// people as one worker can search with, whatever the size of the archive.
    async fn tuned(
        &self,
        run: &TrainingRun,
        cleaned: CleanedInput,
    ) -> Result<Prepared, ShardWorkerError> {
        let tuner = |request| StoredTuner::new(&self.stores, &self.clock, &run.id, request);
        let mut tuner = run.tuning.map(tuner);
        let prepare = move || {
            let chosen_by = tuner.as_mut().map(|tuner| tuner as &mut dyn Tuner);
            (prepare(cleaned, chosen_by), tuner.and_then(|tuner| tuner.failure))
        };
        match blocking(prepare).await? {
            (_, Some(failure)) => Err(failure.into()),
            (prepared, None) => Ok(prepared?),
        }
    }

    /// Judges the bridges, unless a worker that died has done so on the same items.
    async fn judged(
        &self,
        files: &WorkingFiles,
        mut prepared: Prepared,
    ) -> Result<Prepared, ShardWorkerError> {
        if let Some(judged) = files.judged().await? {
            let ModelOutline {
                index, look_alikes, report, provenance, content, likenesses, ..
            } = judged;
            if index == prepared.outline.index
                && provenance.params == prepared.outline.provenance.params
            {
                let outline = &mut prepared.outline;
                (outline.look_alikes, outline.report.bridges) = (look_alikes, report.bridges);
                (outline.likenesses, outline.report.priors) = (likenesses, report.priors);
                outline.report.look_alikes = report.look_alikes;
                outline.report.rankings = report.rankings;
                (outline.content, outline.report.content) = (content, report.content);
                prepared.pending.skip_choosing();
                return Ok(prepared);
            }
        }
        let (domains, factors) =
            (prepared.outline.index.ranges(), prepared.outline.provenance.params.options().factors);
        let people: u64 = prepared.outline.people.values().map(|people| people.count).sum();
        let columns = prepared.pending.shape().1;
        let held = self.bounds.check_judging(people as usize, columns, factors);
        if domains.len() > 1 {
            held?;
        } else if held.is_err() {
            // A single domain is fitted in shards alone: nothing but its factors ranks it.
            prepared.pending.skip_choosing();
        }
        let prepared = blocking(move || prepared.judge(&|| ()).map(|()| prepared)).await??;
        files.put_judged(&prepared.outline).await?;
        Ok(prepared)
    }

    async fn write_initial_items(
        &self,
        files: &WorkingFiles,
        plan: &ShardPlan,
    ) -> Result<(), ShardWorkerError> {
        let params = plan.options.check()?;
        for fit in &plan.fits {
            let initial = initial_items(fit.rows(Side::Items), &params);
            for shard in 0..fit.shards(Side::Items) {
                let Some(range) = fit.range(Side::Items, shard) else { continue };
                let factors = initial.slice(s![range.clone(), ..]).to_owned();
                let key = fit.factor_key(&plan.run, INITIAL_ITEMS, shard);
                files.put_factors(&key, &FactorShard { first_row: range.start, factors }).await?;
            }
        }
        Ok(())
    }

    // ---- Solving ------------------------------------------------------------------------

    async fn solve(
        &self,
        run: &TrainingRunId,
        place: Place,
    ) -> Result<ShardOutcome, ShardWorkerError> {
        let files = self.files(run);
        let plan = self.plan(&files, run).await?;
        let Place { step: number, fit, shard } = place;
        let no_shard = || ShardWorkerError::NoShard { step: number, fit, shard };
        let step = plan.steps().get(number).copied().ok_or_else(no_shard)?;
        let fit = plan.fits.get(fit).ok_or_else(no_shard)?;
        let range = fit.range(step.side, shard).ok_or_else(no_shard)?;
        let matrix_key = fit.matrix_key(step.side, shard).ok_or_else(no_shard)?;
        if files.is_solved(fit, step, shard).await? {
            return Ok(ShardOutcome::Solved { computed: false });
        }
        let matrix = files.matrix(matrix_key).await?;
        let is_planned = matrix.first_row == range.start
            && matrix.rows.rows() == range.len()
            && matrix.rows.columns() == fit.rows(step.side.other());
        if !is_planned {
            return Err(WorkingFileError::Misfit { key: matrix_key.to_owned() }.into());
        }
        let before = match step.before() {
            Some(before) => files.factors(fit, before, shard).await?.factors,
            None => Array2::zeros((range.len(), fit.factors)),
        };
        let is_smaller = fit.rows(step.side) < fit.rows(step.side.other());
        let rotated_last = match step.before().filter(|_| is_smaller) {
            Some(before) => Some(files.all_factors(fit, before).await?),
            None => None,
        };
        let half = Half {
            fixed: files.all_factors(fit, step.fixed()).await?,
            rotated_last,
            solved_rows: fit.rows(step.side),
            params: plan.options.check()?,
            is_last: step == plan.last(Side::People),
        };
        let factors = blocking(move || half.solve(&matrix.rows, before)).await??;
        let solved = FactorShard { first_row: range.start, factors };
        files.put_factors(&fit.factor_key(run, step, shard), &solved).await?;
        tracing::info!(%run, step = number, fit = place.fit, shard, "a shard was solved");
        Ok(ShardOutcome::Solved { computed: true })
    }

    async fn plan(
        &self,
        files: &WorkingFiles,
        run: &TrainingRunId,
    ) -> Result<ShardPlan, ShardWorkerError> {
        let plan = files.plan().await?;
        Ok(plan.ok_or_else(|| WorkingFileError::Absent(format!("the plan of {run}")))?)
    }

    // ---- Finishing ----------------------------------------------------------------------

    async fn finish(&self, id: &TrainingRunId) -> Result<ShardOutcome, ShardWorkerError> {
        let mut run = self.run(id).await?;
        let files = self.files(id);
        if let Some(model) = model_of(&run.state) {
            files.delete_all().await?;
            return Ok(ShardOutcome::Finished { model });
        }
        run.state = self.publish(&files, &run).await?;
        records::put(&*self.stores.records, &run.id, &run).await?;
        clear_models(&self.stores, self.keep_models, self.clock.now()).await;
        files.delete_all().await?;
        Ok(ShardOutcome::Finished { model: model_of(&run.state).flatten() })
    }

    async fn publish(
        &self,
        files: &WorkingFiles,
        run: &TrainingRun,
    ) -> Result<TrainingRunState, ShardWorkerError> {
        let plan = self.plan(files, &run.id).await?;
        let outline: ModelOutline = files.json(&plan.outline).await?;
        // The one that was the champion when the run was prepared.
        let champion = match &outline.report.shadow.champion {
            Some(id) => Some(Arc::new(load(&*self.stores.objects, id).await?)),
            None => None,
        };
        let mut recipe = Recipe::new(outline, champion.clone());
        for purpose in FitPurpose::ALL {
            let Some(planned) = plan.purposes.get(&purpose) else { continue };
            let set = match &planned.evaluation {
                Some(key) => {
                    let record: EvaluationRecord = files.json(key).await?;
                    let known = files.matrix(&record.known).await?.rows;
                    Some(record.set(known))
                }
                None => None,
            };
            let fitted = fitted(files, &plan, recipe.outline(), purpose).await?;
            let ranges = recipe.outline().index.ranges();
            let rankers = ranker_tables(files, &plan, ranges, purpose).await?;
            let take = move || {
                let fits = recipe.outline().serve(fitted, rankers);
                recipe.take(purpose, set, fits)?;
                Ok::<_, TrainingError>(recipe)
            };
            recipe = blocking(take).await??;
        }
        let trained = blocking(move || recipe.finish()).await??;
        let now = self.clock.now();
        Ok(publish_trained(&self.stores, run, trained, champion.as_deref(), now).await?)
    }

    // ---- Recording failures -------------------------------------------------------------

    /// Records that a run failed, unless it ended before.
    async fn record_failure(
        &self,
        id: &TrainingRunId,
        reason: String,
    ) -> Result<(), ShardWorkerError> {
        let Some(mut run) = records::get::<TrainingRun>(&*self.stores.records, id).await? else {
            return Ok(());
        };
        if run.is_open() {
            run.state = TrainingRunState::failed(self.clock.now(), reason);
            records::put(&*self.stores.records, &run.id, &run).await?;
        }
        Ok(())
    }

    async fn record_end(&self, ended: ExecutionEnded) -> Result<ShardOutcome, ShardWorkerError> {
        let ExecutionEnded { execution_arn, status, input, error, cause } = ended;
        let Some(run) = input.as_deref().and_then(run_of_input) else {
            tracing::warn!(execution_arn, status, "an execution without a run ended");
            return Ok(ShardOutcome::Recorded);
        };
        let why: Vec<String> = [error, cause].into_iter().flatten().collect();
        let reason = format!("{execution_arn} ended {status}: {}", why.join(": "));
        self.record_failure(&run, reason).await?;
        Ok(ShardOutcome::Recorded)
    }
}

/// The model of a run that has made one (which a broken one has not); `None`
/// when it has yet to.
fn model_of(state: &TrainingRunState) -> Option<Option<ModelId>> {
    match state {
        TrainingRunState::Succeeded { model, .. } => Some(Some(model.clone())),
        TrainingRunState::Refused { model, .. } => Some(model.clone()),
        TrainingRunState::Withdrawn { .. } => Some(None),
        _ => None,
    }
}

/// The run that an execution was started for: its input is `[{"run": "..."}]`.
fn run_of_input(input: &str) -> Option<TrainingRunId> {
    #[derive(Deserialize)]
    struct Started {
        run: TrainingRunId,
    }
    let started: Vec<Started> = serde_json::from_str(input).ok()?;
    started.into_iter().next().map(|started| started.run)
}

/// Computes away from the threads that wait for the network.
async fn blocking<T: Send + 'static>(
    compute: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ShardWorkerError> {
    tokio::task::spawn_blocking(compute).await.map_err(|_| ShardWorkerError::Interrupted)
}
