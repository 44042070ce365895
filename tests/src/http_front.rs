//! A world over HTTP on the loopback interface, for clients that others wrote.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api::ApiRequest;
use crate::token::Token;
use crate::world::World;

/// Most bytes of a body.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A bearer token that stands for one which covers a domain.
#[must_use]
pub fn bearer(domain: &str) -> String {
    format!("token-of-{domain}")
}

/// The front of a world; it is gone when this is dropped.
pub struct HttpFront {
    url: String,
    task: JoinHandle<()>,
}

impl HttpFront {
    /// Opens a front on a free port.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn open(world: Arc<dyn World>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answer).with_state(world);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the front ended: {error}");
            }
        });
        Ok(Self { url, task })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for HttpFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(world): State<Arc<dyn World>>, request: Request) -> Response {
    match call(&*world, request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = Response::new(Body::from(format!("{error:#}")));
            *response.status_mut() = hyper::StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn call(world: &dyn World, request: Request) -> anyhow::Result<Response> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await?;
    // As API Gateway does: one body, whole, whatever it was sent in.
    let hop_by_hop = ["connection", "transfer-encoding", "content-length"];
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .filter(|(name, _)| !hop_by_hop.contains(&name.as_str()))
        .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
        .collect::<anyhow::Result<_>>()?;
    let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let domain = authorization.and_then(|value| value.strip_prefix("Bearer token-of-"));
    let request = ApiRequest {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: (!body.is_empty()).then_some(body),
        token: domain.map(|domain| Token::covering(&[domain])),
    };
    let answer = world.call(request).await?;
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        if name != "content-length" {
            response = response.header(name, value);
        }
    }
    let body = if answer.json.is_null() { String::new() } else { answer.json.to_string() };
    response.body(Body::from(body)).context("an answer that is none")
}
