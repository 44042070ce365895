//! `POST /v1/recommendations`, and `POST /v1/rankings`, which is the same of a list.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json as JsonResponse};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_edge::request_log::ServedNote;
use futures::{FutureExt, try_join};

use crate::inputs::read_user;
use crate::request::{RankingBody, RecommendationBody};
use crate::slates::{RecommendationView, prepare, slate};
use crate::state::RecommendState;

pub(crate) async fn post_recommendations(
    State(state): State<RecommendState>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<RecommendationBody>,
) -> Result<Answer, Problem> {
    recommend(&state, (&caller, &headers), body).await
}

/// Puts a list of the caller in order: a recommendation of its items alone.
pub(crate) async fn post_rankings(
    State(state): State<RecommendState>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<RankingBody>,
) -> Result<Answer, Problem> {
    recommend(&state, (&caller, &headers), body.into_recommendation()?).await
}

async fn recommend(
    state: &RecommendState,
    (caller, headers): (&Caller, &HeaderMap),
    body: RecommendationBody,
) -> Result<Answer, Problem> {
    let deadline = state.deadlines.begin();
    caller.require(Scope::RecommendationsRead, &body.domain)?;
    let user_id = body.only_user()?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &user_id);
    let body = body.for_user(user_id);
    let (prepared, user_read) = try_join!(
        prepare(state, (caller, headers), body, &deadline),
        read_user(state, &user, &deadline).map(Ok),
    )?;
    let of = (&prepared, &prepared.request);
    Ok(answer(slate(state, of, (&user, user_read), &deadline).await))
}

/// A slate, with what the line that the request leaves in the log says of it.
type Answer = (Extension<ServedNote>, JsonResponse<RecommendationView>);

fn answer(view: RecommendationView) -> Answer {
    let model = view.model.as_ref().map(ToString::to_string);
    let note = ServedNote { model, degraded: view.degraded.clone() };
    (Extension(note), JsonResponse(view))
}

#[cfg(test)]
mod tests;
