//! The local server: the real `crossfold serve` on a directory of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use bytes::Bytes;
use crossfold_storage::pseudonym_key::KEY_FILE;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::api::{ApiRequest, ApiResponse};
use crate::binaries::binary;
use crate::http_client::HttpClient;
use crate::world::{self, World};

/// What the server's first line begins with.
const GREETING: &str = "Crossfold listens on ";
/// How long it may take to start, a demonstration's model made.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// Where the bucket lies in the data directory.
const BUCKET: &str = "s3/crossfold-data";

/// A local server of its own. It is killed when this is dropped.
pub struct Local {
    process: Child,
    client: HttpClient,
    directory: tempfile::TempDir,
}

impl Local {
    /// Starts a server on an empty directory.
    ///
    /// # Errors
    /// When it does not come up; the message says what it wrote.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&["serve"], &[]).await
    }

    /// The same, handing what campaigns tell to a webhook, with a secret.
    ///
    /// # Errors
    /// As for [`Local::start`].
    pub async fn start_with_webhook(url: &str, secret: &str) -> anyhow::Result<Self> {
        let secret = [("CROSSFOLD_WEBHOOK_SECRET", secret)];
        Self::start_with(&["serve", "--webhook", url], &secret).await
    }

    async fn start_with(command: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        std::fs::create_dir(&data)?;
        std::fs::write(data.join(KEY_FILE), world::pseudonym_key())?;
        let (process, client) = launch(directory.path(), command, variables).await?;
        Ok(Self { process, client, directory })
    }

    /// Starts the demonstration of so many people, which serves once its model is made.
    ///
    /// # Errors
    /// As for [`Local::start`].
    pub async fn start_demonstration(people: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let command = ["demo", "--people", &people.to_string()];
        let (process, client) = launch(directory.path(), &command, &[]).await?;
        Ok(Self { process, client, directory })
    }

    /// Ends the process without a warning, as a loss of power would.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Starts the server again on the same directory.
    ///
    /// # Errors
    /// As for [`Local::start`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill().await?;
        (self.process, self.client) = launch(self.directory.path(), &["serve"], &[]).await?;
        Ok(())
    }

    /// A client that outlives a restart of the server, but is not answered after it.
    #[must_use]
    pub fn client(&self) -> HttpClient {
        self.client.clone()
    }
}

async fn launch(
    directory: &Path,
    command: &[&str],
    variables: &[(&str, &str)],
) -> anyhow::Result<(Child, HttpClient)> {
    let log = directory.join("stderr.log");
    let mut process = Command::new(binary("crossfold")?)
        .env_clear()
        .envs(variables.iter().copied())
        .args(command)
        .args(["--port", "0", "--data-dir"])
        .arg(directory.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log)?)
        .kill_on_drop(true)
        .spawn()?;
    let output = process.stdout.take().context("no output")?;
    let mut lines = BufReader::new(output).lines();
    let url = tokio::time::timeout(START_TIMEOUT, read_url(&mut lines)).await;
    let Ok(Ok(url)) = url else {
        let written = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("crossfold {command:?} does not start ({url:?}): {written}");
    };
    // Read on: a server whose output nobody reads would stand still.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((process, HttpClient::new(url)))
}

async fn read_url(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<String> {
    while let Some(line) = lines.next_line().await? {
        if let Some(url) = line.strip_prefix(GREETING) {
            return Ok(url.trim().to_owned());
        }
    }
    bail!("it ended")
}

/// Makes a call of a local server, which knows no tokens.
///
/// # Errors
/// When there is no answer.
pub async fn call(client: &HttpClient, request: ApiRequest) -> anyhow::Result<ApiResponse> {
    let target = request.target();
    let body = request.body.unwrap_or_default();
    let (status, headers, body) =
        client.send(request.method.as_str(), &target, &request.headers, body).await?;
    Ok(ApiResponse::new(status.as_u16(), headers, &body))
}

#[async_trait]
impl World for Local {
    fn checks_tokens(&self) -> bool {
        false
    }

    async fn call(&self, request: ApiRequest) -> anyhow::Result<ApiResponse> {
        call(&self.client, request).await
    }

    async fn carry_streams(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn forget_what_is_cached(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn archive(&self, prefix: &str) -> anyhow::Result<BTreeMap<String, Bytes>> {
        let bucket = self.directory.path().join("data").join(BUCKET);
        let mut files = BTreeMap::new();
        for path in files_below(&bucket.join(prefix))? {
            // A file may be replaced between the listing and the reading, not go away.
            let key = path.strip_prefix(&bucket)?.to_string_lossy().into_owned();
            files.insert(key, std::fs::read(&path)?.into());
        }
        Ok(files)
    }
}

fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                files.push(path);
            }
        }
    }
    Ok(files)
}
