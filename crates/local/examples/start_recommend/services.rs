//! What answers as DynamoDB, S3 and Secrets Manager do, on a port of the loopback interface: the
//! embedded database, objects in memory, and one secret. It notes every call.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// Most bytes of a body.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;
/// What begins the names of tables, and is not shown.
pub(crate) const PREFIX: &str = "crossfold";

/// A call that was answered.
pub(crate) struct Call {
    /// The operation, and the table or the beginning of the key.
    pub(crate) what: String,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Bytes of the answer.
    pub(crate) bytes: usize,
}

/// How much later than at once each service answers, as a network would have it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delays {
    pub(crate) dynamodb: Duration,
    pub(crate) s3: Duration,
}

struct Stored {
    bytes: Bytes,
    etag: String,
    /// Metadata and checksums, which are answered as they came.
    headers: HeaderMap,
}

struct Shared {
    database: Database,
    objects: Mutex<BTreeMap<String, Stored>>,
    calls: Mutex<Vec<Call>>,
    delays: Mutex<Delays>,
    secret: String,
}

/// The services, until the program ends.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Services {
    /// Opens them, empty but for a secret.
    pub(crate) async fn open(secret: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            database: Database::memory()?,
            objects: Mutex::default(),
            calls: Mutex::default(),
            delays: Mutex::default(),
            secret,
        });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shared })
    }

    /// Answers later from now on.
    pub(crate) fn delay(&self, delays: Delays) {
        *lock(&self.shared.delays) = delays;
    }

    /// What was answered since this was last asked.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *lock(&self.shared.calls))
    }

    /// The size of the object whose key begins so, if there is one.
    pub(crate) fn size_of(&self, prefix: &str) -> Option<usize> {
        let objects = lock(&self.shared.objects);
        objects.iter().find(|(key, _)| key.starts_with(prefix)).map(|(_, found)| found.bytes.len())
    }
}

/// What a panic leaves behind is good enough to be measured no further.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let began = Instant::now();
    let (what, answered) = match shared.answer(request).await {
        Ok(answered) => answered,
        Err(error) => ("failed".to_owned(), failed(500, "InternalError", &format!("{error:#}"))),
    };
    let size = answered.headers().get(header::CONTENT_LENGTH);
    let bytes = size.and_then(|size| size.to_str().ok()?.parse().ok()).unwrap_or_default();
    lock(&shared.calls).push(Call { what, began, ended: Instant::now(), bytes });
    answered
}

impl Shared {
    async fn answer(self: &Arc<Self>, request: Request) -> Result<(String, Response)> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await?;
        let target = parts.headers.get("x-amz-target").map(|target| target.to_str());
        let delays = *lock(&self.delays);
        let Some(target) = target.transpose()? else {
            tokio::time::sleep(delays.s3).await;
            return Ok(self.object(&parts.method, parts.uri.path(), (&parts.headers, body)));
        };
        tokio::time::sleep(delays.dynamodb).await;
        let Some(operation) = target.strip_prefix("DynamoDB_20120810.").map(str::to_owned) else {
            let answer = json!({ "ARN": "secret", "Name": "secret", "SecretString": self.secret });
            return Ok(("GetSecretValue".to_owned(), amazon_json(200, answer.to_string())));
        };
        let shared = self.clone();
        let work = move || {
            let what = format!("{operation} {}", table_of(&body));
            let answered = match dispatch(&shared.database, &operation, &body) {
                Ok(answer) => amazon_json(200, answer),
                Err(error) => amazon_json(error.status_code(), error.to_json()),
            };
            (what, answered)
        };
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    /// An object's operation, by the path `/<bucket>/<key>`.
    fn object(
        &self,
        method: &Method,
        path: &str,
        (headers, body): (&HeaderMap, Bytes),
    ) -> (String, Response) {
        let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        let folder = key.split('/').next().unwrap_or_default();
        let what = format!("{method} {folder}");
        let mut objects = lock(&self.objects);
        let found = objects.get(key);
        let if_match = text(headers, header::IF_MATCH.as_str());
        let if_none = text(headers, header::IF_NONE_MATCH.as_str());
        let answered = match (method.as_str(), found) {
            // The bucket itself: it is there.
            _ if key.is_empty() => StatusCode::OK.into_response(),
            ("GET" | "HEAD", None) => failed(404, "NoSuchKey", "there is no such object"),
            ("GET", Some(found)) if if_none.is_some_and(|known| known == found.etag) => {
                StatusCode::NOT_MODIFIED.into_response()
            }
            ("GET" | "HEAD", Some(found)) => found.answer(method),
            ("PUT", Some(found)) if if_match.is_some_and(|known| known != found.etag) => {
                failed(412, "PreconditionFailed", "it is another one")
            }
            ("PUT", Some(_)) if if_none == Some("*") => {
                failed(412, "PreconditionFailed", "it is there")
            }
            ("PUT", None) if if_match.is_some() => failed(404, "NoSuchKey", "it is not there"),
            ("PUT", _) => {
                let stored = Stored::new(headers, body);
                let answered = [(header::ETAG, stored.etag.clone())].into_response();
                objects.insert(key.to_owned(), stored);
                answered
            }
            _ => failed(501, "NotImplemented", "no such operation is measured"),
        };
        (what, answered)
    }
}

