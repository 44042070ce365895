//! Slates, the log of decisions, and what came of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{DomainId, EventId, ItemId, ModelId, Placement, Pseudonym, RecommendationId};

/// One position of a served slate, as logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlateEntry {
    /// The item's domain.
    pub domain: DomainId,
    /// The item.
    pub item_id: ItemId,
    /// The score it was ranked by.
    pub score: f32,
    /// The probability with which the policy put it at this position, above 0 up to 1.
    pub propensity: f64,
}

/// The log record of one recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its identifier, given back to the caller.
    pub recommendation_id: RecommendationId,
    /// Whom it was for.
    pub user: Pseudonym,
    /// The platform that asked and shows the slate.
    pub domain: DomainId,
    /// Where on that platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// When.
    pub decided_at: Timestamp,
    /// The model that ranked; `None` when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The rule that chose the slate, with its version.
    pub policy: String,
    /// The experiment's variant, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The seed of every random choice in it.
    pub seed: u64,
    /// Whether the person's own evidence shaped it.
    pub personalised: bool,
    /// What was missing when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
    /// What was served, first position first.
    pub slate: Vec<SlateEntry>,
}

/// What a person did with a recommended item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// They saw it.
    Impression,
    /// They opened it.
    Click,
    /// They took it up (put in the basket, applied).
    Accept,
    /// They bought, enrolled, signed.
    Convert,
    /// They asked not to see it again.
    Dismiss,
}

/// One outcome of one served item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The caller's identifier: the same one again is a duplicate.
    pub feedback_id: EventId,
    /// The slate it belongs to.
    pub recommendation_id: RecommendationId,
    /// Whose outcome it is.
    pub user: Pseudonym,
    /// What they did.
    pub kind: OutcomeKind,
    /// The item's domain.
    pub domain: DomainId,
    /// The item.
    pub item_id: ItemId,
    /// When they did it.
    pub occurred_at: Timestamp,
}

impl Decision {
    /// Whether an item was on the slate.
    #[must_use]
    pub fn served(&self, domain: &DomainId, item: &ItemId) -> bool {
        self.slate.iter().any(|entry| entry.domain == *domain && entry.item_id == *item)
    }
}
