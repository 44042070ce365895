//! The `boosts` and `promotions` of a request: which items count for more or less, and which have
//! places of their own.

use std::collections::BTreeMap;

use crossfold_core::entities::boost::{Boost, Factor, MAX_BOOSTS, MAX_PROMOTIONS, Promotion};
use crossfold_core::entities::filter::Filter;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::serving::request::MAX_LIMIT;
use crossfold_edge::problem::Problem;
use serde::Deserialize;

use crate::request_filter::FilteredTargets;

/// A boost as a caller writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a boost: an object with a filter and a factor")]
pub(crate) struct RawBoost {
    filter: String,
    factor: f32,
    /// All targets without.
    domain: Option<DomainId>,
}

/// A promotion as a caller writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a promotion: an object with a filter and a slot")]
pub(crate) struct RawPromotion {
    filter: String,
    slot: usize,
    /// The one target there is, without.
    domain: Option<DomainId>,
}

/// What a caller prefers of each target.
#[derive(Debug, Default)]
pub(crate) struct Preferences {
    pub(crate) boosts: BTreeMap<DomainId, Vec<Boost>>,
    pub(crate) promotions: BTreeMap<DomainId, Vec<Promotion>>,
}

impl Preferences {
    /// What boosts and promotions say of targets.
    ///
    /// # Errors
    /// A problem when there are too many, a number is out of range, a domain is no target or not
    /// the caller's, and when a filter cannot be read.
    pub(crate) fn read(
        (boosts, promotions): (Vec<RawBoost>, Vec<RawPromotion>),
        targets: FilteredTargets<'_>,
    ) -> Result<Self, Problem> {
        let mut read = Self::default();
        check_number("boosts", boosts.len(), MAX_BOOSTS)?;
        check_number("promotions", promotions.len(), MAX_PROMOTIONS)?;
        for RawBoost { filter, factor, domain } in boosts {
            let factor = Factor::try_from(factor);
            let factor = factor.map_err(|error| Problem::invalid(format!("boosts: {error}")))?;
            let of_targets = match &domain {
                Some(domain) => vec![domain],
                None => targets.all().collect(),
            };
            for target in of_targets {
                let filter = filter_of(("boosts", targets), target, &filter)?;
                let boosts = filter.map(|filter| Boost { filter, factor });
                read.boosts.entry(target.clone()).or_default().extend(boosts);
            }
        }
        for RawPromotion { filter, slot, domain } in promotions {
            if !(1..=MAX_LIMIT).contains(&slot) {
                let detail = format!("promotions: a slot must be 1 to {MAX_LIMIT}");
                return Err(Problem::invalid(detail));
            }
            let target = match &domain {
                Some(domain) => domain,
                None => only_target(targets)?,
            };
            let filter = filter_of(("promotions", targets), target, &filter)?;
            let promotions = filter.map(|filter| Promotion { filter, slot });
            read.promotions.entry(target.clone()).or_default().extend(promotions);
        }
        read.boosts.retain(|_, boosts| !boosts.is_empty());
        read.promotions.retain(|_, promotions| !promotions.is_empty());
        read.boosts.values_mut().for_each(|boosts| Boost::sort(boosts));
        read.promotions.values_mut().for_each(|promotions| Promotion::sort(promotions));
        Ok(read)
    }

    /// Every filter of them.
    pub(crate) fn filters(&self) -> impl Iterator<Item = (&DomainId, &Filter)> {
        let of_boosts = self
            .boosts
            .iter()
            .flat_map(|(target, boosts)| boosts.iter().map(move |boost| (target, &boost.filter)));
        let of_promotions = self.promotions.iter().flat_map(|(target, promotions)| {
            promotions.iter().map(move |promotion| (target, &promotion.filter))
        });
        of_boosts.chain(of_promotions)
    }
}

fn check_number(field: &str, number: usize, most: usize) -> Result<(), Problem> {
    match number <= most {
        true => Ok(()),
        false => Err(Problem::invalid(format!("{field} must have at most {most} entries"))),
    }
}

fn filter_of(
    (field, targets): (&str, FilteredTargets<'_>),
    target: &DomainId,
    source: &str,
) -> Result<Option<Filter>, Problem> {
    targets.only(field, target)?;
    targets.read(field, target, source)
}

fn only_target(targets: FilteredTargets<'_>) -> Result<&DomainId, Problem> {
    let mut all = targets.targets.iter().chain(targets.outdated);
    match (all.next(), all.next()) {
        (Some(target), None) => Ok(target),
        _ => {
            Err(Problem::invalid("promotions: a domain is needed where there are several targets"))
        }
    }
}
