//! Slates on which what was shown often sinks.

use jiff::ToSpan;
use jiff::civil::Date;

use super::*;
use crate::entities::fatigue::{Fatigue, day_of};
use crate::entities::history::MarkedBy;
use crate::entities::impressions::{Exposure, ImpressionDay, Impressions};
use crate::entities::item_set::ItemDigest;
use crate::serving::replay::{Change, Finding, Present, domains_to_read, replay};

fn asking_with(after: u8) -> SlateRequest {
    let fatigue: Fatigue =
        serde_json::from_value(serde_json::json!({"after": after, "factor": 0.1})).unwrap();
    SlateRequest {
        limit: ITEMS,
        fatigue: Some(fatigue),
        inspect: true,
        ..asking(knowledge(), knowledge())
    }
}

fn days_ago(days: i64) -> Date {
    day_of(now()).checked_sub(days.days()).unwrap()
}

/// What a user was shown on a platform of `knowledge`, or took there, so many days ago.
fn exposed(by_domain: DomainId, exposure: Exposure, all: &[(usize, i64)]) -> Impressions {
    let mut impressions = Impressions::default();
    for (number, days) in all {
        let by = MarkedBy { user: the_user(), by_domain: by_domain.clone(), domain: knowledge() };
        let of = ImpressionDay { by, day: days_ago(*days), exposure };
        impressions.add(of, [ItemDigest::of(&item_id(*number))]);
    }
    impressions
}

fn shown(all: &[(usize, i64)]) -> Impressions {
    exposed(knowledge(), Exposure::Shown, all)
}

fn decided(impressions: Impressions, request: &SlateRequest) -> Decided {
    let history = History::new(did(knowledge(), &[0]), []).with_impressions(impressions);
    slate_for(Some(&bridged_model()), items(&knowledge()), (&both_granted(), &history), request)
}

fn multiplier(decided: &Decided, number: usize) -> f32 {
    let at = numbers(decided).iter().position(|shown| *shown == number).unwrap();
    decided.items[at].contributions.as_ref().unwrap().multiplier.unwrap_or(1.0)
}

#[test]
fn what_was_shown_on_enough_days_counts_for_less_and_sinks() {
    let request = asking_with(2);
    let plain = numbers(&decided(Impressions::default(), &request));
    let first = plain[0];
    let once = decided(shown(&[(first, 1)]), &request);
    assert_eq!(numbers(&once), plain);
    let often = decided(shown(&[(first, 1), (first, 2), (first, 3)]), &request);
    assert_ne!(numbers(&often)[0], first);
    // One day beyond the first that counts.
    assert!((multiplier(&often, first) - 0.01).abs() < 1e-6);
    assert_eq!(numbers(&often).len(), plain.len());
    let basis = often.decision.basis.unwrap();
    assert!(basis.fatigue.unwrap().shown.contains_key(&knowledge()));
    // Longer ago than is looked back.
    let long_ago = decided(shown(&[(first, 8), (first, 9), (first, 10)]), &request);
    assert_eq!(numbers(&long_ago), plain);
    // Nothing of it is known on the day itself, so that the slate stays as it is.
    let today = decided(shown(&[(first, 0), (first, 7)]), &request);
    assert_eq!(numbers(&today), plain);
}

#[test]
fn what_was_taken_is_as_good_as_new_and_what_others_showed_counts_for_nothing() {
    let request = asking_with(1);
    let plain = numbers(&decided(Impressions::default(), &request));
    let first = plain[0];
    let mut taken = shown(&[(first, 3), (first, 2)]);
    taken.merge(exposed(knowledge(), Exposure::Taken, &[(first, 2)]));
    let elsewhere = exposed(auto(), Exposure::Shown, &[(first, 1)]);
    for impressions in [taken, elsewhere] {
        assert_eq!(numbers(&decided(impressions, &request)), plain);
    }
    let tired = shown(&[(first, 1)]);
    assert_ne!(numbers(&decided(tired.clone(), &request)), plain);
    // Who wants no slate of their own has none that knows what they were shown.
    let impersonal = SlateRequest { personalised: false, ..request };
    let same = numbers(&decided(Impressions::default(), &impersonal));
    assert_eq!(numbers(&decided(tired, &impersonal)), same);
}

#[test]
fn who_is_known_by_what_they_were_shown_alone_has_a_slate_of_their_own_and_it_says_so() {
    let slate = |impressions| {
        let history = History::default().with_impressions(impressions);
        let request = asking_with(1);
        let consents = both_granted();
        slate_for(Some(&bridged_model()), items(&knowledge()), (&consents, &history), &request)
    };
    let plain = slate(Impressions::default());
    let first = numbers(&plain)[0];
    let tired = slate(shown(&[(first, 1)]));
    assert_ne!(numbers(&tired), numbers(&plain));
    assert!(tired.decision.personalised && !plain.decision.personalised);
}

fn findings(recorded: &Decided, impressions: Impressions) -> Vec<Finding> {
    let model = bridged_model();
    let present = Present {
        now: now(),
        model: Some(&model),
        catalogues: &catalogues_of(items(&knowledge()), Some(&model)),
        descriptions: None,
        definitions: &both_defined(),
        consents: &both_granted(),
        history: &History::new(did(knowledge(), &[0]), []).with_impressions(impressions),
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    let stored = serde_json::to_string(&recorded.decision).unwrap();
    let stored = serde_json::from_str(&stored).unwrap();
    let permission = crate::serving::replay::Permission {
        now: now(),
        consents: present.consents,
        definitions: present.definitions,
        cross_domain: present.cross_domain,
    };
    assert!(domains_to_read(&stored, &permission).contains(&knowledge()));
    replay(&stored, &present).findings
}

#[test]
fn a_slate_is_made_again_from_what_was_shown_by_then_and_says_where_that_is_not_known() {
    let request = asking_with(1);
    let first = numbers(&decided(Impressions::default(), &request))[0];
    let before = shown(&[(first, 2)]);
    let recorded = decided(before.clone(), &request);
    assert_eq!(findings(&recorded, before.clone()), []);
    // What is reported of it, on that day or later, is another matter.
    let mut later = before;
    later.merge(shown(&[(first, 0), (first, -1)]));
    assert_eq!(findings(&recorded, later), []);
    let forgotten = findings(&recorded, Impressions::default());
    assert_eq!(forgotten.len(), 1, "{forgotten:?}");
    assert_eq!(forgotten[0].code, Change::ImpressionsChanged);
    assert_eq!(forgotten[0].domains, BTreeSet::from([knowledge()]));
}
