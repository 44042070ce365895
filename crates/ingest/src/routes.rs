//! The routes of `ingest`.

use axum::Router;
use axum::routing::{get, post, put};
use crossfold_core::entities::ids::DomainId;
use serde::Deserialize;

use crate::state::IngestState;
use crate::{domains, events, items, users};

/// The query of every route under `/v1/users/{user}`: whose user it is.
#[derive(Deserialize)]
pub(crate) struct OfDomain {
    pub(crate) domain: DomainId,
}

/// The routes.
pub fn routes(state: IngestState) -> Router {
    Router::new()
        .route("/v1/events", post(events::post_events))
        .route("/v1/domains/{domain}", put(domains::put_domain).get(domains::get_domain))
        .route("/v1/domains/{domain}/items", post(items::post_items))
        .route(
            "/v1/domains/{domain}/items/{item}",
            get(items::get_item).put(items::put_item).delete(items::delete_item),
        )
        .route(
            "/v1/users/{user}",
            put(users::put_user).get(users::get_user).delete(users::delete_user),
        )
        .route("/v1/users/{user}/consents", put(users::put_consents))
        .route("/v1/users/{user}/links", put(users::put_link))
        .with_state(state)
}
