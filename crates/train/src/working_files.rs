//! A run's working files in the bucket: reading and writing shards, the plan,
//! the outline. What they hold is defined in [`crossfold_core::training::sharding::plan`].

use std::sync::Arc;

use bytes::Bytes;
use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::{ObjectStore, PutCondition, StoreError};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::training::ModelOutline;
use crossfold_core::training::sharding::plan::{
    FORMAT, PlannedFit, ShardPlan, Step, folder, judged_key, plan_key,
};
use crossfold_core::training::sharding::shard::{
    BridgeShard, FactorShard, MatrixShard, SequenceShard, ShardError,
};
use futures::{StreamExt, TryStreamExt, stream};
use ndarray::{Array2, s};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Objects read, written or deleted at the same time.
const CONCURRENCY: usize = 8;

/// Why a working file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkingFileError {
    /// The bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such object.
    #[error("{0} is not there")]
    Absent(String),
    /// A shard is refused.
    #[error("{key}: {error}")]
    Shard {
        /// Its key.
        key: String,
        /// Why.
        error: ShardError,
    },
    /// A JSON file cannot be read.
    #[error("{key}: {error}")]
    Json {
        /// Its key.
        key: String,
        /// Why.
        error: serde_json::Error,
    },
    /// The plan was made by another version of the program.
    #[error(
        "{key} has format {format}, and this version works with format {FORMAT}: order a new run"
    )]
    Version {
        /// Its key.
        key: String,
        /// Its format.
        format: u32,
    },
    /// A file does not fit the plan.
    #[error("{key} does not fit the plan")]
    Misfit {
        /// Its key.
        key: String,
    },
}

impl Retryable for WorkingFileError {
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_worth_another_try())
    }
}

/// What every version's plan begins with.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// The working files of one run.
#[derive(Clone)]
pub(crate) struct WorkingFiles {
    objects: Arc<dyn ObjectStore>,
    run: TrainingRunId,
}

