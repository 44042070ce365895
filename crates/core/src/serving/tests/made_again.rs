//! A logged decision is made again from the same inputs, and of an input that changed it is
//! said which.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::entities::decision::Decision;
use crate::entities::history::{Dismissal, SeenItem};
use crate::serving::replay::{Change, Permission, Present, Replayed, domains_to_read, replay};

/// Everything that a decision rests on, and may change afterwards.
#[derive(Clone)]
struct World {
    items: Vec<Item>,
    model: Option<Model>,
    definitions: Definitions,
    consents: ConsentLedger,
    events: Vec<Event>,
    dismissals: Vec<Dismissal>,
    seen: Vec<SeenItem>,
    not_reached: BTreeSet<DomainId>,
    now: Timestamp,
    cross_domain: CrossDomain,
}

/// The change that every entry is of at first.
const FIRST: ChangeNumber = ChangeNumber(7);

impl World {
    /// A person of `knowledge` who liked some items there, and lets `auto` know.
    fn of(liked: &[usize]) -> Self {
        let numbered = |item: Item| Item { change: FIRST, ..item };
        Self {
            items: both().into_iter().map(numbered).collect(),
            model: Some(bridged_model()),
            definitions: both_defined(),
            consents: both_granted(),
            events: did(knowledge(), liked),
            dismissals: Vec::new(),
            seen: Vec::new(),
            not_reached: BTreeSet::new(),
            now: now(),
            cross_domain: CrossDomain::ByConsent,
        }
    }

    fn history(&self) -> History {
        History::new(self.events.clone(), self.dismissals.clone()).with_seen(self.seen.clone())
    }

    /// A decision as its record is read from the log.
    fn decide(&self, request: &SlateRequest) -> Decision {
        let (user, history) = (the_user(), self.history());
        let recipient = Recipient {
            user: &user,
            consents: &self.consents,
            history: &history,
            version: Some(3),
        };
        let asked = AdmittedRequest::new(request, recipient, &self.definitions);
        let (model, catalogues) = (self.model.as_ref(), self.catalogues());
        let serving =
            Serving { model, catalogues: &catalogues, policy: &ALS_FOLD_IN, degraded: &[] };
        let decision = decide(serving, &asked).decision;
        serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap()
    }

    fn catalogues(&self) -> Catalogues {
        catalogues_of(self.items.clone(), self.model.as_ref())
    }

    fn replay(&self, recorded: &Decision) -> Replayed {
        let (history, catalogues) = (self.history(), self.catalogues());
        let present = Present {
            now: self.now,
            model: self.model.as_ref(),
            catalogues: &catalogues,
            descriptions: Some(&Default::default()),
            definitions: &self.definitions,
            consents: &self.consents,
            history: &history,
            not_reached: &self.not_reached,
            cross_domain: self.cross_domain,
        };
        replay(recorded, &present)
    }

    /// Changes an item as a platform does: as a later change, at a later time.
    fn change(&mut self, domain: &DomainId, id: &ItemId, change: impl Fn(&mut Item)) {
        let item = self.items.iter_mut().find(|item| item.domain == *domain && item.item_id == *id);
        let item = item.unwrap();
        item.change = ChangeNumber(FIRST.0 + 1);
        item.updated_at = now() + SignedDuration::from_hours(1);
        change(item);
    }
}

/// The user who asks does not want an item of a domain.
fn dismissal(of: DomainId, number: usize) -> Dismissal {
    let by_domain = knowledge();
    Dismissal { user: the_user(), by_domain, domain: of, item_id: item_id(number) }
}

fn hide(item: &mut Item) {
    item.details.as_mut().unwrap().status = ItemStatus::Hidden;
}

fn retitle(item: &mut Item) {
    item.details.as_mut().unwrap().title = "another".into();
}

#[track_caller]
fn assert_same(world: &World, recorded: &Decision, what: &str) {
    let replayed = world.replay(recorded);
    assert_eq!(replayed.findings, [], "{what}");
    assert_eq!(replayed.slate.as_ref(), Some(&recorded.slate), "{what}");
    assert!(replayed.is_same());
}

