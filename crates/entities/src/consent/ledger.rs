//! A person's decisions, and what they permit.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ConsentDecision;
use super::closed::Closed;
use super::direction::OnDirection;
use super::stored::{StoredLedger, room_of};
use crate::definition::Definitions;
use crate::ids::{DomainId, Pseudonym};
use crate::purpose::Purpose;

/// Most bytes of refusals of which nobody is known to have taken them, as JSON. Those beyond are
/// kept as what is closed.
pub const MAX_BARE_BYTES: usize = 16_384;

/// What a decision is on.
pub(super) type Key = (DomainId, DomainId, Purpose);

/// A person's decisions: of each member at most one for each direction and purpose. The one that
/// was taken last stands; when its member leaves, the one before it stands again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLedger", into = "StoredLedger")]
pub struct ConsentLedger {
    pub(super) decisions: BTreeMap<Key, OnDirection>,
    /// What no decision says is refused here.
    pub(super) closed: Closed,
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
        ledger.decisions().cloned().collect()
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

    pub(super) fn stand_dated(&mut self, decision: ConsentDecision, by: Option<Pseudonym>) {
        let is_outdated = |refused_until| decision.decided_at <= refused_until;
        if !(decision.granted && self.refused_until(&decision).is_some_and(is_outdated)) {
            self.stand(decision, by);
        }
    }

    fn stand(&mut self, decision: ConsentDecision, by: Option<Pseudonym>) {
        self.decisions.entry(decision.key()).or_default().record(decision, by);
    }

    /// The latest instant that the refusal which stands where a decision would, or one that it was
    /// taken after, names; `None` where none stands.
    fn refused_until(&self, decision: &ConsentDecision) -> Option<Timestamp> {
        let closed = self.closed.until(&decision.from, decision.purpose);
        let Some(decided) = self.decisions.get(&decision.key()) else { return closed };
        let is_refused = decided.standing().is_some_and(|standing| !standing.granted);
        is_refused.then(|| decided.until().max(closed.unwrap_or(Timestamp::MIN)))
    }

    /// Records a refusal for which there is no room: whatever is not decided on evidence of its
    /// domain for its purpose is refused from now on, and so is all that was granted on its
    /// direction. Refusals of the member and of nobody known, which the closing says as well, are
    /// kept no more, so that there is room for what the person grants later.
    pub(crate) fn close_by(&mut self, member: &Pseudonym, refusal: &ConsentDecision) {
        let mut until = refusal.decided_at;
        if let Some(decided) = self.decisions.get_mut(&refusal.key()) {
            until = until.max(decided.until());
            decided.refuse(until);
        }
        self.closed.close(&refusal.from, refusal.purpose, until);
        self.absorb_bare(Some((member, &refusal.from, refusal.purpose)));
    }

    /// Takes bare refusals out that what is closed says as well: those of nobody known, and of
    /// one member those on evidence of a domain for a purpose.
    fn absorb_bare(&mut self, also_of: Option<(&Pseudonym, &DomainId, Purpose)>) {
        let Self { decisions, closed } = self;
        decisions.retain(|(from, _, purpose), decided| {
            if closed.until(from, *purpose).is_some() {
                let also_of = also_of.filter(|of| (of.1, of.2) == (from, *purpose));
                if let Some(until) = decided.take_bare(also_of.map(|of| of.0)) {
                    closed.close(from, *purpose, until);
                }
            }
            !decided.is_empty()
        });
    }

    /// Keeps refusals of nobody known to their room: what is refused most often, by domain and
    /// purpose, is closed first, so that whoever leaves many closes their own.
    fn fold_bare(&mut self) {
        self.absorb_bare(None);
        loop {
            let mut of_pairs: BTreeMap<(&DomainId, Purpose), (usize, Reverse<Timestamp>)> =
                BTreeMap::new();
            for ((from, _, purpose), decided) in &self.decisions {
                let each = decided.each();
                for taken in each.filter(|taken| taken.is_bare_refusal()) {
                    let (bytes, oldest) = of_pairs.entry((from, *purpose)).or_default();
                    *bytes += room_of(taken);
                    *oldest = (*oldest).max(Reverse(taken.decided_until));
                }
            }
            let bytes: usize = of_pairs.values().map(|(bytes, _)| bytes).sum();
            if bytes <= MAX_BARE_BYTES {
                return;
            }
            let most = of_pairs.into_iter().max_by_key(|(_, widest)| *widest);
            let Some(((from, purpose), _)) = most else { return };
            self.closed.close(&from.clone(), purpose, Timestamp::MIN);
            self.absorb_bare(None);
        }
    }

