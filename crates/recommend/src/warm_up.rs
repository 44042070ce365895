//! Reading what nearly every request needs before the first is there.
//!
//! An environment of Lambda starts in an init phase of its own, in which it has more of a processor than a
//! small function has later, and in which nobody waits for an environment that was started ahead.
//! What is read there need not be read by whoever asks first.

use std::time::Duration;

use crossfold_core::entities::ids::DomainId;
use futures::future::{join, join_all};
use tokio::time::timeout;

use crate::state::RecommendState;

/// Longest that a process reads before it takes requests: Lambda's init phase is ten seconds, and whoever
/// waits for this process waits for no more than they would as the first.
const LONGEST: Duration = Duration::from_secs(5);

/// Most catalogues that are read ahead, of the domains that come first by name: one with many platforms
/// must not keep all of them in every environment.
const MOST_CATALOGUES: usize = 16;

impl RecommendState {
    /// The same state with the definitions, the model that is served, and catalogues in memory, matched with
    /// the model, as far as they can be read in time. What is missing is read by the request that needs it.
    pub async fn warmed_up(self) -> Self {
        if timeout(LONGEST, self.warm_up()).await.is_err() {
            tracing::warn!("not everything could be read before the first request");
        }
        self
    }

    async fn warm_up(&self) {
        let (served, domains) = join(self.models.served(LONGEST), self.warm_catalogues()).await;
        for domain in domains {
            // Whoever is first to ask for it with a model pays for matching them.
            self.catalogues.known(&domain, served.model.as_deref());
        }
    }

    /// Reads definitions and catalogues, and tells whose catalogues they are.
    async fn warm_catalogues(&self) -> Vec<DomainId> {
        let definitions = match self.definitions.all().await {
            Ok(definitions) => definitions,
            Err(error) => {
                tracing::error!(%error, "the definitions could not be read");
                return Vec::new();
            }
        };
        let domains: Vec<DomainId> = definitions.keys().take(MOST_CATALOGUES).cloned().collect();
        join_all(domains.iter().map(|domain| self.catalogues.refresh(domain, LONGEST))).await;
        domains
    }
}
