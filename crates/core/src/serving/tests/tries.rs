//! Items that are tried for their texts, where too few people have both platforms to tell
//! whether that helps.

use super::*;
use crate::model::bridges::text::TextLikeness;
use crate::serving::policy;
use crate::serving::reason::ReasonCode;
use crate::serving::replay::{Present, replay};
use crate::serving::sources::bridges::sources_of;

/// To a target's last items, which are unpopular, from the first of the source.
fn model_with_prior() -> Model {
    let mut rows = vec![Vec::new(); ITEMS];
    rows[0] = vec![(6, 0.4), (7, 0.9)];
    rows[1] = vec![(7, 0.2)];
    let popularity = (0..ITEMS).map(|item| 0.2 - item as f32 / 20.0).collect();
    let likeness = TextLikeness::new(SparseRows::from_rows(ITEMS, rows), popularity);
    let direction = Direction { from: knowledge(), to: auto() };
    model_with(Bridges::none().with_priors([(direction, Arc::new(likeness))].into()))
}

fn asking_with(seed: u64) -> SlateRequest {
    SlateRequest { seed, limit: 5, inspect: true, ..asking(knowledge(), auto()) }
}

fn slate(seed: u64, consents: &ConsentLedger, events: Vec<Event>) -> Decided {
    let history = History::new(events, []);
    let model = model_with_prior();
    slate_for(Some(&model), both(), (consents, &history), &asking_with(seed))
}

/// The place and the number of what is tried.
fn tried(decided: &Decided) -> Vec<(usize, usize)> {
    let numbers = numbers(decided).into_iter().enumerate();
    let is_try = |(at, _): &(usize, usize)| {
        decided.items[*at].reason.as_ref().unwrap().code == ReasonCode::Tentative
    };
    numbers.filter(is_try).collect()
}

#[test]
fn what_is_like_something_taken_elsewhere_is_tried_in_one_place_and_says_so() {
    let mut places = BTreeSet::new();
    for seed in 0..60 {
        let decided = slate(seed, &both_granted(), did(knowledge(), &[0, 1]));
        assert!(decided.decision.personalised);
        let others: Vec<usize> =
            numbers(&decided).into_iter().filter(|number| *number < 6).collect();
        assert_eq!(others, [0, 1, 2, 3], "popularity ranks");
        let &[(at, 7)] = &tried(&decided)[..] else { panic!("{:?}", tried(&decided)) };
        places.insert(at);
        let item = &decided.items[at];
        assert!((item.entry.propensity - 0.2).abs() < 1e-9);
        let reason = item.reason.as_ref().unwrap();
        assert_eq!(reason.text, "Worth a try: by its description, like “title 0”");
        assert_eq!(reason.evidence.len(), 2);
        // Two liked items: each adds its weight over the root of two.
        let parts = item.contributions.as_ref().unwrap();
        let sum: f32 = parts.parts.iter().map(|part| part.amount).sum::<f32>() + parts.rest;
        assert!((sum - item.entry.score).abs() < 1e-6);
        assert!((item.entry.score - (1.1 / 2.0f32.sqrt() - 0.15)).abs() < 1e-6);
    }
    assert_eq!(places, [0, 1, 2, 3, 4].into());
    let few = SlateRequest { limit: 4, ..asking_with(1) };
    let history = History::new(did(knowledge(), &[0]), []);
    let person = (&both_granted(), &history);
    let decided = slate_for(Some(&model_with_prior()), both(), person, &few);
    assert!(tried(&decided).is_empty(), "four places are too few");
}

#[test]
fn a_slate_with_a_try_is_made_again_though_what_it_did_not_show_changes() {
    let model = model_with_prior();
    let (definitions, consents) = (both_defined(), both_granted());
    let history = History::new(did(knowledge(), &[0, 1]), []);
    for seed in 0..20 {
        let decided = slate(seed, &consents, did(knowledge(), &[0, 1]));
        let mut items = both();
        let shown = numbers(&decided);
        for item in &mut items {
            let number: usize = item.item_id.as_str()[1..].parse().unwrap();
            if item.domain == auto() && !shown.contains(&number) {
                item.details = None;
                item.change = ChangeNumber(9);
            }
        }
        let catalogues = catalogues_of(items, Some(&model));
        let present = Present {
            now: now(),
            model: Some(&model),
            catalogues: &catalogues,
            descriptions: None,
            definitions: &definitions,
            consents: &consents,
            history: &history,
            not_reached: &BTreeSet::new(),
            cross_domain: CrossDomain::ByConsent,
        };
        let again = replay(&decided.decision, &present);
        assert!(again.is_same(), "{:?}", again.findings);
    }
}

#[test]
fn nothing_is_tried_without_consent_nor_for_who_is_known_there_nor_for_who_likes_nothing() {
    let refused = ConsentLedger::from(Vec::new());
    let mut known = did(knowledge(), &[0]);
    known.extend(did(auto(), &[2]));
    for seed in 0..60 {
        let without_consent = slate(seed, &refused, did(knowledge(), &[0]));
        assert!(tried(&without_consent).is_empty());
        assert!(!without_consent.decision.personalised);
        assert!(tried(&slate(seed, &both_granted(), known.clone())).is_empty());
        assert!(tried(&slate(seed, &both_granted(), did(knowledge(), &[5]))).is_empty());
        assert!(tried(&slate(seed, &both_granted(), Vec::new())).is_empty());
    }
}

#[test]
fn slates_of_before_are_made_again_without_a_try() {
    let model = model_with_prior();
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let (user, definitions, consents) = (the_user(), both_defined(), both_granted());
    let catalogues = catalogues_of(both(), Some(&model));
    for seed in 0..60 {
        let request = asking_with(seed);
        let recipient =
            Recipient { user: &user, consents: &consents, history: &history, version: None };
        let asked = AdmittedRequest::new(&request, recipient, &definitions);
        let policy = policy::named("als-fold-in/4").unwrap();
        let serving =
            Serving { model: Some(&model), catalogues: &catalogues, policy, degraded: &[] };
        let decided = decide(serving, &asked);
        assert!(tried(&decided).is_empty());
        assert!(decided.decision.slate.iter().all(|entry| entry.propensity == 1.0));
    }
}

#[test]
fn the_source_of_a_prior_is_read() {
    let model = model_with_prior();
    assert_eq!(sources_of(&model, &auto()).collect::<Vec<_>>(), [&knowledge()]);
    assert_eq!(sources_of(&model, &knowledge()).count(), 0);
}
