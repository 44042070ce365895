//! Consent by direction and purpose, and the only door to evidence.
//!
//! A direction leads from the domain where evidence arose to the domain that
//! benefits from it. Purposes are told apart as Article 6(1)(a) of the GDPR and
//! Article 14 of the PIPL ask: consent is specific, and can be withdrawn.
//!
//! | module | what is there |
//! | --- | --- |
//! | `ledger` | a person's decisions, and what they permit |
//! | `direction` | the decisions of a person's members on one direction and purpose |
//! | `closed` | what is refused altogether, where single refusals found no room |
//! | `stored` | a ledger as JSON, and the room that it takes |
//! | `history` | what of a history may be used |
//! | `economic` | what of that may tell of a person's means |

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::Definitions;
use crate::ids::DomainId;
use crate::purpose::Purpose;

mod closed;
mod direction;
mod economic;
mod history;
mod ledger;
mod stored;

pub use economic::EconomicEvidence;
pub use history::{ConsentedHistory, RecommendationUse, WasThen};
pub use ledger::{ConsentLedger, MAX_BARE_BYTES};

/// A person's decision on one direction and purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentDecision {
    /// Where the evidence arose.
    pub from: DomainId,
    /// Where it may go.
    pub to: DomainId,
    /// What for.
    pub purpose: Purpose,
    /// Whether it may.
    pub granted: bool,
    /// When the person decided.
    pub decided_at: Timestamp,
    /// From when a grant no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What proves the decision (a form's version, a ticket), for an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl ConsentDecision {
    fn key(&self) -> ledger::Key {
        (self.from.clone(), self.to.clone(), self.purpose)
    }

    /// Until when it permits: a refusal never does.
    fn end(&self) -> Timestamp {
        match self.granted {
            true => self.expires_at.unwrap_or(Timestamp::MAX),
            false => Timestamp::MIN,
        }
    }
}

/// Whether a request may use evidence of other domains at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossDomain {
    /// As the person's consents say.
    ByConsent,
    /// Not at all, as a Global Privacy Control signal (`Sec-GPC: 1`) asks.
    Never,
}

/// Everything a decision on the use of evidence rests on.
#[derive(Debug, Clone, Copy)]
pub struct ConsentContext<'a> {
    /// The person's decisions.
    pub ledger: &'a ConsentLedger,
    /// The domains and their defaults.
    pub definitions: &'a Definitions,
    /// The instant at which the evidence is used.
    pub now: Timestamp,
}

impl ConsentContext<'_> {
    /// Whether evidence of one domain may be used for recommending in another, or in itself: the
    /// one rule for it.
    #[must_use]
    pub fn may_reach(&self, from: &DomainId, to: &DomainId, cross_domain: CrossDomain) -> bool {
        let Self { ledger, definitions, now } = self;
        (from == to || cross_domain == CrossDomain::ByConsent)
            && ledger.permits(from, to, Purpose::Recommendation, definitions, *now)
    }

    /// Whether evidence of one domain may be used to tell in another, or in itself, what the
    /// person can and will spend: the one rule for it. It needs both consents, for what may not
    /// choose what a person is shown may not describe them either.
    #[must_use]
    pub fn may_tell_of_means(
        &self,
        from: &DomainId,
        to: &DomainId,
        cross_domain: CrossDomain,
    ) -> bool {
        let Self { ledger, definitions, now } = self;
        self.may_reach(from, to, cross_domain)
            && ledger.permits(from, to, Purpose::FinancialProfiling, definitions, *now)
    }
}

#[cfg(test)]
mod tests;
