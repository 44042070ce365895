//! The bridges that may be tried, and the directions between domains.

use serde::{Deserialize, Serialize};

use crate::evidence::items::DomainRanges;
use crate::model::bridges::{BridgeKind, Direction};
use crate::training::bridging::mapping_fit::PeopleWeighting;

/// Every ordered pair of domains.
#[must_use]
pub fn directions(ranges: &DomainRanges) -> Vec<Direction> {
    let pairs = ranges.keys().flat_map(|from| ranges.keys().map(move |to| (from, to)));
    pairs
        .filter(|(from, to)| from != to)
        .map(|(from, to)| Direction { from: from.clone(), to: to.clone() })
        .collect()
}

/// A bridge that may be tried: its kind and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Candidate {
    /// See [`BridgeKind::Joint`].
    Joint {
        /// What the source's confidences are multiplied with at fold-in; above 0.
        source_weight: f32,
    },
    /// See [`BridgeKind::Mapping`].
    Mapping {
        /// The ridge as a multiple of the mean diagonal; above 0.
        ridge: f32,
        /// How much each person counts.
        weighting: PeopleWeighting,
    },
    /// See [`BridgeKind::CrossBlock`].
    CrossBlock {
        /// The ridge as a multiple of the mean number of source items of a person; above 0.
        ridge: f32,
    },
}

impl Candidate {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> BridgeKind {
        match self {
            Self::Joint { .. } => BridgeKind::Joint,
            Self::Mapping { .. } => BridgeKind::Mapping,
            Self::CrossBlock { .. } => BridgeKind::CrossBlock,
        }
    }
}
