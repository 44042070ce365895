//! The template as CloudFormation makes it: a stack that the SAM CLI deployed with README's own
//! lines, on AWS services that others wrote, which run its functions and carry its streams.
//!
//! One part is played here: those services make an HTTP API without its routes, so calls take the
//! routes of the template to the stack's functions.

mod checkout;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::settings::Settings;
use crossfold_storage::aws::{self, StorageConfig};
use serde_json::{Value, json};

pub use checkout::Checkout;

use crate::api::{ApiRequest, ApiResponse};
use crate::cloud::aws_api::AwsApi;
use crate::deployment::Deployment;
use crate::gateway::{self, Decision, Gateway};
use crate::http_client::HttpClient;
use crate::ministack::Ministack;
use crate::world::World;

/// A stack that stands.
pub struct Stack {
    gateway: Gateway,
    functions: Functions,
    resources: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    stores: Stores,
}

impl Stack {
    /// Finds a stack that was deployed from a copy of the project.
    ///
    /// # Errors
    /// When it does not stand.
    pub async fn find(
        ministack: &Ministack,
        checkout: &Checkout,
        name: &str,
    ) -> anyhow::Result<Self> {
        let listed = |what: &str, key: &str, value: &str| -> anyhow::Result<_> {
            let json = checkout.sam(&format!("list {what} --stack-name {name} --output json"))?;
            let entries: Vec<Value> = serde_json::from_str(&json)?;
            let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().into();
            Ok(entries.iter().map(|entry| (text(entry, key), text(entry, value))).collect())
        };
        let mut resources: BTreeMap<String, String> =
            listed("resources", "LogicalResourceId", "PhysicalResourceId")?;
        // What the template describes and the stack did not make.
        resources.retain(|_, id| id != "-");
        let functions = Functions::new(ministack.endpoint(), &resources);
        let variables = functions.variables("IngestFunction").await?;
        let settings = Settings::from_fn(move |name| variables.get(name).cloned());
        Ok(Self {
            gateway: Gateway::new(Deployment::read_routes()?),
            functions,
            resources,
            outputs: listed("stack-outputs", "OutputKey", "OutputValue")?,
            stores: aws::stores(&ministack.sdk_config(), &StorageConfig::of(&settings)?),
        })
    }

    /// What another stack is given to work on this one's data: parameters with their values.
    ///
    /// # Errors
    /// When the secret cannot be described.
    pub async fn data(&self, ministack: &Ministack) -> anyhow::Result<BTreeMap<String, String>> {
        let outputs = self.outputs.iter().filter(|(name, _)| name.starts_with("Existing"));
        let mut data: BTreeMap<String, String> =
            outputs.map(|(name, value)| (name.clone(), value.clone())).collect();
        // These services refer to a secret by its name, AWS by its ARN.
        let secret = data.get_mut("ExistingPseudonymSecretArn").context("no secret")?;
        let input = json!({ "SecretId": *secret });
        let api = AwsApi::new(ministack.endpoint());
        let described = api.call("secretsmanager", "DescribeSecret", &input).await?;
        *secret = described["ARN"].as_str().context("a secret without an ARN")?.to_owned();
        Ok(data)
    }

    /// Whether the stack made a resource of this logical id.
    #[must_use]
    pub fn has(&self, resource: &str) -> bool {
        self.resources.contains_key(resource)
    }

    /// The processor that every function was declared for.
    ///
    /// # Errors
    /// When they are declared for different ones.
    pub async fn architecture(&self) -> anyhow::Result<String> {
        let mut found = BTreeSet::new();
        for function in self.functions.paths.keys() {
            let configuration = self.functions.configuration(function).await?;
            let architectures = elements(&configuration["Architectures"]);
            found.extend(architectures.filter_map(Value::as_str).map(str::to_owned));
        }
        ensure!(found.len() == 1, "{found:?}");
        found.pop_first().context("no function")
    }
}

/// The functions of a stack.
struct Functions {
    client: HttpClient,
    /// Where each is, by its logical id.
    paths: BTreeMap<String, String>,
    configured: AtomicUsize,
}

