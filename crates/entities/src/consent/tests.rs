use std::collections::BTreeMap;

use proptest::prelude::*;

use super::ledger::Key;
use super::*;
use crate::definition::ConsentDefault;
use crate::definition::tests::definition;
use crate::event::Event;
use crate::history::{History, MarkedBy, PastEvent};
use crate::ids::Pseudonym;
use crate::ids::{EventId, EventType, ItemId};
use crate::impressions::{Exposure, ImpressionDay, Impressions};
use crate::item_set::ItemDigest;

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
    PastEvent { domain, event_type, item: ItemDigest::of(&item_id), occurred_at, domain_life: 0 }
}

fn decision(from: usize, to: usize, purpose: Purpose, granted: bool, at: i64) -> ConsentDecision {
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

/// What stands on a direction and purpose.
fn standing(ledger: &ConsentLedger, key: &Key) -> Option<ConsentDecision> {
    ledger.decisions().find(|decision| decision.key() == *key).cloned()
}

/// Every direction and purpose of [`DOMAINS`].
fn keys() -> impl Iterator<Item = Key> {
    let directions = (0..16).map(|at| (domain(at / 4), domain(at % 4)));
    directions
        .flat_map(|(from, to)| Purpose::ALL.map(|purpose| (from.clone(), to.clone(), purpose)))
}

/// What a ledger permits at an instant, of every direction and purpose, where each default does.
fn permitted(ledger: &ConsentLedger, now: i64) -> Vec<bool> {
    let open = |from: usize| {
        let mut open = definition();
        let purposes = (0..4).flat_map(|to| Purpose::ALL.map(|purpose| (domain(to), purpose)));
        let default = |(to, purpose)| ConsentDefault { to, purpose, granted: true };
        open.consent_defaults = purposes.map(default).collect();
        (domain(from), open)
    };
    let definitions: Definitions = (0..4).map(open).collect();
    let now = Timestamp::from_second(now).unwrap();
    keys()
        .map(|(from, to, purpose)| ledger.permits(&from, &to, purpose, &definitions, now))
        .collect()
}

/// What a member of a person does.
#[derive(Debug, Clone)]
enum Act {
    Decides(usize, ConsentDecision),
    Leaves(usize),
    Closes(usize, ConsentDecision),
}

const MEMBERS: [&str; 4] = ["m0", "m1", "m2", "m3"];

fn acts(members: std::ops::Range<usize>, most: usize) -> impl Strategy<Value = Vec<Act>> {
    let decided = || (members.clone(), any_decision());
    let act = prop_oneof![
        8 => decided().prop_map(|(member, decision)| Act::Decides(member, decision)),
        2 => members.clone().prop_map(Act::Leaves),
        1 => decided().prop_map(|(member, decision)| {
            Act::Closes(member, ConsentDecision { granted: false, ..decision })
        }),
    ];
    proptest::collection::vec(act, 0..most)
}

fn leave(ledger: &mut ConsentLedger, member: usize) {
    ledger.leave(&user(MEMBERS[member]), |_| true, |_| false);
}

fn act(ledger: &mut ConsentLedger, act: Act) {
    match act {
        Act::Decides(member, decision) => ledger.record_by(&user(MEMBERS[member]), decision),
        Act::Leaves(member) => leave(ledger, member),
        Act::Closes(member, refusal) => ledger.close_by(&user(MEMBERS[member]), &refusal),
    }
}

fn any_decision() -> impl Strategy<Value = ConsentDecision> {
    let purpose = proptest::sample::select(Purpose::ALL.to_vec());
    // Few directions, so that many decisions are on the same one.
    let one =
        (0..2usize, 0..2usize, purpose, any::<bool>(), 0..9i64, proptest::option::of(0..20i64));
    one.prop_map(|(from, to, purpose, granted, at, expiry)| ConsentDecision {
        expires_at: expiry.map(|second| Timestamp::from_second(second).unwrap()),
        evidence: Some("ticket 7".into()),
        ..decision(from, to, purpose, granted, at)
    })
}

/// Of every domain, shown on every domain, to the user and to another.
fn shown_everywhere() -> Impressions {
    let mut shown = Impressions::default();
    for (name, by, of) in
        ["u", "v"].into_iter().flat_map(|name| (0..16).map(move |both| (name, both / 4, both % 4)))
    {
        let by = MarkedBy { user: user(name), by_domain: domain(by), domain: domain(of) };
        let day = "2026-03-01".parse().unwrap();
        shown.add(
            ImpressionDay { by, day, exposure: Exposure::Shown },
            [ItemDigest::of(&seen_by(0))],
        );
    }
    shown
}

fn decisions() -> impl Strategy<Value = Vec<ConsentDecision>> {
    let purpose = proptest::sample::select(Purpose::ALL.to_vec());
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
            .with_past((0..4).map(past).collect())
            .with_impressions(shown_everywhere());
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
        // What was shown is the business of who showed it, to that user.
        let shown: Vec<&MarkedBy> = admitted.impressions().sets().map(|(of, _)| &of.by).collect();
        let own = MarkedBy { user: me, by_domain: display.clone(), domain: target.clone() };
        let may_display = (display == target || !gpc) && [&display, &target].into_iter().all(|to| {
            ledger.permits(&display, to, Purpose::Recommendation, &definitions, now)
        });
        prop_assert_eq!(shown, if may_display { vec![&own] } else { vec![] });
        let admitted = admitted.without_events();
        let left = admitted.seen().count() + admitted.past().len() + admitted.impressions().len();
        prop_assert_eq!(left, 0);
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
            for purpose in Purpose::ALL {
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
            let before = standing(&ledger, &key);
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
            prop_assert_eq!(standing(&ledger, &key), expected);
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
            prop_assert!(!standing(&ledger, &again.key()).unwrap().granted);
        }
    }

    #[test]
    fn when_members_leave_what_was_decided_last_of_the_rest_and_of_refusals_stands(
        acts in acts(0..4, 30),
    ) {
        let mut ledger = ConsentLedger::default();
        // Who decided what, in order; a member's decision replaces their own, and the refusals of
        // who left are nobody's.
        let mut taken: Vec<(Option<usize>, ConsentDecision)> = Vec::new();
        let acts = acts.into_iter().filter(|act| !matches!(act, Act::Closes(..)));
        for one in acts {
            act(&mut ledger, one.clone());
            match one {
                Act::Decides(member, decision) => {
                    taken.retain(|(by, other)| *by != Some(member) || other.key() != decision.key());
                    taken.push((Some(member), decision));
                }
                Act::Leaves(member) => {
                    taken.retain(|(by, decision)| *by != Some(member) || !decision.granted);
                    for (by, decision) in taken.iter_mut().filter(|(by, _)| *by == Some(member)) {
                        (*by, decision.evidence, decision.expires_at) = (None, None, None);
                    }
                }
                Act::Closes(..) => {}
            }
            for key in keys() {
                let last = taken.iter().rfind(|(_, decision)| decision.key() == key);
                prop_assert_eq!(standing(&ledger, &key), last.map(|(_, last)| last.clone()));
            }
            let stored = serde_json::to_string(&ledger).unwrap();
            prop_assert_eq!(serde_json::from_str::<ConsentLedger>(&stored).unwrap(), ledger.clone());
        }
    }

    #[test]
    fn no_refusal_comes_to_permit_by_anyones_leaving(acts in acts(0..4, 30), leaves in 0..4usize) {
        let mut ledger = ConsentLedger::default();
        acts.into_iter().for_each(|one| act(&mut ledger, one));
        let before = ledger.clone();
        leave(&mut ledger, leaves);
        for key in keys() {
            if standing(&before, &key).is_some_and(|decision| !decision.granted) {
                let after = standing(&ledger, &key);
                let is_refused = after.is_some_and(|decision| !decision.granted)
                    || ledger.is_closed(&key.0, key.2);
                prop_assert!(is_refused, "{:?}", key);
            }
        }
        for (from, _, purpose) in keys() {
            prop_assert!(!before.is_closed(&from, purpose) || ledger.is_closed(&from, purpose));
        }
        let stored = serde_json::to_string(&ledger).unwrap();
        prop_assert!(!stored.contains(MEMBERS[leaves]));
    }

    #[test]
    fn it_makes_no_difference_whether_a_member_leaves_before_or_after_a_link(
        one in acts(0..2, 12), other in acts(2..4, 12), leaving in 0..2usize, now in 0..25i64,
    ) {
        let ledger = |acts: &[Act]| {
            let mut ledger = ConsentLedger::default();
            let acts = acts.iter().filter(|act| !matches!(act, Act::Closes(..)));
            acts.cloned().for_each(|one| act(&mut ledger, one));
            ledger
        };
        let (mut one, other) = (ledger(&one), ledger(&other));
        let mut merged = one.clone();
        merged.merge(other.clone());
        let stored = serde_json::to_string(&merged).unwrap();
        let mut merged: ConsentLedger = serde_json::from_str(&stored).unwrap();
        leave(&mut merged, leaving);
        leave(&mut one, leaving);
        one.merge(other);
        prop_assert_eq!(permitted(&merged, now), permitted(&one, now));
    }

    #[test]
    fn a_ledger_of_two_permits_nothing_that_either_closed_or_refused(
        one in acts(0..2, 20), other in acts(2..4, 20), now in 0..25i64,
    ) {
        let ledger = |acts: Vec<Act>| {
            let mut ledger = ConsentLedger::default();
            acts.into_iter().for_each(|one| act(&mut ledger, one));
            ledger
        };
        let (one, other) = (ledger(one), ledger(other));
        let mut merged = one.clone();
        merged.merge(other.clone());
        let (of_one, of_other) = (permitted(&one, now), permitted(&other, now));
        for (place, (key, permits)) in keys().zip(permitted(&merged, now)).enumerate() {
            let says = |ledger: &ConsentLedger| {
                standing(ledger, &key).is_some() || ledger.is_closed(&key.0, key.2)
            };
            for (ledger, permitted) in [(&one, &of_one), (&other, &of_other)] {
                prop_assert!(!permits || !says(ledger) || permitted[place], "{:?}", key);
            }
        }
    }

    #[test]
    fn what_is_closed_permits_only_what_is_granted_since(
        acts in acts(0..4, 20), closing in any_decision(), after in acts(0..4, 20),
    ) {
        let mut ledger = ConsentLedger::default();
        acts.into_iter().for_each(|one| act(&mut ledger, one));
        let refusal = ConsentDecision { granted: false, ..closing };
        ledger.close_by(&user(MEMBERS[0]), &refusal);
        let key = refusal.key();
        prop_assert!(!permitted(&ledger, 0)[keys().position(|other| other == key).unwrap()]);
        for one in after {
            let is_of_it = |decision: &ConsentDecision| decision.key() == key;
            let granted = matches!(&one, Act::Decides(_, decision)
                if decision.granted && is_of_it(decision) && decision.expires_at.is_none());
            act(&mut ledger, one);
            let permits = permitted(&ledger, 0)[keys().position(|other| other == key).unwrap()];
            prop_assert!(permits || !granted);
            prop_assert!(!permits || standing(&ledger, &key).is_some_and(|decision| decision.granted));
        }
    }

    #[test]
    fn a_ledger_of_one_member_has_one_decision_a_direction_and_is_stored_as_ever(
        decisions in proptest::collection::vec(any_decision(), 0..40),
    ) {
        let mut ledger = ConsentLedger::default();
        for decision in decisions {
            ledger.record_by(&user(MEMBERS[0]), decision);
            let stored = serde_json::to_value(&ledger).unwrap();
            let list = stored.as_array().expect("a list, as before anything else was kept");
            prop_assert_eq!(list.len(), ledger.decisions().count());
            prop_assert!(list.iter().all(|decision| decision.get("beside").is_none()));
        }
    }

    #[test]
    fn forgetting_a_domain_takes_grants_about_it_and_leaves_every_refusal(
        acts in acts(0..4, 30), forgotten in 0..4usize,
    ) {
        let mut ledger = ConsentLedger::default();
        acts.into_iter().for_each(|one| act(&mut ledger, one));
        let (before, forgotten) = (ledger.clone(), domain(forgotten));
        ledger.forget(&forgotten);
        let again = ledger.clone().forget(&forgotten);
        prop_assert!(!again, "a second time nothing is changed");
        for key in keys() {
            let (was, is) = (standing(&before, &key), standing(&ledger, &key));
            if key.0 != forgotten && key.1 != forgotten {
                prop_assert_eq!(was, is);
                continue;
            }
            prop_assert!(is.as_ref().is_none_or(|is| !is.granted && is.evidence.is_none()));
            let is_refused = is.is_some() || ledger.is_closed(&key.0, key.2);
            prop_assert!(is_refused || was.is_none_or(|was| was.granted), "{:?}", key);
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
        for key in keys().filter(|key| standing(&merged, key).is_some()) {
            let permits = |ledger: &ConsentLedger| {
                let is_decided = standing(ledger, &key).is_some();
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
    assert!(!ledger.permits(&domain(0), &domain(1), Purpose::Recommendation, &definitions(), now));
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

#[test]
fn refusals_of_nobody_known_are_closed_beyond_their_room_beginning_with_the_most() {
    let named = |name: &str, number: usize| DomainId::parse(&format!("{name}{number}")).unwrap();
    let mut ledger = ConsentLedger::default();
    let refuse = |ledger: &mut ConsentLedger, from: &str, number| {
        let refusal = ConsentDecision {
            from: DomainId::parse(from).unwrap(),
            to: named("to", number),
            ..decision(0, 1, Purpose::Training, false, 1)
        };
        ledger.record_by(&user("m0"), refusal);
        leave(ledger, 0);
    };
    refuse(&mut ledger, "few", 0);
    for number in 0..400 {
        refuse(&mut ledger, "many", number);
    }
    let stored = serde_json::to_string(&ledger).unwrap();
    assert!(stored.len() < MAX_BARE_BYTES, "{} bytes", stored.len());
    let (few, many) = (DomainId::parse("few").unwrap(), DomainId::parse("many").unwrap());
    assert!(
        ledger.is_closed(&many, Purpose::Training) && !ledger.is_closed(&few, Purpose::Training)
    );
    assert!(!ledger.is_closed(&many, Purpose::Recommendation));
    assert_eq!(ledger.decisions().map(|kept| &kept.from).collect::<Vec<_>>(), [&few]);
    assert_eq!(serde_json::from_str::<ConsentLedger>(&stored).unwrap(), ledger);
}

#[test]
fn more_domains_than_can_be_closed_by_name_are_all_closed() {
    let mut ledger = ConsentLedger::default();
    let named = |number: usize| DomainId::parse(&format!("d{number}")).unwrap();
    for number in 0..=closed::MAX_CLOSED_DOMAINS {
        assert!(!ledger.is_closed(&named(usize::MAX), Purpose::Training));
        let refusal =
            ConsentDecision { from: named(number), ..decision(0, 1, Purpose::Training, false, 1) };
        ledger.close_by(&user("m0"), &refusal);
    }
    assert!(ledger.is_closed(&named(usize::MAX), Purpose::Training));
    assert!(!ledger.is_closed(&named(0), Purpose::Recommendation));
    assert_eq!(ledger.closed_domains().count(), 0);
}

#[test]
fn a_grant_that_was_withdrawn_without_room_for_that_does_not_come_back_by_being_sent_again() {
    let mut ledger = ConsentLedger::default();
    let (one, other) = (user("m0"), user("m1"));
    let grant = decision(0, 1, Purpose::Training, true, 9);
    ledger.record_by(&other, grant.clone());
    ledger.close_by(&one, &decision(0, 1, Purpose::Training, false, 2));
    for member in [&one, &other] {
        ledger.record_dated_by(member, grant.clone());
        assert!(ledger.decisions().all(|decision| !decision.granted));
    }
    let elsewhere = decision(0, 2, Purpose::Training, true, 9);
    ledger.record_dated_by(&one, elsewhere.clone());
    assert_eq!(ledger.decisions().count(), 1, "what was refused there is not known");
    ledger.record_by(&one, elsewhere);
    assert_eq!(ledger.decisions().filter(|decision| decision.granted).count(), 1);
}

#[test]
fn no_default_lets_anybodys_means_be_told_of_and_a_grant_does_with_the_use_of_the_evidence() {
    let default =
        ConsentDefault { to: domain(0), purpose: Purpose::FinancialProfiling, granted: true };
    let mut definitions = definitions();
    definitions.values_mut().for_each(|own| own.consent_defaults.push(default.clone()));
    assert!(definitions.values().all(|own| own.check().is_err()), "it cannot be defined");
    let tells = |ledger: &ConsentLedger, from: usize, cross_domain: CrossDomain| {
        let now = Timestamp::UNIX_EPOCH;
        let context = ConsentContext { ledger, definitions: &definitions, now };
        context.may_tell_of_means(&domain(from), &domain(0), cross_domain)
    };
    let by_consent = CrossDomain::ByConsent;
    assert!((0..4).all(|from| !tells(&ConsentLedger::default(), from, by_consent)));
    let means = |from| decision(from, 0, Purpose::FinancialProfiling, true, 0);
    let own = ConsentLedger::from(vec![means(0)]);
    assert!(tells(&own, 0, by_consent) && tells(&own, 0, CrossDomain::Never));
    assert!(!tells(&own, 1, by_consent));
    let alone = ConsentLedger::from(vec![means(1)]);
    assert!(!tells(&alone, 1, by_consent), "the evidence itself may not be used");
    let both = vec![means(1), decision(1, 0, Purpose::Recommendation, true, 0)];
    let both = ConsentLedger::from(both);
    assert!(tells(&both, 1, by_consent) && !tells(&both, 1, CrossDomain::Never));
    let opted_out = vec![means(0), decision(0, 0, Purpose::Recommendation, false, 0)];
    assert!(!tells(&ConsentLedger::from(opted_out), 0, by_consent));
}

proptest! {
    #[test]
    fn nothing_of_a_persons_means_is_evidence_without_both_consents(
        decisions in decisions(), display in 0..4usize, gpc in any::<bool>(), now in 0..25i64,
    ) {
        let (ledger, definitions) = (ConsentLedger::from(decisions), definitions());
        let now = Timestamp::from_second(now).unwrap();
        let history = History::new((0..4).map(|from| event(from, from as i64)).collect(), []);
        let context = ConsentContext { ledger: &ledger, definitions: &definitions, now };
        let (me, display) = (user("me"), domain(display));
        let cross_domain = if gpc { CrossDomain::Never } else { CrossDomain::ByConsent };
        let request =
            RecommendationUse { user: &me, display: &display, target: &display, cross_domain };
        let consented = ConsentedHistory::for_recommendation(&history, context, &request);
        let declared = crate::people::Declared::from([("income_band".into(), "B".into())]);
        let evidence =
            EconomicEvidence::of(&consented, &declared, context, (&display, cross_domain));
        for from in (0..4).map(domain) {
            let permits = |purpose| ledger.permits(&from, &display, purpose, &definitions, now);
            let may = (from == display || !gpc)
                && [Purpose::Recommendation, Purpose::FinancialProfiling].into_iter().all(permits);
            let told = evidence.as_ref().is_some_and(|evidence| {
                evidence.events().any(|event| event.domain == from)
            });
            prop_assert_eq!(told, may);
            if from == display {
                let band = evidence.as_ref().and_then(|evidence| evidence.declared("income_band"));
                prop_assert_eq!(band.is_some(), may);
            }
        }
    }
}
