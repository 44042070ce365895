//! Calls to the API: of this process, by the same router and without a socket; or of a
//! server, over HTTP or HTTPS.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use crossfold_lab::output::Foreign;
use http_body_util::BodyExt;
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt;

/// How long a server may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take: API Gateway ends one after 30 seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Calls the API.
#[derive(Clone)]
pub struct ApiClient {
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Router(Router),
    Server { client: reqwest::Client, base: String, token: Option<String> },
}

/// Why a call was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API refused it, with a problem (RFC 9457).
    #[error("{call}: {}", told(.detail, .code))]
    Refused {
        /// Method and path.
        call: String,
        /// The status of the answer.
        status: u16,
        /// The problem's code.
        code: String,
        /// The problem's detail.
        detail: String,
    },
    /// The answer is none of the API's.
    #[error("{call} answered {status} without JSON; is {base} the address of Crossfold's API?")]
    NoAnswer {
        /// Method and path.
        call: String,
        /// The status of the answer.
        status: u16,
        /// Where the call went.
        base: String,
    },
    /// The server could not be reached, or did not answer in time.
    #[error("{base} cannot be reached: {source}")]
    Unreachable {
        /// Where the call went.
        base: String,
        /// Why.
        source: reqwest::Error,
    },
}

/// A problem in words, with its code if it has one. API Gateway's own have none.
fn told(detail: &str, code: &str) -> String {
    match code.is_empty() {
        true => Foreign::text(detail).to_string(),
        false => format!("{} ({})", Foreign::text(detail), Foreign::name(code)),
    }
}

impl CallError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Refused { status, .. } | Self::NoAnswer { status, .. } => {
                *status == 429 || *status >= 500
            }
            Self::Unreachable { source, .. } => !source.is_builder(),
        }
    }

    /// Whether the API has no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl ApiClient {
    /// A client of every route of a router.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { transport: Transport::Router(router) }
    }

    /// A client of a server, by its address (`https://api.example.com/stage`) and a token.
    ///
    /// # Errors
    /// When the address is none, or the token would travel unencrypted.
    pub fn of_server(address: &str, token: Option<String>) -> Result<Self> {
        let url = Url::parse(address)
            .with_context(|| format!("{address} is no address like https://api.example.com"))?;
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if token.is_none() || ["localhost", "127.0.0.1", "[::1]"].contains(&host) => {}
            "http" => bail!("a token is sent only over https, or to this machine"),
            _ => bail!("{address} is no address that begins with https:// or http://"),
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("crossfold/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base = address.trim_end_matches('/').to_owned();
        Ok(Self { transport: Transport::Server { client, base, token } })
    }

    /// What stands under a path.
    ///
    /// # Errors
    /// A [`CallError`].
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// Puts a body under a path.
    ///
    /// # Errors
    /// A [`CallError`].
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<Value> {
        self.call(Method::PUT, path, body).await
    }

    /// Changes what stands under a path by a merge patch.
    ///
    /// # Errors
    /// A [`CallError`].
    pub async fn patch(&self, path: &str, body: &impl Serialize) -> Result<Value> {
        self.call(Method::PATCH, path, body).await
    }

    /// Posts a body to a path.
    ///
    /// # Errors
    /// A [`CallError`].
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value> {
        self.call(Method::POST, path, body).await
    }

    async fn call(&self, method: Method, path: &str, body: &impl Serialize) -> Result<Value> {
        let call = format!("{method} {path}");
        let body = serde_json::to_vec(body)?;
        let (status, bytes, base) = match &self.transport {
            Transport::Router(router) => {
                let (status, bytes) = in_process(router.clone(), &method, path, body).await?;
                (status, bytes, "this process".to_owned())
            }
            Transport::Server { client, base, token } => {
                let mut request = client
                    .request(method, format!("{base}{path}"))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(body);
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let (status, bytes) = send(request)
                    .await
                    .map_err(|source| CallError::Unreachable { base: base.clone(), source })?;
                (status, bytes, base.clone())
            }
        };
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let Ok(json) = serde_json::from_slice::<Value>(&bytes) else {
            return Err(CallError::NoAnswer { call, status: status.as_u16(), base }.into());
        };
        if status.is_success() {
            return Ok(json);
        }
        let text = |member: &str| json[member].as_str().unwrap_or_default().to_owned();
        // API Gateway's own answers have a message and no problem.
        let detail = if json["detail"].is_string() { text("detail") } else { text("message") };
        Err(CallError::Refused { call, status: status.as_u16(), code: text("code"), detail }.into())
    }
}

async fn in_process(
    router: Router,
    method: &Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Vec<u8>)> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))?;
    let response = router.oneshot(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes().to_vec()))
}

async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<(StatusCode, Vec<u8>)> {
    let response = request.send().await?;
    let status = response.status();
    Ok((status, response.bytes().await?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_encrypted_or_not_at_all() {
        let token = || Some("t".to_owned());
        for address in
            ["https://api.example.com/prod/", "http://127.0.0.1:8080", "http://localhost"]
        {
            assert!(ApiClient::of_server(address, token()).is_ok(), "{address}");
        }
        assert!(ApiClient::of_server("http://api.example.com", None).is_ok());
        for address in ["http://api.example.com", "ftp://localhost", "api.example.com", ""] {
            assert!(ApiClient::of_server(address, token()).is_err(), "{address}");
        }
    }

    #[test]
    fn what_a_server_answers_neither_commands_the_terminal_nor_fills_it() {
        let refused = |detail: String, code: &str| CallError::Refused {
            call: "GET /".into(),
            status: 400,
            code: code.into(),
            detail,
        };
        let hostile = refused("\u{1b}[2J\nError: gone".into(), "a\u{7}").to_string();
        assert_eq!(hostile, "GET /: \\u{1b}[2J\\nError: gone (a\\u{7})");
        assert!(refused("x".repeat(1_000_000), "c").to_string().len() < 2_000);
        assert_eq!(refused("Unauthorized".into(), "").to_string(), "GET /: Unauthorized");
    }

    #[tokio::test]
    async fn a_problem_is_told_with_its_code_and_a_dead_server_with_its_address() {
        let router = Router::new().fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                r#"{"detail": "there is no domain d", "code": "unknown_domain"}"#,
            )
        });
        let error = ApiClient::new(router).get("/v1/domains/d").await.unwrap_err();
        assert_eq!(error.to_string(), "GET /v1/domains/d: there is no domain d (unknown_domain)");
        let error: CallError = error.downcast().unwrap();
        assert!(error.is_not_found() && !error.is_worth_another_try());

        let client = ApiClient::of_server("http://127.0.0.1:1", None).unwrap();
        let error: CallError = client.get("/").await.unwrap_err().downcast().unwrap();
        assert!(error.to_string().contains("http://127.0.0.1:1 cannot be reached"), "{error}");
        assert!(error.is_worth_another_try());
    }
}