impl Functions {
    fn new(endpoint: String, resources: &BTreeMap<String, String>) -> Self {
        let functions = resources.iter().filter(|(name, _)| name.ends_with("Function"));
        let path = |name: &String| format!("/2015-03-31/functions/{name}");
        Self {
            client: HttpClient::new(endpoint),
            paths: functions.map(|(id, name)| (id.clone(), path(name))).collect(),
            configured: AtomicUsize::new(0),
        }
    }

    async fn send(
        &self,
        (method, function, what): (&str, &str, &str),
        body: Bytes,
    ) -> anyhow::Result<Value> {
        let path = self.paths.get(function).with_context(|| function.to_owned())?;
        let target = format!("{path}/{what}");
        let (status, headers, answer) =
            self.client.send(method, &target, &headers("lambda"), body).await?;
        let has_failed = !status.is_success() || headers.contains_key("x-amz-function-error");
        ensure!(!has_failed, "{method} {target}: {status} {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn configuration(&self, function: &str) -> anyhow::Result<Value> {
        self.send(("GET", function, "configuration"), Bytes::new()).await
    }

    async fn variables(&self, function: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let configuration = self.configuration(function).await?;
        Ok(serde_json::from_value(configuration["Environment"]["Variables"].clone())?)
    }

    async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        self.send(("POST", function, "invocations"), event.to_string().into()).await
    }

    /// Ends a function's environments: one that is given another timeout starts anew.
    async fn recycle(&self, function: &str) -> anyhow::Result<()> {
        let number = self.configured.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "Timeout": 20 + number % 2 });
        self.send(("PUT", function, "configuration"), body.to_string().into()).await.map(drop)
    }
}

/// Names an account, a region and a service, which those that stand in for AWS go by.
fn headers(service: &str) -> [(String, String); 2] {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    );
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    [header("authorization", &authorization), header("content-type", "application/json")]
}

/// Tables, buckets and secrets, by name, whatever stack they belong to.
///
/// # Errors
/// When they cannot be listed.
pub async fn stored_data(ministack: &Ministack) -> anyhow::Result<Vec<String>> {
    let api = AwsApi::new(ministack.endpoint());
    let mut names = Vec::new();
    let tables = api.call("DynamoDB_20120810", "ListTables", &json!({})).await?;
    names.extend(elements(&tables["TableNames"]).filter_map(Value::as_str).map(str::to_owned));
    let secrets = api.call("secretsmanager", "ListSecrets", &json!({})).await?;
    let secrets = elements(&secrets["SecretList"]).filter_map(|secret| secret["Name"].as_str());
    names.extend(secrets.map(str::to_owned));
    let client = HttpClient::new(ministack.endpoint());
    let (_, _, buckets) = client.send("GET", "/", &headers("s3"), Bytes::new()).await?;
    let buckets = String::from_utf8(buckets.to_vec())?;
    let buckets = buckets.split("<Name>").skip(1).filter_map(|rest| rest.split("</Name>").next());
    // The SAM CLI's own bucket, for what it uploads, belongs to a stack of its own.
    names.extend(buckets.filter(|name| !name.starts_with("aws-sam-cli")).map(str::to_owned));
    names.sort();
    Ok(names)
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[async_trait]
impl World for Stack {
    fn checks_tokens(&self) -> bool {
        true
    }

    async fn call(&self, request: ApiRequest) -> anyhow::Result<ApiResponse> {
        let (function, event) = match self.gateway.decide(&request) {
            Decision::Invoke { function, event } => (function, event),
            Decision::Answer(answer) => return Ok(answer),
        };
        gateway::decode_answer(&self.functions.invoke(&function, &event).await?)
    }

    /// The services do it.
    async fn carry_streams(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn forget_what_is_cached(&self) -> anyhow::Result<()> {
        self.functions.recycle("RecommendFunction").await
    }

    async fn archive(&self, prefix: &str) -> anyhow::Result<BTreeMap<String, Bytes>> {
        let mut files = BTreeMap::new();
        for key in self.stores.objects.list(prefix).await? {
            let object = self.stores.objects.get(&key).await?.context("a file went away")?;
            files.insert(key, object.bytes);
        }
        Ok(files)
    }
}
