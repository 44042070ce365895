//! What may be served: every rule holds for every slate, and says why.

use proptest::prelude::*;

use super::*;
use crate::entities::consent::ConsentContext;
use crate::entities::history::Dismissal;
use crate::serving::admit::{admit, may_use_evidence_of};
use crate::serving::request::MAX_LIMIT;
use crate::serving::rules::Ineligible;

/// A catalogue and what there is against some of its items, by number.
#[derive(Debug, Clone)]
struct Objections {
    hidden: BTreeSet<usize>,
    expired: BTreeSet<usize>,
    deleted: BTreeSet<usize>,
    seen: BTreeSet<usize>,
    dismissed: BTreeSet<usize>,
    excluded: BTreeSet<usize>,
}

impl Objections {
    fn catalogue(&self) -> Vec<Item> {
        let mut items = items(&knowledge());
        for (number, item) in items.iter_mut().enumerate() {
            let details = item.details.as_mut().unwrap();
            if self.hidden.contains(&number) {
                details.status = ItemStatus::Hidden;
            }
            if self.expired.contains(&number) {
                details.available_until = Some(now());
            }
            if self.deleted.contains(&number) {
                item.details = None;
            }
        }
        items
    }

    fn history(&self) -> History {
        let seen: Vec<usize> = self.seen.iter().copied().collect();
        let dismissals = self.dismissed.iter().map(|&number| Dismissal {
            user: the_user(),
            by_domain: knowledge(),
            domain: knowledge(),
            item_id: item_id(number),
        });
        History::new(did(knowledge(), &seen), dismissals)
    }

    fn request(&self, personalised: bool) -> SlateRequest {
        SlateRequest {
            limit: MAX_LIMIT,
            personalised,
            excluded: self.excluded.iter().map(|&n| (knowledge(), item_id(n))).collect(),
            ..asking(knowledge(), knowledge())
        }
    }

    /// Why an item may not be served, by the order of the rules.
    fn against(&self, number: usize, personalised: bool) -> Option<Ineligible> {
        let gone = [&self.hidden, &self.expired, &self.deleted];
        let reasons = [
            (gone.iter().any(|set| set.contains(&number)), Ineligible::Unavailable),
            (personalised && self.seen.contains(&number), Ineligible::Seen),
            (self.dismissed.contains(&number), Ineligible::Dismissed),
            (self.excluded.contains(&number), Ineligible::Excluded),
        ];
        reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
    }

    /// Every item, as it was sorted: `None` for one that was kept.
    fn sorted(&self, personalised: bool) -> BTreeMap<usize, Option<Ineligible>> {
        let (user, definitions) = (the_user(), both_defined());
        let (consents, history) = (ConsentLedger::default(), self.history());
        let recipient =
            Recipient { user: &user, consents: &consents, history: &history, version: None };
        let request = self.request(personalised);
        let asked = AdmittedRequest::new(&request, recipient, &definitions);
        let catalogues = catalogues_of(self.catalogue(), None);
        let refusals = &admit(&asked, &catalogues)[0].refusals;
        let sorted: Vec<_> = refusals.reasons().iter().copied().enumerate().collect();
        assert_eq!(sorted.len(), ITEMS, "each item is there");
        sorted.into_iter().collect()
    }
}

fn some_items() -> impl Strategy<Value = BTreeSet<usize>> {
    proptest::collection::btree_set(0..ITEMS, 0..4)
}

fn objections() -> impl Strategy<Value = Objections> {
    let sets = (some_items(), some_items(), some_items(), some_items(), some_items(), some_items());
    sets.prop_map(|(hidden, expired, deleted, seen, dismissed, excluded)| Objections {
        hidden,
        expired,
        deleted,
        seen,
        dismissed,
        excluded,
    })
}

fn domain_number(number: usize) -> DomainId {
    DomainId::parse(["a", "b", "c"][number]).unwrap()
}

