//! The state machine that trains beyond one machine: the definition that the
//! template deploys, run by ministack's interpreter, with the real `shard`
//! binary as its function, and the rule that tells that function of failures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use crossfold_core::entities::ids::TrainingRunId;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::binaries::binary;
use crate::cloud::aws_api::AwsApi;
use crate::deployment::FunctionSpec;
use crate::http_client::HttpClient;
use crate::polling::until;
use crate::yaml;

/// The target prefix of the API.
const STEP_FUNCTIONS: &str = "AWSStepFunctions";
/// Names an account, a region and the service.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
    Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
const FUNCTION: &str = "shard";
/// How long an execution may take on a busy machine.
const EXECUTION_LIMIT: Duration = Duration::from_secs(900);

/// What is deployed.
pub struct StateMachine {
    api: AwsApi,
    arn: String,
    /// The function's processes are children of this one.
    host: u32,
    binary: PathBuf,
    _folder: tempfile::TempDir,
}

/// What an execution's tasks did, over all Map runs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tasks {
    /// Shards that were solved.
    pub computed: usize,
    /// Shards that were found solved.
    pub found: usize,
    /// Errors of single tries.
    pub errors: Vec<String>,
}

/// What it takes to deploy.
pub struct Site<'a> {
    /// The services.
    pub endpoint: &'a str,
    /// The process that runs them.
    pub host: u32,
    /// A Python for making an archive.
    pub python: &'a Path,
    /// The bucket.
    pub bucket: &'a str,
}

impl StateMachine {
    /// Deploys the function and the state machine of the template.
    ///
    /// # Errors
    /// When a service refuses what the template says.
    pub async fn deploy(
        site: &Site<'_>,
        spec: &FunctionSpec,
        variables: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let binary = binary(&spec.binary)?.canonicalize()?;
        let archive = archive(site.python, folder.path(), &binary)?;
        let function = create_function(site.endpoint, spec, variables, &archive).await?;
        let api = AwsApi::new(site.endpoint.to_owned());
        let template = yaml::parse(&read("template.yaml")?)?;
        let resource = &template["Resources"]["RetrainStateMachine"]["Properties"];
        let path = resource["DefinitionUri"].as_str().context("no definition")?;
        let mut definition = read(path)?;
        let width = template["Parameters"]["ShardConcurrency"]["Default"].to_string();
        let substitutions = [
            ("Partition", "aws"),
            ("ShardFunctionArn", &function),
            ("ShardConcurrency", &width),
            ("Bucket", site.bucket),
        ];
        for (name, value) in substitutions {
            definition = definition.replace(&format!("${{{name}}}"), value);
        }
        ensure!(!definition.contains("${"), "{path} has a substitution the tests do not know");
        let input = json!({
            "name": "retrain", "roleArn": "arn:aws:iam::000000000000:role/retrain",
            "definition": yaml::parse(&definition)?.to_string(),
        });
        let created = api.call(STEP_FUNCTIONS, "CreateStateMachine", &input).await?;
        let arn = created["stateMachineArn"].as_str().context("no state machine")?.to_owned();
        let events = &template["Resources"]["ShardFunction"]["Properties"]["Events"];
        let mut pattern = events["Ended"]["Properties"]["Pattern"].clone();
        ensure!(pattern["detail"]["stateMachineArn"][0]["Ref"] == "RetrainStateMachine");
        pattern["detail"]["stateMachineArn"] = json!([arn]);
        let rule = json!({ "Name": "ended", "EventPattern": pattern.to_string() });
        api.call("AWSEvents", "PutRule", &rule).await?;
        let targets = json!({ "Rule": "ended", "Targets": [{ "Id": "shard", "Arn": function }] });
        api.call("AWSEvents", "PutTargets", &targets).await?;
        Ok(Self { api, arn, host: site.host, binary, _folder: folder })
    }

