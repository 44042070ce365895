//! Routes that can be listed, and what every router ends with.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware;
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use http::{HeaderValue, Method, StatusCode, header};

use crate::problem::Problem;
use crate::request_log::log_request;

/// Largest body, in bytes: what a Lambda function can be handed.
pub const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

/// What a function answers to: a method of a path, with parameters in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: &'static str,
}

/// Routes and their handlers.
///
/// A router cannot say what is in it. What is served is made of these alone, so
/// that [`Routes::list`] leaves nothing out and the API's description can be
/// held against it.
#[derive(Debug, Clone)]
pub struct Routes<S = ()> {
    router: Router<S>,
    list: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), list: Vec::new() }
    }

    /// Answers `GET`.
    #[must_use]
    pub fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.on(Method::GET, path, routing::get(handler))
    }

    /// Answers `PUT`.
    #[must_use]
    pub fn put<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.on(Method::PUT, path, routing::put(handler))
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.on(Method::POST, path, routing::post(handler))
    }

    /// Answers `PATCH`.
    #[must_use]
    pub fn patch<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.on(Method::PATCH, path, routing::patch(handler))
    }

    /// Answers `DELETE`.
    #[must_use]
    pub fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.on(Method::DELETE, path, routing::delete(handler))
    }

    fn on(mut self, method: Method, path: &'static str, handler: MethodRouter<S>) -> Self {
        self.list.push(Route { method, path });
        Self { router: self.router.route(path, handler), ..self }
    }

    /// These routes and others.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.list.extend(others.list);
        Self { router: self.router.merge(others.router), ..self }
    }

    /// The same routes, with what their handlers work with.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), list: self.list }
    }

    /// Every route.
    #[must_use]
    pub fn list(&self) -> &[Route] {
        &self.list
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// What every answer says of itself: it is for the caller alone, and nothing but what its type
/// names.
fn for_the_caller_alone(mut response: Response) -> Response {
    for (name, value) in
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Completes routes to a router: a limit on bodies, problems for what it does not
/// know, headers that keep answers to their caller, and a line in the log for each request.
pub fn complete(routes: Routes) -> Router {
    routes
        .router
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
        .layer(middleware::map_response(async |response| for_the_caller_alone(response)))
        .layer(middleware::from_fn(log_request))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn status(router: &Router, method: Method, path: &str) -> StatusCode {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn no_answer_is_kept_on_its_way_or_taken_for_something_else() {
        let cached = || async { ([(header::CACHE_CONTROL, "max-age=60")], "{}") };
        let routes = Routes::new().get("/things", || async {}).get("/cached", cached);
        let router = complete(routes.with_state(()));
        for (path, expected) in
            [("/things", "no-store"), ("/nothing", "no-store"), ("/cached", "max-age=60")]
        {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.headers()[header::CACHE_CONTROL], expected, "{path}");
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_listed_is_what_is_answered() {
        let routes = Routes::new()
            .get("/things/{id}", || async {})
            .put("/things/{id}", || async {})
            .merge(Routes::new().post("/things", || async {}))
            .delete("/things/{id}", || async {})
            .with_state(());
        let list: Vec<String> =
            routes.list().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(
            list,
            ["GET /things/{id}", "PUT /things/{id}", "POST /things", "DELETE /things/{id}"]
        );

        let router = complete(routes);
        for (method, path) in [
            (Method::GET, "/things/7"),
            (Method::PUT, "/things/7"),
            (Method::POST, "/things"),
            (Method::DELETE, "/things/7"),
        ] {
            assert_eq!(status(&router, method, path).await, StatusCode::OK);
        }
        let wrong_method = status(&router, Method::POST, "/things/7").await;
        assert_eq!(wrong_method, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(status(&router, Method::GET, "/other").await, StatusCode::NOT_FOUND);
    }
}
