//! `/v1/experiments`: creating, listing, changing, starting and ending experiments.
//!
//! Those of a platform are one record, which is stored in the place of what was read: of two calls
//! at a time one comes after the other. A change holds from the next request, as one of a definition.

mod archived;
mod routes;

use crossfold_core::entities::experiment::lifecycle::{Experiment, ExperimentKey, ExperimentState};
use crossfold_core::entities::experiment::of_domain::{
    ArchivedExperiment, DomainExperiments, ExperimentRefused,
};
use crossfold_core::entities::ids::{DomainId, ExperimentId};
use crossfold_core::entities::ports::{Appended, Committed, RecordStore};
use crossfold_core::entities::records::Record;
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::announce_change;
use crossfold_storage::records::{self, Version};
use lambda_http::http::StatusCode;

use crate::FeedbackState;

pub(crate) use routes::{
    get_experiment, get_experiments, get_report, post_experiment, post_review, post_state,
    put_experiment,
};

/// Most experiments that were put away of which a list tells.
const MAX_ARCHIVED_TOLD: usize = 200;
/// How often a change is tried that others came before.
const MAX_TRIES: usize = 5;

/// What is told of a change that is not made.
fn refused(refused: &ExperimentRefused) -> Problem {
    let detail = refused.to_string();
    match refused {
        ExperimentRefused::Unknown(_) => {
            Problem::new(StatusCode::NOT_FOUND, "unknown_experiment", detail)
        }
        ExperimentRefused::Taken(_) => {
            Problem::new(StatusCode::CONFLICT, "experiment_exists", detail)
        }
        ExperimentRefused::TooMany => {
            Problem::new(StatusCode::CONFLICT, "too_many_experiments", detail)
        }
        ExperimentRefused::TooLarge | ExperimentRefused::Invalid(_) => Problem::invalid(detail),
        ExperimentRefused::WrongStep(_) => Problem::new(StatusCode::CONFLICT, "wrong_step", detail),
        ExperimentRefused::NoRoom(_) => Problem::new(StatusCode::CONFLICT, "layer_full", detail),
        ExperimentRefused::Conflict { .. } | ExperimentRefused::TooManyLayers => {
            Problem::new(StatusCode::CONFLICT, "experiment_conflict", detail)
        }
        ExperimentRefused::Begun(_) => {
            Problem::new(StatusCode::CONFLICT, "experiment_begun", detail)
        }
    }
}

/// A platform's experiments, with the version that a change of them must name.
async fn standing(
    store: &dyn RecordStore,
    domain: &DomainId,
    life: u32,
) -> Result<(DomainExperiments, Option<Version>), Problem> {
    let Some((known, version)) = records::get_to_change(store, domain).await? else {
        return Ok((DomainExperiments { life, experiments: Vec::new() }, None));
    };
    let known: DomainExperiments = known;
    // Those of an earlier life are nobody's.
    let known = match known.life == life {
        true => known,
        false => DomainExperiments { life, experiments: Vec::new() },
    };
    Ok((known, Some(version)))
}

/// Changes a platform's experiments, and tells what one of them is then.
async fn change(
    state: &FeedbackState,
    (domain, life): (&DomainId, u32),
    experiment: &ExperimentId,
    change: impl Fn(&mut DomainExperiments) -> Result<(), ExperimentRefused>,
) -> Result<Experiment, Problem> {
    let store = &*state.stores.records;
    for _ in 0..MAX_TRIES {
        let (before, version) = standing(store, domain, life).await?;
        let mut after = before.clone();
        change(&mut after).map_err(|error| refused(&error))?;
        let unknown = || refused(&ExperimentRefused::Unknown(experiment.clone()));
        let changed = after.find(experiment).cloned().ok_or_else(unknown)?;
        if after == before {
            // Who made the change may have died before it was announced.
            announce_change(store, state.machine.ids.fresh()).await?;
            return Ok(changed);
        }
        let is_stored = match version {
            Some(version) => {
                records::replace(store, domain, &version, &after).await? == Committed::Yes
            }
            None => records::create(store, domain, &after).await? == Appended::New,
        };
        if is_stored {
            announce_change(store, state.machine.ids.fresh()).await?;
            return Ok(changed);
        }
    }
    Err(Problem::conflict("others changed the domain's experiments at the same time"))
}

/// An experiment that was put away.
async fn archived(
    store: &dyn RecordStore,
    domain: &DomainId,
    life: u32,
    experiment: &ExperimentId,
) -> Result<Option<Experiment>, Problem> {
    let key = ExperimentKey::new(domain, experiment);
    let found = records::get::<ArchivedExperiment>(store, &key).await?;
    Ok(found.map(|ArchivedExperiment(found)| found).filter(|found| found.life == life))
}

/// The first of a platform's experiments that were put away, by name.
async fn archived_of(
    store: &dyn RecordStore,
    domain: &DomainId,
) -> Result<Vec<Experiment>, Problem> {
    let before = format!("{domain}/");
    let kind = ArchivedExperiment::KIND;
    let found = store.first(kind, Some(&before), MAX_ARCHIVED_TOLD).await?;
    let of_domain = found.into_iter().take_while(|(key, _)| key.starts_with(&before));
    let read = of_domain.filter_map(|(key, json)| {
        let read = serde_json::from_str::<ArchivedExperiment>(&json);
        read.inspect_err(|error| tracing::error!(key, %error, "an experiment cannot be read")).ok()
    });
    Ok(read.map(|ArchivedExperiment(of)| of).collect())
}

/// Puts an experiment away that is over: kept among those first, so that it is never nowhere.
async fn put_away(
    state: &FeedbackState,
    (domain, life): (&DomainId, u32),
    of: Experiment,
) -> Result<Experiment, Problem> {
    let store = &*state.stores.records;
    let of = Experiment { state: ExperimentState::Archived, ..of };
    records::put(store, &of.key(), &ArchivedExperiment(of.clone())).await?;
    for _ in 0..MAX_TRIES {
        let (mut known, version) = standing(store, domain, life).await?;
        known.experiments.retain(|known| known.experiment != of.experiment);
        let Some(version) = version else { return Ok(of) };
        if records::replace(store, domain, &version, &known).await? == Committed::Yes {
            announce_change(store, state.machine.ids.fresh()).await?;
            return Ok(of);
        }
    }
    Err(Problem::conflict("others changed the domain's experiments at the same time"))
}

#[cfg(test)]
mod tests;
