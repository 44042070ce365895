//! The routes of `recommend`.

use crossfold_edge::router::Routes;

use crate::batch::post_batch;
use crate::profile::get_profile;
use crate::recommendations::{post_rankings, post_recommendations};
use crate::replay::post_replay;
use crate::similar::get_similar;
use crate::state::RecommendState;

/// The routes.
pub fn routes() -> Routes<RecommendState> {
    Routes::new()
        .post("/v1/recommendations", post_recommendations)
        .post("/v1/recommendations/batch", post_batch)
        .post("/v1/rankings", post_rankings)
        .post("/v1/recommendations/{id}/replay", post_replay)
        .get("/v1/users/{user}/profile", get_profile)
        .get("/v1/domains/{domain}/items/{item}/similar", get_similar)
}
