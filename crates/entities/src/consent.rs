//! Consent by direction and purpose, and the only door to evidence.
//!
//! A direction leads from the domain where evidence arose to the domain that
//! benefits from it. Purposes are told apart as Article 6(1)(a) of the GDPR and
//! Article 14 of the PIPL ask: consent is specific, and can be withdrawn.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::Definitions;
use crate::event::Event;
use crate::history::{History, MarkedBy, MarkedItems, PastEvent};
use crate::ids::{DomainId, ItemId, Pseudonym};
use crate::item_set::{ItemDigest, ItemSet};
use crate::kept_back::{KeptBack, KeptBackBy};
use crate::purpose::Purpose;

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
    fn key(&self) -> (DomainId, DomainId, Purpose) {
        (self.from.clone(), self.to.clone(), self.purpose)
    }

    /// Whether it permits no more than another one: it refuses, or ends no later.
    fn is_as_narrow_as(&self, other: &Self) -> bool {
        let end = |decision: &Self| match decision.granted {
            true => decision.expires_at.unwrap_or(Timestamp::MAX),
            false => Timestamp::MIN,
        };
        end(self) <= end(other)
    }
}

/// A decision that stands, and what is known of how it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    decision: ConsentDecision,
    /// The own pseudonym of the member who took it. Not known of decisions of before this was
    /// kept, and no longer of refusals of a member who left.
    by: Option<Pseudonym>,
    /// The latest instant that this decision or one that it replaced names.
    decided_until: Timestamp,
}

/// A decision as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDecision {
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
}

/// A ledger as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct StoredDecisions(Vec<StoredDecision>);

impl From<StoredDecision> for Standing {
    fn from(stored: StoredDecision) -> Self {
        let StoredDecision { from, to, purpose, granted, decided_at, .. } = stored;
        let StoredDecision { expires_at, evidence, by, decided_until, .. } = stored;
        let decided_until = decided_until.map_or(decided_at, |until| until.max(decided_at));
        let decision =
            ConsentDecision { from, to, purpose, granted, decided_at, expires_at, evidence };
        Self { decision, by, decided_until }
    }
}

impl From<Standing> for StoredDecision {
    fn from(Standing { decision, by, decided_until }: Standing) -> Self {
        let ConsentDecision { from, to, purpose, granted, decided_at, expires_at, evidence } =
            decision;
        let decided_until = Some(decided_until).filter(|until| *until > decided_at);
        Self { from, to, purpose, granted, decided_at, expires_at, evidence, by, decided_until }
    }
}

/// A person's decisions, at most one for each direction and purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredDecisions", into = "StoredDecisions")]
pub struct ConsentLedger {
    decisions: BTreeMap<(DomainId, DomainId, Purpose), Standing>,
}

impl From<StoredDecisions> for ConsentLedger {
    fn from(StoredDecisions(stored): StoredDecisions) -> Self {
        let standing = stored.into_iter().map(Standing::from);
        let decisions = standing.map(|standing| (standing.decision.key(), standing));
        Self { decisions: decisions.collect() }
    }
}

impl From<ConsentLedger> for StoredDecisions {
    fn from(ledger: ConsentLedger) -> Self {
        Self(ledger.decisions.into_values().map(StoredDecision::from).collect())
    }
}

impl From<Vec<ConsentDecision>> for ConsentLedger {
    fn from(decisions: Vec<ConsentDecision>) -> Self {
        let mut ledger = Self::default();
        decisions.into_iter().for_each(|decision| ledger.record(decision));
        ledger
    }
}

impl From<ConsentLedger> for Vec<ConsentDecision> {
    fn from(ledger: ConsentLedger) -> Self {
        ledger.decisions.into_values().map(|standing| standing.decision).collect()
    }
}

impl ConsentLedger {
    /// Records a decision that is made now: it stands in the place of any before it,
    /// whatever instants either names. What comes first and what later is the order in
    /// which the store took them; a clock that runs ahead or was set back decides nothing.
    pub fn record(&mut self, decision: ConsentDecision) {
        self.stand(decision, None);
    }

    /// As [`ConsentLedger::record`], of a decision taken by one member of the person.
    pub fn record_by(&mut self, member: &Pseudonym, decision: ConsentDecision) {
        self.stand(decision, Some(member.own()));
    }

