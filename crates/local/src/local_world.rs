//! The process's own world: embedded storage, every router on it, and what AWS
//! would do between the functions: carrying streams to the archive and to the
//! training worker.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::ports::{PushChannel, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_edge::caller::Caller;
use crossfold_edge::{router, system};
use crossfold_feedback::FeedbackState;
use crossfold_ingest::IngestState;
use crossfold_ingest::archive::Archiver;
use crossfold_lab::output;
use crossfold_recommend::{Campaigns, Limits, RecommendState};
use crossfold_storage::activity_log::ActivityLog;
use crossfold_storage::aws::changes::{StreamBatch, StreamRecord};
use crossfold_storage::embedded::{Embedded, StreamTail};
use crossfold_storage::rekeying::rekeyed;
use crossfold_storage::remembered::remembered;
use crossfold_storage::{data_files, key_versions, private_files, pseudonym_key, write_count};
use crossfold_train::{TrainingState, Trigger, TuningOrder, Worker, WorkerError};
use tokio::sync::Mutex;

use crate::api_client::ApiClient;
use crate::console;

/// The tenant of a local world.
pub(crate) const TENANT: &str = "local";
/// How long a request for a slate may take: no function ends it, the storage is in this
/// process, and a busy machine or a model of millions of items is no failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// Records carried to a function at a time.
const BATCH: usize = 10_000;
/// Records read from a stream at a time.
const PAGE: usize = 1_000;

/// Embedded storage with everything that runs on it.
pub struct LocalWorld {
    embedded: Embedded,
    stores: Stores,
    pseudonymiser: Pseudonymiser,
    archiver: Archiver,
    worker: Worker,
    recommend: RecommendState,
    activity: ActivityLog,
    positions: Mutex<Positions>,
}

/// Which functions a stream feeds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consumer {
    Archive,
    Train,
}

impl LocalWorld {
    /// Opens the world in a directory, making it when there is none.
    ///
    /// # Errors
    /// When the directory cannot be used: because it cannot be written, or is in use.
    pub async fn open(directory: &Path) -> Result<Self> {
        let unusable =
            || format!("cannot use the data directory {} (see --data-dir)", directory.display());
        // The key first: data without one are an error.
        pseudonym_key::from_directory(directory, TENANT).with_context(unusable)?;
        let embedded = Embedded::start(directory).await.with_context(unusable)?;
        // Nobody else changes the keys from here on.
        let keys = pseudonym_key::from_directory(directory, TENANT).with_context(unusable)?;
        // Nobody else writes there.
        let mut raw = remembered(embedded.stores());
        let (catalogue, catalogue_writes) = write_count::counted(raw.catalogue);
        raw.catalogue = catalogue;
        let now = system::clock().now();
        key_versions::establish(&*raw.records, &keys, now).await.with_context(unusable)?;
        let stores = rekeyed(raw.clone(), &keys);
        let activity = ActivityLog::new(stores.activity.clone(), system::clock());
        let recommend = RecommendState::new(stores.clone(), keys.clone(), system::machine())
            .without_delay()
            .with_limits(Limits::of_request(PATIENCE))
            .with_activity(activity.clone())
            .counting_writes(catalogue_writes);
        Ok(Self {
            recommend,
            activity,
            archiver: Archiver::new(stores.objects.clone()),
            worker: Worker::new(raw, system::clock()).with_keys(&keys),
            positions: Mutex::new(Positions::read(directory)?),
            embedded,
            stores,
            pseudonymiser: keys,
        })
    }

    /// Opens the world in a directory that has one.
    ///
    /// # Errors
    /// When there is none, and as for [`LocalWorld::open`].
    pub async fn open_existing(directory: &Path) -> Result<Self> {
        ensure_exists(directory)?;
        Self::open(directory).await
    }

    /// What stands for a user of a domain.
    pub(crate) fn pseudonym(&self, domain: &DomainId, user: &UserId) -> Pseudonym {
        self.pseudonymiser.pseudonym(domain, user)
    }

    /// Whether pseudonyms are made with this version of the key.
    pub(crate) fn is_current_key(&self, version: u32) -> bool {
        self.pseudonymiser.current() == version
    }

