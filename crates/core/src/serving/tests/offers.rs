//! Offers that can be had, and what they cost.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::entities::applicant::Applicant;
use crate::entities::definition::DomainDefinition;
use crate::entities::eligibility::{Case, is_refused};
use crate::serving::replay::{Change, Present, replay};
use crate::serving::request::MAX_LIMIT;
use crate::serving::rules::Ineligible;

fn defined() -> Definitions {
    let mut cars: DomainDefinition = definition();
    cars.eligibility = serde_json::from_value(json!({
        "pack": "cn-auto", "disclosure": "cn",
        "rules": [{ "rule": "debt_to_income", "max": "0.5" }, { "rule": "age_at_end", "max": 65 }],
    }))
    .unwrap();
    Definitions::from([(auto(), cars), (knowledge(), definition())])
}

/// Cars of rising price, the last two without an offer.
fn cars() -> Vec<Item> {
    let mut items = items(&auto());
    for (number, item) in items.iter_mut().enumerate() {
        let details = item.details.as_mut().unwrap();
        details.price = Some((50_000 * (number as i64 + 1)).into());
        details.offer = (number < ITEMS - 2).then(|| {
            let offer = json!({
                "kind": "loan", "annual_rate": "0.048", "terms_months": [12, 36, 60],
                "min_down_payment": "0.2",
                "vehicle": { "kind": "passenger", "energy": "new_energy", "condition": "new" },
            });
            Box::new(serde_json::from_value(offer).unwrap())
        });
    }
    items
}

fn applying(applicant: Option<serde_json::Value>) -> SlateRequest {
    SlateRequest {
        limit: MAX_LIMIT,
        inspect: true,
        applicant: applicant.map(|applicant| serde_json::from_value(applicant).unwrap()),
        ..asking(auto(), auto())
    }
}

fn decided(request: &SlateRequest) -> Decided {
    let (user, definitions, model) = (the_user(), defined(), bridged_model());
    let (consents, history) = (ConsentLedger::default(), History::default());
    let recipient =
        Recipient { user: &user, consents: &consents, history: &history, version: None };
    let asked = AdmittedRequest::new(request, recipient, &definitions);
    let (model, catalogues) = (Some(&model), catalogues_of(cars(), Some(&model)));
    decide(Serving { model, catalogues: &catalogues, policy: &ALS_FOLD_IN, degraded: &[] }, &asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_served_that_the_applicant_cannot_have_and_everything_else_is_with_its_costs(
        income in 0u32..60_000, debts in 0u32..10_000, down in 0u32..300_000, age in 10u8..90,
    ) {
        let told = json!({
            "monthly_income": income, "monthly_debts": debts, "down_payment": down, "age": age,
        });
        let decided = decided(&applying(Some(told.clone())));
        let applicant: Applicant = serde_json::from_value(told).unwrap();
        let definition = &defined()[&auto()];
        let can_have = |item: &Item| {
            let details = item.details.as_ref().unwrap();
            details.offer.as_deref().is_none_or(|offer| {
                !is_refused(&Case {
                    offer,
                    price: details.price,
                    currency: definition.currency,
                    rules: definition.eligibility.as_ref().unwrap(),
                    applicant: Some(&applicant),
                    today: jiff::civil::date(1970, 1, 12),
                })
            })
        };
        let expected: Vec<usize> =
            cars().iter().enumerate().filter(|(_, car)| can_have(car)).map(|(at, _)| at).collect();
        let mut served = numbers(&decided);
        served.sort_unstable();
        prop_assert_eq!(served, expected);
        for (item, number) in decided.items.iter().zip(numbers(&decided)) {
            prop_assert_eq!(item.offer.is_some(), number < ITEMS - 2);
            if let Some(offer) = &item.offer {
                prop_assert!(offer.unchecked.is_empty());
                let credit = offer.disclosure.credit.as_ref().unwrap();
                prop_assert!(credit.annual_rates.is_some());
            }
        }
        let left_out = &decided.inspected.as_ref().unwrap()[0].left_out;
        let of_rule = left_out.iter().find(|out| out.rule == Ineligible::NotEligible);
        let refused = of_rule.map_or(0, |out| out.items);
        prop_assert_eq!(refused, ITEMS - expected_count(&decided));
        prop_assert!(of_rule.is_none_or(|out| out.reasons.values().sum::<usize>() >= refused));
        // What somebody told is in no record.
        let record = serde_json::to_string(&decided.decision).unwrap();
        prop_assert!(!record.contains("income") && !record.contains("down_payment"));
    }
}

fn expected_count(decided: &Decided) -> usize {
    decided.decision.slate.len()
}

#[test]
fn without_an_applicant_offers_are_representative_and_say_what_is_unchecked() {
    let decided = decided(&applying(None));
    assert_eq!(decided.decision.slate.len(), ITEMS);
    let offer = decided.items.iter().find_map(|item| item.offer.as_ref()).unwrap();
    let shown = serde_json::to_value(offer).unwrap();
    assert_eq!(shown["basis"], "representative");
    assert_eq!(shown["unchecked"], json!(["age_at_start", "age_at_end", "debt_to_income"]));
}

#[test]
fn a_slate_with_offers_is_made_again_while_the_rules_are_the_same_and_nobody_applied() {
    let codes = |request: &SlateRequest, definitions: &Definitions| -> Vec<Change> {
        let recorded = decided(request).decision;
        let model = bridged_model();
        let present = Present {
            now: now(),
            model: Some(&model),
            catalogues: &catalogues_of(cars(), Some(&model)),
            descriptions: None,
            definitions,
            consents: &ConsentLedger::default(),
            history: &History::default(),
            not_reached: &BTreeSet::new(),
            cross_domain: CrossDomain::ByConsent,
        };
        let replayed = replay(&recorded, &present);
        assert_eq!(replayed.findings.is_empty(), replayed.is_same());
        replayed.findings.iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes(&applying(None), &defined()), []);
    // Rules that were not in force then are others now.
    let mut later = defined();
    let rules = later.get_mut(&auto()).unwrap().eligibility.as_mut().unwrap();
    let term = json!({ "rule": "term", "max_months": 1, "from": "1970-01-13" });
    rules.rules.push(serde_json::from_value(term).unwrap());
    assert_eq!(codes(&applying(None), &later), []);
    let applied = applying(Some(json!({ "age": 30 })));
    assert_eq!(codes(&applied, &defined()), [Change::ApplicantNotKept]);
    let mut stricter = defined();
    let rules = stricter.get_mut(&auto()).unwrap().eligibility.as_mut().unwrap();
    rules.rules.pop();
    assert_eq!(codes(&applying(None), &stricter), [Change::DefinitionsChanged]);
}
