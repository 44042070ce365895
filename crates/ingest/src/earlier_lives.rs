//! Who was erased, for those who post a past: nothing of an earlier life comes back.

use std::collections::BTreeMap;

use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_edge::batch;
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::{Found, find};
use jiff::Timestamp;

use crate::events::MAX_EVENTS;
use crate::state::IngestState;

/// Users of one call that are looked up at the same time.
const CONCURRENT_READS: usize = 64;

/// When the earlier life of a user was erased. One that was not registered again has no
/// other: nothing of it is taken.
enum Erased {
    Before(Timestamp),
    Wholly,
}

/// Those of some users that were erased.
pub(crate) struct EarlierLives(BTreeMap<Pseudonym, Erased>);

impl EarlierLives {
    /// Looks users up, at most as many as a call may have events.
    pub(crate) async fn of(
        state: &IngestState,
        domain: &DomainId,
        users: &[String],
    ) -> Result<Self, Problem> {
        if users.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        batch::check_size(users.len(), MAX_EVENTS)?;
        let users: Vec<Pseudonym> =
            users.iter().map(|user| state.pseudonym(domain, user)).collect::<Result<_, _>>()?;
        let finds = users.into_iter().map(|user| {
            let store = state.stores.people.clone();
            async move {
                let erased = match find(&*store, &user).await? {
                    Found::Nobody => None,
                    Found::Erased { .. } => Some(Erased::Wholly),
                    Found::Person(mut stored) => stored
                        .person
                        .member_mut(&user)
                        .and_then(|member| member.erased_at)
                        .map(Erased::Before),
                };
                Ok(erased.map(|erased| (user, erased)))
            }
        });
        let found = batch::write_all(finds, CONCURRENT_READS).await?;
        Ok(Self(found.into_iter().flatten().collect()))
    }

    /// Whether an event is of a life that was erased.
    pub(crate) fn have(&self, event: &Event) -> bool {
        match self.0.get(&event.user) {
            None => false,
            Some(Erased::Wholly) => true,
            Some(Erased::Before(at)) => event.occurred_at <= *at,
        }
    }
}
