//! The body of `POST /v1/recommendations`, and the checked request it becomes.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::HeaderMap;
use crossfold_core::entities::consent::CrossDomain;
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::{DomainId, ItemId, Placement};
use crossfold_core::entities::machine::Machine;
use crossfold_core::entities::text_length::exceeds;
use crossfold_core::serving::reason::Locale;
use crossfold_core::serving::request::{MAX_LIMIT, SlateRequest};
use crossfold_edge::caller::Caller;
use crossfold_edge::privacy;
use crossfold_edge::problem::Problem;
use serde::Deserialize;

use crate::request_filter::RawFilter;

/// Most items a caller can exclude.
pub const MAX_EXCLUDED: usize = 1_000;
/// Most target domains of one request.
pub const MAX_TARGETS: usize = 16;

/// Most directions of consent that a dry run can do without.
pub const MAX_WITHDRAWN: usize = 64;

/// A direction of consent as a caller names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDirection {
    from: DomainId,
    to: DomainId,
}

/// An item as a caller names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExcluded {
    domain: DomainId,
    item_id: ItemId,
}

/// The request's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecommendationBody {
    pub(crate) user_id: String,
    pub(crate) domain: DomainId,
    #[serde(default)]
    target_domains: Vec<DomainId>,
    placement: Option<Placement>,
    #[serde(default = "default_limit")]
    limit: usize,
    #[serde(default)]
    exclude: Vec<RawExcluded>,
    filter: Option<RawFilter>,
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

/// What a dry run does otherwise than a slate that is served.
pub(crate) struct DryRun {
    /// Directions that are taken to be refused, whatever the person decided.
    pub(crate) withdrawn: Vec<(DomainId, DomainId)>,
}

/// Items that are asked for unless it is said how many.
pub(crate) fn default_limit() -> usize {
    10
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

fn yes() -> bool {
    true
}

impl RecommendationBody {
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
    ) -> Result<SlateRequest, Problem> {
        self.check_sizes()?;
        let mut targets: BTreeSet<DomainId> = self.target_domains.into_iter().collect();
        if targets.is_empty() {
            targets.insert(self.domain.clone());
        }
        if let Some(unknown) = targets.iter().find(|target| !definitions.contains_key(*target)) {
            return Err(Problem::unknown_domain(unknown.as_str()));
        }
        let filters = match self.filter {
            Some(filter) => filter.read(&targets, definitions, caller)?,
            None => BTreeMap::new(),
        };
        Ok(SlateRequest {
            recommendation_id: machine.ids.fresh().into(),
            seed: machine.dice.roll(),
            now: machine.clock.now(),
            display: self.domain,
            placement: self.placement,
            targets,
            limit: self.limit,
            excluded: self.exclude.into_iter().map(|item| (item.domain, item.item_id)).collect(),
            filters,
            personalised: self.personalised,
            cross_domain: cross_domain(headers),
            visible: definitions.keys().filter(|domain| caller.acts_for(domain)).cloned().collect(),
            explain: self.explain,
            inspect: self.inspect,
            locale: locale(&self.locale)?,
        })
    }

    fn check_sizes(&self) -> Result<(), Problem> {
        let refuse = |detail: String| Err(Problem::invalid(detail));
        check_limit(self.limit)?;
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
