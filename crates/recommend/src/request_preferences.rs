//! The `boosts`, `promotions` and `quotas` of a request: which items count for more or less, which
//! have places of their own, and of which there are only so many.

use std::collections::BTreeMap;

use crossfold_core::entities::boost::{Boost, Factor, MAX_BOOSTS, MAX_PROMOTIONS, Promotion};
use crossfold_core::entities::filter::Filter;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::quota::{MAX_QUOTAS, Quota};
use crossfold_core::serving::request::MAX_LIMIT;
use crossfold_edge::problem::Problem;
use serde::Deserialize;

use crate::request_filter::FilteredTargets;

/// A boost as a caller writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a boost: an object with a filter and a factor")]
pub(crate) struct RawBoost {
    filter: String,
    factor: f32,
    /// All targets without.
    domain: Option<DomainId>,
}

/// A promotion as a caller writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a promotion: an object with a filter and a slot")]
pub(crate) struct RawPromotion {
    filter: String,
    slot: usize,
    /// The one target there is, without.
    domain: Option<DomainId>,
}

/// A quota as a caller writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a quota: an object with most")]
pub(crate) struct RawQuota {
    /// All items without.
    filter: Option<String>,
    #[serde(default)]
    each_category: bool,
    most: usize,
    /// Each target on its own, without.
    domain: Option<DomainId>,
}

/// What a caller writes of what it prefers.
#[derive(Debug, Default)]
pub(crate) struct RawPreferences {
    pub(crate) boosts: Vec<RawBoost>,
    pub(crate) promotions: Vec<RawPromotion>,
    pub(crate) quotas: Vec<RawQuota>,
}

/// What a caller prefers of each target.
#[derive(Debug, Default)]
pub(crate) struct Preferences {
    pub(crate) boosts: BTreeMap<DomainId, Vec<Boost>>,
    pub(crate) promotions: BTreeMap<DomainId, Vec<Promotion>>,
    pub(crate) quotas: BTreeMap<DomainId, Vec<Quota>>,
}

impl Preferences {
    /// What boosts, promotions and quotas say of targets.
    ///
    /// # Errors
    /// A problem when there are too many, a number is out of range, a domain is no target or not
    /// the caller's, and when a filter cannot be read.
    pub(crate) fn read(raw: RawPreferences, targets: FilteredTargets<'_>) -> Result<Self, Problem> {
        let RawPreferences { boosts, promotions, quotas } = raw;
        Ok(Self {
            boosts: read_boosts(boosts, targets)?,
            promotions: read_promotions(promotions, targets)?,
            quotas: read_quotas(quotas, targets)?,
        })
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
        let of_quotas = self.quotas.iter().flat_map(|(target, quotas)| {
            quotas.iter().filter_map(move |quota| Some((target, quota.filter.as_ref()?)))
        });
        of_boosts.chain(of_promotions).chain(of_quotas)
    }
}

fn read_boosts(
    boosts: Vec<RawBoost>,
    targets: FilteredTargets<'_>,
) -> Result<BTreeMap<DomainId, Vec<Boost>>, Problem> {
    check_number("boosts", boosts.len(), MAX_BOOSTS)?;
    let mut read: BTreeMap<DomainId, Vec<Boost>> = BTreeMap::new();
    for RawBoost { filter, factor, domain } in boosts {
        let factor = Factor::try_from(factor);
        let factor = factor.map_err(|error| Problem::invalid(format!("boosts: {error}")))?;
        for target in named_or_all(domain.as_ref(), targets) {
            let filter = filter_of(("boosts", targets), target, &filter)?;
            let boosts = filter.map(|filter| Boost { filter, factor });
            read.entry(target.clone()).or_default().extend(boosts);
        }
    }
    read.retain(|_, boosts| !boosts.is_empty());
    read.values_mut().for_each(|boosts| Boost::sort(boosts));
    Ok(read)
}

fn read_promotions(
    promotions: Vec<RawPromotion>,
    targets: FilteredTargets<'_>,
) -> Result<BTreeMap<DomainId, Vec<Promotion>>, Problem> {
    check_number("promotions", promotions.len(), MAX_PROMOTIONS)?;
    let mut read: BTreeMap<DomainId, Vec<Promotion>> = BTreeMap::new();
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
        read.entry(target.clone()).or_default().extend(promotions);
    }
    read.retain(|_, promotions| !promotions.is_empty());
    read.values_mut().for_each(|promotions| Promotion::sort(promotions));
    Ok(read)
}

/// Quotas of all items of a target tell nobody what these are like, and need no right to it.
fn read_quotas(
    quotas: Vec<RawQuota>,
    targets: FilteredTargets<'_>,
) -> Result<BTreeMap<DomainId, Vec<Quota>>, Problem> {
    check_number("quotas", quotas.len(), MAX_QUOTAS)?;
    let mut read: BTreeMap<DomainId, Vec<Quota>> = BTreeMap::new();
    for RawQuota { filter, each_category, most, domain } in quotas {
        if !(1..=MAX_LIMIT).contains(&most) {
            return Err(Problem::invalid(format!("quotas: most must be 1 to {MAX_LIMIT}")));
        }
        for target in named_or_all(domain.as_ref(), targets) {
            match each_category || filter.is_some() {
                true => targets.only("quotas", target)?,
                false => targets.check_target("quotas", target)?,
            }
            if targets.outdated.contains(target) {
                continue;
            }
            let filter = filter.as_deref().map(|source| targets.read("quotas", target, source));
            let filter = filter.transpose()?.flatten();
            read.entry(target.clone()).or_default().push(Quota { filter, each_category, most });
        }
    }
    Ok(read)
}

/// The domain that is named, or every target that is served.
fn named_or_all<'a>(
    domain: Option<&'a DomainId>,
    targets: FilteredTargets<'a>,
) -> Vec<&'a DomainId> {
    match domain {
        Some(domain) => vec![domain],
        None => targets.all().collect(),
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
