//! `POST /v1/recommendations`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::consent::{ConsentLedger, CrossDomain};
use crossfold_core::decision::Decision;
use crossfold_core::domain::Definitions;
use crossfold_core::history::History;
use crossfold_core::ids::{
    DomainId, ItemId, ModelId, Placement, Pseudonym, RecommendationId, UserId,
};
use crossfold_core::ports::{PeopleStore, StoreError};
use crossfold_core::reason::{Locale, Reason};
use crossfold_core::slate::{
    CatalogueSnapshot, MAX_LIMIT, POLICY, Recipient, Serving, Slate, SlateRequest, recommend,
};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::people::{Found, find};
use crossfold_edge::problem::Problem;
use futures::future::try_join_all;
use jiff::Timestamp;
use lambda_http::http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::routes::RecommendState;

/// Events of each user that are read: enough for evidence, and for most
/// people everything they have seen.
const MAX_HISTORY: usize = 1_000;
/// Most items a caller can exclude.
pub const MAX_EXCLUDED: usize = 1_000;
/// Most target domains of one request.
pub const MAX_TARGETS: usize = 16;

/// An item as a caller names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExcluded {
    domain: DomainId,
    item_id: ItemId,
}

/// The request's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecommendationBody {
    user_id: String,
    domain: DomainId,
    #[serde(default)]
    target_domains: Vec<DomainId>,
    placement: Option<Placement>,
    #[serde(default = "default_limit")]
    limit: usize,
    #[serde(default)]
    exclude: Vec<RawExcluded>,
    #[serde(default = "yes")]
    personalised: bool,
    #[serde(default = "yes")]
    explain: bool,
    #[serde(default)]
    locale: String,
}

fn default_limit() -> usize {
    10
}

fn yes() -> bool {
    true
}

/// The response's body.
#[derive(Serialize)]
pub(crate) struct RecommendationView {
    recommendation_id: RecommendationId,
    model: Option<ModelId>,
    variant: Option<String>,
    personalised: bool,
    degraded: Vec<String>,
    items: Vec<ItemView>,
}

#[derive(Serialize)]
struct ItemView {
    rank: usize,
    domain: DomainId,
    item_id: ItemId,
    title: String,
    score: f32,
    propensity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

pub(crate) async fn post_recommendations(
    State(state): State<RecommendState>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<RecommendationBody>,
) -> Result<JsonResponse<RecommendationView>, Problem> {
    caller.require(Scope::RecommendationsRead, &body.domain)?;
    state.definitions.domain(&body.domain).await?;
    let definitions = state.definitions.all().await?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &UserId::parse(&body.user_id)?);
    let placement = body.placement.clone();
    let request = parse_request(body, &caller, &headers, &definitions, state.clock.now())?;
    let mut degraded = Vec::new();
    let served = state.models.served().await;
    degraded.extend(served.degraded);
    let model = served.model.as_deref();
    let person = read_person(&state, &user, &mut degraded).await;
    let snapshots = read_catalogues(&state, &request, model, &mut degraded).await?;
    let catalogues: BTreeMap<DomainId, &CatalogueSnapshot> =
        snapshots.iter().map(|(domain, snapshot)| (domain.clone(), &**snapshot)).collect();
    let serving = Serving { model, catalogues: &catalogues, definitions: &definitions };
    let recipient = Recipient { user: &user, consents: &person.consents, history: &person.history };
    let slate = recommend(serving, recipient, &request);
    let id = uuid::Uuid::now_v7();
    let mut decision = Decision {
        recommendation_id: RecommendationId::parse(&id.to_string())?,
        user,
        domain: request.display,
        placement,
        decided_at: request.now,
        model: model.map(|model| model.id().clone()),
        policy: POLICY.to_owned(),
        variant: None,
        seed: id.as_u64_pair().1,
        personalised: slate.personalised,
        degraded: degraded.into_iter().map(str::to_owned).collect(),
        slate: slate.items.iter().map(|item| item.entry.clone()).collect(),
    };
    if let Err(error) = state.stores.decisions.record(&decision).await {
        // A slate without a record is better than none; the caller is told.
        tracing::error!(%error, "a decision could not be logged");
        decision.degraded.push("not_logged".to_owned());
    }
    Ok(JsonResponse(view(decision, slate)))
}

