//! Slates that are to be of different things.

use super::*;
use crate::entities::diversity::Diversity;
use crate::maths::dense::dot;
use crate::serving::diversify::{Composed, Composition, POOL};
use crate::serving::replay::{Present, Replayed, replay};

/// More items than a pool has, of two tastes.
const MANY: usize = POOL + 100;

fn many() -> Vec<Item> {
    let first = items(&knowledge()).swap_remove(0);
    let item = |number| Item {
        item_id: ItemId::parse(&format!("i{number:04}")).unwrap(),
        ..first.clone()
    };
    (0..MANY).map(item).collect()
}

fn model() -> Model {
    let keys = (0..MANY).map(|number| (knowledge(), many()[number].item_id.clone()));
    model_of(ItemIndex::new(keys.collect()), Bridges::none())
}

fn asking_for(share: f32, limit: usize) -> SlateRequest {
    let diverse = Diversity::try_from(share).ok().map(Composition::Diverse);
    SlateRequest { limit, composed: diverse.map(Composed::by), ..asking(knowledge(), knowledge()) }
}

fn history() -> History {
    let mut events = did(knowledge(), &[0, 1, 2]);
    let seen = |event: &mut Event| {
        let number: usize = event.item_id.as_str()[1..].parse().unwrap();
        event.item_id = ItemId::parse(&format!("i{number:04}")).unwrap();
    };
    events.iter_mut().for_each(seen);
    History::new(events, [])
}

fn decided(model: &Model, items: Vec<Item>, request: &SlateRequest) -> Decided {
    slate_for(Some(model), items, (&both_granted(), &history()), request)
}

/// How alike the items of a slate are, in the mean of all pairs.
fn likeness(model: &Model, decided: &Decided) -> f32 {
    let rows: Vec<Vec<f32>> = numbers(decided)
        .into_iter()
        .map(|number| {
            let row = model.item_factors().row(number).to_vec();
            let length = dot(&row, &row).sqrt();
            row.into_iter().map(|value| value / length).collect()
        })
        .collect();
    let pairs = (0..rows.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let products: Vec<f32> = pairs.map(|(one, other)| dot(&rows[one], &rows[other])).collect();
    products.iter().sum::<f32>() / products.len() as f32
}

#[test]
fn the_more_diversity_is_asked_for_the_less_alike_items_are_and_the_best_comes_first() {
    let model = model();
    let slates: Vec<Decided> = [0.0, 0.3, 0.6, 1.0]
        .into_iter()
        .map(|share| decided(&model, many(), &asking_for(share, 10)))
        .collect();
    let alike: Vec<f32> = slates.iter().map(|slate| likeness(&model, slate)).collect();
    assert!(alike.is_sorted_by(|less, more| more <= less), "{alike:?}");
    assert!(alike[3] < alike[0] - 0.2, "{alike:?}");
    for slate in &slates {
        assert_eq!(numbers(slate)[0], numbers(&slates[0])[0]);
        assert_eq!(slate.decision.slate.len(), 10);
        assert!(slate.decision.personalised);
    }
}

#[test]
fn a_whole_catalogue_has_every_item_once_however_different_they_are_to_be() {
    let model = model();
    let slate = decided(&model, many().split_off(MANY - 60), &asking_for(0.7, 100));
    let mut shown = numbers(&slate);
    shown.sort_unstable();
    assert_eq!(shown, (MANY - 60..MANY).collect::<Vec<_>>());
}

#[test]
fn without_a_model_the_slate_is_what_it_is() {
    let shown = |share| {
        let request = asking_for(share, 10);
        let slate = slate_for(None, many(), (&both_granted(), &History::default()), &request);
        numbers(&slate)
    };
    assert_eq!(shown(0.9), shown(0.0));
}

fn replayed(recorded: &Decided, model: &Model, items: Vec<Item>) -> Replayed {
    let present = Present {
        now: now(),
        model: Some(model),
        catalogues: &catalogues_of(items, Some(model)),
        descriptions: None,
        definitions: &both_defined(),
        consents: &both_granted(),
        history: &history(),
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    let stored = serde_json::to_string(&recorded.decision).unwrap();
    replay(&serde_json::from_str(&stored).unwrap(), &present)
}

#[test]
fn a_slate_is_made_again_whatever_became_of_items_that_are_not_on_it() {
    let model = model();
    for share in [0.2, 0.8] {
        let recorded = decided(&model, many(), &asking_for(share, 10));
        assert!(replayed(&recorded, &model, many()).is_same());
        // Half of the pool changed since, which makes room in it for as many others.
        let shown = numbers(&recorded);
        let mut changed = many();
        for (number, item) in changed.iter_mut().enumerate() {
            if number % 2 == 0 && !shown.contains(&number) {
                item.change = ChangeNumber(9);
            }
        }
        let again = replayed(&recorded, &model, changed);
        assert!(again.is_same(), "{:?}", again.findings);
    }
}
