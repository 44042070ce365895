//! The body of `POST /v1/recommendations`, and the checked request it becomes.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::HeaderMap;
use crossfold_core::entities::applicant::Applicant;
use crossfold_core::entities::consent::CrossDomain;
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::diversity::{Calibration, Diversity};
use crossfold_core::entities::experiment::exposure::Exposure;
use crossfold_core::entities::exploration::ExplorationShare;
use crossfold_core::entities::ids::{DomainId, ExperimentId, ItemId, Placement, UserId, VariantId};
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::text_length::exceeds;
use crossfold_core::serving::diversify::{Composed, Composition};
use crossfold_core::serving::explore_share::Explored;
use crossfold_core::serving::reason::Locale;
use crossfold_core::serving::request::{DEFAULT_LIMIT, MAX_LIMIT, Occasion, SlateRequest};
use crossfold_edge::caller::Caller;
use crossfold_edge::privacy;
use crossfold_edge::problem::Problem;
use crossfold_text::search::Query;
use serde::Deserialize;

use crate::request_filter::{FilteredTargets, RawFilter};
use crate::request_placement::RequestPlacement;
use crate::request_preferences::{Preferences, RawBoost, RawPreferences, RawPromotion, RawQuota};
use crate::request_words::Question;
use crate::variants::{AskedOfPlace, ExperimentUnit, Varied, tried, varied};

/// Most items a caller can exclude.
pub const MAX_EXCLUDED: usize = 1_000;
/// Most target domains of one request.
pub const MAX_TARGETS: usize = 16;

/// Most users of one batch.
pub(crate) const MAX_USERS: usize = 100;

/// Most directions of consent that a dry run can do without.
pub const MAX_WITHDRAWN: usize = 64;

/// A direction of consent as a caller names it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDirection {
    from: DomainId,
    to: DomainId,
}

/// An item as a caller names it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an item: an object with a domain and an item_id")]
struct RawExcluded {
    domain: DomainId,
    item_id: ItemId,
}

/// The request's body.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecommendationBody {
    /// Of a request for one user.
    user_id: Option<String>,
    /// Of a request for many.
    user_ids: Option<Vec<String>>,
    pub(crate) domain: DomainId,
    #[serde(default)]
    target_domains: Vec<DomainId>,
    placement: Option<Placement>,
    limit: Option<usize>,
    /// How many of the items are told at first; all, unless it is said.
    page_size: Option<usize>,
    #[serde(default)]
    exclude: Vec<RawExcluded>,
    filter: Option<RawFilter>,
    #[serde(default)]
    boosts: Vec<RawBoost>,
    #[serde(default)]
    promotions: Vec<RawPromotion>,
    #[serde(default)]
    quotas: Vec<RawQuota>,
    diversity: Option<f32>,
    calibration: Option<f32>,
    exploration: Option<f32>,
    #[serde(default)]
    query: String,
    #[serde(default)]
    context: String,
    applicant: Option<Applicant>,
    /// The items of a ranking: no field of a recommendation's body.
    #[serde(skip)]
    listed: Option<BTreeSet<(DomainId, ItemId)>>,
    /// Whether it is for a page of a slate that was decided before: targets that its place serves no
    /// more are then passed over. No field of the body either.
    #[serde(skip)]
    is_page: bool,
    /// Whom it is for, as far as experiments are concerned. No field of the body either.
    #[serde(skip)]
    unit: ExperimentUnit,
    /// Variants that are asked for, to try them.
    #[serde(default)]
    variants: BTreeMap<ExperimentId, VariantId>,
    #[serde(default = "yes")]
    personalised: bool,
    #[serde(default = "yes")]
    explain: bool,
    #[serde(default)]
    locale: String,
    #[serde(default)]
    inspect: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    without_consents: Vec<RawDirection>,
}

/// A checked request, and what is looked for in it.
pub(crate) struct CheckedRequest {
    pub(crate) request: SlateRequest,
    pub(crate) question: Option<Query>,
    /// Whether some targets are not served, for what their place says of them cannot be read.
    pub(crate) is_placement_outdated: bool,
}

/// What a dry run does otherwise than a slate that is served.
pub(crate) struct DryRun {
    /// Directions that are taken to be refused, whatever the person decided.
    pub(crate) withdrawn: Vec<(DomainId, DomainId)>,
}

