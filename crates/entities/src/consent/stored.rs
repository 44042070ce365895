//! A ledger as it is stored, as JSON, and the room that it takes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ConsentDecision;
use super::closed::Closed;
use super::direction::{OnDirection, Taken};
use super::ledger::ConsentLedger;
use crate::ids::{DomainId, Pseudonym};
use crate::purpose::Purpose;

/// A decision as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredDecision {
    from: DomainId,
    to: DomainId,
    purpose: Purpose,
    granted: bool,
    decided_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Pseudonym>,
    /// Only where it is later than `decided_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_until: Option<Timestamp>,
    /// Only of decisions that came with a ledger of the same person.
    #[serde(default, skip_serializing_if = "is_zero")]
    beside: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Decisions and what is closed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithClosed {
    decisions: Vec<StoredDecision>,
    closed: Closed,
}

/// A ledger as it is stored: the decisions on a direction and purpose stand in their order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum StoredLedger {
    /// Nothing is closed, as in nearly all ledgers.
    Decisions(Vec<StoredDecision>),
    WithClosed(WithClosed),
}

impl From<StoredDecision> for Taken {
    fn from(stored: StoredDecision) -> Self {
        let StoredDecision { from, to, purpose, granted, decided_at, .. } = stored;
        let StoredDecision { expires_at, evidence, by, decided_until, beside, .. } = stored;
        let decided_until = decided_until.map_or(decided_at, |until| until.max(decided_at));
        let decision =
            ConsentDecision { from, to, purpose, granted, decided_at, expires_at, evidence };
        Self { decision, by, decided_until, beside }
    }
}

impl From<Taken> for StoredDecision {
    fn from(Taken { decision, by, decided_until, beside }: Taken) -> Self {
        let ConsentDecision { from, to, purpose, granted, decided_at, expires_at, evidence } =
            decision;
        let decided_until = Some(decided_until).filter(|until| *until > decided_at);
        Self {
            from,
            to,
            purpose,
            granted,
            decided_at,
            expires_at,
            evidence,
            by,
            decided_until,
            beside,
        }
    }
}

impl From<StoredLedger> for ConsentLedger {
    fn from(stored: StoredLedger) -> Self {
        let (stored, closed) = match stored {
            StoredLedger::Decisions(decisions) => (decisions, Closed::default()),
            StoredLedger::WithClosed(WithClosed { decisions, closed }) => (decisions, closed),
        };
        let mut decisions: BTreeMap<_, OnDirection> = BTreeMap::new();
        for taken in stored.into_iter().map(Taken::from) {
            decisions.entry(taken.decision.key()).or_default().read(taken);
        }
        Self { decisions, closed }
    }
}

impl From<ConsentLedger> for StoredLedger {
    fn from(ConsentLedger { decisions, closed }: ConsentLedger) -> Self {
        let taken = decisions.into_values().flat_map(OnDirection::into_each);
        let decisions = taken.map(StoredDecision::from).collect();
        match closed.is_empty() {
            true => Self::Decisions(decisions),
            false => Self::WithClosed(WithClosed { decisions, closed }),
        }
    }
}

/// More decisions than any ledger may hold on one direction.
const MOST_BESIDE: usize = 9_999;

/// The most bytes that a decision ever takes as JSON with a comma, whatever instants it comes to
/// name and whatever it is merged with: so that nothing that found room once is too large later,
/// and a refusal takes the room of the grant that it replaces.
pub(super) fn room_of(taken: &Taken) -> usize {
    let widest = StoredDecision {
        granted: false,
        decided_at: Timestamp::MAX,
        decided_until: Some(Timestamp::MAX),
        expires_at: taken.decision.expires_at.map(|_| Timestamp::MAX),
        beside: MOST_BESIDE,
        ..StoredDecision::from(taken.clone())
    };
    serde_json::to_vec(&widest).map_or(usize::MAX / 2, |json| json.len() + 1)
}
