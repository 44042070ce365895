//! [ministack](https://pypi.org/project/ministack/): AWS's services in one
//! process, written by others, for the tests to run against.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::python;

/// Names a Python that has ministack.
pub const PYTHON_VARIABLE: &str = "CROSSFOLD_MINISTACK";

/// What `tests/run` calls that Python's environment.
const ENVIRONMENT: &str = "test";

/// How long it may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// How often a port may turn out to be taken by another program.
const START_ATTEMPTS: usize = 3;

/// A ministack of its own on a free port of the loopback interface. It is
/// killed when this is dropped.
pub struct Ministack {
    process: Child,
    python: PathBuf,
    port: u16,
    /// Its files: everything it keeps ends with it.
    _directory: tempfile::TempDir,
}

impl Ministack {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When there is none to start, or it does not come up; the message says
    /// what to do or what it said.
    pub async fn start() -> anyhow::Result<Self> {
        let python = python::find(PYTHON_VARIABLE, ENVIRONMENT)?;
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match Self::start_once(&python).await {
                Ok(started) => return Ok(started),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no attempt to start ministack was made")))
    }

    async fn start_once(python: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        let log = directory.path().join("log");
        let output = std::fs::File::create(&log)?;
        let process = Command::new(python)
            .args(["-m", "ministack"])
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AWS_ENDPOINT_URL", endpoint(port))
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("LOG_LEVEL", "WARNING")
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", python.display()))?;
        let python = python.to_owned();
        let mut started = Self { process, python, port, _directory: directory };
        started.wait_until_healthy(&log).await?;
        Ok(started)
    }

    async fn wait_until_healthy(&mut self, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                bail!("ministack ended with {status}: {}", tail(log));
            }
            if is_healthy(self.port).await.unwrap_or(false) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("ministack did not answer within {START_TIMEOUT:?}: {}", tail(log))
    }

    /// Its URL, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// Its process, the parent of the functions that it runs.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The Python that runs it.
    #[must_use]
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// A configuration of the SDK that reaches it.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        sdk_config(&self.endpoint())
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A configuration of the SDK for a server that stands in for AWS.
#[must_use]
pub fn sdk_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

async fn is_healthy(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = "GET /_ministack/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(&status == b"HTTP/1.1 200")
}

/// The end of what it wrote, to explain why it is not there.
fn tail(log: &Path) -> String {
    let mut text = String::new();
    let read = std::fs::File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    if read.is_err() {
        return "its output cannot be read".into();
    }
    let from = text.char_indices().rev().nth(2_000).map_or(0, |(index, _)| index);
    text[from..].to_owned()
}
