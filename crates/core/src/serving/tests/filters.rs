//! Slates of items that a caller's filter admits.

use proptest::prelude::*;

use super::*;
use crate::entities::definition::DomainDefinition;
use crate::entities::filter::{AttributeType, Filter};
use crate::serving::admit::admit;
use crate::serving::replay::{Change, Present, replay};
use crate::serving::request::MAX_LIMIT;
use crate::serving::rules::Ineligible;

/// The price and the brand of each item, where it has one.
type Goods = Vec<(Option<u8>, Option<bool>)>;

fn defined() -> Definitions {
    let mut definition: DomainDefinition = definition();
    definition.attributes = BTreeMap::from([
        ("brand".to_owned(), AttributeType::Text),
        ("range".to_owned(), AttributeType::Number),
    ]);
    Definitions::from([(knowledge(), definition), (auto(), crossfold_testing::definition())])
}

fn goods(goods: &Goods) -> Vec<Item> {
    let with = |(mut item, (price, brand)): (Item, &(Option<u8>, Option<bool>))| {
        let details = item.details.as_mut().unwrap();
        details.price = price.map(|price| rust_decimal::Decimal::new(price.into(), 1));
        if let Some(brand) = brand {
            let brand = if *brand { "BYD" } else { "Geely" };
            details.attributes.insert("brand".into(), brand.into());
        }
        item
    };
    items(&knowledge()).into_iter().zip(goods).map(with).collect()
}

fn filtered(source: &str) -> SlateRequest {
    let filter = Filter::parse(source, &defined()[&knowledge()].schema()).unwrap();
    SlateRequest {
        limit: MAX_LIMIT,
        inspect: true,
        filters: BTreeMap::from([(knowledge(), vec![filter])]),
        ..asking(knowledge(), knowledge())
    }
}

fn decided(request: &SlateRequest, items: Vec<Item>, model: Option<&Model>) -> Decided {
    let (user, definitions) = (the_user(), defined());
    let (consents, history) = (ConsentLedger::default(), History::new(did(knowledge(), &[0]), []));
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let asked = AdmittedRequest::new(request, recipient, &definitions);
    let catalogues = catalogues_of(items, model);
    decide(Serving { model, catalogues: &catalogues, policy: &ALS_FOLD_IN, degraded: &[] }, &asked)
}

proptest! {
    #[test]
    fn nothing_is_served_but_what_the_filter_is_true_of(
        each in proptest::collection::vec((any::<Option<u8>>(), any::<Option<bool>>()), ITEMS),
        most in 0u8..30, has_model in any::<bool>(),
    ) {
        let model = has_model.then(bridged_model);
        let source = format!("price <= {}.{} and brand != \"BYD\"", most / 10, most % 10);
        let request = filtered(&source);
        let decided = decided(&request, goods(&each), model.as_ref());
        let passes = |number: &usize| {
            let (price, brand) = each[*number];
            price.is_some_and(|price| price <= most) && brand == Some(false)
        };
        let mut served = numbers(&decided);
        served.sort_unstable();
        // What was seen is left out whatever the filter says.
        let expected: Vec<usize> = (1..ITEMS).filter(passes).collect();
        prop_assert_eq!(served, expected);
        let inspected = &decided.inspected.as_ref().unwrap()[0];
        let filtered = inspected.left_out.iter().filter(|out| out.rule == Ineligible::Filtered);
        let left_out: usize = filtered.map(|out| out.items).sum();
        prop_assert_eq!(left_out, (1..ITEMS).filter(|number| !passes(number)).count());
    }
}

#[test]
fn a_filter_of_one_target_leaves_the_others_alone() {
    let request = SlateRequest {
        targets: BTreeSet::from([knowledge(), auto()]),
        ..filtered("item_id = \"i3\"")
    };
    let decided = decided(&request, both(), None);
    let of = |domain: &DomainId| {
        decided.decision.slate.iter().filter(|entry| entry.domain == *domain).count()
    };
    assert_eq!((of(&knowledge()), of(&auto())), (1, ITEMS));
}

