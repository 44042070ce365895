//! The decisions of one person's members on one direction and purpose.

use jiff::Timestamp;

use super::ConsentDecision;
use crate::ids::Pseudonym;

/// A decision that a member took, and what is known of how it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) decision: ConsentDecision,
    /// The own pseudonym of the member who took it. Not known of decisions of before this was
    /// kept, and no longer of refusals of a member who left.
    pub(super) by: Option<Pseudonym>,
    /// The latest instant that this decision or one that it was taken after names.
    pub(super) decided_until: Timestamp,
    /// How many of the first decisions on the direction it was not taken after, though it
    /// stands behind them: those of another ledger, between which and its own no order is known.
    pub(super) beside: usize,
}

impl Taken {
    /// Whether nothing is known but that it was refused.
    pub(super) fn is_bare_refusal(&self) -> bool {
        !self.decision.granted && self.decision.evidence.is_none() && self.by.is_none()
    }

    /// Whether a closing says as much: a bare refusal, or any of one member.
    fn is_said_by_closing(&self, of: Option<&Pseudonym>) -> bool {
        let is_theirs = of.is_some() && self.by.as_ref() == of;
        self.is_bare_refusal() || (!self.decision.granted && is_theirs)
    }

    /// Takes out what tells of the member.
    fn strip(&mut self) {
        self.by = None;
        self.decision.evidence = None;
        self.decision.expires_at = None;
    }

    /// Turns a grant into a refusal, which takes no more room.
    fn refuse(&mut self, until: Timestamp) {
        if self.decision.granted {
            self.decision.granted = false;
            self.decision.evidence = None;
            self.decision.expires_at = None;
            self.decided_until = self.decided_until.max(until);
        }
    }
}

/// The decisions on one direction and purpose: one of each member, newest last, so that what
/// the others decided stands again when one of them leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OnDirection(Vec<Taken>);

impl OnDirection {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Taken> {
        self.0.iter()
    }

    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut Taken> {
        self.0.iter_mut()
    }

    /// One more as it was stored, behind those of before.
    pub(super) fn read(&mut self, taken: Taken) {
        let beside = taken.beside.min(self.0.len());
        self.0.push(Taken { beside, ..taken });
    }

    pub(super) fn into_each(self) -> impl Iterator<Item = Taken> {
        self.0.into_iter()
    }

    /// Whether no other decision was taken after one.
    fn is_latest(&self, place: usize) -> bool {
        self.0.iter().skip(place + 1).all(|later| later.beside > place)
    }

    /// What stands: the latest decision. Where there are several, between which no order is
    /// known, the narrowest.
    pub(super) fn standing(&self) -> Option<&ConsentDecision> {
        let latest = self.0.iter().enumerate().filter(|(place, _)| self.is_latest(*place));
        latest.map(|(_, taken)| &taken.decision).min_by_key(|decision| decision.end())
    }

    /// The latest instant that a decision names.
    pub(super) fn until(&self) -> Timestamp {
        self.0.iter().map(|taken| taken.decided_until).max().unwrap_or(Timestamp::MIN)
    }

    /// Records a decision that is taken now, after all others. It replaces the one that its
    /// member took before, and a grant of nobody known, which may be theirs. A refusal of nobody
    /// known stays: it may be of a member who left.
    pub(super) fn record(&mut self, decision: ConsentDecision, by: Option<Pseudonym>) {
        let decided_until = self.until().max(decision.decided_at);
        self.remove(|earlier| {
            let is_by_nobody = by.is_none() && !decision.granted;
            match earlier.by {
                Some(_) => earlier.by == by,
                None => earlier.decision.granted || is_by_nobody,
            }
        });
        self.0.push(Taken { decision, by, decided_until, beside: 0 });
    }

    pub(super) fn remove(&mut self, is_removed: impl Fn(&Taken) -> bool) {
        for place in (0..self.0.len()).rev() {
            if self.0.get(place).is_some_and(&is_removed) {
                self.remove_at(place);
            }
        }
    }

    fn remove_at(&mut self, place: usize) -> Taken {
        let removed = self.0.remove(place);
        for later in self.0.iter_mut().skip(place).filter(|later| later.beside > place) {
            later.beside -= 1;
        }
        removed
    }

    /// Takes out the grants that are theirs, and what tells of them from their refusals.
    pub(super) fn leave(&mut self, is_theirs: impl Fn(&Taken) -> bool) {
        self.remove(|taken| taken.decision.granted && is_theirs(taken));
        self.0.iter_mut().filter(|taken| is_theirs(taken)).for_each(Taken::strip);
        self.unite_bare();
    }

    /// Adds decisions between which and the own ones no order is known.
    pub(super) fn merge(&mut self, other: Self) {
        let own = self.0.len();
        let others = other.0.into_iter();
        self.0.extend(others.map(|taken| Taken { beside: taken.beside + own, ..taken }));
        self.unite_bare();
    }

    /// Leaves one bare refusal for several of which the same is known: where a later one was
    /// taken after an earlier one, or nothing after either.
    fn unite_bare(&mut self) {
        for place in (0..self.0.len()).rev() {
            let until = self.0[place].decided_until;
            if !self.0[place].is_bare_refusal() {
                continue;
            }
            let is_latest = self.is_latest(place);
            let stands_for_it = |later: &usize| {
                let taken = &self.0[*later];
                let is_after = taken.beside <= place;
                taken.is_bare_refusal() && (is_after || (is_latest && self.is_latest(*later)))
            };
            if let Some(later) = (place + 1..self.0.len()).find(stands_for_it) {
                let kept = &mut self.0[later];
                kept.decided_until = kept.decided_until.max(until);
                self.remove_at(place);
            }
        }
    }

    /// Turns all grants into refusals.
    pub(super) fn refuse(&mut self, until: Timestamp) {
        self.0.iter_mut().for_each(|taken| taken.refuse(until));
    }

    /// Takes out bare refusals and those of a member, for whoever closes it all from now on. Grants that did not overrule them
    /// become refusals. Says the latest instant that they name, if there were any.
    pub(super) fn take_bare(&mut self, of: Option<&Pseudonym>) -> Option<Timestamp> {
        let mut until = None;
        while let Some(bare) = self.0.iter().rposition(|taken| taken.is_said_by_closing(of)) {
            let named = self.0[bare].decided_until;
            until = until.max(Some(named));
            for (place, taken) in self.0.iter_mut().enumerate() {
                let is_after = place > bare && taken.beside <= bare;
                if !is_after {
                    taken.refuse(named);
                }
            }
            self.remove_at(bare);
        }
        until
    }
}
