//! `POST /v1/recommendations`.

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::http::HeaderMap;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId, RecommendationId, UserId};
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, DescribedItem, Serving, decide};
use crossfold_core::serving::policy::ALS_FOLD_IN;
use crossfold_core::serving::reason::Reason;
use crossfold_core::serving::request::Recipient;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use serde::Serialize;

use crate::inputs::{Degraded, read_catalogues, read_person};
use crate::request::RecommendationBody;
use crate::state::RecommendState;

/// The response's body.
#[derive(Serialize)]
pub(crate) struct RecommendationView {
    recommendation_id: RecommendationId,
    model: Option<ModelId>,
    variant: Option<String>,
    personalised: bool,
    degraded: Vec<String>,
    items: Vec<ItemView>,
}

#[derive(Serialize)]
struct ItemView {
    rank: usize,
    domain: DomainId,
    item_id: ItemId,
    title: String,
    score: f32,
    propensity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

pub(crate) async fn post_recommendations(
    State(state): State<RecommendState>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<RecommendationBody>,
) -> Result<JsonResponse<RecommendationView>, Problem> {
    caller.require(Scope::RecommendationsRead, &body.domain)?;
    state.definitions.domain(&body.domain).await?;
    let definitions = state.definitions.all().await?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &UserId::parse(&body.user_id)?);
    let request = body.into_request(&caller, &headers, &definitions, &state.machine)?;
    let mut degraded = Degraded::default();
    let served = state.models.served().await;
    served.degraded.into_iter().for_each(|code| degraded.add(code));
    let model = served.model.as_deref();
    let person = read_person(&state, &user, &mut degraded).await;
    let recipient = Recipient { user: &user, consents: &person.consents, history: &person.history };
    let asked = AdmittedRequest::new(&request, recipient, &definitions);
    let wanted = (&request.targets, &asked.title_domains(model));
    let catalogues = read_catalogues(&state, wanted, model, &mut degraded).await?;
    let serving = Serving {
        model,
        catalogues: &catalogues,
        policy: &ALS_FOLD_IN,
        degraded: degraded.codes(),
    };
    let decided = log(&state, decide(serving, &asked)).await;
    Ok(JsonResponse(view(decided)))
}

/// Logs a decision before it is answered. A slate without a record is better than
/// none; the caller is told.
async fn log(state: &RecommendState, mut decided: Decided) -> Decided {
    if let Err(error) = state.stores.decisions.record(&decided.decision).await {
        tracing::error!(%error, "a decision could not be logged");
        decided.decision.degraded.push("not_logged".to_owned());
    }
    decided
}

fn view(decided: Decided) -> RecommendationView {
    let Decided { decision, items } = decided;
    RecommendationView {
        recommendation_id: decision.recommendation_id,
        model: decision.model,
        variant: decision.variant,
        personalised: decision.personalised,
        degraded: decision.degraded,
        items: items.into_iter().enumerate().map(|(at, item)| item_view(at + 1, item)).collect(),
    }
}

fn item_view(rank: usize, item: DescribedItem) -> ItemView {
    ItemView {
        rank,
        domain: item.entry.domain,
        item_id: item.entry.item_id,
        title: item.title,
        score: item.entry.score,
        propensity: item.entry.propensity,
        reason: item.reason,
    }
}

#[cfg(test)]
mod tests;
