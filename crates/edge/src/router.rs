//! What every router ends with.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use http::StatusCode;

use crate::problem::Problem;

/// Largest body, in bytes: what a Lambda function can be handed.
pub const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

/// Completes a router: a limit on bodies, and problems for what it does not know.
pub fn complete(router: Router) -> Router {
    router
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "unknown_route", "there is no such route")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "the route does not know this method",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}
