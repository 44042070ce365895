//! Running routes as a Lambda function behind an HTTP API.

use axum::middleware;
use tower::ServiceExt;

use crate::router::{self, Routes};
use crate::{authorizer, request_path};

/// Serves routes from the Lambda Runtime API until the environment ends.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run(routes: Routes) -> Result<(), lambda_http::Error> {
    let app = router::complete(routes).layer(middleware::from_fn(authorizer::authorize));
    lambda_http::run(app.map_request(request_path::encode_again)).await
}
