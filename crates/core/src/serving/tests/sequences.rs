//! Items that a sequence model ranks by what the person took last.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::maths::sequence::{SequenceOptions, Sequences, fit_for};
use crate::model::mixtures::sequence::{Sequence, SequenceMethod};
use crate::model::mixtures::{Mixture, Ranker};
use crate::serving::reason::ReasonCode;

/// The model of both platforms, where a sequence model has `share` of the scores of
/// `knowledge`: after any item people take the next, and then any other.
fn model_with_sequence(share: f32) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut walk = |_| -> Vec<u32> {
        let firsts = (0..3).map(|_| rng.random_range(0..ITEMS as u32));
        firsts.flat_map(|first| [first, (first + 1) % ITEMS as u32]).collect()
    };
    let people: Vec<Vec<u32>> = (0..300).map(&mut walk).collect();
    let sequences: Sequences = people.iter().map(Vec::as_slice).collect();
    let small = SequenceOptions { dimensions: 16, blocks: 1, length: 8, ..Default::default() };
    let options = SequenceOptions { batch: 64, learning_rate: 0.01, dropout: 0.0, ..small };
    let params = options.check().unwrap();
    let method = SequenceMethod { params, epochs: 20, newest: 9, every: 1 };
    let model = fit_for(&sequences, ITEMS, &params, method.epochs).unwrap();
    let rankers = vec![Ranker::Factors, Ranker::Sequence(Sequence::new(method, model))];
    let shares = [0; 3].map(|_| vec![1.0 - share, share]);
    let mixture = Mixture { rankers, shares, unit: 0.5 };
    model::tests::with_mixture(&bridged_model(), &knowledge(), mixture)
}

/// A history of `knowledge`, the last item the newest.
fn took(numbers: &[usize]) -> Vec<Event> {
    let mut events = did(knowledge(), numbers);
    for (at, event) in events.iter_mut().enumerate() {
        event.occurred_at = now() - jiff::SignedDuration::from_secs((numbers.len() - at) as i64);
    }
    events
}

fn slate(model: &Model, events: Vec<Event>, consents: &ConsentLedger) -> Decided {
    let history = History::new(events, []);
    let request = SlateRequest { inspect: true, ..asking(knowledge(), knowledge()) };
    slate_for(Some(model), both(), (consents, &history), &request)
}

#[test]
fn what_follows_the_newest_item_comes_first_and_is_served_because_of_it() {
    let model = model_with_sequence(1.0);
    // The same three items: only which came last differs.
    for (taken, next) in [([0, 5, 2], 3), ([2, 0, 5], 6), ([5, 2, 0], 1)] {
        let decided = slate(&model, took(&taken), &both_granted());
        assert_eq!(numbers(&decided)[0], next, "{taken:?}");
        let reason = decided.items[0].reason.as_ref().unwrap();
        assert_eq!(
            (reason.code, &reason.evidence[0].item_id),
            (ReasonCode::History, &Some(item_id(taken[2])))
        );
        assert_eq!(reason.text, format!("Because of “title {}”", taken[2]));
        let shares: f32 = reason.evidence.iter().map(|evidence| evidence.share).sum();
        assert!(shares <= 1.0 + 1e-5);
    }
}

#[test]
fn a_score_is_what_past_items_add_and_what_their_order_does() {
    for share in [1.0, 0.5] {
        let model = model_with_sequence(share);
        let decided = slate(&model, took(&[0, 5, 2]), &both_granted());
        for item in &decided.items {
            let made_up = item.contributions.as_ref().unwrap();
            let sequence = made_up.sequence.unwrap();
            let past: f32 = made_up.parts.iter().map(|part| part.amount).sum();
            assert!((past + sequence + made_up.rest - item.entry.score).abs() < 1e-6);
            // Nothing is left over: neither popularity nor a bridge has a part.
            assert!(made_up.rest.abs() < 1e-5, "{made_up:?}");
            assert_eq!(made_up.parts.is_empty(), share == 1.0, "no item has a part of its own");
        }
    }
    let without = slate(&bridged_model(), took(&[0, 5, 2]), &both_granted());
    assert!(
        without.items.iter().all(|item| item.contributions.as_ref().unwrap().sequence.is_none())
    );
}

#[test]
fn a_sequence_is_of_the_platforms_own_items_and_the_same_again() {
    let model = model_with_sequence(1.0);
    let own = slate(&model, took(&[0, 5, 2]), &both_granted());
    // What was done elsewhere comes later, and is no part of it: with consent and without.
    let mut elsewhere = did(auto(), &[1, 6]);
    elsewhere.iter_mut().for_each(|event| event.occurred_at = now());
    let all = [took(&[0, 5, 2]), elsewhere.clone()].concat();
    for consents in [both_granted(), ConsentLedger::default()] {
        assert_eq!(slate(&model, all.clone(), &consents).decision.slate, own.decision.slate);
    }
    assert_eq!(slate(&model, took(&[0, 5, 2]), &both_granted()).decision, own.decision);
    // Nothing of a person without a history there is a sequence.
    let cold = slate(&model, elsewhere, &both_granted());
    assert!(cold.items.iter().all(|item| item.contributions.as_ref().unwrap().sequence.is_none()));
}
