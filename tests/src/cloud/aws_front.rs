//! A front of AWS's services: passes everything on, adds up what DynamoDB says it took,
//! and makes tables and buckets fail by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::item_size;
use crate::http_client::HttpClient;

/// Most bytes of a body.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// What befalls a table or bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// It never answers.
    Hangs,
    /// It answers that it is asked too much.
    Throttled,
    /// It answers that the function may not.
    Denied,
    /// It answers that it is not there.
    Gone,
}

impl StoreFault {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Hangs, Self::Throttled, Self::Denied, Self::Gone];

    /// DynamoDB's status and error.
    fn of_table(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Hangs => None,
            Self::Throttled => Some((400, "ThrottlingException")),
            Self::Denied => Some((400, "AccessDeniedException")),
            Self::Gone => Some((400, "ResourceNotFoundException")),
        }
    }

    /// S3's status and error.
    fn of_bucket(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Hangs => None,
            Self::Throttled => Some((503, "SlowDown")),
            Self::Denied => Some((403, "AccessDenied")),
            Self::Gone => Some((404, "NoSuchBucket")),
        }
    }
}

/// What calls took, as DynamoDB counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    /// How many calls.
    pub calls: u64,
    /// Read or write units, whichever the operation takes, as far as the services tell: not
    /// those of a condition that does not hold.
    pub units: f64,
    /// The same by the sizes of what was read and written, as AWS counts it.
    pub by_size: f64,
}

/// The front; it is gone when this is dropped.
pub struct AwsFront {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    services: HttpClient,
    faults: Mutex<BTreeMap<String, StoreFault>>,
    taken: Mutex<BTreeMap<(String, String), Units>>,
}

impl AwsFront {
    /// Opens a front of the services at a URL, on a free port.
    pub(super) async fn open(services: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            services: HttpClient::new(services),
            faults: Mutex::default(),
            taken: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the front ended: {error}");
            }
        });
        Ok(Self { url, shared, task })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a table or bucket fail from now on; `None` makes it well again.
    pub fn befall(&self, resource: &str, fault: Option<StoreFault>) {
        let mut faults = self.shared.faults.lock().unwrap();
        match fault {
            Some(fault) => faults.insert(resource.to_owned(), fault),
            None => faults.remove(resource),
        };
    }

    /// What was taken since this was last asked, by table and operation.
    #[must_use]
    pub fn take_units(&self) -> BTreeMap<(String, String), Units> {
        std::mem::take(&mut *self.shared.taken.lock().unwrap())
    }
}

impl Drop for AwsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.answer(request).await.unwrap_or_else(|error| response(502, format!("{error:#}")))
}

fn response(status: u16, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

impl Shared {
    async fn answer(&self, request: Request) -> anyhow::Result<Response> {
        let (parts, body) = request.into_parts();
        let mut body = to_bytes(body, MAX_BODY_BYTES).await?;
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("DynamoDB_20120810."));
        let fault = self.fault_of(&body, parts.uri.path(), operation.is_some());
        if let Some(fault) = fault {
            return Ok(failed(fault, operation.is_some()).await);
        }
        let mut asked = Value::Null;
        if operation.is_some() {
            asked = serde_json::from_slice(&body)?;
            asked["ReturnConsumedCapacity"] = "TOTAL".into();
            body = asked.to_string().into();
        }
        let hop_by_hop = ["connection", "transfer-encoding", "content-length", "host"];
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .filter(|(name, _)| !hop_by_hop.contains(&name.as_str()))
            .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
            .collect::<anyhow::Result<_>>()?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let sent = self.services.send(parts.method.as_str(), path, &headers, body);
        let (status, headers, answer) = sent.await?;
        if let Some(operation) = operation {
            self.note(operation, &asked, &answer);
        }
        let mut passed = Response::builder().status(status);
        for (name, value) in &headers {
            // The checksum of a body that was asked for something more is another one's.
            if !hop_by_hop.contains(&name.as_str()) && name != "x-amz-crc32" {
                passed = passed.header(name, value);
            }
        }
        passed.body(Body::from(answer)).context("an answer that is none")
    }

    fn fault_of(&self, body: &[u8], path: &str, is_table: bool) -> Option<StoreFault> {
        let faults = self.faults.lock().unwrap();
        let body = if is_table { String::from_utf8_lossy(body) } else { path.into() };
        let is_meant = |name: &str| {
            let quoted = if is_table { format!("\"{name}\"") } else { format!("/{name}") };
            body.contains(&quoted)
        };
        faults.iter().find(|(name, _)| is_meant(name)).map(|(_, fault)| *fault)
    }

    /// Adds a call to each of its tables, and what the answer says was taken of them.
    fn note(&self, operation: &str, asked: &Value, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let consumed = match &answer["ConsumedCapacity"] {
            Value::Array(tables) => tables.clone(),
            table => vec![table.clone()],
        };
        let mut taken = self.taken.lock().unwrap();
        for table in tables(asked) {
            let of_table = consumed.iter().filter(|consumed| consumed["TableName"] == *table);
            let told = of_table.filter_map(|consumed| consumed["CapacityUnits"].as_f64());
            let units = taken.entry((table.clone(), operation.to_owned())).or_default();
            units.calls += 1;
            units.units += told.sum::<f64>();
            units.by_size += item_size::units(operation, &table, asked, &answer);
        }
    }
}

/// The tables that a call names.
fn tables(asked: &Value) -> BTreeSet<String> {
    if let Some(table) = asked["TableName"].as_str() {
        return BTreeSet::from([table.to_owned()]);
    }
    if let Some(tables) = asked["RequestItems"].as_object() {
        return tables.keys().cloned().collect();
    }
    let items = asked["TransactItems"].as_array().into_iter().flatten();
    let actions = items.filter_map(Value::as_object).flat_map(|item| item.values());
    actions.filter_map(|action| Some(action["TableName"].as_str()?.to_owned())).collect()
}

async fn failed(fault: StoreFault, is_table: bool) -> Response {
    let answer = if is_table { fault.of_table() } else { fault.of_bucket() };
    let Some((status, code)) = answer else {
        return std::future::pending().await;
    };
    let mut response = if is_table {
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        response(status, json!({ "__type": kind, "message": code }).to_string())
    } else {
        response(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
    };
    let kind = if is_table { "application/x-amz-json-1.0" } else { "application/xml" };
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    response
}
