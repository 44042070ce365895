//! The routes of `ingest`.

use crossfold_core::entities::ids::DomainId;
use crossfold_edge::router::Routes;
use serde::Deserialize;

use crate::keys::routes as keys;
use crate::personalize_calls as personalize;
use crate::segment_calls as segment;
use crate::state::IngestState;
use crate::{domain_deletion, domains, events, items, users};

/// The query of every route under `/v1/users/{user}`: whose user it is.
#[derive(Deserialize)]
pub(crate) struct OfDomain {
    pub(crate) domain: DomainId,
}

/// The routes.
pub fn routes() -> Routes<IngestState> {
    Routes::new()
        .post("/v1/events", events::post_events)
        .get("/v1/domains", domains::get_domains)
        .put("/v1/domains/{domain}", domains::put_domain)
        .get("/v1/domains/{domain}", domains::get_domain)
        .patch("/v1/domains/{domain}", domains::patch_domain)
        .delete("/v1/domains/{domain}", domain_deletion::delete_domain)
        .post("/v1/domains/{domain}/items", items::post_items)
        .get("/v1/domains/{domain}/items/{item}", items::get_item)
        .put("/v1/domains/{domain}/items/{item}", items::put_item)
        .delete("/v1/domains/{domain}/items/{item}", items::delete_item)
        .post("/v1/domains/{domain}/keys", keys::post_key)
        .get("/v1/domains/{domain}/keys", keys::get_keys)
        .delete("/v1/domains/{domain}/keys/{key}", keys::delete_key)
        .put("/v1/users/{user}", users::put_user)
        .get("/v1/users/{user}", users::get_user)
        .delete("/v1/users/{user}", users::delete_user)
        .get("/v1/erasures/{pseudonym}", users::get_erasure)
        .put("/v1/users/{user}/consents", users::put_consents)
        .put("/v1/users/{user}/links", users::put_link)
        .merge(keyed_routes())
}

/// The routes whose senders hold no token but a write key, which the handlers
/// ask for themselves.
fn keyed_routes() -> Routes<IngestState> {
    Routes::new()
        .post("/v1/batch", segment::post_batch)
        .post("/v1/track", segment::post_track)
        .post("/v1/identify", segment::post_identify)
        .post("/v1/page", segment::post_page)
        .post("/v1/screen", segment::post_screen)
        .post("/v1/group", segment::post_group)
        .post("/v1/alias", segment::post_alias)
        .post("/events", personalize::put_events)
        .post("/items", personalize::put_items)
        .post("/users", personalize::put_users)
}
