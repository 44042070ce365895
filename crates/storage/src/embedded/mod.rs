//! DynamoDB- and S3-compatible servers inside this process, on the loopback
//! interface and on files in one data directory, for the production adapter to
//! talk to.
//!
//! - `dynamodb.sqlite`: the tables ([dynoxide](https://docs.rs/dynoxide-rs)).
//! - `s3/<bucket>/<key>`: the objects, each a plain file.
//! - `lock`: held by the one process that may use the directory.
//!
//! A write is answered once the operating system has it, so the end of the
//! process, however sudden, takes nothing back. A loss of power may take the
//! last moments of the tables (objects are on the disk when they are answered);
//! this is storage for development, and the cloud's has no such limit.

mod bulk_events;
mod data_directory;
mod disk_s3;
mod endpoints;
mod stream_tail;

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use crossfold_core::entities::ports::{StoreError, Stores};
use dynoxide::Database;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::aws::{self, StorageConfig};
use bulk_events::BulkEvents;
use data_directory::DataDirectory;
use disk_s3::DiskS3;
pub use stream_tail::StreamTail;

/// Begins the names of the tables and the bucket.
const NAME_PREFIX: &str = "crossfold";

/// DynamoDB calls run to their end on the thread that took them, waiting for
/// the disk and for one another: more threads than that would not help, and
/// none of them is the caller's.
const SERVER_THREADS: usize = 4;

/// How often expired records are deleted.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Why the servers did not start, or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another process uses the data directory.
    #[error("the data directory {0} is in use by another process")]
    InUse(PathBuf),
    /// A file or socket could not be used.
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

/// The running servers. They stop when it is dropped.
pub struct Embedded {
    runtime: Option<Runtime>,
    sdk: SdkConfig,
    config: StorageConfig,
    stream_tail: Arc<StreamTail>,
    database: Database,
    /// Held by who appends events, of all stores.
    appending: Arc<Mutex<()>>,
}

impl Embedded {
    /// Starts the servers on a data directory, which is made when there is
    /// none, and makes the tables and the bucket.
    ///
    /// # Errors
    /// [`EmbeddedError::InUse`] while another process holds the directory, and
    /// the others as they say.
    pub async fn start(directory: &Path) -> Result<Self, EmbeddedError> {
        let directory = Arc::new(DataDirectory::lock(directory)?);
        let database = open_database(&directory.database_path())?;
        let stream_tail = Arc::new(StreamTail::new(database.clone(), &directory.database_path())?);
        let disk = DiskS3::new(Arc::clone(&directory))?;
        let runtime = runtime()?;
        let dynamodb = serve_dynamodb(&runtime, database.clone()).await?;
        let secret_key = random_secret();
        let s3 = serve_s3(&runtime, s3_service(disk, &secret_key)).await?;
        runtime.spawn(expire_records(database.clone()));
        let sdk = endpoints::sdk_config(&dynamodb, &s3, &secret_key);
        let config = StorageConfig::with_prefix(NAME_PREFIX);
        // Made before the wait, so that the servers stop should it fail.
        let embedded = Self {
            runtime: Some(runtime),
            sdk,
            config,
            stream_tail,
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

    /// How to reach the servers.
    #[must_use]
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The names of the tables and the bucket.
    #[must_use]
    pub fn storage_config(&self) -> &StorageConfig {
        &self.config
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

/// Binds a free port of the loopback interface on the servers' runtime, and
/// gives its URL.
async fn bind(runtime: &Runtime) -> Result<(TcpListener, String), EmbeddedError> {
    let bound = runtime.spawn(TcpListener::bind("127.0.0.1:0")).await;
    let bound = bound.map_err(std::io::Error::other).and_then(|outcome| outcome);
    let with_address = bound.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, format!("http://{address}")))
    });
    with_address.map_err(|source| io_error("a loopback port", source))
}

async fn serve_dynamodb(runtime: &Runtime, database: Database) -> Result<String, EmbeddedError> {
    let (listener, url) = bind(runtime).await?;
    runtime.spawn(async move {
        let served = dynoxide::server::serve_with_shutdown(listener, database, pending()).await;
        if let Err(error) = served {
            tracing::error!(error, "the embedded DynamoDB server stopped");
        }
    });
    Ok(url)
}

fn random_secret() -> String {
    data_encoding::HEXLOWER.encode(&rand::random::<[u8; 16]>())
}

/// The S3 server answers those alone who know the secret key of this start;
/// the DynamoDB server wants a signature but does not check it.
fn s3_service(disk: DiskS3, secret_key: &str) -> S3Service {
    let mut builder = S3ServiceBuilder::new(disk);
    builder.set_auth(SimpleAuth::from_single(endpoints::ACCESS_KEY, secret_key));
    builder.build()
}

async fn serve_s3(runtime: &Runtime, service: S3Service) -> Result<String, EmbeddedError> {
    let (listener, url) = bind(runtime).await?;
    runtime.spawn(accept_s3(listener, service));
    Ok(url)
}

async fn accept_s3(listener: TcpListener, service: S3Service) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the embedded S3 server cannot accept a connection");
                // Out of file descriptors, most likely: others may close some.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = service.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an embedded S3 connection ended early");
            }
        });
    }
}

/// Deletes expired records now and then, as DynamoDB does by itself.
async fn expire_records(database: Database) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        interval.tick().await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "expired records could not be deleted");
        }
    }
}
