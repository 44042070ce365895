//! What a decision is made of, read from the stores within the request's deadline. What
//! cannot be read in time is done without where that is possible, and named in
//! [`Degraded`].
//!
//! What is read depends only on what the platform that asks may know: consents first, then
//! the histories that they open. A user who is linked to others and lets none of them know
//! costs the same reads as one who is linked to nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use crossfold_core::entities::consent::{ConsentContext, ConsentLedger, CrossDomain};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::{Declared, Member};
use crossfold_core::entities::ports::{NoDefinition, StoreError};
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::model::Model;
use crossfold_core::serving::admit::may_use_evidence_of;
use crossfold_core::serving::request::{MAX_HISTORY, SlateRequest};
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::KnownDefinitions;
use crossfold_storage::person_lookup::{Found, find};
use crossfold_text::search::Query;
use futures::future::{join, join_all};

use crate::deadline::{Deadline, Stage};
use crate::descriptions::ranks_new_items;
use crate::history_reader::{HistoryReader, Reach, answered};
use crate::shortfall::{Degraded, Shortfall};
use crate::state::RecommendState;

/// The definitions that a request is checked by.
///
/// # Errors
/// A problem when the domain is not defined, or when that cannot be told now.
pub(crate) async fn read_definitions(
    state: &RecommendState,
    domain: &DomainId,
    deadline: &Deadline,
) -> Result<KnownDefinitions, Problem> {
    let known = state.definitions.within(deadline.left(Stage::FirstReads), domain).await;
    known.map_err(|error| match error {
        NoDefinition::Unknown(_) => error.into(),
        NoDefinition::Store(error) => unchecked(error),
    })
}

/// The definitions, with the platform's catalogue in memory.
///
/// # Errors
/// As [`read_definitions`].
pub(crate) async fn read_platform(
    state: &RecommendState,
    domain: &DomainId,
    deadline: &Deadline,
) -> Result<KnownDefinitions, Problem> {
    let known = read_definitions(state, domain, deadline).await?;
    let own = BTreeSet::from([domain.clone()]);
    read_catalogues(state, &own, (deadline, Stage::FirstReads)).await;
    Ok(known)
}

/// What is told of a request that cannot be checked now, whatever it is that the store has:
/// with another try it may be.
pub(crate) fn unchecked(error: StoreError) -> Problem {
    StoreError::unavailable("a request could not be checked", error).into()
}

/// What was read of the user who asks, and whom they belong to.
pub(crate) struct UserRead {
    found: Option<Found>,
    history: Option<History>,
}

/// Reads what needs no consent: the user's person, and the user's own history.
pub(crate) async fn read_user(
    state: &RecommendState,
    user: &Pseudonym,
    deadline: &Deadline,
) -> UserRead {
    let person = find(&*state.stores.people, user);
    let history = state.stores.events.history(user, MAX_HISTORY);
    let (found, history) =
        join(deadline.wait(Stage::FirstReads, person), deadline.wait(Stage::FirstReads, history))
            .await;
    UserRead {
        found: answered("a person could not be read", found),
        history: answered("a history could not be read", history),
    }
}

/// A person as far as the user who asks is concerned.
pub(crate) struct PersonRead {
    /// The user who asks, in the life that they lead.
    pub(crate) user: Pseudonym,
    /// What the person decided; nothing is let through when that could not be read.
    pub(crate) consents: ConsentLedger,
    /// The version of what is stored of the person, where something is.
    pub(crate) version: Option<u64>,
    /// What the platform declares of the user who asks.
    pub(crate) declared: Declared,
    /// The person's other users.
    others: Vec<Member>,
    /// The user's own history; `None` when it is of another life than what was read.
    own_history: Option<History>,
}

impl UserRead {
    /// The person. Without consents there is no evidence; the user's own dismissals, which
    /// are instructions, hold all the same.
    pub(crate) fn person(
        self,
        user: &Pseudonym,
        display: &DomainId,
        definitions: &Definitions,
        degraded: &mut Degraded,
    ) -> PersonRead {
        let (mut own, mut version, mut declared) = (user.clone(), None, Declared::new());
        let (consents, members) = match self.found {
            Some(Found::Person(stored)) => {
                own = stored.person.member(user).map_or(own, |member| member.user.clone());
                version = Some(stored.version);
                declared = stored.declared(user);
                (stored.person.consents, stored.person.members)
            }
            Some(Found::Erased { life, .. }) => {
                own = user.in_life(life);
                Default::default()
            }
            Some(Found::Nobody) => Default::default(),
            None => {
                degraded.add(Shortfall::NoProfile);
                let to_display = |from: &DomainId| (from.clone(), display.clone());
                let all: Vec<_> = definitions.keys().map(to_display).collect();
                let nothing = ConsentLedger::default().without(&all, Purpose::Recommendation);
                (nothing, Vec::new())
            }
        };
        // Nearly everyone leads their first life, and that is what was read.
        let is_of_own = own == *user;
        if is_of_own && self.history.is_none() {
            degraded.add(Shortfall::NoHistory);
        }
        PersonRead {
            consents,
            version,
            declared,
            others: members.into_iter().filter(|member| member.user != own).collect(),
            own_history: is_of_own.then(|| self.history.unwrap_or_default()),
            user: own,
        }
    }
}

