//! Slates, the log of decisions, and what came of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::basis::Basis;
use crate::definition::Definitions;
use crate::event::Event;
use crate::experiment::exposure::Exposure;
use crate::ids::{
    DomainId, EventId, EventType, ItemId, ModelId, Placement, Pseudonym, RecommendationId,
};

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
    /// Whether it has this place because the caller promotes it, and not by its score.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub promoted: bool,
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
    /// The variants of experiments that made it, or that the user is held out of all; `None` when
    /// no experiment had to do with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Exposure>,
    /// The seed of every random choice in it.
    pub seed: u64,
    /// Whether the person's own evidence shaped it.
    pub personalised: bool,
    /// What was missing when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
    /// What was served, first position first.
    pub slate: Vec<SlateEntry>,
    /// The lives that the platform and the domains of the slate led, where that was not their
    /// first; in the archive they are not kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lives: BTreeMap<DomainId, u32>,
    /// What it rests on; `None` in records from before this was kept, and in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
}

impl Decision {
    /// Whether a domain still leads the life that it led when the decision was made: what is
    /// reported of a slate from before a domain was deleted is nothing of its next life.
    #[must_use]
    pub fn is_of_life(&self, domain: &DomainId, definitions: &Definitions) -> bool {
        let life = self.lives.get(domain).copied().unwrap_or_default();
        definitions.get(domain).is_some_and(|definition| definition.life == life)
    }

    /// The lives that domains lead by their definitions, as [`Decision::lives`] keeps them.
    #[must_use]
    pub fn lives_of<'a>(
        domains: impl IntoIterator<Item = &'a DomainId>,
        definitions: &Definitions,
    ) -> BTreeMap<DomainId, u32> {
        let life = |domain: &DomainId| definitions.get(domain).map_or(0, |known| known.life);
        let lives = domains.into_iter().map(|domain| (domain.clone(), life(domain)));
        lives.filter(|(_, life)| *life > 0).collect()
    }
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

/// A text is no kind of outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of outcome")]
pub struct UnknownOutcomeKind(pub String);

impl OutcomeKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Impression, Self::Click, Self::Accept, Self::Convert, Self::Dismiss];

    /// The kind as it is posted, stored and archived.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Impression => "impression",
            Self::Click => "click",
            Self::Accept => "accept",
            Self::Convert => "convert",
            Self::Dismiss => "dismiss",
        }
    }

    /// Reads what [`OutcomeKind::as_str`] gives.
    ///
    /// # Errors
    /// [`UnknownOutcomeKind`] for any other text.
    pub fn parse(text: &str) -> Result<Self, UnknownOutcomeKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownOutcomeKind(text.to_owned()))
    }
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
    /// When they did it, by the caller's clock, to the millisecond.
    pub occurred_at: Timestamp,
    /// When it was accepted, by our clock, to the millisecond; `None` in those
    /// stored before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
}

impl Outcome {
    /// When it came in, as far as is known: an old outcome has only its
    /// caller's word for when it happened.
    #[must_use]
    pub fn arrived_at(&self) -> Timestamp {
        self.received_at.unwrap_or(self.occurred_at)
    }

    /// The event that the outcome is evidence of, of a type of its item's domain, which is in
    /// one of its lives. The same outcome gives the same event, whenever and however often it is made.
    #[must_use]
    pub fn as_event(&self, event_type: EventType, domain_life: u32) -> Event {
        Event {
            event_id: self.event_id(),
            user: self.user.clone(),
            domain: self.domain.clone(),
            event_type,
            item_id: self.item_id.clone(),
            occurred_at: self.occurred_at,
            received_at: self.arrived_at(),
            domain_life,
            value: None,
            dwell_seconds: None,
        }
    }

    /// Of its length, for both ids together may be longer than one may be.
    fn event_id(&self) -> EventId {
        let mut digest = Sha256::new();
        for id in [self.recommendation_id.as_str(), self.feedback_id.as_str()] {
            digest.update((id.len() as u64).to_le_bytes());
            digest.update(id.as_bytes());
        }
        let digest = data_encoding::BASE64URL_NOPAD.encode(&digest.finalize());
        match EventId::parse(&format!("feedback_{digest}")) {
            Ok(id) => id,
            Err(_) => unreachable!("base64url text is a valid identifier"),
        }
    }
}

impl Decision {
    /// Whether an item was on the slate.
    #[must_use]
    pub fn served(&self, domain: &DomainId, item: &ItemId) -> bool {
        self.slate.iter().any(|entry| entry.domain == *domain && entry.item_id == *item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_outcome_has_one_text_everywhere() {
        for kind in OutcomeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(OutcomeKind::parse(kind.as_str()), Ok(kind));
        }
        assert!(OutcomeKind::parse("Click").is_err());
    }

    #[test]
    fn an_outcome_is_always_the_same_event_and_no_other_outcomes() {
        let outcome = |recommendation: &str, feedback: &str| Outcome {
            feedback_id: EventId::parse(feedback).unwrap(),
            recommendation_id: RecommendationId::parse(recommendation).unwrap(),
            user: Pseudonym::parse("v1_u").unwrap(),
            kind: OutcomeKind::Click,
            domain: DomainId::parse("knowledge").unwrap(),
            item_id: ItemId::parse("i").unwrap(),
            occurred_at: Timestamp::UNIX_EPOCH,
            received_at: None,
        };
        let event = |recommendation: &str, feedback: &str| {
            outcome(recommendation, feedback).as_event(EventType::parse("view").unwrap(), 0)
        };
        let first = event("r", "f");
        assert_eq!(first, event("r", "f"));
        assert_eq!((first.item_id.as_str(), first.domain.as_str()), ("i", "knowledge"));
        for other in [event("r", "g"), event("s", "f"), event("rf", "x"), event("r", "fx")] {
            assert_ne!(other.event_id, first.event_id);
        }
        // However long its ids are.
        event(&"r".repeat(128), &"课".repeat(128));
    }

    #[test]
    fn an_outcome_stored_before_arrival_was_kept_reads_and_arrived_when_it_happened() {
        let stored = r#"{"feedback_id":"f","recommendation_id":"r","user":"v1_u","kind":"click",
            "domain":"knowledge","item_id":"i","occurred_at":"2026-06-01T00:00:00Z"}"#;
        let outcome: Outcome = serde_json::from_str(stored).unwrap();
        assert_eq!((outcome.received_at, outcome.arrived_at()), (None, outcome.occurred_at));
    }
}