proptest! {
    #[test]
    fn what_is_not_read_would_not_have_been_used(
        decided in proptest::collection::vec((0..3usize, 0..3usize, any::<bool>()), 0..9),
        (from, display) in (0..3usize, 0..3usize),
        targets in proptest::collection::btree_set(0..3usize, 1..4),
        by_consent in any::<bool>(),
        is_defined in any::<bool>(),
    ) {
        let of = domain_number;
        let decisions = decided.into_iter().map(|(from, to, granted)| ConsentDecision {
            from: of(from),
            to: of(to),
            purpose: Purpose::Recommendation,
            granted,
            decided_at: now(),
            expires_at: None,
            evidence: None,
        });
        let consents = ConsentLedger::from(decisions.collect::<Vec<_>>());
        let defined = (0..3).filter(|number| is_defined || *number != from);
        let definitions: Definitions = defined.map(|n| (of(n), definition())).collect();
        let request = SlateRequest {
            targets: targets.into_iter().map(of).collect(),
            cross_domain: if by_consent { CrossDomain::ByConsent } else { CrossDomain::Never },
            ..asking(of(display), of(display))
        };
        // Another user of the person has an event and a dismissal on the platform.
        let other = Pseudonym::parse("other").unwrap();
        let mut events = did(of(from), &[0]);
        events[0].user = other.clone();
        let dismissal = Dismissal { user: other, by_domain: of(from), domain: of(0), item_id: item_id(1) };
        let history = History::new(events, [dismissal]);
        let user = the_user();
        let recipient = Recipient { user: &user, consents: &consents, history: &history, version: None };
        let asked = AdmittedRequest::new(&request, recipient, &definitions);
        let catalogues: Catalogues =
            request.targets.iter().map(|to| (to.clone(), Arc::default())).collect();
        let is_used = admit(&asked, &catalogues).iter().any(|target| {
            !target.history.events().is_empty() || target.history.dismissed().next().is_some()
        });
        let context =
            ConsentContext { ledger: &consents, definitions: &definitions, now: request.now };
        prop_assert_eq!(may_use_evidence_of(&of(from), &request, context), is_used);
    }

    #[test]
    fn nothing_that_a_rule_refuses_is_ever_served_and_all_else_may_be(
        objections in objections(), personalised in any::<bool>(), has_model in any::<bool>(),
    ) {
        let model = has_model.then(bridged_model);
        let (history, request) = (objections.history(), objections.request(personalised));
        let person = (&ConsentLedger::default(), &history);
        let decided = slate_for(model.as_ref(), objections.catalogue(), person, &request);
        let served: BTreeSet<usize> = numbers(&decided).into_iter().collect();
        let eligible = (0..ITEMS).filter(|&n| objections.against(n, personalised).is_none());
        prop_assert_eq!(served, eligible.collect::<BTreeSet<usize>>());
    }

    #[test]
    fn every_item_left_out_is_known_with_the_first_reason(
        objections in objections(), personalised in any::<bool>(),
    ) {
        for (number, reason) in objections.sorted(personalised) {
            prop_assert_eq!(reason, objections.against(number, personalised));
        }
    }
}

#[test]
fn each_rule_gives_its_reason() {
    let only = |number| BTreeSet::from([number]);
    let objections = Objections {
        hidden: only(0),
        expired: only(1),
        deleted: only(2),
        seen: only(3),
        dismissed: only(4),
        excluded: only(5),
    };
    let reasons: Vec<Option<Ineligible>> = objections.sorted(true).into_values().collect();
    let gone = Some(Ineligible::Unavailable);
    let (seen, dismissed) = (Some(Ineligible::Seen), Some(Ineligible::Dismissed));
    let excluded = Some(Ineligible::Excluded);
    assert_eq!(reasons, [gone, gone, gone, seen, dismissed, excluded, None, None]);
}

#[test]
fn an_item_of_another_domain_with_the_same_id_is_not_meant() {
    let history = History::new(did(auto(), &[0]), []);
    let request = SlateRequest {
        excluded: BTreeSet::from([(auto(), item_id(1))]),
        ..asking(knowledge(), knowledge())
    };
    let decided = slate_for(None, both(), (&both_granted(), &history), &request);
    assert_eq!(numbers(&decided), [0, 1, 2, 3]);
}

#[test]
fn an_item_counts_as_seen_for_as_long_as_its_event_type_says() {
    let user = the_user();
    let sorted = |meaning: serde_json::Value, days_ago: i64| {
        let mut definitions = both_defined();
        let definition = definitions.get_mut(&knowledge()).unwrap();
        let view = EventType::parse("view").unwrap();
        definition.event_types.insert(view, serde_json::from_value(meaning).unwrap());
        let occurred_at = now() - jiff::SignedDuration::from_hours(24 * days_ago);
        let viewed = did(knowledge(), &[3]).into_iter().map(|event| Event { occurred_at, ..event });
        let history = History::new(viewed.collect(), []);
        let consents = ConsentLedger::default();
        let recipient =
            Recipient { user: &user, consents: &consents, history: &history, version: None };
        let request = asking(knowledge(), knowledge());
        let asked = AdmittedRequest::new(&request, recipient, &definitions);
        let catalogues = catalogues_of(items(&knowledge()), None);
        let refusals = admit(&asked, &catalogues)[0].refusals.clone();
        let refused = refusals.reasons().iter().enumerate();
        refused.filter_map(|(at, reason)| Some((at, (*reason)?))).collect::<Vec<_>>()
    };
    let seen = vec![(3, Ineligible::Seen)];
    assert_eq!(sorted(serde_json::json!({"weight": 1}), 10), seen);
    assert_eq!(sorted(serde_json::json!({"weight": 1, "seen_days": "forever"}), 10), seen);
    assert_eq!(sorted(serde_json::json!({"weight": 1, "seen_days": 11}), 10), seen);
    assert_eq!(sorted(serde_json::json!({"weight": 1, "seen_days": 10}), 10), []);
    assert_eq!(sorted(serde_json::json!({"weight": 1, "seen_days": 0}), 0), []);
    // What tells against an item, or says nothing either way, is seen all the same.
    assert_eq!(sorted(serde_json::json!({"weight": 1, "negative": true}), 1), seen);
    assert_eq!(sorted(serde_json::json!({"weight": 1, "neutral_value": 3}), 1), seen);
}
