//! The bridges that may be tried. Of the files that make bridges, only this one
//! tells their kinds apart.

use serde::{Deserialize, Serialize};

use crate::maths::als::InvalidOptions;
use crate::maths::dense::NotPositiveDefinite;
use crate::model::bridges::{BridgeKind, Carrier};
use crate::training::bridging::cross_block_fit::{self, BlockSums, CrossBlockError};
use crate::training::bridging::joint_fit;
use crate::training::bridging::mapping_fit::{self, MapSums, PeopleWeighting};
use crate::training::bridging::own_fits::{FitSettings, OwnSettings};
use crate::training::bridging::pair_fit;
use crate::training::bridging::text_fit::{self, TextSums};
use crate::training::bridging::two_block_fit::{self, OwnSums};

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
    /// See [`BridgeKind::TwoBlock`].
    TwoBlock {
        /// What its factors are fitted with.
        fit: FitSettings,
        /// The ridge as a multiple of the diagonal of the people's products; above 0.
        ridge: f32,
        /// What source factors weigh beside source items; 0 or more.
        factor_weight: f32,
    },
    /// See [`BridgeKind::Pair`].
    Pair {
        /// What its factors are fitted with.
        fit: FitSettings,
        /// What the source's confidences are multiplied with at fold-in; above 0.
        source_weight: f32,
    },
    /// See [`BridgeKind::Text`].
    Text {
        /// How much the target's popularity adds, beside the texts of one liked item; 0 or more.
        popularity: f32,
    },
}

/// The candidates of a direction, of which those with tables of their own are tried with
/// these settings.
#[must_use]
pub fn candidates(own: &OwnSettings) -> Vec<Candidate> {
    joint_fit::candidates()
        .chain(mapping_fit::candidates())
        .chain(cross_block_fit::candidates())
        .chain(two_block_fit::candidates(own))
        .chain(pair_fit::candidates(own))
        .chain(text_fit::candidates())
        .collect()
}

/// A candidate of each kind with tables of its own, to tell settings of their fit apart by.
pub(super) fn scouts(fit: FitSettings) -> [Candidate; 2] {
    [two_block_fit::scout(fit), pair_fit::scout(fit)]
}

/// The fits of whole domains that a served candidate calls for, beside those of
/// domains that no joint evidence reaches. One that calls for none is fitted from the
/// matrix alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The one of all domains.
    pub joint: bool,
    /// The factors of the people of its source and of its target.
    pub people: bool,
}

/// What the candidates of one direction are fitted from. Sums are made when they
/// are first asked for, and kept for the next candidate.
#[derive(Default)]
pub struct FitSources<'a> {
    /// For maps; absent when the people's factors are.
    pub maps: Option<MapSums<'a>>,
    /// For cross blocks.
    pub blocks: Option<BlockSums<'a>>,
    /// For those with tables of their own.
    pub own: Option<OwnSums<'a>>,
    /// For the likeness of texts; absent where items have none.
    pub text: Option<TextSums<'a>>,
}

/// Why a candidate is not fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFitted {
    /// Nobody has both domains, or what is fitted from is not there.
    #[error("nobody has both domains")]
    Nobody,
    /// The items of a domain have no texts.
    #[error("the items have no texts that could be alike")]
    Textless,
    /// The numbers were too extreme.
    #[error(transparent)]
    Numerical(#[from] NotPositiveDefinite),
    /// See [`CrossBlockError`].
    #[error(transparent)]
    CrossBlock(#[from] CrossBlockError),
    /// Its settings are out of range.
    #[error(transparent)]
    Settings(#[from] InvalidOptions),
}

impl Candidate {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> BridgeKind {
        match self {
            Self::Joint { .. } => BridgeKind::Joint,
            Self::Mapping { .. } => BridgeKind::Mapping,
            Self::CrossBlock { .. } => BridgeKind::CrossBlock,
            Self::TwoBlock { .. } => BridgeKind::TwoBlock,
            Self::Pair { .. } => BridgeKind::Pair,
            Self::Text { .. } => BridgeKind::Text,
        }
    }

    /// The fits of whole domains that it is served with.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Joint { .. } => joint_fit::NEEDS,
            Self::Mapping { .. } => mapping_fit::NEEDS,
            Self::CrossBlock { .. } => cross_block_fit::NEEDS,
            Self::TwoBlock { .. } => two_block_fit::NEEDS,
            Self::Pair { .. } => pair_fit::NEEDS,
            Self::Text { .. } => text_fit::NEEDS,
        }
    }

    /// Whether it is fitted from the matrix and texts alone, before anything else.
    #[must_use]
    pub fn is_fitted_alone(&self) -> bool {
        let Needs { joint, people } = self.needs();
        !joint && !people
    }

    /// The settings of the fit that it has for itself.
    #[must_use]
    pub fn own_fit(&self) -> Option<FitSettings> {
        match self {
            Self::TwoBlock { fit, .. } | Self::Pair { fit, .. } => Some(*fit),
            Self::Joint { .. }
            | Self::Mapping { .. }
            | Self::CrossBlock { .. }
            | Self::Text { .. } => None,
        }
    }

    /// Fits it.
    ///
    /// # Errors
    /// [`NotFitted`].
    pub fn fit(&self, from: &mut FitSources<'_>) -> Result<Carrier, NotFitted> {
        match *self {
            Self::Joint { source_weight } => Ok(joint_fit::carrier(source_weight)),
            Self::Mapping { ridge, weighting } => {
                from.maps.as_mut().ok_or(NotFitted::Nobody)?.carrier(ridge, weighting)
            }
            Self::CrossBlock { ridge } => {
                from.blocks.as_mut().ok_or(NotFitted::Nobody)?.carrier(ridge)
            }
            Self::TwoBlock { fit, ridge, factor_weight } => {
                let own = from.own.as_mut().ok_or(NotFitted::Nobody)?;
                own.two_block(fit, ridge, factor_weight)
            }
            Self::Pair { fit, source_weight } => {
                let own = from.own.as_ref().ok_or(NotFitted::Nobody)?;
                pair_fit::carrier(own, fit, source_weight)
            }
            Self::Text { popularity } => {
                let text = from.text.as_ref().ok_or(NotFitted::Textless)?;
                Ok(text.carrier(popularity))
            }
        }
    }
}
