//! `POST /v1/recommendations/{id}/replay`: a decision is made again from what there is now,
//! or it is said what is gone. Nothing is logged, counted or changed by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use crossfold_core::entities::consent::ConsentLedger;
use crossfold_core::entities::decision::{Decision, SlateEntry};
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, ModelId, Pseudonym, RecommendationId};
use crossfold_core::entities::people::Member;
use crossfold_core::entities::ports::StoreError;
use crossfold_core::model::Model;
use crossfold_core::serving::replay::{
    Change, Finding, Permission, Present, Replayed, domains_to_read, replay,
};
use crossfold_core::serving::snapshot::Catalogues;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Path;
use crossfold_edge::problem::Problem;
use crossfold_registry::load::{LoadError, load};
use crossfold_storage::person_lookup::{Found, find};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;

use crate::deadline::{Deadline, Stage};
use crate::inputs::{read_catalogues, read_definitions, unchecked};
use crate::request::cross_domain;
use crate::state::RecommendState;

/// Events of each user that are read: ten times as many as a slate is made from, for newer
/// ones may have come in since.
const MAX_REPLAYED_HISTORY: usize = 10_000;

/// The response's body.
#[derive(Serialize)]
pub(crate) struct ReplayView {
    recommendation_id: RecommendationId,
    decided_at: Timestamp,
    model: Option<ModelId>,
    policy: String,
    variant: Option<String>,
    seed: u64,
    /// Whether the slate was made again as it was served.
    same: bool,
    /// What stands against that.
    findings: Vec<Finding>,
    /// What was served.
    served: Vec<SlateEntry>,
    /// What was made now; `None` when something that it needs is gone.
    items: Option<Vec<SlateEntry>>,
}

