//! `/v1/training-runs`: asking for a run and following it.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json as JsonResponse, Router};
use crossfold_core::ids::TrainingRunId;
use crossfold_core::ports::ControlStore;
use crossfold_core::training_run::TrainingRun;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::clock::Clock;
use crossfold_edge::extract::{Json, Path};
use crossfold_edge::problem::Problem;
use lambda_http::http::StatusCode;

use crate::new_run::{RunOrder, new_run};

/// What the handlers work with.
#[derive(Clone)]
pub struct TrainingState {
    /// Where runs are recorded.
    pub control: Arc<dyn ControlStore>,
    /// The time.
    pub clock: Clock,
}

/// The routes.
pub fn routes(state: TrainingState) -> Router {
    Router::new()
        .route("/v1/training-runs", post(post_run))
        .route("/v1/training-runs/{id}", get(get_run))
        .with_state(state)
}

/// Records a run as queued; the record itself is what a worker is woken by.
async fn post_run(
    State(state): State<TrainingState>,
    caller: Caller,
    Json(order): Json<RunOrder>,
) -> Result<(StatusCode, JsonResponse<TrainingRun>), Problem> {
    caller.require_scope(Scope::TrainingWrite)?;
    let run =
        new_run(order, state.clock.now()).map_err(|error| Problem::invalid(error.to_string()))?;
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