    /// Records a decision that its caller says was made at an instant, as when it is sent
    /// again or from a queue. A refusal is recorded as [`ConsentLedger::record`] does. A
    /// grant does not overrule a refusal if it names an instant that the refusal, or any
    /// decision that it replaced, had reached: such a grant, sent twice, would undo the
    /// withdrawal between, whoever's clock was wrong. It was taken by one member of the person.
    pub fn record_dated_by(&mut self, member: &Pseudonym, decision: ConsentDecision) {
        self.stand_dated(decision, Some(member.own()));
    }

    fn stand_dated(&mut self, decision: ConsentDecision, by: Option<Pseudonym>) {
        let is_outdated = |standing: &Standing| {
            let is_withdrawn = decision.granted && !standing.decision.granted;
            is_withdrawn && decision.decided_at <= standing.decided_until
        };
        if !self.decisions.get(&decision.key()).is_some_and(is_outdated) {
            self.stand(decision, by);
        }
    }

    fn stand(&mut self, decision: ConsentDecision, by: Option<Pseudonym>) {
        let key = decision.key();
        let before = self.decisions.get(&key).map_or(Timestamp::MIN, |before| before.decided_until);
        let decided_until = before.max(decision.decided_at);
        self.decisions.insert(key, Standing { decision, by, decided_until });
    }

    /// Names the members who took decisions by another form of their pseudonyms.
    pub fn name_deciders(&mut self, form: impl Fn(&Pseudonym) -> Pseudonym) {
        for standing in self.decisions.values_mut() {
            standing.by = standing.by.as_ref().map(&form);
        }
    }

    /// Bytes that some decisions take where they are stored as JSON, each with a comma.
    #[must_use]
    pub fn stored_bytes(&self, is_counted: impl Fn(&ConsentDecision) -> bool) -> usize {
        let counted = self.decisions.values().filter(|standing| is_counted(&standing.decision));
        let bytes = |standing: &Standing| {
            let stored = serde_json::to_vec(&StoredDecision::from(standing.clone()));
            stored.map_or(usize::MAX / 2, |json| json.len() + 1)
        };
        counted.map(bytes).fold(0, usize::saturating_add)
    }

    /// Takes over the decisions of a ledger that turns out to be the same person's. Of two
    /// on one direction and purpose the narrower stands: no order is known between them.
    pub fn merge(&mut self, other: Self) {
        for (key, other) in other.decisions {
            match self.decisions.get_mut(&key) {
                Some(standing) => {
                    let decided_until = standing.decided_until.max(other.decided_until);
                    if !standing.decision.is_as_narrow_as(&other.decision) {
                        *standing = other;
                    }
                    standing.decided_until = decided_until;
                }
                None => drop(self.decisions.insert(key, other)),
            }
        }
    }

    /// Takes out what a member decided who leaves the person. Their grants go. Their
    /// refusals stay, without what told of the member, for a default may permit what they
    /// refuse. Where nobody who `stays` took a decision, it counts as the member's if
    /// `is_theirs` says so.
    pub fn leave(
        &mut self,
        member: &Pseudonym,
        stays: impl Fn(&Pseudonym) -> bool,
        is_theirs: impl Fn(&ConsentDecision) -> bool,
    ) {
        let member = member.own();
        self.decisions.retain(|_, Standing { decision, by, .. }| {
            let is_theirs = match by {
                Some(by) if *by == member => true,
                Some(by) if stays(by) => false,
                _ => is_theirs(decision),
            };
            if is_theirs {
                *by = None;
                decision.evidence = None;
            }
            !(is_theirs && decision.granted)
        });
    }

    /// The ledger as if the person had refused these directions, whatever they decided
    /// when: it permits no more than this one does, and nothing of what is withdrawn.
    #[must_use]
    pub fn without(&self, directions: &[(DomainId, DomainId)], purpose: Purpose) -> Self {
        let mut narrowed = self.clone();
        for (from, to) in directions {
            let refusal = ConsentDecision {
                from: from.clone(),
                to: to.clone(),
                purpose,
                granted: false,
                decided_at: Timestamp::MAX,
                expires_at: None,
                evidence: None,
            };
            narrowed.record(refusal);
        }
        narrowed
    }

    /// Forgets every decision about a domain, in either direction, and says
    /// whether there was one.
    pub fn forget(&mut self, domain: &DomainId) -> bool {
        let before = self.decisions.len();
        self.decisions.retain(|(from, to, _), _| from != domain && to != domain);
        self.decisions.len() < before
    }