#[track_caller]
fn assert_told(world: &World, recorded: &Decision, code: Change, domains: &[DomainId]) {
    let replayed = world.replay(recorded);
    let [finding] = &replayed.findings[..] else { panic!("{code:?}: {replayed:?}") };
    assert_eq!(finding.code, code);
    assert!(finding.domains.iter().eq(domains), "{code:?}: {finding:?}");
    assert!(!replayed.is_same());
}

/// The domains of a decision's evidence.
fn sources(recorded: &Decision) -> Vec<DomainId> {
    let sources = &recorded.basis.as_ref().unwrap().sources;
    sources.iter().map(|source| source.domain.clone()).collect()
}

/// What may change and moves no slate that was served.
fn check_what_does_not_matter(world: &World, recorded: &Decision) {
    assert_same(world, recorded, "nothing changed");
    let on_slate = |item: &Item| recorded.served(&item.domain, &item.item_id);
    let mut changed = world.clone();
    for item in &world.items {
        if on_slate(item) {
            changed.change(&item.domain, &item.item_id, retitle);
        } else {
            changed.change(&item.domain, &item.item_id, hide);
        }
    }
    let new = Item { item_id: ItemId::parse("new").unwrap(), ..changed.items[0].clone() };
    changed.items.extend([Item { domain: auto(), ..new.clone() }, new]);
    assert_same(&changed, recorded, "titles, other items hidden, new items");

    let mut since = world.clone();
    since.events.extend(did(auto(), &[1, 2]));
    since.events.extend(did(knowledge(), &[6]).into_iter().map(|event| Event {
        event_id: EventId::parse("later").unwrap(),
        received_at: now() + SignedDuration::from_millis(1),
        ..event
    }));
    // Also what was not on it: it is no more than what was there.
    for item in &world.items {
        let (user, by_domain) = (the_user(), knowledge());
        let (domain, item_id) = (item.domain.clone(), item.item_id.clone());
        since.dismissals.push(Dismissal {
            user: user.clone(),
            by_domain: by_domain.clone(),
            domain: domain.clone(),
            item_id: item_id.clone(),
        });
        since.seen.push(SeenItem { user, by_domain, domain, item_id });
    }
    if sources(recorded) == [knowledge()] {
        assert_same(&since, recorded, "what the person did since");
    }
}

/// Each input in turn.
fn check_what_matters(world: &World, recorded: &Decision) {
    let first = &recorded.slate[0];
    for gone in [hide, |item: &mut Item| item.details = None] {
        let mut changed = world.clone();
        changed.change(&first.domain, &first.item_id, gone);
        assert_told(
            &changed,
            recorded,
            Change::CatalogueChanged,
            std::slice::from_ref(&first.domain),
        );
        let items = &changed.replay(recorded).findings[0].items;
        assert!(items.iter().map(|item| &item.item_id).eq([&first.item_id]));
    }
    if recorded.model.is_some() {
        assert_told(&World { model: None, ..world.clone() }, recorded, Change::ModelGone, &[]);
    }
    let renamed = Decision { policy: "als-fold-in/0".into(), ..recorded.clone() };
    assert_told(world, &renamed, Change::PolicyGone, &[]);
    let before = Decision { basis: None, ..recorded.clone() };
    assert_told(world, &before, Change::NotRecorded, &[]);
    // Its digests named users, who are called otherwise once keys were rotated.
    let mut before = recorded.clone();
    before.basis.as_mut().unwrap().revision = 0;
    assert_told(world, &before, Change::NotRecorded, &[]);
    let mut many = recorded.clone();
    many.basis.as_mut().unwrap().excluded_not_kept = 1;
    assert_told(world, &many, Change::ExcludedNotKept, &[]);
    let mut other = recorded.clone();
    other.slate[0].score += 0.5;
    assert_told(world, &other, Change::SlateDiffers, &[]);
    let mut other = recorded.clone();
    other.slate[0].propensity = 0.5;
    assert_told(world, &other, Change::SlateDiffers, &[]);
}