/// Items that are asked for unless it is said how many.
pub(crate) fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// How many items are asked for.
///
/// # Errors
/// A problem when it is out of range.
pub(crate) fn check_limit(limit: usize) -> Result<(), Problem> {
    match (1..=MAX_LIMIT).contains(&limit) {
        true => Ok(()),
        false => Err(Problem::invalid(format!("limit must be 1 to {MAX_LIMIT}"))),
    }
}

pub(crate) fn yes() -> bool {
    true
}

/// Most items of a list that is put in order.
pub(crate) const MAX_LISTED: usize = 500;

/// The body of `POST /v1/rankings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RankingBody {
    user_id: String,
    domain: DomainId,
    items: Vec<RawListed>,
    placement: Option<Placement>,
    limit: Option<usize>,
    filter: Option<RawFilter>,
    #[serde(default)]
    boosts: Vec<RawBoost>,
    #[serde(default)]
    quotas: Vec<RawQuota>,
    diversity: Option<f32>,
    calibration: Option<f32>,
    exploration: Option<f32>,
    #[serde(default)]
    query: String,
    #[serde(default)]
    context: String,
    applicant: Option<Applicant>,
    #[serde(default = "yes")]
    personalised: bool,
    #[serde(default = "yes")]
    explain: bool,
    #[serde(default)]
    locale: String,
    #[serde(default)]
    inspect: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    variants: BTreeMap<ExperimentId, VariantId>,
}

/// An item of a list: of the caller's own domain unless it says which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an item: an object with an item_id")]
struct RawListed {
    domain: Option<DomainId>,
    item_id: ItemId,
}

impl RankingBody {
    /// The recommendation of the list's items alone.
    ///
    /// # Errors
    /// A problem when there are none or too many.
    pub(crate) fn into_recommendation(self) -> Result<RecommendationBody, Problem> {
        if !(1..=MAX_LISTED).contains(&self.items.len()) {
            return Err(Problem::invalid(format!("items must be 1 to {MAX_LISTED}")));
        }
        let listed = self.items.into_iter().map(|RawListed { domain, item_id }| {
            (domain.unwrap_or_else(|| self.domain.clone()), item_id)
        });
        let listed: BTreeSet<(DomainId, ItemId)> = listed.collect();
        let targets: BTreeSet<&DomainId> = listed.iter().map(|(domain, _)| domain).collect();
        Ok(RecommendationBody {
            target_domains: targets.into_iter().cloned().collect(),
            limit: self.limit,
            page_size: None,
            listed: Some(listed),
            is_page: false,
            unit: ExperimentUnit::Nobody,
            variants: self.variants,
            user_id: Some(self.user_id),
            user_ids: None,
            domain: self.domain,
            placement: self.placement,
            exclude: Vec::new(),
            filter: self.filter,
            boosts: self.boosts,
            promotions: Vec::new(),
            quotas: self.quotas,
            diversity: self.diversity,
            calibration: self.calibration,
            exploration: self.exploration,
            query: self.query,
            context: self.context,
            applicant: self.applicant,
            personalised: self.personalised,
            explain: self.explain,
            locale: self.locale,
            inspect: self.inspect,
            dry_run: self.dry_run,
            without_consents: Vec::new(),
        })
    }
}

impl RecommendationBody {
    /// What a placement of a platform says, and nothing beside it, in a language.
    pub(crate) fn of_placement((domain, placement): (DomainId, Placement), locale: String) -> Self {
        Self { placement: Some(placement), ..Self::without_wishes(domain, locale) }
    }

    fn without_wishes(domain: DomainId, locale: String) -> Self {
        Self {
            user_id: None,
            user_ids: None,
            domain,
            target_domains: Vec::new(),
            placement: None,
            limit: None,
            page_size: None,
            exclude: Vec::new(),
            filter: None,
            boosts: Vec::new(),
            promotions: Vec::new(),
            quotas: Vec::new(),
            diversity: None,
            calibration: None,
            exploration: None,
            query: String::new(),
            context: String::new(),
            applicant: None,
            listed: None,
            is_page: false,
            unit: ExperimentUnit::Nobody,
            variants: BTreeMap::new(),
            personalised: true,
            explain: true,
            locale,
            inspect: false,
            dry_run: false,
            without_consents: Vec::new(),
        }
    }