pub(crate) async fn post_replay(
    State(state): State<RecommendState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<JsonResponse<ReplayView>, Problem> {
    caller.require_scope(Scope::RecommendationsRead)?;
    let deadline = state.deadlines.begin();
    let recorded = recorded_decision(&state, &caller, &id).await?;
    let mut replayed = replay_now(&state, &recorded, &headers, &deadline).await?;
    for Finding { domains, items, .. } in &mut replayed.findings {
        // That evidence is not as it was is told, and whose only to who acts for them; items
        // are those that were served.
        let was_served = |domain: &DomainId| items.iter().any(|item| item.domain == *domain);
        domains.retain(|domain| caller.acts_for(domain) || was_served(domain));
    }
    Ok(JsonResponse(view(recorded, replayed)))
}

/// The decision of an id, of a platform that the caller acts for. Another's is as unknown as
/// one that never was, and is read all the same: neither the answer nor its time tells.
async fn recorded_decision(
    state: &RecommendState,
    caller: &Caller,
    id: &str,
) -> Result<Decision, Problem> {
    let found = match RecommendationId::parse(id) {
        Ok(id) => state.stores.decisions.get(&id).await?,
        Err(_) => None,
    };
    found.filter(|decision| caller.acts_for(&decision.domain)).ok_or_else(|| {
        let detail = "there is no such recommendation: it was never made, has expired, or was \
                      erased with its person";
        Problem::new(StatusCode::NOT_FOUND, "unknown_recommendation", detail)
    })
}

async fn replay_now(
    state: &RecommendState,
    recorded: &Decision,
    headers: &HeaderMap,
    deadline: &Deadline,
) -> Result<Replayed, Problem> {
    let Some(basis) = &recorded.basis else { return Ok(Change::NotRecorded.into()) };
    let Some(person) = person_of(state, &recorded.user).await? else {
        return Ok(Change::Erased.into());
    };
    let known = read_definitions(state, &recorded.domain, deadline).await?;
    if known.is_stale {
        // By them evidence might be used that may no longer be.
        return Err(unchecked(StoreError::Unavailable("the definitions are outdated".into())));
    }
    let definitions = known.definitions;
    let permission = Permission {
        now: state.machine.clock.now(),
        consents: &person.consents,
        definitions: &definitions,
        cross_domain: cross_domain(headers),
    };
    let history = person
        .history(state, &domains_to_read(recorded, &permission))
        .await?
        .in_lives_of(&definitions);
    let champion = state.models.served(deadline.left(Stage::FirstReads)).await.model;
    let model = model_of(state, recorded, champion.as_ref()).await?;
    let looked_into = |target: &&DomainId| basis.catalogues.contains_key(*target);
    let targets = basis.targets.iter().filter(looked_into).cloned().collect();
    read_catalogues(state, &targets, (deadline, Stage::FurtherReads)).await;
    let present = Present {
        now: permission.now,
        model: model.as_deref(),
        catalogues: &catalogues_of(state, &targets, champion.as_deref())?,
        definitions: &definitions,
        consents: &person.consents,
        history: &history,
        cross_domain: permission.cross_domain,
    };
    Ok(replay(recorded, &present))
}

/// The person whom a decision was for.
struct PersonNow {
    user: Pseudonym,
    consents: ConsentLedger,
    /// The person's other users.
    others: Vec<Member>,
}

/// `None` when the life that the decision was made in was erased.
async fn person_of(
    state: &RecommendState,
    user: &Pseudonym,
) -> Result<Option<PersonNow>, StoreError> {
    let (own, consents, members) = match find(&*state.stores.people, user).await? {
        Found::Person(stored) => {
            let own = stored.person.member(user).map(|member| member.user.clone());
            (own.unwrap_or_else(|| user.own()), stored.person.consents, stored.person.members)
        }
        Found::Erased { life, .. } => (user.in_life(life), ConsentLedger::default(), Vec::new()),
        Found::Nobody => (user.own(), ConsentLedger::default(), Vec::new()),
    };
    let others = members.into_iter().filter(|member| member.user != own).collect();
    Ok((own == *user).then_some(PersonNow { user: own, consents, others }))
}

impl PersonNow {
    /// The user's own history, and those of the person's users of some domains.
    async fn history(
        &self,
        state: &RecommendState,
        domains: &BTreeSet<DomainId>,
    ) -> Result<History, StoreError> {
        let opened = self.others.iter().filter(|member| domains.contains(&member.domain));
        let users = [&self.user].into_iter().chain(opened.map(|member| &member.user));
        let reads = users.map(|user| state.stores.events.history(user, MAX_REPLAYED_HISTORY));
        Ok(History::merge(try_join_all(reads).await?))
    }
}

/// The model that a decision names: the champion that is in memory, or one that is loaded for
/// this alone. `None` when it was deleted, or there was none.
async fn model_of(
    state: &RecommendState,
    recorded: &Decision,
    champion: Option<&Arc<Model>>,
) -> Result<Option<Arc<Model>>, Problem> {
    let Some(id) = &recorded.model else { return Ok(None) };
    if let Some(champion) = champion.filter(|champion| champion.id() == id) {
        return Ok(Some(champion.clone()));
    }
    // One at a time, for each may be as large as the champion.
    let _turn = state.replayed_models.lock().await;
    match load(&*state.stores.objects, id).await {
        Ok(model) => Ok(Some(Arc::new(model))),
        Err(LoadError::Unknown | LoadError::BlobMissing) => Ok(None),
        Err(LoadError::Store(error)) => Err(error.into()),
        Err(LoadError::Model(error)) => Err(StoreError::corrupt("a model", error).into()),
    }
}

/// The targets' catalogues as they are in memory, as for the champion, for which they are
/// kept.
fn catalogues_of(
    state: &RecommendState,
    targets: &BTreeSet<DomainId>,
    champion: Option<&Model>,
) -> Result<Catalogues, Problem> {
    let known = |target: &DomainId| {
        let known = state.catalogues.known(target, champion)?;
        Some((target.clone(), known.snapshot))
    };
    let catalogues: Option<Catalogues> = targets.iter().map(known).collect();
    catalogues.ok_or_else(|| StoreError::Unavailable("a catalogue was not read".into()).into())
}

fn view(recorded: Decision, replayed: Replayed) -> ReplayView {
    ReplayView {
        same: replayed.is_same(),
        recommendation_id: recorded.recommendation_id,
        decided_at: recorded.decided_at,
        model: recorded.model,
        policy: recorded.policy,
        variant: recorded.variant,
        seed: recorded.seed,
        findings: replayed.findings,
        served: recorded.slate,
        items: replayed.slate,
    }
}
