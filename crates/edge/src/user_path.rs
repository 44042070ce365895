//! Whose user a route is about.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;

use crate::extract::{Path, Query};
use crate::problem::Problem;

/// Stands in the path for a user who is named in the query. API Gateway hands paths on
/// decoded, so that an id with a slash is two segments there, and none of the routes.
const IN_THE_QUERY: &str = "-";

/// The id of the user that a route is about: the path's segment, or, where that is `-`, the
/// query's `user_id`. Of the path `-` without one, the user called so.
#[derive(Debug, Clone)]
pub struct UserPath(pub String);

#[derive(Deserialize)]
struct Named {
    user_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(segment) = Path::<String>::from_request_parts(parts, state).await?;
        if segment != IN_THE_QUERY {
            return Ok(Self(segment));
        }
        let Query(Named { user_id }) = Query::<Named>::from_request_parts(parts, state).await?;
        Ok(Self(user_id.unwrap_or(segment)))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn named(target: &str) -> String {
        let routes = Router::new().route("/users/{user}", get(async |UserPath(user)| user));
        let request = Request::get(target).body(Body::empty()).unwrap();
        let answer = routes.oneshot(request).await.unwrap();
        let body = to_bytes(answer.into_body(), 1_000).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_user_is_named_in_the_path_or_where_it_cannot_be_in_the_query() {
        for (target, user) in [
            ("/users/ann", "ann"),
            ("/users/a%20b?user_id=other", "a b"),
            ("/users/-?user_id=x%2Fy", "x/y"),
            ("/users/-?domain=a&user_id=a%2B%3F", "a+?"),
            ("/users/-", "-"),
            ("/users/-?user_id=-", "-"),
        ] {
            assert_eq!(named(target).await, user, "{target}");
        }
    }
}
