//! Reading what nearly every request needs before the first is there.
//!
//! Lambda starts an environment in an init phase, which ends when the process asks for its first
//! event. What is read there need not be read by whoever asks first; and where Lambda starts an
//! environment ahead, nobody waits for it at all. After ten seconds Lambda gives the phase up, and
//! begins it anew for the first event. It is billed as requests are.

use std::time::Duration;

use crossfold_core::entities::clock::Reading;
use crossfold_core::entities::ids::DomainId;
use futures::future::{join, join_all};
use tokio::time::timeout;

use crate::state::RecommendState;

/// Longest that a process reads ahead: whoever waits for the process waits for that as well.
const LONGEST: Duration = Duration::from_secs(5);

/// When a process has begun to take requests at the latest, as far as it lies with this: before Lambda
/// gives the init phase up, with time to spare for what it does before the process runs.
const UNTIL: Duration = Duration::from_secs(8);

/// Most catalogues that are read ahead, of the domains that come first by name: a process of a
/// deployment of several hundred domains has neither time nor memory for all, and is asked for few.
const MOST_CATALOGUES: usize = 16;

impl RecommendState {
    /// The same state with the definitions, the model that is served, and catalogues in memory, matched
    /// with the model, as far as they can be read in some seconds; the fewer, the more have passed since
    /// the process began. What is missing is read by the requests that need it. It never fails.
    ///
    /// The catalogues are those of all domains, but no more than 16.
    pub async fn warmed_up(self, began: Reading) -> Self {
        let begins = self.machine.stopwatch.read();
        let limit = LONGEST.min(UNTIL.saturating_sub(begins.since(began)));
        if timeout(limit, self.warm_up(limit)).await.is_err() {
            tracing::warn!("not everything could be read before the first request");
            // What takes so long goes on, and who waited for it does not wait for as long once more.
            // What failed sooner is begun anew by the first request, which has all of its time.
            self.deadlines.count_from(begins);
        }
        self
    }

    async fn warm_up(&self, limit: Duration) {
        let model = self.models.served(limit);
        let (served, domains) = join(model, self.warm_catalogues(limit)).await;
        for domain in domains {
            // Otherwise whoever is first to ask for it has to wait for that.
            self.catalogues.known(&domain, served.model.as_deref());
            // Where time is up, no further one is begun.
            tokio::task::yield_now().await;
        }
    }

    /// Reads definitions and catalogues, and tells whose catalogues they are.
    async fn warm_catalogues(&self, limit: Duration) -> Vec<DomainId> {
        let definitions = match self.definitions.all().await {
            Ok(definitions) => definitions,
            Err(error) => {
                tracing::error!(%error, "definitions could not be read before the first request");
                return Vec::new();
            }
        };
        let domains: Vec<DomainId> = definitions.keys().take(MOST_CATALOGUES).cloned().collect();
        join_all(domains.iter().map(|domain| self.catalogues.refresh(domain, limit))).await;
        domains
    }
}
