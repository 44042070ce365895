//! `POST /v1/recommendations/{id}/replay`: a decision is made again from what there is now,
//! or it is said what is gone. Nothing is logged, counted or changed by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use crossfold_core::entities::basis::Basis;
use crossfold_core::entities::consent::{ConsentContext, ConsentLedger, CrossDomain};
use crossfold_core::entities::decision::{Decision, SlateEntry};
use crossfold_core::entities::experiment::exposure::Exposure;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, ModelId, Pseudonym, RecommendationId};
use crossfold_core::entities::people::Member;
use crossfold_core::entities::ports::StoreError;
use crossfold_core::model::Model;
use crossfold_core::serving::replay::{
    Change, Finding, Permission, Present, Replayed, domains_to_read, replay, request_of,
};
use crossfold_core::serving::request::MAX_HISTORY;
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues, Descriptions};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Path;
use crossfold_edge::problem::Problem;
use crossfold_registry::load::{LoadError, load};
use crossfold_storage::key_versions;
use crossfold_storage::person_lookup::{Found, find};
use futures::future::join_all;
use jiff::Timestamp;
use serde::Serialize;

use crate::deadline::{Deadline, Stage};
use crate::history_reader::{HistoryReader, Missing, Reach};
use crate::inputs::{read_catalogues, read_definitions, unchecked, within_one_domain};
use crate::request::cross_domain;
use crate::state::RecommendState;

/// The response's body.
#[derive(Serialize)]
pub(crate) struct ReplayView {
    recommendation_id: RecommendationId,
    decided_at: Timestamp,
    model: Option<ModelId>,
    policy: String,
    variant: Option<Exposure>,
    seed: u64,
    /// Whether the slate was made again as it was served.
    same: bool,
    /// What stands against that.
    findings: Vec<Finding>,
    /// What was served, which is what was made now if it is the same; another slate is for
    /// nobody. `None` where it cannot be told whether the user was erased.
    served: Option<Vec<SlateEntry>>,
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
    let replayed = match is_found(&state, &recorded.user).await? {
        true => replay_now(&state, &recorded, &headers, &deadline).await?,
        false => Change::KeysRotating.into(),
    };
    Ok(JsonResponse(view(recorded, replayed, &caller)))
}

/// What a caller is told of a finding. That evidence is not as it was is told, and whose, and
/// why, only to who acts for them; items are those that were served.
fn as_told(finding: Finding, caller: &Caller) -> Finding {
    let Finding { mut code, mut domains, items } = finding;
    let was_served = |domain: &DomainId| items.iter().any(|item| item.domain == *domain);
    domains.retain(|domain| caller.acts_for(domain) || was_served(domain));
    if domains.is_empty() && matches!(code, Change::TooManySince | Change::LinksChanged) {
        code = Change::EvidenceChanged;
    }
    Finding { code, domains, items }
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
    found.filter(|decision| caller.acts_for(&decision.domain)).ok_or_else(unknown)
}

fn unknown() -> Problem {
    let detail = "there is no such recommendation: it was never made, has expired, or was erased \
                  with its person or platform";
    Problem::new(StatusCode::NOT_FOUND, "unknown_recommendation", detail)
}

/// Whether a user is found, from the form that a record names, by every key under which
/// something of them may be stored. Without that nobody knows whether they were erased, and
/// what they let be used.
async fn is_found(state: &RecommendState, user: &Pseudonym) -> Result<bool, StoreError> {
    let elsewhere = state.pseudonymiser.not_found_from(user);
    key_versions::are_moved(&*state.stores.records, &elsewhere).await
}

