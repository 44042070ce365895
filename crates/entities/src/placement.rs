//! Placements: where on a platform a slate is shown, and what holds of every slate there.
//!
//! A domain's definition has them under `placements`, by name:
//!
//! ```json
//! {"course-completion": {
//!   "target_domains": ["auto", "learn"], "limit": 4, "max_limit": 8,
//!   "filters": {"auto": "price <= 300000"},
//!   "boosts": [{"domain": "learn", "filter": "\"ai\" in categories", "factor": 1.5}],
//!   "promotions": [{"domain": "auto", "filter": "campaign = \"autumn\"", "slot": 2}],
//!   "quotas": [{"domain": "learn", "each_category": true, "most": 2}],
//!   "diversity": 0.1, "exploration": 0.1}}
//! ```
//!
//! A request that names the placement need not say any of it, and may say more: what it adds
//! narrows what the placement says, and never widens it ([`PlacementDefinition::targets`],
//! [`PlacementDefinition::limit`]).
//!
//! Filters are kept as they were written, for what they may name is what *their* domain declares,
//! which may change without the placement. So they are read where they are used, for one target
//! by its schema: [`PlacementDefinition::for_target`].

mod slate_place;
mod target_placement;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::boost::{Factor, MAX_BOOSTS, MAX_PROMOTIONS};
use crate::diversity::{Calibration, Diversity};
use crate::exploration::ExplorationShare;
use crate::fatigue::Fatigue;
use crate::filter::MAX_SOURCE_BYTES;
use crate::ids::{DomainId, Placement};
use crate::quota::MAX_QUOTAS;

pub use slate_place::{InvalidSlatePlace, SlatePlace};
pub use target_placement::{InvalidPlacementFilter, PlacementFilter, TargetPlacement};

/// Most placements of one domain: every function reads all definitions whenever one has changed.
pub const MAX_PLACEMENTS: usize = 32;

/// Most target domains of one placement: as many as a request may name.
pub const MAX_TARGET_DOMAINS: usize = 16;

/// The placements of a domain.
pub type Placements = BTreeMap<Placement, PlacementDefinition>;

/// What holds of every slate of a placement. Whatever it does not say, a request decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a placement: an object with what holds of every slate there"
)]
pub struct PlacementDefinition {
    /// Whose items are served where a request names no target; it may name no others. At most
    /// [`MAX_TARGET_DOMAINS`]. Without any, a request's targets are not bounded.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub target_domains: BTreeSet<DomainId>,
    /// How many items are served where a request does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<SlatePlace>,
    /// Most items that a request may ask for, not below `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_limit: Option<SlatePlace>,
    /// What the items of a target must be like: the source of a [`crate::filter`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<DomainId, String>,
    /// Items that count for more, or for less: at most [`MAX_BOOSTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boosts: Vec<PlacementBoost>,
    /// Items that have a place of their own: at most [`MAX_PROMOTIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promotions: Vec<PlacementPromotion>,
    /// At most how many there are of a kind: at most [`MAX_QUOTAS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<PlacementQuota>,
    /// How much a slate is to be of different things, where a request does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diversity: Option<Diversity>,
    /// How much a slate is to have the shares of the person's interests, where a request does not
    /// say; not beside `diversity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How what a user was shown often sinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fatigue: Option<Fatigue>,
    /// How much of a slate may be used to learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploration: Option<ExplorationShare>,
}

/// A boost of a placement, as it is written: see [`crate::boost::Boost`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a boost: an object with a domain, a filter and a factor")]
pub struct PlacementBoost {
    /// Whose items.
    pub domain: DomainId,
    /// Which of them: the source of a filter.
    pub filter: String,
    /// How much more they count.
    pub factor: Factor,
}

/// A promotion of a placement, as it is written: see [`crate::boost::Promotion`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a promotion: an object with a domain, a filter and a slot"
)]
pub struct PlacementPromotion {
    /// Whose item.
    pub domain: DomainId,
    /// The best of which of them: the source of a filter.
    pub filter: String,
    /// The place that it has. On a shorter slate, the last.
    pub slot: SlatePlace,
}

/// A quota of a placement, as it is written: see [`crate::quota::Quota`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a quota: an object with a domain and most")]
pub struct PlacementQuota {
    /// Whose items.
    pub domain: DomainId,
    /// Which of them: the source of a filter; all without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Whether so many of each category are meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub each_category: bool,
    /// How many.
    pub most: SlatePlace,
}

/// A request asks for more than its placement serves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeyondPlacement {
    /// For items of a domain that is not served there.
    #[error("target_domains names {0}, which the placement does not serve")]
    Target(DomainId),
    /// For more items than there may be.
    #[error("limit must be 1 to {0} at the placement")]
    Limit(SlatePlace),
}