    /// Starts an execution for a run, with the input that the pipe would send.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(&self, run: &TrainingRunId) -> anyhow::Result<String> {
        let input = json!([{ "run": run }]).to_string();
        let input = json!({ "stateMachineArn": self.arn, "input": input });
        let started = self.api.call(STEP_FUNCTIONS, "StartExecution", &input).await?;
        Ok(started["executionArn"].as_str().context("no execution")?.to_owned())
    }

    /// Stops an execution.
    ///
    /// # Errors
    /// When it does not run any more.
    pub async fn stop(&self, execution: &str) -> anyhow::Result<()> {
        let input = json!({ "executionArn": execution });
        self.api.call(STEP_FUNCTIONS, "StopExecution", &input).await.map(drop)
    }

    /// Waits until an execution has ended, and gives its description.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait(&self, execution: &str) -> anyhow::Result<Value> {
        until("the end of an execution", EXECUTION_LIMIT, async || {
            let input = json!({ "executionArn": execution });
            let described = self.api.call(STEP_FUNCTIONS, "DescribeExecution", &input).await?;
            Ok((described["status"] != "RUNNING").then_some(described))
        })
        .await
    }

    /// What an execution's tasks did so far.
    ///
    /// # Errors
    /// When its history cannot be read.
    pub async fn tasks(&self, execution: &str) -> anyhow::Result<Tasks> {
        let call = async |operation: &str, input: Value| {
            self.api.call(STEP_FUNCTIONS, operation, &input).await
        };
        let mut tasks = Tasks::default();
        let runs = call("ListMapRuns", json!({ "executionArn": execution })).await?;
        for run in elements(&runs["mapRuns"]) {
            let input = json!({ "mapRunArn": run["mapRunArn"] });
            let children = call("ListExecutions", input).await?;
            for child in elements(&children["executions"]) {
                let input = json!({ "executionArn": child["executionArn"], "maxResults": 1_000 });
                let history = call("GetExecutionHistory", input).await?;
                elements(&history["events"]).for_each(|event| tasks.note(event));
            }
        }
        Ok(tasks)
    }

    /// Kills every process of the function that is there now, as a crash would,
    /// and says how many those were.
    ///
    /// # Errors
    /// When the processes cannot be listed.
    pub fn kill_workers(&self) -> anyhow::Result<usize> {
        let listed = Command::new("pgrep").args(["-P", &self.host.to_string()]).output()?;
        let mut killed = 0;
        for id in String::from_utf8(listed.stdout)?.split_whitespace() {
            let runs = std::fs::read_link(format!("/proc/{id}/exe"));
            if runs.is_ok_and(|path| path == self.binary) {
                killed += usize::from(Command::new("kill").args(["-KILL", id]).status()?.success());
            }
        }
        Ok(killed)
    }
}

impl Tasks {
    fn note(&mut self, event: &Value) {
        let output = event["taskSucceededEventDetails"]["output"].as_str();
        let output = output.and_then(|text| serde_json::from_str::<Value>(text).ok());
        match output.and_then(|output| output["Payload"]["computed"].as_bool()) {
            Some(true) => self.computed += 1,
            Some(false) => self.found += 1,
            None => {}
        }
        let error = event["taskFailedEventDetails"]["error"].as_str();
        self.errors.extend(error.map(str::to_owned));
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned())
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A deployment package whose bootstrap becomes the real binary, which is too
/// large to copy in a debug build.
fn archive(python: &Path, folder: &Path, binary: &Path) -> anyhow::Result<Vec<u8>> {
    let path = folder.join("function.zip");
    let bootstrap = format!("#!/bin/sh\nexec '{}'\n", binary.display());
    let script =
        "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('bootstrap', sys.argv[2])";
    let made = Command::new(python).args(["-c", script]).arg(&path).arg(bootstrap).status()?;
    ensure!(made.success(), "no deployment package could be made");
    Ok(std::fs::read(path)?)
}

async fn create_function(
    endpoint: &str,
    spec: &FunctionSpec,
    variables: &[(String, String)],
    archive: &[u8],
) -> anyhow::Result<String> {
    let variables = spec.variables.iter().chain(variables);
    let variables: Map<String, Value> =
        variables.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let input = json!({
        "FunctionName": FUNCTION, "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Role": "arn:aws:iam::000000000000:role/shard", "Code": { "ZipFile": BASE64.encode(archive) },
        "MemorySize": spec.memory, "Timeout": spec.timeout.as_secs(),
        "Environment": { "Variables": variables },
    });
    let headers = [
        ("authorization".to_owned(), AUTHORIZATION.to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    let body = input.to_string().into();
    let client = HttpClient::new(endpoint);
    let (status, _, answer) = client.send("POST", "/2015-03-31/functions", &headers, body).await?;
    ensure!(status.is_success(), "{status} {}", String::from_utf8_lossy(&answer));
    let created: Value = serde_json::from_slice(&answer)?;
    Ok(created["FunctionArn"].as_str().context("no function")?.to_owned())
}
