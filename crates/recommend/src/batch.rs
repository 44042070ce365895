//! `POST /v1/recommendations/batch`: the slates of many users who are asked for alike, as a campaign does.
//!
//! What is the same for all is checked and read once. Each slate is made like any other: with consents,
//! history and a decision of its own, which is logged. Who cannot be served, or not in time, is named,
//! and the others are served.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json as JsonResponse};
use crossfold_core::entities::ids::UserId;
use crossfold_core::serving::request::SlateRequest;
use crossfold_edge::batch::{Rejected, Rejection};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_edge::request_log::ServedNote;
use futures::{StreamExt, stream};
use serde::Serialize;

use crate::deadline::Deadline;
use crate::inputs::{read_definitions, read_user};
use crate::request::RecommendationBody;
use crate::slates::{Prepared, RecommendationView, prepare_by, slate};
use crate::state::RecommendState;

/// Most items of all slates together: an answer has 6 MB.
pub(crate) const MAX_BATCH_ITEMS: usize = 2_000;
/// Slates that are made at the same time.
const CONCURRENT_SLATES: usize = 16;
/// After how long no slate is begun any more: the last has its own time after that, and a function
/// ten seconds.
const BEGUN_WITHIN: Duration = Duration::from_millis(3_500);

/// The response's body.
#[derive(Serialize)]
pub(crate) struct BatchView {
    slates: Vec<UserSlate>,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct UserSlate {
    user_id: String,
    recommendation: RecommendationView,
}

pub(crate) async fn post_batch(
    State(state): State<RecommendState>,
    caller: Caller,
    headers: HeaderMap,
    Json(mut body): Json<RecommendationBody>,
) -> Result<(Extension<ServedNote>, JsonResponse<BatchView>), Problem> {
    let (began, deadline) = (state.machine.stopwatch.read(), state.deadlines.begin());
    caller.require(Scope::RecommendationsRead, &body.domain)?;
    let users = body.take_users()?;
    let asked = prepare_all(&state, (&caller, &headers), (body, users), &deadline).await?;
    if asked.items() > MAX_BATCH_ITEMS {
        let detail = format!("user_ids times limit must be at most {MAX_BATCH_ITEMS}");
        return Err(Problem::invalid(detail));
    }
    let Asked { users, prepared } = asked;
    let (state, prepared) = (&state, &prepared);
    let made = stream::iter(users).map(|(user, exposure)| async move {
        if state.machine.stopwatch.since(began) > BEGUN_WITHIN {
            return Err(too_late());
        }
        let Some(prepared) = prepared.get(&exposure) else { return Err(too_late()) };
        let recommendation = slate_of(state, prepared, &user).await?;
        Ok(UserSlate { user_id: user, recommendation })
    });
    let made: Vec<Result<UserSlate, Rejection>> = made.buffered(CONCURRENT_SLATES).collect().await;
    let mut view = BatchView { slates: Vec::with_capacity(made.len()), rejected: Vec::new() };
    for (index, made) in made.into_iter().enumerate() {
        match made {
            Ok(slate) => view.slates.push(slate),
            Err(rejection) => view.rejected.push(rejection.at(index)),
        }
    }
    Ok((Extension(note(&view)), JsonResponse(view)))
}

/// A batch as it is asked for: once for all users of whom experiments make the same.
struct Asked {
    /// The users as they are named, with their key among `prepared`.
    users: Vec<(String, ExposureText)>,
    prepared: BTreeMap<ExposureText, Prepared>,
}

/// What experiments have to do with a slate, as it is logged.
type ExposureText = Option<String>;

impl Asked {
    /// The items of all slates together, at most.
    fn items(&self) -> usize {
        let limit = |exposure| self.prepared.get(exposure).map_or(0, |of| of.request.limit);
        self.users.iter().map(|(_, exposure)| limit(exposure)).sum()
    }
}

async fn prepare_all(
    state: &RecommendState,
    (caller, headers): (&Caller, &HeaderMap),
    (body, named): (RecommendationBody, Vec<String>),
    deadline: &Deadline,
) -> Result<Asked, Problem> {
    let known = read_definitions(state, &body.domain, deadline).await?;
    let (mut users, mut prepared) = (Vec::with_capacity(named.len()), BTreeMap::new());
    for name in named {
        // Who cannot be is told so where their slate is made.
        let user = UserId::parse(&name).ok();
        let exposure = match &user {
            Some(user) => body.exposure_of(user.clone(), (caller, &known.definitions))?,
            None => None,
        };
        let exposure = exposure.map(|exposure| exposure.to_string());
        if !prepared.contains_key(&exposure) {
            let body = match user {
                Some(user) => body.clone().for_user(user),
                None => body.clone(),
            };
            let of = (body, Some(known.clone()));
            let made = prepare_by(state, (caller, headers), of, deadline).await?;
            prepared.insert(exposure.clone(), made);
        }
        users.push((name, exposure));
    }
    Ok(Asked { users, prepared })
}

async fn slate_of(
    state: &RecommendState,
    prepared: &Prepared,
    user: &str,
) -> Result<RecommendationView, Rejection> {
    let user = UserId::parse(user).map_err(Problem::from)?;
    let user = state.pseudonymiser.pseudonym(&prepared.request.display, &user);
    let deadline = state.deadlines.begin();
    let request = SlateRequest {
        recommendation_id: state.machine.ids.fresh().into(),
        seed: state.machine.dice.roll(),
        now: state.machine.clock.now(),
        ..prepared.request.clone()
    };
    let user_read = read_user(state, &user, &deadline).await;
    Ok(slate(state, (prepared, &request), (&user, user_read), &deadline).await)
}

fn too_late() -> Rejection {
    let detail = "there was no time left for this slate: ask for it again";
    Rejection::new("store_unavailable", detail)
}

/// What the log says of the request: the model, and all that some slate was made without.
fn note(view: &BatchView) -> ServedNote {
    let slates = || view.slates.iter().map(|slate| &slate.recommendation);
    let model = slates().find_map(|slate| slate.model.as_ref().map(ToString::to_string));
    let mut degraded: Vec<String> = slates().flat_map(|slate| slate.degraded.clone()).collect();
    degraded.sort_unstable();
    degraded.dedup();
    ServedNote { model, degraded }
}
