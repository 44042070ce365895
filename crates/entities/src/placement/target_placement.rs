//! What a placement says of one target, read by what the target's domain declares.

use std::fmt;

use super::PlacementDefinition;
use crate::boost::{Boost, Promotion};
use crate::filter::{Filter, Schema};
use crate::ids::DomainId;
use crate::plain_text::is_visible;
use crate::quota::Quota;

/// What holds of a target's items at a placement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetPlacement {
    /// What they must be like.
    pub filter: Option<Filter>,
    /// Which count for more or for less, in the order of [`Boost::sort`].
    pub boosts: Vec<Boost>,
    /// Which have a place of their own, in the order of [`Promotion::sort`].
    pub promotions: Vec<Promotion>,
    /// At most how many there are of a kind.
    pub quotas: Vec<Quota>,
}

/// Where in a placement a filter stands, shown as the path to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacementFilter {
    /// In `filters`, by its domain.
    Filters,
    /// In a boost, from 0.
    Boosts(usize),
    /// In a promotion, from 0.
    Promotions(usize),
    /// In a quota, from 0.
    Quotas(usize),
    /// In several of them, each of which may stand alone.
    Together,
}

impl fmt::Display for PlacementFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filters => f.write_str("filters"),
            Self::Boosts(index) => write!(f, "boosts[{index}]"),
            Self::Promotions(index) => write!(f, "promotions[{index}]"),
            Self::Quotas(index) => write!(f, "quotas[{index}]"),
            Self::Together => f.write_str("filters, boosts, promotions and quotas"),
        }
    }
}

/// A filter of a placement cannot be read by what its domain declares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} of {target}: {why}")]
pub struct InvalidPlacementFilter {
    /// Where it stands.
    pub place: PlacementFilter,
    /// Whose items it is about.
    pub target: DomainId,
    /// What is wrong, in words fit for a caller: with its line and column, where it has any.
    pub why: String,
}

impl PlacementDefinition {
    /// What it says of a target's items, by the schema of the target's domain. Of a domain that it
    /// does not name, nothing.
    ///
    /// # Errors
    /// [`InvalidPlacementFilter`] when a filter cannot be read, or all of the target together do
    /// not keep the limits of one: that a placement was put says nothing of what its domains
    /// declare by now.
    pub fn for_target(
        &self,
        target: &DomainId,
        schema: &Schema,
    ) -> Result<TargetPlacement, InvalidPlacementFilter> {
        let invalid = |place, why| InvalidPlacementFilter { place, target: target.clone(), why };
        let read =
            |place, source: &str| read_filter(source, schema).map_err(|why| invalid(place, why));
        let filter = self.filters.get(target);
        let filter = filter.map(|source| read(PlacementFilter::Filters, source)).transpose()?;
        let mut boosts = Vec::new();
        for (index, boost) in self.boosts.iter().enumerate() {
            if boost.domain == *target {
                let filter = read(PlacementFilter::Boosts(index), &boost.filter)?;
                boosts.push(Boost { filter, factor: boost.factor });
            }
        }
        let mut promotions = Vec::new();
        for (index, promotion) in self.promotions.iter().enumerate() {
            if promotion.domain == *target {
                let filter = read(PlacementFilter::Promotions(index), &promotion.filter)?;
                promotions.push(Promotion { filter, slot: promotion.slot.get() });
            }
        }
        let mut quotas = Vec::new();
        for (index, quota) in self.quotas.iter().enumerate() {
            if quota.domain == *target {
                let filter = quota.filter.as_deref();
                let filter = filter.map(|source| read(PlacementFilter::Quotas(index), source));
                let (each_category, most) = (quota.each_category, quota.most.get());
                quotas.push(Quota { filter: filter.transpose()?, each_category, most });
            }
        }
        Boost::sort(&mut boosts);
        Promotion::sort(&mut promotions);
        let read = TargetPlacement { filter, boosts, promotions, quotas };
        check_together(read.filters(), schema)
            .map_err(|why| invalid(PlacementFilter::Together, why))?;
        Ok(read)
    }
}

impl TargetPlacement {
    /// Every filter of it.
    pub fn filters(&self) -> impl Iterator<Item = &Filter> {
        let of_boosts = self.boosts.iter().map(|boost| &boost.filter);
        let of_promotions = self.promotions.iter().map(|promotion| &promotion.filter);
        let of_quotas = self.quotas.iter().filter_map(|quota| quota.filter.as_ref());
        self.filter.iter().chain(of_boosts).chain(of_promotions).chain(of_quotas)
    }
}

fn read_filter(source: &str, schema: &Schema) -> Result<Filter, String> {
    if !is_visible(source) {
        return Err("it must have no control characters but line ends and tabs".to_owned());
    }
    Filter::parse(source, schema).map_err(|error| error.to_string())
}

/// Sees to it that several filters together keep the limits of one, for each is evaluated: a
/// slate costs no more with many of them.
fn check_together<'a>(
    filters: impl Iterator<Item = &'a Filter>,
    schema: &Schema,
) -> Result<(), String> {
    // On lines of their own, for each may end with a comment.
    let each: Vec<String> = filters.map(|filter| format!("({}\n)", filter.source())).collect();
    if each.len() > 1 {
        // Places in what nobody wrote would tell nothing.
        let read = Filter::parse(&each.join("or"), schema);
        read.map_err(|error| format!("together, {}", error.message))?;
    }
    Ok(())
}
