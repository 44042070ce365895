//! `/v1/domains/{domain}/items`.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json as JsonResponse;
use axum::extract::State;
use crossfold_core::entities::activity::Activity;
use crossfold_core::entities::catalogue::{ChangeNumber, InvalidItem, Item, ItemDetails, RawItem};
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::event::to_millisecond;
use crossfold_core::entities::ids::{DomainId, ItemId};
use crossfold_core::entities::json;
use crossfold_core::entities::ports::{Appended, CatalogueStore, StoreResult};
use crossfold_edge::batch::{self, Rejected, Rejection};
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
    let definition = state.definitions.domain(&domain).await?;
    let updated_at = to_millisecond(state.machine.clock.now());
    let (mut items, mut rejected) = (Vec::new(), Vec::new());
    for (index, raw) in posted.items.into_iter().enumerate() {
        match parse_item(raw, (&domain, &definition), updated_at) {
            Ok(item) => items.push(item),
            Err(rejection) => rejected.push(rejection.at(index)),
        }
    }
    let standing = match posted.keep_existing {
        false => Standing::Replaced,
        true => Standing::Kept { emptied_by: emptied_by(&state, &domain).await? },
    };
    let Stored { upserted, kept, .. } = store(&state, &domain, items, standing).await?;
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
        /// The change that emptied the domain's earlier life: what was emptied by then was
        /// never there.
        emptied_by: ChangeNumber,
    },
}

async fn emptied_by(state: &IngestState, domain: &DomainId) -> Result<ChangeNumber, Problem> {
    let deletion = records::get::<DomainDeletion>(&*state.stores.records, domain).await?;
    let done = deletion.filter(DomainDeletion::is_done);
    Ok(done.map(|deletion| deletion.emptied_by).unwrap_or_default())
}

/// Stores entries unless there are any, of this life of the domain.
async fn create(
    store: &dyn CatalogueStore,
    domain: &DomainId,
    items: &[Item],
    emptied_by: ChangeNumber,
) -> StoreResult<Vec<Appended>> {
    let mut created = store.create_all(domain, items).await?;
    if emptied_by == ChangeNumber::default() {
        return Ok(created);
    }
    let mut again = Vec::new();
    for (answer, item) in created.iter_mut().zip(items) {
        if *answer == Appended::New {
            continue;
        }
        let found = store.get(domain, &item.item_id).await?;
        if found.is_some_and(|found| found.details.is_none() && found.change <= emptied_by) {
            again.push(item.clone());
            *answer = Appended::New;
        }
    }
    if !again.is_empty() {
        store.put_all(domain, &again).await?;
    }
    Ok(created)
}

/// Stores entries of a domain as one change. An id that stands twice counts by its last
/// entry where entries are replaced, by its first where they stay.
pub(crate) async fn store(
    state: &IngestState,
    domain: &DomainId,
    items: Vec<Item>,
    standing: Standing,
) -> Result<Stored, Problem> {
    let posted = items.len();
    let store = &*state.stores.catalogue;
    let (items, kept) = match standing {
        Standing::Replaced => {
            let last: BTreeMap<ItemId, Item> =
                items.into_iter().map(|item| (item.item_id.clone(), item)).collect();
            let items: Vec<Item> = last.into_values().collect();
            let change = store.put_all(domain, &items).await?;
            return Ok(Stored { upserted: posted, kept: 0, change });
        }
        Standing::Kept { emptied_by } => {
            let mut ids = BTreeSet::new();
            let first: Vec<Item> =
                items.into_iter().filter(|item| ids.insert(item.item_id.clone())).collect();
            let created = create(store, domain, &first, emptied_by).await?;
            let kept = created.iter().filter(|answer| **answer == Appended::Duplicate).count();
            (first, kept)
        }
    };
    let upserted = items.len() - kept;
    Ok(Stored { upserted, kept: posted - upserted, change: ChangeNumber::default() })
}

/// What became of entries that were stored.
pub(crate) struct Stored {
    /// Those that stand now.
    pub(crate) upserted: usize,
    /// Those in whose place another one stays.
    pub(crate) kept: usize,
    /// The change that replaced entries.
    pub(crate) change: ChangeNumber,
}

fn parse_item(
    raw: serde_json::Value,
    (domain, definition): (&DomainId, &DomainDefinition),
    updated_at: Timestamp,
) -> Result<Item, Rejection> {
    let invalid = |error: &dyn std::fmt::Display| Rejection::new("invalid_item", error.to_string());
    let raw: RawItem = json::from_value(raw).map_err(|error| invalid(&error))?;
    let item_id = ItemId::parse(&raw.item_id)
        .map_err(|error| Rejection::new("invalid_id", error.to_string()))?;
    let details = ItemDetails::parse(raw.details.into()).map_err(|error| invalid(&error))?;
    definition.check_item(&details).map_err(|error| invalid(&error))?;
    let change = ChangeNumber::default();
    Ok(Item { domain: domain.clone(), item_id, details: Some(details), updated_at, change })
}

pub(crate) async fn put_item(
    State(state): State<IngestState>,
    caller: Caller,
    Path((domain, item_id)): Path<(DomainId, ItemId)>,
    Json(details): Json<serde_json::Value>,
) -> Result<JsonResponse<ItemView>, Problem> {
    caller.require(Scope::CatalogWrite, &domain)?;
    let definition = state.definitions.domain(&domain).await?;
    let invalid = |error: InvalidItem| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_item", error.0)
    };
    let details = ItemDetails::parse(details).map_err(invalid)?;
    definition.check_item(&details).map_err(invalid)?;
    let updated_at = to_millisecond(state.machine.clock.now());
    let change = ChangeNumber::default();
    let item = Item { domain, item_id, details: Some(details.clone()), updated_at, change };
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
        None => Err(Problem::unknown_item(&domain)),
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
        return Err(Problem::unknown_item(&domain));
    }
    let updated_at = to_millisecond(state.machine.clock.now());
    let change = ChangeNumber::default();
    let deleted = Item { domain, item_id, details: None, updated_at, change };
    state.stores.catalogue.put(&deleted).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests;
