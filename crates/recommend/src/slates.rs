//! Making slates: what is the same for whomever a request is for is read once, then each user's slate is
//! made, logged and told.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use crossfold_core::entities::activity::{Activity, Slates};
use crossfold_core::entities::decision::{Decision, SlateEntry};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::experiment::exposure::Exposure;
use crossfold_core::entities::ids::{DomainId, ItemId, ModelId, Pseudonym, RecommendationId};
use crossfold_core::entities::ports::StoreError;
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::model::Model;
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, DescribedItem, Serving, decide};
use crossfold_core::serving::inspect::{InspectedTarget, ScoreParts};
use crossfold_core::serving::offers::ShownOffer;
use crossfold_core::serving::policy;
use crossfold_core::serving::reason::Reason;
use crossfold_core::serving::request::{Recipient, SlateRequest};
use crossfold_edge::caller::Caller;
use crossfold_edge::problem::Problem;
use crossfold_storage::definition_reader::KnownDefinitions;
use crossfold_text::search::Query;
use futures::{FutureExt, try_join};
use serde::Serialize;

use crate::deadline::{Deadline, Stage};
use crate::history_reader::Reach;
use crate::inputs::{
    PersonRead, UserRead, describe_new_items, known_catalogues, read_catalogues, read_definitions,
    search, unchecked, within_one_domain,
};
use crate::model_cache::Served;
use crate::pages::cursor;
use crate::request::{CheckedRequest, DryRun, RecommendationBody};
use crate::shortfall::{Degraded, Shortfall};
use crate::state::RecommendState;

/// A slate as it is told.
#[derive(Serialize)]
pub(crate) struct RecommendationView {
    recommendation_id: RecommendationId,
    pub(crate) model: Option<ModelId>,
    variant: Option<Exposure>,
    personalised: bool,
    pub(crate) degraded: Vec<String>,
    items: Vec<ItemView>,
    /// The cursor of the items that were decided and are not told yet, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Present on what was neither logged nor counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inspection: Option<Vec<InspectedTarget>>,
}

impl RecommendationView {
    /// Whether it has no item.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Its first items, with a cursor to the others.
    pub(crate) fn first_page(mut self, size: usize) -> Self {
        if size < self.items.len() {
            self.items.truncate(size);
            self.next = Some(cursor(size, size));
        }
        self
    }

    /// The same with a cursor to what comes next, where anything does.
    pub(crate) fn with_next(self, next: Option<String>) -> Self {
        Self { next, ..self }
    }

    /// A page without items of a decision.
    pub(crate) fn empty_page_of(decision: &Decision) -> Self {
        Self {
            recommendation_id: decision.recommendation_id.clone(),
            model: decision.model.clone(),
            variant: decision.variant.clone(),
            personalised: decision.personalised,
            degraded: decision.degraded.clone(),
            items: Vec::new(),
            next: None,
            dry_run: false,
            inspection: None,
        }
    }