/// Each input that only a slate from evidence of `knowledge` has.
fn check_evidence(world: &World, recorded: &Decision) {
    let from = [knowledge()];
    let told = |changed: &World, code| assert_told(changed, recorded, code, &from);
    let mut changed = world.clone();
    changed.events.pop();
    told(&changed, Change::EvidenceChanged);
    let mut changed = world.clone();
    changed.events[0].dwell_seconds = Some(1);
    told(&changed, Change::EvidenceChanged);
    let not_reached = World { not_reached: from.clone().into(), ..world.clone() };
    told(&not_reached, Change::TooManySince);
    let mut changed = world.clone();
    changed.definitions.get_mut(&knowledge()).unwrap().half_life_days += 1.0;
    told(&changed, Change::DefinitionsChanged);
    let mut changed = world.clone();
    changed.definitions.remove(&knowledge());
    told(&changed, Change::DefinitionsChanged);
    if recorded.basis.as_ref().unwrap().targets.contains(&auto()) {
        let refused = world.consents.without(&[(knowledge(), auto())], Purpose::Recommendation);
        told(&World { consents: refused, ..world.clone() }, Change::ConsentsChanged);
        let asks = World { cross_domain: CrossDomain::Never, ..world.clone() };
        told(&asks, Change::ConsentsChanged);
    }
}

proptest! {
    #[test]
    fn from_the_same_inputs_the_same_slate_is_made_and_of_each_that_changed_it_is_said_which(
        liked in proptest::collection::btree_set(0..ITEMS, 0..5),
        excluded in proptest::collection::btree_set(0..ITEMS, 0..4),
        dismissed in proptest::collection::btree_set(0..ITEMS, 0..3),
        seed in any::<u64>(), limit in 1..6usize, targets in 1..4usize, has_model in any::<bool>(),
        personalised in any::<bool>(),
    ) {
        let liked: Vec<usize> = liked.into_iter().collect();
        let world = World::of(&liked);
        let world = if has_model { world } else { World { model: None, ..world } };
        let mut world = world;
        world.dismissals = dismissed.iter().map(|&number| dismissal(knowledge(), number)).collect();
        let all = [knowledge(), auto()];
        let targets: BTreeSet<DomainId> =
            (0..2).filter(|at| targets >> at & 1 == 1).map(|at| all[at].clone()).collect();
        let first = targets.first().unwrap().clone();
        let request = SlateRequest {
            seed, limit, personalised,
            excluded: excluded.iter().map(|&number| (first.clone(), item_id(number))).collect(),
            targets: targets.clone(),
            ..asking(knowledge(), first)
        };
        let recorded = world.decide(&request);
        prop_assume!(!recorded.slate.is_empty());
        check_what_does_not_matter(&world, &recorded);
        check_what_matters(&world, &recorded);
        let is_used = personalised && !liked.is_empty()
            && (has_model || targets.contains(&knowledge()));
        prop_assert_eq!(sources(&recorded) == [knowledge()], is_used);
        if targets.contains(&knowledge()) && !dismissed.is_empty() {
            let mut changed = world.clone();
            changed.dismissals.pop();
            assert_told(&changed, &recorded, Change::EvidenceChanged, &[knowledge()]);
        }
        if is_used && (has_model || targets.len() == 1) {
            check_evidence(&world, &recorded);
        }
    }
}

/// What a request for `auto` from `knowledge` is served, from two likes.
fn usual() -> (World, Decision) {
    let world = World::of(&[5, 6]);
    let recorded = world.decide(&asking(knowledge(), auto()));
    assert_eq!(sources(&recorded), [knowledge()]);
    (world, recorded)
}

#[test]
fn a_consent_that_has_run_out_since_is_not_used_again() {
    let (mut world, _) = usual();
    let mut grant = both_granted().decisions().next().unwrap().clone();
    (grant.from, grant.to) = (knowledge(), auto());
    grant.expires_at = Some(now() + SignedDuration::from_mins(1));
    world.consents.record(grant);
    let recorded = world.decide(&asking(knowledge(), auto()));
    assert_same(&world, &recorded, "while it holds");
    world.now = now() + SignedDuration::from_mins(1);
    assert_told(&world, &recorded, Change::ConsentsChanged, &[knowledge()]);
    let permission = |world: &World, now| {
        let permission = Permission {
            now,
            consents: &world.consents,
            definitions: &world.definitions,
            cross_domain: CrossDomain::ByConsent,
        };
        domains_to_read(&recorded, &permission)
    };
    assert_eq!(permission(&world, now()), BTreeSet::from([knowledge()]));
    assert_eq!(permission(&world, world.now), BTreeSet::new(), "its history is not even read");
}