    /// The decisions, in order of direction and purpose.
    pub fn decisions(&self) -> impl Iterator<Item = &ConsentDecision> {
        self.decisions.values().map(|standing| &standing.decision)
    }

    /// Whether evidence of `from` may be used for `purpose` in `to` at `now`:
    /// by the person's decision, else by the default of `from`'s definition.
    /// A domain without a definition permits nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use crossfold_entities::consent::{ConsentDecision, ConsentLedger};
    /// use crossfold_entities::definition::Definitions;
    /// use crossfold_entities::ids::DomainId;
    /// use crossfold_entities::purpose::Purpose;
    /// use jiff::Timestamp;
    ///
    /// let (courses, cars) = (DomainId::parse("courses")?, DomainId::parse("cars")?);
    /// let definition = serde_json::json!({
    ///     "name": "Courses", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
    /// });
    /// let definitions = Definitions::from([(courses.clone(), serde_json::from_value(definition)?)]);
    /// let now = Timestamp::from_second(60)?;
    /// let permits = |ledger: &ConsentLedger| {
    ///     ledger.permits(&courses, &cars, Purpose::Recommendation, &definitions, now)
    /// };
    ///
    /// let mut ledger = ConsentLedger::default();
    /// assert!(!permits(&ledger)); // Nothing leaves its domain unless the person says so.
    /// ledger.record(ConsentDecision {
    ///     from: courses.clone(),
    ///     to: cars.clone(),
    ///     purpose: Purpose::Recommendation,
    ///     granted: true,
    ///     decided_at: Timestamp::from_second(10)?,
    ///     expires_at: Some(Timestamp::from_second(100)?),
    ///     evidence: None,
    /// });
    /// assert!(permits(&ledger));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn permits(
        &self,
        from: &DomainId,
        to: &DomainId,
        purpose: Purpose,
        definitions: &Definitions,
        now: Timestamp,
    ) -> bool {
        let Some(definition) = definitions.get(from) else {
            return false;
        };
        match self.decisions.get(&(from.clone(), to.clone(), purpose)) {
            Some(Standing { decision, .. }) => {
                decision.granted && decision.expires_at.is_none_or(|expiry| now < expiry)
            }
            None => definition.consent_default(from, to, purpose),
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
}

/// The part of a history that may be used for one purpose and set of
/// destinations. There is no other way to a person's events.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use crossfold_entities::consent::{ConsentContext, ConsentLedger, ConsentedHistory};
/// use crossfold_entities::definition::Definitions;
/// use crossfold_entities::event::Event;
/// use crossfold_entities::history::History;
/// use crossfold_entities::ids::DomainId;
/// use jiff::Timestamp;
///
/// let viewed: Event = serde_json::from_value(serde_json::json!({
///     "event_id": "e1", "user": "pseudonym", "domain": "courses", "event_type": "view",
///     "item_id": "gardening", "occurred_at": "2026-06-01T08:00:00Z",
///     "received_at": "2026-06-01T08:00:01Z",
/// }))?;
/// let definition = serde_json::json!({
///     "name": "Courses", "currency": "CNY", "event_types": {"view": {"weight": 1.0}},
/// });
/// let courses = DomainId::parse("courses")?;
/// let definitions = Definitions::from([(courses, serde_json::from_value(definition)?)]);
///
/// let history = History::new(vec![viewed], []); // Without a way to its events.
/// let ledger = ConsentLedger::default();
/// let now = Timestamp::MAX;
/// let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
/// let rows = ConsentedHistory::for_training(&history, context);
/// assert_eq!(rows[0].events()[0].item_id.as_str(), "gardening");
///
/// let no_definitions = Definitions::new();
/// let context = ConsentContext { definitions: &no_definitions, ..context };
/// assert!(ConsentedHistory::for_training(&history, context).is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConsentedHistory {
    events: Vec<Event>,
    past: Vec<PastEvent>,
    dismissed: KeptBack,
    seen: KeptBack,
}

/// What an event was to a slate that was served before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasThen {
    /// It was used.
    Evidence,
    /// Newer ones were used; its item may have counted as seen.
    Older,
    /// It was not there, or not used.
    Nothing,
}

