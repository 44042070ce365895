//! API Gateway: turns calls into events of an HTTP API (payload format 2.0)
//! and a function's answers back.
//!
//! Differences from plain HTTP are kept, for functions must bear them: the
//! path of the event is already decoded, headers that occur twice are joined
//! by commas, bodies that are no text come in base64.

use std::collections::BTreeMap;

use anyhow::Context;
use data_encoding::BASE64;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::api::{ApiRequest, ApiResponse};
use crate::deployment::Route;

/// The largest event that a function can be invoked with, in bytes.
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// The front door.
pub struct Gateway {
    routes: Vec<Route>,
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Decision {
    /// A function is invoked with an event.
    Invoke {
        /// The logical id of the function.
        function: String,
        /// The event.
        event: Value,
    },
    /// The gateway answers itself.
    Answer(ApiResponse),
}

impl Gateway {
    /// A gateway with these routes, those behind the authorizer that say so.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self { routes }
    }

    /// Routes a call, and answers those that no function hears of.
    #[must_use]
    pub fn decide(&self, request: &ApiRequest) -> Decision {
        let Some((route, parameters)) = self.route(request) else {
            return Decision::Answer(message(404, "Not Found"));
        };
        if route.asks_for_token && request.token.is_none() {
            return Decision::Answer(message(401, "Unauthorized"));
        }
        let key = format!("{} {}", route.method, route.path);
        // Without the authorizer there are no claims, whatever the caller sent.
        let open = request.clone().with_token(None);
        let request = if route.asks_for_token { request } else { &open };
        let event = event(request, &key, &parameters);
        if event.to_string().len() > MAX_EVENT_BYTES {
            return Decision::Answer(message(413, "Request Entity Too Large"));
        }
        Decision::Invoke { function: route.function.clone(), event }
    }

    /// The route of a call, with the values of its path's parameters.
    fn route(&self, request: &ApiRequest) -> Option<(&Route, BTreeMap<String, String>)> {
        let candidates = self.routes.iter().filter(|route| request.method == *route.method);
        candidates.into_iter().find_map(|route| Some((route, parameters(route, &request.path)?)))
    }
}

fn parameters(route: &Route, path: &str) -> Option<BTreeMap<String, String>> {
    let (wanted, given): (Vec<_>, Vec<_>) =
        (route.path.split('/').collect(), path.split('/').collect());
    let mut found = BTreeMap::new();
    for (wanted, given) in wanted.iter().zip(&given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if given.is_empty() => return None,
            Some(name) => drop(found.insert(name.to_owned(), decode(given))),
            None if wanted == given => {}
            None => return None,
        }
    }
    (wanted.len() == given.len()).then_some(found)
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The event for a call that took a route, with the claims of its token if it
/// has one.
#[must_use]
pub fn event(
    request: &ApiRequest,
    route_key: &str,
    parameters: &BTreeMap<String, String>,
) -> Value {
    let path = decode(&request.path);
    let now = Timestamp::now();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers(request),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": request.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "platform-backend/1.0",
            },
            "requestId": uuid::Uuid::now_v7().simple().to_string(),
            "routeKey": route_key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if let Some(token) = &request.token {
        event["requestContext"]["authorizer"] =
            json!({ "jwt": { "claims": token.claims(), "scopes": null } });
    }
    if !parameters.is_empty() {
        event["pathParameters"] = json!(parameters);
    }
    if !request.query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(&request.query));
    }
    if let Some(body) = &request.body {
        let is_text = content_type(request).is_none_or(is_text);
        match std::str::from_utf8(body) {
            Ok(text) if is_text => event["body"] = text.into(),
            _ => {
                event["body"] = BASE64.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

fn headers(request: &ApiRequest) -> BTreeMap<String, String> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = BTreeMap::from([
        own("accept", "*/*"),
        own("content-length", &request.body.as_ref().map_or(0, |body| body.len()).to_string()),
        own("host", "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"),
        own("user-agent", "platform-backend/1.0"),
        own("x-amzn-trace-id", "Root=1-5e1b4151-5ac6c58f5bd3f1a8c9a5e5a4"),
        own("x-forwarded-for", "203.0.113.7"),
        own("x-forwarded-port", "443"),
        own("x-forwarded-proto", "https"),
    ]);
    let has_own = request.headers.iter().any(|(name, _)| name == "authorization");
    if request.token.is_some() && !has_own {
        headers.insert("authorization".into(), "Bearer e30.e30.c2lnbmF0dXJl".into());
    }
    // What a client sends of these, it sends in their place.
    for own in ["accept", "host", "user-agent"] {
        if request.headers.iter().any(|(name, _)| name == own) {
            headers.remove(own);
        }
    }
    for (name, value) in &request.headers {
        let joined = headers.entry(name.clone()).or_default();
        let separator = if joined.is_empty() { "" } else { "," };
        joined.push_str(&format!("{separator}{value}"));
    }
    headers
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let joined = parameters.entry(decode(name)).or_default();
        let separator = if joined.is_empty() { "" } else { "," };
        joined.push_str(&format!("{separator}{}", decode(value)));
    }
    parameters
}

fn content_type(request: &ApiRequest) -> Option<&str> {
    let header = request.headers.iter().find(|(name, _)| name == "content-type");
    header.map(|(_, value)| value.as_str())
}

/// Whether the gateway takes a body of this type for text.
fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_text = ["application/json", "application/javascript", "application/xml"];
    media_type.starts_with("text/")
        || is_text.contains(&media_type)
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

/// An answer of the gateway's own.
#[must_use]
pub fn message(status: u16, message: &str) -> ApiResponse {
    let headers = HeaderMap::from_iter([(
        hyper::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    ApiResponse::new(status, headers, json!({ "message": message }).to_string().as_bytes())
}

/// Reads a function's answer.
///
/// # Errors
/// When it is not of the format 2.0, which API Gateway answers with an error.
pub fn decode_answer(answer: &Value) -> anyhow::Result<ApiResponse> {
    let status = answer["statusCode"].as_u64().context("the answer has no statusCode")?;
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().context("a header that is no text")?;
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => BASE64.decode(body.as_bytes())?,
        _ => body.as_bytes().to_vec(),
    };
    Ok(ApiResponse::new(u16::try_from(status)?, headers, &body))
}
