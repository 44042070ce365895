//! One fit of the two domains alone as a candidate: with which settings, and how much
//! the source's evidence counts.

use std::sync::Arc;

use crate::model::bridges::Carrier;
use crate::model::bridges::own_factors::OwnFactors;
use crate::model::bridges::pair::PairFoldIn;
use crate::training::bridging::candidates::{Candidate, Needs, NotFitted};
use crate::training::bridging::own_fits::{FitSettings, OwnSettings};
use crate::training::bridging::two_block_fit::OwnSums;

/// What the source's confidences are multiplied with.
const SOURCE_WEIGHTS: [f32; 2] = [1.0, 3.0];

/// It brings its own tables.
pub(super) const NEEDS: Needs = Needs { joint: false, people: false };

/// The settings that are tried.
pub(super) fn candidates(own: &OwnSettings) -> impl Iterator<Item = Candidate> {
    own.pair.iter().flat_map(|&fit| {
        SOURCE_WEIGHTS.into_iter().map(move |source_weight| Candidate::Pair { fit, source_weight })
    })
}

/// What tells settings of the fit apart while they are searched for.
pub(super) fn scout(fit: FitSettings) -> Candidate {
    Candidate::Pair { fit, source_weight: SOURCE_WEIGHTS[0] }
}

/// Fits both domains.
pub(super) fn carrier(
    from: &OwnSums<'_>,
    fit: FitSettings,
    source_weight: f32,
) -> Result<Carrier, NotFitted> {
    let tables = from.fits.pair(from.ground, from.direction, fit)?;
    let (source, target) = tables.of(from.direction);
    let own = OwnFactors::new(tables.params, source, target);
    Ok(Carrier::Pair(Arc::new(PairFoldIn::new(own, source_weight))))
}
