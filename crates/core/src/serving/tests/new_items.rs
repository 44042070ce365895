//! Items that the model does not know, ranked among those that it knows by what their text says.

use ndarray::{Array2, array};

use super::*;
use crate::entities::decision::Decision;
use crate::evidence::item_vectors::VectorSource;
use crate::maths::weighted_ridge::{Examples, WeightedRidge};
use crate::model::content::{Content, DomainContent, KnownItems, Reconstruction};
use crate::serving::reason::ReasonCode;
use crate::serving::replay::{Change, Present, Replayed, replay};
use crate::serving::snapshot::{DescribedItems, Descriptions, MOST_DESCRIBED};

/// Change of every known item, and of those that are new.
const KNOWN: ChangeNumber = ChangeNumber(1);
const NEW: ChangeNumber = ChangeNumber(2);

/// The model, with a map from two values, one a taste, to factors.
fn model_with_content() -> Model {
    let model = bridged_model();
    let rows = model.rows(&knowledge()).unwrap().clone();
    let factors = model.sections().tables.factors_of_target(&rows).unwrap();
    let known = KnownItems::new(factors, &model.sections().popularity[rows.range.clone()]);
    let tastes = Array2::from_shape_fn((ITEMS, 2), |(item, taste)| {
        f32::from(u8::from((item < ITEMS / 2) == (taste == 0)))
    });
    let examples = Examples {
        inputs: tastes.view(),
        targets: known.targets.view(),
        weights: ndarray::ArrayView1::from(&[1.0; ITEMS]),
    };
    let map = WeightedRidge::fit(&examples, 0.01).unwrap();
    let source = VectorSource { name: "test".into(), version: "1".into(), sha256: "ab".into() };
    let reconstruction = Reconstruction::FromAll;
    let content =
        DomainContent { source, artefact: None, map, by_popularity: true, reconstruction };
    let content = Content::from([(knowledge(), content)]);
    model::tests::with_content(&model, content)
}

/// The catalogue with one new item of each taste: `i90` of the first, `i91` of the second.
fn catalogue() -> Vec<Item> {
    let mut items = items(&knowledge());
    items.iter_mut().for_each(|item| item.change = KNOWN);
    for number in [90, 91] {
        let mut item = items[0].clone();
        (item.item_id, item.change) = (item_id(number), NEW);
        items.push(item);
    }
    items
}

fn described(model: &Model) -> Arc<DescribedItems> {
    let vectors = array![[1.0, 0.0], [0.0, 1.0]];
    let stand_ins = model.sections().stand_ins(&knowledge(), vectors.view());
    assert!(stand_ins.iter().all(Option::is_some));
    let items = [90, 91].map(item_id).into_iter().zip(stand_ins);
    let items = items.map(|(id, stand_ins)| (id, NEW, stand_ins));
    Arc::new(DescribedItems::new((None, NEW), items))
}

fn slate(model: &Model, described: Option<&Arc<DescribedItems>>, numbers: &[usize]) -> Decided {
    let snapshot = CatalogueSnapshot::new(catalogue(), Some(model));
    let snapshot = match described {
        Some(described) => snapshot.described_by(described.clone()),
        None => snapshot,
    };
    let catalogues = Catalogues::from([(knowledge(), Arc::new(snapshot))]);
    let history = History::new(did(knowledge(), numbers), []);
    let request = SlateRequest { limit: 20, inspect: true, ..asking(knowledge(), knowledge()) };
    let (user, definitions, consents) = (the_user(), both_defined(), both_granted());
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let asked = AdmittedRequest::new(&request, recipient, &definitions);
    let serving = Serving {
        model: Some(model),
        catalogues: &catalogues,
        policy: &ALS_FOLD_IN,
        degraded: &[],
    };
    decide(serving, &asked)
}

fn place(decided: &Decided, number: usize) -> usize {
    numbers(decided).iter().position(|served| *served == number).unwrap()
}

#[test]
fn a_new_item_takes_the_place_that_its_text_gives_it_and_says_so() {
    let model = model_with_content();
    let decided = slate(&model, Some(&described(&model)), &[0, 1]);
    // Before everything of the other taste, and before the new item of the other taste.
    for other in [4, 5, 6, 7, 91] {
        assert!(place(&decided, 90) < place(&decided, other), "{:?}", numbers(&decided));
    }
    let new = &decided.items[place(&decided, 90)];
    let reason = new.reason.as_ref().unwrap();
    assert_eq!(reason.code, ReasonCode::Description);
    assert!(reason.text.starts_with("New: by its description, like “title "), "{}", reason.text);
    assert!(!reason.evidence.is_empty());
    let parts = new.contributions.as_ref().unwrap();
    let sum: f32 = parts.parts.iter().map(|part| part.amount).sum();
    assert!((sum - new.entry.score).abs() < 1e-4, "{sum} {}", new.entry.score);
    assert_eq!(decided.decision.basis.unwrap().described, [(knowledge(), NEW)].into());
}

