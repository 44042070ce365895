//! The joint fit: evidence of the source is folded in together with the target's
//! own, against factors that were fitted to all domains at once.
//!
//! It needs no tensors of its own, and makes no scores of its own: what it admits
//! becomes part of the one fold-in ([`crate::model::scoring`]).

use crate::evidence::items::Weighted;

/// How evidence of a source counts in a fold-in against the joint fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointFoldIn {
    /// What the source's confidences are multiplied with; finite and above 0.
    pub source_weight: f32,
}

impl JointFoldIn {
    /// The source's evidence as it is folded in for the target.
    pub(super) fn admit(&self, evidence: &[Weighted]) -> Vec<Weighted> {
        let weigh = |known: &Weighted| Weighted {
            confidence: known.confidence * self.source_weight,
            ..*known
        };
        evidence.iter().map(weigh).collect()
    }

    /// Whether it can be served.
    pub(super) fn is_usable(&self) -> bool {
        self.source_weight.is_finite() && self.source_weight > 0.0
    }
}