fn view(decision: Decision, slate: Slate) -> RecommendationView {
    let items = slate.items.into_iter().enumerate().map(|(at, item)| ItemView {
        rank: at + 1,
        domain: item.entry.domain,
        item_id: item.entry.item_id,
        title: item.title,
        score: item.entry.score,
        propensity: item.entry.propensity,
        reason: item.reason,
    });
    RecommendationView {
        recommendation_id: decision.recommendation_id,
        model: decision.model,
        variant: decision.variant,
        personalised: decision.personalised,
        degraded: decision.degraded,
        items: items.collect(),
    }
}

fn parse_request(
    body: RecommendationBody,
    caller: &Caller,
    headers: &HeaderMap,
    definitions: &Definitions,
    now: Timestamp,
) -> Result<SlateRequest, Problem> {
    if !(1..=MAX_LIMIT).contains(&body.limit) {
        return Err(Problem::invalid(format!("limit must be 1 to {MAX_LIMIT}")));
    }
    if body.exclude.len() > MAX_EXCLUDED {
        return Err(Problem::invalid(format!("exclude must have at most {MAX_EXCLUDED} items")));
    }
    if body.target_domains.len() > MAX_TARGETS {
        let detail = format!("target_domains must have at most {MAX_TARGETS} entries");
        return Err(Problem::invalid(detail));
    }
    let mut targets: BTreeSet<DomainId> = body.target_domains.into_iter().collect();
    if targets.is_empty() {
        targets.insert(body.domain.clone());
    }
    if let Some(unknown) = targets.iter().find(|target| !definitions.contains_key(*target)) {
        return Err(Problem::unknown_domain(unknown.as_str()));
    }
    Ok(SlateRequest {
        display: body.domain,
        targets,
        limit: body.limit,
        excluded: body.exclude.into_iter().map(|item| (item.domain, item.item_id)).collect(),
        personalised: body.personalised,
        cross_domain: cross_domain(headers),
        visible: definitions.keys().filter(|domain| caller.acts_for(domain)).cloned().collect(),
        explain: body.explain,
        locale: Locale::closest(&body.locale),
        now,
    })
}

/// A Global Privacy Control signal (`Sec-GPC: 1`) asks that data not be shared:
/// no evidence of another domain is used then, whatever was consented to.
fn cross_domain(headers: &HeaderMap) -> CrossDomain {
    match headers.get("sec-gpc") {
        Some(value) if value.as_bytes() == b"1" => CrossDomain::Never,
        _ => CrossDomain::ByConsent,
    }
}

#[derive(Default)]
struct PersonRead {
    consents: ConsentLedger,
    history: History,
}

/// What is known of the person. When it cannot be read, nothing is used:
/// without consents there is no evidence either.
async fn read_person(
    state: &RecommendState,
    user: &Pseudonym,
    degraded: &mut Vec<&'static str>,
) -> PersonRead {
    let own_history = state.stores.events.history(user, MAX_HISTORY);
    let (found, own_history) =
        futures::future::join(find_person(&*state.stores.people, user), own_history).await;
    let read = async {
        let (consents, others) = found?;
        let own_history = own_history?;
        let reads = others.iter().map(|other| state.stores.events.history(other, MAX_HISTORY));
        let mut histories = try_join_all(reads).await?;
        histories.push(own_history);
        Ok::<_, StoreError>(PersonRead { consents, history: History::merge(histories) })
    };
    read.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a person could not be read");
        degraded.push("no_profile");
        PersonRead::default()
    })
}

/// The person's consents and their other users.
async fn find_person(
    people: &dyn PeopleStore,
    user: &Pseudonym,
) -> Result<(ConsentLedger, Vec<Pseudonym>), StoreError> {
    let Found::Person(stored) = find(people, user).await? else {
        return Ok(Default::default());
    };
    let users = stored.person.members.into_iter().map(|member| member.user);
    Ok((stored.person.consents, users.filter(|other| other != user).collect()))
}

/// The catalogues of the targets, and of the caller's own domains for reasons.
async fn read_catalogues(
    state: &RecommendState,
    request: &SlateRequest,
    model: Option<&crossfold_core::model::Model>,
    degraded: &mut Vec<&'static str>,
) -> Result<BTreeMap<DomainId, Arc<CatalogueSnapshot>>, Problem> {
    let mut domains = request.targets.clone();
    domains.insert(request.display.clone());
    let mut snapshots = BTreeMap::new();
    for domain in domains {
        let (snapshot, is_stale) = state.catalogues.snapshot(&domain, model).await?;
        if is_stale && !degraded.contains(&"stale_catalogue") {
            degraded.push("stale_catalogue");
        }
        snapshots.insert(domain, snapshot);
    }
    Ok(snapshots)
}