    /// Names the members who took decisions by another form of their pseudonyms.
    pub fn name_deciders(&mut self, form: impl Fn(&Pseudonym) -> Pseudonym) {
        for taken in self.decisions.values_mut().flat_map(OnDirection::each_mut) {
            taken.by = taken.by.as_ref().map(&form);
        }
    }

    /// The most bytes that what one member decided ever takes where it is stored.
    #[must_use]
    pub fn bytes_of(&self, member: &Pseudonym) -> usize {
        let own = Some(member.own());
        let taken = self.decisions.values().flat_map(OnDirection::each);
        taken.filter(|taken| taken.by == own).map(room_of).fold(0, usize::saturating_add)
    }

    /// Takes over the decisions of a ledger that turns out to be the same person's. Of two
    /// on one direction and purpose the narrower stands: no order is known between them. So
    /// what one of them closed, the other's grants do not open again: they become refusals.
    pub fn merge(&mut self, mut other: Self) {
        other.heed(&self.closed);
        self.heed(&other.closed);
        for (key, decided) in other.decisions {
            self.decisions.entry(key).or_default().merge(decided);
        }
        self.closed.merge(other.closed);
        self.fold_bare();
    }

    /// Turns grants into refusals where another ledger is closed.
    fn heed(&mut self, closed: &Closed) {
        for ((from, _, purpose), decided) in &mut self.decisions {
            if let Some(until) = closed.until(from, *purpose) {
                decided.refuse(until);
            }
        }
    }

    /// Takes out what a member decided who leaves the person. Their grants go, and what others
    /// decided stands again. Their refusals stay, without what told of the member, for a default
    /// may permit what they refuse. Where nobody who `stays` took a decision, it counts as the
    /// member's if `is_theirs` says so.
    pub fn leave(
        &mut self,
        member: &Pseudonym,
        stays: impl Fn(&Pseudonym) -> bool,
        is_theirs: impl Fn(&ConsentDecision) -> bool,
    ) {
        let member = member.own();
        for decided in self.decisions.values_mut() {
            decided.leave(|taken| match &taken.by {
                Some(by) if *by == member => true,
                Some(by) if stays(by) => false,
                _ => is_theirs(&taken.decision),
            });
        }
        self.decisions.retain(|_, decided| !decided.is_empty());
        self.fold_bare();
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

    /// Forgets what was decided about a domain, in either direction, but that it was refused: a
    /// domain of the same name may be defined again, with defaults that permit it. Says
    /// whether anything was changed.
    pub fn forget(&mut self, domain: &DomainId) -> bool {
        let before = self.clone();
        for ((from, to, _), decided) in &mut self.decisions {
            if from == domain || to == domain {
                decided.leave(|_| true);
            }
        }
        self.decisions.retain(|_, decided| !decided.is_empty());
        self.fold_bare();
        *self != before
    }

    /// The decisions that stand, in order of direction and purpose.
    pub fn decisions(&self) -> impl Iterator<Item = &ConsentDecision> {
        self.decisions.values().filter_map(OnDirection::standing)
    }

    /// Domains of which something is closed, but those of a closing of all.
    pub fn closed_domains(&self) -> impl Iterator<Item = &DomainId> {
        self.closed.domains()
    }

    /// Whether all is refused for a purpose of a domain's evidence that no decision permits.
    #[must_use]
    pub fn is_closed(&self, from: &DomainId, purpose: Purpose) -> bool {
        self.closed.until(from, purpose).is_some()
    }

    /// Whether evidence of `from` may be used for `purpose` in `to` at `now`:
    /// by the person's decision, else by the default of `from`'s definition, unless
    /// the person closed it.
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
        let decided = self.decisions.get(&(from.clone(), to.clone(), purpose));
        match decided.and_then(OnDirection::standing) {
            Some(decision) => {
                decision.granted && decision.expires_at.is_none_or(|expiry| now < expiry)
            }
            None => !self.is_closed(from, purpose) && definition.consent_default(from, to, purpose),
        }
    }
}
