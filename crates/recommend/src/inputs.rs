//! What a decision is made of, read from the stores. What cannot be read is done
//! without where that is possible, and named in [`Degraded`].

use std::collections::BTreeSet;

use crossfold_core::entities::consent::ConsentLedger;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{StoreError, StoreResult};
use crossfold_core::model::Model;
use crossfold_core::serving::snapshot::Catalogues;
use crossfold_storage::person_lookup::{Found, find};
use futures::future::{join, join_all, try_join_all};

use crate::catalogue_cache::KnownCatalogue;
use crate::state::RecommendState;

/// Events of each user that are read: enough for evidence, and for most
/// people everything they have seen.
const MAX_HISTORY: usize = 1_000;

/// Codes of what could not be used, each once, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Degraded(Vec<&'static str>);

impl Degraded {
    /// What is named so far.
    pub(crate) fn codes(&self) -> &[&'static str] {
        &self.0
    }

    /// Names something.
    pub(crate) fn add(&mut self, code: &'static str) {
        if !self.0.contains(&code) {
            self.0.push(code);
        }
    }
}

/// What is known of a person.
#[derive(Debug)]
pub(crate) struct PersonRead {
    /// The user who asks, in the life that they lead.
    pub(crate) user: Pseudonym,
    pub(crate) consents: ConsentLedger,
    pub(crate) history: History,
}

/// What is known of the person. When it cannot be read, nothing is used:
/// without consents there is no evidence either.
pub(crate) async fn read_person(
    state: &RecommendState,
    user: &Pseudonym,
    degraded: &mut Degraded,
) -> PersonRead {
    let read = async {
        let history = |user: &Pseudonym| {
            let (events, user) = (state.stores.events.clone(), user.clone());
            async move { events.history(&user, MAX_HISTORY).await }
        };
        // Nearly everyone leads their first life: their history is read meanwhile.
        let (found, first) = join(find(&*state.stores.people, user), history(user)).await;
        let (own, consents, others) = known_of(user, found?);
        let mut histories = try_join_all(others.iter().map(history)).await?;
        histories.push(if own == *user { first? } else { history(&own).await? });
        Ok::<_, StoreError>(PersonRead { user: own, consents, history: History::merge(histories) })
    };
    read.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a person could not be read");
        degraded.add("no_profile");
        PersonRead {
            user: user.clone(),
            consents: ConsentLedger::default(),
            history: History::default(),
        }
    })
}

/// The user in the life that they lead, the person's consents, and their other users.
fn known_of(user: &Pseudonym, found: Found) -> (Pseudonym, ConsentLedger, Vec<Pseudonym>) {
    let stored = match found {
        Found::Person(stored) => stored,
        Found::Erased { life, .. } => return (user.in_life(life), Default::default(), Vec::new()),
        Found::Nobody => return (user.clone(), Default::default(), Vec::new()),
    };
    let own = stored.person.member(user).map_or_else(|| user.clone(), |own| own.user.clone());
    let users = stored.person.members.into_iter().map(|member| member.user);
    let others = users.filter(|other| *other != own).collect();
    (own, stored.person.consents, others)
}

/// The catalogues of the targets, and those that are for titles in reasons alone.
/// Without one of the latter a reason names the platform instead.
///
/// # Errors
/// When a target's catalogue cannot be read and never was.
pub(crate) async fn read_catalogues(
    state: &RecommendState,
    (targets, for_titles): (&BTreeSet<DomainId>, &BTreeSet<DomainId>),
    model: Option<&Model>,
    degraded: &mut Degraded,
) -> StoreResult<Catalogues> {
    let read = |domain: DomainId| async move {
        let known = state.catalogues.snapshot(&domain, model).await;
        known.map(|known| (domain, known))
    };
    let of_targets = try_join_all(targets.iter().cloned().map(read));
    let of_titles = join_all(for_titles.iter().cloned().map(read));
    let (of_targets, of_titles) = join(of_targets, of_titles).await;
    let mut known: Vec<(DomainId, KnownCatalogue)> = of_targets?;
    for read in of_titles {
        match read {
            Ok(catalogue) => known.push(catalogue),
            Err(error) => {
                tracing::error!(%error, "a catalogue could not be read for its titles");
                degraded.add("no_titles");
            }
        }
    }
    if known.iter().any(|(_, catalogue)| catalogue.is_stale) {
        degraded.add("stale_catalogue");
    }
    Ok(known.into_iter().map(|(domain, catalogue)| (domain, catalogue.snapshot)).collect())
}
