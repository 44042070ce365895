//! The routes of `ingest` and what they share.

use axum::Router;
use axum::routing::{get, post, put};
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::ports::Stores;
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::DefinitionReader;
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
        let definitions = DefinitionReader::new(stores.records.clone());
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
