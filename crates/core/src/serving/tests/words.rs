//! Slates of what is looked for in words.

use super::*;
use crate::serving::inspect::ScoreParts;
use crate::serving::reason::ReasonCode;
use crate::serving::request::Words;
use crate::serving::rules::Ineligible;
use crate::serving::snapshot::{FoundItem, FoundItems};
use crate::serving::sources::words::{CONTEXT_WEIGHT, QUERY_WEIGHT};

/// A slate for words that these items have: how well, and whether they are asked for. Items 0 to 7
/// are known to the model, 100 to it is not; the person saw item 0.
fn slate(words: Words, found: &[(usize, f32, bool)]) -> Decided {
    let (model, consents) = (bridged_model(), both_granted());
    let history = History::new(did(knowledge(), &[0]), []);
    let mut items = items(&knowledge());
    items.push(Item { item_id: item_id(100), ..items[0].clone() });
    let request = SlateRequest {
        limit: 9,
        inspect: true,
        words: Some(words),
        ..asking(knowledge(), knowledge())
    };
    let snapshot = CatalogueSnapshot::new(items, Some(&model));
    let found = found.iter().map(|(number, relevance, is_asked_for)| FoundItem {
        position: snapshot.position(&item_id(*number)).unwrap(),
        relevance: *relevance,
        is_asked_for: *is_asked_for,
    });
    let found = FoundItems::new(found.collect());
    let catalogues =
        Catalogues::from([(knowledge(), Arc::new(snapshot.searched(Arc::new(found))))]);
    let (user, definitions) = (the_user(), both_defined());
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let asked = AdmittedRequest::new(&request, recipient, &definitions);
    let serving = Serving {
        model: Some(&model),
        catalogues: &catalogues,
        policy: &ALS_FOLD_IN,
        degraded: &[],
    };
    decide(serving, &asked)
}

fn query() -> Words {
    Words::Query("车贷".to_owned())
}

fn parts(decided: &Decided) -> Vec<(usize, ScoreParts)> {
    let parts = decided.items.iter().map(|item| item.contributions.clone().unwrap());
    numbers(decided).into_iter().zip(parts).collect()
}

#[test]
fn what_has_none_of_the_words_of_a_question_is_not_shown() {
    let decided = slate(query(), &[(2, 0.5, true), (5, 0.5, false), (100, 0.5, true)]);
    // Taste puts what matches equally well in order, and what nobody knows is there for its words.
    assert_eq!(numbers(&decided), [2, 100]);
    let inspected = &decided.inspected.as_ref().unwrap()[0];
    let not_found = inspected.left_out.iter().find(|rule| rule.rule == Ineligible::NotFound);
    assert_eq!(not_found.unwrap().items, 6);
    assert_eq!(numbers(&slate(query(), &[])), [0usize; 0]);
}

#[test]
fn a_match_that_is_much_better_comes_first_whatever_the_taste() {
    // Item 6 is of the other taste.
    let decided = slate(query(), &[(2, 0.2, true), (6, 0.9, true), (100, 0.95, true)]);
    assert_eq!(numbers(&decided), [100, 6, 2]);
    for (_, parts) in parts(&decided) {
        assert!(parts.words.unwrap() > 0.0);
    }
}

#[test]
fn what_words_add_is_told_beside_what_past_items_add() {
    let plain: BTreeMap<usize, f32> = {
        let decided = slate(Words::Context, &[]);
        let scores = decided.decision.slate.iter().map(|entry| entry.score);
        numbers(&decided).into_iter().zip(scores).collect()
    };
    for (words, weight) in [(query(), QUERY_WEIGHT), (Words::Context, CONTEXT_WEIGHT)] {
        let decided = slate(words, &[(2, 0.5, true), (6, 1.0, true)]);
        let scores = decided.decision.slate.iter().map(|entry| entry.score);
        for ((number, parts), score) in parts(&decided).into_iter().zip(scores) {
            let relevance = [(2, 0.5), (6, 1.0)].into_iter().find(|(other, _)| *other == number);
            let words = relevance.map(|(_, relevance)| weight * relevance);
            assert_eq!(parts.words, words);
            let by_taste = score - words.unwrap_or_default();
            assert!((by_taste - plain[&number]).abs() < 1e-6, "{number}");
        }
    }
}

#[test]
fn reasons_tell_the_question_and_a_context_where_it_counts_most() {
    let decided = slate(query(), &[(2, 0.5, true)]);
    let reason = decided.items[0].reason.as_ref().unwrap();
    assert_eq!((reason.code, reason.text.as_str()), (ReasonCode::Query, "Found for “车贷”"));
    assert!(!reason.evidence.is_empty(), "and what the person did is behind it as well");

    let decided = slate(Words::Context, &[(2, 0.01, false), (6, 1.0, false)]);
    assert_eq!(decided.items.len(), 8, "a context keeps nothing back");
    let code = |number: usize| {
        let at = numbers(&decided).iter().position(|other| *other == number).unwrap();
        decided.items[at].reason.as_ref().unwrap().code
    };
    assert_eq!((code(2), code(6)), (ReasonCode::History, ReasonCode::Context));
}

#[test]
fn of_what_was_looked_for_nothing_is_kept_but_that_it_was() {
    let decided = slate(query(), &[(2, 0.5, true)]);
    let record = serde_json::to_string(&decided.decision).unwrap();
    assert!(record.contains("\"with_words\":true") && !record.contains("车贷"), "{record}");
}
