//! `POST /v1/recommendations/{id}/page`: more of a slate that was decided and logged before, in its
//! order, by a cursor that its first page or the one before told.
//!
//! What is told is what may be shown now: the rules are asked again, those of the placement too, and an
//! item that is gone, hidden or dismissed since is left out, its rank with it; so is what was seen since,
//! where the caller acts for all the domains that the page has items of. Scores and propensities are those that were logged;
//! reasons and costs are as they are now. Nothing is logged: it is the same decision.

use std::collections::BTreeSet;

use axum::Json as JsonResponse;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use crossfold_core::entities::applicant::Applicant;
use crossfold_core::entities::consent::CrossDomain;
use crossfold_core::entities::decision::{Decision, SlateEntry};
use crossfold_core::entities::ids::{DomainId, Pseudonym, RecommendationId, UserId};
use crossfold_core::serving::request::{MAX_LIMIT, SlateRequest};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::{Json, Path};
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::life;
use serde::Deserialize;

use crate::inputs::read_user;
use crate::request::{RecommendationBody, check_limit, locale, yes};
use crate::slates::{RecommendationView, prepare, slate};
use crate::state::RecommendState;

/// What a cursor begins with, before the rank of the last item that was told and the size of pages.
const AFTER: &str = "after-";

/// The body of the call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageBody {
    user_id: String,
    domain: DomainId,
    cursor: String,
    limit: Option<usize>,
    applicant: Option<Applicant>,
    #[serde(default = "yes")]
    explain: bool,
    #[serde(default)]
    locale: String,
}

/// The cursor behind so many items, for pages of so many.
pub(crate) fn cursor(told: usize, size: usize) -> String {
    format!("{AFTER}{told}-{size}")
}

/// How many items were told before a cursor, and how many there are on a page.
fn read_cursor(cursor: &str) -> Result<(usize, usize), Problem> {
    let read = || {
        let after = cursor.strip_prefix(AFTER)?;
        // Before pages kept their size, a cursor was that of pages of as many as were told.
        let (told, size) = after.split_once('-').unwrap_or((after, after));
        Some((told.parse().ok()?, size.parse().ok().filter(|size| *size > 0)?))
    };
    read().ok_or_else(|| Problem::invalid("cursor must be the `next` of an answer"))
}

pub(crate) async fn post_page(
    State(state): State<RecommendState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<PageBody>,
) -> Result<JsonResponse<RecommendationView>, Problem> {
    let deadline = state.deadlines.begin();
    caller.require(Scope::RecommendationsRead, &body.domain)?;
    body.limit.map_or(Ok(()), check_limit)?;
    let (told, size) = read_cursor(&body.cursor)?;
    locale(&body.locale)?;
    let user = state.pseudonymiser.pseudonym(&body.domain, &UserId::parse(&body.user_id)?);
    let decision = find(&state, &id, (&user, &body.domain)).await?;
    let limit = body.limit.unwrap_or(size).min(MAX_LIMIT);
    let page: Vec<_> = decision.slate.iter().enumerate().skip(told).take(limit).collect();
    let targets: BTreeSet<DomainId> = page.iter().map(|(_, entry)| entry.domain.clone()).collect();
    // What goes from a page would tell what the person saw elsewhere.
    let shows_seen = !targets.iter().all(|target| caller.acts_for(target));
    let asked = RecommendationBody::of_page(
        (body.domain, decision.placement.clone(), targets.into_iter().collect()),
        decision.variant.clone(),
        (body.applicant, body.explain, body.locale),
    );
    let prepared = prepare(&state, (&caller, &headers), asked, &deadline).await?;
    if !decision.is_of_life(&decision.domain, prepared.definitions()) {
        return Err(unknown());
    }
    // What the slate was not to be made of, its pages are not either.
    let basis = decision.basis.as_ref();
    // An item of a life of its domain that is over is none of the next.
    let is_of_life =
        |entry: &SlateEntry| decision.is_of_life(&entry.domain, prepared.definitions());
    let entries = page.iter().map(|(_, entry)| *entry).filter(|entry| is_of_life(entry));
    let listed = entries.map(|entry| (entry.domain.clone(), entry.item_id.clone())).collect();
    let request = SlateRequest {
        limit: limit.min(page.len()).max(1),
        listed: Some(listed),
        shows_seen,
        personalised: !basis.is_some_and(|basis| basis.impersonal),
        cross_domain: match basis.is_some_and(|basis| basis.within_domains) {
            true => CrossDomain::Never,
            false => prepared.request.cross_domain,
        },
        ..prepared.request.clone()
    };
    let view = match page.is_empty() {
        true => RecommendationView::empty_page_of(&decision),
        false => {
            let read = read_user(&state, &user, &deadline).await;
            let view = slate(&state, (&prepared, &request), (&user, read), &deadline).await;
            view.into_page_of(&decision, &page)
        }
    };
    let next = told + page.len();
    let next = (next < decision.slate.len()).then(|| cursor(next, limit));
    Ok(JsonResponse(view.with_next(next)))
}

/// The decision that a page is of. Another user's, and one of an earlier life, is as unknown as one that
/// never was.
async fn find(
    state: &RecommendState,
    id: &str,
    (user, domain): (&Pseudonym, &DomainId),
) -> Result<Decision, Problem> {
    let user = life(&*state.stores.people, user).await?.user;
    let found = match RecommendationId::parse(id) {
        Ok(id) => state.stores.decisions.get(&id).await?,
        Err(_) => None,
    };
    found.filter(|of| of.user == user && of.domain == *domain).ok_or_else(unknown)
}

fn unknown() -> Problem {
    let detail = "this user was served no such recommendation";
    Problem::new(StatusCode::NOT_FOUND, "unknown_recommendation", detail)
}
