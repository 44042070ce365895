//! The handlers of `/v1/experiments`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::experiment::ExperimentDefinition;
use crossfold_core::entities::experiment::lifecycle::{
    Allocation, Experiment, ExperimentState, ExperimentStep, StoppedFor,
};
use crossfold_core::entities::experiment::of_domain::{DomainExperiments, ExperimentRefused};
use crossfold_core::entities::experiment::slots::Slots;
use crossfold_core::entities::ids::{DomainId, ExperimentId};
use crossfold_core::entities::json;
use crossfold_core::release::experiment_report::allocation::next_shares;
use crossfold_core::release::experiment_report::report::ExperimentReport;
use crossfold_core::release::experiment_report::verdict::must_stop;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::placement_check::{check_caller, check_domains};
use crossfold_edge::problem::Problem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::archived::report;
use super::{archived, archived_of, change, put_away, refused, standing};
use crate::FeedbackState;

/// An experiment as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct ExperimentView {
    domain: DomainId,
    experiment: ExperimentId,
    state: ExperimentState,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_for: Option<StoppedFor>,
    /// The buckets of its layer that it has: see `entities::experiment::assignment`.
    slots: Slots,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allocations: Vec<Allocation>,
    #[serde(flatten)]
    definition: ExperimentDefinition,
}

impl From<Experiment> for ExperimentView {
    fn from(of: Experiment) -> Self {
        Self {
            domain: of.domain,
            experiment: of.experiment,
            state: of.state,
            created_at: of.created_at,
            started_at: of.started_at,
            stopped_at: of.stopped_at,
            stopped_for: of.stopped_for,
            slots: of.slots,
            allocations: of.allocations,
            definition: of.definition,
        }
    }
}

/// Some experiments, in order of their names.
#[derive(Debug, Serialize)]
pub(crate) struct ExperimentsView {
    experiments: Vec<ExperimentView>,
}

/// Whose experiment is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfDomain {
    domain: DomainId,
}

/// Whose experiments are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    domain: DomainId,
    /// Whether those that were put away are listed instead.
    #[serde(default)]
    archived: bool,
}

/// What is done with an experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateBody {
    domain: DomainId,
    step: ExperimentStep,
}

/// What a caller says of an experiment, checked.
///
/// # Errors
/// A problem when it breaks a rule, names what the platform does not have, or tells items of domains
/// apart for which the caller does not act, as a placement would.
fn described(
    definition: Map<String, Value>,
    (domain, platform): (&DomainId, &DomainDefinition),
    (caller, defined): (&Caller, &Definitions),
) -> Result<ExperimentDefinition, Problem> {
    let read: Result<ExperimentDefinition, _> = json::from_value(Value::Object(definition));
    let read = read.map_err(|error| Problem::invalid(error.to_string()))?;
    read.check().and_then(|()| read.check_with(platform)).map_err(Problem::invalid)?;
    for variant in &read.variants {
        let Some(placement) = &variant.settings.placement else { continue };
        // It takes the place of what only who may define the domain says.
        caller.require(Scope::DomainsWrite, domain)?;
        let at = format!("variants.{}.settings.placement", variant.variant);
        check_caller(&at, placement, caller)?;
        check_domains(&at, placement, |domain| defined.get(domain).map(DomainDefinition::schema))?;
    }
    Ok(read)
}

fn platform<'a>(
    domain: &DomainId,
    defined: &'a Definitions,
) -> Result<&'a DomainDefinition, Problem> {
    defined.get(domain).ok_or_else(|| Problem::unknown_domain(domain.as_str()))
}

/// Takes a field of a body that is no part of an experiment's definition.
fn take<T: serde::de::DeserializeOwned>(
    body: &mut Map<String, Value>,
    field: &str,
) -> Result<T, Problem> {
    let Some(value) = body.remove(field) else {
        return Err(Problem::invalid(format!("missing field `{field}`")));
    };
    json::from_value(value).map_err(|error| Problem::invalid(format!("{field}: {error}")))
}

/// Creates a draft.
pub(crate) async fn post_experiment(
    State(state): State<FeedbackState>,
    caller: Caller,
    Json(mut body): Json<Map<String, Value>>,
) -> Result<JsonResponse<ExperimentView>, Problem> {
    let domain: DomainId = take(&mut body, "domain")?;
    let experiment: ExperimentId = take(&mut body, "experiment")?;
    caller.require(Scope::ExperimentsWrite, &domain)?;
    let defined = state.definitions.with(&domain).await?;
    let platform = platform(&domain, &defined)?;
    let definition = described(body, (&domain, platform), (&caller, &defined))?;
    let life = platform.life;
    let store = &*state.stores.records;
    if archived(store, &domain, life, &experiment).await?.is_some() {
        return Err(refused(&ExperimentRefused::Taken(experiment)));
    }
    let of = (domain.clone(), life);
    let draft = Experiment::draft(of, experiment.clone(), definition, state.machine.clock.now());
    let add = |known: &mut DomainExperiments| known.add(draft.clone());
    Ok(JsonResponse(change(&state, (&domain, life), &experiment, add).await?.into()))
}

/// Describes an experiment otherwise, as far as where it stands allows.
pub(crate) async fn put_experiment(
    State(state): State<FeedbackState>,
    caller: Caller,
    Path(experiment): Path<ExperimentId>,
    Json(mut body): Json<Map<String, Value>>,
) -> Result<JsonResponse<ExperimentView>, Problem> {
    let domain: DomainId = take(&mut body, "domain")?;
    caller.require(Scope::ExperimentsWrite, &domain)?;
    let defined = state.definitions.with(&domain).await?;
    let platform = platform(&domain, &defined)?;
    let definition = described(body, (&domain, platform), (&caller, &defined))?;
    let describe = |known: &mut DomainExperiments| known.change(&experiment, definition.clone());
    let changed = change(&state, (&domain, platform.life), &experiment, describe).await?;
    Ok(JsonResponse(changed.into()))
}

