//! `GET /v1/users/{user}/profile`: what is known of a user, computed from what a slate on their
//! platform might use, and told as far as the caller may know it. Nothing is stored, logged or
//! counted.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json as JsonResponse};
use crossfold_core::entities::consent::{
    ConsentContext, ConsentedHistory, EconomicEvidence, RecommendationUse,
};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::{DomainId, ModelId, UserId};
use crossfold_core::model::Model;
use crossfold_core::serving::admit::MAX_TITLE_CATALOGUES;
use crossfold_core::serving::profile::{Profile, ProfileInputs, profile};
use crossfold_core::serving::reason::Locale;
use crossfold_core::serving::request::{Occasion, SlateRequest};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::extract::Query;
use crossfold_edge::problem::Problem;
use crossfold_edge::request_log::ServedNote;
use crossfold_edge::user_path::UserPath;
use crossfold_storage::definition_reader::KnownDefinitions;
use futures::try_join;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deadline::{Deadline, Stage};
use crate::history_reader::Reach;
use crate::inputs::{
    PersonRead, known_catalogues, read_catalogues, read_platform, read_user, within_one_domain,
};
use crate::request::{cross_domain, locale};
use crate::shortfall::{Degraded, Shortfall};
use crate::state::RecommendState;

/// The query of the call.
#[derive(Deserialize)]
pub(crate) struct ProfileQuery {
    /// The platform whose user it is.
    domain: DomainId,
    /// The language of the texts.
    #[serde(default)]
    locale: String,
}

/// The response's body.
#[derive(Serialize)]
pub(crate) struct ProfileView {
    domain: DomainId,
    as_of: Timestamp,
    model: Option<ModelId>,
    /// Whether it tells of anything that the person did.
    personalised: bool,
    degraded: Vec<&'static str>,
    #[serde(flatten)]
    profile: Profile,
}

/// A profile, with what the line that the request leaves in the log says of it.
type Answer = (Extension<ServedNote>, JsonResponse<ProfileView>);

pub(crate) async fn get_profile(
    State(state): State<RecommendState>,
    caller: Caller,
    headers: HeaderMap,
    UserPath(user): UserPath,
    Query(query): Query<ProfileQuery>,
) -> Result<Answer, Problem> {
    let deadline = state.deadlines.begin();
    caller.require(Scope::UsersRead, &query.domain)?;
    let locale = locale(&query.locale)?;
    let user = state.pseudonymiser.pseudonym(&query.domain, &UserId::parse(&user)?);
    let mut degraded = Degraded::default();
    let (known, served, user_read) = try_join!(
        read_platform(&state, &query.domain, &deadline),
        async { Ok(state.models.served(deadline.left(Stage::FirstReads)).await) },
        async { Ok(read_user(&state, &user, &deadline).await) },
    )?;
    let definitions = &*known.definitions;
    let request = as_slate(&state, (&caller, &headers), (&query.domain, locale), &known);
    if known.is_stale {
        degraded.add(Shortfall::StaleDefinitions);
    }
    served.degraded.into_iter().for_each(|shortfall| degraded.add(shortfall));
    let model = served.model.as_deref();
    if model.is_some_and(|model| model.rows(&query.domain).is_none()) {
        degraded.add(Shortfall::DomainNotInModel);
    }
    let person = user_read.person(&user, &query.domain, definitions, &mut degraded);
    let basis = (&request, definitions);
    let history = profiled(&state, &person, basis, (&deadline, &mut degraded)).await;
    let PersonRead { consents, declared, .. } = &person;
    let context = ConsentContext { ledger: consents, definitions, now: request.now };
    let to = (&query.domain, request.cross_domain);
    let economic = EconomicEvidence::of(&history, declared, context, to);
    let others = other_catalogues(&request, &history, economic.as_ref());
    read_catalogues(&state, &others, (&deadline, Stage::FurtherReads)).await;
    let catalogues = known_catalogues(&state, (&request.targets, &others), model, &mut degraded);
    let profile = profile(&ProfileInputs {
        display: &query.domain,
        visible: &request.visible,
        history: &history,
        economic: economic.as_ref(),
        declared,
        definitions,
        catalogues: &catalogues,
        model,
        now: request.now,
        locale: request.locale,
    });
    Ok(answer(ProfileView {
        domain: query.domain,
        as_of: request.now,
        model: model.map(Model::id).cloned(),
        personalised: profile.is_personal(),
        degraded: degraded.codes(),
        profile,
    }))
}

/// What of a person's history a profile is told by.
pub(crate) async fn profiled(
    state: &RecommendState,
    person: &PersonRead,
    (request, definitions): (&SlateRequest, &Definitions),
    (deadline, degraded): (&Deadline, &mut Degraded),
) -> ConsentedHistory {
    let basis = (request, definitions, Reach::PROFILED);
    let history = person.history(state, basis, deadline, degraded).await;
    let PersonRead { user, consents, .. } = person;
    let context = ConsentContext { ledger: consents, definitions, now: request.now };
    let use_of_it = RecommendationUse {
        user,
        display: &request.display,
        target: &request.display,
        cross_domain: request.cross_domain,
    };
    ConsentedHistory::for_recommendation(&history, context, &use_of_it)
}

fn answer(view: ProfileView) -> Answer {
    let model = view.model.as_ref().map(ToString::to_string);
    let degraded = view.degraded.iter().map(|&code| code.to_owned()).collect();
    (Extension(ServedNote { model, degraded }), JsonResponse(view))
}

/// The slate that a profile is told for: one of the platform's items on the platform itself. So
/// what may be used for it, and by whom it may be known, is what may be for a slate.
pub(crate) fn as_slate(
    state: &RecommendState,
    (caller, headers): (&Caller, &HeaderMap),
    (display, locale): (&DomainId, Locale),
    known: &KnownDefinitions,
) -> SlateRequest {
    let acts_for = |domain: &&DomainId| caller.acts_for(domain);
    let occasion = Occasion {
        recommendation_id: state.machine.ids.fresh().into(),
        seed: 0,
        now: state.machine.clock.now(),
        display: display.clone(),
    };
    let request = SlateRequest {
        limit: 1,
        shows_offers: false,
        cross_domain: cross_domain(headers),
        visible: known.definitions.keys().filter(acts_for).cloned().collect(),
        locale,
        ..SlateRequest::of(occasion)
    };
    if known.is_stale { within_one_domain(request) } else { request }
}

/// The catalogues, beside the platform's own, of the domains that something is told of: at most
/// [`MAX_TITLE_CATALOGUES`], those with the newest evidence.
fn other_catalogues(
    request: &SlateRequest,
    history: &ConsentedHistory,
    economic: Option<&EconomicEvidence<'_>>,
) -> BTreeSet<DomainId> {
    let is_told = |domain: &DomainId| {
        let may_tell_of_means = economic.is_some_and(|economic| economic.covers(domain));
        *domain != request.display && (request.visible.contains(domain) || may_tell_of_means)
    };
    let mut newest: BTreeMap<&DomainId, Timestamp> = BTreeMap::new();
    for event in history.events().iter().filter(|event| is_told(&event.domain)) {
        let at = newest.entry(&event.domain).or_insert(event.occurred_at);
        *at = event.occurred_at.max(*at);
    }
    let mut domains: Vec<(Timestamp, &DomainId)> =
        newest.into_iter().map(|(domain, at)| (at, domain)).collect();
    domains.sort_unstable_by(|one, other| other.cmp(one));
    domains.into_iter().take(MAX_TITLE_CATALOGUES).map(|(_, domain)| domain.clone()).collect()
}
