//! What the last slates of a platform say: `GET /v1/domains/{domain}/catalogue`, how a catalogue
//! stands and how much of it people were shown; `POST /v1/domains/{domain}/filter-trial`, what a
//! filter would have kept from them. Nobody's history is read, and nothing is logged or counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::http::StatusCode;
use crossfold_core::entities::decision::Decision;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::filter::Filter;
use crossfold_core::entities::ids::{DomainId, Placement};
use crossfold_core::entities::ports::StoreError;
use crossfold_core::serving::served::{CatalogueReport, FilterTrial, report, try_filter};
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::deadline::{Deadline, Stage};
use crate::inputs::{known_catalogues, read_catalogues, read_definitions, unchecked};
use crate::recent_decisions::{MAX_DECISIONS, recent_decisions};
use crate::request_filter::FilteredTargets;
use crate::shortfall::{Degraded, Shortfall};
use crate::state::RecommendState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrialBody {
    filter: String,
    /// Whose items; the platform's own, unless it is said.
    target_domain: Option<DomainId>,
    /// Only slates of this place.
    placement: Option<Placement>,
}

#[derive(Serialize)]
pub(crate) struct TrialView {
    domain: DomainId,
    target_domain: DomainId,
    #[serde(flatten)]
    trial: FilterTrial,
}

pub(crate) async fn post_filter_trial(
    State(state): State<RecommendState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Json(body): Json<TrialBody>,
) -> Result<JsonResponse<TrialView>, Problem> {
    let deadline = state.deadlines.begin();
    caller.require(Scope::RecommendationsRead, &domain)?;
    let target = body.target_domain.unwrap_or_else(|| domain.clone());
    let read = read(&state, (&domain, &target), &deadline).await?;
    let filter = checked((&caller, &read.definitions), &target, &body.filter)?;
    let mut decisions = read.decisions;
    if let Some(placement) = &body.placement {
        decisions.retain(|decision| decision.placement.as_ref() == Some(placement));
    }
    let now = state.machine.clock.now();
    let definition = defined(&read.definitions, &target)?;
    let of = (&target, &*read.snapshot);
    let trial = try_filter(&decisions, of, (&filter, definition), now);
    Ok(JsonResponse(TrialView { domain, target_domain: target, trial }))
}

/// The query of a catalogue's report.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportQuery {
    /// On whose slates it is looked what was shown; the domain's own, unless it is said.
    platform: Option<DomainId>,
}

#[derive(Serialize)]
pub(crate) struct ReportView {
    domain: DomainId,
    platform: DomainId,
    #[serde(flatten)]
    report: CatalogueReport,
}

pub(crate) async fn get_catalogue(
    State(state): State<RecommendState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Query(query): Query<ReportQuery>,
) -> Result<JsonResponse<ReportView>, Problem> {
    let deadline = state.deadlines.begin();
    let platform = query.platform.unwrap_or_else(|| domain.clone());
    for domain in [&domain, &platform] {
        caller.require(Scope::RecommendationsRead, domain)?;
    }
    let read = read(&state, (&platform, &domain), &deadline).await?;
    let definition = defined(&read.definitions, &domain)?;
    let now = state.machine.clock.now();
    let report = report(&read.decisions, (&domain, &read.snapshot), definition, now);
    Ok(JsonResponse(ReportView { domain, platform, report }))
}

/// What both rest on.
struct Read {
    definitions: Arc<Definitions>,
    snapshot: Arc<CatalogueSnapshot>,
    decisions: Vec<Decision>,
}

/// Reads the last slates of a platform, and the catalogue of a target.
async fn read(
    state: &RecommendState,
    (platform, target): (&DomainId, &DomainId),
    deadline: &Deadline,
) -> Result<Read, Problem> {
    let known = read_definitions(state, platform, deadline).await?;
    defined(&known.definitions, target)?;
    let targets = BTreeSet::from([target.clone()]);
    read_catalogues(state, &targets, (deadline, Stage::FirstReads)).await;
    let served = state.models.served(deadline.left(Stage::FirstReads)).await;
    let mut degraded = Degraded::default();
    let none = BTreeSet::new();
    let model = served.model.as_deref();
    let mut catalogues = known_catalogues(state, (&targets, &none), model, &mut degraded);
    let snapshot = catalogues.remove(target);
    let Some(snapshot) = snapshot.filter(|_| !degraded.names(Shortfall::StaleCatalogue)) else {
        return Err(away("the catalogue could not be read"));
    };
    let now = state.machine.clock.now();
    let of = (platform, &*known.definitions);
    let recent = recent_decisions(&*state.stores.objects, of, (MAX_DECISIONS, now));
    let decisions = match deadline.wait(Stage::Log, recent).await {
        Some(decisions) => decisions.map_err(unchecked)?,
        None => return Err(away("the last slates could not be read in time")),
    };
    Ok(Read { definitions: known.definitions, snapshot, decisions })
}

fn away(why: &str) -> Problem {
    unchecked(StoreError::Unavailable(why.into()))
}

fn defined<'a>(
    definitions: &'a Definitions,
    domain: &DomainId,
) -> Result<&'a DomainDefinition, Problem> {
    definitions.get(domain).ok_or_else(|| Problem::unknown_domain(domain.as_str()))
}

/// A filter of a target, by who may tell its items apart.
fn checked(
    (caller, definitions): (&Caller, &Definitions),
    target: &DomainId,
    source: &str,
) -> Result<Filter, Problem> {
    let (targets, none) = (BTreeSet::from([target.clone()]), BTreeSet::new());
    let targets = FilteredTargets { targets: &targets, outdated: &none, definitions, caller };
    targets.only("filter", target)?;
    targets.read("filter", target, source)?.ok_or_else(|| {
        let detail = "the target is not served";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_filter", detail)
    })
}
