//! Bridges: what carries evidence from one domain to another, and whether it may.
//!
//! A bridge has a direction. For each ordered pair of domains three candidates
//! are fitted without the target history of some people who have both
//! ([`trial`]), measured on these people from their source evidence alone, and
//! judged ([`gate`]); the winner is served only if it is better than doing
//! without. [`Bridges`] holds what passed, and [`serving::ScoringTables`], the
//! only way from a model to a score, uses no evidence of another domain that no
//! bridge admits: a domain without a bridge into it is served from its own
//! evidence, by factors fitted to its own interactions. So transfer that was not
//! shown to help cannot happen.
//!
//! | candidate | what carries | served to |
//! | --- | --- | --- |
//! | [`Candidate::Joint`] | one fit of all domains; source evidence is folded in with the target's own | everyone with evidence |
//! | [`Candidate::Mapping`] | a linear map between the factors of the two domains ([`mapping`]) | people with little target history |
//! | [`Candidate::CrossBlock`] | a ridge regression of target items on source items ([`cross_block`]) | people with little target history |
//!
//! Items of two domains that are the same thing sold twice would flatter every
//! bridge; they are found and kept apart by [`look_alike`].

pub mod cross_block;
pub mod mapping;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::items::DomainRanges;
use crate::maths::sparse::SparseRows;
use mapping::LinearMap;

/// From one domain to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Direction {
    /// The source: where the evidence arose.
    pub from: DomainId,
    /// The target: whose items are ranked by it.
    pub to: DomainId,
}

/// The kinds of bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeKind {
    /// The joint fit.
    Joint,
    /// The linear map.
    Mapping,
    /// The ridge regression of items on items.
    CrossBlock,
}

/// What a bridge carries evidence with.
#[derive(Debug, Clone, PartialEq)]
pub enum Carrier {
    /// The joint fit.
    Joint {
        /// What the source's confidences are multiplied with at fold-in.
        source_weight: f32,
    },
    /// From the source's factors to the target's.
    Mapping(LinearMap),
    /// Source items x target items, both numbered within their domain.
    CrossBlock(SparseRows),
}

impl Carrier {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> BridgeKind {
        match self {
            Self::Joint { .. } => BridgeKind::Joint,
            Self::Mapping(_) => BridgeKind::Mapping,
            Self::CrossBlock(_) => BridgeKind::CrossBlock,
        }
    }
}

/// A bridge that passed its gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    /// How much it adds to NDCG@20 of people who are new to the target, as its
    /// gate measured it: over the better of what could be served without it.
    pub lift: f64,
    /// What it carries evidence with.
    pub carrier: Carrier,
}

/// The bridges that passed their gates. A direction that is not here has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bridges {
    passed: BTreeMap<Direction, Bridge>,
}

impl Bridges {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn insert(&mut self, direction: Direction, bridge: Bridge) {
        self.passed.insert(direction, bridge);
    }

    /// The bridge of a direction, if one passed.
    #[must_use]
    pub fn get(&self, direction: &Direction) -> Option<&Bridge> {
        self.passed.get(direction)
    }

    /// All of them, in order of direction.
    pub fn iter(&self) -> impl Iterator<Item = (&Direction, &Bridge)> {
        self.passed.iter()
    }

    /// The bridges into a domain, by source.
    pub fn into_domain<'a, 'b>(
        &'a self,
        to: &'b DomainId,
    ) -> impl Iterator<Item = (&'a DomainId, &'a Bridge)> + use<'a, 'b> {
        self.passed
            .iter()
            .filter(move |(direction, _)| direction.to == *to)
            .map(|(direction, bridge)| (&direction.from, bridge))
    }

    /// Whether any of them is of a kind.
    #[must_use]
    pub fn has(&self, kind: BridgeKind) -> bool {
        self.passed.values().any(|bridge| bridge.carrier.kind() == kind)
    }

    /// Whether a domain's items are scored by the joint fit.
    #[must_use]
    pub fn is_joint(&self, to: &DomainId) -> bool {
        self.into_domain(to).any(|(_, bridge)| bridge.carrier.kind() == BridgeKind::Joint)
    }

    /// Whether factors fitted domain by domain are needed: for a map between
    /// them, or for a domain that no joint evidence reaches.
    #[must_use]
    pub fn need_domain_factors(&self, ranges: &DomainRanges) -> bool {
        self.has(BridgeKind::Mapping) || ranges.keys().any(|domain| !self.is_joint(domain))
    }
}
