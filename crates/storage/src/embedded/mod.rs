//! What answers as DynamoDB and S3 do, inside this process and on files in one
//! data directory, for the production adapter to talk to. There is no socket:
//! nobody but this process can reach it (`in_process`).
//!
//! - `dynamodb.sqlite`: the tables ([dynoxide](https://docs.rs/dynoxide-rs)).
//! - `s3/<bucket>/<key>`: the objects, each a plain file.
//! - `lock`: held by the one process that may use the directory.
//! - `scrub-due`: there while something that was deleted may still lie in the database's files.
//!
//! A write is answered once the operating system has it, so the end of the
//! process, however sudden, takes nothing back. A loss of power may take the
//! last moments of the tables (objects are on the disk when they are answered);
//! this is storage for development, and the cloud's has no such limit.

mod bulk_events;
mod data_directory;
mod disk_s3;
mod dynamodb;
mod in_process;
mod scrub;
mod stream_tail;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use crossfold_core::entities::ports::{StoreError, Stores};
use dynoxide::Database;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::aws::{self, StorageConfig};
use crate::private_files;
use bulk_events::BulkEvents;
use data_directory::DataDirectory;
use disk_s3::DiskS3;
use in_process::{InProcess, Servers};
use scrub::Scrubber;
pub use stream_tail::StreamTail;

/// Begins the names of the tables and the bucket.
const NAME_PREFIX: &str = "crossfold";

/// DynamoDB calls run to their end on the thread that took them, waiting for
/// the disk and for one another: more threads than that would not help, and
/// none of them is the caller's.
const SERVER_THREADS: usize = 4;