#[test]
fn evidence_that_may_not_be_used_is_in_no_digest_and_its_coming_and_going_is_not_told() {
    let (mut world, _) = usual();
    world.consents = world.consents.without(&[(auto(), knowledge())], Purpose::Recommendation);
    let request = asking(knowledge(), knowledge());
    let recorded = world.decide(&request);
    let with_more =
        World { events: [did(auto(), &[1]), world.events.clone()].concat(), ..world.clone() };
    let other = with_more.decide(&request);
    assert_eq!(recorded.basis, other.basis);
    assert_same(&with_more, &recorded, "evidence of another platform");
    assert_same(&world, &other, "none of it");
    // Nor is it told once it may be used: it was not.
    let granted = World { consents: both_granted(), ..with_more };
    assert_same(&granted, &recorded, "a consent that was given since");
}

#[test]
fn of_each_user_as_much_is_used_again_as_was_read() {
    let mut world = World::of(&[]);
    let event = |number: usize| Event {
        event_id: EventId::parse(&format!("e{number:05}")).unwrap(),
        occurred_at: now() - SignedDuration::from_mins(number as i64),
        ..did(knowledge(), &[number % 3]).remove(0)
    };
    world.events = (0..crate::serving::request::MAX_HISTORY).map(event).collect();
    let recorded = world.decide(&asking(knowledge(), auto()));
    world.events.extend((1_000..1_100).map(event));
    assert_same(&world, &recorded, "older events, which were not read");
    let newer = |number: usize| Event {
        event_id: EventId::parse(&format!("newer {number}")).unwrap(),
        occurred_at: now() + SignedDuration::from_mins(1),
        received_at: now() + SignedDuration::from_mins(1),
        ..event(number)
    };
    world.events.extend((0..100).map(newer));
    assert_same(&world, &recorded, "newer events, which push others out");
}

#[test]
fn what_kept_items_back_is_told_where_another_slate_is_made_without_it() {
    let mut world = World::of(&[5, 6]);
    world.dismissals = vec![dismissal(auto(), 4)];
    let recorded = world.decide(&asking(knowledge(), auto()));
    // Another in its place, of an item that was on the slate or not: what is there is no less.
    let with = |number| World { dismissals: vec![dismissal(auto(), number)], ..world.clone() };
    let told: Vec<_> = (0..ITEMS).filter(|number| *number != 4).map(with).collect();
    let without = World { dismissals: Vec::new(), ..world.clone() };
    for world in told.iter().chain([&without]) {
        assert_told(world, &recorded, Change::EvidenceChanged, &[knowledge()]);
    }
    // As much as a platform may use of what another user of the person dismissed there.
    let other = |user: &str, number| Dismissal {
        user: Pseudonym::parse(user).unwrap(),
        ..dismissal(auto(), number)
    };
    let mut linked = world.clone();
    linked.dismissals = vec![other("w", 4)];
    let recorded = linked.decide(&asking(knowledge(), auto()));
    let kept_back = &recorded.basis.as_ref().unwrap().kept_back;
    assert_eq!((kept_back.len(), kept_back[0].items), (1, 1));
    assert_same(&linked, &recorded, "nothing changed");
    // By another name, as after a rotation of keys.
    let renamed = World { dismissals: vec![other("v2_w", 4)], ..linked.clone() };
    assert_same(&renamed, &recorded, "another name");
    let refused = world.consents.without(&[(knowledge(), auto())], Purpose::Recommendation);
    let refused = World { consents: refused, ..linked };
    assert_told(&refused, &recorded, Change::ConsentsChanged, &[knowledge()]);
    let recorded = refused.decide(&asking(knowledge(), auto()));
    assert_eq!(recorded.basis.as_ref().unwrap().kept_back, [], "it may not be used");
}

