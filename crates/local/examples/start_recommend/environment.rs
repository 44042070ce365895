//! An execution environment: the function's real binary behind the Lambda Runtime API, which hands
//! it one invocation after another.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::{Path as Segments, State};
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// How long the process may take to ask for its first invocation, or to answer one.
const LIMIT: Duration = Duration::from_secs(60);

struct Shared {
    queue: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    asked: mpsc::UnboundedSender<Instant>,
    answers: mpsc::UnboundedSender<(Instant, Bytes)>,
}

/// The process, which is killed when this is dropped.
pub(crate) struct Environment {
    process: Child,
    serving: JoinHandle<()>,
    queue: mpsc::UnboundedSender<Bytes>,
    answers: mpsc::UnboundedReceiver<(Instant, Bytes)>,
    /// From the start of the process to its first question for work.
    pub(crate) init: Duration,
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Environment {
    /// Starts the process, and waits until it asks for work.
    pub(crate) async fn start(binary: &Path, variables: &[(String, String)]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (queue, queued) = mpsc::unbounded_channel();
        let (asked, mut was_asked) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let shared = Shared { queue: queued.into(), asked, answers: answered };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answer))
            .with_state(Arc::new(shared));
        let serving = tokio::spawn(async move {
            // It ends with the environment; there is nobody to tell before.
            let _ = axum::serve(listener, router).await;
        });
        let started = Instant::now();
        let mut process = Command::new(binary)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "recommend")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("_HANDLER", "bootstrap")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        let asked = tokio::select! {
            asked = was_asked.recv() => asked.context("nobody asks")?,
            status = process.wait() => bail!("the function ended: {}", status?),
            () = tokio::time::sleep(LIMIT) => bail!("the function does not ask for work"),
        };
        Ok(Self { process, serving, queue, answers, init: asked - started })
    }

    /// One invocation: how long it took, and the body that was answered with 200.
    pub(crate) async fn invoke(&mut self, event: Vec<u8>) -> Result<(Duration, Value)> {
        let began = Instant::now();
        self.queue.send(event.into())?;
        let answered = tokio::time::timeout(LIMIT, self.answers.recv()).await;
        let (at, answer) = answered.context("no answer in time")?.context("no answer")?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["statusCode"] == 200, "{answer}");
        let body = answer["body"].as_str().context("an answer without a body")?;
        Ok((at - began, serde_json::from_str(body)?))
    }

    /// Processor time of the process's threads so far, those that have ended left out.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let id = self.process.id().context("the process has ended")?;
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread may end between the two.
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            nanoseconds += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Megabytes that the process has in memory, and the most that it ever had.
    pub(crate) fn megabytes(&self) -> Result<(f64, f64)> {
        let id = self.process.id().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let of = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.split_whitespace().next());
            Ok(kilobytes.context("no such line")?.parse::<f64>()? / 1024.0)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    // Whoever waits for this has gone when it is asked again.
    let _ = shared.asked.send(Instant::now());
    let Some(event) = shared.queue.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let deadline = Timestamp::now() + SignedDuration::from_secs(10);
    let headers = AppendHeaders([
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", uuid()),
        ("lambda-runtime-deadline-ms", deadline.as_millisecond().to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:recommend".to_owned(),
        ),
        ("lambda-runtime-trace-id", "Root=1-5e1b4151-5ac6c58f5bd3f1a8c9a5e5a4".to_owned()),
    ]);
    Ok((headers, event))
}

fn uuid() -> String {
    crossfold_edge::system::ids().fresh().to_string()
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Segments((_, kind)): Segments<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let body = if kind == "response" { body } else { Bytes::from_static(b"{}") };
    match shared.answers.send((Instant::now(), body)) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}
