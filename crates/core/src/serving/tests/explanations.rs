//! What reasons name, and which catalogues they need for it.

use super::*;
use crate::entities::definition::EventTypeDefinition;
use crate::model::bridges::joint::JointFoldIn;
use crate::serving::admit::MAX_TITLE_CATALOGUES;
use crate::serving::reason::Reason;

fn first_reason(decided: &Decided) -> &Reason {
    decided.items[0].reason.as_ref().unwrap()
}

fn title_domains(model: &Model, history: &History, request: &SlateRequest) -> Vec<DomainId> {
    let (user, consents, definitions) = (the_user(), both_granted(), both_defined());
    let recipient = Recipient { user: &user, consents: &consents, history, version: None };
    let asked = AdmittedRequest::new(request, recipient, &definitions);
    asked.title_domains(Some(model)).into_iter().collect()
}

#[test]
fn evidence_of_another_platform_that_the_caller_acts_for_is_named_by_its_title() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0, 1]), []);
    // Neither a target nor where the slate is shown.
    let request = asking(auto(), auto());
    assert_eq!(title_domains(&model, &history, &request), [knowledge()]);
    let named = slate_for(Some(&model), both(), (&both_granted(), &history), &request);
    assert!(first_reason(&named).text.contains("title"), "{}", first_reason(&named).text);
    // Without that catalogue the platform is named, and the evidence all the same.
    let unnamed = slate_for(Some(&model), items(&auto()), (&both_granted(), &history), &request);
    assert_eq!(first_reason(&unnamed).text, "Because of what you did on Knowledge");
    let all = |decided: &Decided| -> f32 {
        first_reason(decided).evidence.iter().map(|evidence| evidence.share).sum()
    };
    assert_eq!(all(&unnamed), all(&named));
    assert!(first_reason(&unnamed).evidence.iter().all(|evidence| evidence.item_id.is_none()));
}

#[test]
fn an_item_is_not_the_reason_for_itself() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0]), []);
    let request = SlateRequest { shows_seen: true, ..asking(knowledge(), knowledge()) };
    let decided = slate_for(Some(&model), both(), (&both_granted(), &history), &request);
    let text = |number: usize| {
        let at = numbers(&decided).iter().position(|shown| *shown == number).unwrap();
        decided.items[at].reason.as_ref().unwrap().text.clone()
    };
    assert_eq!(text(0), "You know it from before");
    assert_eq!(text(2), "Because of “title 0”");
}

#[test]
fn what_a_platform_does_not_show_stands_in_no_reason() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let day = jiff::SignedDuration::from_hours(24);
    let changes: [&dyn Fn(&mut Item); 5] = [
        &|item| item.details = None,
        &|item| item.details.as_mut().unwrap().status = ItemStatus::Hidden,
        &|item| item.details.as_mut().unwrap().status = ItemStatus::OutOfStock,
        &|item| item.details.as_mut().unwrap().available_from = Some(now() + day),
        &|item| item.details.as_mut().unwrap().available_until = Some(now()),
    ];
    // On the platform itself, and on another one that the caller acts for.
    for target in [knowledge(), auto()] {
        let request = asking(target.clone(), target);
        for change in changes {
            let mut items = both();
            let past = |item: &&mut Item| item.domain == knowledge() && item.item_id < item_id(2);
            items.iter_mut().filter(past).for_each(change);
            let decided = slate_for(Some(&model), items, (&both_granted(), &history), &request);
            let reason = first_reason(&decided);
            assert_eq!(reason.code, crate::serving::reason::ReasonCode::History);
            assert_eq!(reason.text, "Because of what you did on Knowledge");
            assert!(reason.evidence.iter().all(|evidence| evidence.item_id.is_none()));
        }
    }
}

#[test]
fn evidence_of_a_platform_the_caller_does_not_act_for_names_no_item() {
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let narrow = SlateRequest { visible: BTreeSet::from([auto()]), ..asking(auto(), auto()) };
    assert_eq!(title_domains(&model, &history, &narrow), []);
    let decided = slate_for(Some(&model), both(), (&both_granted(), &history), &narrow);
    assert!(decided.decision.personalised);
    assert!(first_reason(&decided).evidence.iter().all(|evidence| evidence.item_id.is_none()));
    assert!(!first_reason(&decided).text.contains("title"), "{}", first_reason(&decided).text);
}