async fn replay_now(
    state: &RecommendState,
    recorded: &Decision,
    headers: &HeaderMap,
    deadline: &Deadline,
) -> Result<Replayed, Problem> {
    // Before anything is told of it: who was erased is known from no slate.
    let person = person_of(state, &recorded.user).await?.ok_or_else(unknown)?;
    let known = read_definitions(state, &recorded.domain, deadline).await?;
    if known.is_stale {
        // By them evidence might be used that may no longer be.
        return Err(unchecked(StoreError::Unavailable("the definitions are outdated".into())));
    }
    if !recorded.is_of_life(&recorded.domain, &known.definitions) {
        return Err(unknown());
    }
    let definitions = known.definitions;
    let request = request_of(recorded, &definitions);
    let (Some(basis), Some(request)) = (&recorded.basis, request) else {
        return Ok(Change::NotRecorded.into());
    };
    let permission = Permission {
        now: state.machine.clock.now(),
        consents: &person.consents,
        definitions: &definitions,
        cross_domain: cross_domain(headers),
    };
    let request = match permission.cross_domain {
        CrossDomain::Never => within_one_domain(request),
        CrossDomain::ByConsent => request,
    };
    let context = ConsentContext {
        ledger: permission.consents,
        definitions: permission.definitions,
        now: permission.now,
    };
    let reach = Reach::REPLAYED;
    let reader = HistoryReader { state, request: &request, context, deadline, reach };
    let EvidenceNow { history, not_reached } =
        person.evidence(reader, recorded, &domains_to_read(recorded, &permission)).await?;
    let history = history.in_lives_of(&definitions);
    let champion = state.models.served(deadline.left(Stage::FirstReads)).await.model;
    let model = model_of(state, recorded, champion.as_ref()).await?;
    let looked_into = |target: &&DomainId| basis.catalogues.contains_key(*target);
    let targets = basis.targets.iter().filter(looked_into).cloned().collect();
    read_catalogues(state, &targets, (deadline, Stage::FurtherReads)).await;
    let catalogues = catalogues_of(state, &targets, champion.as_deref())?;
    let descriptions = descriptions_of(state, basis, &catalogues, model.as_ref()).await?;
    let present = Present {
        now: permission.now,
        model: model.as_deref(),
        catalogues: &catalogues,
        descriptions: descriptions.as_ref(),
        definitions: &definitions,
        consents: &person.consents,
        history: &history,
        not_reached: &not_reached,
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

/// What there is of a person's evidence.
struct EvidenceNow {
    history: History,
    /// The domains of users of whom it does not go back as far as the decision.
    not_reached: BTreeSet<DomainId>,
}

impl PersonNow {
    /// The user's own history, and those of the person's users of some domains.
    async fn evidence(
        &self,
        reader: HistoryReader<'_>,
        recorded: &Decision,
        domains: &BTreeSet<DomainId>,
    ) -> Result<EvidenceNow, StoreError> {
        let opened = self.others.iter().filter(|member| domains.contains(&member.domain));
        let opened = opened.map(|member| (&member.user, &member.domain));
        let users: Vec<_> = [(&self.user, &recorded.domain)].into_iter().chain(opened).collect();
        let reads = users.iter().map(|user| reader.read(*user, None));
        let (mut histories, mut not_reached) = (Vec::new(), BTreeSet::new());
        for ((_, domain), read) in users.iter().zip(join_all(reads).await) {
            let history = read.history.filter(|_| read.missing != Some(Missing::Unread));
            let Some(history) = history else {
                return Err(StoreError::Unavailable("a history was not read".into()));
            };
            let mut sources = recorded.basis.iter().flat_map(|basis| &basis.sources);
            if let Some(source) = sources.find(|source| source.domain == **domain)
                && !history.reaches(MAX_HISTORY, source.received_until)
            {
                not_reached.insert((*domain).clone());
            }
            histories.push(history);
        }
        Ok(EvidenceNow { history: History::merge(histories), not_reached })
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

/// The new items that were ranked by their text then, described again by the encoder that the
/// model names. `None` when that cannot be.
async fn descriptions_of(
    state: &RecommendState,
    basis: &Basis,
    catalogues: &Catalogues,
    model: Option<&Arc<Model>>,
) -> Result<Option<Descriptions>, Problem> {
    let mut descriptions = Descriptions::new();
    let Some(model) = model else { return Ok(Some(descriptions)) };
    for (domain, &until) in &basis.described {
        let Some(snapshot) = catalogues.get(domain) else { continue };
        // Matched with the model of the decision, which need not be the champion.
        let items = snapshot.entries().map(|(_, entry)| entry.item.clone()).collect();
        let snapshot = CatalogueSnapshot::new(items, Some(model));
        let before = state.descriptions.known(domain, model);
        let from = basis.described_from.get(domain).copied().unwrap_or_default();
        let entries = (&snapshot, from..=until);
        match state.descriptions.describe(domain, entries, (model, before.as_deref())).await {
            Ok(described) => _ = descriptions.insert(domain.clone(), Arc::new(described)),
            Err(error) => {
                tracing::error!(%error, %domain, "new items are not described");
                return match error.into_store_error() {
                    Some(error) => Err(error.into()),
                    None => Ok(None),
                };
            }
        }
    }
    Ok(Some(descriptions))
}

fn view(recorded: Decision, replayed: Replayed, caller: &Caller) -> ReplayView {
    let same = replayed.is_same();
    let mut findings: Vec<Finding> = Vec::new();
    for finding in replayed.findings {
        let told = as_told(finding, caller);
        if !findings.contains(&told) {
            findings.push(told);
        }
    }
    let is_known = findings.iter().all(|finding| finding.code != Change::KeysRotating);
    ReplayView {
        same,
        recommendation_id: recorded.recommendation_id,
        decided_at: recorded.decided_at,
        model: recorded.model,
        policy: recorded.policy,
        variant: recorded.variant,
        seed: recorded.seed,
        findings,
        served: is_known.then_some(recorded.slate),
    }
}
