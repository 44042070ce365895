use ndarray::{Array2, array};
use proptest::prelude::*;

use super::*;
use crate::entities::catalogue::{Item, ItemStatus};
use crate::evidence::item_vectors::VectorSource;
use crate::evidence::items::ItemIndex;
use crate::evidence::popularity::PeopleOfDomain;
use crate::maths::als::AlsOptions;
use crate::maths::weighted_ridge::{Examples, WeightedRidge};
use crate::model::bridges::Bridges;
use crate::model::content::{DomainContent, Reconstruction};
use crate::model::mixtures::Mixtures;
use crate::model::scoring::{ScoringTables, TableParts};
use crate::model::tests::{model_of, with_sections};
use crate::serving::snapshot::DescribedItems;

fn shop() -> DomainId {
    DomainId::parse("shop").unwrap()
}

fn id(name: &str) -> ItemId {
    ItemId::parse(name).unwrap()
}

fn item(name: &str, categories: &[&str]) -> Item {
    let mut item = crossfold_testing::catalogue_item((shop(), id(name)));
    let details = item.details.as_mut().unwrap();
    details.title = name.to_owned();
    details.categories = categories.iter().map(|name| (*name).to_owned()).collect();
    item
}

/// A model of items of two tastes, each with so many of 1,000 people, whose texts say which of
/// the tastes: `[1, 0]` the first.
fn model(items: &[(&str, [f32; 2], u16)]) -> Model {
    let index = ItemIndex::new(items.iter().map(|(name, ..)| (shop(), id(name))).collect());
    let of_row = |row: usize| {
        let (_, name) = &index.items()[row];
        items.iter().find(|(item, ..)| id(item) == *name).unwrap()
    };
    let factors = Array2::from_shape_fn((items.len(), 2), |(row, at)| of_row(row).1[at]);
    let people = (0..items.len()).map(|row| f32::from(of_row(row).2) / 1_000.0).collect();
    let options = AlsOptions { factors: 2, ..AlsOptions::default() };
    let model = model_of(index, options, factors, people, Bridges::none());
    let (inputs, weights) = (array![[1.0f32, 0.0], [0.0, 1.0]], array![1.0f32, 1.0]);
    let targets = array![[1.0f32, 0.0, 0.5], [0.0, 1.0, 0.5]];
    let examples =
        Examples { inputs: inputs.view(), targets: targets.view(), weights: weights.view() };
    let map = WeightedRidge::fit(&examples, 0.001).unwrap();
    let source = VectorSource::default();
    let reconstruction = Reconstruction::FromAll;
    let content =
        DomainContent { source, artefact: None, map, by_popularity: false, reconstruction };
    with_sections(&model, |sections| {
        // Of three thousand, two thirds of whom were here long ago.
        let people = PeopleOfDomain { count: 3_000, weight: Some(1_000.0) };
        sections.people.insert(shop(), people);
        sections.content.insert(shop(), content);
    })
}

/// Three items of each taste that many took, and one of each that two people took, whose factors
/// say the opposite of its text.
fn known() -> Model {
    model(&[
        ("car-1", [1.0, 0.1], 200),
        ("car-2", [0.9, 0.0], 100),
        ("car-3", [0.8, 0.1], 50),
        ("car-rare", [0.05, 0.6], 2),
        ("piano-1", [0.1, 1.0], 200),
        ("piano-2", [0.0, 0.9], 100),
        ("piano-3", [0.1, 0.8], 50),
        ("piano-rare", [0.6, 0.05], 2),
    ])
}

fn catalogue() -> Vec<Item> {
    let names = ["car-1", "car-2", "car-3", "car-rare", "piano-1", "piano-2", "piano-3"];
    let rare = ["piano-rare"];
    names.into_iter().chain(rare).map(|name| item(name, &[])).collect()
}

/// What is like an item of a catalogue, whose text, where it has one, is of this taste.
fn like(model: Option<&Model>, items: &[Item], name: &str, text: Option<[f32; 2]>) -> SimilarItems {
    let snapshot = CatalogueSnapshot::new(items.to_vec(), model);
    let entry = snapshot.find(&id(name)).unwrap();
    let expected =
        text.and_then(|text| model?.sections().expected_factors(&shop(), ndarray::aview1(&text)));
    let asked = AskedItem { entry, expected, definition: None };
    similar(&asked, (&snapshot, model), Timestamp::UNIX_EPOCH, 100)
}

