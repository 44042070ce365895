//! `/v1/domains/{domain}/items`.

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::catalogue::{Item, ItemDetails, RawItem};
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::json;
use crossfold_core::entities::ports::{Appended, CatalogueStore, StoreResult};
use crossfold_edge::batch::{self, Rejected};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path};
use crossfold_edge::problem::Problem;
use crossfold_storage::records;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::state::IngestState;

/// Most items in one call.
pub const MAX_ITEMS: usize = 500;
/// Items of one call that are written at the same time.
const CONCURRENT_WRITES: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemBatch {
    items: Vec<serde_json::Value>,
    /// Whether items that the catalogue has, or had and deleted, stay as they are.
    #[serde(default)]
    keep_existing: bool,
}

#[derive(Serialize)]
pub(crate) struct ItemsUpserted {
    upserted: usize,
    /// Items that stayed as they are.
    kept: usize,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
pub(crate) struct ItemView {
    item_id: ItemId,
    #[serde(flatten)]
    details: ItemDetails,
    updated_at: Timestamp,
}

pub(crate) async fn post_items(
    State(state): State<IngestState>,
    caller: Caller,
    Path(domain): Path<DomainId>,
    Json(posted): Json<ItemBatch>,
) -> Result<JsonResponse<ItemsUpserted>, Problem> {
    caller.require(Scope::CatalogWrite, &domain)?;
    batch::check_size(posted.items.len(), MAX_ITEMS)?;
    state.definitions.domain(&domain).await?;
    let updated_at = to_millisecond(state.machine.clock.now());
    let (mut items, mut rejected) = (Vec::new(), Vec::new());
    for (index, raw) in posted.items.into_iter().enumerate() {
        match parse_item(raw, &domain, updated_at) {
            Ok(item) => items.push(item),
            Err((code, detail)) => rejected.push(Rejected { index, code, detail }),
        }
    }
    let standing = match posted.keep_existing {
        false => Standing::Replaced,
        true => Standing::Kept { deleted_until: deleted_until(&state, &domain).await? },
    };
    let written = store(&state, items, standing).await?;
    let kept = written.iter().filter(|answer| **answer == Appended::Duplicate).count();
    let upserted = written.len() - kept;
    let items = batch::intake((upserted, kept), &rejected, updated_at);
    state.activity.note(&domain, Activity { items, ..Activity::default() }).await;
    Ok(JsonResponse(ItemsUpserted { upserted, kept, rejected }))
}

/// What becomes of entries that the catalogue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They are replaced.
    Replaced,
    /// They stay, those of deleted items too.
    Kept {
        /// When the domain's earlier life ended: what was emptied with it was never there.
        deleted_until: Option<Timestamp>,
    },
}

async fn deleted_until(
    state: &IngestState,
    domain: &DomainId,
) -> Result<Option<Timestamp>, Problem> {
    let deletion = records::get::<DomainDeletion>(&*state.stores.records, domain).await?;
    Ok(deletion.and_then(|deletion| deletion.finished_at))
}

/// Stores an entry unless there is one, of this life of the domain.
async fn create(
    store: &dyn CatalogueStore,
    item: &Item,
    deleted_until: Option<Timestamp>,
) -> StoreResult<Appended> {
    let created = store.create(item).await?;
    let (Appended::Duplicate, Some(until)) = (created, deleted_until) else { return Ok(created) };
    let found = store.get(&item.domain, &item.item_id).await?;
    if found.is_some_and(|found| found.details.is_none() && found.updated_at <= until) {
        store.put(item).await?;
        return Ok(Appended::New);
    }
    Ok(created)
}

/// Stores entries, many at a time.
pub(crate) async fn store(
    state: &IngestState,
    items: Vec<Item>,
    standing: Standing,
) -> Result<Vec<Appended>, Problem> {
    let puts = items.into_iter().map(|item| {
        let store = state.stores.catalogue.clone();
        async move {
            match standing {
                Standing::Kept { deleted_until } => create(&*store, &item, deleted_until).await,
                Standing::Replaced => store.put(&item).await.map(|()| Appended::New),
            }
        }
    });
    Ok(batch::write_all(puts, CONCURRENT_WRITES).await?)
}

fn parse_item(
    raw: serde_json::Value,
    domain: &DomainId,
    updated_at: Timestamp,
) -> Result<Item, (&'static str, String)> {
    let invalid = |error: &dyn std::fmt::Display| ("invalid_item", error.to_string());
    let raw: RawItem = json::from_value(raw).map_err(|error| invalid(&error))?;
    let item_id = ItemId::parse(&raw.item_id).map_err(|error| ("invalid_id", error.to_string()))?;
    let details = ItemDetails::parse(raw.details.into()).map_err(|error| invalid(&error))?;
    Ok(Item { domain: domain.clone(), item_id, details: Some(details), updated_at })
}

pub(crate) async fn put_item(
    State(state): State<IngestState>,
    caller: Caller,
    Path((domain, item_id)): Path<(DomainId, ItemId)>,
    Json(details): Json<serde_json::Value>,
) -> Result<JsonResponse<ItemView>, Problem> {
    caller.require(Scope::CatalogWrite, &domain)?;
    state.definitions.domain(&domain).await?;
    let details = ItemDetails::parse(details)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_item", error.0))?;
    let updated_at = to_millisecond(state.machine.clock.now());
    let item = Item { domain, item_id, details: Some(details.clone()), updated_at };
    state.stores.catalogue.put(&item).await?;
    Ok(JsonResponse(ItemView { item_id: item.item_id, details, updated_at }))
}

pub(crate) async fn get_item(
    State(state): State<IngestState>,
    caller: Caller,
    Path((domain, item_id)): Path<(DomainId, ItemId)>,
) -> Result<JsonResponse<ItemView>, Problem> {
    caller.require(Scope::CatalogRead, &domain)?;
    state.definitions.domain(&domain).await?;
    let found = state.stores.catalogue.get(&domain, &item_id).await?;
    match found.and_then(|item| Some((item.details?, item.updated_at))) {
        Some((details, updated_at)) => Ok(JsonResponse(ItemView { item_id, details, updated_at })),
        None => Err(unknown_item(&domain)),
    }
}

/// Deletes an item: it leaves every slate within a minute.
pub(crate) async fn delete_item(
    State(state): State<IngestState>,
    caller: Caller,
    Path((domain, item_id)): Path<(DomainId, ItemId)>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::CatalogWrite, &domain)?;
    state.definitions.domain(&domain).await?;
    if state.stores.catalogue.get(&domain, &item_id).await?.is_none() {
        return Err(unknown_item(&domain));
    }
    let updated_at = to_millisecond(state.machine.clock.now());
    state.stores.catalogue.put(&Item { domain, item_id, details: None, updated_at }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown_item(domain: &DomainId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_item", format!("{domain} has no such item"))
}