    /// What is asked of targets for a page of a slate that was decided before, for a place of which
    /// something may be said by now.
    pub(crate) fn of_page(
        (domain, placement, targets): (DomainId, Option<Placement>, Vec<DomainId>),
        exposure: Option<Exposure>,
        (applicant, explain, locale): (Option<Applicant>, bool, String),
    ) -> Self {
        Self {
            target_domains: targets,
            placement,
            applicant,
            explain,
            dry_run: true,
            is_page: true,
            unit: exposure.map_or(ExperimentUnit::Nobody, ExperimentUnit::Decided),
            ..Self::without_wishes(domain, locale)
        }
    }

    /// The same for a user of the platform that asks, who may take part in experiments.
    pub(crate) fn for_user(self, user: UserId) -> Self {
        Self { unit: ExperimentUnit::User(user), ..self }
    }

    /// What experiments have to do with a slate of a user.
    ///
    /// # Errors
    /// As [`tried`].
    pub(crate) fn exposure_of(
        &self,
        user: UserId,
        (caller, definitions): (&Caller, &Definitions),
    ) -> Result<Option<Exposure>, Problem> {
        Ok(self.varied(&ExperimentUnit::User(user), (caller, definitions))?.exposure)
    }

    /// The items that are served where nobody says how many.
    fn usual_limit(&self) -> usize {
        self.listed.as_ref().map_or(DEFAULT_LIMIT, |all| all.len().min(MAX_LIMIT))
    }