impl Stored {
    fn new(headers: &HeaderMap, bytes: Bytes) -> Self {
        let is_kept =
            |name: &str| name.starts_with("x-amz-meta-") || name.starts_with("x-amz-checksum-");
        let kept = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
        let headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        Self { bytes, etag: format!("\"{digest}\""), headers }
    }

    fn answer(&self, method: &Method) -> Response {
        let body = if method == Method::HEAD { Bytes::new() } else { self.bytes.clone() };
        let own = [(header::ETAG, self.etag.clone())];
        let mut answered = (self.headers.clone(), own, body).into_response();
        let size = self.bytes.len().into();
        answered.headers_mut().insert(header::CONTENT_LENGTH, size);
        answered
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The first table that a call names.
fn table_of(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let (_, after) = body.split_once(&format!("\"{PREFIX}-")).unwrap_or_default();
    after.split('"').next().unwrap_or_default().to_owned()
}

/// The operations that the adapter calls.
fn dispatch(database: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    match operation {
        "BatchGetItem" => by(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => by(body, |request| database.batch_write_item(request)),
        "CreateTable" => by(body, |request| database.create_table(request)),
        "DeleteItem" => by(body, |request| database.delete_item(request)),
        "DescribeTable" => by(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => by(body, |request| database.describe_time_to_live(request)),
        "GetItem" => by(body, |request| database.get_item(request)),
        "PutItem" => by(body, |request| database.put_item(request)),
        "Query" => by(body, |request| database.query(request)),
        "TransactGetItems" => by(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => by(body, |request| database.transact_write_items(request)),
        "UpdateItem" => by(body, |request| database.update_item(request)),
        "UpdateTimeToLive" => by(body, |request| database.update_time_to_live(request)),
        other => Err(DynoxideError::ValidationException(format!("{other} is not measured"))),
    }
}

fn by<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    carry_out: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let unreadable =
        |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let answer = carry_out(serde_json::from_slice(body).map_err(unreadable)?)?;
    serde_json::to_string(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn amazon_json(status: u16, body: String) -> Response {
    sized(status, "application/x-amz-json-1.0", body)
}

fn failed(status: u16, code: &str, message: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    sized(status, "application/xml", body)
}

fn sized(status: u16, kind: &'static str, body: String) -> Response {
    let size = body.len().to_string();
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_LENGTH, size)];
    let mut answered = (headers, Body::from(body)).into_response();
    *answered.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    answered
}

/// How many calls of a kind there were, and what they brought.
#[derive(Default)]
pub(crate) struct Tally {
    count: usize,
    bytes: usize,
}

/// Calls by what they are, in words.
pub(crate) fn in_words(calls: &[Call]) -> String {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for call in calls {
        let tally = tallies.entry(&call.what).or_default();
        tally.count += 1;
        tally.bytes += call.bytes;
    }
    let words = tallies.iter().map(|(what, Tally { count, bytes })| {
        format!("{count} {what} ({:.1} KB)", *bytes as f64 / 1024.0)
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// For how long at least one of some calls was under way.
pub(crate) fn busy(mut calls: Vec<Call>) -> Duration {
    calls.sort_by_key(|call| call.began);
    let (mut busy, mut until): (Duration, Option<Instant>) = (Duration::ZERO, None);
    for call in calls {
        let from = until.map_or(call.began, |until| until.max(call.began));
        busy += call.ended.saturating_duration_since(from);
        until = Some(until.map_or(call.ended, |until| until.max(call.ended)));
    }
    busy
}

/// Fails where something was called that is not measured here.
pub(crate) fn ensure_known(calls: &[Call]) -> Result<()> {
    let failed = calls.iter().find(|call| call.what == "failed");
    failed.map_or(Ok(()), |_| Err(anyhow::anyhow!("a call failed"))).context("the services")
}