    /// The same items as a page of a decision that has them, each with its rank from 0: as they
    /// were logged, and as far as they may be shown now.
    pub(crate) fn into_page_of(self, decision: &Decision, page: &[(usize, &SlateEntry)]) -> Self {
        let mut shown: BTreeMap<(DomainId, ItemId), ItemView> = self
            .items
            .into_iter()
            .map(|item| ((item.domain.clone(), item.item_id.clone()), item))
            .collect();
        let as_logged = |(rank, entry): &(usize, &SlateEntry)| {
            let item = shown.remove(&(entry.domain.clone(), entry.item_id.clone()))?;
            let SlateEntry { score, propensity, promoted, .. } = **entry;
            Some(ItemView { rank: rank + 1, score, propensity, promoted, ..item })
        };
        let items = page.iter().filter_map(as_logged).collect();
        Self { items, degraded: self.degraded, ..Self::empty_page_of(decision) }
    }
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

/// A request as far as it is the same for whomever a slate is for.
pub(crate) struct Prepared {
    pub(crate) request: SlateRequest,
    question: Option<Query>,
    known: KnownDefinitions,
    served: Served,
    dry_run: Option<DryRun>,
    page_size: Option<usize>,
    degraded: Degraded,
}

impl Prepared {
    /// The definitions that the request was checked by.
    pub(crate) fn definitions(&self) -> &Definitions {
        &self.known.definitions
    }
}

/// Checks a request, and reads what it needs whomever it is for.
///
/// # Errors
/// A problem when it breaks a rule, or cannot be checked now.
pub(crate) async fn prepare(
    state: &RecommendState,
    asking: (&Caller, &HeaderMap),
    body: RecommendationBody,
    deadline: &Deadline,
) -> Result<Prepared, Problem> {
    prepare_by(state, asking, (body, None), deadline).await
}

/// The same by definitions that were read already, where they were: nothing may have changed between.
///
/// # Errors
/// As [`prepare`].
pub(crate) async fn prepare_by(
    state: &RecommendState,
    asking: (&Caller, &HeaderMap),
    (mut body, known): (RecommendationBody, Option<KnownDefinitions>),
    deadline: &Deadline,
) -> Result<Prepared, Problem> {
    let (dry_run, page_size) = (body.take_dry_run()?, body.take_page_size()?);
    let (checked, served) = try_join!(
        check(state, asking, (body, known), deadline),
        state.models.served(deadline.left(Stage::FirstReads)).map(Ok),
    )?;
    let Checked { checked, known } = checked;
    let CheckedRequest { request, question, is_placement_outdated } = checked;
    let mut degraded = Degraded::default();
    if known.is_stale {
        degraded.add(Shortfall::StaleDefinitions);
    }
    if is_placement_outdated {
        degraded.add(Shortfall::PlacementOutdated);
    }
    served.degraded.iter().for_each(|shortfall| degraded.add(*shortfall));
    let is_known = |model: &Model| request.targets.iter().all(|to| model.rows(to).is_some());
    if served.model.as_deref().is_some_and(|model| !is_known(model)) {
        // Nothing is known of what people of a target took: its newest items are served.
        degraded.add(Shortfall::DomainNotInModel);
    }
    Ok(Prepared { request, question, known, served, dry_run, page_size, degraded })
}

/// Makes the slate of a user, and logs it unless it is only looked at.
pub(crate) async fn slate(
    state: &RecommendState,
    (prepared, request): (&Prepared, &SlateRequest),
    (user, user_read): (&Pseudonym, UserRead),
    deadline: &Deadline,
) -> RecommendationView {
    let Prepared { question, known, served, dry_run, .. } = prepared;
    let (definitions, model) = (&*known.definitions, served.model.as_deref());
    let mut degraded = prepared.degraded.clone();
    let mut person = user_read.person(user, &request.display, definitions, &mut degraded);
    if let Some(dry_run) = dry_run {
        person.consents = person.consents.without(&dry_run.withdrawn, Purpose::Recommendation);
    }
    let basis = (request, definitions, Reach::SERVED);
    let history = person.history(state, basis, deadline, &mut degraded).await;
    let PersonRead { user, consents, version, .. } = &person;
    let recipient = Recipient { user, consents, history: &history, version: *version };
    let asked = AdmittedRequest::new(request, recipient, definitions);
    let for_titles = asked.title_domains(model);
    read_catalogues(state, &for_titles, (deadline, Stage::FurtherReads)).await;
    describe_new_items(state, &request.targets, served.model.as_ref(), deadline).await;
    let mut catalogues =
        known_catalogues(state, (&request.targets, &for_titles), model, &mut degraded);
    if let Some(question) = question {
        let targets = (&request.targets, &mut catalogues);
        search(state, question, targets, (deadline, &mut degraded)).await;
    }
    let serving = Serving {
        model,
        catalogues: &catalogues,
        policy: policy::of(request.ranking),
        degraded: &degraded.codes(),
    };
    let decided = decide(serving, &asked);
    if dry_run.is_some() {
        return RecommendationView { dry_run: true, ..view(decided) };
    }
    let decided = log(state, decided, deadline).await;
    let activity = activity_of(&decided.decision);
    state.activity.note_within(&request.display, activity, deadline.left(Stage::Log)).await;
    view(decided).first_page(prepared.page_size.unwrap_or(usize::MAX))
}

/// A request that keeps the rules, and the definitions that it was checked by.
struct Checked {
    checked: CheckedRequest,
    known: KnownDefinitions,
}

/// Checks a request, and reads the catalogues of its targets, which it then may have.
async fn check(
    state: &RecommendState,
    (caller, headers): (&Caller, &HeaderMap),
    (body, known): (RecommendationBody, Option<KnownDefinitions>),
    deadline: &Deadline,
) -> Result<Checked, Problem> {
    let known = match known {
        Some(known) => known,
        None => read_definitions(state, &body.domain, deadline).await?,
    };
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
        next: None,
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