/// What is in sets that something lets through.
fn admitted(marked: &MarkedItems, admits: impl Fn(&MarkedBy) -> Option<KeptBackBy>) -> KeptBack {
    let mut admitted = KeptBack::default();
    for (marked_by, items) in marked.sets() {
        if let Some(by) = admits(marked_by) {
            admitted.add(&marked_by.domain, by, items.iter());
        }
    }
    admitted
}

impl ConsentedHistory {
    /// What may be used to recommend items of `target` on the platform
    /// `display`: events of every domain whose directions to *both* are granted,
    /// for a slate tells `display` something of what it was made from; so with items
    /// of `target` that are recorded as seen for ever, by the platform where that was.
    /// `user` is the one who asks; their own dismissals always hold, for they are
    /// instructions, not evidence.
    #[must_use]
    pub fn for_recommendation(
        history: &History,
        context: ConsentContext<'_>,
        request: &RecommendationUse<'_>,
    ) -> Self {
        let admits = |from: &DomainId| {
            let directions = [request.display, request.target];
            directions.into_iter().all(|to| context.may_reach(from, to, request.cross_domain))
        };
        let events = history.events.iter().filter(|event| admits(&event.domain)).cloned().collect();
        // Only items of the target can be served for it.
        let is_of_target = |domain: &DomainId| domain == request.target;
        let past = history.past.iter();
        let past = past.filter(|event| is_of_target(&event.domain) && admits(&event.domain));
        let by_platform = |by: &MarkedBy| {
            let is_admitted = is_of_target(&by.domain) && admits(&by.by_domain);
            is_admitted.then(|| KeptBackBy::Platform(by.by_domain.clone()))
        };
        let dismissed = admitted(&history.dismissed, |by| {
            let is_own = by.user == *request.user && is_of_target(&by.domain);
            if is_own { Some(KeptBackBy::Instruction) } else { by_platform(by) }
        });
        let seen = admitted(&history.seen, by_platform);
        Self { events, past: past.cloned().collect(), dismissed, seen }
    }

    /// What may be used to train, as groups of domains. Evidence in one group
    /// shapes one row of the joint matrix, so each two domains of a group must
    /// permit training in *both* directions, and each domain in its own.
    #[must_use]
    pub fn for_training(history: &History, context: ConsentContext<'_>) -> Vec<Self> {
        let permits = |from: &DomainId, to: &DomainId| {
            context.ledger.permits(from, to, Purpose::Training, context.definitions, context.now)
        };
        let domains: BTreeSet<&DomainId> = history.events.iter().map(|e| &e.domain).collect();
        let mut groups: Vec<Vec<&DomainId>> = Vec::new();
        for domain in domains.into_iter().filter(|domain| permits(domain, domain)) {
            let home = groups.iter_mut().find(|group| {
                group.iter().all(|other| permits(domain, other) && permits(other, domain))
            });
            match home {
                Some(group) => group.push(domain),
                None => groups.push(vec![domain]),
            }
        }
        groups
            .into_iter()
            .map(|group| Self {
                events: history
                    .events
                    .iter()
                    .filter(|event| group.contains(&&event.domain))
                    .cloned()
                    .collect(),
                ..Self::default()
            })
            .collect()
    }