fn names(found: &SimilarItems) -> Vec<&str> {
    found.items.iter().map(|item| item.title.as_str()).collect()
}

#[test]
fn an_item_that_many_took_is_like_what_the_same_people_took_whatever_its_text_says() {
    let (model, items) = (known(), catalogue());
    for text in [None, Some([0.0, 1.0])] {
        let found = like(Some(&model), &items, "car-1", text);
        assert_eq!(&names(&found)[..2], ["car-2", "car-3"], "{found:?}");
        assert!(found.items.is_sorted_by(|a, b| a.score >= b.score));
    }
    let by_people = like(Some(&model), &items, "car-1", None);
    assert_eq!(by_people.based_on, BasedOn::Behaviour);
}

#[test]
fn an_item_that_hardly_anyone_took_is_like_what_its_text_says() {
    let (model, items) = (known(), catalogue());
    let found = like(Some(&model), &items, "car-rare", Some([1.0, 0.0]));
    assert_eq!(found.based_on, BasedOn::Text);
    assert_eq!(&names(&found)[..3], ["car-1", "car-2", "car-3"], "{found:?}");
    // What the two people like is told to nobody, and there is nothing else to go by.
    let without = like(Some(&model), &items, "car-rare", None);
    assert_eq!((without.based_on, without.items), (BasedOn::Nothing, vec![]));
    let of_fifty = like(Some(&model), &items, "car-3", Some([1.0, 0.0]));
    assert_eq!(of_fifty.based_on, BasedOn::BehaviourAndText);
    assert_eq!(&names(&of_fifty)[..2], ["car-1", "car-2"], "{of_fifty:?}");
    let unknown = [items, vec![item("car-new", &[])]].concat();
    let found = like(Some(&model), &unknown, "car-new", Some([1.0, 0.0]));
    assert_eq!(found.based_on, BasedOn::Text);
    assert_eq!(&names(&found)[..3], ["car-1", "car-2", "car-3"], "{found:?}");
}

#[test]
fn nearness_to_an_item_of_two_people_counts_for_little() {
    let found = like(Some(&known()), &catalogue(), "car-1", None);
    let place = |name: &str| names(&found).iter().position(|other| *other == name);
    assert!(place("piano-rare") > place("car-3"), "{found:?}");
    let rare = &found.items[place("piano-rare").unwrap()];
    assert!(rare.score <= 2.0 / (2.0 + TEXT_IS_WORTH), "{rare:?}");
}

#[test]
fn without_a_model_items_are_alike_by_their_categories_the_newest_first() {
    let mut items =
        vec![item("a", &["x", "y"]), item("b", &["x"]), item("c", &["x", "y"]), item("d", &["z"])];
    items.push(item("e", &["x"]));
    items.iter_mut().for_each(|item| item.updated_at = Timestamp::UNIX_EPOCH);
    items[4].updated_at = Timestamp::from_second(9).unwrap();
    let found = like(None, &items, "a", None);
    assert_eq!(found.based_on, BasedOn::Categories);
    assert_eq!(names(&found), ["c", "e", "b"]);
    assert_eq!(found.items[0].score, 1.0);
    let of_nothing = like(None, &[item("a", &[]), item("b", &[])], "a", None);
    assert_eq!((of_nothing.based_on, of_nothing.items), (BasedOn::Nothing, vec![]));
}

#[test]
fn the_text_of_an_item_is_asked_for_until_enough_people_took_it() {
    let (model, items) = (known(), catalogue());
    let snapshot = CatalogueSnapshot::new(items, Some(&model));
    let asks = |name: &str| asks_for_text(&model, &snapshot.find(&id(name)).unwrap());
    assert!(asks("car-rare") && asks("car-3") && !asks("car-2") && !asks("car-1"));
}

#[test]
fn a_new_item_is_like_what_its_stand_ins_are_like_and_is_found_by_them() {
    let (model, mut items) = (known(), catalogue());
    items.push(item("new", &[]));
    let vectors = array![[0.0f32, 1.0]];
    let stand_ins = model.sections().stand_ins(&shop(), vectors.view()).remove(0);
    let change = items[8].change;
    let described = DescribedItems::new((None, change), [(id("new"), change, stand_ins)]);
    let snapshot =
        CatalogueSnapshot::new(items, Some(&model)).described_by(std::sync::Arc::new(described));
    let found = |name: &str| {
        let asked = AskedItem {
            entry: snapshot.find(&id(name)).unwrap(),
            expected: None,
            definition: None,
        };
        similar(&asked, (&snapshot, Some(&model)), Timestamp::UNIX_EPOCH, 4)
    };
    let of_new = found("new");
    assert_eq!(
        (of_new.based_on, &names(&of_new)[..2]),
        (BasedOn::Text, &["piano-1", "piano-2"][..])
    );
    let of_known = found("piano-1");
    let new = of_known.items.iter().find(|item| item.title == "new").unwrap();
    // Its text is worth ten people, so that it can be half as alike as what many took.
    assert!(new.score > 0.4 && new.score <= 0.5, "{of_known:?}");
    assert!(!names(&found("car-1")).contains(&"new"));
}