/// How often expired records are deleted.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Why the storage did not start, or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another process uses the data directory.
    #[error("the data directory {0} is in use by another process")]
    InUse(PathBuf),
    /// There are objects, but not the tables that belong to them.
    #[error(
        "{0} is not there, or empty, but there are objects beside it: without its tables nobody's \
         consents and erasures are known; bring it back from where it is kept, or begin anew in \
         another directory"
    )]
    NoTables(PathBuf),
    /// A file could not be used.
    #[error("{what} cannot be used: {source}")]
    Io {
        /// What.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database could not be used.
    #[error("the embedded database failed: {0}")]
    Database(String),
    /// The tables could not be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The storage at work. It stops when this is dropped.
pub struct Embedded {
    runtime: Option<Runtime>,
    /// Those that answer. Whoever calls has no more than a way to them, which ends with this.
    _servers: Arc<Servers>,
    scrubber: Arc<Scrubber>,
    sdk: SdkConfig,
    config: StorageConfig,
    stream_tail: Arc<StreamTail>,
    database: Database,
    /// Held by who appends events, of all stores.
    appending: Arc<Mutex<()>>,
}

impl Embedded {
    /// Starts on a data directory, which is made when there is none, and makes the
    /// tables and the bucket.
    ///
    /// # Errors
    /// [`EmbeddedError::InUse`] while another process holds the directory,
    /// [`EmbeddedError::NoTables`] when the tables are gone, and the others as they say.
    pub async fn start(directory: &Path) -> Result<Self, EmbeddedError> {
        let directory = Arc::new(DataDirectory::lock(directory)?);
        let path = directory.database_path();
        if directory.has_objects_alone()? {
            return Err(EmbeddedError::NoTables(path));
        }
        let database = open_database(&path)?;
        let scrub_due = directory.scrub_due_path();
        let scrubber = Arc::new(Scrubber::new(database.clone(), &path, scrub_due)?);
        let stream_tail = StreamTail::new(database.clone(), &path, Arc::clone(&scrubber))?;
        let disk = DiskS3::new(Arc::clone(&directory))?;
        let runtime = runtime()?;
        let secret_key = random_secret();
        let servers = Arc::new(Servers {
            database: database.clone(),
            s3: s3_service(disk, &secret_key),
            scrubber: Arc::clone(&scrubber),
        });
        runtime.spawn(expire_records(database.clone(), Arc::clone(&scrubber)));
        runtime.spawn(scrub::scrub_for_ever(Arc::clone(&scrubber)));
        let way = InProcess::to(&servers, runtime.handle());
        let sdk = in_process::sdk_config(way, &secret_key);
        let config = StorageConfig::with_prefix(NAME_PREFIX);
        // Made before the wait, so that all stops should it fail.
        let embedded = Self {
            runtime: Some(runtime),
            _servers: servers,
            scrubber,
            sdk,
            config,
            stream_tail: Arc::new(stream_tail),
            database,
            appending: Arc::default(),
        };
        aws::schema::provision(&embedded.sdk, &embedded.config).await?;
        Ok(embedded)
    }

    /// Every port, by the production adapter; batches of events by transactions of the
    /// embedded database.
    #[must_use]
    pub fn stores(&self) -> Stores {
        let mut stores = aws::stores(&self.sdk, &self.config);
        if let Ok(table) = self.config.events_table.name() {
            stores.events = Arc::new(BulkEvents {
                adapter: stores.events,
                database: self.database.clone(),
                table: table.to_owned(),
                retention: self.config.event_retention,
                appending: Arc::clone(&self.appending),
            });
        }
        stores
    }

    /// How to reach it.
    #[must_use]
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The names of the tables and the bucket.
    #[must_use]
    pub fn storage_config(&self) -> &StorageConfig {
        &self.config
    }

    /// Leaves nothing of what was deleted until now in the database's files. It is done
    /// without a call too, within moments of a deletion; who must know that it was done
    /// calls.
    ///
    /// # Errors
    /// [`EmbeddedError::Database`] or [`EmbeddedError::Io`].
    pub async fn scrub(&self) -> Result<(), EmbeddedError> {
        let scrubber = Arc::clone(&self.scrubber);
        let scrubbed = tokio::task::spawn_blocking(move || scrubber.scrub()).await;
        scrubbed.map_err(database_error)?
    }

    /// What was written to the tables that have a stream.
    #[must_use]
    pub fn stream_tail(&self) -> Arc<StreamTail> {
        Arc::clone(&self.stream_tail)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The drop of a runtime waits for its tasks, which async code must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn io_error(what: impl std::fmt::Display, source: std::io::Error) -> EmbeddedError {
    EmbeddedError::Io { what: what.to_string(), source }
}

fn open_database(path: &Path) -> Result<Database, EmbeddedError> {
    let text = path.to_str().ok_or_else(|| {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidFilename);
        io_error(path.display(), source)
    })?;
    // What SQLite puts beside the file has the mode of the file.
    let made = private_files::options().write(true).create(true).truncate(false).open(path);
    made.map_err(|source| io_error(path.display(), source))?;
    Database::new(text).map_err(database_error)
}

fn database_error(error: impl std::fmt::Display) -> EmbeddedError {
    EmbeddedError::Database(error.to_string())
}

fn runtime() -> Result<Runtime, EmbeddedError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVER_THREADS)
        .thread_name("embedded-storage")
        .enable_all()
        .build()
        .map_err(|source| io_error("a thread", source))
}

fn random_secret() -> String {
    data_encoding::HEXLOWER.encode(&rand::random::<[u8; 16]>())
}

/// S3 for those alone who sign with the secret key of this start.
fn s3_service(disk: DiskS3, secret_key: &str) -> S3Service {
    let mut builder = S3ServiceBuilder::new(disk);
    builder.set_auth(SimpleAuth::from_single(in_process::ACCESS_KEY, secret_key));
    builder.build()
}

/// Deletes expired records now and then, as DynamoDB does by itself.
async fn expire_records(database: Database, scrubber: Arc<Scrubber>) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        interval.tick().await;
        let (database, scrubber) = (database.clone(), Arc::clone(&scrubber));
        let swept = tokio::task::spawn_blocking(move || {
            if database.sweep_ttl().map_err(database_error)? > 0 {
                scrubber.deleting().map_err(database_error)?;
            }
            Ok::<_, EmbeddedError>(())
        });
        if let Ok(Err(error)) = swept.await {
            tracing::warn!(%error, "expired records could not be deleted");
        }
    }
}