impl WorkingFiles {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, run: TrainingRunId) -> Self {
        Self { objects, run }
    }

    /// The run's plan, if it has been made.
    pub(crate) async fn plan(&self) -> Result<Option<ShardPlan>, WorkingFileError> {
        let key = plan_key(&self.run);
        let Some(object) = self.objects.get(&key).await? else { return Ok(None) };
        let Version { format } = parse(&key, &object.bytes)?;
        if format != FORMAT {
            return Err(WorkingFileError::Version { key, format });
        }
        let plan: ShardPlan = parse(&key, &object.bytes)?;
        if plan.run != self.run {
            return Err(WorkingFileError::Misfit { key });
        }
        Ok(Some(plan))
    }

    /// What the run's bridges were judged to be, if they have been.
    pub(crate) async fn judged(&self) -> Result<Option<ModelOutline>, WorkingFileError> {
        let key = judged_key(&self.run);
        let object = self.objects.get(&key).await?;
        object.map(|object| parse(&key, &object.bytes)).transpose()
    }

    /// Keeps what the run's bridges were judged to be.
    pub(crate) async fn put_judged(&self, outline: &ModelOutline) -> Result<(), WorkingFileError> {
        let key = judged_key(&self.run);
        self.objects.put(&key, encode(&key, outline)?, PutCondition::None).await?;
        Ok(())
    }

    /// Makes a plan the run's, unless it has one: then that one counts.
    pub(crate) async fn decide_on(&self, plan: &ShardPlan) -> Result<ShardPlan, WorkingFileError> {
        let key = plan_key(&self.run);
        self.put_once(&key, encode(&key, plan)?).await?;
        self.plan().await?.ok_or(WorkingFileError::Absent(key))
    }

    /// Writes an object that has the same content whoever writes it.
    pub(crate) async fn put_once(&self, key: &str, bytes: Bytes) -> Result<(), WorkingFileError> {
        self.objects.put(key, bytes, PutCondition::Absent).await?;
        Ok(())
    }

    /// Writes an object under its content address in a folder of the run's, and gives its key.
    pub(crate) async fn put_addressed(
        &self,
        name: &str,
        bytes: Bytes,
    ) -> Result<String, WorkingFileError> {
        let address = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        let key = format!("{}{name}/{address}", folder(&self.run));
        self.put_once(&key, bytes).await?;
        Ok(key)
    }

    /// Writes JSON under its content address.
    pub(crate) async fn put_json(
        &self,
        name: &str,
        value: &impl Serialize,
    ) -> Result<String, WorkingFileError> {
        self.put_addressed(name, encode(name, value)?).await
    }

    /// Reads JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T, WorkingFileError> {
        parse(key, &self.bytes(key).await?)
    }

    async fn bytes(&self, key: &str) -> Result<Bytes, WorkingFileError> {
        let object = self.objects.get(key).await?;
        object.map(|object| object.bytes).ok_or_else(|| WorkingFileError::Absent(key.to_owned()))
    }

    /// Reads some rows of a matrix.
    pub(crate) async fn matrix(&self, key: &str) -> Result<MatrixShard, WorkingFileError> {
        MatrixShard::decode(&self.bytes(key).await?).map_err(in_file(key))
    }

    /// Writes the factors of a shard. A broken object in their place is replaced.
    pub(crate) async fn put_factors(
        &self,
        key: &str,
        shard: &FactorShard,
    ) -> Result<(), WorkingFileError> {
        let bytes =
            FactorShard::encode(shard.first_row, shard.factors.view()).map_err(in_file(key))?;
        self.objects.put(key, bytes, PutCondition::None).await?;
        Ok(())
    }

    /// Reads a bridge that brings all its tables.
    pub(crate) async fn bridge(&self, key: &str) -> Result<BridgeShard, WorkingFileError> {
        BridgeShard::decode(&self.bytes(key).await?).map_err(in_file(key))
    }

    /// Reads a sequence model.
    pub(crate) async fn sequence(&self, key: &str) -> Result<SequenceShard, WorkingFileError> {
        SequenceShard::decode(&self.bytes(key).await?).map_err(in_file(key))
    }

    /// The factors that a step of a fit gave for a shard.
    pub(crate) async fn factors(
        &self,
        fit: &PlannedFit,
        step: Step,
        shard: usize,
    ) -> Result<FactorShard, WorkingFileError> {
        let key = fit.factor_key(&self.run, step, shard);
        let found = FactorShard::decode(&self.bytes(&key).await?).map_err(in_file(&key))?;
        let fits = fit.range(step.side, shard).is_some_and(|range| {
            range.start == found.first_row && range.len() == found.factors.nrows()
        });
        if fits && found.factors.ncols() == fit.factors {
            Ok(found)
        } else {
            Err(WorkingFileError::Misfit { key })
        }
    }

    /// Whether a step's shard has been solved: its factors are there, whole.
    pub(crate) async fn is_solved(
        &self,
        fit: &PlannedFit,
        step: Step,
        shard: usize,
    ) -> Result<bool, WorkingFileError> {
        match self.factors(fit, step, shard).await {
            Ok(_) => Ok(true),
            Err(WorkingFileError::Store(error)) => Err(error.into()),
            Err(WorkingFileError::Absent(_)) => Ok(false),
            Err(error) => {
                tracing::warn!(%error, "a broken shard is solved again");
                Ok(false)
            }
        }
    }

    /// All factors of a side, as a step of a fit gave them.
    pub(crate) async fn all_factors(
        &self,
        fit: &PlannedFit,
        step: Step,
    ) -> Result<Array2<f32>, WorkingFileError> {
        let mut all = Array2::zeros((fit.rows(step.side), fit.factors));
        let mut shards = stream::iter(0..fit.shards(step.side))
            .map(|shard| self.factors(fit, step, shard))
            .buffer_unordered(CONCURRENCY);
        while let Some(FactorShard { first_row, factors }) = shards.try_next().await? {
            all.slice_mut(s![first_row..first_row + factors.nrows(), ..]).assign(&factors);
        }
        Ok(all)
    }

    /// Deletes all of the run's working files.
    pub(crate) async fn delete_all(&self) -> Result<(), WorkingFileError> {
        let keys = self.objects.list(&folder(&self.run)).await?;
        stream::iter(keys)
            .map(Ok)
            .try_for_each_concurrent(CONCURRENCY, async |key: String| {
                self.objects.delete(&key).await
            })
            .await?;
        Ok(())
    }
}

fn in_file(key: &str) -> impl FnOnce(ShardError) -> WorkingFileError {
    let key = key.to_owned();
    |error| WorkingFileError::Shard { key, error }
}

fn parse<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, WorkingFileError> {
    serde_json::from_slice(bytes)
        .map_err(|error| WorkingFileError::Json { key: key.to_owned(), error })
}

fn encode(key: &str, value: &impl Serialize) -> Result<Bytes, WorkingFileError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| WorkingFileError::Json { key: key.to_owned(), error })?;
    Ok(bytes.into())
}
