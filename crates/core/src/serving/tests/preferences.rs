//! Slates of what the caller boosts, promotes, and lists.

use proptest::prelude::*;

use super::*;
use crate::entities::basis::FilterUse;
use crate::entities::boost::{Boost, Factor, Promotion};
use crate::entities::filter::{Filter, Schema};
use crate::serving::decide::DescribedItem;
use crate::serving::reason::ReasonCode;
use crate::serving::replay::{Change, Present, Replayed, replay};
use crate::serving::request::MAX_LIMIT;

fn filter(source: &str) -> Filter {
    Filter::parse(source, &Schema::default()).unwrap()
}

/// A filter that is true of these items alone.
fn these(numbers: &[usize]) -> Filter {
    let ids: Vec<String> = numbers.iter().map(|number| format!("\"i{number}\"")).collect();
    filter(&format!("item_id in [{}]", ids.join(", ")))
}

fn boost(numbers: &[usize], factor: f32) -> Boost {
    Boost { filter: these(numbers), factor: Factor::try_from(factor).unwrap() }
}

fn boosting(boosts: Vec<Boost>) -> SlateRequest {
    let mut boosts = boosts;
    Boost::sort(&mut boosts);
    SlateRequest {
        limit: MAX_LIMIT,
        inspect: true,
        boosts: BTreeMap::from([(knowledge(), boosts)]),
        ..asking(knowledge(), knowledge())
    }
}

fn promoting(promotions: &[(&[usize], usize)], limit: usize) -> SlateRequest {
    let promotion =
        |(numbers, slot): &(&[usize], usize)| Promotion { filter: these(numbers), slot: *slot };
    let mut promotions: Vec<Promotion> = promotions.iter().map(promotion).collect();
    Promotion::sort(&mut promotions);
    SlateRequest {
        limit,
        promotions: BTreeMap::from([(knowledge(), promotions)]),
        ..asking(knowledge(), knowledge())
    }
}

fn listing(numbers: &[usize]) -> SlateRequest {
    let listed = numbers.iter().map(|number| (knowledge(), item_id(*number)));
    SlateRequest {
        limit: MAX_LIMIT,
        listed: Some(listed.collect()),
        shows_seen: true,
        ..asking(knowledge(), knowledge())
    }
}

fn decided(request: &SlateRequest, model: Option<&Model>) -> Decided {
    let history = History::new(did(knowledge(), &[0]), []);
    slate_for(model, items(&knowledge()), (&both_granted(), &history), request)
}

fn scores(decided: &Decided) -> BTreeMap<usize, f32> {
    numbers(decided)
        .into_iter()
        .zip(decided.decision.slate.iter().map(|entry| entry.score))
        .collect()
}

proptest! {
    #[test]
    fn a_boost_multiplies_the_scores_of_what_it_names_and_of_nothing_else(
        named in proptest::sample::subsequence((1..ITEMS).collect::<Vec<_>>(), 0..ITEMS),
        factor in 0.1f32..10.0, has_model in any::<bool>(),
    ) {
        let model = has_model.then(bridged_model);
        let plain = scores(&decided(&boosting(Vec::new()), model.as_ref()));
        let boosted = decided(&boosting(vec![boost(&named, factor)]), model.as_ref());
        for (number, score) in scores(&boosted) {
            let before = plain[&number];
            let expected = match named.contains(&number) {
                true if before < 0.0 => before / factor,
                true => before * factor,
                false => before,
            };
            prop_assert_eq!(score, expected, "{}", number);
        }
        let in_order: Vec<f32> = boosted.decision.slate.iter().map(|entry| entry.score).collect();
        prop_assert!(!has_model || in_order.is_sorted_by(|a, b| a >= b), "{:?}", in_order);
        // What each score is made up of still adds up to it.
        for DescribedItem { entry, contributions, .. } in &boosted.items {
            let parts = contributions.as_ref().unwrap();
            let sum = parts.parts.iter().map(|part| part.amount).sum::<f32>() + parts.rest;
            let score = sum * parts.multiplier.unwrap_or(1.0);
            prop_assert!((score - entry.score).abs() <= 1e-5 * entry.score.abs().max(1.0));
        }
    }

    #[test]
    fn what_is_promoted_is_there_once_in_its_place_and_says_so(
        first in 1..ITEMS, second in 1..ITEMS, slots in (1usize..10, 1usize..10),
        limit in 1usize..10, has_model in any::<bool>(),
    ) {
        let model = has_model.then(bridged_model);
        let promotions: [(&[usize], usize); 2] = [(&[first], slots.0), (&[second], slots.1)];
        let request = promoting(&promotions, limit);
        let decided = decided(&request, model.as_ref());
        let shown = numbers(&decided);
        prop_assert_eq!(shown.len(), limit.min(ITEMS - 1));
        let once: BTreeSet<usize> = shown.iter().copied().collect();
        prop_assert_eq!(once.len(), shown.len());
        let promoted: BTreeSet<usize> = decided.decision.slate.iter().zip(&shown)
            .filter(|(entry, _)| entry.promoted).map(|(_, number)| *number).collect();
        let mut wanted: BTreeSet<usize> = [first, second].into();
        if limit == 1 {
            wanted = [if slots.0 <= slots.1 { first } else { second }].into();
            // Of the same slot, the one that is written first.
            if slots.0 == slots.1 { wanted = [first.min(second)].into(); }
        }
        prop_assert_eq!(&promoted, &wanted);
        for (item, number) in decided.items.iter().zip(&shown) {
            let is_promotion = item.reason.as_ref().unwrap().code == ReasonCode::Promoted;
            prop_assert_eq!(is_promotion, promoted.contains(number));
        }
        if first != second && slots.0 < slots.1 && slots.1 <= shown.len() {
            prop_assert_eq!((shown[slots.0 - 1], shown[slots.1 - 1]), (first, second));
        }
        // The others are what they are without, in their order.
        let all = promoting(&[], MAX_LIMIT);
        let without: Vec<usize> = numbers(&self::decided(&all, model.as_ref())).into_iter()
            .filter(|number| !promoted.contains(number)).collect();
        let others: Vec<usize> =
            shown.iter().copied().filter(|number| !promoted.contains(number)).collect();
        prop_assert_eq!(&others[..], &without[..others.len()]);
    }
}

