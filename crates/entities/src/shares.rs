//! How much each platform may keep in a person's record, so that it always fits its item in
//! the table, and whatever one platform writes leaves the others their room.
//!
//! Each domain has a share for what its people decided on its evidence, for each of the person's
//! users that it has, and each user one for what their platform declares of them, which is in the
//! record for the first user alone. All
//! [`MAX_MEMBERS`](crate::people::MAX_MEMBERS) users with full shares fit into
//! [`MAX_PERSON_BYTES`], also after links: a ledger of two holds no more than both did.

use std::collections::BTreeSet;

use crate::consent::ConsentDecision;
use crate::ids::{DomainId, Pseudonym};
use crate::people::{Declared, Person};

/// Most bytes of what a platform declares of a user, as JSON.
pub const MAX_DECLARED_BYTES: usize = 4_608;
/// Most bytes of decisions on a domain's evidence, as JSON, with which another may be
/// granted: some 15 of them without evidence.
pub const MAX_GRANT_BYTES: usize = 3_584;
/// Most bytes of decisions on a domain's evidence, as JSON: more than for grants, so that
/// who granted as much as there is room for can still refuse what holds by default.
pub const MAX_CONSENT_BYTES: usize = 5_120;
/// Most bytes of decisions on evidence of domains that the person has no user of, together.
pub const MAX_FOREIGN_CONSENT_BYTES: usize = 2_048;
/// Most bytes of a person, as JSON: an item of a DynamoDB table has 400 KB, its key and
/// version among them.
pub const MAX_PERSON_BYTES: usize = 400_000;

/// Why something is not kept of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// What is declared of a user takes too much room.
    #[error("what is declared of a user must be at most {MAX_DECLARED_BYTES} bytes as JSON")]
    Declared,
    /// A domain's share of decisions is full.
    #[error(
        "the decisions on evidence of {0} take all the room that there is for them: withdraw \
         some, or send shorter evidence"
    )]
    Consents(DomainId),
    /// What two people have would not fit into one record.
    #[error("together these users have too much declared and decided to be one person")]
    Person,
}

/// Checks what a platform declares of a user.
///
/// # Errors
/// [`ShareError::Declared`].
pub fn check_declared(declared: &Declared) -> Result<(), ShareError> {
    if json_bytes(declared) > MAX_DECLARED_BYTES { Err(ShareError::Declared) } else { Ok(()) }
}

/// Bytes of a value as it is stored.
fn json_bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

impl Person {
    /// Records a member's decision within the share of the domain where its evidence arose, either as
    /// one that is made now or as one that its caller dates. A withdrawal is always recorded:
    /// where what proves it does not fit, without that.
    ///
    /// # Errors
    /// [`ShareError::Consents`]; nothing is changed then.
    pub fn decide(
        &mut self,
        member: &Pseudonym,
        decision: ConsentDecision,
        is_dated: bool,
    ) -> Result<(), ShareError> {
        let is_withdrawal = !decision.granted
            && self.consents.decisions().any(|other| {
                (&other.from, &other.to, other.purpose)
                    == (&decision.from, &decision.to, decision.purpose)
            });
        let (before, from) = (self.consents.clone(), decision.from.clone());
        let most = self.room_for(&decision);
        let used = self.consent_bytes(&from);
        let bare = ConsentDecision { evidence: None, expires_at: None, ..decision.clone() };
        self.record(member, decision, is_dated);
        let uses = self.consent_bytes(&from);
        if uses <= most || uses <= used {
            return Ok(());
        }
        self.consents = before;
        if !is_withdrawal {
            return Err(ShareError::Consents(from));
        }
        self.record(member, bare, is_dated);
        Ok(())
    }

    fn record(&mut self, member: &Pseudonym, decision: ConsentDecision, is_dated: bool) {
        match is_dated {
            true => self.consents.record_dated_by(member, decision),
            false => self.consents.record_by(member, decision),
        }
    }

    fn room_for(&self, decision: &ConsentDecision) -> usize {
        let users = self.members.iter().filter(|member| member.domain == decision.from).count();
        match (users, decision.granted) {
            (0, _) => MAX_FOREIGN_CONSENT_BYTES,
            (users, true) => users * MAX_GRANT_BYTES,
            (users, false) => users * MAX_CONSENT_BYTES,
        }
    }

    /// Bytes of the share that decisions on evidence of a domain are kept in.
    fn consent_bytes(&self, from: &DomainId) -> usize {
        let own: BTreeSet<&DomainId> = self.members.iter().map(|member| &member.domain).collect();
        let is_in_share = |other: &DomainId| match own.contains(from) {
            true => other == from,
            false => !own.contains(other),
        };
        self.consents.stored_bytes(|decision| is_in_share(&decision.from))
    }