impl PersonRead {
    /// The person's history: their own, and those that may be used for the request. No
    /// other is read.
    pub(crate) async fn history(
        &self,
        state: &RecommendState,
        (request, definitions, reach): (&SlateRequest, &Definitions, Reach),
        deadline: &Deadline,
        degraded: &mut Degraded,
    ) -> History {
        let context = ConsentContext { ledger: &self.consents, definitions, now: request.now };
        let reader = HistoryReader { state, request, context, deadline, reach };
        let opens = |member: &&Member| may_use_evidence_of(&member.domain, request, context);
        let opened = self.others.iter().filter(opens);
        let reads = opened.map(|member| reader.read((&member.user, &member.domain), None));
        let own = reader.read((&self.user, &request.display), self.own_history.clone());
        let (own, reads) = join(own, join_all(reads)).await;
        let is_own_partial = own.history.is_some() && own.missing.is_some();
        if is_own_partial || reads.iter().any(|read| read.missing.is_some()) {
            degraded.add(Shortfall::PartialHistory);
        }
        if own.history.is_none() {
            degraded.add(Shortfall::NoHistory);
        }
        let histories = reads.into_iter().chain([own]).filter_map(|read| read.history);
        History::merge(histories).in_lives_of(definitions)
    }
}

/// A request that rests on definitions which may be outdated: nothing crosses domains by
/// them, for a default may have been withdrawn.
pub(crate) fn within_one_domain(request: SlateRequest) -> SlateRequest {
    SlateRequest { cross_domain: CrossDomain::Never, ..request }
}

/// Sees to it that catalogues are in memory, as far as they can be read in time.
pub(crate) async fn read_catalogues(
    state: &RecommendState,
    domains: &BTreeSet<DomainId>,
    (deadline, stage): (&Deadline, Stage),
) {
    let refresh = |domain| state.catalogues.refresh(domain, deadline.left(stage));
    join_all(domains.iter().map(refresh)).await;
}

/// Sees to it that new items of the targets are described by their text, where the model ranks
/// them so.
pub(crate) async fn describe_new_items(
    state: &RecommendState,
    targets: &BTreeSet<DomainId>,
    model: Option<&Arc<Model>>,
    deadline: &Deadline,
) {
    let Some(model) = model else { return };
    let described = targets.iter().filter(|target| ranks_new_items(model, target));
    join_all(described.map(|target| async move {
        let Some(known) = state.catalogues.known(target, Some(model)) else { return };
        let left = deadline.left(Stage::FurtherReads);
        state.descriptions.refresh(target, (&known.snapshot, model), left).await;
    }))
    .await;
}

/// A target's catalogue with its new items described, as far as they are.
fn with_descriptions(
    state: &RecommendState,
    (domain, snapshot): (&DomainId, Arc<CatalogueSnapshot>),
    model: Option<&Model>,
    degraded: &mut Degraded,
) -> Arc<CatalogueSnapshot> {
    let Some(model) = model.filter(|model| ranks_new_items(model, domain)) else {
        return snapshot;
    };
    if state.descriptions.failed(domain, model) {
        degraded.add(Shortfall::NoEncoder);
    }
    match state.descriptions.known(domain, model) {
        Some(described) => Arc::new(snapshot.described_by(described)),
        None => snapshot,
    }
}

/// The catalogues of the targets, and those that are for titles in reasons alone, as far as
/// they were read. A target without one has nothing to show; without one of the others a
/// reason names the platform instead.
pub(crate) fn known_catalogues(
    state: &RecommendState,
    (targets, for_titles): (&BTreeSet<DomainId>, &BTreeSet<DomainId>),
    model: Option<&Model>,
    degraded: &mut Degraded,
) -> Catalogues {
    let mut catalogues = Catalogues::new();
    let wanted = [(targets, Shortfall::NoCatalogue), (for_titles, Shortfall::NoTitles)];
    for (domains, shortfall) in wanted {
        for domain in domains {
            let Some(known) = state.catalogues.known(domain, model) else {
                degraded.add(shortfall);
                continue;
            };
            if known.is_stale {
                degraded.add(Shortfall::StaleCatalogue);
            }
            let snapshot = match shortfall {
                Shortfall::NoCatalogue => {
                    with_descriptions(state, (domain, known.snapshot), model, degraded)
                }
                _ => known.snapshot,
            };
            catalogues.insert(domain.clone(), snapshot);
        }
    }
    catalogues
}

/// Looks for words in the catalogues of the targets. Where that cannot be done in time, nothing is
/// looked for in that catalogue.
pub(crate) async fn search(
    state: &RecommendState,
    question: &Query,
    (targets, catalogues): (&BTreeSet<DomainId>, &mut Catalogues),
    (deadline, degraded): (&Deadline, &mut Degraded),
) {
    let searched = catalogues.iter_mut().filter(|(domain, _)| targets.contains(*domain));
    let found = join_all(searched.map(|(domain, snapshot)| async move {
        let wait = deadline.left(Stage::FurtherReads);
        let found = state.searches.found(domain, (snapshot, question), wait).await;
        let is_found = found.is_some();
        if let Some(found) = found {
            *snapshot = Arc::new(snapshot.searched(Arc::new(found)));
        }
        is_found
    }));
    if found.await.contains(&false) {
        degraded.add(Shortfall::NoSearch);
    }
}
