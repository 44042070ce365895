//! One fit of the two domains alone, with settings of its own.
//!
//! As the joint fit ([`super::joint`]) it folds in the source's evidence against factors
//! that were fitted to both domains at once; but it has its own tables, so it serves
//! only people who are new to the target, and leaves everyone else's scores alone.

use safetensors::SafeTensors;

use super::own_factors::{FoldedAcross, OwnFactors, within_source};
use super::{Crossing, TensorNames};
use crate::evidence::items::Weighted;
use crate::maths::als::AlsParams;
use crate::model::ModelError;
use crate::model::tensors::Tensor;

/// Factors of both domains from one fit, and how much the source's evidence counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PairFoldIn {
    own: OwnFactors,
    source_weight: f32,
}

impl PairFoldIn {
    /// From one fit of both; `source_weight` is what the source's confidences are
    /// multiplied with at fold-in, finite and above 0.
    #[must_use]
    pub fn new(own: OwnFactors, source_weight: f32) -> Self {
        Self { own, source_weight }
    }

    /// The factors.
    #[must_use]
    pub fn own(&self) -> &OwnFactors {
        &self.own
    }

    /// What the source's confidences are multiplied with.
    #[must_use]
    pub fn source_weight(&self) -> f32 {
        self.source_weight
    }

    /// Folds the evidence in. `None` when that cannot be solved.
    pub(super) fn carry<'a>(
        &'a self,
        crossing: Crossing<'a>,
        evidence: &[Weighted],
    ) -> Option<FoldedAcross<'a>> {
        let mut entries = within_source(crossing.source, evidence);
        entries.iter_mut().for_each(|(_, confidence)| *confidence *= self.source_weight);
        let person = self.own.fold_in(&entries)?;
        Some(FoldedAcross { own: &self.own, crossing, person })
    }

    pub(super) fn fits(&self, items: (usize, usize)) -> bool {
        self.source_weight.is_finite() && self.source_weight > 0.0 && self.own.fits(items)
    }

    pub(super) fn write(&self, names: TensorNames) -> Result<Vec<Tensor>, ModelError> {
        self.own.write(names)
    }

    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        names: TensorNames,
        (params, source_weight): (AlsParams, f32),
        items: (usize, usize),
    ) -> Result<Self, ModelError> {
        Ok(Self::new(OwnFactors::read(tensors, names, params, items)?, source_weight))
    }
}
