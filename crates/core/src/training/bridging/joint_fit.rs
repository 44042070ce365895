//! The joint fit as a candidate: how much the source's evidence counts.
//!
//! The factors are fitted once, whatever the settings.

use crate::model::bridges::Carrier;
use crate::model::bridges::joint::JointFoldIn;
use crate::training::bridging::candidates::{Candidate, Needs};

/// What the source's confidences are multiplied with.
const SOURCE_WEIGHTS: [f32; 3] = [0.5, 1.0, 2.0];

/// The fits that it is served with.
pub(super) const NEEDS: Needs = Needs { joint: true, people: false };

/// The settings that are tried.
pub(super) fn candidates() -> impl Iterator<Item = Candidate> {
    SOURCE_WEIGHTS.into_iter().map(|source_weight| Candidate::Joint { source_weight })
}

/// Nothing is fitted for one direction.
pub(super) fn carrier(source_weight: f32) -> Carrier {
    Carrier::Joint(JointFoldIn { source_weight })
}
