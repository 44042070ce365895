//! The function's routes; `/v1/training-runs`: asking for a run and following it.

use std::sync::Arc;

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::ids::TrainingRunId;
use crossfold_core::ports::{ControlStore, ObjectStore};
use crossfold_core::training_run::TrainingRun;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::clock::Clock;
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_edge::router::Routes;
use lambda_http::http::StatusCode;
use serde::Deserialize;

use crate::model_routes;
use crate::new_run::{RunOrder, new_run};

/// What the handlers work with.
#[derive(Clone)]
pub struct TrainingState {
    /// Where runs are recorded.
    pub control: Arc<dyn ControlStore>,
    /// Where models are.
    pub objects: Arc<dyn ObjectStore>,
    /// The time.
    pub clock: Clock,
}

/// The routes.
pub fn routes() -> Routes<TrainingState> {
    Routes::new()
        .post("/v1/training-runs", post_run)
        .get("/v1/training-runs/{id}", get_run)
        .merge(model_routes::routes())
}

/// What a run may do beyond its hyper-parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunQuery {
    #[serde(default)]
    accept_fewer_events: bool,
}

/// Records a run as queued; the record itself is what a worker is woken by.
async fn post_run(
    State(state): State<TrainingState>,
    caller: Caller,
    Query(query): Query<RunQuery>,
    Json(order): Json<RunOrder>,
) -> Result<(StatusCode, JsonResponse<TrainingRun>), Problem> {
    caller.require_scope(Scope::TrainingWrite)?;
    let mut run =
        new_run(order, state.clock.now()).map_err(|error| Problem::invalid(error.to_string()))?;
    run.accept_fewer_events = query.accept_fewer_events;
    state.control.create_run(&run).await?;
    Ok((StatusCode::ACCEPTED, JsonResponse(run)))
}

async fn get_run(
    State(state): State<TrainingState>,
    caller: Caller,
    Path(id): Path<TrainingRunId>,
) -> Result<JsonResponse<TrainingRun>, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let unknown = || {
        Problem::new(StatusCode::NOT_FOUND, "unknown_training_run", "there is no such training run")
    };
    state.control.run(&id).await?.map(JsonResponse).ok_or_else(unknown)
}
