//! Calls to the API inside the process: the same router, no socket.

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// Calls a router.
#[derive(Clone)]
pub struct ApiClient {
    router: Router,
}

impl ApiClient {
    /// A client of every route of a router.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { router }
    }

    /// What stands under a path.
    ///
    /// # Errors
    /// With the problem's detail, when the API refuses.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// Puts a body under a path.
    ///
    /// # Errors
    /// With the problem's detail, when the API refuses.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PUT, path, body).await
    }

    /// Posts a body to a path.
    ///
    /// # Errors
    /// With the problem's detail, when the API refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, body).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(body)?))?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let json: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{method} {path} answered {status} without JSON"))?;
        if !status.is_success() {
            bail!("{method} {path}: {} ({})", json["detail"].as_str().unwrap_or(""), json["code"]);
        }
        Ok(json)
    }
}
