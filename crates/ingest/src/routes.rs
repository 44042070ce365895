//! The routes of `ingest` and what they share.

use crossfold_core::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::ports::Stores;
use crossfold_core::pseudonym::Pseudonymiser;
use crossfold_edge::clock::Clock;
use crossfold_edge::definitions::DefinitionReader;
use crossfold_edge::problem::Problem;
use crossfold_edge::router::Routes;
use serde::Deserialize;

use crate::{domains, events, items, users};

/// What the handlers work with.
#[derive(Clone)]
pub struct IngestState {
    /// The stores.
    pub stores: Stores,
    /// Domain definitions, cached.
    pub definitions: DefinitionReader,
    /// Derives pseudonyms.
    pub pseudonymiser: Pseudonymiser,
    /// The time.
    pub clock: Clock,
}

impl IngestState {
    /// State over stores and the tenant's keys.
    #[must_use]
    pub fn new(stores: Stores, pseudonymiser: Pseudonymiser, clock: Clock) -> Self {
        let definitions = DefinitionReader::new(stores.control.clone());
        Self { stores, definitions, pseudonymiser, clock }
    }

    pub(crate) fn pseudonym(&self, domain: &DomainId, user: &str) -> Result<Pseudonym, Problem> {
        Ok(self.pseudonymiser.pseudonym(domain, &UserId::parse(user)?))
    }
}

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