    /// The versions of the key under which nothing is looked up any more.
    pub(crate) fn retired_keys(&self) -> BTreeSet<u32> {
        let keys = &self.pseudonymiser;
        keys.versions().filter(|version| keys.is_retired(*version)).collect()
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    pub(crate) fn archiver(&self) -> &Archiver {
        &self.archiver
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// What campaigns tell users of, handed to a channel.
    pub(crate) fn campaigns(&self, channel: Arc<dyn PushChannel>) -> Campaigns {
        Campaigns::new(self.recommend.clone(), channel)
    }

    /// Every route, called by the development caller.
    pub fn router(&self) -> Router {
        let (stores, clock) = (self.stores.clone(), system::clock());
        let keys = || self.pseudonymiser.clone();
        let activity = || self.activity.clone();
        let recommend = self.recommend.clone();
        let training = TrainingState {
            records: stores.records.clone(),
            objects: stores.objects.clone(),
            activity: stores.activity.clone(),
            clock,
            tuning: TuningOrder::ByDefault,
        };
        let ingest = IngestState::new(stores.clone(), keys(), system::machine())
            .for_development()
            .with_activity(activity());
        let feedback =
            FeedbackState::new(stores, keys(), system::machine()).with_activity(activity());
        let routes = crossfold_ingest::routes()
            .with_state(ingest)
            .merge(crossfold_recommend::routes().with_state(recommend))
            .merge(crossfold_feedback::routes().with_state(feedback))
            .merge(crossfold_train::routes().with_state(training));
        router::complete(routes).layer(middleware::from_fn(as_development_caller))
    }

    /// Every route, and the console.
    pub(crate) fn router_with_console(&self) -> Router {
        self.router().merge(console::router())
    }

    /// A client of every route.
    #[must_use]
    pub fn client(&self) -> ApiClient {
        ApiClient::new(self.router())
    }

    /// Writes the activity that is held back.
    pub(crate) async fn write_activity(&self) {
        self.activity.write().await;
    }

    /// Carries everything in the streams to its function, and says how many
    /// records that were. Ordered training runs are looked up first and carried
    /// out last, so that a run finds everything posted before it in the archive.
    ///
    /// # Errors
    /// When a function fails; what it did not handle is carried again next time.
    pub async fn carry_streams(&self) -> Result<usize> {
        self.activity.write().await;
        let config = self.embedded.storage_config();
        let control = config.control_table.name()?;
        let mut positions = self.positions.lock().await;
        let ordered = self.pending(control, &positions).await?;
        let mut carried = ordered.len();
        for table in [config.events_table.name()?, config.decisions_table.name()?] {
            loop {
                let records = self.pending(table, &positions).await?;
                if records.is_empty() {
                    break;
                }
                carried += records.len();
                self.carry(table, Consumer::Archive, records, &mut positions).await?;
            }
        }
        self.carry(control, Consumer::Train, ordered, &mut positions).await?;
        Ok(carried)
    }

    /// The next records of a stream that were not carried yet.
    async fn pending(&self, table: &str, positions: &Positions) -> Result<Vec<StreamRecord>> {
        read_batch(&self.embedded.stream_tail(), table, positions.of(table)).await
    }

    async fn carry(
        &self,
        table: &str,
        consumer: Consumer,
        records: Vec<StreamRecord>,
        positions: &mut Positions,
    ) -> Result<()> {
        let Some(last) = records.last().and_then(sequence_number) else {
            return Ok(());
        };
        self.deliver(consumer, records).await?;
        // Advanced only now: what was not handled is delivered again.
        positions.advance(table, &last)?;
        let (tail, table) = (self.embedded.stream_tail(), table.to_owned());
        tokio::task::spawn_blocking(move || tail.trim(&table, &last)).await??;
        Ok(())
    }

    async fn deliver(&self, consumer: Consumer, records: Vec<StreamRecord>) -> Result<()> {
        match consumer {
            Consumer::Archive => {
                self.archiver.archive(StreamBatch { records }).await?;
            }
            Consumer::Train => match self.worker.handle(Trigger::Stream { records }).await {
                // Its record says so, and nothing is to be delivered again.
                Err(WorkerError::RunFailed { .. }) => {}
                other => other?,
            },
        }
        Ok(())
    }
}

/// Demands that a directory has a world: what only looks must not make one, nor answer for
/// one that nobody meant.
pub(crate) fn ensure_exists(directory: &Path) -> Result<()> {
    let key = directory.join(pseudonym_key::KEY_FILE);
    anyhow::ensure!(
        key.exists() || data_files::are_in(directory)?,
        "there are no data of crossfold in {} (see --data-dir)",
        directory.display()
    );
    Ok(())
}

async fn as_development_caller(mut request: Request, next: Next) -> axum::response::Response {
    request.extensions_mut().insert(Caller::development());
    next.run(request).await
}

async fn read_batch(
    tail: &Arc<StreamTail>,
    table: &str,
    after: Option<String>,
) -> Result<Vec<StreamRecord>> {
    let (tail, table) = (tail.clone(), table.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut after = after;
        let mut records = Vec::new();
        while records.len() < BATCH {
            let page = tail.records_after(&table, after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { break };
            after = sequence_number(last);
            records.extend(page);
        }
        Ok(records)
    })
    .await?
}

fn sequence_number(record: &StreamRecord) -> Option<String> {
    record.sequence_number().map(str::to_owned)
}

/// How far each stream was carried, on file.
struct Positions {
    path: PathBuf,
    by_table: BTreeMap<String, String>,
}

impl Positions {
    fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("stream-positions.json");
        private_files::close_to_others(&path)?;
        let by_table = match std::fs::read(&path) {
            // What was carried and is carried again changes nothing.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let path = path.display();
                output::warn(format_args!(
                    "crossfold: {path} cannot be read ({error}): the streams are carried again"
                ));
                BTreeMap::new()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path, by_table })
    }

    fn of(&self, table: &str) -> Option<String> {
        self.by_table.get(table).cloned()
    }

    fn advance(&mut self, table: &str, position: &str) -> Result<()> {
        self.by_table.insert(table.to_owned(), position.to_owned());
        let temporary = self.path.with_extension("tmp");
        let mut file = private_files::create(&temporary)?;
        file.write_all(&serde_json::to_vec(&self.by_table)?)?;
        // Before the name: after a loss of power there is the old text or the new.
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        Ok(())
    }
}
