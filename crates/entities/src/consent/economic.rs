//! The only door to what tells of a person's means.

use std::collections::BTreeSet;

use super::{ConsentContext, ConsentedHistory, CrossDomain};
use crate::event::Event;
use crate::ids::DomainId;
use crate::people::Declared;

/// The part of a consented history, and of what a platform declares of its user, from which it
/// may be told what the person can and will spend. What says such a thing is made of this alone,
/// and there is no other way to make this than to ask the person's consents: see
/// [`ConsentContext::may_tell_of_means`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_entities::consent::{
///     ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, EconomicEvidence,
/// };
/// use crossfold_entities::definition::Definitions;
/// use crossfold_entities::ids::DomainId;
/// use jiff::Timestamp;
///
/// let definition = serde_json::json!({
///     "name": "Courses", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
/// });
/// let courses = DomainId::parse("courses")?;
/// let definitions = Definitions::from([(courses.clone(), serde_json::from_value(definition)?)]);
/// let (ledger, history) = (ConsentLedger::default(), ConsentedHistory::default());
/// let context = ConsentContext { ledger: &ledger, definitions: &definitions, now: Timestamp::MAX };
/// let to_itself = (&courses, CrossDomain::ByConsent);
/// // Without a decision of the person, not even within the platform.
/// assert!(EconomicEvidence::of(&history, &Default::default(), context, to_itself).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EconomicEvidence<'a> {
    history: &'a ConsentedHistory,
    domains: BTreeSet<&'a DomainId>,
    declared: Option<&'a Declared>,
}

impl<'a> EconomicEvidence<'a> {
    /// What may be told to the platform `to`, of which `declared` is what it declares of its own
    /// user. `None` where the person lets nothing of it be told.
    #[must_use]
    pub fn of(
        history: &'a ConsentedHistory,
        declared: &'a Declared,
        context: ConsentContext<'a>,
        (to, cross_domain): (&DomainId, CrossDomain),
    ) -> Option<Self> {
        let may_tell = |from: &DomainId| context.may_tell_of_means(from, to, cross_domain);
        let domains: BTreeSet<&DomainId> =
            context.definitions.keys().filter(|from| may_tell(from)).collect();
        let declared = Some(declared).filter(|_| domains.contains(to));
        (!domains.is_empty()).then_some(Self { history, domains, declared })
    }

    /// Whether anything may be told of what happened in a domain.
    #[must_use]
    pub fn covers(&self, domain: &DomainId) -> bool {
        self.domains.contains(domain)
    }

    /// The events, newest first.
    pub fn events(&self) -> impl Iterator<Item = &'a Event> {
        self.history.events().iter().filter(|event| self.domains.contains(&event.domain))
    }

    /// What the platform declares of its user under a name.
    #[must_use]
    pub fn declared(&self, name: &str) -> Option<&'a str> {
        self.declared?.get(name).map(String::as_str)
    }
}
