//! The deployed application: what `template.yaml` says, with the real
//! bootstrap binaries, on AWS services that others wrote.

pub(crate) mod aws_api;
mod aws_front;
mod bus_queue;
mod function;
mod item_size;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use crossfold_core::entities::ports::Stores;
use crossfold_storage::aws::{self, StorageConfig, schema};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use aws_front::{AwsFront, StoreFault, Units};
pub use bus_queue::BusQueue;
pub use function::Function;

use crate::api::{ApiRequest, ApiResponse};
use crate::deployment::{Deployment, FunctionSpec};
use crate::gateway::{self, Decision, Gateway};
use crate::ministack::Ministack;
use crate::state_machine::{Site, StateMachine};
use crate::stream_pump::StreamPump;
use crate::world::{self, World};
use aws_api::AwsApi;

/// A deployment of its own.
pub struct Cloud {
    gateway: Gateway,
    functions: BTreeMap<String, Arc<Function>>,
    pumps: Mutex<Vec<StreamPump>>,
    stores: Stores,
    shard: FunctionSpec,
    bucket: String,
    logs: tempfile::TempDir,
    ministack: Ministack,
}

impl Cloud {
    /// Deploys; every stream record is delivered once.
    ///
    /// # Errors
    /// When a service or binary is not there.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_delivering(1).await
    }

    /// Deploys; every batch of stream records is delivered so many times.
    ///
    /// # Errors
    /// As for [`Cloud::start`].
    pub async fn start_delivering(deliveries: usize) -> anyhow::Result<Self> {
        let ministack = Ministack::start().await?;
        let endpoint = ministack.endpoint();
        Self::deploy(ministack, Reached { endpoint, deliveries, variables: unhurried() }).await
    }

    /// Deploys with something between the functions and the services: what they ask of these
    /// can be measured, and made to fail. Requests have the time that they have by default.
    ///
    /// # Errors
    /// As for [`Cloud::start`].
    pub async fn start_watched() -> anyhow::Result<(Self, AwsFront)> {
        let ministack = Ministack::start().await?;
        let front = AwsFront::open(ministack.endpoint()).await?;
        let endpoint = front.url().to_owned();
        let reached = Reached { endpoint, deliveries: 1, variables: Vec::new() };
        Ok((Self::deploy(ministack, reached).await?, front))
    }

    async fn deploy(ministack: Ministack, reached: Reached) -> anyhow::Result<Self> {
        let (sdk, config) = (ministack.sdk_config(), StorageConfig::with_prefix("crossfold"));
        schema::provision(&sdk, &config).await?;
        let api = AwsApi::new(ministack.endpoint());
        let secret = create_secret(&ministack).await?;
        let names = physical_names(&config, &secret)?;
        let deployment = Deployment::read(&|name| names.get(name).cloned())?;
        let logs = tempfile::tempdir()?;
        let functions = start_functions(&deployment, &reached, logs.path())?;
        let mut pumps = Vec::new();
        for source in deployment.streams.clone() {
            let table = names.get(&source.table).context("an unknown table")?;
            let function = functions.get(&source.function).context("an unknown function")?.clone();
            let deliveries = reached.deliveries;
            let pump = StreamPump::new(api.clone(), source, table, function, deliveries).await?;
            pumps.push(pump);
        }
        Ok(Self {
            gateway: Gateway::new(deployment.routes.clone()),
            functions,
            pumps: Mutex::new(pumps),
            stores: aws::stores(&sdk, &config),
            shard: deployment.functions.get("ShardFunction").context("no shard function")?.clone(),
            bucket: config.bucket.name()?.to_owned(),
            logs,
            ministack,
        })
    }

    /// A queue of what is put on the account's default bus by a source.
    ///
    /// # Errors
    /// When a service refuses it.
    pub async fn bus_queue(&self, source: &str) -> anyhow::Result<BusQueue> {
        BusQueue::open(AwsApi::new(self.ministack.endpoint()), source).await
    }

    /// The stores that the functions work on.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Deploys the state machine that trains beyond one machine, with shards of
    /// at most so many bytes.
    ///
    /// # Errors
    /// When a service refuses it.
    pub async fn deploy_state_machine(&self, shard_bytes: u64) -> anyhow::Result<StateMachine> {
        let endpoint = self.ministack.endpoint();
        let site = Site {
            endpoint: &endpoint,
            host: self.ministack.process_id(),
            python: self.ministack.python(),
            bucket: &self.bucket,
        };
        let shard_bytes = ("CROSSFOLD_SHARD_BYTES".to_owned(), shard_bytes.to_string());
        let tenant = ("CROSSFOLD_TENANT".to_owned(), world::TENANT.to_owned());
        StateMachine::deploy(&site, &self.shard, &[shard_bytes, tenant]).await
    }

    /// A function by its logical id.
    ///
    /// # Errors
    /// When the template has no such function.
    pub fn function(&self, name: &str) -> anyhow::Result<&Function> {
        self.functions.get(name).map(|function| &**function).with_context(|| name.to_owned())
    }

    /// How long each function's environments took until they asked for work.
    #[must_use]
    pub fn cold_starts(&self) -> BTreeMap<&str, Vec<Duration>> {
        let functions = self.functions.iter();
        functions.map(|(name, function)| (name.as_str(), function.cold_starts())).collect()
    }

    /// Everything that the functions wrote to their logs.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn logs(&self) -> anyhow::Result<String> {
        let mut all = String::new();
        for entry in std::fs::read_dir(self.logs.path())? {
            all.push_str(&std::fs::read_to_string(entry?.path())?);
        }
        Ok(all)
    }
}