#[test]
fn a_new_item_that_is_not_described_comes_after_all_that_are_known() {
    let model = model_with_content();
    let decided = slate(&model, None, &[0, 1]);
    assert!(numbers(&decided).ends_with(&[90, 91]));
    let new = &decided.items[place(&decided, 90)];
    assert_eq!(new.reason.as_ref().unwrap().code, ReasonCode::New);
    assert!(decided.decision.basis.unwrap().described.is_empty());
}

#[test]
fn people_of_whom_nothing_is_known_see_new_items_by_the_popularity_that_their_text_tells() {
    let model = model_with_content();
    let decided = slate(&model, Some(&described(&model)), &[]);
    // The first taste's items are the popular ones of this world.
    assert!(place(&decided, 90) < place(&decided, 91));
    let new = &decided.items[place(&decided, 90)];
    assert_eq!(new.reason.as_ref().unwrap().code, ReasonCode::Description);
    assert!((0.0..=1.0).contains(&new.entry.score));
    assert!(!decided.decision.personalised);
}

#[test]
fn only_what_the_model_does_not_know_is_to_be_described() {
    let model = model_with_content();
    let snapshot = CatalogueSnapshot::new(catalogue(), Some(&model));
    let to_describe = |until| -> Vec<&str> {
        let (items, from) = snapshot.to_describe(&(ChangeNumber::default()..=until));
        assert_eq!(from, None);
        items.iter().map(|item| item.item_id.as_str()).collect()
    };
    assert_eq!(to_describe(NEW), ["i90", "i91"]);
    assert!(to_describe(KNOWN).is_empty());
}

#[test]
fn of_more_new_items_than_are_described_those_of_one_change_are_all_or_none() {
    let described = |calls: &[usize]| {
        let mut items = Vec::new();
        for (call, count) in calls.iter().enumerate() {
            for number in 0..*count {
                let mut item = catalogue()[0].clone();
                item.item_id = item_id(100 + 1_000 * call + number);
                item.change = ChangeNumber(call as u64 + 1);
                items.push(item);
            }
        }
        let snapshot = CatalogueSnapshot::new(items, Some(&model_with_content()));
        let (items, from) = snapshot.to_describe(&(ChangeNumber::default()..=ChangeNumber(9)));
        (items.len(), from)
    };
    assert_eq!(described(&[300, 200]), (500, None));
    assert_eq!(described(&[300, 300]), (300, Some(ChangeNumber(2))));
    assert_eq!(described(&[300, 1, 499]), (500, Some(ChangeNumber(2))));
    assert_eq!(described(&[600]), (MOST_DESCRIBED, Some(ChangeNumber(1))));
}

fn replayed(
    recorded: &Decision,
    (model, descriptions): (&Model, Option<&Descriptions>),
    items: Vec<Item>,
) -> Replayed {
    let catalogues = catalogues_of(items, Some(model));
    let history = History::new(did(knowledge(), &[0, 1]), []);
    let (definitions, consents) = (both_defined(), both_granted());
    let present = Present {
        now: now(),
        model: Some(model),
        catalogues: &catalogues,
        descriptions,
        definitions: &definitions,
        consents: &consents,
        history: &history,
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    replay(recorded, &present)
}

#[test]
fn a_slate_with_new_items_is_made_again_or_it_is_said_what_is_gone() {
    let model = model_with_content();
    let descriptions = Descriptions::from([(knowledge(), described(&model))]);
    let codes = |replayed: &Replayed| -> Vec<Change> {
        replayed.findings.iter().map(|finding| finding.code).collect()
    };
    let recorded = slate(&model, descriptions.get(&knowledge()), &[0, 1]).decision;
    let again = replayed(&recorded, (&model, Some(&descriptions)), catalogue());
    assert!(again.is_same(), "{:?}", again.findings);
    let without_encoder = replayed(&recorded, (&model, None), catalogue());
    assert_eq!(codes(&without_encoder), [Change::EncoderGone]);
    // The new item's text was changed since: what it was like is not known any more.
    let mut changed = catalogue();
    changed[ITEMS].change = ChangeNumber(3);
    let changed = replayed(&recorded, (&model, Some(&descriptions)), changed);
    assert_eq!(codes(&changed), [Change::CatalogueChanged]);
    // Of a slate from before the new items were described nothing is needed of them.
    let recorded = slate(&model, None, &[0, 1]).decision;
    assert!(replayed(&recorded, (&model, Some(&Descriptions::new())), catalogue()).is_same());
}