#[test]
fn what_is_refused_is_promoted_nowhere_and_the_best_of_a_filter_is() {
    let mut items = items(&knowledge());
    items[1].details.as_mut().unwrap().status = ItemStatus::Hidden;
    let model = bridged_model();
    let history = History::new(did(knowledge(), &[0]), []);
    let shown = |request: &SlateRequest| {
        slate_for(Some(&model), items.clone(), (&both_granted(), &history), request)
    };
    // The first was seen, the second is hidden.
    let decided = shown(&promoting(&[(&[0, 1, 5, 2], 1)], 3));
    assert_eq!(numbers(&decided)[0], 2, "the best for somebody of the first taste");
    assert!(decided.decision.slate[0].promoted);
    assert!(
        !shown(&promoting(&[(&[0, 1], 1)], 3)).decision.slate.iter().any(|entry| entry.promoted)
    );
}

#[test]
fn a_list_is_put_in_the_order_of_the_slate_with_what_was_seen_and_without_what_is_hidden() {
    let model = bridged_model();
    let whole = numbers(&decided(
        &SlateRequest { limit: MAX_LIMIT, ..asking(knowledge(), knowledge()) },
        Some(&model),
    ));
    let listed = numbers(&decided(&listing(&[7, 3, 1, 5]), Some(&model)));
    let expected: Vec<usize> =
        whole.into_iter().filter(|number| [7, 3, 1, 5].contains(number)).collect();
    assert_eq!(listed, expected);
    // It was seen, and is on the list.
    assert!(numbers(&decided(&listing(&[0, 6]), Some(&model))).contains(&0));
    let mut items = items(&knowledge());
    items[3].details.as_mut().unwrap().status = ItemStatus::OutOfStock;
    let history = History::new(did(knowledge(), &[0]), []);
    let decided =
        slate_for(Some(&model), items, (&both_granted(), &history), &listing(&[3, 4, 99]));
    assert_eq!(numbers(&decided), [4]);
}

fn replayed(recorded: &Decided, model: &Model, items: Vec<Item>) -> Replayed {
    let (consents, history) = (both_granted(), History::new(did(knowledge(), &[0]), []));
    let present = Present {
        now: now(),
        model: Some(model),
        catalogues: &catalogues_of(items, Some(model)),
        descriptions: None,
        definitions: &both_defined(),
        consents: &consents,
        history: &history,
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    // As it is stored and read again.
    let stored = serde_json::to_string(&recorded.decision).unwrap();
    replay(&serde_json::from_str(&stored).unwrap(), &present)
}

#[test]
fn slates_of_what_a_caller_prefers_are_made_again() {
    let model = bridged_model();
    let boosted = SlateRequest {
        promotions: promoting(&[(&[6, 7], 2)], 4).promotions,
        limit: 4,
        ..boosting(vec![boost(&[5], 7.7), boost(&[4, 5], 1.1), boost(&[4, 5], 1.1)])
    };
    let recorded = decided(&boosted, Some(&model));
    let uses: Vec<FilterUse> =
        recorded.decision.basis.as_ref().unwrap().filters.iter().map(|own| own.used).collect();
    assert_eq!(uses.len(), 4, "the same boost twice counts twice: {uses:?}");
    assert!(replayed(&recorded, &model, items(&knowledge())).is_same());
    let listed = decided(&listing(&[0, 2, 4]), Some(&model));
    assert!(replayed(&listed, &model, items(&knowledge())).is_same());
    // What was promoted is no longer there.
    let mut changed = items(&knowledge());
    let promoted = recorded.decision.slate.iter().find(|entry| entry.promoted).unwrap();
    let gone = changed.iter_mut().find(|item| item.item_id == promoted.item_id).unwrap();
    (gone.change, gone.details) = (ChangeNumber(9), None);
    let findings = replayed(&recorded, &model, changed).findings;
    assert_eq!(findings[0].code, Change::CatalogueChanged);
}

#[test]
fn a_list_that_is_too_long_to_be_kept_is_told() {
    let mut request = listing(&[0]);
    let long = |number: usize| ItemId::parse(&format!("{number}{}", "i".repeat(90))).unwrap();
    request.listed.as_mut().unwrap().extend((0..60).map(|number| (knowledge(), long(number))));
    let model = bridged_model();
    let recorded = decided(&request, Some(&model));
    let findings = replayed(&recorded, &model, items(&knowledge())).findings;
    assert_eq!(findings[0].code, Change::ListedNotKept);
}
