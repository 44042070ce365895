//! The routes of `ingest`.

use crossfold_core::entities::ids::DomainId;
use crossfold_edge::router::Routes;
use serde::Deserialize;

use crate::state::IngestState;
use crate::{domains, events, items, users};

/// The query of every route under `/v1/users/{user}`: whose user it is.
#[derive(Deserialize)]
pub(crate) struct OfDomain {
    pub(crate) domain: DomainId,
}

/// The routes.
pub fn routes() -> Routes<IngestState> {
    Routes::new()
        .post("/v1/events", events::post_events)
        .put("/v1/domains/{domain}", domains::put_domain)
        .get("/v1/domains/{domain}", domains::get_domain)
        .post("/v1/domains/{domain}/items", items::post_items)
        .get("/v1/domains/{domain}/items/{item}", items::get_item)
        .put("/v1/domains/{domain}/items/{item}", items::put_item)
        .delete("/v1/domains/{domain}/items/{item}", items::delete_item)
        .put("/v1/users/{user}", users::put_user)
        .get("/v1/users/{user}", users::get_user)
        .delete("/v1/users/{user}", users::delete_user)
        .put("/v1/users/{user}/consents", users::put_consents)
        .put("/v1/users/{user}/links", users::put_link)
}
