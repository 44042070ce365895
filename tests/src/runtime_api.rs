//! The Lambda Runtime API: hands invocations to one real bootstrap binary.
//!
//! See "Using the Lambda runtime API" in AWS's documentation: the process asks
//! for `…/invocation/next`, works, and posts to `…/{id}/response` or `…/{id}/error`.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long a process may take to ask for its first invocation.
const INIT_TIMEOUT: Duration = Duration::from_secs(60);

/// How an execution environment is made.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The function's name.
    pub function: String,
    /// The bootstrap binary.
    pub binary: PathBuf,
    /// The function's memory in megabytes, which it is told.
    pub memory: u64,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The function's environment variables.
    pub variables: Vec<(String, String)>,
    /// Where the process's output goes.
    pub log: PathBuf,
}

/// Why an invocation gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// `errorType`.
    pub kind: String,
    /// `errorMessage`.
    pub message: String,
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for FunctionError {}

type Answer = Result<Bytes, FunctionError>;

struct Invocation {
    id: String,
    payload: Bytes,
}

struct Server {
    arn: String,
    timeout: Duration,
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    first_asked_at: OnceLock<Instant>,
    asked: Notify,
}

/// An execution environment: one process that handles one invocation at a
/// time. The process is killed when this is dropped.
pub struct Environment {
    launch: Launch,
    process: Child,
    server: Arc<Server>,
    invocations: mpsc::UnboundedSender<Invocation>,
    serving: JoinHandle<()>,
    cold_start: Duration,
}

impl Environment {
    /// Starts the process and waits until it asks for work.
    ///
    /// # Errors
    /// When it does not; the message holds what it wrote.
    pub async fn start(launch: Launch) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (invocations, queue) = mpsc::unbounded_channel();
        let server = Arc::new(Server {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}", launch.function),
            timeout: launch.timeout,
            queue: queue.into(),
            waiting: Mutex::default(),
            first_asked_at: OnceLock::new(),
            asked: Notify::new(),
        });
        let router = router(server.clone());
        let serving = tokio::spawn(async move {
            // It ends with the environment; there is nobody to tell before.
            let _ = axum::serve(listener, router).await;
        });
        let started_at = Instant::now();
        let process = spawn(&launch, &address)?;
        let cold_start = Duration::ZERO;
        let mut started = Self { launch, process, server, invocations, serving, cold_start };
        started.cold_start = started.wait_until_asked().await? - started_at;
        Ok(started)
    }

    /// From the start of the process to its first question for work.
    #[must_use]
    pub fn cold_start(&self) -> Duration {
        self.cold_start
    }

    async fn wait_until_asked(&mut self) -> anyhow::Result<Instant> {
        tokio::select! {
            () = self.server.asked.notified() => {}
            status = self.process.wait() => {
                bail!("{} ended with {}: {}", self.launch.function, status?, self.log());
            }
            () = tokio::time::sleep(INIT_TIMEOUT) => {
                bail!("{} does not ask for work: {}", self.launch.function, self.log());
            }
        }
        self.server.first_asked_at.get().copied().context("asked without a time")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.launch.log).unwrap_or_default()
    }

    /// Hands the process one invocation and gives its answer.
    ///
    /// # Errors
    /// The function's own error, or Lambda's when the process ended
    /// (`Runtime.ExitError`) or took too long (`Sandbox.Timedout`); after these
    /// two the environment is of no more use.
    pub async fn invoke(&mut self, payload: Vec<u8>) -> Result<Value, FunctionError> {
        let (answered, answer) = oneshot::channel();
        let id = uuid::Uuid::now_v7().to_string();
        self.server.waiting.lock().unwrap().insert(id.clone(), answered);
        let failed = |kind: &str, message: String| FunctionError { kind: kind.into(), message };
        let invocation = Invocation { id, payload: payload.into() };
        if self.invocations.send(invocation).is_err() {
            return Err(failed("Runtime.ExitError", "the Runtime API has ended".into()));
        }
        let bytes = tokio::select! {
            answer = answer => match answer {
                Ok(answer) => answer?,
                Err(_) => return Err(failed("Runtime.ExitError", "no answer".into())),
            },
            status = self.process.wait() => {
                let message = format!("the process ended ({status:?}): {}", self.log());
                return Err(failed("Runtime.ExitError", message));
            }
            () = tokio::time::sleep(self.launch.timeout) => {
                let message = format!("timed out after {:?}", self.launch.timeout);
                return Err(failed("Sandbox.Timedout", message));
            }
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| failed("Runtime.InvalidResponse", error.to_string()))
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts the process with the variables that Lambda sets and nothing of ours.
fn spawn(launch: &Launch, address: &str) -> anyhow::Result<Child> {
    let log = std::fs::File::create(&launch.log)?;
    Command::new(&launch.binary)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", &launch.function)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", launch.memory.to_string())
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", &launch.function)
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("_HANDLER", "bootstrap")
        .envs(launch.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} does not start", launch.binary.display()))
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .layer(DefaultBodyLimit::disable())
        .with_state(server)
}

async fn next(State(server): State<Arc<Server>>) -> impl IntoResponse {
    if server.first_asked_at.set(Instant::now()).is_ok() {
        server.asked.notify_one();
    }
    let Some(invocation) = server.queue.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let deadline = Timestamp::now() + server.timeout;
    let headers = AppendHeaders([
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", deadline.as_millisecond().to_string()),
        ("lambda-runtime-invoked-function-arn", server.arn.clone()),
        ("lambda-runtime-trace-id", "Root=1-5e1b4151-5ac6c58f5bd3f1a8c9a5e5a4".to_owned()),
    ]);
    Ok((headers, invocation.payload))
}

async fn response(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    server.answer(&id, Ok(body))
}

async fn error(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    server
        .answer(&id, Err(FunctionError { kind: text("errorType"), message: text("errorMessage") }))
}

impl Server {
    fn answer(&self, id: &str, answer: Answer) -> StatusCode {
        match self.waiting.lock().unwrap().remove(id).map(|waiting| waiting.send(answer)) {
            Some(Ok(())) => StatusCode::ACCEPTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