    /// The newest event of each domain that may be used for training, before an instant
    /// if one is given: [`ConsentedHistory::for_training`] has no newer one there.
    pub fn newest_for_training<'h>(
        history: &'h History,
        context: ConsentContext<'_>,
        before: Option<Timestamp>,
    ) -> BTreeMap<&'h DomainId, Timestamp> {
        let mut newest = BTreeMap::new();
        let is_before = |event: &&Event| before.is_none_or(|before| event.occurred_at < before);
        for event in history.events.iter().filter(is_before) {
            newest.entry(&event.domain).or_insert(event.occurred_at);
        }
        newest.retain(|domain, _| {
            let ConsentContext { ledger, definitions, now } = context;
            ledger.permits(domain, domain, Purpose::Training, definitions, now)
        });
        newest
    }

    /// The events that may be used, newest first.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Nothing but what was dismissed: for a slate that is not personalised.
    #[must_use]
    pub fn without_events(self) -> Self {
        Self { dismissed: self.dismissed, ..Self::default() }
    }

    /// The part of it that happened before `instant`, for a split by time.
    #[must_use]
    pub fn before(&self, instant: Timestamp) -> Self {
        self.filtered(|event| event.occurred_at < instant)
    }

    /// The part of it that happened at or after `instant`.
    #[must_use]
    pub fn since(&self, instant: Timestamp) -> Self {
        self.filtered(|event| event.occurred_at >= instant)
    }

    /// What of it a slate was made from that was served before: each event, newest first, as
    /// what it was then, and nothing that keeps an item back which was on that slate, for then
    /// it was neither seen nor dismissed.
    #[must_use]
    pub fn when_served(
        mut self,
        mut was_then: impl FnMut(&Event) -> WasThen,
        served: &BTreeSet<(DomainId, ItemId)>,
    ) -> Self {
        let past = &mut self.past;
        self.events.retain(|event| {
            let was_then = was_then(event);
            if was_then == WasThen::Older {
                past.push(PastEvent::from(event));
            }
            was_then == WasThen::Evidence
        });
        for (domain, item) in served {
            let item = ItemDigest::of(item);
            self.past.retain(|event| event.domain != *domain || event.item != item);
            self.seen.remove(domain, item);
            self.dismissed.remove(domain, item);
        }
        self
    }

    /// The items that were dismissed, or count as seen whatever is evidence, by what lets them
    /// be kept back.
    #[must_use]
    pub fn kept_back(&self) -> BTreeMap<KeptBackBy, ItemSet> {
        let mut kept_back: BTreeMap<KeptBackBy, ItemSet> = BTreeMap::new();
        for (by, items) in self.dismissed.sets().chain(self.seen.sets()) {
            kept_back.entry(by.clone()).or_default().extend(items.iter());
        }
        let mut past: BTreeMap<&DomainId, ItemSet> = BTreeMap::new();
        for event in &self.past {
            past.entry(&event.domain).or_default().extend([event.item]);
        }
        for (domain, items) in past {
            let by = KeptBackBy::Platform(domain.clone());
            kept_back.entry(by).or_default().extend(items.iter());
        }
        kept_back.retain(|_, items| !items.is_empty());
        kept_back
    }

    fn filtered(&self, keep: impl Fn(&Event) -> bool) -> Self {
        Self {
            events: self.events.iter().filter(|event| keep(event)).cloned().collect(),
            past: self.past.clone(),
            dismissed: self.dismissed.clone(),
            seen: self.seen.clone(),
        }
    }

    /// Older events, which are no evidence but whose items may count as seen.
    #[must_use]
    pub fn past(&self) -> &[PastEvent] {
        &self.past
    }

    /// The items that are recorded as seen for ever, in order of domain and digest.
    pub fn seen(&self) -> impl Iterator<Item = (&DomainId, ItemDigest)> {
        self.seen.items()
    }

    /// The items that the person dismissed, in order of domain and digest.
    pub fn dismissed(&self) -> impl Iterator<Item = (&DomainId, ItemDigest)> {
        self.dismissed.items()
    }

    /// Whether an item is recorded as seen for ever.
    #[must_use]
    pub fn is_seen_for_ever(&self, domain: &DomainId, item: impl Into<ItemDigest>) -> bool {
        self.seen.contains(domain, item.into())
    }

    /// Whether an item was dismissed by the person.
    #[must_use]
    pub fn is_dismissed(&self, domain: &DomainId, item: impl Into<ItemDigest>) -> bool {
        self.dismissed.contains(domain, item.into())
    }
}

