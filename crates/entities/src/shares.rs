//! How much may be kept in a person's record through each of the person's users, so that it always
//! fits its item in the table, and whatever one platform writes leaves the others their room.
//!
//! Each user has a share for what was decided through them, on whatever evidence, and one for what
//! their platform declares of them, which is in the record for the first user alone. What users who
//! left had refused has a room of its own ([`MAX_BARE_BYTES`](crate::consent::MAX_BARE_BYTES)), and
//! so has what is closed because single refusals found none: an opt-out is never refused. All
//! [`MAX_MEMBERS`](crate::people::MAX_MEMBERS) users with full shares fit into
//! [`MAX_PERSON_BYTES`], also after links: a ledger of two holds no more than both did.

use crate::consent::ConsentDecision;
use crate::ids::Pseudonym;
use crate::people::{Declared, Person};

/// Most bytes of what a platform declares of a user, as JSON.
pub const MAX_DECLARED_BYTES: usize = 4_608;
/// Most bytes of what is decided through a user, as JSON, with which something more may be
/// granted: some 15 decisions without evidence.
pub const MAX_GRANT_BYTES: usize = 5_120;
/// Most bytes of what is decided through a user, as JSON: more than for grants, so that who
/// granted as much as there is room for can still refuse by name what holds by default.
pub const MAX_CONSENT_BYTES: usize = 6_624;
/// Most bytes of a person, as JSON: an item of a DynamoDB table has 400 KB, its key and
/// version among them.
pub const MAX_PERSON_BYTES: usize = 400_000;

