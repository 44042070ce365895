//! Calls of the API and their answers, whichever world they are made in.

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::token::Token;

/// What may stand in a path's segment or a query as it is (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The domains that a request's token covers unless another one is given.
pub const DOMAINS: [&str; 2] = ["knowledge", "auto-finance"];

/// One call.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded.
    pub path: String,
    /// The query, percent-encoded, without its question mark.
    pub query: String,
    /// Headers, lower-case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Bytes>,
    /// The caller's token; `None` for a call without one.
    pub token: Option<Token>,
}

impl ApiRequest {
    /// A call without a body, of the path made of these segments.
    #[must_use]
    pub fn new(method: Method, segments: &[&str]) -> Self {
        let path = segments.iter().map(|segment| format!("/{}", encode(segment))).collect();
        let token = Some(Token::covering(&DOMAINS));
        Self { method, path, query: String::new(), headers: Vec::new(), body: None, token }
    }

    /// `GET`.
    #[must_use]
    pub fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// `POST` with a JSON body.
    #[must_use]
    pub fn post(segments: &[&str], body: &Value) -> Self {
        Self::new(Method::POST, segments).with_json(body)
    }

    /// `PUT` with a JSON body.
    #[must_use]
    pub fn put(segments: &[&str], body: &Value) -> Self {
        Self::new(Method::PUT, segments).with_json(body)
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete(segments: &[&str]) -> Self {
        Self::new(Method::DELETE, segments)
    }

    /// The same call with a JSON body.
    #[must_use]
    pub fn with_json(self, body: &Value) -> Self {
        self.with_body("application/json", body.to_string())
    }

    /// The same call with any body.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.body = Some(body.into());
        self.with_header("content-type", content_type)
    }

    /// The same call with a header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_lowercase(), value.to_owned()));
        self
    }

    /// The same call with a query parameter more.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        let separator = if self.query.is_empty() { "" } else { "&" };
        self.query.push_str(&format!("{separator}{}={}", encode(name), encode(value)));
        self
    }

    /// The same call by a caller with another token, or with none.
    #[must_use]
    pub fn with_token(self, token: impl Into<Option<Token>>) -> Self {
        Self { token: token.into(), ..self }
    }

    /// Path and query as they stand in a request line.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// An answer.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

impl ApiResponse {
    /// An answer with a body, read as JSON when it can be.
    #[must_use]
    pub fn new(status: u16, headers: HeaderMap, body: &[u8]) -> Self {
        Self { status, headers, json: serde_json::from_slice(body).unwrap_or_default() }
    }

    /// The media type, without parameters.
    #[must_use]
    pub fn media_type(&self) -> &str {
        let value = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.json);
        self.json
    }

    /// Demands a problem with a status and code, complete as RFC 9457 has it.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        let seen = (self.status, self.json["code"].as_str());
        assert_eq!(seen, (status, Some(code)), "{}", self.json);
        assert_eq!(self.media_type(), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["type"], format!("urn:crossfold:problem:{code}"));
        for member in ["title", "detail"] {
            assert!(self.json[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
        }
    }
}
