//! The console: a page in the browser, on the public API alone.
//!
//! Its files are `crates/local/console/`, sources and third-party modules as the browser
//! runs them; they are part of the binary. What a page may do is bounded by a content
//! security policy that allows nothing but these files and this API.

mod policy;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use crossfold_edge::problem::Problem;
use data_encoding::HEXLOWER;
use rust_embed::{EmbeddedFile, RustEmbed};

use policy::content_security_policy;

/// The files.
#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

/// The file behind `/`.
const PAGE: &str = "index.html";

/// Serves the page at `/` and its files under `/console/`.
pub(crate) fn router() -> Router {
    let policy: Arc<str> = content_security_policy(&page()).into();
    let of_page = policy.clone();
    Router::new()
        .route("/", get(move |headers: HeaderMap| async move { file(PAGE, &headers, &of_page) }))
        .route(
            "/console/{*path}",
            get(move |Path(path): Path<String>, headers: HeaderMap| async move {
                file(&path, &headers, &policy)
            }),
        )
}

fn page() -> String {
    let page = Files::get(PAGE).map(|file| file.data.into_owned()).unwrap_or_default();
    String::from_utf8_lossy(&page).into_owned()
}

/// A file, or that the caller has it already.
fn file(path: &str, asked: &HeaderMap, policy: &str) -> Response {
    let Some((file, media_type)) = Files::get(path).zip(media_type(path)) else {
        let detail = "the console has no such file";
        return Problem::new(StatusCode::NOT_FOUND, "unknown_route", detail).into_response();
    };
    let etag = etag(&file);
    let known = asked.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag)
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, media_type)], file.data).into_response()
    };
    // Asked for again each time, and answered in a line unless the binary is another one.
    let headers = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The version of a file: its content.
fn etag(file: &EmbeddedFile) -> String {
    format!("\"{}\"", HEXLOWER.encode(&file.metadata.sha256_hash()[..16]))
}

/// What a file is, by its name; `None` for one that no page asks for.
fn media_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "txt" | "md" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn answer(path: &str, known: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(known) = known {
            request = request.header(header::IF_NONE_MATCH, known);
        }
        router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn every_file_is_served_as_what_it_is_and_once() {
        for path in Files::iter() {
            let response = answer(&format!("/console/{path}"), None).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            let etag = response.headers()["etag"].to_str().unwrap().to_owned();
            let again = answer(&format!("/console/{path}"), Some(&etag)).await;
            assert_eq!(again.status(), 304, "{path}");
            assert_eq!(again.headers()["etag"], *etag);
        }
        let page = answer("/", None).await;
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("sha256-"));
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_a_problem() {
        for path in ["/console/nothing.js", "/console/../Cargo.toml", "/console/"] {
            let response = answer(path, None).await;
            assert_eq!(response.status(), 404, "{path}");
        }
        let response = answer("/console/nothing.js", None).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