impl PlacementDefinition {
    /// Checks what the types alone cannot express, but for whether filters can be read, which
    /// the definitions of their domains say ([`Self::for_target`]).
    ///
    /// # Errors
    /// What is wrong, in words fit for a caller, beginning with the field's name.
    pub fn check(&self) -> Result<(), String> {
        for (field, number, most) in [
            ("target_domains", self.target_domains.len(), MAX_TARGET_DOMAINS),
            ("boosts", self.boosts.len(), MAX_BOOSTS),
            ("promotions", self.promotions.len(), MAX_PROMOTIONS),
            ("quotas", self.quotas.len(), MAX_QUOTAS),
        ] {
            if number > most {
                return Err(format!("{field} must have at most {most} entries"));
            }
        }
        if let (Some(limit), Some(most)) = (self.limit, self.max_limit)
            && limit > most
        {
            return Err(format!("limit must be at most max_limit, which is {most}"));
        }
        if self.diversity.is_some() && self.calibration.is_some() {
            return Err("diversity and calibration are two ways to choose: say one".to_owned());
        }
        let of_quotas = self.quotas.iter().enumerate();
        let of_quotas = of_quotas.map(|(at, quota)| (PlacementFilter::Quotas(at), &quota.domain));
        let of_filters = self.sources().map(|(filter, domain, _)| (filter, domain));
        for (filter, domain) in of_filters.chain(of_quotas) {
            if !self.serves(domain) {
                return Err(format!("{filter} names {domain}, which is none of target_domains"));
            }
        }
        let lengths = || self.sources().map(|(_, _, source)| source.len());
        // As much as each takes where all are read as one.
        let together = lengths().map(|length| length + 5).sum::<usize>();
        if lengths().any(|length| length > MAX_SOURCE_BYTES)
            || (lengths().count() > 1 && together > MAX_SOURCE_BYTES)
        {
            return Err(format!(
                "filters, boosts, promotions and quotas must have at most {MAX_SOURCE_BYTES} bytes \
                 together, with 5 for each where there are several"
            ));
        }
        Ok(())
    }

    /// Whether items of a domain may be asked for there.
    #[must_use]
    pub fn serves(&self, domain: &DomainId) -> bool {
        self.target_domains.is_empty() || self.target_domains.contains(domain)
    }

    /// Whose items a request is answered with that names these targets: they, or without any, all
    /// that the placement names. Empty where neither names one, which is for the caller to decide.
    ///
    /// # Errors
    /// [`BeyondPlacement::Target`] when one of them is not served there.
    pub fn targets(
        &self,
        asked: BTreeSet<DomainId>,
    ) -> Result<BTreeSet<DomainId>, BeyondPlacement> {
        if asked.is_empty() {
            return Ok(self.target_domains.clone());
        }
        match asked.iter().find(|target| !self.serves(target)) {
            Some(beyond) => Err(BeyondPlacement::Target(beyond.clone())),
            None => Ok(asked),
        }
    }

    /// How many items a request is answered with that asks for so many: those, or without a
    /// number, as many as the placement says, or else as many as are `usual`, or as there may be.
    ///
    /// # Errors
    /// [`BeyondPlacement::Limit`] when it asks for more than it may.
    pub fn limit(&self, asked: Option<usize>, usual: usize) -> Result<usize, BeyondPlacement> {
        let Some(asked) = asked else {
            let most = self.max_limit.map_or(usize::MAX, SlatePlace::get);
            return Ok(self.limit.map_or_else(|| usual.min(most), SlatePlace::get));
        };
        match self.max_limit.filter(|most| asked > most.get()) {
            Some(most) => Err(BeyondPlacement::Limit(most)),
            None => Ok(asked),
        }
    }

    /// The domains whose items filters, boosts, promotions and quotas tell apart, which only who
    /// acts for them may do.
    #[must_use]
    pub fn told_apart(&self) -> BTreeSet<&DomainId> {
        let by_category = self.quotas.iter().filter(|quota| quota.each_category);
        let by_category = by_category.map(|quota| &quota.domain);
        self.sources().map(|(_, domain, _)| domain).chain(by_category).collect()
    }

    /// Every filter as it is written: where it stands, whose items it is about, and its source.
    fn sources(&self) -> impl Iterator<Item = (PlacementFilter, &DomainId, &str)> {
        let filters = self
            .filters
            .iter()
            .map(|(domain, source)| (PlacementFilter::Filters, domain, source.as_str()));
        let boosts = self.boosts.iter().enumerate().map(|(index, boost)| {
            (PlacementFilter::Boosts(index), &boost.domain, boost.filter.as_str())
        });
        let promotions = self.promotions.iter().enumerate().map(|(index, promotion)| {
            (PlacementFilter::Promotions(index), &promotion.domain, promotion.filter.as_str())
        });
        let quotas = self.quotas.iter().enumerate().filter_map(|(index, quota)| {
            Some((PlacementFilter::Quotas(index), &quota.domain, quota.filter.as_deref()?))
        });
        filters.chain(boosts).chain(promotions).chain(quotas)
    }
}

#[cfg(test)]
mod tests;