/// Who asks for a recommendation of what, where.
#[derive(Debug, Clone, Copy)]
pub struct RecommendationUse<'a> {
    /// The user who asks.
    pub user: &'a Pseudonym,
    /// The platform that shows the slate.
    pub display: &'a DomainId,
    /// The domain whose items are recommended.
    pub target: &'a DomainId,
    /// Whether the request may use other domains' evidence.
    pub cross_domain: CrossDomain,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::definition::tests::definition;
    use crate::ids::{EventId, EventType, ItemId};

    const DOMAINS: [&str; 4] = ["knowledge", "auto-finance", "travel", "health"];

    fn domain(index: usize) -> DomainId {
        DomainId::parse(DOMAINS[index]).unwrap()
    }

    fn user(text: &str) -> Pseudonym {
        Pseudonym::parse(text).unwrap()
    }

    fn definitions() -> Definitions {
        (0..DOMAINS.len()).map(|index| (domain(index), definition())).collect()
    }

    fn event(from: usize, second: i64) -> Event {
        Event {
            event_id: EventId::parse(&format!("e{from}-{second}")).unwrap(),
            user: user("u"),
            domain: domain(from),
            event_type: EventType::parse("view").unwrap(),
            item_id: ItemId::parse("i").unwrap(),
            occurred_at: Timestamp::from_second(second).unwrap(),
            received_at: Timestamp::from_second(second).unwrap(),
            domain_life: 0,
            value: None,
            dwell_seconds: None,
        }
    }

    /// An item named after the platform where it was seen.
    fn seen_by(by: usize) -> ItemId {
        ItemId::parse(DOMAINS[by]).unwrap()
    }

    /// An event that is no evidence any more.
    fn past(from: usize) -> PastEvent {
        let Event { domain, event_type, item_id, occurred_at, .. } = event(from, 0);
        PastEvent {
            domain,
            event_type,
            item: ItemDigest::of(&item_id),
            occurred_at,
            domain_life: 0,
        }
    }

    fn decision(
        from: usize,
        to: usize,
        purpose: Purpose,
        granted: bool,
        at: i64,
    ) -> ConsentDecision {
        ConsentDecision {
            from: domain(from),
            to: domain(to),
            purpose,
            granted,
            decided_at: Timestamp::from_second(at).unwrap(),
            expires_at: None,
            evidence: None,
        }
    }

    fn decisions() -> impl Strategy<Value = Vec<ConsentDecision>> {
        let purpose = prop_oneof![Just(Purpose::Recommendation), Just(Purpose::Training)];
        let one =
            (0..4usize, 0..4usize, purpose, any::<bool>(), 0..9i64, proptest::option::of(0..20i64));
        proptest::collection::vec(
            one.prop_map(|(from, to, purpose, granted, at, expiry)| {
                let mut decision = decision(from, to, purpose, granted, at);
                decision.expires_at = expiry.map(|s| Timestamp::from_second(s).unwrap());
                decision
            }),
            0..40,
        )
    }

    proptest! {
        #[test]
        fn no_evidence_reaches_a_slate_without_both_directions(
            decisions in decisions(), display in 0..4usize, target in 0..4usize,
            gpc in any::<bool>(), now in 0..25i64,
        ) {
            let ledger = ConsentLedger::from(decisions);
            let definitions = definitions();
            let now = Timestamp::from_second(now).unwrap();
            let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
            let seen = |by: usize| crate::history::SeenItem {
                by_domain: domain(by),
                ..crate::history::SeenItem::of(&Event { item_id: seen_by(by), ..event(target, 1) })
            };
            let history = History::new((0..4).map(|from| event(from, 1)).collect(), [])
                .with_seen((0..4).map(seen))
                .with_past((0..4).map(past).collect());
            let (me, display, target) = (user("u"), domain(display), domain(target));
            let cross_domain = if gpc { CrossDomain::Never } else { CrossDomain::ByConsent };
            let request = RecommendationUse { user: &me, display: &display, target: &target, cross_domain };
            let admitted = ConsentedHistory::for_recommendation(&history, context, &request);
            for from in (0..4).map(domain) {
                let may = [&display, &target].into_iter().all(|to| {
                    (from == *to || !gpc)
                        && ledger.permits(&from, to, Purpose::Recommendation, &definitions, now)
                });
                let is_there = admitted.events().iter().any(|event| event.domain == from);
                prop_assert_eq!(is_there, may);
                let item = ItemId::parse(from.as_str()).unwrap();
                let counts_as_seen = admitted.is_seen_for_ever(&target, &item);
                prop_assert_eq!(counts_as_seen, may);
            }
            let may_target = admitted.events().iter().any(|event| event.domain == target);
            let past: Vec<&DomainId> = admitted.past().iter().map(|event| &event.domain).collect();
            prop_assert_eq!(past, if may_target { vec![&target] } else { vec![] });
            let admitted = admitted.without_events();
            prop_assert_eq!(admitted.seen().count() + admitted.past().len(), 0);
        }

        #[test]
        fn no_training_row_mixes_domains_without_mutual_consent(decisions in decisions(), now in 0..25i64) {
            let ledger = ConsentLedger::from(decisions);
            let definitions = definitions();
            let now = Timestamp::from_second(now).unwrap();
            let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
            let history = History::new((0..4).map(|from| event(from, 1)).collect(), []);
            let groups = ConsentedHistory::for_training(&history, context);
            for group in &groups {
                for a in group.events() {
                    for b in group.events() {
                        prop_assert!(ledger.permits(&a.domain, &b.domain, Purpose::Training, &definitions, now));
                    }
                }
            }
            let kept: usize = groups.iter().map(|group| group.events().len()).sum();
            let own = (0..4).map(domain).filter(|d| ledger.permits(d, d, Purpose::Training, &definitions, now));
            prop_assert_eq!(kept, own.count());
        }

        #[test]
        fn a_ledger_without_some_directions_permits_less_and_never_more(
            decisions in decisions(), withdrawn in proptest::collection::vec((0..4usize, 0..4usize), 0..6),
            now in 0..25i64,
        ) {
            let ledger = ConsentLedger::from(decisions);
            let definitions = definitions();
            let now = Timestamp::from_second(now).unwrap();
            let directions: Vec<_> =
                withdrawn.iter().map(|(from, to)| (domain(*from), domain(*to))).collect();
            let narrowed = ledger.without(&directions, Purpose::Recommendation);
            for (from, to) in (0..16).map(|at| (at / 4, at % 4)) {
                for purpose in [Purpose::Recommendation, Purpose::Training] {
                    let permits = |ledger: &ConsentLedger| {
                        ledger.permits(&domain(from), &domain(to), purpose, &definitions, now)
                    };
                    let is_withdrawn =
                        purpose == Purpose::Recommendation && withdrawn.contains(&(from, to));
                    prop_assert_eq!(permits(&narrowed), permits(&ledger) && !is_withdrawn);
                }
            }
        }

        #[test]
        fn what_was_recorded_last_stands_whatever_instants_were_named(decisions in decisions()) {
            let mut ledger = ConsentLedger::default();
            decisions.iter().cloned().for_each(|decision| ledger.record(decision));
            for standing in ledger.decisions() {
                let last = decisions.iter().rfind(|decision| decision.key() == standing.key());
                prop_assert_eq!(Some(standing), last);
            }
        }

        #[test]
        fn a_refusal_stands_until_a_grant_of_later_than_all_it_knows(
            decisions in decisions(), dated in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let mut ledger = ConsentLedger::default();
            let mut reached: BTreeMap<_, Timestamp> = BTreeMap::new();
            for (decision, is_dated) in decisions.into_iter().zip(dated) {
                let key = decision.key();
                let before = ledger.decisions.get(&key).map(|standing| standing.decision.clone());
                match is_dated {
                    true => ledger.stand_dated(decision.clone(), None),
                    false => ledger.record(decision.clone()),
                }
                let was_refused = before.as_ref().is_some_and(|before| !before.granted);
                let is_late = reached.get(&key).is_some_and(|reached| decision.decided_at <= *reached);
                let stays = is_dated && decision.granted && was_refused && is_late;
                let instant = reached.entry(key.clone()).or_insert(Timestamp::MIN);
                *instant = (*instant).max(decision.decided_at);
                let expected = if stays { before } else { Some(decision) };
                prop_assert_eq!(Some(&ledger.decisions[&key].decision), expected.as_ref());
            }
        }

        #[test]
        fn a_grant_that_was_withdrawn_never_comes_back_by_being_sent_again(
            decisions in decisions(), other in decisions(), is_merged in any::<bool>(),
        ) {
            let mut ledger = ConsentLedger::default();
            decisions.iter().cloned().for_each(|decision| ledger.stand_dated(decision, None));
            // Each direction is withdrawn, by a clock that stands at the beginning of time.
            for decision in &decisions {
                let withdrawn = ConsentDecision {
                    granted: false, decided_at: Timestamp::UNIX_EPOCH, ..decision.clone()
                };
                ledger.record(withdrawn);
            }
            if is_merged {
                let mut merged = ConsentLedger::from(other);
                merged.merge(ledger);
                ledger = merged;
            }
            let stored = serde_json::to_string(&ledger).unwrap();
            let mut ledger: ConsentLedger = serde_json::from_str(&stored).unwrap();
            for again in &decisions {
                ledger.stand_dated(again.clone(), None);
                prop_assert!(!ledger.decisions[&again.key()].decision.granted);
            }
        }

        #[test]
        fn ledgers_of_one_person_permit_together_what_each_that_decides_permits(
            one in decisions(), other in decisions(), now in 0..25i64,
        ) {
            let (one, other) = (ConsentLedger::from(one), ConsentLedger::from(other));
            let mut merged = one.clone();
            merged.merge(other.clone());
            let definitions = definitions();
            let now = Timestamp::from_second(now).unwrap();
            for key in merged.decisions.keys() {
                let permits = |ledger: &ConsentLedger| {
                    let is_decided = ledger.decisions.contains_key(key);
                    !is_decided || ledger.permits(&key.0, &key.1, key.2, &definitions, now)
                };
                prop_assert_eq!(permits(&merged), permits(&one) && permits(&other));
            }
        }
    }

    #[test]
    fn a_revocation_overrules_a_grant_dated_ahead_and_a_late_retry_of_a_grant_changes_nothing() {
        let definitions = definitions();
        let now = Timestamp::from_second(1_000).unwrap();
        let mut ledger = ConsentLedger::default();
        let permits = |ledger: &ConsentLedger| {
            ledger.permits(&domain(0), &domain(1), Purpose::Recommendation, &definitions, now)
        };
        let decide = |granted, at| decision(0, 1, Purpose::Recommendation, granted, at);
        assert!(!permits(&ledger));
        ledger.stand_dated(decide(true, 240), None);
        assert!(permits(&ledger));
        ledger.stand_dated(decide(false, 2), None);
        assert!(!permits(&ledger));
        for again in [1, 2, 240] {
            ledger.stand_dated(decide(true, again), None);
            assert!(!permits(&ledger), "{again}");
        }
        ledger.record(decide(true, 1));
        assert!(permits(&ledger), "what is decided now stands, whatever the clock says");
    }

    #[test]
    fn what_was_stored_before_more_was_kept_of_a_decision_is_read() {
        let old = serde_json::to_string(&[decision(0, 1, Purpose::Training, false, 9)]).unwrap();
        let mut ledger: ConsentLedger = serde_json::from_str(&old).unwrap();
        assert_eq!(serde_json::to_string(&ledger).unwrap(), old);
        ledger.stand_dated(decision(0, 1, Purpose::Training, true, 9), None);
        assert!(!ledger.decisions().any(|decision| decision.granted));
        ledger.stand_dated(decision(0, 1, Purpose::Training, true, 10), None);
        assert!(ledger.decisions().all(|decision| decision.granted));
    }

    #[test]
    fn an_expired_grant_and_an_unknown_domain_permit_nothing() {
        let now = Timestamp::from_second(100).unwrap();
        let mut grant = decision(0, 1, Purpose::Recommendation, true, 1);
        grant.expires_at = Some(now);
        let ledger = ConsentLedger::from(vec![grant]);
        assert!(!ledger.permits(
            &domain(0),
            &domain(1),
            Purpose::Recommendation,
            &definitions(),
            now
        ));
        let empty = Definitions::new();
        assert!(!ledger.permits(&domain(0), &domain(0), Purpose::Recommendation, &empty, now));
    }

    #[test]
    fn own_dismissals_hold_without_consent_and_others_only_with_it() {
        let dismissal = |who: &str, by: usize| Dismissal {
            user: user(who),
            by_domain: domain(by),
            domain: domain(1),
            item_id: ItemId::parse(who).unwrap(),
        };
        use crate::history::Dismissal;
        let history = History::new(vec![], [dismissal("me", 0), dismissal("other", 2)]);
        let (me, display, target) = (user("me"), domain(0), domain(1));
        let admit = |ledger: &ConsentLedger| {
            let definitions = definitions();
            let context =
                ConsentContext { ledger, definitions: &definitions, now: Timestamp::UNIX_EPOCH };
            let request = RecommendationUse {
                user: &me,
                display: &display,
                target: &target,
                cross_domain: CrossDomain::ByConsent,
            };
            ConsentedHistory::for_recommendation(&history, context, &request)
        };
        let item = |text: &str| ItemId::parse(text).unwrap();
        let without = admit(&ConsentLedger::default());
        assert!(without.is_dismissed(&domain(1), &item("me")));
        assert!(!without.is_dismissed(&domain(1), &item("other")));
        let with = admit(&ConsentLedger::from(vec![
            decision(2, 0, Purpose::Recommendation, true, 0),
            decision(2, 1, Purpose::Recommendation, true, 0),
        ]));
        assert!(with.is_dismissed(&domain(1), &item("other")));
    }
}
