//! The log under every form of its users' pseudonyms.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::ids::{EventId, Pseudonym, RecommendationId};
use crossfold_core::entities::ports::{Appended, DecisionStore, Logged, Page, StoreResult};
use crossfold_core::entities::pseudonym::Pseudonymiser;

pub(super) struct RekeyedDecisions {
    pub(super) store: Arc<dyn DecisionStore>,
    pub(super) keys: Arc<Pseudonymiser>,
}

impl RekeyedDecisions {
    fn written(&self, user: &Pseudonym) -> Pseudonym {
        self.keys.forward(user).written_form()
    }
}

#[async_trait]
impl DecisionStore for RekeyedDecisions {
    async fn record(&self, decision: &Decision) -> StoreResult<()> {
        let user = self.written(&decision.user);
        self.store.record(&Decision { user, ..decision.clone() }).await
    }

    async fn get(&self, id: &RecommendationId) -> StoreResult<Option<Decision>> {
        let found = self.store.get(id).await?;
        Ok(found.map(|decision| Decision { user: self.keys.forward(&decision.user), ..decision }))
    }

    async fn append_outcome(&self, outcome: &Outcome) -> StoreResult<Appended> {
        let user = self.written(&outcome.user);
        self.store.append_outcome(&Outcome { user, ..outcome.clone() }).await
    }

    async fn outcomes(&self, id: &RecommendationId) -> StoreResult<Vec<Outcome>> {
        let found = self.store.outcomes(id).await?.into_iter();
        Ok(found.map(|one| Outcome { user: self.keys.forward(&one.user), ..one }).collect())
    }

    async fn outcome(
        &self,
        id: &RecommendationId,
        feedback: &EventId,
    ) -> StoreResult<Option<Outcome>> {
        let found = self.store.outcome(id, feedback).await?;
        Ok(found.map(|one| Outcome { user: self.keys.forward(&one.user), ..one }))
    }

    async fn logged_of(
        &self,
        users: &BTreeSet<Pseudonym>,
        after: Option<String>,
    ) -> StoreResult<Page<Logged>> {
        let canonical = users.iter().map(|user| self.keys.forward(user));
        let forms = canonical.flat_map(|user| user.forms().collect::<Vec<_>>()).collect();
        let page = self.store.logged_of(&forms, after).await?;
        let entries = page.entries.into_iter();
        let entries = entries.map(|one| Logged { user: self.keys.forward(&one.user), ..one });
        Ok(Page { entries: entries.collect(), next: page.next })
    }

    async fn logged_users(&self, after: Option<String>) -> StoreResult<Page<Pseudonym>> {
        self.store.logged_users(after).await
    }

    async fn delete(&self, logged: &[Logged]) -> StoreResult<()> {
        self.store.delete(logged).await
    }
}
