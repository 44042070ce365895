//! The function's routes; `/v1/training-runs`: asking for a run, following it, and
//! listing them.

use std::sync::Arc;

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use crossfold_core::entities::clock::Clock;
use crossfold_core::entities::ids::TrainingRunId;
use crossfold_core::entities::ports::{ActivityStore, ObjectStore, RecordStore};
use crossfold_core::model::ModelError;
use crossfold_core::model::manifest::report_key;
use crossfold_core::release::run::TrainingRun;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_edge::router::Routes;
use crossfold_registry::load::{LoadError, load_report_bytes};
use crossfold_storage::records;
use lambda_http::http::StatusCode;
use lambda_http::http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use crate::model_routes::{self, load_problem};
use crate::new_run::{RunOrder, TuningOrder, new_run};
use crate::seen::{Seen, Sight};
use crate::status;

/// What the handlers work with.
#[derive(Clone)]
pub struct TrainingState {
    /// Where runs are recorded.
    pub records: Arc<dyn RecordStore>,
    /// Where models are.
    pub objects: Arc<dyn ObjectStore>,
    /// What came in and went out, in numbers.
    pub activity: Arc<dyn ActivityStore>,
    /// The time.
    pub clock: Clock,
    /// What an order that says nothing of tuning gets.
    pub tuning: TuningOrder,
}

/// The routes.
pub fn routes() -> Routes<TrainingState> {
    Routes::new()
        .post("/v1/training-runs", post_run)
        .get("/v1/training-runs", get_runs)
        .get("/v1/training-runs/{id}", get_run)
        .get("/v1/training-runs/{id}/report", get_report)
        .merge(model_routes::routes())
        .merge(status::routes())
}

/// Training runs on a page at most.
pub const MAX_RUNS: usize = 100;
/// Training runs on a page unless the caller says otherwise.
pub const DEFAULT_RUNS: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunsQuery {
    limit: Option<usize>,
    after: Option<TrainingRunId>,
}

/// One page of the runs, newest first.
#[derive(Debug, Serialize)]
struct RunPage {
    runs: Vec<Seen<TrainingRun>>,
    /// The run to go on after; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<TrainingRunId>,
}

/// Ids of runs begin with the time they were made at, so the greatest is the newest.
async fn get_runs(
    State(state): State<TrainingState>,
    caller: Caller,
    Query(query): Query<RunsQuery>,
) -> Result<JsonResponse<RunPage>, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let limit = query.limit.unwrap_or(DEFAULT_RUNS);
    if !(1..=MAX_RUNS).contains(&limit) {
        return Err(Problem::invalid(format!("limit must be 1 to {MAX_RUNS}")));
    }
    let after = query.after.as_ref();
    let mut runs = records::last::<TrainingRun>(&*state.records, after, limit + 1).await?;
    let has_more = runs.len() > limit;
    runs.truncate(limit);
    let now = state.clock.now();
    let runs: Vec<TrainingRun> = runs.into_iter().map(|run| run.as_of(now)).collect();
    let next = runs.last().filter(|_| has_more).map(|run| run.id.clone());
    let sight = Sight::of(&*state.records, &caller).await?;
    let runs = runs.into_iter().map(|run| sight.run(run)).collect();
    Ok(JsonResponse(RunPage { runs, next }))
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
    let order = order.or_by_default(state.tuning);
    let mut run =
        new_run(order, state.clock.now()).map_err(|error| Problem::invalid(error.to_string()))?;
    run.accept_fewer_events = query.accept_fewer_events;
    records::create(&*state.records, &run.id, &run).await?;
    Ok((StatusCode::ACCEPTED, JsonResponse(run)))
}

/// Largest report that is answered: what the answer of a Lambda function holds, less its
/// headers. A larger one is read from the bucket.
const MAX_REPORT_BYTES: u64 = 5 * 1024 * 1024;

/// The whole report of a run that made a model.
async fn get_report(
    State(state): State<TrainingState>,
    caller: Caller,
    Path(id): Path<TrainingRunId>,
) -> Result<impl IntoResponse, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let run = find_run(&state, &id).await?;
    let no_report = || {
        let detail = "there is no report: the run has not ended, made no model, is from before \
                      reports were kept apart, or its model was cleared away";
        Problem::new(StatusCode::NOT_FOUND, "unknown_report", detail)
    };
    let object = run.state.report().and_then(|report| report.object.as_ref());
    let object = object.ok_or_else(no_report)?;
    if object.bytes > MAX_REPORT_BYTES {
        let detail = format!(
            "the report has {} bytes: read {} from the bucket",
            object.bytes,
            report_key(&object.sha256)
        );
        return Err(Problem::new(StatusCode::CONFLICT, "report_too_large", detail));
    }
    let bytes = load_report_bytes(&*state.objects, object).await.map_err(load_problem)?;
    let bytes = bytes.ok_or_else(no_report)?;
    let bytes = match caller.acts_for_all() {
        // As it is stored, so that what is answered is what its address names.
        true => bytes,
        false => part_of_report(&Sight::of(&*state.records, &caller).await?, bytes)?,
    };
    Ok(([(CONTENT_TYPE, "application/json")], bytes))
}

/// The report as the caller may know it; as it is stored where that is all of it.
fn part_of_report(sight: &Sight<'_>, bytes: Bytes) -> Result<Bytes, Problem> {
    let report = serde_json::from_slice(&bytes);
    let report = report.map_err(|error| {
        load_problem(LoadError::Model(ModelError::Malformed(error.to_string())))
    })?;
    Ok(sight.part_of_report(report).map_or(bytes, |part| part.to_string().into()))
}

async fn find_run(state: &TrainingState, id: &TrainingRunId) -> Result<TrainingRun, Problem> {
    let unknown = || {
        Problem::new(StatusCode::NOT_FOUND, "unknown_training_run", "there is no such training run")
    };
    let run = records::get::<TrainingRun>(&*state.records, id).await?.ok_or_else(unknown)?;
    Ok(run.as_of(state.clock.now()))
}

async fn get_run(
    State(state): State<TrainingState>,
    caller: Caller,
    Path(id): Path<TrainingRunId>,
) -> Result<JsonResponse<Seen<TrainingRun>>, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let run = find_run(&state, &id).await?;
    Ok(JsonResponse(Sight::of(&*state.records, &caller).await?.run(run)))
}