#[test]
fn titles_are_not_looked_for_where_no_reason_can_need_them() {
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let asked = asking(auto(), auto());
    let unexplained = SlateRequest { explain: false, ..asked.clone() };
    let plain = SlateRequest { personalised: false, ..asked.clone() };
    let private = SlateRequest { cross_domain: CrossDomain::Never, ..asked.clone() };
    for request in [unexplained, plain, private] {
        assert_eq!(title_domains(&bridged_model(), &history, &request), []);
    }
    assert_eq!(title_domains(&model_with(Bridges::none()), &history, &asked), []);
    // A target's catalogue is there already.
    assert_eq!(title_domains(&bridged_model(), &history, &asking(knowledge(), knowledge())), []);
}

#[test]
fn catalogues_for_titles_are_bounded_and_the_newest_evidence_decides() {
    let sources: Vec<DomainId> = (0..MAX_TITLE_CATALOGUES + 3)
        .map(|number| DomainId::parse(&format!("platform-{number:02}")).unwrap())
        .collect();
    // The later a platform in the list, the newer its event.
    let events = sources.iter().enumerate().flat_map(|(seconds, domain)| {
        let mut events = did(domain.clone(), &[0]);
        events[0].occurred_at = now() - jiff::SignedDuration::from_secs(100 - seconds as i64);
        events
    });
    let history = History::new(events.collect(), []);
    let grants: Vec<ConsentDecision> = sources
        .iter()
        .map(|from| ConsentDecision {
            from: from.clone(),
            to: auto(),
            purpose: Purpose::Recommendation,
            granted: true,
            decided_at: now(),
            expires_at: None,
            evidence: None,
        })
        .collect();
    let mut definitions = both_defined();
    definitions.extend(sources.iter().map(|domain| (domain.clone(), definition())));
    let request =
        SlateRequest { visible: definitions.keys().cloned().collect(), ..asking(auto(), auto()) };
    let (user, consents) = (the_user(), ConsentLedger::from(grants));
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let asked = AdmittedRequest::new(&request, recipient, &definitions);
    let model = model_of_sources(&sources);
    let found: Vec<DomainId> = asked.title_domains(Some(&model)).into_iter().collect();
    assert_eq!(found, sources[3..]);
}

/// A model with an item in each of these domains, and bridges from and to each.
fn model_of_sources(sources: &[DomainId]) -> Model {
    let mut bridges = Bridges::none();
    for source in sources {
        for (from, to) in [(source.clone(), auto()), (auto(), source.clone())] {
            let carrier = Carrier::Joint(JointFoldIn { source_weight: 1.0 });
            bridges.insert(Direction { from, to }, Bridge { lift: 0.1, carrier });
        }
    }
    let keys = sources.iter().chain([&auto()]).map(|domain| (domain.clone(), item_id(0))).collect();
    model_of(ItemIndex::new(keys), bridges)
}

#[test]
fn what_is_disliked_is_no_reason_and_lowers_what_is_like_it() {
    let (model, user, consents) = (bridged_model(), the_user(), ConsentLedger::default());
    let (mut definitions, name) = (both_defined(), EventType::parse("dislike").unwrap());
    let dislike = EventTypeDefinition { negative: true, ..EventTypeDefinition::weighing(3.0) };
    let definition = definitions.get_mut(&knowledge()).unwrap();
    definition.event_types.insert(name.clone(), dislike);
    let catalogues = catalogues_of(items(&knowledge()), Some(&model));
    let slate = |events: Vec<Event>| {
        let history = History::new(events, []);
        let recipient =
            Recipient { user: &user, consents: &consents, history: &history, version: None };
        let request = SlateRequest { limit: ITEMS, ..asking(knowledge(), knowledge()) };
        let asked = AdmittedRequest::new(&request, recipient, &definitions);
        let (model, policy) = (Some(&model), &ALS_FOLD_IN);
        decide(Serving { model, catalogues: &catalogues, policy, degraded: &[] }, &asked)
    };
    // One of either taste is liked, and then one of the second disliked.
    let liked = did(knowledge(), &[0, 5]);
    let disliked = did(knowledge(), &[4]).remove(0);
    let disliked = Event { event_type: name, ..disliked };
    let (before, after) = (slate(liked.clone()), slate([liked, vec![disliked]].concat()));
    let score = |decided: &Decided, number: usize| {
        let entry = decided.decision.slate.iter().find(|entry| entry.item_id == item_id(number));
        entry.map(|entry| entry.score)
    };
    assert_eq!(score(&after, 4), None);
    for number in [6, 7] {
        assert!(score(&after, number) < score(&before, number), "{number}");
    }
    let reasons = after.items.iter().filter_map(|item| item.reason.as_ref());
    let mut evidence = reasons.flat_map(|reason| &reason.evidence);
    assert!(evidence.all(|evidence| evidence.item_id != Some(item_id(4))));
}