#[async_trait]
impl World for Cloud {
    fn checks_tokens(&self) -> bool {
        true
    }

    async fn call(&self, request: ApiRequest) -> anyhow::Result<ApiResponse> {
        let (function, event) = match self.gateway.decide(&request) {
            Decision::Invoke { function, event } => (self.function(&function)?, event),
            Decision::Answer(answer) => return Ok(answer),
        };
        match function.invoke(&event).await? {
            Ok(answer) => gateway::decode_answer(&answer),
            Err(error) => {
                eprintln!("{} {}: {error}", request.method, request.path);
                Ok(gateway::message(500, "Internal Server Error"))
            }
        }
    }

    async fn carry_streams(&self) -> anyhow::Result<()> {
        for pump in self.pumps.lock().await.iter_mut() {
            pump.carry().await?;
        }
        Ok(())
    }

    async fn forget_what_is_cached(&self) -> anyhow::Result<()> {
        self.function("RecommendFunction")?.recycle();
        Ok(())
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

/// How the functions reach the services, and are reached by the streams.
struct Reached {
    endpoint: String,
    /// How often each batch of stream records is delivered.
    deliveries: usize,
    /// Variables beside those of the template.
    variables: Vec<(String, String)>,
}

/// A machine that runs many tests at once is slow, and not degraded.
fn unhurried() -> Vec<(String, String)> {
    vec![("CROSSFOLD_RECOMMEND_MILLISECONDS".to_owned(), "6000".to_owned())]
}

/// The ARN of a secret with the keys of pseudonyms, as the template has CloudFormation
/// generate one.
///
/// # Errors
/// When the service refuses it.
pub async fn create_secret(ministack: &Ministack) -> anyhow::Result<String> {
    let api = AwsApi::new(ministack.endpoint());
    let input = json!({ "Name": "crossfold-pseudonym", "SecretString": world::pseudonym_key() });
    let answer = api.call("secretsmanager", "CreateSecret", &input).await?;
    Ok(answer["ARN"].as_str().context("the secret has no ARN")?.to_owned())
}

fn physical_names(
    config: &StorageConfig,
    secret: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let resources = [
        ("PeopleTable", &config.people_table),
        ("EventsTable", &config.events_table),
        ("CatalogTable", &config.catalog_table),
        ("DecisionsTable", &config.decisions_table),
        ("ControlTable", &config.control_table),
        ("Bucket", &config.bucket),
    ];
    let mut names = BTreeMap::from([("PseudonymSecret".to_owned(), secret.to_owned())]);
    for (name, resource) in resources {
        names.insert(name.to_owned(), resource.name()?.to_owned());
    }
    Ok(names)
}

fn start_functions(
    deployment: &Deployment,
    reached: &Reached,
    logs: &Path,
) -> anyhow::Result<BTreeMap<String, Arc<Function>>> {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let variables = [
        variable("AWS_ACCESS_KEY_ID", "test"),
        variable("AWS_SECRET_ACCESS_KEY", "test"),
        variable("CROSSFOLD_TENANT", world::TENANT),
        variable("AWS_REGION", "us-east-1"),
        variable("AWS_ENDPOINT_URL", &reached.endpoint),
    ];
    let variables = [&variables[..], &reached.variables].concat();
    let functions = deployment.functions.iter().map(|(name, spec)| {
        let function = Function::new(name, spec, &variables, logs.to_owned())?;
        Ok((name.clone(), Arc::new(function)))
    });
    functions.collect()
}

/// The event of a call that came past the authorizer, should a route ever lose it.
#[must_use]
pub fn unauthorized_event(request: &ApiRequest) -> Value {
    let request = request.clone().with_token(None);
    gateway::event(&request, "$default", &BTreeMap::new())
}
