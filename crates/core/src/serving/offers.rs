//! What the offers on a slate cost.

use serde::Serialize;

use crate::entities::disclosure::Disclosure;
use crate::entities::eligibility::{Assessment, Case, Reason, assess};

/// An offer as it is shown: whole, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownOffer {
    /// What it costs, on the term that costs the least of those that can be had.
    #[serde(flatten)]
    pub disclosure: Disclosure,
    /// The rules that it could not be checked by, because a fact was not given: it may still be
    /// refused for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<Reason>,
}

/// The offer of a case that was admitted; `None` where it cannot be had, and where its costs cannot
/// be told, for then nothing of it may be shown.
pub(super) fn shown(case: &Case<'_>) -> Option<ShownOffer> {
    let Assessment::Eligible(eligible) = assess(case) else { return None };
    let disclosure = Disclosure::of(&eligible.quote).ok()?;
    Some(ShownOffer { disclosure, unchecked: eligible.unchecked.iter().collect() })
}