/// Other users of the person with a like each on `knowledge`, of before.
fn of_others(count: usize) -> Vec<Event> {
    let of = |number: usize| Event {
        user: Pseudonym::parse(&format!("o{number}")).unwrap(),
        event_id: EventId::parse(&format!("other {number}")).unwrap(),
        ..did(knowledge(), &[1]).remove(0)
    };
    (0..count).map(of).collect()
}

#[test]
fn evidence_of_who_was_linked_since_does_not_count() {
    for linked_then in 0..6 {
        let mut world = World::of(&[5, 6]);
        world.events.extend(of_others(linked_then));
        let recorded = world.decide(&asking(knowledge(), auto()));
        for linked_now in linked_then..6 {
            let mut since = World::of(&[5, 6]);
            since.events.extend(of_others(linked_now));
            assert_same(&since, &recorded, &format!("{linked_now} instead of {linked_then}"));
        }
        let mut since = World::of(&[5, 6]);
        since.events.extend(of_others(6));
        assert_told(&since, &recorded, Change::LinksChanged, &[knowledge()]);
        if linked_then > 0 {
            since.events = did(knowledge(), &[5, 6]);
            assert_told(&since, &recorded, Change::EvidenceChanged, &[knowledge()]);
        }
    }
    // So many at once are all as it was, or not.
    let mut world = World::of(&[5, 6]);
    world.events.extend(of_others(9));
    let recorded = world.decide(&asking(knowledge(), auto()));
    assert_same(&world, &recorded, "as many as then");
    world.events.pop();
    assert_told(&world, &recorded, Change::EvidenceChanged, &[knowledge()]);
}

#[test]
fn what_users_are_called_changes_nothing() {
    let mut world = World::of(&[5, 6]);
    // The same ids at the same time, of two users: their names are no order.
    let named = |name: &str, number: usize| Event {
        user: Pseudonym::parse(name).unwrap(),
        event_id: EventId::parse("same").unwrap(),
        ..did(knowledge(), &[number]).remove(0)
    };
    world.events.extend([named("a", 1), named("b", 2)]);
    let recorded = world.decide(&asking(knowledge(), auto()));
    let mut renamed = World::of(&[5, 6]);
    renamed.events.extend([named("z", 1), named("b", 2)]);
    assert_same(&renamed, &recorded, "after a rotation");
}

#[test]
fn an_entry_whose_age_decided_among_equals_is_told_when_it_changed() {
    // Nothing is known of any item: the newest come first.
    let mut world = World { model: None, ..World::of(&[]) };
    for (number, item) in world.items.iter_mut().enumerate() {
        item.updated_at = now() + SignedDuration::from_secs(number as i64);
    }
    let recorded = world.decide(&asking(knowledge(), auto()));
    let last = recorded.slate.last().unwrap().clone();
    assert_same(&world, &recorded, "nothing changed");
    world.change(&last.domain, &last.item_id, retitle);
    assert_told(&world, &recorded, Change::CatalogueChanged, &[auto()]);
    // Of an item that was not on the slate it did not decide.
    let (mut world, recorded) = usual();
    for item in world.items.clone() {
        if !recorded.served(&item.domain, &item.item_id) {
            world.change(&item.domain, &item.item_id, retitle);
        }
    }
    assert_same(&world, &recorded, "the others");
}

#[test]
fn a_basis_is_small_and_holds_no_text_of_anyone() {
    let (_, recorded) = usual();
    let basis = serde_json::to_string(&recorded.basis).unwrap();
    assert!(basis.len() < 400, "{} bytes: {basis}", basis.len());
    assert!(!basis.contains("title") && !basis.contains(the_user().as_str().repeat(2).as_str()));
    let without = Decision { basis: None, ..recorded.clone() };
    let bytes = |decision: &Decision| serde_json::to_string(decision).unwrap().len();
    assert_eq!(bytes(&recorded) - bytes(&without), basis.len() + r#","basis":"#.len());
}
