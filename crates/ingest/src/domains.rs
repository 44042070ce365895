//! `/v1/domains/{domain}`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::ids::DomainId;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path};
use crossfold_edge::problem::Problem;
use crossfold_storage::records;

use crate::state::IngestState;

pub(crate) async fn put_domain(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Json(definition): Json<DomainDefinition>,
) -> Result<JsonResponse<DomainDefinition>, Problem> {
    caller.require(Scope::DomainsWrite, &domain)?;
    definition.check().map_err(|error| Problem::invalid(error.to_string()))?;
    records::put(&*state.stores.records, &domain, &definition).await?;
    state.definitions.forget().await;
    Ok(JsonResponse(definition))
}

pub(crate) async fn get_domain(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
) -> Result<JsonResponse<DomainDefinition>, Problem> {
    caller.require(Scope::CatalogRead, &domain)?;
    Ok(JsonResponse(state.definitions.domain(&domain).await?))
}