#[test]
fn a_column_is_of_the_type_that_is_declared_now_and_what_is_no_such_value_is_missing() {
    let mut items = items(&knowledge());
    for (number, range) in ["90", "1e3", "110.0", "110", ""].into_iter().enumerate() {
        let attributes = &mut items[number + 1].details.as_mut().unwrap().attributes;
        attributes.insert("range".into(), range.into());
    }
    let served = |source: &str| numbers(&decided(&filtered(source), items.clone(), None));
    assert_eq!(served("range = 110"), [3, 4]);
    assert_eq!(served("has(range)"), [1, 3, 4]);
    assert_eq!(served("not (range > 100)"), [1]);
    // The same catalogue, with the attribute declared as a text.
    let mut definitions = defined();
    let declared = &mut definitions.get_mut(&knowledge()).unwrap().attributes;
    declared.insert("range".into(), AttributeType::Text);
    let schema = definitions[&knowledge()].schema();
    let filter = Filter::parse("range = \"110\"", &schema).unwrap();
    let request = SlateRequest {
        filters: BTreeMap::from([(knowledge(), vec![filter])]),
        ..asking(knowledge(), knowledge())
    };
    let (user, history) = (the_user(), History::new(Vec::new(), []));
    let consents = ConsentLedger::default();
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let asked = AdmittedRequest::new(&request, recipient, &definitions);
    let catalogues = catalogues_of(items.clone(), None);
    let reasons = admit(&asked, &catalogues)[0].refusals.clone();
    let admitted: Vec<usize> = (0..ITEMS).filter(|at| reasons.reasons()[*at].is_none()).collect();
    assert_eq!(admitted, [4]);
}

#[test]
fn a_slate_with_a_filter_is_made_again_or_it_is_said_that_the_filter_is_gone() {
    let each: Goods =
        (0..ITEMS).map(|number| (Some(number as u8), Some(number % 2 == 0))).collect();
    let request = filtered("brand = \"BYD\" and price > 0.1");
    let recorded = decided(&request, goods(&each), None).decision;
    assert_eq!(recorded.slate.len(), 3);
    let kept = &recorded.basis.as_ref().unwrap().filters;
    assert_eq!(kept[0].source, "brand = \"BYD\" and price > 0.1");
    let again = |definitions: &Definitions, items: Vec<Item>| {
        let (consents, history) =
            (ConsentLedger::default(), History::new(did(knowledge(), &[0]), []));
        let present = Present {
            now: now(),
            model: None,
            catalogues: &catalogues_of(items, None),
            descriptions: None,
            definitions,
            consents: &consents,
            history: &history,
            not_reached: &BTreeSet::new(),
            cross_domain: CrossDomain::ByConsent,
        };
        replay(&recorded, &present)
    };
    let codes = |definitions: &Definitions, items: Vec<Item>| -> Vec<Change> {
        again(definitions, items).findings.iter().map(|finding| finding.code).collect()
    };
    assert!(again(&defined(), goods(&each)).is_same());
    assert_eq!(codes(&both_defined(), goods(&each)), [Change::FilterGone]);
    let mut retyped = defined();
    let declared = &mut retyped.get_mut(&knowledge()).unwrap().attributes;
    declared.insert("brand".into(), AttributeType::TextSet);
    assert_eq!(codes(&retyped, goods(&each)), [Change::FilterGone]);
    // Cheaper now than the filter wants.
    let mut changed = goods(&each);
    changed[2].change = ChangeNumber(9);
    changed[2].details.as_mut().unwrap().price = None;
    assert_eq!(codes(&defined(), changed), [Change::CatalogueChanged]);
}

#[test]
fn an_entry_that_changed_since_is_filtered_by_what_it_is_and_placed_by_what_is_known() {
    let details = |item: &mut Item| {
        item.details.as_mut().unwrap().available_from = Some(now());
    };
    let mut all = items(&knowledge());
    all.iter_mut().for_each(details);
    let request = filtered("has(available_from) and days_since(available_from) < 30");
    let recorded = decided(&request, all.clone(), None).decision;
    assert_eq!(recorded.slate.len(), ITEMS - 1);
    // Another title, and nothing that the filter reads.
    all[3].change = ChangeNumber(9);
    all[3].details.as_mut().unwrap().title = "another".into();
    let (consents, history) = (ConsentLedger::default(), History::new(did(knowledge(), &[0]), []));
    let present = Present {
        now: now(),
        model: None,
        catalogues: &catalogues_of(all, None),
        descriptions: None,
        definitions: &defined(),
        consents: &consents,
        history: &history,
        not_reached: &BTreeSet::new(),
        cross_domain: CrossDomain::ByConsent,
    };
    let slate = replay(&recorded, &present).slate.unwrap();
    assert_eq!(slate.len(), recorded.slate.len(), "it passes the filter as before");
}

#[test]
fn an_item_without_categories_has_none_and_that_is_known() {
    let served =
        |source: &str| numbers(&decided(&filtered(source), items(&knowledge()), None)).len();
    assert_eq!(served("not has_any(categories, [\"used\"])"), ITEMS - 1);
    assert_eq!(served("len(categories) = 0"), ITEMS - 1);
}
