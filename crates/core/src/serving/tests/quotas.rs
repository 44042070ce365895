//! Slates with at most so many of a kind, and slates calibrated to what a person turned to.

use super::*;
use crate::entities::boost::Promotion;
use crate::entities::diversity::{Calibration, Diversity};
use crate::entities::filter::{Filter, Schema};
use crate::entities::quota::Quota;
use crate::serving::diversify::{Composed, Composition};
use crate::serving::replay::{Change, Present, Replayed, replay};

/// Items of which one in four is of the category `rare` and the others are `usual`.
fn sorted() -> Vec<Item> {
    let mut all = items(&knowledge());
    for (number, item) in all.iter_mut().enumerate() {
        let category = if number % 4 == 3 { "rare" } else { "usual" };
        let details = item.details.as_mut().unwrap();
        details.categories = vec![category.to_owned()];
    }
    all
}

fn asking_with(quotas: Vec<Quota>, limit: usize) -> SlateRequest {
    let quotas = BTreeMap::from([(knowledge(), quotas)]);
    SlateRequest { limit, quotas, ..asking(knowledge(), knowledge()) }
}

fn quota(filter: Option<&str>, each_category: bool, most: usize) -> Quota {
    let filter = filter.map(|source| Filter::parse(source, &Schema::default()).unwrap());
    Quota { filter, each_category, most }
}

fn calibrated(share: f32, limit: usize) -> SlateRequest {
    let by = Composition::Calibrated(Calibration::try_from(share).unwrap());
    SlateRequest { composed: Some(Composed::by(by)), ..asking_with(Vec::new(), limit) }
}

fn decided(items: Vec<Item>, did_with: &[usize], request: &SlateRequest) -> Decided {
    let history = History::new(did(knowledge(), did_with), []);
    slate_for(Some(&bridged_model()), items, (&both_granted(), &history), request)
}

fn rare(decided: &Decided) -> usize {
    numbers(decided).into_iter().filter(|number| number % 4 == 3).count()
}

#[test]
fn of_what_a_quota_counts_there_are_so_many_and_the_best() {
    let plain = numbers(&decided(sorted(), &[], &asking_with(Vec::new(), 8)));
    let usual: Vec<usize> = plain.iter().copied().filter(|number| number % 4 != 3).collect();
    for quotas in [
        vec![quota(Some("\"usual\" in categories"), false, 1)],
        vec![quota(Some("\"usual\" in categories"), true, 1)],
    ] {
        let slate = decided(sorted(), &[], &asking_with(quotas, 3));
        let shown = numbers(&slate);
        let of_quota: Vec<usize> = shown.iter().copied().filter(|n| n % 4 != 3).collect();
        assert_eq!((shown.len(), of_quota), (3, usual[..1].to_vec()));
    }
    // One of each category: and there are only two.
    let each = decided(sorted(), &[], &asking_with(vec![quota(None, true, 1)], 2));
    assert_eq!(rare(&each), 1);
}

#[test]
fn what_is_promoted_takes_its_room_once_on_a_slate_that_is_composed() {
    let plain = numbers(&decided(sorted(), &[], &asking_with(Vec::new(), 8)));
    // The two best are of a kind of which there may be two.
    let mut items = sorted();
    for (number, item) in items.iter_mut().enumerate() {
        let category = if plain[..2].contains(&number) { "best" } else { "other" };
        item.details.as_mut().unwrap().categories = vec![category.to_owned()];
    }
    let source = format!("item_id = \"i{}\"", plain[0]);
    let filter = Filter::parse(&source, &Schema::default()).unwrap();
    // So little that the order is that of relevance.
    let diverse = Composition::Diverse(Diversity::try_from(f32::MIN_POSITIVE).unwrap());
    let request = SlateRequest {
        promotions: BTreeMap::from([(knowledge(), vec![Promotion { filter, slot: 1 }])]),
        composed: Some(Composed::by(diverse)),
        ..asking_with(vec![quota(Some("\"best\" in categories"), false, 2)], 3)
    };
    assert_eq!(numbers(&decided(items, &[], &request)), plain[..3]);
}