/// Starts, pauses, stops or archives an experiment.
pub(crate) async fn post_state(
    State(state): State<FeedbackState>,
    caller: Caller,
    Path(experiment): Path<ExperimentId>,
    Json(StateBody { domain, step }): Json<StateBody>,
) -> Result<JsonResponse<ExperimentView>, Problem> {
    caller.require(Scope::ExperimentsWrite, &domain)?;
    let platform = state.definitions.domain(&domain).await?;
    let (of, now) = ((&domain, platform.life), state.machine.clock.now());
    if let Some(put_away) = archived(&*state.stores.records, of.0, of.1, &experiment).await? {
        let after = put_away.state.after(step);
        after.map_err(|error| refused(&ExperimentRefused::from(error)))?;
    }
    let take_step = |known: &mut DomainExperiments| {
        if step == ExperimentStep::Start
            && let Some(starting) = known.find(&experiment)
        {
            let may = starting.definition.check_with(&platform);
            may.map_err(ExperimentRefused::Invalid)?;
        }
        known.step(&experiment, step, now)
    };
    let stepped = match (change(&state, of, &experiment, take_step).await, step) {
        (Ok(over), ExperimentStep::Archive) => put_away(&state, of, over).await?,
        (Err(unknown), ExperimentStep::Archive) => {
            // A call that comes twice finds it put away.
            let put_away = archived(&*state.stores.records, of.0, of.1, &experiment).await?;
            put_away.ok_or(unknown)?
        }
        (stepped, _) => stepped?,
    };
    Ok(JsonResponse(stepped.into()))
}

/// The experiments of a platform.
pub(crate) async fn get_experiments(
    State(state): State<FeedbackState>,
    caller: Caller,
    Query(ListQuery { domain, archived }): Query<ListQuery>,
) -> Result<JsonResponse<ExperimentsView>, Problem> {
    caller.require(Scope::ExperimentsRead, &domain)?;
    let life = state.definitions.domain(&domain).await?.life;
    let store = &*state.stores.records;
    let experiments = match archived {
        false => standing(store, &domain, life).await?.0.experiments,
        true => {
            let all = archived_of(store, &domain).await?.into_iter();
            all.filter(|of| of.life == life).collect()
        }
    };
    let experiments = experiments.into_iter().map(ExperimentView::from).collect();
    Ok(JsonResponse(ExperimentsView { experiments }))
}

/// One experiment, also when it was put away.
pub(crate) async fn get_experiment(
    State(state): State<FeedbackState>,
    caller: Caller,
    Path(experiment): Path<ExperimentId>,
    Query(OfDomain { domain }): Query<OfDomain>,
) -> Result<JsonResponse<ExperimentView>, Problem> {
    caller.require(Scope::ExperimentsRead, &domain)?;
    let life = state.definitions.domain(&domain).await?.life;
    Ok(JsonResponse(find(&state, (&domain, life), &experiment).await?.into()))
}

/// What an experiment says, as far as the archive has it.
pub(crate) async fn get_report(
    State(state): State<FeedbackState>,
    caller: Caller,
    Path(experiment): Path<ExperimentId>,
    Query(OfDomain { domain }): Query<OfDomain>,
) -> Result<JsonResponse<ExperimentReport>, Problem> {
    caller.require(Scope::ExperimentsRead, &domain)?;
    let life = state.definitions.domain(&domain).await?.life;
    let experiment = find(&state, (&domain, life), &experiment).await?;
    let as_of = state.machine.clock.now();
    Ok(JsonResponse(report(&state.stores, &experiment, as_of).await?))
}

/// Whose experiment is reviewed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    domain: DomainId,
}

/// Acts on what a running experiment says: stops it for harm, or gives variants the shares that were
/// learnt.
pub(crate) async fn post_review(
    State(state): State<FeedbackState>,
    caller: Caller,
    Path(name): Path<ExperimentId>,
    Json(ReviewBody { domain }): Json<ReviewBody>,
) -> Result<JsonResponse<ExperimentView>, Problem> {
    caller.require(Scope::ExperimentsWrite, &domain)?;
    let life = state.definitions.domain(&domain).await?.life;
    let (of, now) = ((&domain, life), state.machine.clock.now());
    let experiment = find(&state, of, &name).await?;
    if experiment.state != ExperimentState::Running {
        return Ok(JsonResponse(experiment.into()));
    }
    let report = report(&state.stores, &experiment, now).await?;
    if let Some(why) = must_stop(&experiment, &report) {
        let stop = |known: &mut DomainExperiments| known.stop_for(&name, why.clone(), now);
        return Ok(JsonResponse(change(&state, of, &name, stop).await?.into()));
    }
    let Some(shares) = next_shares(&experiment, &report, state.machine.dice.roll()) else {
        return Ok(JsonResponse(experiment.into()));
    };
    let learn = |known: &mut DomainExperiments| known.reallocate(&name, shares.clone(), now);
    Ok(JsonResponse(change(&state, of, &name, learn).await?.into()))
}

/// An experiment, also when it was put away.
pub(super) async fn find(
    state: &FeedbackState,
    (domain, life): (&DomainId, u32),
    experiment: &ExperimentId,
) -> Result<Experiment, Problem> {
    let store = &*state.stores.records;
    let (known, _) = standing(store, domain, life).await?;
    if let Some(found) = known.find(experiment) {
        return Ok(found.clone());
    }
    let put_away = archived(store, domain, life, experiment).await?;
    put_away.ok_or_else(|| refused(&ExperimentRefused::Unknown(experiment.clone())))
}