    /// Checks that the person fits into a record.
    ///
    /// # Errors
    /// [`ShareError::Person`].
    pub fn check_size(&self) -> Result<(), ShareError> {
        if json_bytes(self) > MAX_PERSON_BYTES { Err(ShareError::Person) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ids::Pseudonym;
    use crate::people::MAX_MEMBERS;
    use crate::purpose::Purpose;

    /// A domain whose name is as long as any.
    fn domain(number: usize) -> DomainId {
        DomainId::parse(&format!("d{number:062}")).unwrap()
    }

    fn user(number: usize) -> Pseudonym {
        Pseudonym::parse(&format!("v1_{number:0125}")).unwrap()
    }

    fn decision(
        from: usize,
        to: usize,
        granted: bool,
        evidence: Option<String>,
    ) -> ConsentDecision {
        ConsentDecision {
            from: domain(from),
            to: domain(to),
            purpose: Purpose::Recommendation,
            granted,
            decided_at: Timestamp::from_microsecond(1_780_272_000_123_456).unwrap(),
            expires_at: Timestamp::from_microsecond(1_980_272_000_123_456).ok(),
            evidence,
        }
    }

    /// Decides on evidence of `from` until there is no more room; says on how many targets.
    fn fill(person: &mut Person, from: usize, granted: bool) -> usize {
        let mut to = 0;
        loop {
            // Long proofs first, then ever shorter ones.
            let evidence = "证".repeat(256_usize.saturating_sub(to * 8));
            let first = if granted { 0 } else { 1_000 };
            let member = person.members[0].user.clone();
            let long = decision(from, first + to, granted, Some(evidence));
            match person.decide(&member, long, false) {
                Ok(()) => to += 1,
                Err(error) => {
                    assert_eq!(error, ShareError::Consents(domain(from)));
                    let short = decision(from, first + 500 + to, granted, None);
                    if person.decide(&member, short, false).is_err() {
                        return to;
                    }
                    to += 1;
                }
            }
        }
    }

    /// A person whose every share is full.
    fn full(number: usize) -> Person {
        let mut person = Person::of_one(user(number), domain(number));
        let mut declared = Declared::new();
        for key in 0.. {
            let mut more = declared.clone();
            more.insert(format!("k{key}"), "声明".repeat(20));
            if check_declared(&more).is_err() {
                break;
            }
            declared = more;
        }
        person.members[0].declared = declared;
        person.members[0].erased_until = Some(Timestamp::MAX);
        for granted in [true, false] {
            assert!(fill(&mut person, number, granted) > 0);
        }
        fill(&mut person, 700 + number, true);
        person
    }

    #[test]
    fn as_many_users_as_there_may_be_fit_with_all_their_shares_full() {
        let mut person = full(0);
        for number in 1..MAX_MEMBERS {
            person.join(full(number), |_| true).unwrap();
            person.check_size().unwrap();
        }
        let bytes = json_bytes(&person);
        assert!(bytes > MAX_PERSON_BYTES * 3 / 4, "{bytes} bytes: shares could be larger");
    }

    #[test]
    fn a_platform_that_fills_its_share_takes_no_room_from_the_others() {
        let mut alone = Person::of_one(user(1), domain(1));
        let beside_nobody = fill(&mut alone, 1, true);
        let mut person = Person::of_one(user(0), domain(0));
        person.join(Person::of_one(user(1), domain(1)), |_| true).unwrap();
        fill(&mut person, 0, true);
        fill(&mut person, 0, false);
        fill(&mut person, 7, true);
        assert_eq!(fill(&mut person, 1, true), beside_nobody);
    }

    #[test]
    fn whatever_was_granted_can_be_withdrawn_however_full_the_share_is() {
        let mut person = full(0);
        let granted: Vec<ConsentDecision> =
            person.consents.decisions().filter(|decision| decision.granted).cloned().collect();
        assert!(!granted.is_empty());
        for decision in granted {
            let evidence = Some("证".repeat(256));
            let withdrawn = ConsentDecision { granted: false, evidence, ..decision };
            person.decide(&user(0), withdrawn, false).unwrap();
        }
        assert!(person.consents.decisions().all(|decision| !decision.granted));
        person.check_size().unwrap();
    }

    #[test]
    fn a_grant_that_has_no_room_changes_nothing() {
        let mut person = full(0);
        let before = person.clone();
        let grant = decision(0, 999, true, Some("证".repeat(256)));
        assert!(person.decide(&user(0), grant, false).is_err());
        assert_eq!(person, before);
    }
}