#[test]
fn a_quota_makes_no_slate_shorter() {
    for most in [1, 3] {
        for quotas in [vec![quota(None, false, most)], vec![quota(None, true, most)]] {
            let slate = decided(sorted(), &[], &asking_with(quotas, ITEMS));
            let mut shown = numbers(&slate);
            shown.sort_unstable();
            assert_eq!(shown, (0..ITEMS).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_quota_of_one_platform_leaves_its_places_to_others() {
    let both = BTreeSet::from([knowledge(), auto()]);
    let asked =
        |quotas: Vec<Quota>| SlateRequest { targets: both.clone(), ..asking_with(quotas, 6) };
    let of_knowledge = |quotas| {
        let history = History::default();
        let slate = slate_for(
            Some(&bridged_model()),
            self::both(),
            (&both_granted(), &history),
            &asked(quotas),
        );
        assert_eq!(slate.decision.slate.len(), 6);
        slate.decision.slate.iter().filter(|entry| entry.domain == knowledge()).count()
    };
    assert_eq!(of_knowledge(Vec::new()), 3);
    assert_eq!(of_knowledge(vec![quota(None, false, 1)]), 1);
}

#[test]
fn the_more_a_slate_is_calibrated_the_nearer_its_categories_are_to_what_the_person_turned_to() {
    // Three of `usual` and one of `rare`, all seen: of the four others one is rare.
    let rare_of = |share| rare(&decided(sorted(), &[0, 1, 3, 4], &calibrated(share, 4)));
    assert_eq!(rare_of(1.0), 1);
    // Of `rare` alone: it comes first, whatever else is better.
    let slate = decided(sorted(), &[3], &calibrated(1.0, 1));
    assert_eq!((rare(&slate), slate.decision.personalised), (1, true));
    // Who turned to nothing is shown the best.
    let best = numbers(&decided(sorted(), &[], &asking_with(Vec::new(), 4)));
    let slate = decided(sorted(), &[], &calibrated(1.0, 4));
    assert_eq!(numbers(&slate), best);
    assert!(!slate.decision.personalised);
    assert!(slate.decision.basis.unwrap().calibration.unwrap().interests.is_empty());
}

fn replayed(recorded: &Decided, did_with: &[usize], items: Vec<Item>) -> Replayed {
    let model = bridged_model();
    let present = Present {
        now: now(),
        model: Some(&model),
        catalogues: &catalogues_of(items, Some(&model)),
        descriptions: None,
        definitions: &both_defined(),
        consents: &both_granted(),
        history: &History::new(did(knowledge(), did_with), []),
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    let stored = serde_json::to_string(&recorded.decision).unwrap();
    replay(&serde_json::from_str(&stored).unwrap(), &present)
}

#[test]
fn slates_within_quotas_and_calibrated_ones_are_made_again() {
    let within =
        vec![quota(Some("price > 1 or \"usual\" in categories"), false, 1), quota(None, true, 2)];
    for request in [asking_with(within, 3), calibrated(0.5, 3)] {
        let recorded = decided(sorted(), &[3], &request);
        assert!(replayed(&recorded, &[3], sorted()).is_same());
        // What is not on it may be of another kind by now.
        let shown = numbers(&recorded);
        let mut changed = sorted();
        for (number, item) in changed.iter_mut().enumerate() {
            if number != 3 && !shown.contains(&number) {
                item.details.as_mut().unwrap().categories = vec!["new".to_owned()];
                item.change = ChangeNumber(9);
            }
        }
        let again = replayed(&recorded, &[3], changed);
        assert!(again.is_same(), "{:?}", again.findings);
    }
}

#[test]
fn a_slate_calibrated_to_items_that_are_of_other_categories_now_says_so() {
    let recorded = decided(sorted(), &[3], &calibrated(1.0, 2));
    let mut changed = sorted();
    changed[3].details.as_mut().unwrap().categories = vec!["usual".to_owned()];
    let again = replayed(&recorded, &[3], changed);
    assert_eq!(again.findings.len(), 1, "{:?}", again.findings);
    assert_eq!(again.findings[0].code, Change::CatalogueChanged);
    assert_eq!(again.findings[0].domains, BTreeSet::from([knowledge()]));
}
