//! `GET /v1/domains/{domain}/items/{item}/similar`: items of a catalogue that are like one of them.
//! Nobody's history is read, and nothing is logged or counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json as JsonResponse};
use crossfold_core::entities::catalogue::ItemStatus;
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId};
use crossfold_core::entities::ports::StoreError;
use crossfold_core::model::Model;
use crossfold_core::serving::similar::{AskedItem, BasedOn, SimilarItem, asks_for_text, similar};
use crossfold_core::serving::snapshot::{CatalogueEntry, CatalogueSnapshot};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Path, Query};
use crossfold_edge::problem::Problem;
use crossfold_edge::request_log::ServedNote;
use futures::{FutureExt, try_join};
use serde::{Deserialize, Serialize};

use crate::deadline::{Deadline, Stage};
use crate::inputs::{describe_new_items, known_catalogues, read_platform, unchecked};
use crate::request::{check_limit, default_limit};
use crate::shortfall::{Degraded, Shortfall};
use crate::state::RecommendState;

/// The query of the call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimilarQuery {
    #[serde(default = "default_limit")]
    limit: usize,
}

/// The response's body.
#[derive(Serialize)]
pub(crate) struct SimilarView {
    domain: DomainId,
    item_id: ItemId,
    model: Option<ModelId>,
    based_on: BasedOn,
    degraded: Vec<&'static str>,
    items: Vec<ItemView>,
}

#[derive(Serialize)]
struct ItemView {
    rank: usize,
    item_id: ItemId,
    title: String,
    score: f32,
}

/// The items, with what the line that the request leaves in the log says of them.
type Answer = (Extension<ServedNote>, JsonResponse<SimilarView>);

pub(crate) async fn get_similar(
    State(state): State<RecommendState>,
    caller: Caller,
    Path((domain, item_id)): Path<(DomainId, ItemId)>,
    Query(query): Query<SimilarQuery>,
) -> Result<Answer, Problem> {
    let deadline = state.deadlines.begin();
    caller.require(Scope::RecommendationsRead, &domain)?;
    check_limit(query.limit)?;
    let mut degraded = Degraded::default();
    let Read { snapshot, model, definitions } =
        read(&state, &domain, &deadline, &mut degraded).await?;
    let Some(entry) = snapshot.find(&item_id).filter(is_told_of) else {
        // It may have been posted since.
        return Err(match degraded.names(Shortfall::StaleCatalogue) {
            true => not_read("the newest changes of the catalogue could not be read"),
            false => Problem::unknown_item(&domain),
        });
    };
    let expected = match &model {
        Some(model) if asks_for_text(model, &entry) => {
            let left = deadline.left(Stage::FurtherReads);
            let told = state.descriptions.expected_factors(entry.item, model, left).await;
            if told.is_err() {
                degraded.add(Shortfall::NoEncoder);
            }
            told.unwrap_or_default()
        }
        _ => None,
    };
    let now = state.machine.clock.now();
    let asked = AskedItem { entry, expected, definition: definitions.get(&domain) };
    let found = similar(&asked, (&snapshot, model.as_deref()), now, query.limit);
    Ok(answer(SimilarView {
        model: model.map(|model| model.id().clone()),
        based_on: found.based_on,
        degraded: degraded.codes(),
        items: (1..).zip(found.items).map(ItemView::ranked).collect(),
        domain,
        item_id,
    }))
}

fn answer(view: SimilarView) -> Answer {
    let model = view.model.as_ref().map(ToString::to_string);
    let degraded = view.degraded.iter().map(|&code| code.to_owned()).collect();
    (Extension(ServedNote { model, degraded }), JsonResponse(view))
}

impl ItemView {
    fn ranked((rank, item): (usize, SimilarItem)) -> Self {
        let SimilarItem { item_id, title, score } = item;
        Self { rank, item_id, title, score }
    }
}

/// The platform's catalogue, its new items described, the model, and what domains say.
struct Read {
    snapshot: Arc<CatalogueSnapshot>,
    model: Option<Arc<Model>>,
    definitions: Arc<Definitions>,
}

async fn read(
    state: &RecommendState,
    domain: &DomainId,
    deadline: &Deadline,
    degraded: &mut Degraded,
) -> Result<Read, Problem> {
    let (known, served) = try_join!(
        read_platform(state, domain, deadline),
        state.models.served(deadline.left(Stage::FirstReads)).map(Ok),
    )?;
    if known.is_stale {
        degraded.add(Shortfall::StaleDefinitions);
    }
    served.degraded.into_iter().for_each(|shortfall| degraded.add(shortfall));
    let model = served.model;
    if model.as_ref().is_some_and(|model| model.rows(domain).is_none()) {
        degraded.add(Shortfall::DomainNotInModel);
    }
    let own = BTreeSet::from([domain.clone()]);
    describe_new_items(state, &own, model.as_ref(), deadline).await;
    let mut catalogues =
        known_catalogues(state, (&own, &BTreeSet::new()), model.as_deref(), degraded);
    let snapshot = catalogues.remove(domain);
    let snapshot = snapshot.ok_or_else(|| not_read("the catalogue could not be read in time"))?;
    Ok(Read { snapshot, model, definitions: known.definitions })
}

fn not_read(why: &'static str) -> Problem {
    unchecked(StoreError::Unavailable(why.into()))
}

/// What its platform hides is told of to nobody; what is sold out or over may be asked for.
fn is_told_of(entry: &CatalogueEntry<'_>) -> bool {
    entry.item.details.as_ref().is_some_and(|details| details.status != ItemStatus::Hidden)
}