/// Why something is not kept of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// What is declared of a user takes too much room.
    #[error("what is declared of a user must be at most {MAX_DECLARED_BYTES} bytes as JSON")]
    Declared,
    /// A user's share of decisions is full.
    #[error(
        "what was decided through this user takes all the room that there is for it: withdraw \
         some of it, or send shorter evidence"
    )]
    Consents,
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
    /// Records a member's decision within the member's share, either as one that is made now or
    /// as one that its caller dates. A refusal is always recorded: where what proves it does
    /// not fit, without that; where that does not fit either, by closing its purpose for all
    /// evidence of its domain.
    ///
    /// # Errors
    /// [`ShareError::Consents`]; nothing is changed then.
    pub fn decide(
        &mut self,
        member: &Pseudonym,
        decision: ConsentDecision,
        is_dated: bool,
    ) -> Result<(), ShareError> {
        let (before, used) = (self.consents.clone(), self.consents.bytes_of(member));
        let most = if decision.granted { MAX_GRANT_BYTES } else { MAX_CONSENT_BYTES };
        let fits = |person: &Self| person.consents.bytes_of(member) <= most.max(used);
        let bare = ConsentDecision { evidence: None, expires_at: None, ..decision.clone() };
        self.record(member, decision, is_dated);
        if fits(self) {
            return Ok(());
        }
        self.consents.clone_from(&before);
        if bare.granted {
            return Err(ShareError::Consents);
        }
        self.record(member, bare.clone(), is_dated);
        if !fits(self) {
            self.consents = before;
            self.consents.close_by(member, &bare);
        }
        Ok(())
    }

    fn record(&mut self, member: &Pseudonym, decision: ConsentDecision, is_dated: bool) {
        match is_dated {
            true => self.consents.record_dated_by(member, decision),
            false => self.consents.record_by(member, decision),
        }
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
    use crate::ids::{DomainId, Pseudonym};
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

    /// Grants through a member on evidence of `from` until there is no more room; says on how
    /// many targets.
    fn fill(person: &mut Person, member: &Pseudonym, from: usize) -> usize {
        let mut to = 0;
        loop {
            // Long proofs first, then ever shorter ones.
            let evidence = "证".repeat(256_usize.saturating_sub(to * 8));
            match person.decide(member, decision(from, to, true, Some(evidence)), false) {
                Ok(()) => to += 1,
                Err(error) => {
                    assert_eq!(error, ShareError::Consents);
                    let short = decision(from, 500 + to, true, None);
                    if person.decide(member, short, false).is_err() {
                        return to;
                    }
                    to += 1;
                }
            }
        }
    }

    /// Refuses through a member on evidence of `from` until refusals close it.
    fn refuse(person: &mut Person, member: &Pseudonym, from: usize) {
        for to in 1_000.. {
            let evidence = Some("证".repeat(256));
            let before = person.clone();
            person.decide(member, decision(from, to, false, evidence), false).unwrap();
            if person.consents.is_closed(&domain(from), Purpose::Recommendation) {
                // As full as it may be, before anything was taken together.
                *person = before;
                return;
            }
        }
    }

    fn declared() -> Declared {
        let mut declared = Declared::new();
        for key in 0.. {
            let mut more = declared.clone();
            more.insert(format!("k{key}"), "声明".repeat(20));
            if check_declared(&more).is_err() {
                break;
            }
            declared = more;
        }
        declared
    }

    /// A person whose every share is full.
    fn full(number: usize) -> Person {
        let mut person = Person::of_one(user(number), domain(number));
        person.members[0].declared = declared();
        person.members[0].erased_until = Some(Timestamp::MAX);
        assert!(fill(&mut person, &user(number), number) > 0);
        refuse(&mut person, &user(number), number);
        person
    }

    /// Closes as many domains as can be closed by name, for every purpose.
    fn close_as_much_as_there_is(person: &mut Person) {
        for number in 0..200 {
            for purpose in Purpose::ALL {
                let refused = decision(1_000 + number, 999, false, None);
                let refusal = ConsentDecision { purpose, ..refused };
                person.consents.close_by(&user(0), &refusal);
            }
        }
    }

    /// Lets users who left have refused as much as there is room for.
    fn leave_refusals(person: &mut Person) {
        for number in 300..345 {
            let mut other = Person::of_one(user(number), domain(number));
            let refused = decision(number, 1_000, false, None);
            other.decide(&user(number), refused, false).unwrap();
            person.join(other, |_| false).unwrap();
            person.leave(&user(number));
        }
    }

    #[test]
    fn as_many_users_as_there_may_be_fit_with_all_their_shares_full() {
        let mut person = full(0);
        close_as_much_as_there_is(&mut person);
        leave_refusals(&mut person);
        for number in 1..MAX_MEMBERS {
            person.join(full(number), |_| true).unwrap();
            person.check_size().unwrap();
        }
        assert_eq!(person.consents.closed_domains().count(), 200);
        let bytes = json_bytes(&person);
        assert!(bytes > MAX_PERSON_BYTES * 3 / 4, "{bytes} bytes: shares could be larger");
    }

    #[test]
    fn what_is_reckoned_with_is_the_most_that_shares_come_to() {
        let members = MAX_MEMBERS * (MAX_CONSENT_BYTES + 320);
        let closed = 200 * 220;
        let most = members + MAX_DECLARED_BYTES + crate::consent::MAX_BARE_BYTES + closed + 1_000;
        assert!(most <= MAX_PERSON_BYTES, "{most} bytes");
        let mut member = Person::of_one(user(0), domain(0));
        member.members[0].erased_until = Some(Timestamp::MAX);
        assert!(json_bytes(&member.members[0]) < 320);
    }

    #[test]
    fn a_platform_that_fills_its_share_takes_no_room_from_the_others() {
        let mut alone = Person::of_one(user(1), domain(1));
        let beside_nobody = fill(&mut alone, &user(1), 1);
        let mut person = Person::of_one(user(0), domain(0));
        person.join(Person::of_one(user(1), domain(1)), |_| true).unwrap();
        // Whatever the evidence that is decided on.
        for from in [0, 7, 1] {
            fill(&mut person, &user(0), from);
            refuse(&mut person, &user(0), from);
        }
        assert_eq!(fill(&mut person, &user(1), 1), beside_nobody);
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
        assert!(!person.consents.is_closed(&domain(0), Purpose::Recommendation));
        person.check_size().unwrap();
    }

    #[test]
    fn a_refusal_without_room_refuses_what_another_member_granted_and_what_holds_by_default() {
        let mut person = full(0);
        person.join(Person::of_one(user(1), domain(1)), |_| true).unwrap();
        person.decide(&user(1), decision(0, 998, true, None), false).unwrap();
        person.decide(&user(0), decision(0, 998, false, None), false).unwrap();
        let mut decisions = person.consents.decisions();
        let stands = decisions.find(|kept| kept.to == domain(998)).map(|kept| kept.granted);
        assert_eq!(stands, Some(false));
        assert!(person.consents.is_closed(&domain(0), Purpose::Recommendation));
        assert!(!person.consents.is_closed(&domain(0), Purpose::Training));
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
