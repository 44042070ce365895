//! One line in the log for each request: which it was, how it ended, how long it took.
//! Nothing in it identifies a person: the route is the template that matched, without the
//! ids in its place, and neither query, headers nor bodies are looked at.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{Extensions, Method};
use lambda_http::Context;
use lambda_http::request::RequestContext;

use crate::system;

/// What a handler lets the line say of a slate: it puts this into the extensions of its
/// response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServedNote {
    /// The model that ranked; none where there is none.
    pub model: Option<String>,
    /// What could not be used, by stable code.
    pub degraded: Vec<String>,
}

/// Makes the line once the response is made.
pub async fn log_request(request: Request, next: Next) -> Response {
    let method = name_of(request.method());
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let ids = RequestIds::of(request.extensions());
    let stopwatch = system::stopwatch();
    let started = stopwatch.read();
    let response = next.run(request).await;
    let served = response.extensions().get::<ServedNote>();
    tracing::info!(
        gateway_request = ids.gateway,
        function_request = ids.function,
        method,
        route,
        status = response.status().as_u16(),
        ms = u64::try_from(stopwatch.since(started).as_millis()).unwrap_or(u64::MAX),
        model = served.and_then(|served| served.model.as_deref()),
        degraded = served.map(|served| served.degraded.join(",")),
        "request"
    );
    response
}

/// The method, if it is one that HTTP names: others are texts of the caller's.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What others call the request; nothing outside Lambda.
struct RequestIds {
    gateway: Option<String>,
    function: Option<String>,
}

impl RequestIds {
    fn of(extensions: &Extensions) -> Self {
        let gateway = match extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        let context = extensions.get::<Context>();
        Self { gateway, function: context.map(|context| context.request_id.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use axum::Extension;
    use axum::body::Body;
    use http::StatusCode;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::router::{Routes, complete};
    use crate::telemetry;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of a request to routes like those of the functions, and all that was logged.
    async fn logged(request: Request) -> (Vec<Value>, String) {
        let slate = || async {
            let note = ServedNote {
                model: Some("m1".into()),
                degraded: vec!["stale_catalogue".into(), "no_titles".into()],
            };
            (StatusCode::OK, Extension(note), "a slate for u-secret")
        };
        let routes = Routes::new()
            .get("/v1/users/{user}/events", || async { StatusCode::NO_CONTENT })
            .post("/v1/recommendations", slate)
            .with_state(());
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = telemetry::subscriber("trace", move || writer.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        complete(routes).oneshot(request).await.unwrap();
        drop(guard);
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let requests = lines.filter(|line: &Value| line["fields"]["message"] == "request");
        (requests.map(|mut line| line["fields"].take()).collect(), text)
    }

    fn request(method: &str, path: &str) -> Request {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Bearer u-secret");
        request.body(Body::from("u-secret")).unwrap()
    }

    #[tokio::test]
    async fn a_request_leaves_one_line_with_its_route_and_nothing_of_the_person() {
        for (method, path, expected) in [
            (
                "GET",
                "/v1/users/u-secret/events?after=u-secret",
                json!(["GET", "/v1/users/{user}/events", 204]),
            ),
            ("PUT", "/v1/users/u-secret/events", json!(["PUT", "/v1/users/{user}/events", 405])),
            ("GET", "/v1/u-secret?u-secret", json!(["GET", "unknown", 404])),
            ("U-SECRET", "/v1/recommendations", json!(["other", "/v1/recommendations", 405])),
        ] {
            let (lines, text) = logged(request(method, path)).await;
            assert_eq!(lines.len(), 1, "{text}");
            let line = &lines[0];
            assert_eq!(json!([line["method"], line["route"], line["status"]]), expected);
            assert!(line["ms"].is_u64(), "{line}");
            assert!(line["gateway_request"].is_null() && line["model"].is_null(), "{line}");
            assert!(!text.to_lowercase().contains("u-secret"), "{text}");
        }
    }

    #[tokio::test]
    async fn the_line_has_the_ids_that_others_know_the_request_by_and_what_was_served() {
        let mut request = request("POST", "/v1/recommendations");
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
            "headers": {}, "isBase64Encoded": false,
            "requestContext": {
                "requestId": "gateway-1", "stage": "$default", "timeEpoch": 0,
                "http": {"method": "POST", "path": "/"},
            },
        });
        let event = lambda_http::request::from_str(&event.to_string()).unwrap();
        let context = event.extensions().get::<RequestContext>().unwrap().clone();
        request.extensions_mut().insert(context);
        let mut of_function = Context::default();
        of_function.request_id = "function-1".into();
        request.extensions_mut().insert(of_function);
        let (lines, text) = logged(request).await;
        let [line] = &lines[..] else { panic!("{text}") };
        for (field, value) in [
            ("gateway_request", "gateway-1"),
            ("function_request", "function-1"),
            ("model", "m1"),
            ("degraded", "stale_catalogue,no_titles"),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
        assert!(!text.contains("u-secret"), "{text}");
    }
}
