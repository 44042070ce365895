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
use std::ops::Range;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Tensor, finite, numbers, table};
use super::{ModelError, malformed};
use crate::entities::ids::DomainId;
use crate::evidence::items::{DomainRanges, ItemIndex};
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

/// A bridge that the model serves. Why it does, and why others are not served,
/// stands in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServedBridge {
    /// From which domain to which.
    #[serde(flatten)]
    pub direction: Direction,
    /// How much it adds to NDCG@20 of people who are new to the target.
    pub lift: f64,
    /// What carries the evidence.
    #[serde(flatten)]
    pub carrier: ServedCarrier,
}

/// What a served bridge carries evidence with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServedCarrier {
    /// The joint fit.
    Joint {
        /// What the source's confidences are multiplied with at fold-in.
        source_weight: f32,
    },
    /// A map, in the blob.
    Mapping,
    /// A cross block, in the blob.
    CrossBlock {
        /// How many entries it has.
        entries: usize,
    },
}

fn served_bridge((direction, bridge): (&Direction, &Bridge)) -> ServedBridge {
    let carrier = match &bridge.carrier {
        Carrier::Joint { source_weight } => ServedCarrier::Joint { source_weight: *source_weight },
        Carrier::Mapping(_) => ServedCarrier::Mapping,
        Carrier::CrossBlock(block) => ServedCarrier::CrossBlock { entries: block.entries() },
    };
    ServedBridge { direction: direction.clone(), lift: bridge.lift, carrier }
}

/// What the manifest says of the bridges, and their tensors.
pub(crate) fn write(bridges: &Bridges) -> Result<(Vec<ServedBridge>, Vec<Tensor>), ModelError> {
    let mut tensors = Vec::new();
    for (number, (_, bridge)) in bridges.iter().enumerate() {
        tensors.extend(bridge_tensors(number, &bridge.carrier)?);
    }
    Ok((bridges.iter().map(served_bridge).collect(), tensors))
}

fn bridge_tensors(number: usize, carrier: &Carrier) -> Result<Vec<Tensor>, ModelError> {
    let name = |what: &str| format!("bridge_{number}_{what}");
    match carrier {
        Carrier::Joint { .. } => Ok(Vec::new()),
        Carrier::Mapping(map) => Ok(vec![Tensor::table(name("map"), map.matrix().view())?]),
        Carrier::CrossBlock(block) => {
            let mut ends = Vec::with_capacity(block.rows());
            let (mut items, mut values) = (Vec::new(), Vec::new());
            for row in 0..block.rows() {
                let (columns, entries) = block.row(row);
                items.extend_from_slice(columns);
                values.extend_from_slice(entries);
                ends.push(items.len() as u32);
            }
            Ok(vec![
                Tensor::numbers(name("ends"), vec![ends.len()], &ends),
                Tensor::numbers(name("items"), vec![items.len()], &items),
                Tensor::floats(name("values"), vec![values.len()], &values),
            ])
        }
    }
}

/// Reads the bridges that a manifest names.
pub(crate) fn read(
    served: &[ServedBridge],
    tensors: &SafeTensors<'_>,
    index: &ItemIndex,
    factors: usize,
) -> Result<Bridges, ModelError> {
    if !served.is_sorted_by(|a, b| a.direction < b.direction) {
        return Err(malformed("bridges are not in order, or stand twice"));
    }
    let mut bridges = Bridges::none();
    for (number, served) in served.iter().enumerate() {
        let name = |what: &str| format!("bridge_{number}_{what}");
        let items = |domain: &DomainId| index.ranges().get(domain).map_or(0, Range::len);
        let direction = &served.direction;
        let carrier = match served.carrier {
            ServedCarrier::Joint { source_weight } => Carrier::Joint { source_weight },
            ServedCarrier::Mapping => {
                Carrier::Mapping(LinearMap::new(table(tensors, &name("map"), (factors, factors))?))
            }
            ServedCarrier::CrossBlock { entries } => {
                let ends = numbers(tensors, &name("ends"), &[items(&direction.from)])?;
                let targets = numbers(tensors, &name("items"), &[entries])?;
                let values = finite(tensors, &name("values"), &[entries])?;
                let block = decode_block(&ends, &targets, &values, items(&direction.to))?;
                Carrier::CrossBlock(block)
            }
        };
        bridges.insert(direction.clone(), Bridge { lift: served.lift, carrier });
    }
    Ok(bridges)
}

fn decode_block(
    ends: &[u32],
    targets: &[u32],
    values: &[f32],
    target_items: usize,
) -> Result<SparseRows, ModelError> {
    let wrong = || malformed("a cross block is cut wrongly");
    let mut rows = Vec::with_capacity(ends.len());
    let mut start = 0;
    for &end in ends {
        let row = targets.get(start..end as usize).ok_or_else(wrong)?;
        let is_known = |target: &u32| (*target as usize) < target_items;
        if !row.is_sorted_by(|a, b| a < b) || !row.iter().all(is_known) {
            return Err(wrong());
        }
        rows.push(row.iter().copied().zip(values[start..end as usize].iter().copied()).collect());
        start = end as usize;
    }
    if start != targets.len() {
        return Err(wrong());
    }
    Ok(SparseRows::from_rows(target_items, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_cut_wrongly_is_refused() {
        let values = [1.0; 3];
        assert!(decode_block(&[2, 3], &[0, 1, 1], &values, 2).is_ok());
        for (ends, targets) in [
            ([2, 2], [0, 1, 1]), // Entries are left over.
            ([3, 2], [0, 1, 2]), // Ends fall.
            ([2, 4], [0, 1, 1]), // Beyond the entries.
            ([2, 3], [1, 0, 1]), // Not ascending.
            ([2, 3], [0, 2, 1]), // Not an item.
        ] {
            assert!(decode_block(&ends, &targets, &values, 2).is_err(), "{ends:?} {targets:?}");
        }
    }
}
