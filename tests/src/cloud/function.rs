//! A deployed function: execution environments made when they are needed and
//! kept for the next invocation.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::binaries::binary;
use crate::deployment::FunctionSpec;
use crate::runtime_api::{Environment, FunctionError, Launch};

/// The most environments of a function that the template does not limit.
const DEFAULT_CONCURRENCY: usize = 4;

/// A function.
pub struct Function {
    launch: Launch,
    logs: PathBuf,
    permits: Semaphore,
    idle: Mutex<Vec<Environment>>,
    started: AtomicUsize,
    cold_starts: Mutex<Vec<Duration>>,
}

impl Function {
    /// A function without an environment yet, whose output goes to a folder.
    pub(super) fn new(
        name: &str,
        spec: &FunctionSpec,
        variables: &[(String, String)],
        logs: PathBuf,
    ) -> anyhow::Result<Self> {
        let launch = Launch {
            function: name.to_owned(),
            binary: binary(&spec.binary)?,
            memory: spec.memory,
            timeout: spec.timeout,
            variables: [&spec.variables, variables].concat(),
            log: PathBuf::new(),
        };
        Ok(Self {
            launch,
            logs,
            permits: Semaphore::new(spec.concurrency.unwrap_or(DEFAULT_CONCURRENCY)),
            idle: Mutex::default(),
            started: AtomicUsize::new(0),
            cold_starts: Mutex::default(),
        })
    }

    /// Invokes the function in an idle environment, or else in a new one.
    ///
    /// # Errors
    /// The outer error when no environment can be started; the inner one is
    /// the function's.
    pub async fn invoke(&self, event: &Value) -> anyhow::Result<Result<Value, FunctionError>> {
        let _permit = self.permits.acquire().await?;
        let idle = self.idle.lock().unwrap().pop();
        let mut environment = match idle {
            Some(environment) => environment,
            None => self.start().await?,
        };
        let answer = environment.invoke(serde_json::to_vec(event)?).await;
        let is_usable = !matches!(&answer, Err(error) if error.kind == "Sandbox.Timedout");
        if is_usable && environment.is_alive() {
            self.idle.lock().unwrap().push(environment);
        }
        Ok(answer)
    }

    async fn start(&self) -> anyhow::Result<Environment> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.logs.join(format!("{}-{number}.log", self.launch.function));
        let environment = Environment::start(Launch { log, ..self.launch.clone() }).await?;
        self.cold_starts.lock().unwrap().push(environment.cold_start());
        Ok(environment)
    }

    /// Ends the idle environments: the next invocation is a cold start.
    pub fn recycle(&self) {
        self.idle.lock().unwrap().clear();
    }

    /// How long each start took until the process asked for work.
    #[must_use]
    pub fn cold_starts(&self) -> Vec<Duration> {
        self.cold_starts.lock().unwrap().clone()
    }
}
