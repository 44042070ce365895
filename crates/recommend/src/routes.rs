//! The routes of `recommend`.

use axum::Router;
use axum::routing::post;

use crate::recommendations::post_recommendations;
use crate::state::RecommendState;

/// The routes.
pub fn routes(state: RecommendState) -> Router {
    Router::new().route("/v1/recommendations", post(post_recommendations)).with_state(state)
}