    fn varied<'a>(
        &self,
        unit: &ExperimentUnit,
        (caller, definitions): (&Caller, &'a Definitions),
    ) -> Result<Varied<'a>, Problem> {
        let tried = tried(&self.variants, &self.domain, (caller, definitions))?;
        let place = (&self.domain, self.placement.as_ref());
        let asked = AskedOfPlace {
            limit: self.limit,
            usual: self.usual_limit(),
            targets: self.target_domains.iter().cloned().collect(),
        };
        Ok(varied(definitions, place, (unit, &tried), &asked))
    }

    /// The user whom a request for one is for.
    ///
    /// # Errors
    /// A problem when it names none, or many.
    pub(crate) fn only_user(&self) -> Result<UserId, Problem> {
        if self.user_ids.is_some() {
            return Err(Problem::invalid("unknown field `user_ids`: that is for a batch"));
        }
        let user = self.user_id.as_deref();
        Ok(UserId::parse(user.ok_or_else(|| Problem::invalid("missing field `user_id`"))?)?)
    }

    /// The users whom a request for many is for, as they are named.
    ///
    /// # Errors
    /// A problem when it names none or too many, one in another field, or asks for more than one
    /// answer holds.
    pub(crate) fn take_users(&mut self) -> Result<Vec<String>, Problem> {
        if self.user_id.is_some() {
            return Err(Problem::invalid("unknown field `user_id`: a batch has user_ids"));
        }
        if self.inspect {
            return Err(Problem::invalid("inspect is for one user at a time"));
        }
        let users = self.user_ids.take();
        let users = users.ok_or_else(|| Problem::invalid("missing field `user_ids`"))?;
        match (1..=MAX_USERS).contains(&users.len()) {
            true => Ok(users),
            false => Err(Problem::invalid(format!("user_ids must be 1 to {MAX_USERS}"))),
        }
    }

    /// How many of the items are told at first, where not all are.
    ///
    /// # Errors
    /// A problem when it is none, or more than any slate has.
    pub(crate) fn take_page_size(&mut self) -> Result<Option<usize>, Problem> {
        match self.page_size.take() {
            Some(size) if !(1..=MAX_LIMIT).contains(&size) => {
                Err(Problem::invalid(format!("page_size must be 1 to {MAX_LIMIT}")))
            }
            size => Ok(size),
        }
    }

    /// Whether the slate is only looked at: it is made like any other, and neither logged
    /// nor counted. Consents can be left out then, and only then: what was not decided by
    /// the person never shapes a slate that is served, and none can be added.
    ///
    /// # Errors
    /// A problem when consents are left out of a slate that is served, or too many are.
    pub(crate) fn take_dry_run(&mut self) -> Result<Option<DryRun>, Problem> {
        let withdrawn = std::mem::take(&mut self.without_consents);
        if withdrawn.len() > MAX_WITHDRAWN {
            let detail = format!("without_consents must have at most {MAX_WITHDRAWN} entries");
            return Err(Problem::invalid(detail));
        }
        if !self.dry_run && !withdrawn.is_empty() {
            return Err(Problem::invalid("without_consents needs dry_run"));
        }
        let directions = withdrawn.into_iter().map(|direction| (direction.from, direction.to));
        Ok(self.dry_run.then(|| DryRun { withdrawn: directions.collect() }))
    }

    /// The checked request, with an instant, an identifier and a seed of its own.
    ///
    /// # Errors
    /// A problem that names what is out of range or not known.
    pub(crate) fn into_request(
        self,
        caller: &Caller,
        headers: &HeaderMap,
        definitions: &Definitions,
        machine: &Machine,
    ) -> Result<CheckedRequest, Problem> {
        self.check_sizes()?;
        let Varied { exposure, ranking, placement } =
            self.varied(&self.unit, (caller, definitions))?;
        let place = RequestPlacement::of(&self.domain, placement.as_deref(), definitions);
        let limit = place.limit(self.limit, self.usual_limit())?;
        let exploration = exploration(self.exploration, &place)?;
        let composition = composition(self.diversity, self.calibration)?;
        let composition = composition.unwrap_or_else(|| place.composition());
        let fatigue = place.fatigue();
        // What the request says is checked against all that it asks for; what its place says of the
        // targets that are served comes on top.
        let asked = self.target_domains.into_iter().collect();
        let placed = match self.is_page {
            true => place.targets_left(asked)?,
            false => place.targets(asked)?,
        };
        let (targets, outdated) = (placed.targets.clone(), placed.outdated.clone());
        let filtered =
            FilteredTargets { targets: &targets, outdated: &outdated, definitions, caller };
        let filters = self.filter.map(|filter| filter.read(filtered)).transpose()?;
        let filters = filters.unwrap_or_default();
        let (boosts, promotions, quotas) = (self.boosts, self.promotions, self.quotas);
        let raw = RawPreferences { boosts, promotions, quotas };
        let preferences = Preferences::read(raw, filtered)?;
        filtered.check_together(filters.iter().chain(preferences.filters()))?;
        let applicant = checked_applicant(self.applicant, filtered)?;
        if let Some(listed) = &self.listed {
            // What is left of a list would tell what the person saw elsewhere.
            listed.iter().try_for_each(|(domain, _)| filtered.only("items", domain))?;
        }
        let (filters, preferences) = placed.with(filters, preferences);
        let question = Question::read((&self.query, &self.context), filtered)?;
        let occasion = occasion(machine, self.domain);
        let request = SlateRequest {
            placement: self.placement,
            targets,
            limit,
            excluded: self.exclude.into_iter().map(|item| (item.domain, item.item_id)).collect(),
            filters,
            boosts: preferences.boosts,
            promotions: preferences.promotions,
            quotas: preferences.quotas,
            fatigue,
            composed: composition.map(Composed::by),
            exploration: exploration.map(|share| Explored { share, then: None }),
            words: question.as_ref().map(|question| question.words.clone()),
            applicant,
            shows_seen: self.listed.is_some(),
            listed: self.listed,
            personalised: self.personalised,
            cross_domain: cross_domain(headers),
            visible: definitions.keys().filter(|domain| caller.acts_for(domain)).cloned().collect(),
            explain: self.explain,
            inspect: self.inspect,
            locale: locale(&self.locale)?,
            variant: exposure,
            ranking,
            ..SlateRequest::of(occasion)
        };
        let question = question.map(|question| question.query);
        Ok(CheckedRequest { request, question, is_placement_outdated: !outdated.is_empty() })
    }

    fn check_sizes(&self) -> Result<(), Problem> {
        let refuse = |detail: String| Err(Problem::invalid(detail));
        self.limit.map_or(Ok(()), check_limit)?;
        if self.exclude.len() > MAX_EXCLUDED {
            return refuse(format!("exclude must have at most {MAX_EXCLUDED} items"));
        }
        if self.target_domains.len() > MAX_TARGETS {
            return refuse(format!("target_domains must have at most {MAX_TARGETS} entries"));
        }
        Ok(())
    }
}

