//! `POST /v1/recommendations`, and `POST /v1/rankings`, which is the same of a list.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json as JsonResponse};
use crossfold_core::entities::activity::{Activity, Slates};
use crossfold_core::entities::decision::Decision;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId, RecommendationId, UserId};
use crossfold_core::entities::ports::StoreError;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, DescribedItem, Serving, decide};
use crossfold_core::serving::inspect::{InspectedTarget, ScoreParts};
use crossfold_core::serving::offers::ShownOffer;
use crossfold_core::serving::policy::ALS_FOLD_IN;
use crossfold_core::serving::reason::Reason;
use crossfold_core::serving::request::Recipient;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Json;
use crossfold_edge::problem::Problem;
use crossfold_edge::request_log::ServedNote;
use crossfold_storage::definition_reader::KnownDefinitions;
use futures::{FutureExt, try_join};
use serde::Serialize;

use crate::deadline::{Deadline, Stage};
use crate::history_reader::Reach;
use crate::inputs::{
    PersonRead, describe_new_items, known_catalogues, read_catalogues, read_definitions, read_user,
    search, unchecked, within_one_domain,
};
use crate::request::{CheckedRequest, RankingBody, RecommendationBody};
use crate::shortfall::{Degraded, Shortfall};
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
    /// Present on what was neither logged nor counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inspection: Option<Vec<InspectedTarget>>,
}

#[derive(Serialize)]
struct ItemView {
    rank: usize,
    domain: DomainId,
    item_id: ItemId,
    title: String,
    score: f32,
    propensity: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    promoted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contributions: Option<ScoreParts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<ShownOffer>,
}

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
    mut body: RecommendationBody,
) -> Result<Answer, Problem> {
    let deadline = state.deadlines.begin();
    caller.require(Scope::RecommendationsRead, &body.domain)?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &UserId::parse(&body.user_id)?);
    let dry_run = body.take_dry_run()?;
    let mut degraded = Degraded::default();
    let (checked, served, user_read) = try_join!(
        check(state, body, (caller, headers), &deadline),
        state.models.served(deadline.left(Stage::FirstReads)).map(Ok),
        read_user(state, &user, &deadline).map(Ok),
    )?;
    let Checked { checked, known } = checked;
    let CheckedRequest { request, question, is_placement_outdated } = checked;
    let definitions = &*known.definitions;
    if known.is_stale {
        degraded.add(Shortfall::StaleDefinitions);
    }
    if is_placement_outdated {
        degraded.add(Shortfall::PlacementOutdated);
    }
    served.degraded.into_iter().for_each(|shortfall| degraded.add(shortfall));
    let model = served.model.as_deref();
    if model.is_some_and(|model| request.targets.iter().any(|to| model.rows(to).is_none())) {
        // Nothing is known of what people of a target took: its newest items are served.
        degraded.add(Shortfall::DomainNotInModel);
    }
    let mut person = user_read.person(&user, &request.display, definitions, &mut degraded);
    if let Some(dry_run) = &dry_run {
        person.consents = person.consents.without(&dry_run.withdrawn, Purpose::Recommendation);
    }
    let basis = (&request, definitions, Reach::SERVED);
    let history = person.history(state, basis, &deadline, &mut degraded).await;
    let PersonRead { user, consents, version, .. } = &person;
    let recipient = Recipient { user, consents, history: &history, version: *version };
    let asked = AdmittedRequest::new(&request, recipient, definitions);
    let for_titles = asked.title_domains(model);
    read_catalogues(state, &for_titles, (&deadline, Stage::FurtherReads)).await;
    describe_new_items(state, &request.targets, served.model.as_ref(), &deadline).await;
    let mut catalogues =
        known_catalogues(state, (&request.targets, &for_titles), model, &mut degraded);
    if let Some(question) = &question {
        let targets = (&request.targets, &mut catalogues);
        search(state, question, targets, (&deadline, &mut degraded)).await;
    }
    let serving = Serving {
        model,
        catalogues: &catalogues,
        policy: &ALS_FOLD_IN,
        degraded: &degraded.codes(),
    };
    let decided = decide(serving, &asked);
    if dry_run.is_some() {
        return Ok(answer(RecommendationView { dry_run: true, ..view(decided) }));
    }
    let decided = log(state, decided, &deadline).await;
    let activity = activity_of(&decided.decision);
    state.activity.note_within(&request.display, activity, deadline.left(Stage::Log)).await;
    Ok(answer(view(decided)))
}

/// A slate, with what the line that the request leaves in the log says of it.
type Answer = (Extension<ServedNote>, JsonResponse<RecommendationView>);

fn answer(view: RecommendationView) -> Answer {
    let model = view.model.as_ref().map(ToString::to_string);
    let note = ServedNote { model, degraded: view.degraded.clone() };
    (Extension(note), JsonResponse(view))
}

/// A request that keeps the rules, and the definitions that it was checked by.
struct Checked {
    checked: CheckedRequest,
    known: KnownDefinitions,
}

/// Checks a request, and reads the catalogues of its targets, which it then may have.
async fn check(
    state: &RecommendState,
    body: RecommendationBody,
    (caller, headers): (&Caller, &HeaderMap),
    deadline: &Deadline,
) -> Result<Checked, Problem> {
    let known = read_definitions(state, &body.domain, deadline).await?;
    let request = body.into_request(caller, headers, &known.definitions, &state.machine);
    let checked = match request {
        Err(problem) if known.is_stale && problem.code == "unknown_domain" => {
            // It may have been defined since.
            return Err(unchecked(StoreError::Unavailable(problem.detail.into())));
        }
        request => request?,
    };
    let checked = match known.is_stale {
        true => CheckedRequest { request: within_one_domain(checked.request), ..checked },
        false => checked,
    };
    read_catalogues(state, &checked.request.targets, (deadline, Stage::FirstReads)).await;
    Ok(Checked { checked, known })
}

/// One slate, in numbers.
fn activity_of(decision: &Decision) -> Activity {
    let degraded = decision.degraded.iter().map(|code| (code.clone(), 1));
    let slates = Slates {
        served: 1,
        personalised: u64::from(decision.personalised),
        empty: u64::from(decision.slate.is_empty()),
        degraded: degraded.collect(),
    };
    Activity { slates, ..Activity::default() }
}

/// Logs a decision before it is answered. A slate without a record is better than
/// none; the caller is told.
async fn log(state: &RecommendState, mut decided: Decided, deadline: &Deadline) -> Decided {
    let record = state.stores.decisions.record(&decided.decision);
    let failure = match deadline.wait(Stage::Log, record).await {
        Some(Ok(())) => return decided,
        Some(Err(error)) => error.to_string(),
        None => "it took too long".to_owned(),
    };
    tracing::error!(failure, "a decision could not be logged");
    decided.decision.degraded.push(Shortfall::NotLogged.as_str().to_owned());
    decided
}

fn view(decided: Decided) -> RecommendationView {
    let Decided { decision, items, inspected } = decided;
    RecommendationView {
        recommendation_id: decision.recommendation_id,
        model: decision.model,
        variant: decision.variant,
        personalised: decision.personalised,
        degraded: decision.degraded,
        items: items.into_iter().enumerate().map(|(at, item)| item_view(at + 1, item)).collect(),
        dry_run: false,
        inspection: inspected,
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
        promoted: item.entry.promoted,
        reason: item.reason,
        contributions: item.contributions,
        offer: item.offer,
    }
}

#[cfg(test)]
mod tests;