#[test]
fn where_popularity_serves_better_than_factors_these_tell_nothing() {
    let model = known();
    let served = with_sections(&model, |sections| {
        let tables = TableParts {
            ranges: sections.index.ranges().clone(),
            params: model.manifest().options.check().unwrap(),
            unobserved: model.manifest().unobserved_items,
            item_factors: sections.tables.item_factors().to_owned(),
            domain_factors: None,
            bridges: Bridges::none(),
            mixtures: Mixtures::none(),
            look_alikes: Default::default(),
            by_popularity: [shop()].into(),
            young_items: Default::default(),
        };
        sections.tables = ScoringTables::new(tables).unwrap();
    });
    let found = like(Some(&served), &catalogue(), "car-1", Some([1.0, 0.0]));
    assert_eq!(found.based_on, BasedOn::Nothing);
}

fn any_status() -> impl Strategy<Value = ItemStatus> {
    prop_oneof![Just(ItemStatus::Active), Just(ItemStatus::Hidden), Just(ItemStatus::OutOfStock)]
}

proptest! {
    #[test]
    fn nothing_is_shown_but_other_items_that_may_be_and_in_whatever_order_the_catalogue_is(
        statuses in proptest::collection::vec(any_status(), 8),
        until in proptest::collection::vec(proptest::option::of(-5i64..5), 8),
        asked in 0usize..8,
        limit in 0usize..10,
        knows in any::<bool>(),
        turned in 0usize..8,
    ) {
        let model = knows.then(known);
        let mut items: Vec<Item> =
            catalogue();
        for ((item, status), until) in items.iter_mut().zip(statuses).zip(until) {
            let details = item.details.as_mut().unwrap();
            details.status = status;
            details.categories = vec!["all".to_owned()];
            details.available_until = until.map(|second| Timestamp::from_second(second).unwrap());
        }
        let of = items[asked].item_id.clone();
        let find = |items: &[Item]| {
            let snapshot = CatalogueSnapshot::new(items.to_vec(), model.as_ref());
            let entry = snapshot.find(&of).unwrap();
            let asked = AskedItem { entry, expected: None, definition: None };
            similar(&asked, (&snapshot, model.as_ref()), Timestamp::UNIX_EPOCH, limit)
        };
        let found = find(&items);
        prop_assert!(found.items.len() <= limit);
        for shown in &found.items {
            let item = items.iter().find(|item| item.item_id == shown.item_id).unwrap();
            prop_assert!(item.is_available(Timestamp::UNIX_EPOCH) && shown.item_id != of);
            prop_assert!(shown.score > 0.0 && shown.score <= 1.0);
        }
        items.rotate_left(turned);
        prop_assert_eq!(find(&items), found);
    }
}

#[test]
fn what_nearly_all_of_every_item_is_tells_no_likeness_and_less_is_left_as_it_is() {
    let point = |along: f32, taste: f32| [along, taste, 0.1 * taste * taste - 0.1];
    let alike = |along: f32, one: f32, other: f32| {
        let items: Vec<f32> =
            [1.0, -1.0, 0.9, -0.9].iter().flat_map(|t| point(along, *t)).collect();
        let items = ndarray::Array2::from_shape_vec((4, 3), items).unwrap();
        let common = Common::of(items.view(), &[0.5; 4]);
        let points = [one, other].map(|taste| common.lessened(&point(along, taste)));
        let [one, other] = &points;
        dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
    };
    assert!(alike(10.0, 1.0, 0.9) > 0.9);
    assert!(alike(10.0, 1.0, -0.9) < 0.2, "{}", alike(10.0, 1.0, -0.9));
    let as_it_is = (0.25 - 0.9) / (1.25f32 * (0.25 + 0.81)).sqrt();
    assert!((alike(0.5, 1.0, -0.9) - as_it_is).abs() < 0.02);
}