/// A Global Privacy Control signal (`Sec-GPC: 1`) asks that data not be shared:
/// no evidence of another domain is used then, whatever was consented to.
pub(crate) fn cross_domain(headers: &HeaderMap) -> CrossDomain {
    if privacy::asks_not_to_share(headers) { CrossDomain::Never } else { CrossDomain::ByConsent }
}
/// A new occasion for a slate of a platform.
fn occasion(machine: &Machine, display: DomainId) -> Occasion {
    Occasion {
        recommendation_id: machine.ids.fresh().into(),
        seed: machine.dice.roll(),
        now: machine.clock.now(),
        display,
    }
}

/// Who applies for offers, where somebody who told something does.
///
/// # Errors
/// As [`check_applicant`].
fn checked_applicant(
    applicant: Option<Applicant>,
    filtered: FilteredTargets<'_>,
) -> Result<Option<Applicant>, Problem> {
    let applicant = applicant.filter(|applicant| !applicant.is_empty());
    if let Some(applicant) = &applicant {
        check_applicant(applicant, filtered)?;
    }
    Ok(applicant)
}

/// Checks that somebody may apply for offers of the targets, and with the same money for all.
///
/// # Errors
/// A problem where the caller does not act for a target: who can have an offer tells what it is like
/// and by which rules it is given, as a filter would. And where amounts would stand for different
/// money.
fn check_applicant(applicant: &Applicant, targets: FilteredTargets<'_>) -> Result<(), Problem> {
    let mut currencies = BTreeSet::new();
    for target in targets.all() {
        targets.only("applicant", target)?;
        currencies.extend(targets.definitions.get(target).map(|definition| definition.currency));
    }
    if applicant.tells_money() && currencies.len() > 1 {
        let detail = "applicant: amounts of money need target_domains of one currency";
        return Err(Problem::invalid(detail));
    }
    Ok(())
}

/// What a slate is to be as a whole, where a request says so: nothing more than the best where that
/// is 0.
///
/// # Errors
/// A problem when a share is out of range, or it says both.
fn composition(
    diversity: Option<f32>,
    calibration: Option<f32>,
) -> Result<Option<Option<Composition>>, Problem> {
    let read = |share: f32, read: Option<Composition>, field: &str| match read {
        _ if share == 0.0 => Ok(None),
        Some(read) => Ok(Some(read)),
        None => Err(Problem::invalid(format!("{field} must be 0 to 1"))),
    };
    let diverse = diversity.map(|share| {
        read(share, Diversity::try_from(share).ok().map(Composition::Diverse), "diversity")
    });
    let calibrated = calibration.map(|share| {
        read(share, Calibration::try_from(share).ok().map(Composition::Calibrated), "calibration")
    });
    let (diverse, calibrated) = (diverse.transpose()?, calibrated.transpose()?);
    if diverse.flatten().is_some() && calibrated.flatten().is_some() {
        let detail = "diversity and calibration are two ways to choose: say one";
        return Err(Problem::invalid(detail));
    }
    Ok(match (diverse, calibrated) {
        (None, None) => None,
        (diverse, calibrated) => Some(diverse.flatten().or(calibrated.flatten())),
    })
}

/// How much of a slate may be others than the best: as a request says, 0 where nothing is, or else as
/// its place does.
fn exploration(
    asked: Option<f32>,
    place: &RequestPlacement<'_>,
) -> Result<Option<ExplorationShare>, Problem> {
    let Some(share) = asked else { return Ok(place.exploration()) };
    match ExplorationShare::try_from(share) {
        _ if share == 0.0 => Ok(None),
        Ok(share) => Ok(Some(place.at_most(share))),
        Err(_) => Err(Problem::invalid("exploration must be 0 to 0.5")),
    }
}

/// Longest language tag: what RFC 5646, section 4.4.1, would have anybody make room for.
const MAX_LOCALE: usize = 35;

/// The language that a tag asks for.
///
/// # Errors
/// When it is longer than any tag is.
pub(crate) fn locale(tag: &str) -> Result<Locale, Problem> {
    if exceeds(tag, MAX_LOCALE) {
        return Err(Problem::invalid(format!("locale must have at most {MAX_LOCALE} characters")));
    }
    Ok(Locale::closest(tag))
}
