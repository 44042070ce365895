//! A search for hyper-parameters that is kept in the bucket after every step, so
//! that a worker that takes the run up again goes on where the last one was.

use std::sync::Arc;

use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError, Stores};
use crossfold_core::training::tuning::{
    Candidate, Fidelity, FunctionPrice, Interrupted, Score, Search, SearchSpace, Tuner,
    TuningRequest,
};
use tokio::runtime::Handle;

use crate::worker::Progress;

/// Where the search of a run is kept.
fn key(run: &TrainingRunId) -> String {
    format!("tuning/{run}.json")
}

/// The tuner of one run. To be used outside the runtime's own threads: it waits
/// for the bucket.
pub(crate) struct StoredTuner {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) clock: Clock,
    pub(crate) runtime: Handle,
    pub(crate) run: TrainingRunId,
    pub(crate) request: TuningRequest,
    pub(crate) price: Option<FunctionPrice>,
    pub(crate) progress: Progress,
    /// What the bucket answered, when that is why the search was interrupted.
    pub(crate) failure: Option<StoreError>,
}

impl Tuner for StoredTuner {
    fn tune(
        &mut self,
        space: SearchSpace,
        score: &mut dyn FnMut(&Candidate, &Fidelity) -> Option<Score>,
    ) -> Result<Search, Interrupted> {
        let (mut search, mut stored) = self.take_up(&space)?;
        while let Some(task) = search.begin() {
            // Before it is evaluated: a candidate that kills the worker is known by it.
            stored = self.store(&search, stored)?;
            let started = self.clock.now();
            let score = score(&search.candidates[task.candidate], &task.fidelity);
            let seconds = self.clock.now().duration_since(started).as_secs_f64();
            search.finish(task, score, seconds.max(0.0));
            let (done, total) = search.progress();
            (self.progress)(done, total);
        }
        self.store(&search, stored)?;
        Ok(search)
    }
}

impl StoredTuner {
    /// The tuner of a run; to be made on the runtime whose stores it waits for.
    pub(crate) fn new(
        stores: &Stores,
        clock: &Clock,
        run: &TrainingRunId,
        request: TuningRequest,
    ) -> Self {
        Self {
            objects: stores.objects.clone(),
            clock: clock.clone(),
            runtime: Handle::current(),
            run: run.clone(),
            request,
            price: None,
            progress: Arc::new(|_, _| ()),
            failure: None,
        }
    }

    /// The run's search as it was left, or a new one. One that cannot be read,
    /// written by another version, is begun anew.
    fn take_up(&mut self, space: &SearchSpace) -> Result<(Search, PutCondition), Interrupted> {
        let (objects, key) = (self.objects.clone(), key(&self.run));
        let object =
            self.runtime.block_on(objects.get(&key)).map_err(|error| self.failed(error))?;
        let condition = object
            .as_ref()
            .map_or(PutCondition::Absent, |object| PutCondition::Matches(object.etag.clone()));
        let left = object.and_then(|object| serde_json::from_slice::<Search>(&object.bytes).ok());
        if let Some(search) = left.filter(|search| search.request == self.request) {
            tracing::info!(run = %self.run, seconds = search.seconds, "a search goes on");
            return Ok((search, condition));
        }
        let search = Search::new(self.request, space, self.price);
        search.map(|search| (search, condition)).map_err(|error| Interrupted(error.to_string()))
    }

    fn store(
        &mut self,
        search: &Search,
        condition: PutCondition,
    ) -> Result<PutCondition, Interrupted> {
        let bytes = serde_json::to_vec(search).map_err(|error| Interrupted(error.to_string()))?;
        let (objects, key) = (self.objects.clone(), key(&self.run));
        let put = objects.put(&key, bytes.into(), condition);
        let stored = self.runtime.block_on(put).map_err(|error| self.failed(error))?;
        // Another worker is at the same run: leave it to that one, and look again later.
        let overtaken = || StoreError::Unavailable("another worker goes on with the search".into());
        stored.map(PutCondition::Matches).ok_or_else(|| self.failed(overtaken()))
    }

    fn failed(&mut self, error: StoreError) -> Interrupted {
        let interrupted = Interrupted(error.to_string());
        self.failure = Some(error);
        interrupted
    }
}
