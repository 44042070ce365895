//! `/v1/models`: which models there are, and which one serves.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::ids::ModelId;
use crossfold_core::model::Manifest;
use crossfold_core::release::champion::{Pointer, Promoter, Promotion};
use crossfold_core::release::record::{ModelRecord, ModelState};
use crossfold_core::training::drift::DriftReport;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_edge::router::Routes;
use crossfold_registry::load::{LoadError, load_manifest};
use crossfold_registry::retention::record_of;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::routes::TrainingState;
use crate::seen::{Seen, Sight};
use crossfold_registry::listing::{
    ListedModel, ModelPage, champion_pointer, find_record, latest_drift, list_models,
};
use crossfold_registry::promotion::{PromotionError, PromotionOrder, promote};

/// Models on a page at most.
pub const MAX_PAGE: usize = 100;
/// Models on a page unless the caller says otherwise.
pub const DEFAULT_PAGE: usize = 20;

pub(crate) fn routes() -> Routes<TrainingState> {
    Routes::new()
        .get("/v1/models", get_models)
        .get("/v1/models/{id}", get_model)
        .post("/v1/models/{id}/promote", post_promote)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<usize>,
    after: Option<ModelId>,
}

async fn get_models(
    State(state): State<TrainingState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<JsonResponse<SeenPage>, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid(format!("limit must be 1 to {MAX_PAGE}")));
    }
    let page = list_models(&*state.objects, query.after.as_ref(), limit).await?;
    // The model to go on from may have been cleared away meanwhile.
    let ModelPage { models, next } =
        page.ok_or_else(|| unknown_model("there is no model to list after"))?;
    let sight = Sight::of(&*state.records, &caller).await?;
    let models = models.into_iter().map(|model| listed(&sight, model)).collect();
    Ok(JsonResponse(SeenPage { models, next }))
}

/// A page of the models, with what the caller may know of each.
#[derive(Debug, Serialize)]
struct SeenPage {
    models: Vec<Seen<ListedModel>>,
    /// As in [`ModelPage`].
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ModelId>,
}

fn listed(sight: &Sight<'_>, ListedModel { state, record }: ListedModel) -> Seen<ListedModel> {
    sight.model(record, |record| ListedModel { state, record })
}

/// A model in full.
#[derive(Debug, Serialize)]
struct ModelDetails {
    state: ModelState,
    #[serde(flatten)]
    record: ModelRecord,
    /// Its manifest; none when it cannot be read, and the model so cannot be served.
    manifest: Option<Seen<Manifest>>,
    /// Promotions of the model and away from it, as far as they are remembered.
    promotions: Vec<Promotion>,
    /// Of the champion: what came in of late against what it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<DriftReport>,
}

async fn get_model(
    State(state): State<TrainingState>,
    caller: Caller,
    Path(id): Path<ModelId>,
) -> Result<JsonResponse<Seen<ModelDetails>>, Problem> {
    caller.require_scope(Scope::TrainingRead)?;
    let objects = &*state.objects;
    let manifest = match load_manifest(objects, &id).await {
        Ok(manifest) => Some(manifest),
        Err(LoadError::Store(error)) => return Err(error.into()),
        Err(_) => None,
    };
    let record = match (find_record(objects, &id).await?, &manifest) {
        (Some(record), _) => record,
        // A model from before there were records.
        (None, Some(_)) => record_of(objects, &id).await.map_err(load_problem)?,
        (None, None) => return Err(unknown_model("there is no such model")),
    };
    let pointer = champion_pointer(objects).await?;
    let standing = record.state(pointer.as_ref());
    let drift = match standing {
        ModelState::Champion => latest_drift(objects, &record.id).await?,
        _ => None,
    };
    let promotions = promotions_of(pointer, &record.id);
    // What the run that made it found about an older champion is in its report.
    let record = ModelRecord { drift: None, ..record };
    let sight = Sight::of(&*state.records, &caller).await?;
    let drift = drift.map(|drift| sight.own_of_drift(drift));
    let manifest = manifest.map(|manifest| sight.manifest(manifest));
    let details = sight.model(record, |record| ModelDetails {
        state: standing,
        record,
        manifest,
        promotions,
        drift,
    });
    Ok(JsonResponse(details))
}

/// What a caller is told of a report that is stored and cannot be read.
pub(crate) fn load_problem(error: LoadError) -> Problem {
    if let LoadError::Store(error) = error {
        return error.into();
    }
    tracing::error!(%error, "a report is broken");
    let detail = "the report cannot be read";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "report_unreadable", detail)
}

fn promotions_of(pointer: Option<Pointer>, id: &ModelId) -> Vec<Promotion> {
    let history = pointer.map(|pointer| pointer.history).unwrap_or_default();
    let concerns = |promotion: &Promotion| {
        promotion.to.as_ref() == Some(id) || promotion.from.as_ref() == Some(id)
    };
    history.into_iter().filter(concerns).collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromotionRequest {
    /// The champion that the caller has seen; if it is another one by now, nothing is done.
    expected_champion: Option<ModelId>,
}

async fn post_promote(
    State(state): State<TrainingState>,
    caller: Caller,
    Path(id): Path<ModelId>,
    Json(request): Json<PromotionRequest>,
) -> Result<JsonResponse<Seen<ListedModel>>, Problem> {
    caller.require_scope(Scope::TrainingWrite)?;
    let objects = &*state.objects;
    let order = PromotionOrder {
        model: id.clone(),
        by: Promoter::Caller {
            caller: caller.kind().into(),
            scope: Scope::TrainingWrite.as_str().into(),
        },
        expected: request.expected_champion,
        at: state.clock.now(),
    };
    let pointer = promote(objects, order).await.map_err(|error| promotion_problem(error, &id))?;
    tracing::info!(model = %id, previous = ?pointer.previous, "a caller promoted a model");
    let record = match find_record(objects, &id).await? {
        Some(record) => record,
        None => {
            let record = record_of(objects, &id).await;
            record.map_err(|error| promotion_problem(error.into(), &id))?
        }
    };
    let sight = Sight::of(&*state.records, &caller).await?;
    Ok(JsonResponse(listed(&sight, ListedModel { state: record.state(Some(&pointer)), record })))
}

fn unknown_model(detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_model", detail)
}

fn promotion_problem(error: PromotionError, id: &ModelId) -> Problem {
    match error {
        PromotionError::Store(error) | PromotionError::Load(LoadError::Store(error)) => {
            error.into()
        }
        PromotionError::Load(LoadError::Unknown) => unknown_model("there is no such model"),
        PromotionError::Load(error) => {
            tracing::error!(model = %id, %error, "a model that was to be promoted is broken");
            let detail = format!("the model cannot be served: {error}");
            Problem::new(StatusCode::CONFLICT, "model_unusable", detail)
        }
        PromotionError::Retiring => {
            Problem::new(StatusCode::CONFLICT, "model_unusable", error.to_string())
        }
        PromotionError::KnowsErased => {
            let detail = error.to_string();
            Problem::new(StatusCode::CONFLICT, "model_knows_erased_people", detail)
        }
        PromotionError::Unexpected | PromotionError::Race => Problem::conflict(error.to_string()),
        PromotionError::Encoding(error) => {
            tracing::error!(%error, "a pointer could not be encoded");
            let detail = "the request could not be completed";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        }
    }
}
