//! The routes of `recommend`.

use crossfold_edge::router::Routes;

use crate::batch::post_batch;
use crate::pages::post_page;
use crate::profile::get_profile;
use crate::recommendations::{post_rankings, post_recommendations};
use crate::replay::post_replay;
use crate::served::{get_catalogue, post_filter_trial};
use crate::similar::get_similar;
use crate::state::RecommendState;

/// The routes.
pub fn routes() -> Routes<RecommendState> {
    Routes::new()
        .post("/v1/recommendations", post_recommendations)
        .post("/v1/recommendations/batch", post_batch)
        .post("/v1/rankings", post_rankings)
        .post("/v1/recommendations/{id}/replay", post_replay)
        .post("/v1/recommendations/{id}/page", post_page)
        .get("/v1/domains/{domain}/catalogue", get_catalogue)
        .post("/v1/domains/{domain}/filter-trial", post_filter_trial)
        .get("/v1/users/{user}/profile", get_profile)
        .get("/v1/domains/{domain}/items/{item}/similar", get_similar)
}
